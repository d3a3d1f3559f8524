//! Terms: a keyword and what is asked of it.

use crate::error::FilterError;
use crate::expression::{
    AnnotationTest, Comparison, Expression, GroupBy, NumberTest, Side, TextComparison, TextTest,
};
use crate::keyword::{Keyword, RootCauseList, Scope, nearest};
use crate::lexer::{Symbol, Token, Unknown, token_at};
use crate::parser::Parser;

/// Any comparison, before it is known what is compared.
#[derive(Clone, Copy)]
enum Operator {
    /// `=`, `!=`, `<`, …
    Symbol(Comparison),
    /// `CONTAINS`, …
    Word(TextComparison),
}

const OPERATOR_WORDS: &[(&str, TextComparison)] = &[
    ("contains", TextComparison::Contains),
    ("beginswith", TextComparison::BeginsWith),
    ("endswith", TextComparison::EndsWith),
];

/// What a person may type for an operator that is spelled as one word.
const OPERATOR_SLIPS: &[(&str, &str)] = &[
    ("begins", "BEGINSWITH"),
    ("starts", "BEGINSWITH"),
    ("startswith", "BEGINSWITH"),
    ("begins_with", "BEGINSWITH"),
    ("starts_with", "BEGINSWITH"),
    ("ends", "ENDSWITH"),
    ("ends_with", "ENDSWITH"),
    ("like", "CONTAINS"),
    ("in", "CONTAINS"),
    ("is", "="),
];

/// The prefixes of an annotation's key, and whose it is.
const ANNOTATIONS: &[(&str, Side)] = &[
    ("annotation", Side::Own),
    ("source.annotation", Side::Source),
    ("destination.annotation", Side::Destination),
];

impl<'a> Parser<'a> {
    pub(super) fn term(&mut self, scope: Scope) -> Result<Expression, FilterError> {
        let Token::Word(word) = self.next.token else {
            return Err(self.unexpected("a keyword, !, or ("));
        };
        let start = self.next.start;
        if let Some(keyword) = Keyword::find(word) {
            if !keyword.belongs(scope) {
                let expected = format!("a keyword that has its place in {}", scope.name());
                return Err(self.error_at(start, &expected, None));
            }
            self.take();
            return self.keyword(keyword);
        }
        if let Some((side, key)) = annotation(word) {
            return self.annotation(scope, side, key);
        }
        if scope == Scope::Trace {
            match word.to_ascii_lowercase().as_str() {
                "service" => return self.service(),
                "edge" => return self.edge(),
                "group.name" => return self.group(GroupBy::Name),
                "group.arn" => return self.group(GroupBy::Arn),
                "rootcause.json" => return self.root_cause_json(),
                _ => {}
            }
            if let Some(list) = RootCauseList::find(word) {
                return self.root_cause(list);
            }
        }
        let expected = format!("a keyword of {}", scope.name());
        if let Some(operator) = operator_slip(word) {
            return Err(self.error_at(start, &expected, Some(operator.to_owned())));
        }
        let known = nearest(word, scope);
        // Where the word parts from the nearest known one, as X-Ray tells it.
        let agreed = known.map_or(0, |known| agreement(word, known));
        Err(self.error_at(start + agreed, &expected, known.map(str::to_owned)))
    }

    fn keyword(&mut self, keyword: Keyword) -> Result<Expression, FilterError> {
        let operator = self.operator();
        match keyword {
            Keyword::Flag(flag) => {
                let wanted = match operator {
                    None => true,
                    Some(operator) => {
                        let is_equal = self
                            .equality(operator, "= or != after a keyword that is true or false")?;
                        self.boolean()? == is_equal
                    }
                };
                Ok(Expression::Flag { flag, wanted })
            }
            Keyword::Number(field) => {
                let test = match operator {
                    None => NumberTest::Known,
                    Some(Operator::Symbol(comparison)) => {
                        NumberTest::Is(comparison, self.number()?)
                    }
                    Some(Operator::Word(_)) => {
                        return Err(self.wrong_operator("=, !=, <, <=, > or >= after a number"));
                    }
                };
                Ok(Expression::Number { field, test })
            }
            Keyword::Text(field) => {
                let test = match operator {
                    None => TextTest::Known,
                    Some(operator) => {
                        let comparison = self.text_comparison(operator)?;
                        TextTest::Is(comparison, self.text()?)
                    }
                };
                Ok(Expression::Text { field, test })
            }
        }
    }

