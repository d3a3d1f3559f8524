//! Merging, linking and ordering.

use expect_test::{Expect, expect};

use super::{OPEN, document, put_together, subsegment, tree};

/// The tree is as expected, in whatever order the documents come.
fn check(documents: &[String], expect: Expect) {
    let mut documents = documents.to_vec();
    expect.assert_eq(&tree(&put_together(&documents)));
    for _ in 1..documents.len() {
        documents.rotate_left(1);
        expect.assert_eq(&tree(&put_together(&documents)));
    }
    documents.reverse();
    expect.assert_eq(&tree(&put_together(&documents)));
}

#[test]
fn streamed_subsegments_go_to_their_parents() {
    let nested = r#""subsegments":[{"id":"0000000000000002","name":"work","start_time":10.1,"end_time":10.2}]"#;
    check(
        &[
            document(1, nested),
            subsegment(3, 2, r#""name":"inner","start_time":10.15"#),
            subsegment(4, 3, r#""name":"innermost","start_time":10.16"#),
            subsegment(5, 1, r#""name":"first","start_time":10.05"#),
        ],
        expect![[r#"
            segment 1 app
              subsegment 5 first
              subsegment 2 work
                subsegment 3 inner
                  subsegment 4 innermost
        "#]],
    );
}

#[test]
fn a_complete_document_replaces_the_one_in_progress() {
    check(
        &[
            document(1, OPEN),
            subsegment(2, 1, r#""name":"call","end_time":null"#),
            subsegment(2, 1, r#""name":"call""#),
            document(1, ""),
        ],
        expect![[r#"
            segment 1 app
              subsegment 2 call
        "#]],
    );
}

#[test]
fn a_segment_sent_again_keeps_each_subsegment_once() {
    let late = |end: &str| {
        format!(
            r#"{{"id":"0000000000000002","name":"late","start_time":10.1,"parent_id":"0000000000000001"{end}}}"#
        )
    };
    let (open, closed) = (late(r#","in_progress":true"#), late(r#","end_time":12"#));
    check(
        &[
            document(1, &format!(r#""subsegments":[{open}]"#)),
            document(1, &format!(r#""subsegments":[{open},{closed}]"#)),
        ],
        expect![[r#"
            segment 1 app
              subsegment 2 late
        "#]],
    );
}

#[test]
fn children_of_every_version_stay() {
    let child = |id: u64| {
        format!(r#"{{"id":"{id:016x}","name":"c{id}","start_time":10.{id},"end_time":11}}"#)
    };
    check(
        &[
            document(1, &format!(r#""subsegments":[{}],{OPEN}"#, child(2))),
            document(1, &format!(r#""subsegments":[{}]"#, child(3))),
        ],
        expect![[r#"
            segment 1 app
              subsegment 2 c2
              subsegment 3 c3
        "#]],
    );
}

#[test]
fn structure_beats_the_parent_id_of_a_nested_subsegment() {
    // The Go SDK writes the root's id as parent_id at any depth.
    let nested = r#""subsegments":[{"id":"0000000000000002","name":"outer","start_time":10,"end_time":11,"parent_id":"0000000000000001",
        "subsegments":[{"id":"0000000000000003","name":"inner","start_time":10,"end_time":11,"parent_id":"0000000000000001"}]}]"#;
    check(
        &[document(1, nested)],
        expect![[r#"
            segment 1 app
              subsegment 2 outer
                subsegment 3 inner
        "#]],
    );
}

#[test]
fn subsegments_without_their_segment_stand_alone() {
    // A Lambda function's own segment is sent by the Lambda service, so it may never come.
    check(
        &[subsegment(2, 1, r#""name":"init""#), subsegment(3, 2, r#""name":"child""#)],
        expect![[r#"
            subsegment 2 init
              subsegment 3 child
        "#]],
    );
}

#[test]
fn a_called_segment_stands_under_the_call() {
    let call = r#""subsegments":[{"id":"0000000000000002","name":"b","namespace":"remote","start_time":10.1,"end_time":10.9}]"#;
    check(
        &[
            document(1, call),
            document(3, r#""name":"b","parent_id":"0000000000000002","start_time":10.2"#),
            document(4, r#""name":"c","parent_id":"0000000000000003","start_time":10.3"#),
            document(5, r#""name":"d","parent_id":"00000000000000ff","start_time":10.4"#),
        ],
        expect![[r#"
            segment 1 app
              subsegment 2 b
                segment 3 b
                  segment 4 c
            segment 5 d
        "#]],
    );
}

#[test]
fn uncalled_calls_make_inferred_segments() {
    let calls = r#""subsegments":[
        {"id":"0000000000000002","name":"api.example.com","namespace":"remote","start_time":10.1,"end_time":10.2},
        {"id":"0000000000000003","name":"dynamodb","namespace":"aws","start_time":10.3,"in_progress":true},
        {"id":"0000000000000004","name":"local work","namespace":"local","start_time":10.4,"end_time":10.5}]"#;
    check(
        &[document(1, calls)],
        expect![[r#"
            segment 1 app
              subsegment 2 api.example.com
                inferred - api.example.com
              subsegment 3 DynamoDB open
                inferred - DynamoDB open
              subsegment 4 local work
        "#]],
    );
}

#[test]
fn a_shared_id_means_two_things_by_kind() {
    // Zipkin gives both sides of a call the same id.
    let call = r#""subsegments":[{"id":"0000000000000002","name":"b","namespace":"remote","start_time":10.1,"end_time":10.9}]"#;
    check(
        &[
            document(1, call),
            document(2, r#""name":"b","parent_id":"0000000000000002","start_time":10.2"#),
        ],
        expect![[r#"
            segment 1 app
              subsegment 2 b
                segment 2 b
        "#]],
    );
}

#[test]
fn loops_are_cut() {
    check(
        &[subsegment(2, 3, ""), subsegment(3, 2, ""), subsegment(4, 4, ""), subsegment(5, 3, "")],
        expect![[r#"
            subsegment 2 app
              subsegment 3 app
                subsegment 5 app
            subsegment 4 app
        "#]],
    );
    check(
        &[
            document(1, r#""parent_id":"0000000000000002""#),
            document(2, r#""parent_id":"0000000000000001""#),
        ],
        expect![[r#"
            segment 1 app
              segment 2 app
        "#]],
    );
}

#[test]
fn a_chain_of_thousands_of_subsegments_does_not_exhaust_the_stack() {
    let count = 20_000;
    let mut documents = vec![document(1, "")];
    documents.extend((2..count).map(|id| subsegment(id, id - 1, "")));
    let trace = put_together(&documents);
    assert_eq!(trace.nodes.len(), documents.len());
    let (_, document) = trace.segments().next().unwrap();
    assert_eq!(document.matches("\"subsegments\"").count(), documents.len() - 1);
}
