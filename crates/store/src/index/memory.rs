//! An estimate of the memory that the index takes, kept up to date with every change.
//!
//! It is what bounds the index ([`crate::StoreOptions::index_bytes`]), so it counts what is
//! allocated, not only what is used: whole leaves of the trees, and texts with their heap block.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use roentgen_model::{
    AnnotationValue, EdgeStatistics, NodeStatistics, RequestStatistics, ServiceGraph, ServiceId,
    ServiceParts, TraceSummary,
};

use crate::log::Position;

/// A trace's entry by id and its entry by time, with the room that hash tables and trees keep
/// free, and a place in the list of changed traces.
const TRACE: u64 = 320;
/// A trace in the list of a log file, with the room that the list keeps free.
const FILE_TRACE: u64 = 32;
/// A rollup by its minute.
const MINUTE: u64 = 128;
/// What the allocator adds to each block, and the counts of an `Arc`.
const BLOCK: usize = 16;

/// The memory of rollups and of lists by file.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// Entries of traces in files.
    pub(super) file_traces: usize,
    rollups: u64,
}

impl Estimate {
    /// The estimate.
    pub(super) fn bytes(&self) -> u64 {
        self.file_traces as u64 * FILE_TRACE + self.rollups
    }

    /// Changes the part of a minute's rollup that `graph` names; an empty rollup is removed.
    pub(super) fn change_rollup(
        &mut self,
        rollups: &mut BTreeMap<i64, Arc<ServiceGraph>>,
        minute: i64,
        graph: &ServiceGraph,
        change: impl FnOnce(&mut ServiceGraph, &ServiceGraph),
    ) {
        let mut entry = match rollups.entry(minute) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => {
                self.rollups += MINUTE;
                entry.insert_entry(Arc::default())
            }
        };
        // Only what the graph names can change: a rollup may have thousands of nodes.
        let rollup = Arc::make_mut(entry.get_mut());
        let before = trees(rollup) + histograms(rollup, graph);
        change(rollup, graph);
        self.rollups = self.rollups + trees(rollup) + histograms(rollup, graph) - before;
        if rollup.is_empty() {
            entry.remove();
            self.rollups -= MINUTE;
        }
    }

    /// Takes a removed rollup out of the estimate.
    pub(super) fn remove_rollup(&mut self, rollup: &ServiceGraph) {
        self.rollups -= MINUTE + trees(rollup) + histograms(rollup, rollup);
    }
}

/// The memory of the trees of nodes and edges.
fn trees(rollup: &ServiceGraph) -> u64 {
    tree(rollup.nodes.len(), size_of::<(ServiceId, NodeStatistics)>())
        + tree(rollup.edges.len(), size_of::<(ServiceId, ServiceId, EdgeStatistics)>())
}

/// The memory of the histograms of the nodes and edges that `named` names.
fn histograms(rollup: &ServiceGraph, named: &ServiceGraph) -> u64 {
    let nodes = named.nodes.keys().filter_map(|id| rollup.nodes.get(id));
    let edges = named.edges.keys().filter_map(|id| rollup.edges.get(id));
    let requests = nodes.map(|node| &node.requests).chain(edges.map(|edge| &edge.requests));
    // The iterator knows its length, without a walk through the tree.
    let buckets = |requests: &RequestStatistics| requests.response_times.entries().size_hint().0;
    requests.map(|requests| tree(buckets(requests), size_of::<(u16, i64)>())).sum()
}

/// The memory of a tree: leaves with room for eleven entries, seven of them in use.
fn tree(entries: usize, entry_bytes: usize) -> u64 {
    (entries.div_ceil(7) * (11 * entry_bytes + 2 * BLOCK)) as u64
}

/// The memory of all names of services in a summary.
pub(super) fn most_names_bytes(summary: &TraceSummary) -> u64 {
    summary.services.iter().chain(&summary.entry_point).map(service_bytes).sum()
}

/// The memory of a shared service, with its place in the interner.
pub(crate) fn service_bytes(service: &ServiceId) -> u64 {
    let texts = [&service.kind, &service.account_id].into_iter().flatten().chain([&service.name]);
    let texts: usize = texts.map(|text| text.len() + BLOCK).sum();
    (texts + size_of::<ServiceParts>() + BLOCK + 2 * size_of::<ServiceId>()) as u64
}

