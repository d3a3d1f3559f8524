//! What queries tell, and that they see everything acknowledged before.

use std::num::NonZero;

use roentgen_model::{Timestamp, Trace, TraceId};
use roentgen_store::{
    Condition, GraphQuery, Logic, ReadBudget, StoreError, SummaryQuery, TimeRange, TimeRangeType,
    TraceFilter, TraceStore as _,
};

use crate::harness::{Harness, Segment, all_time, assembled, at, counts, new_document, trace_id};

#[test]
fn an_unknown_trace_has_nothing() {
    let harness = Harness::new();
    let known = trace_id(5, 5);
    harness.append(vec![Segment::new(known, 1, 5.0).document()]);
    harness.append(Vec::new());
    assert_eq!(harness.documents(trace_id(1, 1)), None);
    let found = harness.documents(known).unwrap();
    assert_eq!((found.id, found.documents.len(), found.limit_exceeded), (known, 1, false));
    assert_eq!(found.assemble().map(|trace| trace.id), Some(known));
    assert_eq!(harness.summaries().len(), 1);
}

#[test]
fn an_empty_store_answers() {
    let harness = Harness::new();
    assert_eq!(harness.summaries().len(), 0);
    assert!(harness.store.service_graph(all_time()).unwrap().is_empty());
    let status = harness.store.status();
    assert_eq!((status.traces, status.oldest, status.newest), (0, None, None));
    assert_eq!((status.open_bytes, status.log_bytes), (0, 16));
}

#[test]
fn a_segment_in_progress_is_replaced_and_counted_once() {
    let harness = Harness::new();
    let id = trace_id(5, 5);
    let done = Segment::new(id, 1, 5.0);
    let running = Segment { length: None, ..done.clone() };
    harness.append(vec![running.document()]);
    let summary = harness.summaries().remove(0);
    assert!(summary.is_partial);
    harness.append(vec![done.document()]);
    harness.append(vec![done.document()]);
    let summary = harness.summaries().remove(0);
    assert_eq!((summary.is_partial, summary.revision, summary.segment_count), (false, 3, 1));
    let graph = harness.store.service_graph(all_time()).unwrap();
    let app = graph.nodes.iter().find(|(id, _)| !id.is_client()).unwrap().1;
    assert_eq!((app.requests.total(), app.seen), (1, 1));
}

#[test]
fn ten_thousand_documents_of_one_trace_are_one_trace() {
    let harness = Harness::new();
    let id = trace_id(1, 1);
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut documents = Vec::new();
    for segment in 1..=10_000_u64 {
        let document = Segment::new(id, segment, 1.0).document();
        documents.push(document.clone());
        let sender = sender.clone();
        let done = Box::new(move |result: Result<(), _>| sender.send(result.is_ok()).unwrap());
        harness.store.append(vec![new_document(document)], done).unwrap();
    }
    assert_eq!(receiver.iter().take(10_000).filter(|ok| *ok).count(), 10_000);
    let summaries = harness.summaries();
    assert_eq!((summaries.len(), summaries[0].segment_count), (1, 10_000));
    let expect = assembled(id, &documents).unwrap();
    let mut graph = roentgen_model::ServiceGraph::default();
    graph.add(&expect.graph);
    assert_eq!(counts(&harness.store.service_graph(all_time()).unwrap()), counts(&graph));
}

#[test]
fn a_trace_stops_growing_at_its_largest_size() {
    let mut harness = Harness::with(|options| options.trace_bytes = 2000);
    let id = trace_id(1, 1);
    let large = |segment| Segment { padding: 700, ..Segment::new(id, segment, 1.0) }.document();
    (1..=5).for_each(|segment| harness.append(vec![large(segment)]));
    harness.append(vec![Segment::new(trace_id(1, 2), 1, 1.0).document()]);
    for _ in 0..2 {
        assert_eq!(harness.originals(id), [large(1), large(2)]);
        let status = harness.store.status();
        assert_eq!((status.documents, status.oversize_documents_total), (6, 3));
        assert!(harness.documents(id).unwrap().limit_exceeded);
        assert!(!harness.documents(trace_id(1, 2)).unwrap().limit_exceeded);
        harness.reopen();
    }
}

