//! Edges between traces: what of them changes when the traces change.

use roentgen_model::TraceId;

use crate::harness::{Harness, LinkCounts, Segment, all_time, trace_id};

/// A call to a queue, and a segment of another trace that received from it.
fn sent_and_received() -> (Segment, Segment) {
    let (sender, receiver) = (trace_id(1, 1), trace_id(6, 2));
    let sent = Segment { name: "shop", ..Segment::new(sender, 1, 1.0) };
    let link = Some((sender, 1));
    (sent, Segment { name: "worker", link, ..Segment::new(receiver, 2, 6.0) })
}

fn names(links: &LinkCounts) -> Vec<(&str, &str, i64)> {
    let edges = links.iter();
    edges.map(|((from, to), (seen, _))| (&*from.name, &*to.name, seen.seen)).collect()
}

fn check(harness: &Harness, expect: &[(&str, &str, i64)]) {
    let links = harness.links(all_time());
    assert_eq!(names(&links), expect);
}

#[test]
fn it_does_not_matter_which_trace_settles_first() {
    let (sent, received) = sent_and_received();
    for [first, second] in [[&sent, &received], [&received, &sent]] {
        let mut harness = Harness::new();
        harness.append(vec![first.document()]);
        check(&harness, &[]);
        harness.store.settle().unwrap();
        check(&harness, &[]);
        harness.append(vec![second.document()]);
        check(&harness, &[("shop", "worker", 1)]);
        harness.store.settle().unwrap();
        check(&harness, &[("shop", "worker", 1)]);
        harness.reopen();
        check(&harness, &[("shop", "worker", 1)]);
    }
}

#[test]
fn a_sender_that_changes_after_it_was_looked_up_changes_the_edge() {
    let harness = Harness::new();
    let (sent, received) = sent_and_received();
    let open = Segment { length: None, name: "unknown", ..sent.clone() };
    harness.append(vec![open.document(), received.document()]);
    check(&harness, &[("unknown", "worker", 1)]);
    harness.store.settle().unwrap();
    check(&harness, &[("unknown", "worker", 1)]);
    harness.append(vec![sent.document()]);
    check(&harness, &[("shop", "worker", 1)]);
    harness.store.settle().unwrap();
    check(&harness, &[("shop", "worker", 1)]);
}

#[test]
fn links_of_large_traces_count() {
    let mut harness = Harness::new();
    let (sent, received) = sent_and_received();
    let large = |id: TraceId, parent: u64| -> Vec<_> {
        let part = |number: u64| Segment {
            parent: Some(parent),
            is_subsegment: true,
            padding: 60_000,
            ..Segment::new(id, 100 + number, 1.0)
        };
        (0..20).map(|number| part(number).document()).collect()
    };
    harness.append(vec![sent.document(), received.document()]);
    for trace in [&received, &sent] {
        harness.append(large(trace.trace_id, trace.id));
        check(&harness, &[("shop", "worker", 1)]);
    }
    harness.store.settle().unwrap();
    check(&harness, &[("shop", "worker", 1)]);
    // It is open again.
    harness.append(vec![received.document()]);
    check(&harness, &[("shop", "worker", 1)]);
    harness.reopen();
    check(&harness, &[("shop", "worker", 1)]);
}

#[test]
fn what_retention_has_dropped_sends_nothing() {
    let harness = Harness::with(|options| {
        options.tuning.log_file_bytes = Some(4 << 10);
        options.retention_bytes = 12 << 10;
    });
    let (sent, received) = sent_and_received();
    harness.append(vec![sent.document()]);
    let fill = |second: i64| {
        let filler = Segment { padding: 3000, ..Segment::new(trace_id(second, 9), 1, 9.0) };
        harness.append(vec![filler.document()]);
    };
    (11..14).for_each(fill);
    harness.append(vec![received.document()]);
    check(&harness, &[("shop", "worker", 1)]);
    harness.store.settle().unwrap();
    check(&harness, &[("shop", "worker", 1)]);
    for second in 14.. {
        fill(second);
        harness.store.enforce_retention();
        if harness.documents(sent.trace_id).is_none() {
            break;
        }
        assert!(second < 100, "nothing is dropped");
    }
    assert!(harness.documents(received.trace_id).is_some());
    check(&harness, &[]);
}
