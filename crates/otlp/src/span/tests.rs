//! Spans of made-up traces: kinds, names of attributes, resources, events, links, and the limit.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use roentgen_model::{Document, Names, assemble};
use serde_json::{Value, json};

use super::*;

const TRACE: &str = "1-581cf771-a006649127e371903a2de979";
const PLENTY: usize = 200_000;

/// The spans of the documents of one trace, read back.
fn spans_of(documents: &[Value], most_characters: usize) -> Vec<(String, Value)> {
    let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
    let parsed: Vec<_> =
        texts.iter().map(|text| Document::parse(text.as_bytes()).unwrap()).collect();
    let trace = assemble(parsed[0].trace_id, parsed, &mut Names::default()).unwrap();
    let spans = spans(&trace, 0, most_characters).map(|(_, id, text)| {
        assert!(text.chars().count() <= most_characters, "{} characters", text.len());
        (id.to_string(), serde_json::from_str(&text).unwrap())
    });
    spans.collect()
}

fn segment(members: Value) -> Value {
    let mut segment = json!({"trace_id": TRACE, "id": "53995c3f42cd8ad8", "name": "shop",
        "start_time": 1_478_293_361.271, "end_time": 1_478_293_361.449});
    segment.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    segment
}

fn call(members: Value) -> Value {
    let mut call = json!({"id": "63995c3f42cd8ad8", "name": "dynamodb", "namespace": "aws",
        "start_time": 1_478_293_361.3, "end_time": 1_478_293_361.4});
    call.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    call
}

