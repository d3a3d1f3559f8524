//! From an expression to conditions that the store checks without looking at a summary: true of
//! every trace that matches, and of as few others as the conditions can say.

use std::ops::Bound;

use roentgen_filter::{
    AnnotationTest, Comparison, Expression, Flag, NumberField, NumberTest, Side, TextComparison,
    TextField, TextTest, Who,
};
use roentgen_model::{Micros, Outcome};
use roentgen_store::{AnnotationMatch, Condition, Limits, ServiceMatch, TextMatch};

/// What must hold of every trace that matches.
pub(super) fn pushed_down(expression: &Expression) -> Vec<Condition> {
    match expression {
        Expression::All(parts) => parts.iter().flat_map(pushed_down).collect(),
        Expression::Not(inner) => match &**inner {
            Expression::Flag { flag, wanted } => of_flag(*flag, !wanted).into_iter().collect(),
            Expression::Not(inner) => pushed_down(inner),
            _ => Vec::new(),
        },
        Expression::Flag { flag, wanted } => of_flag(*flag, *wanted).into_iter().collect(),
        Expression::Number { field, test } => of_number(*field, *test).into_iter().collect(),
        Expression::Text { field, test } => of_text(*field, test).into_iter().collect(),
        Expression::Annotation { side: Side::Own, key, test } => {
            vec![Condition::Annotation { key: key.clone(), value: of_annotation(test) }]
        }
        Expression::Service { who, .. } => of_service(who).into_iter().collect(),
        Expression::Edge { from, to, .. } => {
            [from, to].into_iter().filter_map(of_service).collect()
        }
        _ => Vec::new(),
    }
}

fn of_flag(flag: Flag, wanted: bool) -> Option<Condition> {
    match flag {
        Flag::Ok if wanted => Some(Condition::Outcomes(vec![Outcome::Ok])),
        Flag::Ok => {
            Some(Condition::Outcomes(vec![Outcome::Error, Outcome::Throttle, Outcome::Fault]))
        }
        Flag::Error => Some(Condition::Error(wanted)),
        Flag::Throttle => Some(Condition::Throttle(wanted)),
        Flag::Fault => Some(Condition::Fault(wanted)),
        Flag::Partial => Some(Condition::Partial(wanted)),
        _ => None,
    }
}

fn of_number(field: NumberField, test: NumberTest) -> Option<Condition> {
    let limits = limits(test);
    match field {
        NumberField::ResponseTime => Some(Condition::ResponseTime(micros(limits))),
        NumberField::Duration => Some(Condition::Duration(micros(limits))),
        NumberField::HttpStatus => Some(Condition::HttpStatus(whole(limits, 1.0))),
        NumberField::Index | NumberField::Coverage => None,
    }
}

/// The least and the greatest number that may pass.
fn limits(test: NumberTest) -> (Option<f64>, Option<f64>) {
    match test {
        NumberTest::Known | NumberTest::Is(Comparison::NotEqual, _) => (None, None),
        NumberTest::Is(Comparison::Equal, number) => (Some(number), Some(number)),
        NumberTest::Is(Comparison::Less | Comparison::AtMost, number) => (None, Some(number)),
        NumberTest::Is(Comparison::More | Comparison::AtLeast, number) => (Some(number), None),
    }
}

fn micros(limits: (Option<f64>, Option<f64>)) -> Limits<Micros> {
    let (least, most) = whole(limits, 1e6);
    (least.map(Micros::new), most.map(Micros::new))
}

/// From here on a number has no whole neighbours on both sides, so that nothing can be told of them.
const MOST_EXACT: f64 = 4_503_599_627_370_496.0; // 2⁵²

/// Limits in whole units, moved outwards by one, so that rounding leaves nothing out.
fn whole((least, most): (Option<f64>, Option<f64>), units: f64) -> Limits<i64> {
    let bound = |number: Option<f64>, outwards: f64| {
        let exact = number.map(|number| number * units).filter(|n| n.abs() < MOST_EXACT);
        exact.map_or(Bound::Unbounded, |number| {
            #[expect(clippy::cast_possible_truncation, reason = "it is below 2⁵²")]
            Bound::Included((number.round() + outwards) as i64)
        })
    };
    (bound(least, -1.0), bound(most, 1.0))
}

fn of_text(field: TextField, test: &TextTest) -> Option<Condition> {
    let text = match test {
        TextTest::Known => any_text(),
        TextTest::Is(comparison, text) => text_match(*comparison, text),
    };
    let of_request = |field| Some(Condition::Text(field, text.clone()));
    match field {
        TextField::HttpUrl => of_request(roentgen_store::TextField::Url),
        TextField::HttpMethod => of_request(roentgen_store::TextField::Method),
        TextField::HttpUserAgent => of_request(roentgen_store::TextField::UserAgent),
        TextField::HttpClientIp => of_request(roentgen_store::TextField::ClientIp),
        TextField::User => Some(Condition::User(text)),
        TextField::AvailabilityZone => Some(Condition::AvailabilityZone(text)),
        TextField::InstanceId => Some(Condition::InstanceId(text)),
        TextField::ResourceArn => Some(Condition::ResourceArn(text)),
        TextField::Name | TextField::Type | TextField::Message => None,
    }
}

/// That there is a text.
fn any_text() -> TextMatch {
    TextMatch::Contains(String::new())
}

