//! What only whole traces tell: whether there is a certain call between two nodes, of which
//! summaries tell the nodes alone, and what of a filter expression summaries leave open. The store
//! passes over nearly all traces that do not match, but does not tell of which of the rest it is
//! certain.

use std::sync::Arc;

use roentgen_filter::{decide, matches};
use roentgen_model::{ServiceId, Trace, TraceGraph, TraceSummary};
use roentgen_protocol::ApiError;
use roentgen_store::{SummaryPage, TraceDocuments, TraceStore};

use super::criteria::{Criteria, EdgeRef};
use crate::page;
use crate::xray::store_failure;

/// Most traces that are put together for one search; at some 100 µs each this bounds its time.
const MAX_ASSEMBLED: usize = 5_000;

/// Most documents in those traces; a single trace may have many thousand.
const MAX_ASSEMBLED_DOCUMENTS: usize = 100_000;

/// Leaves the first `enough` traces that match. When more of the candidates would have to be put
/// together than may be, the page ends before the first of those and goes on from there.
pub(super) fn keep_matching(
    store: &dyn TraceStore,
    mut page: SummaryPage,
    criteria: &Criteria,
    enough: usize,
) -> Result<SummaryPage, ApiError> {
    let candidates = std::mem::take(&mut page.summaries);
    let mut assembled = Assembled::default();
    let mut looked_at = 0;
    for summary in &candidates {
        if page.summaries.len() == enough {
            break;
        }
        let is_match = match told_by_summary(criteria, summary) {
            Some(told) => told,
            None if !assembled.affords(summary.revision) => break,
            None => {
                // One at a time, for the memory.
                let documents =
                    store.documents(summary.id).map_err(|error| store_failure(&error))?;
                let trace = documents.as_ref().and_then(TraceDocuments::assemble);
                trace.is_some_and(|trace| told_by_trace(criteria, &trace))
            }
        };
        if is_match {
            page.summaries.push(Arc::clone(summary));
        }
        looked_at += 1;
    }
    page.next = page::next_after(&candidates, looked_at, page.next);
    if looked_at < candidates.len() {
        // Of those behind, the next page tells.
        page.scanned = page.scanned * looked_at / candidates.len();
    }
    Ok(page)
}

/// Whether a candidate matches, where its summary is enough to tell.
fn told_by_summary(criteria: &Criteria, summary: &TraceSummary) -> Option<bool> {
    let has_edge = match &criteria.edge {
        None => true,
        Some(edge) if edge.from.kind.as_deref() == Some(ServiceId::CLIENT) => {
            // A client has one edge, to the service it is named after.
            let from = summary.services.iter().find(|id| edge.from.names(id));
            from.is_some_and(|from| *from.name == *edge.to.name)
        }
        Some(_) => return None,
    };
    if has_edge { decide(&criteria.expression, summary) } else { Some(false) }
}

fn told_by_trace(criteria: &Criteria, trace: &Trace<'_>) -> bool {
    criteria.edge.as_ref().is_none_or(|edge| has_edge(&trace.graph, edge))
        && matches(&criteria.expression, trace)
}

fn has_edge(graph: &TraceGraph, edge: &EdgeRef) -> bool {
    graph.edges.iter().any(|call| edge.from.names(&call.from) && edge.to.names(&call.to))
}

/// What a search has put together so far.
#[derive(Debug, Default)]
struct Assembled {
    traces: usize,
    documents: usize,
}

impl Assembled {
    /// Whether another trace, of so many documents, may be put together; if so, it is counted. The
    /// first may always, so that paging comes to its end.
    fn affords(&mut self, documents: usize) -> bool {
        let is_first = self.traces == 0;
        let documents = self.documents.saturating_add(documents);
        let within = self.traces < MAX_ASSEMBLED && documents <= MAX_ASSEMBLED_DOCUMENTS;
        if is_first || within {
            self.traces += 1;
            self.documents = documents;
        }
        is_first || within
    }
}

#[cfg(test)]
mod tests {
    use roentgen_model::Timestamp;
    use roentgen_store::{Cursor, SummaryQuery, TimeRange, TimeRangeType};
    use serde_json::{Value, json};

