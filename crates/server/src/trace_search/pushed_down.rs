//! From an expression to conditions that the store checks on columns. They say the same, except that
//! what the store does not know of a trace is unknown in them: root causes, and in blocks all but
//! outcomes, times, names and types.

use std::ops::Bound;

use roentgen_filter::{
    AnnotationTest, Comparison, Expression, Flag, NumberField, NumberTest, TextComparison,
    TextField, TextTest, Who,
};
use roentgen_model::{Micros, Outcome};
use roentgen_store::{
    AnnotationMatch, Condition, Limits, Logic, RequestTest, ServiceMatch, TextMatch,
};

/// What must hold of every trace that matches; and where it is known to hold, the trace matches.
pub(crate) fn pushed_down(expression: &Expression) -> Vec<Condition> {
    let single = |logic: Logic<Condition>| match logic {
        Logic::Is(condition) => condition,
        logic => Condition::Joined(Box::new(logic)),
    };
    match of_trace(expression) {
        Logic::All(parts) => parts.into_iter().map(single).collect(),
        logic => vec![single(logic)],
    }
}

fn of_trace(expression: &Expression) -> Logic<Condition> {
    match expression {
        Expression::Flag { flag, wanted } => negated_unless(*wanted, of_flag(*flag)),
        Expression::Number { field, test } => of_number(*field, *test),
        Expression::Text { field, test } => of_text(*field, test),
        Expression::Annotation { key, test, .. } => of_annotation(key, test),
        Expression::Service { who, block: None } => {
            Logic::Is(Condition::Service(service_match(who)))
        }
        Expression::Service { who, block: Some(block) } => {
            Logic::Is(Condition::Request { who: service_match(who), tests: of_request(block) })
        }
        Expression::Edge { from, to, block } => Logic::Is(Condition::Call {
            from: service_match(from),
            to: service_match(to),
            tests: block.as_deref().map_or(Logic::TRUE, of_request),
        }),
        // A group that was not put in has no traces.
        Expression::Group { wanted, .. } => negated_unless(*wanted, FALSE),
        Expression::RootCause { .. } | Expression::RootCauseJson { .. } => Logic::Unknown,
        Expression::Everything | Expression::All(_) | Expression::Any(_) | Expression::Not(_) => {
            joined(expression, of_trace)
        }
    }
}

/// What is asked of one and the same request or call.
fn of_request(block: &Expression) -> Logic<RequestTest> {
    match block {
        Expression::Flag { flag, wanted } => match flag {
            Flag::Ok => Logic::Is(RequestTest::Ok(*wanted)),
            Flag::Error => Logic::Is(RequestTest::Error(*wanted)),
            Flag::Throttle => Logic::Is(RequestTest::Throttle(*wanted)),
            Flag::Fault => Logic::Is(RequestTest::Fault(*wanted)),
            Flag::Partial => Logic::Is(RequestTest::Partial(*wanted)),
            Flag::Inferred => Logic::Is(RequestTest::Inferred(*wanted)),
            Flag::Root => Logic::Is(RequestTest::Root(*wanted)),
            Flag::First | Flag::Last | Flag::Remote => Logic::Unknown,
        },
        Expression::Number { field, test } => match field {
            NumberField::ResponseTime => {
                of_limits(*test, seconds, micros_test(RequestTest::ResponseTime))
            }
            NumberField::Duration => of_limits(*test, seconds, micros_test(RequestTest::Duration)),
            NumberField::HttpStatus | NumberField::Index | NumberField::Coverage => Logic::Unknown,
        },
        Expression::Text { field: TextField::Name, test } => of_texts(test, RequestTest::Name),
        Expression::Text { field: TextField::Type, test } => of_texts(test, RequestTest::Kind),
        Expression::Everything | Expression::All(_) | Expression::Any(_) | Expression::Not(_) => {
            joined(block, of_request)
        }
        _ => Logic::Unknown,
    }
}

/// Neither of nothing is anything true.
const FALSE: Logic<Condition> = Logic::Any(Vec::new());

fn joined<T>(expression: &Expression, part: fn(&Expression) -> Logic<T>) -> Logic<T> {
    match expression {
        Expression::All(parts) => Logic::All(parts.iter().map(part).collect()),
        Expression::Any(parts) => Logic::Any(parts.iter().map(part).collect()),
        Expression::Not(inner) => not(part(inner)),
        _ => Logic::TRUE,
    }
}

