//! Requests and calls come back from their columns as they were, to the minute.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};

use proptest::prelude::*;
use roentgen_model::{
    EdgeObservation, Flags, Micros, NodeObservation, ServiceId, Timestamp, TraceGraph, TraceSummary,
};

use super::super::columns::ColumnData as _;
use super::super::observed::{Kinds, bit};
use super::super::{
    FilteredRows, QueriedFile, ScanThreads, SettledFile, Steps, filtered_graphs, merge_settled,
};
use super::samples::{Batch, Files, batch_of, bytes_of, plain_summary, rows_of};
use crate::{Condition, Logic};

/// Of a request or call: caller, node, whether it is real, first and outlived, flags, minute, length.
pub(super) type Seen = (Option<ServiceId>, ServiceId, [bool; 3], [bool; 3], i64, Option<i64>);

fn service() -> impl Strategy<Value = ServiceId> {
    let kind = prop::option::of(prop::sample::select(vec!["client", "AWS::DynamoDB::Table"]));
    ("[ab]{0,2}", kind).prop_map(|(name, kind)| ServiceId::new(&name, kind, None))
}

fn flags() -> impl Strategy<Value = Flags> {
    any::<[bool; 3]>().prop_map(|[error, throttle, fault]| Flags { error, throttle, fault })
}

fn times() -> impl Strategy<Value = (Timestamp, Option<Timestamp>)> {
    let start = prop_oneof![0_i64..100, 0_i64..300_000_000, 0..Timestamp::MAX.as_micros()];
    let length = prop_oneof![Just(250_000_i64), -5_i64..300_000, 0_i64..1 << 50];
    (start.prop_map(Timestamp::from_micros), prop::option::of(length))
        .prop_map(|(start, length)| (start, length.map(|length| start.plus(Micros::new(length)))))
}

/// Any graph of a trace; calls need not be in the order of the called nodes.
fn graph() -> impl Strategy<Value = TraceGraph> {
    let node = (service(), any::<[bool; 3]>(), times(), flags()).prop_map(
        |(node, [is_real, is_root, is_outlived], (start, end), flags)| NodeObservation {
            node,
            is_real,
            is_root,
            start,
            end,
            is_outlived,
            flags,
        },
    );
    let edge = (service(), service(), any::<[bool; 2]>(), times(), flags()).prop_map(
        |(from, to, [is_inferred, is_outlived], (start, end), flags)| EdgeObservation {
            from,
            to,
            is_inferred,
            start,
            end,
            is_outlived,
            flags,
        },
    );
    (prop::collection::vec(node, 0..40), prop::collection::vec(edge, 0..40))
        .prop_map(|(nodes, edges)| TraceGraph { nodes, edges, ..TraceGraph::default() })
}

fn seen(graph: &TraceGraph) -> Vec<Seen> {
    let flags = |flags: Flags| [flags.error, flags.throttle, flags.fault];
    let length = |start, end: Option<Timestamp>| end.map(|end| (end - start).get());
    let nodes = graph.nodes.iter().map(|node| {
        let facts = [node.is_real, node.is_root, node.is_outlived];
        let length = length(node.start, node.end);
        (None, node.node.clone(), facts, flags(node.flags), node.start.minute(), length)
    });
    let edges = graph.edges.iter().map(|edge| {
        let (from, to) = (Some(edge.from.clone()), edge.to.clone());
        let facts = [!edge.is_inferred, false, edge.is_outlived];
        let length = length(edge.start, edge.end);
        (from, to, facts, flags(edge.flags), edge.start.minute(), length)
    });
    nodes.chain(edges).collect()
}

fn batch(sequence: u64, traces: &[(TraceSummary, TraceGraph)]) -> Batch {
    let summaries: Vec<TraceSummary> = traces.iter().map(|(summary, _)| summary.clone()).collect();
    let mut batch = batch_of(sequence, &summaries);
    let mut kinds = Kinds::default();
    for (trace, (summary, graph)) in batch.traces.iter_mut().zip(traces) {
        trace.observed = kinds.observe(summary, graph);
    }
    batch.rest.kinds = kinds;
    batch
}

