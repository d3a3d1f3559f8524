//! Node naming, types, and edges.

use expect_test::{Expect, expect};

use super::{document, edges, put_together};

fn check(documents: &[String], expect: Expect) {
    expect.assert_eq(&edges(&put_together(documents)));
}

fn with_call(call: &str) -> String {
    document(
        1,
        &format!(
            r#""origin":"AWS::ECS::Container","subsegments":[{{"id":"0000000000000002","start_time":10.1,"end_time":10.3,{call}}}]"#
        ),
    )
}

#[test]
fn a_root_is_called_by_its_client() {
    check(
        &[document(
            1,
            r#""name":"fa-074","origin":"AWS::ECS::Container","start_time":10,"end_time":10.25"#,
        )],
        expect![[r#"
            fa-074(client) -> fa-074(AWS::ECS::Container) 1/0/0/0 250ms
        "#]],
    );
}

#[test]
fn an_edge_has_the_callers_numbers() {
    let callee = r#""name":"b","parent_id":"0000000000000002","start_time":10.15,"end_time":10.2,"error":true"#;
    check(
        &[
            with_call(r#""name":"b.example.com","namespace":"remote","fault":true"#),
            document(3, callee),
        ],
        expect![[r#"
            app(AWS::ECS::Container) -> b 0/0/0/1 200ms
            app(client) -> app(AWS::ECS::Container) 1/0/0/0 1000ms
        "#]],
    );
}

#[test]
fn a_call_answered_twice_is_one_call() {
    let callee = |id: u64| document(id, r#""name":"b","parent_id":"0000000000000002""#);
    check(
        &[with_call(r#""name":"b","namespace":"remote""#), callee(3), callee(4)],
        expect![[r#"
            app(AWS::ECS::Container) -> b 1/0/0/0 200ms
            app(client) -> app(AWS::ECS::Container) 1/0/0/0 1000ms
        "#]],
    );
}

#[test]
fn segments_called_without_a_subsegment_are_calls_each() {
    let callee =
        |id: u64| document(id, r#""name":"b","parent_id":"0000000000000001","end_time":10.5"#);
    check(
        &[document(1, ""), callee(3), callee(4), callee(5)],
        expect![[r#"
            app -> b 3/0/0/0 1500ms
            app(client) -> app 1/0/0/0 1000ms
        "#]],
    );
}

#[test]
fn a_segment_whose_caller_is_missing_has_no_client() {
    let callee = document(3, r#""name":"b","parent_id":"0000000000000002""#);
    let trace = put_together(std::slice::from_ref(&callee));
    assert_eq!(edges(&trace), "");
    assert!(trace.graph.nodes.iter().all(|node| !node.is_root));
    assert_eq!(trace.summary.entry_point.as_ref().map(|s| &*s.name), Some("b"));
    check(
        &[with_call(r#""name":"b","namespace":"remote""#), callee],
        expect![[r#"
            app(AWS::ECS::Container) -> b 1/0/0/0 200ms
            app(client) -> app(AWS::ECS::Container) 1/0/0/0 1000ms
        "#]],
    );
}

#[test]
fn nobody_can_report_a_client() {
    check(
        &[document(1, r#""origin":"client""#)],
        expect![[r#"
            app(client) -> app 1/0/0/0 1000ms
        "#]],
    );
}

#[test]
fn inferred_nodes_are_named_after_resources() {
    let check = |call: &str, node: &str| {
        let expect = format!("app(AWS::ECS::Container) -> {node} 1/0/0/0 200ms\n");
        let got = edges(&put_together(&[with_call(call)]));
        assert_eq!(got.lines().next(), Some(expect.trim_end()), "{call}");
    };
    check(r#""name":"api.example.com","namespace":"remote""#, "api.example.com(remote)");
    check(
        r#""name":"dynamodb","namespace":"aws","aws":{"table_name":"Orders"}"#,
        "Orders(AWS::DynamoDB::Table)",
    );
    check(
        r#""name":"DynamoDB","namespace":"aws","aws":{"table_names":["Orders"]}"#,
        "Orders(AWS::DynamoDB::Table)",
    );
    check(r#""name":"AmazonDynamoDBv2","namespace":"aws""#, "DynamoDB(AWS::DynamoDB)");
    check(r#""name":"s3","namespace":"aws","aws":{"bucket_name":"b"}"#, "b(AWS::S3::Bucket)");
    check(r#""name":"s3","namespace":"aws""#, "S3(AWS::S3)");
    check(
        r#""name":"sns","namespace":"aws","aws":{"topic_arn":"arn:aws:sns:eu-west-1:1:t"}"#,
        "SNS(AWS::SNS)",
    );
    check(
        r#""name":"sqs","namespace":"aws","aws":{"queue_url":"https://sqs.eu-west-1.amazonaws.com/1/orders"}"#,
        "orders(AWS::SQS::Queue)",
    );
    check(r#""name":"Bedrock Agent","namespace":"aws""#, "Bedrock Agent(AWS::BedrockAgent)");
    check(
        r#""name":"shop@db.local","namespace":"remote","sql":{"url":"u"}"#,
        "shop@db.local(Database::SQL)",
    );
}

#[test]
fn an_open_call_shows_its_edge_without_counting() {
    let document = document(
        1,
        r#""end_time":null,"subsegments":[{"id":"0000000000000002","name":"x","namespace":"remote","start_time":10,"in_progress":true}]"#,
    );
    check(
        &[document],
        expect![[r#"
        app -> x(remote) 0/0/0/0 0ms
        app(client) -> app 0/0/0/0 0ms
    "#]],
    );
}

#[test]
fn error_and_throttle_and_fault_count_once() {
    let check = |flags: &str, expect: &str| {
        let got = edges(&put_together(&[document(1, flags)]));
        assert_eq!(got, format!("app(client) -> app {expect} 1000ms\n"), "{flags}");
    };
    check(r#""error":true"#, "0/1/0/0");
    check(r#""error":true,"throttle":true"#, "0/0/1/0");
    check(r#""error":true,"fault":true"#, "0/0/0/1");
    check(r#""error":true,"throttle":true,"fault":true"#, "0/0/0/1");
    check(r#""http":{"response":{"status":404}}"#, "0/1/0/0");
}

#[test]
fn accounts_tell_nodes_apart() {
    let segment = |id: u64, account: &str| {
        document(
            id,
            &format!(r#""aws":{{"account_id":"{account}"}},"parent_id":"{:016x}""#, id + 100),
        )
    };
    let documents = [segment(1, "111"), segment(2, "222")];
    let trace = put_together(&documents);
    assert_eq!(trace.summary.services.len(), 2, "{:?}", trace.summary.services);
}
