//! X-Ray's filter expressions: the language itself.
//!
//! [`parse`] reads text and says what is wrong with it by line and position; an [`Expression`] shows
//! itself in its canonical spelling. Source: X-Ray Developer Guide, "Use filter expressions"; what
//! that leaves open is decided where it comes up, with the reason.

mod error;
mod expression;
mod format;
mod keyword;
mod lexer;
mod parser;

pub use error::{FilterError, MAX_EXPRESSION_BYTES, MAX_NESTING};
pub use expression::{
    AnnotationTest, Comparison, Expression, GroupBy, NumberTest, Side, TextComparison, TextTest,
    Who,
};
pub use keyword::{Flag, NumberField, RootCauseElements, RootCauseKind, RootCauseList, TextField};
pub use parser::{Selector, parse, parse_selector};
