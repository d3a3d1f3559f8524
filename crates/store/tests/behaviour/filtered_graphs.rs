//! Service graphs of some of the traces: what is read for them, and the times they tell.

use std::sync::atomic::{AtomicUsize, Ordering};

use roentgen_model::{ServiceId, Trace};
use roentgen_store::{
    Condition, GraphQuery, Logic, ReadBudget, TimeRange, TraceFilter, TraceStore as _,
};

use crate::harness::{Harness, Segment, all_time, at, trace_id};

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

#[test]
fn times_are_those_of_requests_and_once_settled_those_of_minutes() {
    let harness = Harness::new();
    let id = trace_id(0, 1);
    // The second request begins 40 s into its minute, in which the first has long begun.
    let segment = |id_of: u64, start, length| Segment {
        length: Some(length),
        name: if id_of == 1 { "first" } else { "second" },
        ..Segment::new(id, id_of, start)
    };
    harness.append(vec![segment(1, 0.0, 600.0).document(), segment(2, 120.0, 30.0).document()]);
    let times = |name: &str| {
        let reads = ReadBudget::default();
        let filter = TraceFilter { conditions: &[], matches: &|_| true, reads: &reads };
        let query = GraphQuery { range: all_time(), step: None, traces: Some(&filter) };
        let graph = harness.store.service_graphs(&query).unwrap().remove(0).graph;
        let is_meant = |id: &ServiceId| &*id.name == name && !id.is_client();
        let node = graph.nodes.iter().find(|(id, _)| is_meant(id)).unwrap().1;
        (node.start, node.end)
    };
    assert_eq!(times("first"), (at(0.0), at(600.0)));
    assert_eq!(times("second"), (at(120.0), at(150.0)));
    harness.store.settle().unwrap();
    assert_eq!(times("first"), (at(0.0), at(20.0)), "to the end of its minute");
    assert_eq!(times("second"), (at(80.0), at(140.0)), "its minute");
}
