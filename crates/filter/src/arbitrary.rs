//! Expressions at random, for the tests.

use proptest::prelude::*;

use crate::expression::{
    AnnotationTest, Comparison, Expression, GroupBy, NumberTest, Side, TextComparison, TextTest,
    Who,
};
use crate::keyword::{KEYWORDS, Keyword, RootCauseElements, RootCauseKind, RootCauseList, Scope};

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison as C;
    prop::sample::select(vec![C::Equal, C::NotEqual, C::Less, C::AtMost, C::More, C::AtLeast])
}

fn text_comparison() -> impl Strategy<Value = TextComparison> {
    use TextComparison as C;
    prop::sample::select(vec![C::Equal, C::NotEqual, C::Contains, C::BeginsWith, C::EndsWith])
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![-1e9..1e9, Just(0.0), prop::num::f64::NORMAL]
}

fn who() -> impl Strategy<Value = Who> {
    let part = || prop::option::of(text());
    (part(), part(), part())
        .prop_map(|(name, kind, account_id)| Who { name, kind, account_id })
        .prop_filter("an id has a part", |who| !who.is_anyone())
}

fn annotation(sides: Vec<Side>) -> impl Strategy<Value = Expression> {
    let test = prop_oneof![
        Just(AnnotationTest::Set),
        any::<(bool, bool)>().prop_map(|(equal, value)| AnnotationTest::Boolean { equal, value }),
        (comparison(), number()).prop_map(|(c, n)| AnnotationTest::Number(c, n)),
        (text_comparison(), text()).prop_map(|(c, t)| AnnotationTest::Text(c, t)),
    ];
    (prop::sample::select(sides), "\\PC{1,12}", test)
        .prop_filter("a key of blanks is none", |(_, key, _)| !key.trim().is_empty())
        .prop_map(|(side, key, test)| Expression::Annotation { side, key, test })
}

/// A keyword of a scope and what may be asked of it.
fn keyword(scope: Scope) -> impl Strategy<Value = Expression> {
    let mut known: Vec<Keyword> = KEYWORDS.iter().map(|(_, keyword)| *keyword).collect();
    known.retain(|keyword| keyword.belongs(scope));
    let asked = (any::<bool>(), comparison(), number(), text_comparison(), text());
    (prop::sample::select(known), any::<bool>(), asked).prop_map(
        |(keyword, is_known, (wanted, comparison, number, text_comparison, text))| match keyword {
            Keyword::Flag(flag) => Expression::Flag { flag, wanted },
            Keyword::Number(field) => {
                let is = NumberTest::Is(comparison, number);
                Expression::Number { field, test: if is_known { NumberTest::Known } else { is } }
            }
            Keyword::Text(field) => {
                let is = TextTest::Is(text_comparison, text);
                Expression::Text { field, test: if is_known { TextTest::Known } else { is } }
            }
        },
    )
}

fn joined(leaf: BoxedStrategy<Expression>) -> BoxedStrategy<Expression> {
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::all),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::any),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
    .boxed()
}

fn block(scope: Scope, sides: Vec<Side>) -> BoxedStrategy<Expression> {
    if sides.is_empty() {
        return joined(keyword(scope).boxed());
    }
    joined(prop_oneof![4 => keyword(scope), 1 => annotation(sides)].boxed())
}

/// Any expression that the language can say.
pub fn expression() -> BoxedStrategy<Expression> {
    let service_block = prop::option::of(block(Scope::Service, vec![Side::Own]).prop_map(Box::new));
    let sides = vec![Side::Own, Side::Source, Side::Destination];
    let edge_block = prop::option::of(block(Scope::Edge, sides).prop_map(Box::new));
    let lists = vec![
        RootCauseList { of: RootCauseKind::Fault, elements: RootCauseElements::Service },
        RootCauseList { of: RootCauseKind::Error, elements: RootCauseElements::Exception },
        RootCauseList { of: RootCauseKind::ResponseTime, elements: RootCauseElements::Entity },
    ];
    let root_cause = prop::sample::select(lists).prop_flat_map(|list| {
        block(Scope::RootCause(list), Vec::new())
            .prop_map(move |block| Expression::RootCause { list, block: Box::new(block) })
    });
    let by = prop_oneof![Just(GroupBy::Name), Just(GroupBy::Arn)];
    let json = ("\\PC{0,8}", any::<i32>()).prop_map(|(key, n)| serde_json::json!([{ key: [n] }]));
    let leaf = prop_oneof![
        6 => keyword(Scope::Trace),
        2 => annotation(vec![Side::Own]),
        2 => (prop_oneof![Just(Who::default()), who()], service_block)
            .prop_map(|(who, block)| Expression::Service { who, block }),
        2 => (who(), who(), edge_block)
            .prop_map(|(from, to, block)| Expression::Edge { from, to, block }),
        1 => root_cause,
        1 => (by, any::<bool>(), text())
            .prop_map(|(by, wanted, value)| Expression::Group { by, wanted, value }),
        1 => (any::<bool>(), json)
            .prop_map(|(wanted, pattern)| Expression::RootCauseJson { wanted, pattern }),
    ];
    joined(leaf.boxed())
}

/// Any text, and often one that the traces of the tests have.
fn text() -> impl Strategy<Value = String> {
    const COMMON: [&str; 8] =
        ["", "web", "orders", "anna", "GET", "a", "AWS::DynamoDB::Table", "eu-west-1a"];
    prop_oneof![any::<String>(), prop::sample::select(&COMMON[..]).prop_map(str::to_owned)]
}
