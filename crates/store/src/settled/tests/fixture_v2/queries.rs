//! What is asked of the files of version 2: conditions, filtered graphs, and rollups.

use std::collections::HashSet;
use std::num::NonZero;
use std::ops::Bound;

use roentgen_model::{Micros, RequestStatistics, ServiceGraph, Timestamp};

use super::super::super::{
    FilteredRows, NoOpenTraces, QueriedFile, ScanThreads, SettledFile, Steps, filtered_graphs,
    find_page,
};
use super::super::samples::whole_graph;
use super::{FIRST_MINUTE, merged, number_of, text_of_service, written};
use crate::{
    Condition, Limits, Logic, RequestTest, ServiceMatch, SummaryQuery, TextMatch, TimeRange,
    TimeRangeType,
};

fn named(name: &str) -> ServiceMatch {
    ServiceMatch { name: Some(TextMatch::Equals(name.to_owned())), ..ServiceMatch::default() }
}

fn request(name: &str, test: RequestTest) -> Condition {
    Condition::Request { who: named(name), tests: Logic::Is(test) }
}

fn call(from: &str, to: &str, test: RequestTest) -> Condition {
    Condition::Call { from: named(from), to: named(to), tests: Logic::Is(test) }
}

fn micros(length: i64) -> Limits<Micros> {
    (Bound::Included(Micros::new(length)), Bound::Included(Micros::new(length)))
}

fn at_least(length: i64) -> Limits<Micros> {
    (Bound::Included(Micros::new(length)), Bound::Unbounded)
}

/// Traces that meet a condition, or may, oldest first; and those of them of which it is not known.
fn found(file: &SettledFile, condition: Condition) -> (Vec<u8>, Vec<u8>) {
    let (nothing, conditions) = (HashSet::new(), [condition]);
    let queried = [QueriedFile { file, superseded: &nothing }];
    let query = SummaryQuery {
        range: TimeRange { start: Timestamp::from_micros(0), end: Timestamp::MAX },
        range_type: TimeRangeType::TraceId,
        after: None,
        limit: 100,
        scan_limit: usize::MAX,
        conditions: &conditions,
        matches: &|_| true,
    };
    let page = find_page(&queried, &query, &NoOpenTraces, &ScanThreads::new(2)).unwrap();
    let found = page.summaries.iter().rev().map(|summary| number_of(summary.id));
    let rows = FilteredRows { conditions: &conditions, hidden: &nothing, most_undecided: 100 };
    let steps = Steps::new(0..=i64::MAX, None);
    let graphs = filtered_graphs(&queried, &rows, &steps, &ScanThreads::new(2)).unwrap();
    let mut undecided: Vec<_> = graphs.undecided.into_iter().map(number_of).collect();
    undecided.sort_unstable();
    (found.collect(), undecided)
}

#[test]
fn conditions_on_requests_of_version_2_are_answered() {
    use RequestTest::{
        Duration, Error, Fault, Inferred, Ok, Partial, ResponseTime, Root, Throttle,
    };
    let file = written();
    // Of trace 18 nothing is ever known.
    let check = |condition: Condition, certain: &[u8], unknown: &[u8]| {
        let message = format!("{condition:?}");
        let unknown = [unknown, &[18]].concat();
        let mut expect = [certain, &unknown].concat();
        expect.sort_unstable();
        assert_eq!(found(&file, condition), (expect, unknown), "{message}");
    };
    check(request("shop", Ok(true)), &[11, 13, 14, 15, 16, 17], &[]);
    check(request("shop", Fault(true)), &[12], &[]);
    check(request("cart", Error(true)), &[12], &[]);
    check(request("cart", Throttle(true)), &[], &[]);
    check(request("stock", Throttle(true)), &[12], &[]);
    check(request("orders", Throttle(true)), &[12], &[]);
    check(request("orders", Error(true)), &[], &[]);
    check(request("orders", Inferred(true)), &[11, 12, 14, 17], &[]);
    check(request("shop", Inferred(true)), &[], &[]);
    check(request("shop", Partial(true)), &[14], &[]);
    check(request("cart", Partial(true)), &[], &[]);
    check(request("cart", Root(true)), &[], &[17]);
    check(request("shop", Root(true)), &[11, 12, 13, 14, 15, 16], &[17]);
    check(request("shop", ResponseTime(micros(100_000))), &[13], &[]);
    check(request("shop", Duration(at_least(100_000))), &[11, 12, 13, 15, 16], &[]);
    check(request("shop", Duration(at_least(900_000))), &[15, 16], &[13]);
    check(request("stock", ResponseTime(micros(2500))), &[15], &[]);
    check(request("cart", ResponseTime(micros(60_000))), &[16], &[]);
    check(call("cart", "orders", Fault(true)), &[12], &[]);
    check(call("cart", "orders", Inferred(true)), &[11, 12, 14, 17], &[]);
    check(call("cart", "orders", Partial(true)), &[14], &[]);
    check(call("cart", "stock", Throttle(true)), &[12], &[]);
    check(call("shop", "cart", Error(true)), &[12, 16], &[]);
    check(call("shop", "mail", Inferred(false)), &[13, 15], &[]);
    check(call("shop", "mail", Duration(at_least(2_000_000))), &[], &[13]);
    check(call("shop", "price", ResponseTime(micros(78_000))), &[15], &[]);
    check(call("shop", "bill", ResponseTime(micros(89_000))), &[15], &[]);
    check(call("shop", "mail", ResponseTime(micros(5150))), &[15], &[]);
    check(call("shop", "orders", ResponseTime(micros(7000))), &[17], &[]);
    let found = found(&merged(), request("stock", Fault(false)));
    assert_eq!(found, (vec![0, 1, 2, 3, 4, 5, 12, 15, 18], vec![0, 1, 2, 3, 4, 5, 18]));
}

