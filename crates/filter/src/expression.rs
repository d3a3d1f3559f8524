//! What an expression says, without how it was spelled.

use roentgen_model::ServiceId;
use serde_json::Value;

use crate::keyword::{Flag, NumberField, RootCauseList, TextField};

/// An expression, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// Everything: the empty expression.
    Everything,
    /// All of these; two at least, none of them an `All` itself.
    All(Vec<Expression>),
    /// One of these at least; two at least, none of them an `Any` itself.
    Any(Vec<Expression>),
    /// Not this.
    Not(Box<Expression>),
    /// `fault`, or `fault = false`.
    Flag {
        /// Which.
        flag: Flag,
        /// Whether it must be set, or must not be.
        wanted: bool,
    },
    /// `responsetime > 5`.
    Number {
        /// Of what.
        field: NumberField,
        /// How it must be.
        test: NumberTest,
    },
    /// `http.url CONTAINS "/api/"`.
    Text {
        /// Of what.
        field: TextField,
        /// How it must be.
        test: TextTest,
    },
    /// `annotation.age > 29`.
    Annotation {
        /// Whose, within a block of `edge`.
        side: Side,
        /// The whole key, dots included.
        key: String,
        /// How its value must be.
        test: AnnotationTest,
    },
    /// `service("api") { fault }`.
    Service {
        /// Which nodes.
        who: Who,
        /// What must hold of one and the same request there.
        block: Option<Box<Expression>>,
    },
    /// `edge("api", "db") { error }`.
    Edge {
        /// The calling nodes.
        from: Who,
        /// The called nodes.
        to: Who,
        /// What must hold of one and the same call.
        block: Option<Box<Expression>>,
    },
    /// `rootcause.fault.entity { last and name = "deserialize" }`.
    RootCause {
        /// Whose elements.
        list: RootCauseList,
        /// What must hold of one and the same element.
        block: Box<Expression>,
    },
    /// `rootcause.json = #[{"Services": […]}]`.
    RootCauseJson {
        /// `=`, or `!=`.
        wanted: bool,
        /// Members that must be there and equal; those left out may be anything. A list.
        pattern: Value,
    },
    /// `group.name = "slow"`.
    Group {
        /// What names it.
        by: GroupBy,
        /// `=`, or `!=`.
        wanted: bool,
        /// Its name or ARN.
        value: String,
    },
}

/// Which nodes are meant: those that agree in every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The name.
    pub name: Option<String>,
    /// The type, such as `AWS::Lambda::Function`.
    pub kind: Option<String>,
    /// The AWS account.
    pub account_id: Option<String>,
}

/// Whose annotation is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That of the trace, or of the node of the block.
    Own,
    /// `source.annotation…`: that of the calling node.
    Source,
    /// `destination.annotation…`: that of the called node.
    Destination,
}

/// What names a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// `group.name`.
    Name,
    /// `group.arn`.
    Arn,
}

/// How a number compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    More,
    /// `>=`.
    AtLeast,
}

/// How a text compares. Letters must agree in case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextComparison {
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `CONTAINS`.
    Contains,
    /// `BEGINSWITH`.
    BeginsWith,
    /// `ENDSWITH`.
    EndsWith,
}

/// How a number must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberTest {
    /// Known, whatever it is.
    Known,
    /// Known and in this relation to that number.
    Is(Comparison, f64),
}

/// How a text must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// Known, whatever it is.
    Known,
    /// Known and in this relation to that text.
    Is(TextComparison, String),
}

/// How the value of an annotation must be. A value of another kind than asked for does not match.
#[derive(Clone, Debug, PartialEq)]
pub enum AnnotationTest {
    /// The bare key: set, and not `false`.
    Set,
    /// A boolean.
    Boolean {
        /// `=`, or `!=`.
        equal: bool,
        /// To what.
        value: bool,
    },
    /// A number.
    Number(Comparison, f64),
    /// A text.
    Text(TextComparison, String),
}

impl Expression {
    /// Both this and the other.
    #[must_use]
    pub fn and(self, other: Expression) -> Expression {
        match (self, other) {
            (Expression::Everything, only) | (only, Expression::Everything) => only,
            (this, other) => Self::all(vec![this, other]),
        }
    }

    /// All of these, as flat as it goes.
    pub(crate) fn all(parts: Vec<Expression>) -> Expression {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expression::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::single(flat, Expression::All)
    }

    /// One of these, as flat as it goes.
    pub(crate) fn any(parts: Vec<Expression>) -> Expression {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Expression::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        Self::single(flat, Expression::Any)
    }

