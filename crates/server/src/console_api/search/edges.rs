//! Which traces have a certain call between two nodes. The store passes over nearly all that have not,
//! but does not tell of which of the rest it is certain, so these are looked at themselves, unless the
//! caller is the synthetic client.

use std::sync::Arc;

use roentgen_model::{ServiceId, TraceGraph, TraceSummary};
use roentgen_protocol::ApiError;
use roentgen_store::{SummaryPage, TraceDocuments, TraceStore};

use super::criteria::EdgeRef;
use crate::page;
use crate::xray::store_failure;

/// Most traces that are put together for one search; at some 100 µs each this bounds its time.
const MAX_ASSEMBLED: usize = 5_000;

/// Most documents in those traces; a single trace may have many thousand.
const MAX_ASSEMBLED_DOCUMENTS: usize = 100_000;

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
    let looked_at = affordable(&page.summaries);
    page.next = page::next_after(&page.summaries, looked_at, page.next);
    page.summaries.truncate(looked_at);
    let mut kept = Vec::new();
    for summary in page.summaries {
        // One at a time, for the memory.
        let documents = store.documents(summary.id).map_err(|error| store_failure(&error))?;
        let trace = documents.as_ref().and_then(TraceDocuments::assemble);
        if trace.is_some_and(|trace| has_edge(&trace.graph, edge)) {
            kept.push(summary);
        }
    }
    page.summaries = kept;
    Ok(page)
}

/// How many of the traces may be put together; one at least.
fn affordable(summaries: &[Arc<TraceSummary>]) -> usize {
    let mut documents = 0_usize;
    let traces = summaries.iter().take(MAX_ASSEMBLED).take_while(|summary| {
        documents = documents.saturating_add(summary.revision);
        documents <= MAX_ASSEMBLED_DOCUMENTS
    });
    traces.count().max(1)
}

fn has_edge(graph: &TraceGraph, edge: &EdgeRef) -> bool {
    graph.edges.iter().any(|call| edge.from.names(&call.from) && edge.to.names(&call.to))
}

#[cfg(test)]
mod tests {
    use roentgen_model::Timestamp;
    use roentgen_store::{Cursor, SummaryQuery, TimeRange, TimeRangeType};
    use serde_json::json;

    use super::*;
    use crate::test_store::{START, TestStore, document, trace_id};

    fn candidates(store: &TestStore) -> SummaryPage {
        let time = |seconds: u32| Timestamp::from_micros(i64::from(seconds) * 1_000_000);
        let query = SummaryQuery {
            range: TimeRange { start: time(START), end: time(START + 1) },
            range_type: TimeRangeType::TraceId,
            after: None,
            limit: 1000,
            scan_limit: 1000,
            conditions: &[],
            matches: &|_| true,
        };
        store.summaries(&query).unwrap()
    }

    #[test]
    fn traces_without_the_edge_are_left_out() {
        let store = TestStore::new();
        let call = json!({"subsegments": [{
            "id": "63995c3f42cd8ad8", "name": "DynamoDB", "namespace": "aws",
            "start_time": START, "end_time": START + 1,
            "aws": {"operation": "GetItem", "table_name": "carts"},
        }]});
        let members = |number: u32| if number.is_multiple_of(3) { call.clone() } else { json!({}) };
        store.append_all((0..9).map(|number| document(number, members(number))));
        let edge = json!({"from": {"name": "shop"}, "to": {"name": "carts"}});
        let edge = serde_json::from_value(edge).unwrap();
        let page = keep_with_edge(&store, candidates(&store), &edge).unwrap();
        let ids: Vec<_> = page.summaries.iter().map(|summary| summary.id).collect();
        assert_eq!(ids, [6, 3, 0].map(trace_id));
        assert_eq!(page.next, None);
    }

    #[test]
    fn only_so_many_documents_are_put_together() {
        let store = TestStore::new();
        store.append_all((0..4).map(|number| document(number, json!({}))));
        let with_revisions = |revision: usize| -> Vec<Arc<TraceSummary>> {
            let page = candidates(&store).summaries;
            page.iter()
                .map(|summary| Arc::new(TraceSummary { revision, ..(**summary).clone() }))
                .collect()
        };
        let check = |revision: usize, expect: usize| {
            let summaries = with_revisions(revision);
            let looked_at = affordable(&summaries);
            assert_eq!(looked_at, expect, "{revision}");
            let next = page::next_after(&summaries, looked_at, None).map(|Cursor { id, .. }| id);
            let last = summaries.get(expect - 1).map(|summary| summary.id);
            assert_eq!(next, last.filter(|_| expect < 4), "{revision}");
        };
        check(1, 4);
        check(MAX_ASSEMBLED_DOCUMENTS / 2, 2);
        check(MAX_ASSEMBLED_DOCUMENTS + 1, 1);
        check(usize::MAX, 1);
    }
}
