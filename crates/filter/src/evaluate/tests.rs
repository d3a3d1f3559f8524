//! What expressions mean, by example, and that summaries tell nothing else.

use proptest::prelude::*;
use roentgen_model::{Document, Names, Trace, TraceId, assemble};

use super::{Causes, Subject, decide, matches};
use crate::arbitrary::expression;
use crate::{GroupBy, explain, parse};

const TRACE: &str = "1-68000000-00000000000000000000000a";

/// A shop: `web` calls `orders`, which fails for want of a table's capacity; `web` hides that and
/// goes on with work behind its response.
const SHOP: [&str; 2] = [
    r#"{"trace_id":"1-68000000-00000000000000000000000a","id":"0000000000000001","name":"web",
        "start_time":10,"end_time":12,"origin":"AWS::ECS::Container","user":"anna",
        "aws":{"account_id":"123","ec2":{"instance_id":"i-1","availability_zone":"eu-west-1a"}},
        "http":{"request":{"method":"GET","url":"http://shop/orders?id=7","user_agent":"curl/8","client_ip":"10.0.0.1"},
                "response":{"status":200}},
        "annotations":{"tier":"gold","items":3,"is_new":true,"is_old":false},
        "subsegments":[
          {"id":"0000000000000011","name":"orders","namespace":"remote","start_time":10.1,"end_time":11.1,
           "fault":true,"http":{"request":{"method":"POST","url":"http://orders/all"},"response":{"status":503}},
           "annotations":{"attempt":2}},
          {"id":"0000000000000012","name":"mail","start_time":11.5,"end_time":15}]}"#,
    r#"{"trace_id":"1-68000000-00000000000000000000000a","id":"0000000000000002","name":"orders",
        "parent_id":"0000000000000011","start_time":10.2,"end_time":11,"user":"system","fault":true,
        "resource_arn":"arn:aws:ecs:eu-west-1:123:task/1",
        "http":{"response":{"status":503}},"annotations":{"shard":5,"tier":"silver"},
        "subsegments":[
          {"id":"0000000000000021","name":"DynamoDB","namespace":"aws","start_time":10.3,"end_time":10.8,
           "error":true,"throttle":true,"fault":true,
           "aws":{"operation":"Query","table_name":"orders-table"},
           "cause":{"exceptions":[{"id":"00000000000000ee","type":"ThroughputExceeded","message":"slow down"}]}}]}"#,
];

