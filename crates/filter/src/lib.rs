//! X-Ray's filter expressions: the language itself.
//!
//! [`parse`] reads text and says what is wrong with it by line and position; an [`Expression`] shows
//! itself in its canonical spelling. [`matches()`] is what it means, [`decide`] as much of that as a
//! summary tells, [`explain`] tells which part of it fails. Source: X-Ray Developer Guide, "Use filter expressions"; what
//! that leaves open is decided where it comes up, with the reason.

#[cfg(any(test, feature = "arbitrary"))]
mod arbitrary;
mod error;
mod evaluate;
mod explain;
mod expression;
mod format;
mod keyword;
mod lexer;
mod parser;

#[cfg(any(test, feature = "arbitrary"))]
pub use arbitrary::expression as any_expression;
pub use error::{FilterError, MAX_EXPRESSION_BYTES, MAX_NESTING, MAX_TERMS};
pub use evaluate::{decide, matches};
pub use explain::{Explanation, explain};
pub use expression::{
    AnnotationTest, Comparison, Expression, GroupBy, NumberTest, Side, TextComparison, TextTest,
    UnknownGroup, Who,
};
pub use keyword::{Flag, NumberField, RootCauseElements, RootCauseKind, RootCauseList, TextField};
pub use parser::{Selector, parse, parse_selector};
