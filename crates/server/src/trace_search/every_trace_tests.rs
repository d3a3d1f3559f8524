//! Searches and filtered graphs answer as if every trace had been put together and asked: whatever
//! the expression, of open and settled traces, in files merged or not, with documents that come late.

use std::collections::BTreeSet;

use proptest::prelude::*;
use roentgen_filter::{any_expression, parse};
use roentgen_model::{RequestStatistics, ServiceGraph, ServiceId, Timestamp, TraceId};
use roentgen_ops::SystemClock;
use roentgen_store::{GraphQuery, ReadBudget};
use serde_json::{Value, json};

use super::*;
use crate::filtered_graphs::filtered_graphs;
use crate::test_store::{START, TestStore, trace_id};

/// How many traces there are.
const TRACES: u32 = 12;

/// Expressions that random ones seldom come to.
const EXPRESSIONS: [&str; 14] = [
    "service(\"web\") { fault }",
    "service(\"orders\") { error AND !throttle } OR user = \"anna\"",
    "service() { root AND responsetime > 0.5 }",
    "service() { duration > 1 }",
    "service(\"orders\") { duration <= 1.5 AND !partial }",
    "edge(\"web\", \"orders\") { ok }",
    "edge(\"web\", \"table\") { throttle OR responsetime < 1 }",
    "edge(id(type: \"client\"), \"web\") { fault = false }",
    "!edge(\"orders\", \"web\")",
    "service(\"web\") { http.status >= 500 }",
    "service(\"web\") { annotation.n > 2 AND ok }",
    "annotation.n != 3",
    "rootcause.fault.service { name = \"orders\" }",
    "inferred AND !(responsetime < 1 OR partial)",
];

/// The document of a segment, its id this number, in one of the traces.
fn segment(id: u32) -> impl Strategy<Value = Value> {
    let parent = prop::option::of(prop_oneof![1..30_u32, (1..30_u32).prop_map(|n| n + 100)]);
    let name = prop::sample::select(vec!["web", "orders", "mail"]);
    let times = (0..3_000_u32, prop::option::weighted(0.9, 0..2_000_u32));
    let flags = any::<[bool; 3]>();
    let call = (prop::sample::select(vec!["table", "orders", "mail"]), any::<bool>(), 0..3_000_u32);
    let call = prop::option::of((call, any::<[bool; 3]>()));
    let more = (0..5_u32, any::<bool>(), any::<bool>());
    (0..TRACES, parent, name, times, flags, call, more).prop_map(
        move |(trace, parent, name, (start, length), flags, call, (n, has_user, has_status))| {
            let at = |millis: u32| f64::from(START) + f64::from(millis) / 1e3;
            let with_flags = |value: &mut Value, [error, throttle, fault]: [bool; 3]| {
                for (key, is_set) in [("error", error), ("throttle", throttle), ("fault", fault)] {
                    if is_set && n > 1 {
                        value[key] = json!(true);
                    }
                }
            };
            let mut document = json!({
                "trace_id": trace_id(trace).to_string(), "id": format!("{id:016x}"),
                "name": name, "start_time": at(start), "annotations": {"n": n},
            });
            match length {
                Some(length) => document["end_time"] = json!(at(start + length)),
                None => document["in_progress"] = json!(true),
            }
            if let Some(parent) = parent.filter(|parent| *parent != id) {
                document["parent_id"] = json!(format!("{parent:016x}"));
            }
            if has_user {
                document["user"] = json!("anna");
            }
            if has_status {
                document["http"] = json!({"response": {"status": 199 + 100 * n}});
            }
            with_flags(&mut document, flags);
            if let Some(((callee, is_remote, length), flags)) = call {
                let mut call = json!({
                    "id": format!("{:016x}", id + 100), "name": callee,
                    "start_time": at(start + 10), "end_time": at(start + 10 + length),
                });
                if is_remote {
                    call["namespace"] = json!("remote");
                }
                with_flags(&mut call, flags);
                document["subsegments"] = json!([call]);
            }
            document
        },
    )
}

/// Documents that come one after the other, in some groups.
fn documents() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let segments: Vec<_> = (1..30).map(segment).collect();
    (segments, prop::collection::vec(0..3_usize, 29)).prop_map(|(segments, groups)| {
        let mut all = vec![Vec::new(); 3];
        segments.into_iter().zip(groups).for_each(|(segment, group)| all[group].push(segment));
        all
    })
}

fn range() -> TimeRange {
    let time = |second: u32| Timestamp::from_micros(i64::from(second) * 1_000_000);
    TimeRange { start: time(START - 10), end: time(START + 10) }
}

/// All that a search finds, page by page.
fn found(store: &TestStore, expression: &Expression) -> Vec<TraceId> {
    let (caller, _waiting) = Caller::new();
    let mut search = TraceSearch {
        range: range(),
        range_type: TimeRangeType::TraceId,
        after: None,
        limit: 5,
        scan_limit: 1_000,
        expression,
        is_wanted: &|_| true,
        clock: &SystemClock,
        caller: &caller,
    };
    let mut found = Vec::new();
    loop {
        let page = search.find(store).unwrap();
        found.extend(page.traces.iter().map(|found| found.summary.id));
        search.after = page.next;
        if page.next.is_none() {
            return found;
        }
        assert!(found.len() <= TRACES as usize, "{expression}: no end");
    }
}

type Counts = Vec<(ServiceId, Option<ServiceId>, i64, RequestStatistics)>;

/// All of a graph but when its nodes and edges begin and end.
fn counts(graph: &ServiceGraph) -> Counts {
    let nodes = graph.nodes.iter();
    let nodes = nodes.map(|(id, node)| (id.clone(), None, node.seen, node.requests.clone()));
    let edges = graph.edges.iter().map(|((from, to), edge)| {
        (from.clone(), Some(to.clone()), edge.seen, edge.requests.clone())
    });
    nodes.chain(edges).collect()
}

fn check(store: &TestStore, expression: &Expression) {
    let (mut expect, mut graph) = (Vec::new(), ServiceGraph::default());
    for id in (0..TRACES).rev().map(trace_id) {
        let documents = store.documents(id).unwrap();
        let trace = documents.as_ref().and_then(TraceDocuments::assemble);
        if let Some(trace) = trace.filter(|trace| matches(expression, trace)) {
            expect.push(id);
            graph.add(&trace.graph);
        }
    }
    let found = found(store, expression);
    assert_eq!(found, expect, "{expression}");
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
    let query = GraphQuery { range: range(), step: None, traces: None };
    let graphs = filtered_graphs(store, &query, expression, &ReadBudget::default()).unwrap();
    assert_eq!(counts(&graphs.first().unwrap().graph), counts(&graph), "{expression}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_answers_are_those_of_asking_every_trace(
        documents in documents(),
        expressions in prop::collection::vec(any_expression(), 12),
    ) {
        let store = TestStore::new();
        let texts = EXPRESSIONS.iter().map(|text| parse(text).unwrap());
        let expressions: Vec<Expression> = expressions.into_iter().chain(texts).collect();
        for group in documents {
            // What came before has settled, twice for late documents; this is open.
            store.settle();
            if !group.is_empty() {
                store.append_all(group);
            }
            expressions.iter().for_each(|expression| check(&store, expression));
        }
        store.settle();
        expressions.iter().for_each(|expression| check(&store, expression));
    }
}