/// The requests of all rows, in the order of traces; `None` for a trace whose are not known.
pub(super) fn rows(file: &SettledFile) -> Vec<Option<Vec<Seen>>> {
    let mut rows = Vec::new();
    for group in file.groups() {
        let summaries = group.rows().unwrap();
        let Some(shapes) = group.shapes().unwrap() else {
            let of_row = |row| (summaries.summary(row).unwrap().id, None);
            rows.extend((0..group.group.rows).map(of_row));
            continue;
        };
        let mut requests = group.requests(shapes.clone()).unwrap();
        for row in 0..group.group.rows {
            let summary = summaries.summary(row).unwrap();
            let mut found = Vec::new();
            let is_known = requests.of_row(row, |request| {
                let kind = request.kind;
                let service = |number: u32| shapes.services[number as usize].clone();
                let facts = [kind.has(bit::REAL), kind.has(bit::ROOT), kind.has(bit::OUTLIVED)];
                let Flags { error, throttle, fault } = kind.flags();
                let minute = summary.start.minute() + request.minute;
                assert!(group.minutes().contains(&minute));
                found.push((
                    kind.from.checked_sub(1).map(service),
                    service(kind.service),
                    facts,
                    [error, throttle, fault],
                    minute,
                    request.length,
                ));
            });
            rows.push((summary.id, is_known.unwrap().then_some(found)));
        }
    }
    rows.sort_by_key(|(id, _)| *id);
    rows.into_iter().map(|(_, row)| row).collect()
}

proptest! {
    #[test]
    fn requests_come_back_from_files_and_merged_ones(
        graphs in prop::collection::vec(graph(), 1..9),
        split in any::<prop::sample::Index>(),
    ) {
        let traces: Vec<_> = (0..).zip(&graphs)
            .map(|(id, graph)| (plain_summary(id, 100), graph.clone())).collect();
        let expect: Vec<_> = graphs.iter().map(|graph| Some(seen(graph))).collect();
        let mut files = Files::new();
        let file = files.open(&bytes_of(&batch(1, &traces)));
        prop_assert_eq!(rows(&file), expect.clone());
        prop_assert!(file.verify().is_ok());
        let (first, second) = traces.split_at(split.index(traces.len()));
        let parts = [(1, first), (2, second)].map(|(sequence, part)| {
            files.open(&bytes_of(&batch(sequence, part)))
        });
        let mut bytes = Vec::new();
        merge_settled(&parts, &mut bytes).unwrap();
        let merged = files.open(&bytes);
        prop_assert_eq!(rows(&merged), expect);
        prop_assert!(merged.verify().is_ok());
    }
}

#[test]
fn the_requests_of_a_huge_trace_are_not_kept() {
    let summary = plain_summary(1, 100);
    let node = |number: usize| NodeObservation {
        node: ServiceId::new(&format!("node-{number}"), None, None),
        is_real: true,
        is_root: false,
        start: summary.start,
        end: Some(summary.end),
        is_outlived: false,
        flags: Flags::default(),
    };
    let check = |count: usize, expect: Option<usize>| {
        let graph = TraceGraph { nodes: (0..count).map(node).collect(), ..TraceGraph::default() };
        let mut files = Files::new();
        let file = files.open(&bytes_of(&batch(1, &[(summary.clone(), graph)])));
        let known: Vec<_> = rows(&file).into_iter().map(|row| row.map(|row| row.len())).collect();
        assert_eq!(known, [expect]);
        assert!(file.groups().all(|group| group.minutes() == (1..=1)), "though it is known when");
    };
    check(20_000, Some(20_000));
    check(20_001, None);
}

