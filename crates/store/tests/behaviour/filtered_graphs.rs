//! Service graphs of some of the traces: what is read for them, and the times they tell.

use std::sync::atomic::{AtomicUsize, Ordering};

use roentgen_model::Trace;
use roentgen_store::{
    Condition, GraphQuery, Logic, ReadBudget, TimeRange, TraceFilter, TraceStore as _,
};

use crate::harness::{Harness, Segment, at, trace_id};

/// How many traces are read whole, and how many requests are found in the minute of
/// this second.
fn read_and_seen(harness: &Harness, start: f64) -> (usize, i64) {
    let read = AtomicUsize::new(0);
    let matches = |_: &Trace<'_>| {
        read.fetch_add(1, Ordering::Relaxed);
        true
    };
    let conditions = [Condition::Joined(Box::new(Logic::Unknown))];
    let filter =
        TraceFilter { conditions: &conditions, matches: &matches, reads: &ReadBudget::default() };
    let range = TimeRange { start: at(start), end: at(start + 0.1) };
    let query = GraphQuery { range, step: None, traces: Some(&filter) };
    let graph = harness.store.service_graphs(&query).unwrap().remove(0).graph;
    (read.into_inner(), graph.nodes.values().map(|node| node.seen_real).sum())
}

#[test]
fn only_traces_are_read_of_which_something_began_in_the_range() {
    let mut harness = Harness::new();
    let segment = |minute: i64, id: u64| {
        Segment::new(trace_id(minute * 60, 1), id, minute as f64 * 60.0).document()
    };
    // It begins in one minute and goes on in another; then many that have nothing to do with it.
    harness.append(vec![segment(10, 1)]);
    let late = Segment::new(trace_id(600, 1), 2, 1200.0);
    harness.append(vec![late.document()]);
    harness.append((30..80).map(|minute| segment(minute, 1)).collect());
    let check = |harness: &Harness| {
        assert_eq!(read_and_seen(harness, 600.0), (1, 1));
        assert_eq!(read_and_seen(harness, 1200.0), (1, 1));
        assert_eq!(read_and_seen(harness, 1800.0), (1, 1));
        assert_eq!(read_and_seen(harness, 0.0), (0, 0));
    };
    check(&harness);
    harness.store.settle().unwrap();
    check(&harness);
    // What is open of them has nothing to do with when the rest began.
    harness.append((30..80).map(|minute| segment(minute, 1)).collect());
    harness.append(vec![late.document()]);
    check(&harness);
    harness.reopen();
    check(&harness);
}
