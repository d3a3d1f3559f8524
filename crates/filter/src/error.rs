//! What is wrong with an expression, and where.

/// Longest expression, in bytes. X-Ray publishes no limit; the longest that its console makes, of
/// some hundred chosen values, is well below.
pub const MAX_EXPRESSION_BYTES: usize = 32 << 10;

/// Deepest nesting of parentheses, blocks and negations. X-Ray publishes no limit; nobody writes so.
pub const MAX_NESTING: usize = 64;

/// Most terms of an expression: keywords with what is asked of them, those in blocks and those of
/// named groups among them. X-Ray publishes no limit; the longest expressions are made of chosen
/// values, of which nobody chooses so many. Each term is asked of all traces of a range, which takes
/// some 2 ms for a million traces if it is a block.
pub const MAX_TERMS: usize = 500;

/// Characters of the expression that a message repeats.
const MOST_SYMBOL_CHARACTERS: usize = 60;

/// Why an expression cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Something else was expected at a place.
    #[error(
        "Error Location: line {line}, position {position} : Invalid input symbol: '{symbol}'. \
         Expected {expected}{}",
        suggested(suggestion.as_deref())
    )]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        position: usize,
        /// What was read of the term in question, up to that place.
        symbol: String,
        /// What would have been right.
        expected: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// More than [`MAX_EXPRESSION_BYTES`].
    #[error("The filter expression has {0} bytes; at most {MAX_EXPRESSION_BYTES} are allowed")]
    TooLong(usize),
    /// More than [`MAX_NESTING`].
    #[error(
        "Error Location: line {line}, position {position} : The filter expression is nested deeper \
         than {MAX_NESTING} levels"
    )]
    TooDeep {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        position: usize,
    },
    /// More than [`MAX_TERMS`].
    #[error("The filter expression has more than {MAX_TERMS} terms")]
    TooManyTerms,
}

fn suggested(suggestion: Option<&str>) -> String {
    suggestion.map(|text| format!("; did you mean {text}?")).unwrap_or_default()
}

/// Line and position of a byte, both from 1.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let position = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, position)
}

/// The error at a byte of the text; its symbol begins where the term in question begins.
pub(crate) fn syntax(
    text: &str,
    term_start: usize,
    at: usize,
    expected: impl Into<String>,
    suggestion: Option<String>,
) -> FilterError {
    let (line, position) = place(text, at);
    // With the character that is wrong.
    let end = text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8());
    let read = text.get(term_start..end).unwrap_or_default();
    let surplus = read.chars().count().saturating_sub(MOST_SYMBOL_CHARACTERS);
    let symbol = read.chars().skip(surplus).collect();
    FilterError::Syntax { line, position, symbol, expected: expected.into(), suggestion }
}