    /// `annotation.key`, or `annotation[key]`, whose first word is the next token.
    fn annotation(
        &mut self,
        scope: Scope,
        side: Side,
        key: Option<&'a str>,
    ) -> Result<Expression, FilterError> {
        let has_place = match scope {
            Scope::Trace | Scope::Service => side == Side::Own,
            Scope::Edge => true,
            Scope::RootCause(_) => false,
        };
        if !has_place {
            let expected = format!("a keyword that has its place in {}", scope.name());
            return Err(self.error_at(self.next.start, &expected, None));
        }
        self.take();
        let key = match key {
            Some("") => return Err(self.unexpected("the key of an annotation after the dot")),
            Some(key) => key.to_owned(),
            None => self.bracketed_key()?,
        };
        let test = self.annotation_test()?;
        Ok(Expression::Annotation { side, key, test })
    }

    /// The key between brackets, as it stands there, or in double quotes.
    fn bracketed_key(&mut self) -> Result<String, FilterError> {
        if self.next.token != Token::Symbol(Symbol::OpenBracket) {
            return Err(self.unexpected(". or [ and the key of an annotation"));
        }
        let start = self.next.end;
        let rest = self.text.get(start..).unwrap_or_default();
        if rest.trim_start().starts_with('"') {
            self.take();
            let key = self.text()?;
            self.expect(Symbol::CloseBracket, "]")?;
            return if key.is_empty() { Err(self.no_key(start)) } else { Ok(key) };
        }
        if token_at(self.text, start).token == Token::Unknown(Unknown::OtherQuote) {
            self.take();
            return Err(self.unexpected("the key of an annotation between [ and ]"));
        }
        let Some(length) = rest.find(']') else {
            return Err(self.error_at(self.text.len(), "] after the key of an annotation", None));
        };
        let key = rest.get(..length).unwrap_or_default().trim();
        if key.is_empty() {
            return Err(self.no_key(start));
        }
        self.next = token_at(self.text, start + length + 1);
        Ok(key.to_owned())
    }

    fn no_key(&self, at: usize) -> FilterError {
        self.error_at(at, "the key of an annotation between [ and ]", None)
    }

    fn annotation_test(&mut self) -> Result<AnnotationTest, FilterError> {
        let Some(operator) = self.operator() else { return Ok(AnnotationTest::Set) };
        match (operator, &self.next.token) {
            (Operator::Symbol(comparison), Token::Number(number)) => {
                let test = AnnotationTest::Number(comparison, *number);
                self.take();
                Ok(test)
            }
            (operator, Token::Word(word)) if truth(word).is_some() => {
                let is_equal = self.equality(operator, "= or != before true or false")?;
                Ok(AnnotationTest::Boolean { equal: is_equal, value: self.boolean()? })
            }
            (operator, Token::Text(_) | Token::Word(_)) => {
                let Some(comparison) = as_text(operator) else {
                    return Err(self.unexpected("a number after <, <=, > or >="));
                };
                Ok(AnnotationTest::Text(comparison, self.text()?))
            }
            (Operator::Word(_), _) => Err(self.unexpected("a text in double quotes")),
            _ => Err(self.unexpected("a text in double quotes, a number, true or false")),
        }
    }

    /// Takes an operator, if one follows.
    fn operator(&mut self) -> Option<Operator> {
        let operator = match self.next.token {
            Token::Symbol(symbol) => Operator::Symbol(match symbol {
                Symbol::Equal => Comparison::Equal,
                Symbol::NotEqual => Comparison::NotEqual,
                Symbol::Less => Comparison::Less,
                Symbol::AtMost => Comparison::AtMost,
                Symbol::More => Comparison::More,
                Symbol::AtLeast => Comparison::AtLeast,
                _ => return None,
            }),
            Token::Word(word) => {
                let mut all = OPERATOR_WORDS.iter();
                let (_, comparison) = all.find(|(known, _)| word.eq_ignore_ascii_case(known))?;
                Operator::Word(*comparison)
            }
            _ => return None,
        };
        self.operator_start = self.take().start;
        Some(operator)
    }

