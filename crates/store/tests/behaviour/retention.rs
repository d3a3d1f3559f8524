//! Retention by bytes and by age.

use std::time::Duration;

use roentgen_store::TraceStore as _;

use crate::harness::{Harness, Segment, assembled, counts, trace_id};

/// Stores one trace per minute, each with a document of about 1 kB, the clock going along.
fn minutes(harness: &Harness, range: std::ops::Range<u32>) {
    for minute in range {
        let start = f64::from(minute) * 60.0;
        let id = trace_id(i64::from(minute) * 60, u64::from(minute));
        let segment = Segment { padding: 1000, ..Segment::new(id, 1, start) };
        harness.append(vec![segment.document()]);
        harness.clock.advance(Duration::from_secs(60));
    }
}

/// Everything shown is exactly what the stored documents make. Nothing has settled.
fn check_consistency(harness: &Harness) {
    harness.store.enforce_retention();
    let everything = harness.everything();
    let mut graph = roentgen_model::ServiceGraph::default();
    for (id, documents) in &everything.originals {
        let trace = assembled(*id, documents).unwrap();
        assert!(everything.summaries.iter().any(|summary| **summary == trace.summary));
        graph.add(&trace.graph);
    }
    assert_eq!(everything.graph, counts(&graph));
    let status = harness.store.status();
    assert_eq!(status.traces, everything.summaries.len());
    if harness.options.trace_bytes == u64::MAX {
        let documents: usize = everything.originals.values().map(Vec::len).sum();
        assert_eq!(usize::try_from(status.documents).unwrap(), documents);
    }
}

/// The log is as large as it is said to be.
fn check_log_bytes(harness: &Harness) {
    let status = harness.store.status();
    let bytes = |path| std::fs::metadata(path).unwrap().len();
    assert_eq!(status.log_bytes, harness.log_files().iter().map(bytes).sum::<u64>());
}

#[test]
fn the_oldest_go_when_there_are_too_many_bytes() {
    let mut harness = Harness::with(|options| options.retention_bytes = 64 << 10);
    minutes(&harness, 0..200);
    harness.store.enforce_retention();
    let status = harness.store.status();
    assert!(status.log_bytes <= 64 << 10, "{status:?}");
    assert!(status.log_bytes >= 52 << 10, "a little at once: {status:?}");
    assert_eq!(status.documents + status.expired_documents_total, 200);
    check_consistency(&harness);
    check_log_bytes(&harness);
    let newest = &harness.summaries()[0];
    assert_eq!(newest.id, trace_id(199 * 60, 199));
    let before = harness.everything();
    harness.reopen();
    assert_eq!(harness.everything(), before);
}

#[test]
fn a_smaller_bound_holds_from_opening_on() {
    let mut harness = Harness::with(|options| options.retention_bytes = 160 << 10);
    minutes(&harness, 0..115);
    assert_eq!(harness.store.status().documents, 115);
    harness.options.retention_bytes = 80 << 10;
    harness.reopen();
    let status = harness.store.status();
    assert!(status.log_bytes <= 80 << 10, "{status:?}");
    assert!(status.documents > 50, "{status:?}");
    check_consistency(&harness);
    check_log_bytes(&harness);
}

#[test]
fn what_is_too_old_goes_even_if_nothing_is_written() {
    let mut harness = Harness::with(|options| {
        options.retention_bytes = 160 << 10;
        options.retention_age = Duration::from_secs(60 * 60);
    });
    minutes(&harness, 0..100);
    harness.store.enforce_retention();
    let kept = harness.store.status().documents;
    assert!((60..=70).contains(&kept), "{kept} of the last 60 minutes");
    check_consistency(&harness);
    check_log_bytes(&harness);
    harness.clock.advance(Duration::from_secs(30 * 60));
    harness.reopen();
    let kept = harness.store.status().documents;
    assert!((30..=40).contains(&kept), "{kept} of the last 30 minutes");
    check_consistency(&harness);
    check_log_bytes(&harness);
    harness.clock.advance(Duration::from_secs(61 * 60));
    harness.reopen();
    let status = harness.store.status();
    assert_eq!((status.documents, status.traces, status.open_bytes), (0, 0, 0));
    assert_eq!((status.oldest, harness.log_files().len()), (None, 1));
    check_consistency(&harness);
    check_log_bytes(&harness);
}

#[test]
fn a_trace_that_reaches_into_later_files_keeps_what_is_left() {
    let mut harness = Harness::with(|options| {
        options.retention_bytes = 64 << 10;
        options.trace_bytes = u64::MAX;
    });
    let long = trace_id(0, 1 << 40);
    let document = |segment: u32| {
        Segment::new(long, u64::from(segment) + 1, f64::from(segment) * 60.0).document()
    };
    for round in 0..10 {
        harness.append(vec![document(round * 10)]);
        minutes(&harness, round * 10..round * 10 + 10);
        if round % 3 == 0 {
            check_consistency(&harness);
            check_log_bytes(&harness);
        }
    }
    harness.store.enforce_retention();
    let left = harness.originals(long);
    assert!((3..8).contains(&left.len()), "{}", left.len());
    assert_eq!(left.last(), Some(&document(90)));
    check_consistency(&harness);
    check_log_bytes(&harness);
    let before = harness.everything();
    harness.reopen();
    assert_eq!(harness.everything(), before);
}

#[test]
fn what_a_full_trace_hides_is_shown_when_retention_makes_room_and_not_by_a_restart() {
    let mut harness = Harness::with(|options| {
        options.retention_bytes = 64 << 10;
        options.trace_bytes = 3000;
    });
    let long = trace_id(0, 1 << 40);
    let document = |segment: u32| {
        let segment = Segment::new(long, u64::from(segment) + 1, f64::from(segment) * 60.0);
        Segment { padding: 700, ..segment }.document()
    };
    // Three of them fit in the trace, and the smaller one does not jump the queue.
    (0..5).for_each(|segment| harness.append(vec![document(segment)]));
    harness.append(vec![Segment::new(long, 99, 1.0).document()]);
    let first: Vec<_> = (0..3).map(document).collect();
    let mut expect = first.clone();
    let mut changes = 0;
    for round in 0..12 {
        minutes(&harness, round * 10..round * 10 + 10);
        harness.append(vec![document(100 + round)]);
        harness.store.enforce_retention();
        let shown = harness.originals(long);
        changes += usize::from(shown != expect);
        expect = shown;
        let is_full = harness.documents(long).unwrap().limit_exceeded;
        let before = harness.everything();
        harness.reopen();
        assert_eq!(harness.everything(), before, "round {round}");
        assert_eq!(harness.documents(long).unwrap().limit_exceeded, is_full);
        check_consistency(&harness);
        check_log_bytes(&harness);
    }
    assert!(changes > 1, "retention made room {changes} times");
    assert!(!expect.contains(&first[2]) && expect.len() == 3, "{}", expect.len());
}

#[test]
fn an_expired_trace_can_come_again() {
    let harness = Harness::with(|options| options.retention_bytes = 64 << 10);
    let id = trace_id(0, 0);
    minutes(&harness, 0..200);
    harness.store.enforce_retention();
    assert!(harness.documents(id).is_none());
    let late = Segment::new(id, 2, 1.0).document();
    harness.append(vec![late.clone()]);
    assert_eq!(harness.originals(id), [late]);
    check_consistency(&harness);
}
