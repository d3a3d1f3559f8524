//! Which traces have a certain call between two nodes. Summaries tell nodes only, so the traces
//! themselves must be looked at, unless the caller is the synthetic client.

use roentgen_model::{ServiceId, TraceGraph, TraceId};
use roentgen_protocol::ApiError;
use roentgen_store::{Cursor, SummaryPage, TraceStore};

use super::criteria::EdgeRef;
use crate::xray::store_failure;

/// Most traces that are put together for one search; at some 100 µs each this bounds its time.
const MAX_ASSEMBLED: usize = 5_000;

/// Traces that are put together at a time; bounds the memory.
const ASSEMBLED_AT_ONCE: usize = 64;

/// Leaves the traces with the edge. When there are more candidates than may be looked at, the
/// page ends where that was noticed and goes on from there.
pub(super) fn keep_with_edge(
    store: &dyn TraceStore,
    mut page: SummaryPage,
    edge: &EdgeRef,
) -> Result<SummaryPage, ApiError> {
    if edge.from.kind.as_deref() == Some(ServiceId::CLIENT) {
        // A client has one edge, to the service it is named after.
        page.summaries.retain(|summary| {
            let from = summary.services.iter().find(|id| edge.from.names(id));
            from.is_some_and(|from| *from.name == *edge.to.name)
        });
        return Ok(page);
    }
    if page.summaries.len() > MAX_ASSEMBLED {
        page.summaries.truncate(MAX_ASSEMBLED);
        let last = page.summaries.last();
        page.next = last.map(|summary| Cursor { time: summary.time, id: summary.id });
    }
    let mut kept = Vec::new();
    for candidates in page.summaries.chunks(ASSEMBLED_AT_ONCE) {
        let ids: Vec<TraceId> = candidates.iter().map(|summary| summary.id).collect();
        let traces = store.traces(&ids).map_err(|error| store_failure(&error))?;
        for (summary, trace) in candidates.iter().zip(traces) {
            if trace.is_some_and(|trace| has_edge(&trace.graph, edge)) {
                kept.push(summary.clone());
            }
        }
    }
    page.summaries = kept;
    Ok(page)
}

fn has_edge(graph: &TraceGraph, edge: &EdgeRef) -> bool {
    graph.edges.iter().any(|call| edge.from.names(&call.from) && edge.to.names(&call.to))
}