/// The memory of a trace without its summary.
pub(super) fn trace_bytes(positions: &Vec<Position>) -> u64 {
    TRACE + (positions.capacity() * size_of::<Position>() + BLOCK) as u64
}

/// The memory of a summary. The names of services are shared and not in it.
pub(super) fn summary_bytes(summary: &TraceSummary) -> u64 {
    let text = |text: &String| text.capacity() + BLOCK;
    let texts = |texts: &[String]| -> usize {
        texts.iter().map(|t| size_of::<String>() + text(t)).sum::<usize>() + BLOCK
    };
    let services = |ids: &Vec<ServiceId>| ids.capacity() * size_of::<ServiceId>() + BLOCK;
    let http = &summary.http;
    let request = [&http.url, &http.method, &http.user_agent, &http.client_ip];
    let annotations = summary.annotations.iter().map(|annotation| {
        let value = match &annotation.value {
            AnnotationValue::String(value) => value.len() + BLOCK,
            AnnotationValue::Number(_) | AnnotationValue::Boolean(_) => 0,
        };
        size_of_val(annotation) + text(&annotation.key) + value + services(&annotation.services)
    });
    let users = summary.users.iter();
    let users = users.map(|user| size_of_val(user) + text(&user.name) + services(&user.services));
    let bytes = size_of::<TraceSummary>()
        + BLOCK
        + request.into_iter().flatten().map(text).sum::<usize>()
        + annotations.sum::<usize>()
        + users.sum::<usize>()
        + services(&summary.services)
        + texts(&summary.resource_arns)
        + texts(&summary.instance_ids)
        + texts(&summary.availability_zones);
    bytes as u64
}

#[cfg(test)]
mod tests {
    use roentgen_model::{Document, Names, TraceGraph, TraceId, assemble};

    use super::*;

    /// A trace of one segment with these further members.
    fn trace(members: &str) -> (TraceSummary, TraceGraph) {
        let id = TraceId::from_bytes([0xEE; 16]);
        let text = format!(
            r#"{{"trace_id":"{id}","id":"00000000000000aa","name":"app","start_time":60,"end_time":61{members}}}"#
        );
        let document = Document::parse(text.as_bytes()).unwrap();
        let trace = assemble(id, vec![document], &mut Names::default()).unwrap();
        (trace.summary, trace.graph)
    }

    #[test]
    fn every_text_of_a_summary_is_counted() {
        let plain = summary_bytes(&trace("").0);
        let check = |members: &str, bytes: u64| {
            let found = summary_bytes(&trace(members).0) - plain;
            assert!(found >= bytes && found < 3 * bytes + 400, "{members}: {found}");
        };
        let text = "x".repeat(900);
        check(&format!(r#","annotations":{{"key":"{text}"}}"#), 900);
        check(&format!(r#","annotations":{{"a":"{text}","b":"{text}"}}"#), 1800);
        check(&format!(r#","user":"{text}""#), 900);
        check(&format!(r#","http":{{"request":{{"url":"{text}"}}}}"#), 900);
        check(&format!(r#","resource_arn":"{text}""#), 900);
    }

    #[test]
    fn what_was_counted_for_rollups_is_taken_back_to_nothing() {
        let mut estimate = Estimate::default();
        let mut rollups = BTreeMap::new();
        let graphs: Vec<_> = ["", r#","http":{"response":{"status":500}}"#]
            .map(|members| trace(members).1.by_minute())
            .into_iter()
            .flatten()
            .collect();
        let mut change = |estimate: &mut Estimate, change: fn(&mut ServiceGraph, &ServiceGraph)| {
            for (minute, graph) in &graphs {
                estimate.change_rollup(&mut rollups, *minute, graph, change);
            }
            rollups.clone()
        };
        let added = change(&mut estimate, ServiceGraph::merge);
        let bytes = estimate.bytes();
        assert!(bytes > 2500, "two trees and a histogram: {bytes}");
        change(&mut estimate, ServiceGraph::merge);
        assert_eq!(estimate.bytes(), bytes, "the same nodes and buckets");
        change(&mut estimate, ServiceGraph::subtract);
        assert_eq!(change(&mut estimate, ServiceGraph::subtract).len(), 0);
        assert_eq!(estimate.bytes(), 0);
        change(&mut estimate, ServiceGraph::merge);
        added.values().for_each(|rollup| estimate.remove_rollup(rollup));
        assert_eq!(estimate.bytes(), 0);
    }
}
