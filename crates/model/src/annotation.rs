//! Annotations: the indexed key-value pairs of a segment.

use std::fmt;

/// The value of an annotation: a string, number or boolean (segment document reference).
#[derive(Clone, Debug, PartialEq)]
pub enum AnnotationValue {
    /// Text of at most 1,000 characters.
    String(String),
    /// Any JSON number, kept as a double as the API's `NumberValue` is.
    Number(f64),
    /// A boolean.
    Boolean(bool),
}

/// One annotation of one segment or subsegment.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Letters, digits, `_` and, since 2024, `.`; 1–500 characters.
    pub key: String,
    /// Its value.
    pub value: AnnotationValue,
}

impl fmt::Display for AnnotationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnnotationValue::String(text) => f.write_str(text),
            AnnotationValue::Number(number) => write!(f, "{number}"),
            AnnotationValue::Boolean(truth) => write!(f, "{truth}"),
        }
    }
}