#[test]
fn a_document_with_an_absurd_end_makes_no_query_walk_through_everything() {
    let harness = Harness::new();
    let far = Timestamp::MAX.as_seconds() - at(0.0).as_seconds();
    let long = trace_id(5, 5);
    harness.append(vec![
        Segment { length: Some(far - 6.0), ..Segment::new(long, 1, 5.0) }.document(),
        // A trace whose id is ahead of it by a day.
        Segment::new(trace_id(200_000 + 86_400, 1), 1, 200_000.0).document(),
    ]);
    let hour = |hour: u32| f64::from(hour) * 3600.0;
    let many = (1..100)
        .map(|n| Segment::new(trace_id(i64::from(n) * 3600, u64::from(n)), 1, hour(n)).document());
    harness.append(many.collect());
    let check = |range_type, (start, end): (f64, f64), expect: &[TraceId]| {
        let (mut after, mut found) = (None, Vec::new());
        for page in 1.. {
            let query = SummaryQuery {
                range: TimeRange { start: at(start), end: at(end) },
                range_type,
                after,
                limit: 1,
                scan_limit: 3,
                conditions: &[],
                matches: &|_| true,
            };
            let page_found = harness.store.summaries(&query).unwrap();
            found.extend(page_found.summaries.iter().map(|summary| summary.id));
            after = page_found.next;
            if after.is_none() {
                assert!(page <= expect.len().max(1) + 1, "{page} pages");
                break;
            }
        }
        assert_eq!(found, expect, "{range_type:?} {start}");
    };
    check(TimeRangeType::Event, (hour(90), hour(90) + 1.0), &[trace_id(90 * 3600, 90), long]);
    check(TimeRangeType::Event, (1.0, 2.0), &[]);
    check(TimeRangeType::Event, (hour(500), hour(501)), &[long]);
    check(TimeRangeType::Service, (hour(90), hour(90) + 1.0), &[trace_id(90 * 3600, 90)]);
    check(TimeRangeType::Service, (far - 2.0, far), &[long]);
    let ahead = trace_id(200_000 + 86_400, 1);
    check(TimeRangeType::Event, (200_000.0, 200_000.1), &[ahead, long]);
    check(TimeRangeType::Service, (200_000.0, 200_001.0), &[ahead]);
    check(TimeRangeType::TraceId, (200_000.0, 200_001.0), &[]);
}

#[test]
fn the_graph_is_of_the_minutes_that_the_range_touches() {
    let harness = Harness::new();
    // The beginning is 40 s into a minute.
    for (unique, start) in [(1, 0.0), (2, 19.9), (3, 20.0), (4, 79.9), (5, 80.0)] {
        harness.append(vec![Segment::new(trace_id(0, unique), unique, start).document()]);
    }
    let check = |start: f64, end: f64, expect: i64| {
        let graph = harness.store.service_graph(TimeRange { start: at(start), end: at(end) });
        let seen = graph.unwrap().nodes.values().map(|node| node.seen_real).sum::<i64>();
        assert_eq!(seen, expect, "{start} to {end}");
    };
    check(-3600.0, 3600.0, 5);
    check(0.0, 20.0, 2);
    check(19.0, 19.5, 2);
    check(19.0, 20.1, 4);
    check(20.0, 80.0, 2);
    check(20.0, 20.0, 0);
    check(30.0, 20.0, 0);
    check(140.0, 150.0, 0);
}

#[test]
fn each_kind_of_range_looks_at_its_own_time() {
    let harness = Harness::new();
    // An id whose second is believed, 100 s before its segment.
    let early_id = trace_id(0, 1);
    harness.append(vec![
        Segment { length: Some(50.0), ..Segment::new(early_id, 1, 100.0) }.document(),
    ]);
    // An id that says nothing: its time is its start.
    let w3c = TraceId::from_bytes([0xEE; 16]);
    harness.append(vec![Segment { length: Some(30.0), ..Segment::new(w3c, 1, 110.0) }.document()]);
    // An id whose second is believed, 1000 s behind its segment.
    let late_id = trace_id(2000, 1);
    harness.append(vec![Segment::new(late_id, 1, 1000.0).document()]);
    let check = |range_type, start: f64, end: f64, expect: &[TraceId]| {
        let query = SummaryQuery {
            range: TimeRange { start: at(start), end: at(end) },
            range_type,
            after: None,
            limit: 10,
            scan_limit: 10,
            conditions: &[],
            matches: &|_| true,
        };
        let page = harness.store.summaries(&query).unwrap();
        let ids: Vec<_> = page.summaries.iter().map(|summary| summary.id).collect();
        assert_eq!(
            (&ids[..], page.scanned, page.next),
            (expect, expect.len(), None),
            "{start} {end}"
        );
    };
    check(TimeRangeType::TraceId, 0.0, 0.1, &[early_id]);
    check(TimeRangeType::TraceId, 100.0, 120.0, &[w3c]);
    check(TimeRangeType::TraceId, 0.0, 110.0, &[early_id]);
    check(TimeRangeType::TraceId, 1000.0, 2000.1, &[late_id]);
    check(TimeRangeType::Event, 1000.0, 1000.1, &[late_id]);
    check(TimeRangeType::Service, 1000.0, 1001.0, &[late_id]);
    check(TimeRangeType::Event, 0.0, 100.0, &[]);
    check(TimeRangeType::Event, 0.0, 100.1, &[early_id]);
    check(TimeRangeType::Event, 120.0, 130.0, &[w3c, early_id]);
    check(TimeRangeType::Event, 140.1, 300.0, &[early_id]);
    check(TimeRangeType::Event, 150.1, 300.0, &[]);
    check(TimeRangeType::Service, 100.0, 140.0, &[]);
    check(TimeRangeType::Service, 100.0, 140.1, &[w3c]);
    check(TimeRangeType::Service, 149.0, 151.0, &[early_id]);
}