#[test]
fn usual_traces_take_a_few_bytes() {
    let service = |name: &str| ServiceId::new(name, None, None);
    let mut traces = Vec::new();
    for id in 0..4096_u64 {
        let summary = plain_summary(id, 100);
        let length = 1000 + id * 7919 % 200_000;
        let end = summary.start.plus(Micros::new(length.cast_signed()));
        let mut graph = TraceGraph::default();
        for (depth, name) in ["shop", "cart", "stock"].into_iter().enumerate() {
            let times = (summary.start, Some(if depth == 0 { summary.end } else { end }));
            let (is_outlived, flags) = (false, Flags::default());
            let (start, end) = times;
            let (is_real, is_root) = (true, depth == 0);
            let node = service(name);
            graph.nodes.push(NodeObservation {
                node: node.clone(),
                is_real,
                is_root,
                start,
                end,
                is_outlived,
                flags,
            });
            if depth > 0 {
                let (from, to, is_inferred) = (service("shop"), node, false);
                graph.edges.push(EdgeObservation {
                    from,
                    to,
                    is_inferred,
                    start,
                    end,
                    is_outlived,
                    flags,
                });
            }
        }
        traces.push((summary, graph));
    }
    let mut files = Files::new();
    let file = files.open(&bytes_of(&batch(1, &traces)));
    let observed = file.footer.groups[0].observed.clone().unwrap();
    // One length of three is told; those of calls are those of the called nodes.
    assert!(observed.numbers.stored < 4096 * 4, "{observed:?}");
    assert!(observed.shapes.stored < 400, "{observed:?}");
}

#[test]
fn a_trace_of_unknown_requests_counts_while_it_runs() {
    const MINUTE: i64 = 60;
    let graph_at = |summary: &TraceSummary, count: usize| {
        let node = NodeObservation {
            node: ServiceId::new("node", None, None),
            is_real: true,
            is_root: false,
            start: summary.start,
            end: Some(summary.end),
            is_outlived: false,
            flags: Flags::default(),
        };
        TraceGraph { nodes: vec![node; count], ..TraceGraph::default() }
    };
    let mut traces: Vec<_> =
        (1..=3_u64).map(|id| plain_summary(id, id.cast_signed() * 100 * MINUTE)).collect();
    traces[1].end = traces[1].start.plus(Micros::new(30 * MINUTE * 1_000_000));
    traces[1].duration = traces[1].end - traces[1].start;
    traces[2].is_partial = true;
    // More than are kept, so that nothing is known of them; and two that make the group wide.
    let mut rows: Vec<_> = traces.iter().map(|row| (row.clone(), graph_at(row, 20_001))).collect();
    let known = [plain_summary(8, 0), plain_summary(9, 1000 * MINUTE)];
    rows.extend(known.map(|row| (row.clone(), graph_at(&row, 1))));
    let mut files = Files::new();
    let file = files.open(&bytes_of(&batch(1, &rows)));
    let (nothing, conditions) = (HashSet::new(), [Condition::Joined(Box::new(Logic::Unknown))]);
    let queried = [QueriedFile { file: &file, superseded: &nothing }];
    let check = |minutes: RangeInclusive<i64>, expect: &[usize]| {
        let rows = FilteredRows { conditions: &conditions, hidden: &nothing, most_undecided: 10 };
        let steps = Steps::new(minutes.clone(), None);
        let found = filtered_graphs(&queried, &rows, &steps, &ScanThreads::new(2)).unwrap();
        let expect: Vec<_> = expect.iter().map(|number| traces[*number].id).collect();
        assert_eq!(found.undecided, expect, "{minutes:?}");
    };
    check(1..=999, &[0, 1, 2]);
    // Clocks differ by some minutes.
    check(1..=89, &[]);
    check(1..=90, &[0]);
    check(110..=111, &[0]);
    check(111..=189, &[]);
    check(111..=190, &[1]);
    check(240..=240, &[1]);
    check(241..=241, &[]);
    // Something of it may begin at any time.
    check(289..=289, &[]);
    check(300..=300, &[2]);
}

/// A trace whose requests are of services with these numbers.
fn trace_of(id: u64, second: i64, services: Range<u64>) -> (TraceSummary, TraceGraph) {
    let summary = plain_summary(id, second);
    let node = |number: u64| NodeObservation {
        node: ServiceId::new(&format!("service-{number}"), None, None),
        is_real: true,
        is_root: false,
        start: summary.start,
        end: Some(summary.end),
        is_outlived: false,
        flags: Flags::default(),
    };
    let graph = TraceGraph { nodes: services.map(node).collect(), ..TraceGraph::default() };
    (summary, graph)
}

