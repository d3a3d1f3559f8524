//! [`Expression`] to its canonical text.
//!
//! Operators are spelled out, parentheses stand where they are needed. Parsing the text gives the
//! same expression again.

use std::fmt::{self, Display, Formatter, Write as _};

use crate::expression::{AnnotationTest, Expression, GroupBy, NumberTest, Side, TextTest, Who};
use crate::keyword::Keyword;
use crate::lexer::is_other_quote;

/// How tight the place is where an expression stands.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Place {
    /// Alone, or between ORs.
    Open,
    /// Between ANDs.
    Joined,
    /// After a `!`.
    Negated,
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(f, self, Place::Open)
    }
}

fn write(f: &mut Formatter<'_>, expression: &Expression, place: Place) -> fmt::Result {
    match expression {
        Expression::Everything => Ok(()),
        Expression::All(parts) => {
            enclose(f, place > Place::Joined, |f| join(f, parts, " AND ", Place::Joined))
        }
        Expression::Any(parts) => enclose(f, place > Place::Open, |f| {
            // An `All` within needs no parentheses, but another `Any` cannot stand there.
            join(f, parts, " OR ", Place::Open)
        }),
        Expression::Not(inner) => {
            f.write_char('!')?;
            write(f, inner, Place::Negated)
        }
        Expression::Flag { flag, wanted } => {
            f.write_str(Keyword::Flag(*flag).spelling())?;
            if *wanted { Ok(()) } else { f.write_str(" = false") }
        }
        Expression::Number { field, test } => {
            f.write_str(Keyword::Number(*field).spelling())?;
            match test {
                NumberTest::Known => Ok(()),
                NumberTest::Is(comparison, number) => {
                    write!(f, " {} {number}", comparison.symbol())
                }
            }
        }
        Expression::Text { field, test } => {
            f.write_str(Keyword::Text(*field).spelling())?;
            match test {
                TextTest::Known => Ok(()),
                TextTest::Is(comparison, text) => {
                    write!(f, " {} {}", comparison.symbol(), Quoted(text))
                }
            }
        }
        Expression::Annotation { side, key, test } => {
            f.write_str(match side {
                Side::Own => "annotation",
                Side::Source => "source.annotation",
                Side::Destination => "destination.annotation",
            })?;
            write_key(f, key)?;
            write_annotation_test(f, test)
        }
        Expression::Service { who, block } => {
            f.write_str("service(")?;
            if !who.is_anyone() {
                write_who(f, who)?;
            }
            f.write_char(')')?;
            write_block(f, block.as_deref())
        }
        Expression::Edge { from, to, block } => {
            f.write_str("edge(")?;
            if !(from.is_anyone() && to.is_anyone()) {
                write_who(f, from)?;
                f.write_str(", ")?;
                write_who(f, to)?;
            }
            f.write_char(')')?;
            write_block(f, block.as_deref())
        }
        Expression::RootCause { list, block } => {
            f.write_str(&list.spelling())?;
            match &**block {
                Expression::Everything => f.write_str(" { }"),
                block => write_block(f, Some(block)),
            }
        }
        Expression::RootCauseJson { wanted, pattern } => {
            let operator = if *wanted { "=" } else { "!=" };
            write!(f, "rootcause.json {operator} #{pattern}")
        }
        Expression::Group { by, wanted, value } => {
            let keyword = match by {
                GroupBy::Name => "group.name",
                GroupBy::Arn => "group.arn",
            };
            let operator = if *wanted { "=" } else { "!=" };
            write!(f, "{keyword} {operator} {}", Quoted(value))
        }
    }
}

fn join(f: &mut Formatter<'_>, parts: &[Expression], word: &str, place: Place) -> fmt::Result {
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            f.write_str(word)?;
        }
        write(f, part, place)?;
    }
    Ok(())
}

fn enclose(
    f: &mut Formatter<'_>,
    is_needed: bool,
    inner: impl FnOnce(&mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if !is_needed {
        return inner(f);
    }
    f.write_char('(')?;
    inner(f)?;
    f.write_char(')')
}

fn write_block(f: &mut Formatter<'_>, block: Option<&Expression>) -> fmt::Result {
    match block {
        None => Ok(()),
        Some(block) => write!(f, " {{ {block} }}"),
    }
}

fn write_who(f: &mut Formatter<'_>, who: &Who) -> fmt::Result {
    if let Who { name: Some(name), kind: None, account_id: None } = who {
        return write!(f, "{}", Quoted(name));
    }
    let pairs = [("name", &who.name), ("type", &who.kind), ("account.id", &who.account_id)];
    f.write_str("id(")?;
    let given = pairs.iter().filter_map(|(part, text)| Some((part, text.as_deref()?)));
    for (position, (part, text)) in given.enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        write!(f, "{comma}{part}: {}", Quoted(text))?;
    }
    f.write_char(')')
}

/// `.key`, or `[key]` where the plain form would not read back.
fn write_key(f: &mut Formatter<'_>, key: &str) -> fmt::Result {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.chars().all(is_plain) {
        return write!(f, ".{key}");
    }
    let begins_with_quote = key.starts_with(|first| first == '"' || is_other_quote(first));
    let needs_quotes = key.contains(']') || begins_with_quote || key.trim() != key;
    if needs_quotes { write!(f, "[{}]", Quoted(key)) } else { write!(f, "[{key}]") }
}

fn write_annotation_test(f: &mut Formatter<'_>, test: &AnnotationTest) -> fmt::Result {
    match test {
        AnnotationTest::Set => Ok(()),
        AnnotationTest::Boolean { equal: true, value } => write!(f, " = {value}"),
        AnnotationTest::Boolean { equal: false, value } => write!(f, " != {value}"),
        AnnotationTest::Number(comparison, number) => {
            write!(f, " {} {number}", comparison.symbol())
        }
        AnnotationTest::Text(comparison, text) => {
            write!(f, " {} {}", comparison.symbol(), Quoted(text))
        }
    }
}

/// A text as the language quotes it.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}
