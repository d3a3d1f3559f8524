//! Processed documents.

use expect_test::{Expect, expect};

use super::{OPEN, document, put_together, subsegment};

/// Every document of the trace on a line; ids of inferred segments are left out.
fn check(documents: &[String], expect: Expect) {
    let trace = put_together(documents);
    let mut text = String::new();
    for (id, document) in trace.segments() {
        serde_json::from_str::<serde_json::Value>(&document).expect("processed documents are JSON");
        let document = if document.contains("\"inferred\":true") {
            document.replace(&id.to_string(), "INFERRED")
        } else {
            document
        };
        text.push_str(&document);
        text.push('\n');
    }
    expect.assert_eq(&text);
}

#[test]
fn unknown_members_survive_and_ours_are_normal() {
    check(
        &[document(
            1,
            r#""in_progress":false,"start_time":1.795336495448E9,"end_time":1795336496.5,"Dummy":false,"service":{"runtime":"x"},
               "annotations":{"ok":1,"bad key":2,"pi":3.5,"yes":true},"metadata":{"default":{"nan":NaN}},
               "http":{"request":{"method":"GET"},"response":{"status":200,"content_length":"0"}}"#,
        )],
        expect![[r#"
            {"id":"0000000000000001","name":"app","start_time":1795336495.448,"trace_id":"1-68000000-00000000000000000000000a","end_time":1795336496.5,"Dummy":false,"service":{"runtime":"x"},"metadata":{"default":{"nan":null}},"http":{"request":{"method":"GET"},"response":{"status":200}},"annotations":{"ok":1,"pi":3.5,"yes":true}}
        "#]],
    );
}

#[test]
fn an_inferred_segment_copies_the_call() {
    check(
        &[document(
            1,
            r#""subsegments":[{"id":"0000000000000002","name":"dynamodb","namespace":"aws","start_time":10,"end_time":11,"fault":true,
               "aws":{"operation":"PutItem","table_name":"Orders"},"metadata":{"x":{}}}]"#,
        )],
        expect![[r#"
            {"id":"0000000000000001","name":"app","start_time":10,"trace_id":"1-68000000-00000000000000000000000a","end_time":11,"subsegments":[{"id":"0000000000000002","name":"DynamoDB","start_time":10,"end_time":11,"namespace":"aws","fault":true,"aws":{"operation":"PutItem","table_name":"Orders","resource_names":["Orders"]},"metadata":{"x":{}}}]}
            {"id":"INFERRED","name":"DynamoDB","start_time":10,"trace_id":"1-68000000-00000000000000000000000a","end_time":11,"parent_id":"0000000000000002","inferred":true,"origin":"AWS::DynamoDB::Table","fault":true,"aws":{"operation":"PutItem","table_name":"Orders","resource_names":["Orders"]}}
        "#]],
    );
}

#[test]
fn subsegments_nest_whatever_way_they_came() {
    check(
        &[
            subsegment(3, 2, r#""name":"c""#),
            document(
                1,
                r#""subsegments":[{"id":"0000000000000002","name":"b","start_time":10,"end_time":11,"type":"subsegment"}]"#,
            ),
            subsegment(4, 1, r#""name":"d","start_time":10.5"#),
        ],
        expect![[r#"
            {"id":"0000000000000001","name":"app","start_time":10,"trace_id":"1-68000000-00000000000000000000000a","end_time":11,"subsegments":[{"id":"0000000000000002","name":"b","start_time":10,"end_time":11,"subsegments":[{"id":"0000000000000003","name":"c","start_time":10,"end_time":11}]},{"id":"0000000000000004","name":"d","start_time":10.5,"end_time":11}]}
        "#]],
    );
}

#[test]
fn a_subsegment_on_its_own_keeps_what_it_is() {
    check(
        &[subsegment(2, 1, OPEN)],
        expect![[r#"
            {"id":"0000000000000002","name":"app","start_time":10,"trace_id":"1-68000000-00000000000000000000000a","in_progress":true,"parent_id":"0000000000000001","type":"subsegment"}
        "#]],
    );
}

#[test]
fn one_entity_is_shown_without_its_subsegments() {
    let nested =
        r#""subsegments":[{"id":"0000000000000002","name":"b","start_time":10,"end_time":11}]"#;
    let documents = [document(1, nested)];
    let trace = put_together(&documents);
    let show = |id: u64| trace.entity_document(crate::SegmentId::from_u64(id));
    assert!(!show(1).unwrap().contains("subsegments"));
    assert!(show(2).unwrap().contains(r#""name":"b""#));
    assert_eq!(show(3), None);
}
