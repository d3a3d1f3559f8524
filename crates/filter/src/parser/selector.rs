//! The selectors of GetTimeSeriesServiceStatistics: a part of the language of its own.

use crate::error::FilterError;
use crate::expression::Who;
use crate::lexer::{Symbol, Token};
use crate::parser::Parser;

/// What a time series is about (API reference, `EntitySelectorExpression`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `service("api")`, or `id(name: …)`.
    Service(Who),
    /// `edge("api", "db")`.
    Edge(Who, Who),
}

/// Reads a selector. General expressions are refused, as X-Ray does
/// (grafana/x-ray-datasource#195).
///
/// # Errors
/// Where and why it cannot be understood.
pub fn parse_selector(text: &str) -> Result<Selector, FilterError> {
    let mut parser = Parser::new(text)?;
    let selector = parser.selector()?;
    match parser.next.token {
        Token::End => Ok(selector),
        _ => Err(parser.unexpected("the end of the selector")),
    }
}

impl Parser<'_> {
    fn selector(&mut self) -> Result<Selector, FilterError> {
        if self.is_word("id") {
            return self.who().map(Selector::Service);
        }
        let is_edge = self.is_word("edge");
        if !is_edge && !self.is_word("service") {
            return Err(self.unexpected("service(…), edge(…, …) or id(…)"));
        }
        self.take();
        self.expect(Symbol::OpenParenthesis, "(")?;
        let first = self.who()?;
        let selector = if is_edge {
            self.expect(Symbol::Comma, "a comma and the called service")?;
            Selector::Edge(first, self.who()?)
        } else {
            Selector::Service(first)
        };
        self.expect(Symbol::CloseParenthesis, ")")?;
        Ok(selector)
    }
}