fn with_trace(documents: &[&str], check: impl FnOnce(&Trace<'_>)) {
    let documents = documents
        .iter()
        .map(|text| Document::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}")))
        .collect();
    let id: TraceId = TRACE.parse().unwrap();
    check(&assemble(id, documents, &mut Names::default()).unwrap());
}

fn check_all(cases: &[(&str, bool)]) {
    with_trace(&SHOP, |trace| {
        for (text, expect) in cases {
            let expression = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(matches(&expression, trace), *expect, "{text}");
            let told = decide(&expression, &trace.summary);
            assert!(told.is_none_or(|told| told == *expect), "{text}: the summary says {told:?}");
        }
    });
}

#[test]
fn the_trace_is_what_its_root_says() {
    check_all(&[
        ("", true),
        ("ok", true),
        ("!ok", false),
        ("fault", false),
        ("fault = false", true),
        ("fault != false", false),
        ("error", false),
        ("throttle", true), // Any segment, as HasThrottle.
        ("partial", false),
        ("inferred", true),
        ("responsetime = 2", true),
        ("responsetime > 2", false),
        ("responsetime >= 2", true),
        ("responsetime < 2.000001", true),
        ("duration = 2", true),
        ("http.status = 200", true),
        ("http.status != 200", false),
        ("http.status >= 200 http.status < 300", true),
        ("http.method = \"GET\"", true),
        ("http.method = \"get\"", false),
        ("http.url CONTAINS \"/orders\"", true),
        ("http.url BEGINSWITH \"http://shop\"", true),
        ("http.url ENDSWITH \"id=7\"", true),
        ("http.url BEGINSWITH \"/orders\"", false),
        ("http.url", true),
        ("http.useragent = \"curl/8\" AND http.clientip = \"10.0.0.1\"", true),
        ("resource.arn CONTAINS \":task/\"", true),
        ("instance.id = \"i-1\"", true),
        ("availabilityzone BEGINSWITH \"eu-west\"", true),
        ("availabilityzone != \"eu-west-1a\"", false),
        ("availabilityzone != \"us-east-1a\"", true),
    ]);
}

#[test]
fn of_several_values_any_will_do_and_unequal_means_none() {
    check_all(&[
        ("user = \"anna\"", true),
        ("user = \"system\"", true),
        ("user != \"anna\"", false),
        ("user != \"bert\"", true),
        ("user CONTAINS \"\"", true),
        ("annotation.tier = \"gold\"", true),
        ("annotation.tier = \"silver\"", true),
        ("annotation.tier != \"gold\"", false),
        ("annotation.tier != \"tin\"", true),
    ]);
}

#[test]
fn annotations_have_the_type_of_their_value() {
    check_all(&[
        ("annotation.items = 3", true),
        ("annotation.items > 2 AND annotation.items <= 3", true),
        ("annotation.items = \"3\"", false),
        ("annotation.items != 4", true),
        ("annotation.items", true),
        ("annotation.missing", false),
        ("!annotation.missing", true),
        ("annotation.missing != 4", false),
        ("annotation.is_new", true),
        ("annotation.is_new = true", true),
        ("annotation.is_new = \"true\"", false),
        ("annotation.is_old", false),
        ("annotation.is_old = false", true),
        ("annotation.is_old != true", true),
        ("annotation.tier BEGINSWITH \"go\"", true),
        ("annotation[attempt] = 2", true),
    ]);
}

#[test]
fn services() {
    check_all(&[
        ("service(\"web\")", true),
        ("service(\"Web\")", false),
        ("service()", true),
        ("service(\"orders-table\")", true),
        ("service(id(type: \"AWS::DynamoDB::Table\"))", true),
        ("service(id(name: \"web\", type: \"client\"))", true),
        ("service(id(name: \"web\", account.id: \"123\"))", true),
        ("service(id(name: \"web\", account.id: \"124\"))", false),
        ("service() { fault }", true),
        ("service(\"web\") { fault }", false),
        ("service(\"web\") { ok }", true),
        ("service(\"orders\") { fault AND http.status = 503 }", true),
        ("service(\"orders\") { responsetime >= 0.8 }", true),
        ("service(\"orders\") { responsetime > 0.8 }", false),
        ("service(\"web\") { duration >= 5 }", true), // The mail went out after the response.
        ("service(\"web\") { responsetime >= 5 }", false),
        ("service() { root AND fault }", false),
        ("service() { root AND name = \"web\" }", true),
        ("service() { inferred AND throttle }", true),
        ("service() { inferred AND type = \"AWS::DynamoDB::Table\" }", true),
        ("service(\"orders\") { annotation.shard = 5 }", true),
        ("service(\"web\") { annotation.shard }", false),
        ("service(\"web\") { annotation.attempt }", true), // Of a subsegment.
        ("service(\"orders\") { user = \"system\" }", true),
        ("service() { user = \"anna\" AND fault }", false), // Not one and the same request.
        ("service() { user = \"anna\" } AND service() { fault }", true),
        ("service() { partial }", false),
        ("service(id(type: \"client\")) { ok }", true),
        ("!service(\"billing\")", true),
    ]);
}

#[test]
fn edges() {
    check_all(&[
        ("edge(\"web\", \"orders\")", true),
        ("edge(\"orders\", \"web\")", false),
        ("edge(\"web\", \"orders\") { fault }", true),
        ("edge(\"web\", \"orders\") { ok }", false),
        ("edge(\"web\", \"orders\") { responsetime = 1 }", true), // As the caller saw it.
        ("edge(\"web\", \"orders\") { http.method = \"POST\" }", true),
        ("edge(\"web\", \"orders\") { annotation.attempt = 2 }", true),
        ("edge(\"web\", \"orders\") { source.annotation.items = 3 }", true),
        ("edge(\"web\", \"orders\") { destination.annotation.shard = 5 }", true),
        ("edge(\"web\", \"orders\") { destination.annotation.items }", false),
        ("edge(\"orders\", id(type: \"AWS::DynamoDB::Table\")) { throttle }", true),
        ("edge(id(type: \"client\"), \"web\") { ok }", true),
        ("edge(id(type: \"client\"), \"orders\")", false),
        ("edge() { fault AND inferred }", true),
        ("edge()", true),
        ("edge(\"web\", \"orders-table\")", false),
    ]);
}

/// A trace whose segments each call the next one.
fn with_chain(segments: u32, check: impl FnOnce(&Trace<'_>)) {
    let document = |number: u32| {
        let parent = match number.checked_sub(1) {
            None => String::new(),
            Some(parent) => format!("\"parent_id\":\"{:016x}\",", parent + 1),
        };
        format!(
            "{{\"trace_id\":\"{TRACE}\",\"id\":\"{:016x}\",{parent}\"name\":\"node-{number:05}\",\
             \"start_time\":10,\"end_time\":{},\"annotations\":{{\"n\":{number}}}}}",
            number + 1,
            11 + number
        )
    };
    let documents: Vec<String> = (0..segments).map(document).collect();
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    with_trace(&documents, check);
}

#[test]
fn nodes_that_the_summary_has_not_are_found() {
    with_chain(700, |trace| {
        assert_eq!(trace.summary.services.len(), 500);
        for (text, told, expect) in [
            ("service(\"node-00001\")", Some(true), true),
            ("service(\"node-00699\")", None, true),
            ("service(\"node-00700\")", None, false),
            ("service(\"node-00699\") { ok }", None, true),
            ("edge(\"node-00698\", \"node-00699\")", None, true),
            ("edge(\"node-00699\", \"node-00698\")", None, false),
        ] {
            let expression = parse(text).unwrap();
            assert_eq!(decide(&expression, &trace.summary), told, "{text}");
            assert_eq!(matches(&expression, trace), expect, "{text}");
        }
    });
}

/// If each looked below itself, this would take minutes.
#[test]
fn ten_thousand_segments_below_each_other_are_asked_at_once() {
    with_chain(10_000, |trace| {
        for (text, expect) in [
            // The client of the first knows its own end only.
            ("service() { duration < 10000 AND name != \"node-00000\" }", false),
            ("service() { duration >= 10000 }", true),
            ("service() { annotation.n = 9999 }", true),
            ("service() { annotation.n < 0 }", false),
            ("edge() { destination.annotation.n < 0 OR duration < 10000 }", false),
        ] {
            assert_eq!(matches(&parse(text).unwrap(), trace), expect, "{text}");
        }
    });
}

#[test]
fn root_causes() {
    check_all(&[
        ("rootcause.fault.service { }", true),
        ("rootcause.fault.service { first AND name = \"web\" }", true),
        ("rootcause.fault.service { last AND inferred AND name = \"orders-table\" }", true),
        ("rootcause.fault.service { index = 1 AND name = \"orders\" }", true),
        ("rootcause.fault.service { index > 2 }", false),
        ("rootcause.fault.service { type = \"AWS::ECS::Container\" }", true),
        ("rootcause.fault.entity { remote AND name = \"DynamoDB\" }", true),
        ("rootcause.fault.entity { last AND name = \"web\" }", false),
        ("rootcause.fault.exception { message CONTAINS \"slow\" }", true),
        ("rootcause.fault.exception { name = \"ThroughputExceeded\" AND first }", true),
        ("rootcause.error.service { }", false),
        ("rootcause.responsetime.service { name = \"orders\" }", true),
        ("rootcause.responsetime.entity { remote AND coverage >= 0.5 }", true),
        ("rootcause.responsetime.entity { coverage > 0.9 AND !first }", false),
        ("rootcause.json = #[]", true),
        ("rootcause.json = #[{\"ClientImpacting\": false}]", true),
        (
            "rootcause.json = #[{\"Services\":[{\"Name\":\"web\",\"EntityPath\":[{\"Name\":\"web\",\
             \"Coverage\":1.0},{\"Name\":\"orders\"}]},{\"Name\":\"orders\"},{\"Inferred\":true}]}]",
            true,
        ),
        ("rootcause.json = #[{\"Services\":[{\"Name\":\"web\"}]}]", false),
        ("rootcause.json != #[{\"Services\":[{\"Name\":\"web\"}]}]", true),
    ]);
}

#[test]
fn an_exception_without_a_class_has_an_empty_name_as_in_summaries() {
    let document = r#"{"trace_id":"1-68000000-00000000000000000000000a","id":"0000000000000001",
        "name":"web","start_time":10,"end_time":12,"fault":true,
        "cause":{"exceptions":[{"id":"00000000000000ee","message":"m"}]}}"#;
    with_trace(&[document], |trace| {
        let check = |exception: &str, expect: bool| {
            let path = format!("[{{\"Name\":\"web\",\"Exceptions\":[{exception}]}}]");
            let text = format!("rootcause.json = #[{{\"Services\":[{{\"EntityPath\":{path}}}]}}]");
            assert_eq!(matches(&parse(&text).unwrap(), trace), expect, "{text}");
        };
        check("{\"Name\":\"\",\"Message\":\"m\"}", true);
        check("{\"Message\":\"m\"}", true);
        check("{\"Name\":\"x\",\"Message\":\"m\"}", false);
    });
}

#[test]
fn what_is_found_of_a_trace_serves_all_terms() {
    with_trace(&SHOP, |trace| {
        let subject = Subject::whole(trace);
        let known = || subject.causes.get().map(Causes::json_made);
        let whole = || subject.whole.as_ref().unwrap().is_known();
        let truth = |text: &str| subject.truth(&parse(text).unwrap());
        assert_eq!((known(), whole()), (None, (false, false)));
        assert_eq!(truth("rootcause.fault.service { index > 2 }"), Some(false));
        assert_eq!(known(), Some(None));
        assert_eq!(truth("rootcause.json = #[1] OR rootcause.json = #[2]"), Some(false));
        let first = known();
        assert!(first.flatten().is_some());
        assert_eq!(truth("rootcause.json = #[3] OR service() { annotation.none }"), Some(false));
        assert_eq!((known(), whole()), (first, (true, true)));
    });
}

#[test]
fn what_joins() {
    check_all(&[
        ("ok AND fault", false),
        ("ok OR fault", true),
        ("fault OR error OR ok", true),
        ("ok AND (fault OR throttle)", true),
        ("!(fault OR error)", true),
        ("ok !partial duration < 3", true),
        ("fault AND edge() { fault }", false),
        ("ok OR edge() { ok }", true),
    ]);
}

#[test]
fn groups_stand_for_their_expression() {
    let find = |by, name: &str| match (by, name) {
        (GroupBy::Name, "slow") => parse("responsetime >= 2").ok(),
        (GroupBy::Arn, "arn:x") => parse("fault").ok(),
        _ => None,
    };
    with_trace(&SHOP, |trace| {
        for (text, expect) in [
            ("group.name = \"slow\"", true),
            ("group.name != \"slow\"", false),
            ("group.name = \"slow\" AND user = \"anna\"", true),
            ("!(group.arn = \"arn:x\" OR fault)", true),
        ] {
            let expression = parse(text).unwrap().with_groups(&find).unwrap();
            assert_eq!(matches(&expression, trace), expect, "{text}");
        }
    });
    let unknown = parse("ok OR group.name = \"fast\"").unwrap().with_groups(&find).unwrap_err();
    assert_eq!(unknown.to_string(), "The group \"fast\" does not exist");
}

#[test]
fn explanations_name_the_part_that_fails() {
    with_trace(&SHOP, |trace| {
        let explanation = explain(&parse("ok (fault OR !user)").unwrap(), trace);
        let lines: Vec<(&str, bool)> =
            explanation.parts.iter().map(|part| (part.text.as_str(), part.holds)).collect();
        assert!(!explanation.holds);
        assert_eq!(lines, [("ok", true), ("fault OR !user", false)]);
        assert_eq!(explanation.parts[1].parts[1].parts[0].text, "user");
    });
}

proptest! {
    #[test]
    fn what_the_summary_tells_is_so(expression in expression()) {
        with_trace(&SHOP, |trace| {
            if let Some(told) = decide(&expression, &trace.summary) {
                assert_eq!(told, matches(&expression, trace), "{expression}");
            }
        });
    }
}