    /// Whether an operator means that two things are equal, or that they are not.
    fn equality(&self, operator: Operator, expected: &str) -> Result<bool, FilterError> {
        match operator {
            Operator::Symbol(Comparison::Equal) => Ok(true),
            Operator::Symbol(Comparison::NotEqual) => Ok(false),
            _ => Err(self.wrong_operator(expected)),
        }
    }

    /// The error that the operator that was read last is none here.
    fn wrong_operator(&self, expected: &str) -> FilterError {
        self.error_at(self.operator_start, expected, None)
    }

    fn text_comparison(&self, operator: Operator) -> Result<TextComparison, FilterError> {
        let expected = "=, !=, CONTAINS, BEGINSWITH or ENDSWITH after a keyword that is a text";
        as_text(operator).ok_or_else(|| self.wrong_operator(expected))
    }

    /// `=` or `!=`, which must follow.
    pub(super) fn required_equality(&mut self) -> Result<bool, FilterError> {
        let Some(operator) = self.operator() else { return Err(self.unexpected("= or !=")) };
        self.equality(operator, "= or !=")
    }

    fn boolean(&mut self) -> Result<bool, FilterError> {
        let truth = match self.next.token {
            Token::Word(word) => truth(word),
            _ => None,
        };
        let Some(truth) = truth else { return Err(self.unexpected("true or false")) };
        self.take();
        Ok(truth)
    }

    fn number(&mut self) -> Result<f64, FilterError> {
        let Token::Number(number) = self.next.token else {
            return Err(self.unexpected("a number, such as 5 or 0.25"));
        };
        self.take();
        Ok(number)
    }

    /// A text in double quotes. A bare word is taken too: the guide has one
    /// (`name = traces and type = …`), unless it stands between terms: then the text is missing.
    pub(super) fn text(&mut self) -> Result<String, FilterError> {
        let text = match &mut self.next.token {
            Token::Text(text) => std::mem::take(text),
            Token::Word(word) if !is_connective(word) => (*word).to_owned(),
            _ => return Err(self.unexpected("a text in double quotes")),
        };
        self.take();
        Ok(text)
    }
}

/// Whether a word connects terms.
fn is_connective(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The operator that a person means by a word that is none.
fn operator_slip(word: &str) -> Option<&'static str> {
    let mut all = OPERATOR_SLIPS.iter();
    all.find(|(slip, _)| word.eq_ignore_ascii_case(slip)).map(|(_, operator)| *operator)
}

/// Whose annotation a word begins to name, and its key unless that follows in brackets.
fn annotation(word: &str) -> Option<(Side, Option<&str>)> {
    ANNOTATIONS.iter().find_map(|(prefix, side)| {
        let start = word.get(..prefix.len())?;
        let rest = word.get(prefix.len()..)?;
        if !start.eq_ignore_ascii_case(prefix) {
            return None;
        }
        match rest.strip_prefix('.') {
            Some(key) => Some((*side, Some(key))),
            None => rest.is_empty().then_some((*side, None)),
        }
    })
}

fn as_text(operator: Operator) -> Option<TextComparison> {
    match operator {
        Operator::Symbol(Comparison::Equal) => Some(TextComparison::Equal),
        Operator::Symbol(Comparison::NotEqual) => Some(TextComparison::NotEqual),
        Operator::Symbol(_) => None,
        Operator::Word(comparison) => Some(comparison),
    }
}

fn truth(word: &str) -> Option<bool> {
    if word.eq_ignore_ascii_case("true") {
        Some(true)
    } else {
        word.eq_ignore_ascii_case("false").then_some(false)
    }
}

/// How many bytes two words have in common at their beginning, in any case.
fn agreement(word: &str, known: &str) -> usize {
    let pairs = word.chars().zip(known.chars());
    pairs.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).map(|(a, _)| a.len_utf8()).sum()
}
