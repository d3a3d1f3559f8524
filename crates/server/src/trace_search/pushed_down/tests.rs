//! Conditions say the same as the expression, where they say anything.

use proptest::prelude::*;
use roentgen_filter::{any_expression, matches, parse};
use roentgen_model::{Document, Names, Trace, TraceId, assemble};

use super::*;

const TRACE: &str = "1-68000000-00000000000000000000000a";

/// `web` calls `orders`, which fails for want of a table's capacity; `web` hides that and goes on
/// with work behind its response.
const SHOP: [&str; 2] = [
    r#"{"trace_id":"1-68000000-00000000000000000000000a","id":"0000000000000001","name":"web",
        "start_time":10,"end_time":12.000001,"origin":"AWS::ECS::Container","user":"anna","throttle":true,
        "aws":{"account_id":"123","ec2":{"instance_id":"i-1","availability_zone":"eu-west-1a"}},
        "resource_arn":"arn:x",
        "http":{"request":{"method":"GET","url":"http://shop/","user_agent":"c","client_ip":"::1"},
                "response":{"status":429}},
        "annotations":{"tier":"gold","items":3,"is_new":true,"is_old":false},
        "subsegments":[
          {"id":"0000000000000011","name":"orders","namespace":"remote","start_time":10.1,"end_time":11.1,
           "fault":true,"http":{"response":{"status":503}}},
          {"id":"0000000000000012","name":"mail","start_time":11.5,"end_time":15}]}"#,
    r#"{"trace_id":"1-68000000-00000000000000000000000a","id":"0000000000000002","name":"orders",
        "parent_id":"0000000000000011","start_time":10.2,"end_time":11,"user":"system","fault":true,
        "annotations":{"shard":5,"tier":"silver"},
        "subsegments":[
          {"id":"0000000000000021","name":"DynamoDB","namespace":"aws","start_time":10.3,"end_time":10.8,
           "error":true,"throttle":true,"aws":{"operation":"Query","table_name":"orders-table"}}]}"#,
];

