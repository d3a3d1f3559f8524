//! Which parts of an expression a trace meets, and which it does not.

use roentgen_model::Trace;

use crate::evaluate::Subject;
use crate::expression::Expression;

/// A part of an expression and whether it is true of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The part in its canonical text.
    pub text: String,
    /// Whether it is true.
    pub holds: bool,
    /// What it is joined of by AND, OR and `!`; empty for a term.
    pub parts: Vec<Explanation>,
}

/// Explains why a trace matches an expression or does not.
pub fn explain(expression: &Expression, trace: &Trace<'_>) -> Explanation {
    explain_part(expression, &Subject::whole(trace))
}

fn explain_part(expression: &Expression, subject: &Subject<'_>) -> Explanation {
    let parts = match expression {
        Expression::All(parts) | Expression::Any(parts) => parts.as_slice(),
        Expression::Not(inner) => std::slice::from_ref(&**inner),
        _ => &[],
    };
    Explanation {
        text: expression.to_string(),
        holds: subject.truth(expression).unwrap_or(false),
        parts: parts.iter().map(|part| explain_part(part, subject)).collect(),
    }
}