    fn single(
        mut parts: Vec<Expression>,
        join: impl FnOnce(Vec<Expression>) -> Expression,
    ) -> Expression {
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => only,
            (_, None) => Expression::Everything,
            (_, Some(last)) => {
                parts.push(last);
                join(parts)
            }
        }
    }
}

impl Comparison {
    /// Whether a number stands in this relation to the one that was asked for.
    pub fn holds(self, number: f64, asked: f64) -> bool {
        #[expect(clippy::float_cmp, reason = "what the language means by =")]
        match self {
            Comparison::Equal => number == asked,
            Comparison::NotEqual => number != asked,
            Comparison::Less => number < asked,
            Comparison::AtMost => number <= asked,
            Comparison::More => number > asked,
            Comparison::AtLeast => number >= asked,
        }
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::More => ">",
            Comparison::AtLeast => ">=",
        }
    }
}

impl TextComparison {
    /// Whether a text stands in this relation to the one that was asked for.
    pub fn holds(self, text: &str, asked: &str) -> bool {
        match self {
            TextComparison::Equal => text == asked,
            TextComparison::NotEqual => text != asked,
            TextComparison::Contains => text.contains(asked),
            TextComparison::BeginsWith => text.starts_with(asked),
            TextComparison::EndsWith => text.ends_with(asked),
        }
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            TextComparison::Equal => "=",
            TextComparison::NotEqual => "!=",
            TextComparison::Contains => "CONTAINS",
            TextComparison::BeginsWith => "BEGINSWITH",
            TextComparison::EndsWith => "ENDSWITH",
        }
    }
}

impl NumberTest {
    /// Whether a number is so; `None` stands for one that is not known.
    pub fn holds(self, number: Option<f64>) -> bool {
        match (self, number) {
            (_, None) => false,
            (NumberTest::Known, Some(_)) => true,
            (NumberTest::Is(comparison, asked), Some(number)) => comparison.holds(number, asked),
        }
    }
}

impl TextTest {
    /// Whether a text is so; `None` stands for one that is not known.
    pub fn holds(&self, text: Option<&str>) -> bool {
        match (self, text) {
            (_, None) => false,
            (TextTest::Known, Some(_)) => true,
            (TextTest::Is(comparison, asked), Some(text)) => comparison.holds(text, asked),
        }
    }
}

impl Who {
    /// Any node.
    pub fn is_anyone(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a node is among those meant.
    pub fn is(&self, service: &ServiceId) -> bool {
        let agrees = |asked: &Option<String>, part: Option<&str>| {
            asked.as_deref().is_none_or(|asked| part == Some(asked))
        };
        agrees(&self.name, Some(&service.name))
            && agrees(&self.kind, service.kind.as_deref())
            && agrees(&self.account_id, service.account_id.as_deref())
    }
}

/// A group that an expression names and that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The group {0:?} does not exist")]
pub struct UnknownGroup(pub String);

impl Expression {
    /// How many terms it has, those in blocks among them.
    pub fn terms(&self) -> usize {
        let of_block = |block: &Option<Box<Self>>| block.as_deref().map_or(0, Self::terms);
        match self {
            Expression::Everything => 0,
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().map(Self::terms).sum::<usize>()
            }
            Expression::Not(inner) => inner.terms(),
            Expression::Service { block, .. } | Expression::Edge { block, .. } => {
                1 + of_block(block)
            }
            Expression::RootCause { block, .. } => 1 + block.terms(),
            Expression::Flag { .. }
            | Expression::Number { .. }
            | Expression::Text { .. }
            | Expression::Annotation { .. }
            | Expression::RootCauseJson { .. }
            | Expression::Group { .. } => 1,
        }
    }

    /// The same, with the expressions of groups in place of their names. `find` gives that of a
    /// group, which may name groups itself only if `find` has put these in already.
    ///
    /// # Errors
    /// When a group is not known.
    pub fn with_groups(
        self,
        find: &impl Fn(GroupBy, &str) -> Option<Expression>,
    ) -> Result<Expression, UnknownGroup> {
        let each = |parts: Vec<Expression>| -> Result<Vec<Expression>, UnknownGroup> {
            parts.into_iter().map(|part| part.with_groups(find)).collect()
        };
        Ok(match self {
            Expression::All(parts) => Expression::all(each(parts)?),
            Expression::Any(parts) => Expression::any(each(parts)?),
            Expression::Not(inner) => Expression::Not(Box::new(inner.with_groups(find)?)),
            Expression::Group { by, wanted, value } => {
                let group = find(by, &value).ok_or(UnknownGroup(value))?;
                if wanted { group } else { Expression::Not(Box::new(group)) }
            }
            other => other,
        })
    }
}