fn span(data: &Value) -> &Value {
    &data["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
}

/// `key=value` lines, for a short look at attributes.
fn lines(attributes: &Value) -> String {
    let attributes = attributes.as_array().into_iter().flatten();
    let line = |attribute: &Value| {
        let value = attribute["value"].as_object().unwrap().iter().next().unwrap();
        format!("{} {}={}\n", attribute["key"].as_str().unwrap(), value.0, value.1)
    };
    attributes.map(line).collect()
}

#[test]
fn a_call_of_a_segment() {
    let root = segment(json!({"subsegments": [call(json!({"throttle": true, "error": true}))]}));
    let spans = spans_of(&[root], PLENTY);
    // The inferred segment of DynamoDB is none.
    let ids: Vec<&str> = spans.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["53995c3f42cd8ad8", "63995c3f42cd8ad8"]);
    expect![[r#"
        {
          "attributes": [
            {
              "key": "rpc.system",
              "value": {
                "stringValue": "aws-api"
              }
            },
            {
              "key": "rpc.service",
              "value": {
                "stringValue": "DynamoDB"
              }
            }
          ],
          "endTimeUnixNano": "1478293361400000000",
          "flags": 1,
          "kind": 3,
          "name": "DynamoDB",
          "parentSpanId": "53995c3f42cd8ad8",
          "spanId": "63995c3f42cd8ad8",
          "startTimeUnixNano": "1478293361300000000",
          "status": {
            "code": 2
          },
          "traceId": "581cf771a006649127e371903a2de979"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(span(&spans[1].1)).unwrap());
}

#[test]
fn kinds_parents_and_ends() {
    let check = |document: Value, expect: (u64, Option<&str>, bool)| {
        let spans = spans_of(std::slice::from_ref(&document), PLENTY);
        let span = span(&spans.last().unwrap().1);
        let parent = span.get("parentSpanId").and_then(Value::as_str);
        let has_ended = span.get("endTimeUnixNano").is_some();
        assert_eq!((span["kind"].as_u64().unwrap(), parent, has_ended), expect, "{document}");
    };
    let parent = "43995c3f42cd8ad8";
    let within = |members: Value| segment(json!({"subsegments": [call(members)]}));
    check(segment(json!({})), (2, None, true));
    check(segment(json!({"parent_id": parent})), (2, Some(parent), true));
    check(segment(json!({"end_time": null, "in_progress": true})), (2, None, false));
    check(within(json!({})), (3, Some("53995c3f42cd8ad8"), true));
    check(within(json!({"namespace": "remote"})), (3, Some("53995c3f42cd8ad8"), true));
    check(within(json!({"namespace": "local"})), (1, Some("53995c3f42cd8ad8"), true));
    check(within(json!({"namespace": null})), (1, Some("53995c3f42cd8ad8"), true));
    let alone = json!({"type": "subsegment", "parent_id": parent});
    check(segment(alone), (1, Some(parent), true));
}

#[test]
fn attributes_have_the_names_of_the_conventions() {
    let check = |members: Value, expect: Expect| {
        let spans = spans_of(&[segment(json!({"subsegments": [call(members)]}))], PLENTY);
        expect.assert_eq(&lines(&span(&spans[1].1)["attributes"]));
    };
    check(
        json!({"aws": {"operation": "GetItem", "table_name": "carts", "region": "eu-west-1",
            "request_id": "R", "retries": 2, "attribute_names_substituted": ["a", "b"],
            "nested": {"deep": {"er": 1.5}}, "mixed": [1, {}], "nothing": null}}),
        expect![[r#"
            rpc.system stringValue="aws-api"
            rpc.service stringValue="DynamoDB"
            aws.dynamodb.table_names arrayValue={"values":[{"stringValue":"carts"}]}
            aws.attribute_names_substituted arrayValue={"values":[{"stringValue":"a"},{"stringValue":"b"}]}
            aws.mixed stringValue="[1,{}]"
            aws.nested.deep.er doubleValue=1.5
            rpc.method stringValue="GetItem"
            cloud.region stringValue="eu-west-1"
            aws.request_id stringValue="R"
            aws.retries intValue="2"
        "#]],
    );
    check(
        json!({"namespace": "remote", "name": "orders@db", "sql": {"database_type": "PostgreSQL",
            "sanitized_query": "SELECT ?", "user": "u", "url": "jdbc:x", "preparation": "call"}}),
        expect![[r#"
            peer.service stringValue="orders@db"
            db.system.name stringValue="postgresql"
            aws.xray.sql.preparation stringValue="call"
            db.query.text stringValue="SELECT ?"
            aws.xray.sql.url stringValue="jdbc:x"
            db.user stringValue="u"
        "#]],
    );
    check(
        json!({"namespace": null, "http": {"request": {"method": "GET", "url": "http://x/",
            "user_agent": "ua", "client_ip": "1.2.3.4", "x_forwarded_for": true, "traced": true},
            "response": {"status": 200, "content_length": "7"}},
            "annotations": {"tenant": "acme", "size": 3, "vip": true},
            "metadata": {"default": {"k": [1]}, "debug": {}}}),
        expect![[r#"
            http.request.method stringValue="GET"
            url.full stringValue="http://x/"
            user_agent.original stringValue="ua"
            client.address stringValue="1.2.3.4"
            http.response.status_code intValue="200"
            aws.xray.traced boolValue=true
            aws.xray.x_forwarded_for boolValue=true
            http.response.body.size intValue="7"
            size doubleValue=3.0
            tenant stringValue="acme"
            vip boolValue=true
            aws.xray.annotations arrayValue={"values":[{"stringValue":"size"},{"stringValue":"tenant"},{"stringValue":"vip"}]}
            aws.xray.metadata.debug stringValue="{}"
            aws.xray.metadata.default stringValue="{\"k\":[1]}"
        "#]],
    );
}

#[test]
fn resources_tell_what_the_segment_tells() {
    let check = |document: Value, expect: Expect| {
        let spans = spans_of(&[document], PLENTY);
        let last = &spans.last().unwrap().1["resourceSpans"][0]["resource"];
        expect.assert_eq(&lines(&last["attributes"]));
    };
    check(
        segment(json!({"origin": "AWS::ECS::Fargate", "resource_arn": "arn:x",
            "service": {"version": "1.2", "runtime": "CPython", "name": "again", "compiler": "c"},
            "aws": {"account_id": "123", "ecs": {"container": "web", "launch_type": "fargate",
            "availability_zone": "a"}, "ec2": {"availability_zone": "b", "instance_id": "i-1"},
            "elastic_beanstalk": {"version_label": "never", "deployment_id": 7},
            "xray": {"sdk": "X-Ray for Python", "sdk_version": "2.15.0"},
            "cloudwatch_logs": [{"log_group": "g", "arn": "arn:g"}, {"log_group": "h"}]},
            "subsegments": [call(json!({}))]})),
        expect![[r#"
            service.name stringValue="shop"
            aws.xray.service.compiler stringValue="c"
            process.runtime.name stringValue="CPython"
            service.version stringValue="1.2"
            cloud.provider stringValue="aws"
            cloud.platform stringValue="aws_ecs"
            cloud.account.id stringValue="123"
            cloud.resource_id stringValue="arn:x"
            aws.xray.origin stringValue="AWS::ECS::Fargate"
            aws.log.group.names arrayValue={"values":[{"stringValue":"g"},{"stringValue":"h"}]}
            aws.log.group.arns arrayValue={"values":[{"stringValue":"arn:g"}]}
            cloud.availability_zone stringValue="b"
            host.id stringValue="i-1"
            container.name stringValue="web"
            aws.ecs.launchtype stringValue="fargate"
            service.instance.id intValue="7"
            telemetry.sdk.name stringValue="X-Ray for Python"
            telemetry.sdk.version stringValue="2.15.0"
        "#]],
    );
    check(
        segment(json!({"origin": "AWS::ECSomething"})),
        expect![[r#"
            service.name stringValue="shop"
            cloud.provider stringValue="aws"
            aws.xray.origin stringValue="AWS::ECSomething"
        "#]],
    );
    check(
        segment(json!({"type": "subsegment", "parent_id": "43995c3f42cd8ad8"})),
        expect![[r#"
            service.name stringValue="unknown_service"
        "#]],
    );
}

#[test]
fn keys_are_unique() {
    let check = |members: Value, dropped: u64, expect: Expect| {
        let spans = spans_of(&[segment(members)], PLENTY);
        let span = span(&spans[0].1);
        expect.assert_eq(&lines(&span["attributes"]));
        assert_eq!(span["droppedAttributesCount"].as_u64().unwrap_or_default(), dropped);
    };
    check(
        json!({"http": {"request": {"url": "http://x/"}}, "user": "ada",
            "annotations": {"url.full": "mine", "enduser.id": "ada", "tenant": "acme"}}),
        1,
        expect![[r#"
            url.full stringValue="http://x/"
            enduser.id stringValue="ada"
            tenant stringValue="acme"
            aws.xray.annotations arrayValue={"values":[{"stringValue":"enduser.id"},{"stringValue":"tenant"}]}
        "#]],
    );
    check(
        json!({"annotations": {"aws.xray.annotations": "x", "aws.xray.metadata.debug": 1},
            "metadata": {"debug": {}, "default": {}}}),
        2,
        expect![[r#"
            aws.xray.metadata.debug doubleValue=1.0
            aws.xray.annotations arrayValue={"values":[{"stringValue":"aws.xray.metadata.debug"}]}
            aws.xray.metadata.default stringValue="{}"
        "#]],
    );
}

#[test]
fn exceptions_are_events_and_links_are_links() {
    let exceptions = json!([
        {"id": "0123456789abcdef", "type": "E", "message": "broke", "remote": false, "truncated": 2,
         "stack": [{"path": "a.py", "line": 3, "label": "f"}, {"label": "g"}]},
        {"message": "why", "remote": true, "cause": "0123456789abcdef"}]);
    let linked = json!([{"trace_id": TRACE, "id": "43995c3f42cd8ad8", "attributes": {"k": "v"}},
        {"trace_id": "no id", "id": "43995c3f42cd8ad8"}]);
    let document = json!({"fault": true, "cause": {"exceptions": exceptions}, "links": linked});
    let spans = spans_of(&[segment(document)], PLENTY);
    let span = span(&spans[0].1);
    assert_eq!(span["status"], json!({"code": 2, "message": "broke"}));
    let events = span["events"].as_array().unwrap();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event["timeUnixNano"] == "1478293361449000000"));
    expect![[r#"
        aws.xray.exception.id stringValue="0123456789abcdef"
        exception.message stringValue="broke"
        exception.stacktrace stringValue="    at f (a.py:3)\n    at g (<unknown>)\n"
        aws.xray.exception.truncated intValue="2"
        exception.type stringValue="E"
    "#]]
    .assert_eq(&lines(&events[0]["attributes"]));
    expect![[r#"
        aws.xray.exception.cause stringValue="0123456789abcdef"
        exception.message stringValue="why"
        aws.xray.exception.remote boolValue=true
    "#]]
    .assert_eq(&lines(&events[1]["attributes"]));
    let expect = json!([{"traceId": "581cf771a006649127e371903a2de979",
        "spanId": "43995c3f42cd8ad8", "attributes": [{"key": "k", "value": {"stringValue": "v"}}]}]);
    assert_eq!(span["links"], expect);
}

#[test]
fn what_does_not_fit_is_counted() {
    let annotations: serde_json::Map<String, Value> =
        (0..2000).map(|number| (format!("k{number}"), json!(number))).collect();
    let exceptions = vec![json!({"message": "m".repeat(500)}); 20];
    let document = segment(json!({"annotations": annotations, "fault": true,
        "cause": {"exceptions": exceptions}}));
    let spans = spans_of(&[document], 20_000);
    let span = span(&spans[0].1);
    let count = |list: &str| span[list].as_array().map_or(0, Vec::len) as u64;
    assert!(count("attributes") > 100);
    // The list of keys is one attribute more.
    assert_eq!(count("attributes") + span["droppedAttributesCount"].as_u64().unwrap(), 2001);
    assert_eq!(count("events") + span["droppedEventsCount"].as_u64().unwrap(), 20);
}

#[test]
fn a_resource_takes_a_small_part_of_each_span() {
    let service: serde_json::Map<String, Value> =
        (0..3000).map(|number| (format!("key{number}"), json!("x"))).collect();
    let calls: Vec<_> = (1..20).map(|id| call(json!({"id": format!("{id:016x}")}))).collect();
    let spans = spans_of(&[segment(json!({"service": service, "subsegments": calls}))], PLENTY);
    assert_eq!(spans.len(), 20);
    let resources: Vec<&Value> =
        spans.iter().map(|(_, data)| &data["resourceSpans"][0]["resource"]).collect();
    assert!(resources.iter().all(|resource| *resource == resources[0]));
    let told = resources[0]["attributes"].as_array().unwrap().len() as u64;
    // The name of the service besides.
    assert_eq!(told + resources[0]["droppedAttributesCount"].as_u64().unwrap(), 3001);
    let characters = resources[0]["attributes"].to_string().len();
    assert!((PLENTY / 30..=PLENTY / 25).contains(&characters), "{characters}");
}

#[test]
fn spans_begin_anywhere() {
    let calls = [call(json!({})), call(json!({"id": "73995c3f42cd8ad8", "namespace": "local"}))];
    let text = segment(json!({"subsegments": calls})).to_string();
    let document = Document::parse(text.as_bytes()).unwrap();
    let trace = assemble(document.trace_id, vec![document], &mut Names::default()).unwrap();
    let all: Vec<_> = spans(&trace, 0, PLENTY).collect();
    assert_eq!(all.len(), 3);
    for first in 0..=trace.nodes.len() {
        let rest: Vec<_> = spans(&trace, first, PLENTY).collect();
        let expect = all.iter().filter(|(place, ..)| *place >= first).cloned();
        assert_eq!(rest, expect.collect::<Vec<_>>(), "{first}");
    }
}

#[test]
fn times_behind_the_end_of_the_format_are_its_end() {
    let last = Timestamp::MAX;
    assert_eq!(unix_nanos(last), u64::MAX);
    assert_eq!(unix_nanos(Timestamp::from_micros(1)), 1000);
}

proptest! {
    #[test]
    fn any_text_stays_within_the_limit(
        text in "\\PC{0,120}", most in 10_000_usize..20_000, count in 0_usize..40,
    ) {
        let exceptions = vec![json!({"message": text, "type": text, "stack": [{"path": text}]}); count];
        let document = segment(json!({"user": text, "fault": true, "cause": {"exceptions": exceptions},
            "metadata": {"default": {"text": text}}, "aws": {"xray": {"sdk": text}},
            "http": {"request": {"url": text}}}));
        let spans = spans_of(&[document], most);
        prop_assert_eq!(spans.len(), 1);
    }
}