    use super::*;
    use crate::groups::Groups;
    use crate::test_store::{START, TestStore, document, trace_id};

    fn criteria(conditions: Value) -> Criteria {
        let mut body = json!({"start": START, "end": START + 1});
        body.as_object_mut().unwrap().extend(conditions.as_object().unwrap().clone());
        Criteria::check(serde_json::from_value(body).unwrap(), &Groups::default()).unwrap().0
    }

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
    fn candidates_that_do_not_match_are_left_out() {
        let store = TestStore::new();
        let call = json!({"subsegments": [{
            "id": "63995c3f42cd8ad8", "name": "DynamoDB", "namespace": "aws",
            "start_time": START, "end_time": START + 1, "fault": true,
            "aws": {"operation": "GetItem", "table_name": "carts"},
        }]});
        let members = |number: u32| if number.is_multiple_of(3) { call.clone() } else { json!({}) };
        store.append_all((0..9).map(|number| document(number, members(number))));
        let check = |conditions: Value, enough: usize, expect: &[u32], next: Option<u32>| {
            let wanted = criteria(conditions.clone());
            let page = keep_matching(&store, candidates(&store), &wanted, enough).unwrap();
            let ids: Vec<_> = page.summaries.iter().map(|summary| summary.id).collect();
            let expect: Vec<_> = expect.iter().copied().map(trace_id).collect();
            assert_eq!(ids, expect, "{conditions}");
            let next_id = page.next.map(|Cursor { id, .. }| id);
            assert_eq!(next_id, next.map(trace_id), "{conditions}");
            assert_eq!(page.scanned, next.map_or(9, |next| 9 - next as usize), "{conditions}");
        };
        let edge = json!({"from": {"name": "shop"}, "to": {"name": "carts"}});
        let of_client = json!({"from": {"name": "shop", "type": "client"}, "to": {"name": "shop"}});
        check(json!({}), 9, &[8, 7, 6, 5, 4, 3, 2, 1, 0], None);
        check(json!({}), 2, &[8, 7], Some(7));
        check(json!({"edge": edge}), 9, &[6, 3, 0], None);
        check(json!({"edge": of_client}), 9, &[8, 7, 6, 5, 4, 3, 2, 1, 0], None);
        check(json!({"filterExpression": "service(\"carts\") { fault }"}), 9, &[6, 3, 0], None);
        check(json!({"filterExpression": "!service(\"carts\") { fault }"}), 3, &[8, 7, 5], Some(5));
        check(json!({"filterExpression": "fault"}), 9, &[], None);
        check(
            json!({"edge": edge, "filterExpression": "service() { fault }"}),
            9,
            &[6, 3, 0],
            None,
        );
        check(json!({"edge": edge, "filterExpression": "service() { throttle }"}), 9, &[], None);
        check(json!({"edge": of_client, "filterExpression": "fault"}), 9, &[], None);
    }

    #[test]
    fn only_so_many_documents_are_put_together() {
        let store = TestStore::new();
        store.append_all((0..4).map(|number| document(number, json!({}))));
        let check = |revision: usize, expect: usize| {
            let mut page = candidates(&store);
            for summary in &mut page.summaries {
                *summary = Arc::new(TraceSummary { revision, ..(**summary).clone() });
            }
            // Only a whole trace tells that it has no such block.
            let wanted = criteria(json!({"filterExpression": "!service() { http.status = 503 }"}));
            let kept = keep_matching(&store, page.clone(), &wanted, 1000).unwrap();
            assert_eq!(kept.summaries.len(), expect, "{revision}");
            let last = page.summaries.get(expect - 1).map(|summary| summary.id);
            assert_eq!(kept.next.map(|next| next.id), last.filter(|_| expect < 4), "{revision}");
        };
        check(1, 4);
        check(MAX_ASSEMBLED_DOCUMENTS / 2, 2);
        check(MAX_ASSEMBLED_DOCUMENTS + 1, 1);
        check(usize::MAX, 1);
    }
}
