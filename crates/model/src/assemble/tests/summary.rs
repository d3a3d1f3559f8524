//! Summaries.

use super::{OPEN, document, put_together, subsegment, trace_id};
use crate::{AnnotationValue, Document, Names, Outcome, TraceSummary, assemble};

fn summary(documents: &[String]) -> TraceSummary {
    put_together(documents).summary
}

#[test]
fn duration_spans_all_segments_response_time_the_root() {
    let asynchronous =
        document(2, r#""parent_id":"0000000000000001","start_time":10.5,"end_time":13"#);
    let summary = summary(&[document(1, ""), asynchronous]);
    assert_eq!(summary.duration.as_seconds(), 3.0);
    assert_eq!(summary.response_time.map(|t| t.as_seconds()), Some(1.0));
    assert_eq!((summary.segment_count, summary.revision), (2, 2));
}

#[test]
fn fault_and_error_are_the_roots_throttle_is_anyones() {
    let callee = |flags: &str| document(2, &format!(r#""parent_id":"0000000000000001",{flags}"#));
    let check = |root: &str, callee_flags: &str, expect: (bool, bool, bool), outcome: Outcome| {
        let got = summary(&[document(1, root), callee(callee_flags)]);
        let flags = (got.has_fault, got.has_error, got.has_throttle);
        assert_eq!((flags, got.outcome), (expect, outcome), "{root} {callee_flags}");
    };
    check(r#""error":false"#, r#""fault":true"#, (false, false, false), Outcome::Ok);
    check(r#""error":false"#, r#""throttle":true"#, (false, false, true), Outcome::Ok);
    check(r#""fault":true"#, r#""error":true"#, (true, false, false), Outcome::Fault);
    check(
        r#""error":true,"throttle":true"#,
        r#""fault":true"#,
        (false, true, true),
        Outcome::Throttle,
    );
}

#[test]
fn a_root_that_names_no_parent_comes_first() {
    let dangling = document(2, r#""name":"b","parent_id":"00000000000000ff","start_time":9"#);
    let summary = summary(&[document(1, ""), dangling]);
    assert_eq!(summary.entry_point.unwrap().name.as_ref(), "app");
    assert_eq!(summary.duration.as_seconds(), 2.0);
}

#[test]
fn partial_while_something_is_open_or_missing() {
    let check =
        |documents: &[String], expect: bool| assert_eq!(summary(documents).is_partial, expect);
    check(&[document(1, "")], false);
    check(&[document(1, OPEN)], true);
    check(&[document(1, OPEN), document(1, "")], false);
    check(&[document(1, ""), subsegment(2, 1, OPEN)], false);
    check(&[subsegment(2, 1, "")], true);
}

#[test]
fn a_trace_without_a_segment_has_no_entry_point() {
    let summary = summary(&[subsegment(2, 1, "")]);
    assert_eq!(
        (summary.entry_point, summary.response_time, summary.segment_count),
        (None, None, 0)
    );
    assert_eq!(summary.http, crate::HttpSummary::default());
}

#[test]
fn a_clock_that_runs_backwards_gives_no_negative_time() {
    let summary = summary(&[document(1, r#""start_time":10,"end_time":9"#)]);
    assert_eq!(summary.duration.get(), 0);
    assert_eq!(summary.response_time.unwrap().get(), 0);
}

#[test]
fn the_time_axis_follows_credible_ids_only() {
    let check = |trace: &str, start: f64, expect: f64| {
        let text = format!(
            r#"{{"id":"0000000000000001","trace_id":"{trace}","name":"a","start_time":{start},"end_time":{start}}}"#
        );
        let document = Document::parse(text.as_bytes()).unwrap();
        let trace = assemble(document.trace_id, vec![document], &mut Names::default()).unwrap();
        assert_eq!(trace.summary.time.as_seconds(), expect);
    };
    let id = trace_id();
    let epoch = f64::from(id.epoch_seconds());
    check(&id.to_string(), epoch + 0.75, epoch);
    check(&id.to_string(), epoch + 6.0 * 86_400.0, epoch);
    check(&id.to_string(), epoch + 8.0 * 86_400.0, epoch + 8.0 * 86_400.0);
    check("1-ffffffff-00000000000000000000000a", epoch, epoch);
}

#[test]
fn annotations_list_each_value_with_its_services() {
    let segment = |id: u64, name: &str, tenant: &str| {
        let parent = id - 1;
        document(
            id,
            &format!(
                r#""name":"{name}","parent_id":"{parent:016x}","annotations":{{"tenant":{tenant}}},"user":"anna""#
            ),
        )
    };
    let summary = summary(&[
        segment(1, "a", r#""acme""#),
        segment(2, "b", r#""acme""#),
        segment(3, "b", "7"),
        subsegment(9, 3, r#""annotations":{"tenant":7}"#),
    ]);
    let got: Vec<_> = summary
        .annotations
        .iter()
        .map(|a| {
            (a.value.clone(), a.services.iter().map(|s| s.name.to_string()).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(
        got,
        [
            (AnnotationValue::Number(7.0), vec!["b".to_owned()]),
            (AnnotationValue::String("acme".into()), vec!["a".to_owned(), "b".to_owned()]),
        ]
    );
    assert_eq!(summary.users.len(), 1);
    assert_eq!(summary.users[0].services.len(), 2);
}

#[test]
fn annotations_of_a_summary_are_bounded() {
    let documents: Vec<String> =
        (1..1000).map(|id| document(id, &format!(r#""annotations":{{"n":{id}}}"#))).collect();
    assert_eq!(summary(&documents).annotations.len(), 500);
}

#[test]
fn a_summary_stays_small_whatever_the_trace_holds() {
    let documents: Vec<String> = (1..800)
        .map(|id| {
            let long = "x".repeat(5000);
            document(
                id,
                &format!(
                    r#""name":"service-{id}","annotations":{{"same":1}},"user":"{long}","resource_arn":"arn-{id}-{long}",
                       "http":{{"request":{{"url":"{long}"}}}}"#
                ),
            )
        })
        .collect();
    let summary = summary(&documents);
    assert_eq!(summary.segment_count, 799);
    assert_eq!(summary.services.len(), 500);
    assert_eq!(summary.annotations[0].services.len(), 20);
    assert_eq!(summary.resource_arns.len(), 100);
    assert_eq!(summary.http.url.unwrap().len(), 1000);
    assert_eq!(summary.users[0].name.len(), 1000);
}
