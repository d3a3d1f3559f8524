//! What each condition means.

use std::ops::Bound::{Excluded, Included, Unbounded};

use roentgen_model::{Document, Names, assemble};

use super::*;

/// The summary of a trace of one segment, which called a table.
fn summary() -> TraceSummary {
    let text = r#"{
        "trace_id": "1-6af1a2c0-0123456789abcdef01234567", "id": "00000000000000aa",
        "name": "shop", "origin": "AWS::ECS::Container", "start_time": 1794220736, "end_time": 1794220738,
        "fault": true, "user": "anna", "resource_arn": "arn:aws:ecs:::task/a",
        "aws": {"account_id": "123456789012", "ec2": {"instance_id": "i-1", "availability_zone": "eu-central-1a"}},
        "http": {
            "request": {"url": "https://shop.example.com/orders/7", "method": "POST", "client_ip": "192.0.2.1"},
            "response": {"status": 503}
        },
        "annotations": {"tier": "gold", "price": 12.5, "gift": false},
        "subsegments": [{
            "id": "00000000000000ab", "name": "orders", "namespace": "aws",
            "start_time": 1794220737, "end_time": 1794220738
        }]
    }"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let id = document.trace_id;
    assemble(id, vec![document], &mut Names::default()).unwrap().summary
}

fn equals(text: &str) -> TextMatch {
    TextMatch::Equals(text.to_owned())
}

#[test]
fn conditions_hold_of_what_they_describe() {
    let summary = summary();
    let check = |condition: Condition, expect: bool| {
        assert_eq!(condition.truth(&summary, None), Some(expect), "{condition:?}");
    };
    check(Condition::Outcomes(vec![Outcome::Ok, Outcome::Fault]), true);
    check(Condition::Outcomes(vec![Outcome::Ok]), false);
    check(Condition::Outcomes(vec![]), false);
    check(Condition::Fault(true), true);
    check(Condition::Error(true), false);
    check(Condition::Error(false), true);
    check(Condition::Throttle(false), true);
    check(Condition::Partial(true), false);
    let two = Micros::from_whole_seconds(2);
    check(Condition::ResponseTime((Included(two), Unbounded)), true);
    check(Condition::ResponseTime((Excluded(two), Unbounded)), false);
    check(Condition::Duration((Unbounded, Included(two))), true);
    check(Condition::Duration((Unbounded, Excluded(two))), false);
    check(Condition::HttpStatus((Included(500), Excluded(600))), true);
    check(Condition::HttpStatus((Included(504), Unbounded)), false);
    check(Condition::Text(TextField::Method, equals("POST")), true);
    check(Condition::Text(TextField::Method, equals("post")), false);
    check(Condition::Text(TextField::ClientIp, TextMatch::StartsWith("192.".to_owned())), true);
    check(Condition::Text(TextField::UserAgent, TextMatch::Contains(String::new())), false);
    check(Condition::User(equals("anna")), true);
    check(Condition::User(equals("bert")), false);
    check(Condition::ResourceArn(TextMatch::EndsWith("/a".to_owned())), true);
    check(Condition::InstanceId(equals("i-1")), true);
    check(Condition::AvailabilityZone(equals("eu-central-1b")), false);
}

#[test]
fn all_given_parts_of_one_service_must_match() {
    let summary = summary();
    let check = |name: &str, kind: Option<&str>, expect: (bool, bool)| {
        let wanted =
            ServiceMatch { name: Some(equals(name)), kind: kind.map(equals), account_id: None };
        let service = Condition::Service(wanted.clone()).truth(&summary, None) == Some(true);
        let entry_point = Condition::EntryPoint(wanted.clone()).truth(&summary, None) == Some(true);
        assert_eq!((service, entry_point), expect, "{wanted:?}");
    };
    check("shop", None, (true, true));
    check("shop", Some("AWS::ECS::Container"), (true, true));
    check("shop", Some("AWS::Lambda"), (false, false));
    check("orders", None, (true, false));
    check("orders", Some("AWS::ECS::Container"), (false, false));
    check("cart", None, (false, false));
    assert!(
        Condition::Service(ServiceMatch::default()).truth(&summary, None) == Some(true),
        "any service"
    );
}

#[test]
fn annotations_match_by_key_kind_and_value() {
    let summary = summary();
    let check = |key: &str, value: AnnotationMatch, expect: bool| {
        let condition = Condition::Annotation { key: key.to_owned(), value };
        assert_eq!(condition.truth(&summary, None), Some(expect), "{condition:?}");
    };
    check("tier", AnnotationMatch::Any, true);
    check("Tier", AnnotationMatch::Any, false);
    check("tier", AnnotationMatch::Text(equals("gold")), true);
    check("tier", AnnotationMatch::Text(equals("free")), false);
    check("price", AnnotationMatch::Number((Included(12.5), Excluded(13.0))), true);
    check("price", AnnotationMatch::Number((Excluded(12.5), Unbounded)), false);
    check("price", AnnotationMatch::Text(equals("12.5")), false);
    check("gift", AnnotationMatch::Boolean(false), true);
    check("gift", AnnotationMatch::Boolean(true), false);
}

#[test]
fn texts_match_in_four_ways() {
    let check = |wanted: fn(String) -> TextMatch, text: &str, expect: [bool; 3]| {
        let wanted = wanted(text.to_owned());
        let found = ["abc", "ab", "babc"].map(|text| wanted.matches(text));
        assert_eq!(found, expect, "{wanted:?}");
    };
    check(TextMatch::Equals, "abc", [true, false, false]);
    check(TextMatch::StartsWith, "ab", [true, true, false]);
    check(TextMatch::EndsWith, "bc", [true, false, true]);
    check(TextMatch::Contains, "ab", [true, true, true]);
    check(TextMatch::Contains, "", [true, true, true]);
}
