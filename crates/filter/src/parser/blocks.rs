//! Terms with parts of their own: services, edges, root causes, groups.

use serde_json::Value;

use crate::error::FilterError;
use crate::expression::{Expression, GroupBy, Who};
use crate::keyword::{RootCauseList, Scope};
use crate::lexer::{Symbol, Token, token_at};
use crate::parser::Parser;

impl Parser<'_> {
    /// `service`, `service(who)`, and a block after either.
    pub(super) fn service(&mut self) -> Result<Expression, FilterError> {
        self.take();
        let mut who = Who::default();
        if self.take_if(Symbol::OpenParenthesis) {
            if self.next.token != Token::Symbol(Symbol::CloseParenthesis) {
                who = self.who()?;
            }
            self.expect(Symbol::CloseParenthesis, ")")?;
        }
        let block = self.optional_block(Scope::Service)?;
        Ok(Expression::Service { who, block })
    }

    /// `edge`, `edge(from, to)`, and a block after either.
    pub(super) fn edge(&mut self) -> Result<Expression, FilterError> {
        self.take();
        let (mut from, mut to) = (Who::default(), Who::default());
        if self.take_if(Symbol::OpenParenthesis) {
            if self.next.token != Token::Symbol(Symbol::CloseParenthesis) {
                from = self.who()?;
                self.expect(Symbol::Comma, "a comma and the called service")?;
                to = self.who()?;
            }
            self.expect(Symbol::CloseParenthesis, ")")?;
        }
        let block = self.optional_block(Scope::Edge)?;
        Ok(Expression::Edge { from, to, block })
    }

    /// A name, or `id(…)`.
    pub(super) fn who(&mut self) -> Result<Who, FilterError> {
        if self.is_word("id") {
            self.take();
            if !self.take_if(Symbol::OpenParenthesis) {
                return Err(self.unexpected("( and at least one of name:, type:, account.id:"));
            }
            return self.id();
        }
        let Token::Text(_) = self.next.token else {
            return Err(self.unexpected("a name in double quotes, or id(…)"));
        };
        Ok(Who { name: Some(self.text()?), ..Who::default() })
    }

    /// The pairs of an `id` and the parenthesis after them.
    fn id(&mut self) -> Result<Who, FilterError> {
        const EXPECTED: &str = "name:, type: or account.id:, each at most once";
        let mut who = Who::default();
        loop {
            let Token::Word(word) = self.next.token else {
                return Err(self.unexpected(EXPECTED));
            };
            let part = match word.to_ascii_lowercase().as_str() {
                "name" => &mut who.name,
                "type" => &mut who.kind,
                "account.id" => &mut who.account_id,
                _ => return Err(self.unexpected(EXPECTED)),
            };
            if part.is_some() {
                return Err(self.unexpected(EXPECTED));
            }
            self.take();
            self.expect(Symbol::Colon, ":")?;
            let Token::Text(_) = self.next.token else {
                return Err(self.unexpected("a text in double quotes"));
            };
            *part = Some(self.text()?);
            if self.take_if(Symbol::CloseParenthesis) {
                return Ok(who);
            }
            self.expect(Symbol::Comma, ", or )")?;
        }
    }

    fn optional_block(&mut self, scope: Scope) -> Result<Option<Box<Expression>>, FilterError> {
        if self.next.token != Token::Symbol(Symbol::OpenBrace) {
            return Ok(None);
        }
        self.block(scope)
    }

    /// `{ … }`; an empty one asks nothing.
    fn block(&mut self, scope: Scope) -> Result<Option<Box<Expression>>, FilterError> {
        self.expect(Symbol::OpenBrace, "{")?;
        if self.take_if(Symbol::CloseBrace) {
            return Ok(None);
        }
        let inner = self.deeper(|parser| parser.any(scope))?;
        self.expect(Symbol::CloseBrace, "AND, OR or }")?;
        Ok(Some(Box::new(inner)))
    }

    /// A list of root causes and a block about its elements.
    pub(super) fn root_cause(&mut self, list: RootCauseList) -> Result<Expression, FilterError> {
        self.take();
        let block = self.block(Scope::RootCause(list))?;
        Ok(Expression::RootCause {
            list,
            block: block.unwrap_or_else(|| Box::new(Expression::Everything)),
        })
    }

    /// `group.name = "…"`.
    pub(super) fn group(&mut self, by: GroupBy) -> Result<Expression, FilterError> {
        self.take();
        let wanted = self.required_equality()?;
        Ok(Expression::Group { by, wanted, value: self.text()? })
    }

    /// `rootcause.json = #[…]`.
    pub(super) fn root_cause_json(&mut self) -> Result<Expression, FilterError> {
        self.take();
        let wanted = self.required_equality()?;
        if self.next.token != Token::Symbol(Symbol::Hash) {
            return Err(self.unexpected("# and a JSON list"));
        }
        let start = self.next.end;
        let rest = self.text.get(start..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        match values.next() {
            Some(Ok(pattern @ Value::Array(_))) => {
                let end = start + values.byte_offset();
                self.next = token_at(self.text, end);
                Ok(Expression::RootCauseJson { wanted, pattern })
            }
            Some(Err(error)) if !error.is_eof() => {
                let at = start + byte_of(rest, error.line(), error.column());
                Err(self.error_at(at, &format!("JSON ({error})"), None))
            }
            Some(Ok(_)) => Err(self.error_at(start, "a JSON list: [ … ]", None)),
            _ => Err(self.error_at(self.text.len(), "the rest of a JSON list", None)),
        }
    }
}

/// The byte of a text that `serde_json` means by a line and a column, both from 1, the column
/// counted in bytes.
fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut byte = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}