fn with_trace(documents: &[&str], check: impl FnOnce(&Trace<'_>)) {
    let documents = documents.iter().map(|text| Document::parse(text.as_bytes()).unwrap());
    let id: TraceId = TRACE.parse().unwrap();
    check(&assemble(id, documents.collect(), &mut Names::default()).unwrap());
}

fn truth(expression: &Expression, trace: &Trace<'_>) -> Option<bool> {
    Condition::all(&pushed_down(expression), &trace.summary, Some(&trace.graph))
}

#[test]
fn columns_tell_most() {
    with_trace(&SHOP, |trace| {
        let check = |text: &str, expect: bool| {
            let expression = parse(text).unwrap();
            assert_eq!(matches(&expression, trace), expect, "{text}");
            assert_eq!(truth(&expression, trace), Some(expect), "{text}");
        };
        for (yes, no) in [
            ("throttle", "!throttle"),
            ("!ok", "ok"),
            ("!!ok = false", "!throttle ok"),
            ("fault = false", "fault"),
            ("error", "error = false"),
            ("inferred", "inferred = false"),
            ("responsetime > 2", "responsetime < 1.9"),
            ("responsetime <= 2.000001", "responsetime < 2.000001"),
            ("responsetime != 2", "responsetime != 2.000001"),
            ("duration = 2.000001", "duration = 2.1"),
            ("http.status != 200", "http.status = 427"),
            ("http.status >= 429", "http.status > 430.5"),
            ("http.url", "http.url CONTAINS \"x\""),
            ("http.method = \"GET\"", "http.method != \"GET\""),
            ("http.useragent != \"d\"", "http.useragent ENDSWITH \"d\""),
            ("http.clientip BEGINSWITH \"::\"", "http.clientip BEGINSWITH \"1\""),
            ("user = \"anna\"", "user = \"bert\""),
            ("user != \"bert\"", "user != \"anna\""),
            ("availabilityzone ENDSWITH \"1a\"", "availabilityzone = \"\""),
            ("instance.id = \"i-1\"", "instance.id = \"i-2\""),
            ("resource.arn CONTAINS \"arn\"", "resource.arn CONTAINS \"arm\""),
            ("annotation.tier", "annotation.missing"),
            ("annotation.is_new", "annotation.is_old"),
            ("annotation.tier = \"gold\"", "annotation.tier = 3"),
            ("annotation.tier != \"tin\"", "annotation.tier != \"gold\""),
            ("annotation.items >= 3", "annotation.items < 3"),
            ("annotation.items != 4", "annotation.items != 3"),
            ("annotation.is_new = true", "annotation.is_new != true"),
            ("service(\"web\")", "service(\"shop\")"),
            ("service(id(type: \"client\"))", "service(id(account.id: \"9\"))"),
            ("throttle user = \"anna\"", "throttle user = \"bert\""),
            ("fault OR user = \"anna\"", "fault OR user = \"bert\""),
            ("service() { fault }", "service(\"web\") { fault }"),
            ("service(\"web\") { throttle ok = false }", "service(\"web\") { throttle ok }"),
            ("service(\"web\") { responsetime > 2 }", "service(\"web\") { responsetime > 2.1 }"),
            ("service(\"orders\") { duration < 1 }", "service(\"orders\") { duration > 1 }"),
            ("service(\"web\") { duration > 2 }", "service(\"web\") { duration < 2 }"),
            ("service() { root name = \"web\" }", "service() { root name = \"orders\" }"),
            ("service() { inferred throttle }", "service() { inferred fault }"),
            ("!service() { partial }", "service() { partial }"),
            ("edge(\"web\", \"orders\")", "edge(\"orders\", \"web\")"),
            ("edge(\"web\", \"orders\") { fault }", "edge(\"web\", \"orders\") { ok }"),
            ("edge(\"web\", \"orders\") { responsetime >= 1 }", "edge() { responsetime > 3 }"),
            ("edge(id(type: \"client\"), \"web\")", "edge(id(type: \"client\"), \"orders\")"),
            ("!fault OR rootcause.fault.service { }", "fault AND rootcause.fault.service { }"),
        ] {
            check(yes, true);
            check(no, false);
        }
    });
}

#[test]
fn what_columns_do_not_tell_is_unknown() {
    with_trace(&SHOP, |trace| {
        for text in [
            "rootcause.fault.service { }",
            "throttle AND rootcause.json = #[]",
            "service(\"web\") { http.status = 429 }",
            "service(\"web\") { duration > 4 }",
            "edge(\"web\", \"orders\") { fault AND http.status = 503 }",
            "service(\"orders\") { annotation.shard }",
        ] {
            assert_eq!(truth(&parse(text).unwrap(), trace), None, "{text}");
        }
    });
}

proptest! {
    #[test]
    fn what_columns_tell_is_so(expression in any_expression()) {
        with_trace(&SHOP, |trace| {
            if let Some(told) = truth(&expression, trace) {
                assert_eq!(told, matches(&expression, trace), "{expression}");
            }
        });
    }

    #[test]
    fn limits_are_exact(
        micros in prop_oneof![0_i64..4_000_000, Just(i64::MAX), Just(i64::MIN), any::<i64>()],
        asked in prop_oneof![0.0..4.0_f64, Just(f64::MAX), Just(-1e300), Just(1e16)],
        comparison in prop::sample::select(vec![
            Comparison::Equal, Comparison::NotEqual, Comparison::Less,
            Comparison::AtMost, Comparison::More, Comparison::AtLeast,
        ]),
        exactly in any::<bool>(),
    ) {
        let asked = if exactly { seconds(micros) } else { asked };
        let test = NumberTest::Is(comparison, asked);
        let logic = of_limits(test, seconds, |limits| limits);
        let told = logic.truth(&|limits| Some(std::ops::RangeBounds::contains(limits, &micros)));
        prop_assert_eq!(told, Some(test.holds(Some(seconds(micros)))));
    }
}