fn not<T>(logic: Logic<T>) -> Logic<T> {
    match logic {
        Logic::Not(inner) => *inner,
        logic => Logic::Not(Box::new(logic)),
    }
}

/// Of what there may be several of: some, and none that is so.
fn some_but_not<T>(any: T, such: T) -> Logic<T> {
    Logic::All(vec![Logic::Is(any), not(Logic::Is(such))])
}

fn negated_unless(wanted: bool, logic: Logic<Condition>) -> Logic<Condition> {
    match (wanted, logic) {
        (true, logic) => logic,
        // The store knows of a row group whether all rows have a flag.
        (false, Logic::Is(Condition::Error(is_set))) => Logic::Is(Condition::Error(!is_set)),
        (false, Logic::Is(Condition::Throttle(is_set))) => Logic::Is(Condition::Throttle(!is_set)),
        (false, Logic::Is(Condition::Fault(is_set))) => Logic::Is(Condition::Fault(!is_set)),
        (false, Logic::Is(Condition::Partial(is_set))) => Logic::Is(Condition::Partial(!is_set)),
        (false, logic) => not(logic),
    }
}

fn of_flag(flag: Flag) -> Logic<Condition> {
    Logic::Is(match flag {
        Flag::Ok => Condition::Outcomes(vec![Outcome::Ok]),
        Flag::Error => Condition::Error(true),
        Flag::Throttle => Condition::Throttle(true),
        Flag::Fault => Condition::Fault(true),
        Flag::Partial => Condition::Partial(true),
        Flag::Inferred => Condition::Request {
            who: ServiceMatch::default(),
            tests: Logic::Is(RequestTest::Inferred(true)),
        },
        // Of a trace as a whole these are not true.
        Flag::First | Flag::Last | Flag::Remote | Flag::Root => return FALSE,
    })
}

fn of_number(field: NumberField, test: NumberTest) -> Logic<Condition> {
    match field {
        NumberField::ResponseTime => of_limits(test, seconds, micros_test(Condition::ResponseTime)),
        NumberField::Duration => of_limits(test, seconds, micros_test(Condition::Duration)),
        NumberField::HttpStatus => of_limits(test, whole_number, Condition::HttpStatus),
        NumberField::Index | NumberField::Coverage => FALSE,
    }
}

fn micros_test<T>(test: fn(Limits<Micros>) -> T) -> impl Fn(Limits<i64>) -> T {
    move |(least, most)| test((least.map(Micros::new), most.map(Micros::new)))
}

fn seconds(micros: i64) -> f64 {
    Micros::new(micros).as_seconds()
}

fn whole_number(number: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "as the language compares it")]
    {
        number as f64
    }
}

/// A test on a number of which the store knows a whole one, from which `value` makes the number.
fn of_limits<T>(
    test: NumberTest,
    value: fn(i64) -> f64,
    within: impl Fn(Limits<i64>) -> T,
) -> Logic<T> {
    let unbounded = || within((Bound::Unbounded, Bound::Unbounded));
    let NumberTest::Is(comparison, asked) = test else { return Logic::Is(unbounded()) };
    // The least number for which it is not less than what is asked for, and that for which it is
    // more; there may be none.
    let at_least = || least(|number| value(number) >= asked);
    let more = || least(|number| value(number) > asked);
    let from = |least: Option<i64>| least.map_or(Bound::Excluded(i64::MAX), Bound::Included);
    let below = |least: Option<i64>| least.map_or(Bound::Unbounded, Bound::Excluded);
    Logic::Is(within(match comparison {
        Comparison::Equal => (from(at_least()), below(more())),
        Comparison::NotEqual => {
            let equal = within((from(at_least()), below(more())));
            return some_but_not(unbounded(), equal);
        }
        Comparison::Less => (Bound::Unbounded, below(at_least())),
        Comparison::AtMost => (Bound::Unbounded, below(more())),
        Comparison::More => (from(more()), Bound::Unbounded),
        Comparison::AtLeast => (from(at_least()), Bound::Unbounded),
    }))
}

