//! Annotations: the indexed key-value pairs of a segment.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// The value of an annotation: a string, number or boolean (segment document reference).
#[derive(Clone, Debug, PartialEq)]
pub enum AnnotationValue<'a> {
    /// Text of at most 1,000 characters.
    String(Cow<'a, str>),
    /// Any JSON number, kept as a double as the API's `NumberValue` is.
    Number(f64),
    /// A boolean.
    Boolean(bool),
}

/// One annotation of one segment or subsegment.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation<'a> {
    /// Letters, digits, `_` and, since 2024, `.`; 1–500 characters.
    pub key: Cow<'a, str>,
    /// Its value.
    pub value: AnnotationValue<'a>,
}

impl AnnotationValue<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> AnnotationValue<'static> {
        match self {
            AnnotationValue::String(text) => AnnotationValue::String(text.into_owned().into()),
            AnnotationValue::Number(number) => AnnotationValue::Number(number),
            AnnotationValue::Boolean(truth) => AnnotationValue::Boolean(truth),
        }
    }

    /// The order of annotations in summaries: booleans, numbers, texts. Total, unlike the order
    /// of doubles.
    pub(crate) fn compare(&self, other: &AnnotationValue<'_>) -> Ordering {
        use AnnotationValue::{Boolean, Number, String};
        let rank = |value: &AnnotationValue<'_>| match value {
            Boolean(_) => 0,
            Number(_) => 1,
            String(_) => 2,
        };
        match (self, other) {
            (Boolean(a), Boolean(b)) => a.cmp(b),
            (Number(a), Number(b)) => a.total_cmp(b),
            (String(a), String(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl Annotation<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Annotation<'static> {
        Annotation { key: self.key.into_owned().into(), value: self.value.into_owned() }
    }
}

impl fmt::Display for AnnotationValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnnotationValue::String(text) => f.write_str(text),
            AnnotationValue::Number(number) => write!(f, "{number}"),
            AnnotationValue::Boolean(truth) => write!(f, "{truth}"),
        }
    }
}