fn text_match(comparison: TextComparison, text: &str) -> TextMatch {
    let text = text.to_owned();
    match comparison {
        TextComparison::Equal => TextMatch::Equals(text),
        TextComparison::NotEqual => any_text(),
        TextComparison::Contains => TextMatch::Contains(text),
        TextComparison::BeginsWith => TextMatch::StartsWith(text),
        TextComparison::EndsWith => TextMatch::EndsWith(text),
    }
}

fn of_annotation(test: &AnnotationTest) -> AnnotationMatch {
    match test {
        AnnotationTest::Set => AnnotationMatch::Any,
        AnnotationTest::Boolean { equal: true, value } => AnnotationMatch::Boolean(*value),
        AnnotationTest::Boolean { equal: false, .. } => AnnotationMatch::Any,
        AnnotationTest::Number(comparison, number) => {
            let (least, most) = limits(NumberTest::Is(*comparison, *number));
            let bound = |number: Option<f64>| number.map_or(Bound::Unbounded, Bound::Included);
            AnnotationMatch::Number((bound(least), bound(most)))
        }
        AnnotationTest::Text(comparison, text) => {
            AnnotationMatch::Text(text_match(*comparison, text))
        }
    }
}

fn of_service(who: &Who) -> Option<Condition> {
    let equals = |text: &Option<String>| text.clone().map(TextMatch::Equals);
    let wanted = ServiceMatch {
        name: equals(&who.name),
        kind: equals(&who.kind),
        account_id: equals(&who.account_id),
    };
    (!who.is_anyone()).then_some(Condition::Service(wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roentgen_filter::{decide, parse};
    use roentgen_model::{Document, Names, TraceSummary, assemble};

    use super::*;

    fn summary(document: &str) -> TraceSummary {
        let document = Document::parse(document.as_bytes()).unwrap();
        assemble(document.trace_id, vec![document], &mut Names::default()).unwrap().summary
    }

    const TRACE: &str = r#"{"trace_id":"1-68000000-00000000000000000000000a","id":"0000000000000001",
        "name":"web","start_time":10,"end_time":12.000001,"origin":"AWS::ECS::Container","user":"anna",
        "aws":{"account_id":"123","ec2":{"instance_id":"i-1","availability_zone":"eu-west-1a"}},
        "resource_arn":"arn:x","throttle":true,
        "http":{"request":{"method":"GET","url":"http://shop/","user_agent":"c","client_ip":"::1"},
                "response":{"status":429}},
        "annotations":{"tier":"gold","items":3,"is_new":true}}"#;

    #[test]
    fn conditions_hold_where_the_expression_does_and_say_most_of_it() {
        let summary = summary(TRACE);
        let check = |text: &str, expect: bool| {
            let expression = parse(text).unwrap();
            assert_eq!(decide(&expression, &summary), Some(expect), "{text}");
            let conditions = pushed_down(&expression);
            assert!(!conditions.is_empty(), "{text}");
            let all_hold = Condition::all(&conditions, &summary, None) == Some(true);
            assert_eq!(all_hold, expect, "{text}");
        };
        for (yes, no) in [
            ("throttle", "!throttle"),
            ("!ok", "ok"),
            ("!!ok = false", "!fault ok"),
            ("fault = false", "fault"),
            ("error = false", "!partial error"),
            ("responsetime > 2", "responsetime < 1.9"),
            ("responsetime <= 2.000001", "responsetime >= 2.1"),
            ("duration = 2.000001", "duration = 2.1"),
            ("http.status != 200", "http.status = 427"),
            ("http.status >= 429", "http.status > 430.5"),
            ("http.url", "http.url CONTAINS \"x\""),
            ("http.method = \"GET\"", "http.method = \"PUT\""),
            ("http.useragent != \"d\"", "http.useragent ENDSWITH \"d\""),
            ("http.clientip BEGINSWITH \"::\"", "http.clientip BEGINSWITH \"1\""),
            ("user = \"anna\"", "user = \"bert\""),
            ("availabilityzone ENDSWITH \"1a\"", "availabilityzone = \"\""),
            ("instance.id = \"i-1\"", "instance.id = \"i-2\""),
            ("resource.arn CONTAINS \"arn\"", "resource.arn CONTAINS \"arm\""),
            ("annotation.tier", "annotation.missing"),
            ("annotation.tier = \"gold\"", "annotation.tier = 3"),
            ("annotation.items >= 3", "annotation.items < 2"),
            ("annotation.is_new = true", "annotation.is_new = false"),
            ("service(\"web\")", "service(\"shop\")"),
            ("service(id(type: \"client\"))", "service(id(account.id: \"9\"))"),
            ("throttle user = \"anna\"", "throttle user = \"bert\""),
        ] {
            check(yes, true);
            check(no, false);
        }
    }

    proptest! {
        #[test]
        fn rounding_leaves_nothing_out(
            seconds in 0.0..4.0_f64,
            asked in prop_oneof![0.0..4.0_f64, Just(f64::MAX), Just(-1e300), Just(1e16)],
            operator in prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="]),
            exactly in any::<bool>(),
        ) {
            let seconds = (seconds * 1e6).round() / 1e6;
            let asked = if exactly { seconds } else { asked };
            let summary = summary(&format!(
                r#"{{"trace_id":"1-68000000-00000000000000000000000a","id":"0000000000000001",
                "name":"web","start_time":10,"end_time":{}}}"#,
                10.0 + seconds
            ));
            let expression = parse(&format!("responsetime {operator} {asked}")).unwrap();
            if decide(&expression, &summary) == Some(true) {
                prop_assert!(Condition::all(&pushed_down(&expression), &summary, None) == Some(true));
            }
        }
    }
}