/// What a graph has of each node and edge: how often it was seen, in segments of its own, as the
/// first; how many ended ok, with throttle, error, fault; the sum of their response times.
fn text_of_graph(graph: &ServiceGraph) -> Vec<String> {
    let text = |requests: &RequestStatistics| {
        let RequestStatistics { ok, throttle, error, fault, total_response_time, .. } = requests;
        format!("{ok} {throttle} {error} {fault}, {}", total_response_time.get())
    };
    let nodes = graph.nodes.iter().map(|(node, sums)| {
        let (seen, requests) = (sums.seen, text(&sums.requests));
        let name = text_of_service(node);
        format!("{name}: {seen} {} {}, {requests}", sums.seen_real, sums.seen_root)
    });
    let edges = graph.edges.iter().map(|((from, to), sums)| {
        let (from, to) = (text_of_service(from), text_of_service(to));
        format!("{from}>{to}: {}, {}", sums.seen, text(&sums.requests))
    });
    nodes.chain(edges).collect()
}

#[test]
fn graphs_of_some_traces_of_version_2_are_made() {
    let (nothing, file) = (HashSet::new(), written());
    let queried = [QueriedFile { file: &file, superseded: &nothing }];
    let graphs = |condition: Condition| {
        let conditions = [condition];
        let rows = FilteredRows { conditions: &conditions, hidden: &nothing, most_undecided: 100 };
        let steps = Steps::new(FIRST_MINUTE..=FIRST_MINUTE + 9, NonZero::new(1));
        let found = filtered_graphs(&queried, &rows, &steps, &ScanThreads::new(2)).unwrap();
        let graphs = found.graphs.into_iter();
        let graphs = graphs.map(|(minute, graph)| (minute - FIRST_MINUTE, text_of_graph(&graph)));
        graphs.collect::<Vec<_>>()
    };
    let check = |condition: Condition, expect: &[(i64, &[&str])]| {
        let found = graphs(condition);
        let minutes: Vec<_> = found.iter().map(|(minute, _)| *minute).collect();
        assert_eq!(minutes, expect.iter().map(|(minute, _)| *minute).collect::<Vec<_>>());
        for ((minute, found), (_, expect)) in found.iter().zip(expect) {
            assert_eq!(found, expect, "minute {minute}");
        }
    };
    let failed: &[&str] = &[
        "cart: 1 1 0, 0 0 1 0, 20000",
        "orders:AWS::DynamoDB::Table@123456789012: 1 0 0, 0 1 0 0, 5000",
        "shop: 1 1 1, 0 0 0 1, 300000",
        "shop:client: 1 0 0, 0 0 0 0, 0",
        "stock: 1 1 0, 0 1 0 0, 10000",
        "cart>orders:AWS::DynamoDB::Table@123456789012: 1, 0 0 0 1, 6000",
        "cart>stock: 1, 0 1 0 0, 11000",
        "shop>cart: 1, 0 0 1 0, 20000",
        "shop:client>shop: 1, 0 0 0 1, 300000",
    ];
    check(request("shop", RequestTest::Fault(true)), &[(1, failed)]);
    let in_progress: &[&str] = &[
        "cart: 1 1 0, 1 0 0 0, 30000",
        "orders:AWS::DynamoDB::Table@123456789012: 1 0 0, 0 0 0 0, 0",
        "shop: 1 1 1, 0 0 0 0, 0",
        "shop:client: 1 0 0, 0 0 0 0, 0",
        "cart>orders:AWS::DynamoDB::Table@123456789012: 1, 0 0 0 0, 0",
        "shop>cart: 1, 1 0 0 0, 31000",
        "shop:client>shop: 1, 0 0 0 0, 0",
    ];
    check(request("shop", RequestTest::Partial(true)), &[(3, in_progress)]);
    let minutes: [(i64, &[&str]); 3] = [
        (5, &["shop: 1 1 1, 1 0 0 0, 150000000"]),
        (6, &["cart: 1 1 0, 1 0 0 0, 60000", "shop>cart: 1, 1 0 0 0, 61000"]),
        (7, &["cart: 1 1 0, 1 0 0 0, 60000", "shop>cart: 1, 0 0 1 0, 60000"]),
    ];
    check(call("shop", "cart", RequestTest::ResponseTime(micros(61_000))), &minutes);
}

#[test]
fn rollups_of_version_2_are_read() {
    let check = |file: &SettledFile, minute, expect: &[&str]| {
        let minute = FIRST_MINUTE + minute;
        assert_eq!(text_of_graph(&whole_graph(&[file], minute..=minute)), expect);
    };
    let late = [
        "cart: 1 1 0, 0 0 1 0, 20000",
        "mail: 1 1 0, 1 0 0 0, 700000",
        "shop: 1 1 1, 0 0 0 1, 300000",
        "stock: 1 1 0, 0 1 0 0, 10000",
        "cart>stock: 1, 0 1 0 0, 11000",
        "shop>cart: 1, 0 0 1 0, 20000",
        "stock>mail: 1, 1 0 0 0, 700001",
    ];
    check(&merged(), 1, &late);
    let outlived = [
        "mail: 1 1 0, 1 0 0 0, 2000000",
        "shop: 1 1 1, 1 0 0 0, 100000",
        "shop>mail: 1, 1 0 0 0, 50000",
    ];
    check(&written(), 2, &outlived);
    check(&merged(), 2, &outlived);
}