#[test]
fn a_trace_whose_time_moves_is_listed_once() {
    let harness = Harness::new();
    let w3c = TraceId::from_bytes([0xEE; 16]);
    let other = trace_id(20, 1);
    for (number, id, start) in [(1, w3c, 30.0), (2, other, 20.0), (3, w3c, 10.0)] {
        harness.append(vec![Segment::new(id, number, start).document()]);
        let first = harness.summaries()[0].id;
        assert_eq!(first, if start > 10.0 { w3c } else { other });
    }
    let times: Vec<_> = harness.summaries().iter().map(|summary| summary.time).collect();
    assert_eq!(times, [at(20.0), at(10.0)]);
}

#[test]
fn absurd_times_do_no_harm() {
    let mut harness = Harness::new();
    let zero = Timestamp::default().as_seconds() - at(0.0).as_seconds();
    let far = Timestamp::MAX.as_seconds() - at(0.0).as_seconds();
    harness.append(vec![
        Segment { length: None, ..Segment::new(TraceId::from_bytes([0x80; 16]), 1, zero) }
            .document(),
        Segment { length: Some(-5.0), ..Segment::new(trace_id(1, 1), 2, 1.0) }.document(),
        Segment { length: Some(far - 1.0), ..Segment::new(trace_id(1, 2), 3, 0.0) }.document(),
        Segment { length: None, ..Segment::new(trace_id(1, 3), 4, far - 1.0) }.document(),
    ]);
    for _ in 0..2 {
        assert_eq!(harness.summaries().len(), 4);
        let graph = harness.store.service_graph(all_time()).unwrap();
        assert_eq!(graph.nodes.values().map(|node| node.seen_real).sum::<i64>(), 4);
        for range_type in [TimeRangeType::Event, TimeRangeType::Service] {
            let query = SummaryQuery {
                range: TimeRange { start: at(-10.0), end: at(10.0) },
                range_type,
                after: None,
                limit: 10,
                scan_limit: 10,
                conditions: &[],
                matches: &|_| true,
            };
            assert!(!harness.store.summaries(&query).unwrap().summaries.is_empty());
        }
        harness.reopen();
    }
}

#[test]
fn queries_that_read_whole_traces_share_a_budget() {
    let harness = Harness::new();
    let add = |number| Segment::new(trace_id(5, number), number, 5.0).document();
    harness.append((1..=2).map(add).collect());
    let conditions = [Condition::Joined(Box::new(Logic::Unknown))];
    let matches = |_: &Trace<'_>| true;
    let seen = |reads: &ReadBudget| {
        let filter = TraceFilter { conditions: &conditions, matches: &matches, reads };
        let query = GraphQuery { range: all_time(), step: None, traces: Some(&filter) };
        let graphs = harness.store.service_graphs(&query)?;
        let nodes = graphs.iter().flat_map(|timed| &timed.graph.nodes);
        let apps = nodes.filter(|(service, _)| !service.is_client());
        Ok::<i64, StoreError>(apps.map(|(_, node)| node.requests.total()).sum())
    };
    for is_settled in [false, true] {
        if is_settled {
            harness.store.settle().unwrap();
        }
        // Five traces.
        let reads = ReadBudget::share_of(NonZero::new(4000).unwrap());
        assert_eq!(seen(&reads).unwrap(), 2);
        assert_eq!(seen(&reads).unwrap(), 2);
        let message = seen(&reads).unwrap_err().to_string();
        assert!(message.contains("more than 5 traces"), "{message}");
    }
}