/// The least number for which this is so, and for all greater ones; `None` without such.
fn least(is_so: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    while from < to {
        let middle = from.midpoint(to);
        // The middle is rounded towards zero, and so may be the end of a range of two.
        let middle = if middle == to { from } else { middle };
        if is_so(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    is_so(from).then_some(from)
}

fn of_text(field: TextField, test: &TextTest) -> Logic<Condition> {
    let of_root = |field| move |text| Condition::Text(field, text);
    match field {
        TextField::HttpUrl => of_texts(test, of_root(roentgen_store::TextField::Url)),
        TextField::HttpMethod => of_texts(test, of_root(roentgen_store::TextField::Method)),
        TextField::HttpUserAgent => of_texts(test, of_root(roentgen_store::TextField::UserAgent)),
        TextField::HttpClientIp => of_texts(test, of_root(roentgen_store::TextField::ClientIp)),
        TextField::User => of_texts(test, Condition::User),
        TextField::AvailabilityZone => of_texts(test, Condition::AvailabilityZone),
        TextField::InstanceId => of_texts(test, Condition::InstanceId),
        TextField::ResourceArn => of_texts(test, Condition::ResourceArn),
        TextField::Name | TextField::Type | TextField::Message => FALSE,
    }
}

fn of_texts<T>(test: &TextTest, is: impl Fn(TextMatch) -> T) -> Logic<T> {
    match test {
        TextTest::Known => Logic::Is(is(any_text())),
        TextTest::Is(TextComparison::NotEqual, text) => {
            some_but_not(is(any_text()), is(TextMatch::Equals(text.clone())))
        }
        TextTest::Is(comparison, text) => Logic::Is(is(text_match(*comparison, text))),
    }
}

/// That there is a text.
fn any_text() -> TextMatch {
    TextMatch::Contains(String::new())
}

/// A comparison of texts; that they differ is not one that any of several may meet.
fn text_match(comparison: TextComparison, text: &str) -> TextMatch {
    let text = text.to_owned();
    match comparison {
        TextComparison::Equal | TextComparison::NotEqual => TextMatch::Equals(text),
        TextComparison::Contains => TextMatch::Contains(text),
        TextComparison::BeginsWith => TextMatch::StartsWith(text),
        TextComparison::EndsWith => TextMatch::EndsWith(text),
    }
}

fn of_annotation(key: &str, test: &AnnotationTest) -> Logic<Condition> {
    let is = |value| Condition::Annotation { key: key.to_owned(), value };
    let any_number = || AnnotationMatch::Number((Bound::Unbounded, Bound::Unbounded));
    match test {
        AnnotationTest::Set => {
            let any_text = AnnotationMatch::Text(any_text());
            let values = [any_text, any_number(), AnnotationMatch::Boolean(true)];
            Logic::Any(values.map(|value| Logic::Is(is(value))).into())
        }
        AnnotationTest::Boolean { equal, value } => {
            let such = is(AnnotationMatch::Boolean(*value));
            match equal {
                true => Logic::Is(such),
                false => some_but_not(is(AnnotationMatch::Boolean(!value)), such),
            }
        }
        AnnotationTest::Number(comparison, number) => {
            let (included, excluded) = (Bound::Included(*number), Bound::Excluded(*number));
            let limits = match comparison {
                Comparison::Equal | Comparison::NotEqual => (included, included),
                Comparison::Less => (Bound::Unbounded, excluded),
                Comparison::AtMost => (Bound::Unbounded, included),
                Comparison::More => (excluded, Bound::Unbounded),
                Comparison::AtLeast => (included, Bound::Unbounded),
            };
            let such = is(AnnotationMatch::Number(limits));
            match comparison {
                Comparison::NotEqual => some_but_not(is(any_number()), such),
                _ => Logic::Is(such),
            }
        }
        AnnotationTest::Text(comparison, text) => {
            let test = TextTest::Is(*comparison, text.clone());
            of_texts(&test, |text| is(AnnotationMatch::Text(text)))
        }
    }
}

fn service_match(who: &Who) -> ServiceMatch {
    let equals = |text: &Option<String>| text.clone().map(TextMatch::Equals);
    ServiceMatch {
        name: equals(&who.name),
        kind: equals(&who.kind),
        account_id: equals(&who.account_id),
    }
}

#[cfg(test)]
mod tests;
