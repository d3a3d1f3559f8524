//! Text to [`Expression`]: how expressions are joined. What they are joined of is in the folder.
//!
//! ```text
//! any   = all { OR all }
//! all   = unary { [ AND ] unary }        two in a row mean AND
//! unary = ( "!" | NOT ) unary | "(" any ")" | term
//! ```
//! AND binds tighter than OR. X-Ray documents neither that nor `NOT` and parentheses; its own
//! samples use the latter.

use crate::error::{FilterError, MAX_EXPRESSION_BYTES, MAX_NESTING, MAX_TERMS, place, syntax};
use crate::expression::Expression;
use crate::keyword::Scope;
use crate::lexer::{Placed, Symbol, Token, Unknown, token_at};

mod blocks;
mod selector;
mod terms;

pub use selector::{Selector, parse_selector};

/// Reads a whole filter expression. The empty one is [`Expression::Everything`].
///
/// # Errors
/// Where and why it cannot be understood.
pub fn parse(text: &str) -> Result<Expression, FilterError> {
    let mut parser = Parser::new(text)?;
    if parser.next.token == Token::End {
        return Ok(Expression::Everything);
    }
    let expression = parser.any(Scope::Trace)?;
    match parser.next.token {
        Token::End => Ok(expression),
        _ => Err(parser.unexpected("AND, OR or the end")),
    }
}

/// Reads a text token by token.
struct Parser<'a> {
    text: &'a str,
    /// The token to be taken next.
    next: Placed<'a>,
    /// Where the term that is being read begins.
    term_start: usize,
    /// Where the operator stands that was read last.
    operator_start: usize,
    depth: usize,
    /// How many terms were read.
    terms: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, FilterError> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(FilterError::TooLong(text.len()));
        }
        let next = token_at(text, 0);
        Ok(Self { text, next, term_start: 0, operator_start: 0, depth: 0, terms: 0 })
    }

    /// Takes the next token.
    fn take(&mut self) -> Placed<'a> {
        let following = token_at(self.text, self.next.end);
        std::mem::replace(&mut self.next, following)
    }

    /// Takes the symbol if it is the next token.
    fn take_if(&mut self, symbol: Symbol) -> bool {
        let is_it = self.next.token == Token::Symbol(symbol);
        if is_it {
            self.take();
        }
        is_it
    }

    fn expect(&mut self, symbol: Symbol, expected: &str) -> Result<(), FilterError> {
        if self.take_if(symbol) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Takes the word if it is the next token, in any case.
    fn take_word_if(&mut self, word: &str) -> bool {
        let is_it = self.is_word(word);
        if is_it {
            self.take();
        }
        is_it
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.next.token, Token::Word(next) if next.eq_ignore_ascii_case(word))
    }

    /// The error that the next token is not what it should be.
    fn unexpected(&self, expected: &str) -> FilterError {
        self.error_at(self.next.start, expected, self.advice())
    }

    fn error_at(&self, at: usize, expected: &str, suggestion: Option<String>) -> FilterError {
        syntax(self.text, self.term_start.min(at), at, expected, suggestion)
    }

    /// What to write instead of a token that is not of the language.
    fn advice(&self) -> Option<String> {
        match self.next.token {
            Token::Unknown(Unknown::OpenText) => Some("a closing \"".to_owned()),
            Token::Unknown(Unknown::OtherQuote) => Some("straight double quotes".to_owned()),
            Token::Unknown(Unknown::Foreign(instead)) => Some(instead.to_owned()),
            Token::Symbol(Symbol::NotEqual) => Some("!".to_owned()),
            _ => None,
        }
    }

    /// Does a step within one level more of nesting.
    fn deeper<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        if self.depth >= MAX_NESTING {
            let (line, position) = place(self.text, self.next.start);
            return Err(FilterError::TooDeep { line, position });
        }
        self.depth += 1;
        let outcome = step(self);
        self.depth -= 1;
        outcome
    }

    fn any(&mut self, scope: Scope) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all(scope)?];
        while self.take_word_if("or") {
            parts.push(self.all(scope)?);
        }
        Ok(Expression::any(parts))
    }

    fn all(&mut self, scope: Scope) -> Result<Expression, FilterError> {
        let mut parts = vec![self.unary(scope)?];
        while self.take_word_if("and") || self.begins_unary() {
            parts.push(self.unary(scope)?);
        }
        Ok(Expression::all(parts))
    }

    /// Whether another part follows without a word between.
    fn begins_unary(&self) -> bool {
        match self.next.token {
            Token::Word(_) => !self.is_word("or"),
            Token::Symbol(symbol) => matches!(symbol, Symbol::Not | Symbol::OpenParenthesis),
            _ => false,
        }
    }

    fn unary(&mut self, scope: Scope) -> Result<Expression, FilterError> {
        self.term_start = self.next.start;
        if self.take_if(Symbol::Not) || self.take_word_if("not") {
            let inner = self.deeper(|parser| parser.unary(scope))?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.take_if(Symbol::OpenParenthesis) {
            let inner = self.deeper(|parser| parser.any(scope))?;
            self.expect(Symbol::CloseParenthesis, "AND, OR or )")?;
            return Ok(inner);
        }
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(FilterError::TooManyTerms);
        }
        self.term(scope)
    }
}

#[cfg(test)]
mod tests;