pub(super) fn rows_of_groups(file: &SettledFile) -> Vec<usize> {
    file.groups().map(|group| group.group.rows).collect()
}

#[test]
fn groups_of_traces_that_call_many_services_are_small_and_copied() {
    let mut files = Files::new();
    let mut parts = Vec::new();
    for (sequence, count, groups) in [(1, 7, [3, 3, 1]), (2, 8, [3, 3, 2])] {
        // Some 1.6 MB of services each, and no service in two traces.
        let trace = |id: u64| trace_of(id, id.cast_signed(), id * 10_000..(id + 1) * 10_000);
        let traces: Vec<_> = (sequence * 10..sequence * 10 + count).map(trace).collect();
        let file = files.open(&bytes_of(&batch(sequence, &traces)));
        assert_eq!(rows_of_groups(&file), groups);
        for group in file.groups() {
            let memory = group.shapes().unwrap().unwrap().memory();
            assert!(memory < 8 << 20, "{memory}");
        }
        parts.push(file);
    }
    let mut bytes = Vec::new();
    merge_settled(&parts, &mut bytes).unwrap();
    let merged = files.open(&bytes);
    let seconds = rows_of(&merged).into_iter().map(|row| row.time.as_micros() / 1_000_000);
    let copied = [10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25];
    assert_eq!(seconds.collect::<Vec<_>>(), [&copied[..], &[16, 26, 27]].concat());
    assert_eq!(rows(&merged), [rows(&parts[0]), rows(&parts[1])].concat());
}

#[test]
fn services_that_all_traces_have_count_once() {
    let mut files = Files::new();
    let traces: Vec<_> = (0..64).map(|id| trace_of(id, 1, 0..2000)).collect();
    let file = files.open(&bytes_of(&batch(1, &traces)));
    assert_eq!(rows_of_groups(&file), [64]);
}

#[test]
fn rows_written_anew_keep_their_minutes_and_kinds() {
    let mut files = Files::new();
    let (mut parts, mut expect) = (Vec::new(), Vec::new());
    for sequence in 1..=3_u64 {
        // Two thousand traces from the first minute to the hundredth, of some services.
        let trace = |n: u64| {
            let service = sequence * 100 + n % 50;
            trace_of(n * 3 + sequence, n.cast_signed() * 3, service..service + 2)
        };
        let traces: Vec<_> = (0..2000).map(trace).collect();
        parts.push(files.open(&bytes_of(&batch(sequence, &traces))));
        expect.extend(traces.into_iter().map(|(summary, graph)| (summary.id, seen(&graph))));
    }
    expect.sort_by_key(|(id, _)| *id);
    let mut bytes = Vec::new();
    merge_settled(&parts, &mut bytes).unwrap();
    let merged = files.open(&bytes);
    assert_eq!(rows_of_groups(&merged), [4096, 1904]);
    let minutes: Vec<_> = merged.groups().map(|group| group.minutes()).collect();
    assert_eq!(minutes, [0..=68, 68..=99]);
    let expect: Vec<_> = expect.into_iter().map(|(_, row)| Some(row)).collect();
    assert!(rows(&merged) == expect, "the rows are others");
}

#[test]
fn what_waits_to_be_written_anew_is_bounded() {
    let mut files = Files::new();
    // Each file is a group that is too small to be copied, of two traces of 100 kB.
    let parts: Vec<_> = (1..=100_u64)
        .map(|sequence| {
            let trace = |second: i64| {
                let (mut summary, graph) = trace_of(sequence, second, 0..1);
                summary.http.url = Some("x".repeat(100_000));
                (summary, graph)
            };
            let second = sequence.cast_signed();
            files.open(&bytes_of(&batch(sequence, &[trace(second), trace(1000 + second)])))
        })
        .collect();
    let mut bytes = Vec::new();
    merge_settled(&parts, &mut bytes).unwrap();
    let times: Vec<_> = rows_of(&files.open(&bytes)).iter().map(|row| row.time).collect();
    let begun_anew: Vec<_> = (1..200).filter(|row| times[*row] < times[row - 1]).collect();
    assert_eq!((times.len(), begun_anew), (200, vec![168]), "after 16 MiB");
}
