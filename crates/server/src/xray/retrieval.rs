//! StartTraceRetrieval, ListRetrievedTraces, GetRetrievedTracesGraph, CancelTraceRetrieval.
//!
//! In X-Ray these read what was stored without being indexed. Here everything is indexed, so a
//! retrieval is another way to whole traces: a hundred at a time, and as OpenTelemetry's spans.

use std::sync::Arc;

use roentgen_model::{LinkedEdges, Micros, ServiceGraph, TraceId};
use roentgen_protocol::{
    ApiError, CancelTraceRetrievalReply, CancelTraceRetrievalRequest, ErrorKind, Fingerprint,
    GetRetrievedTracesGraphReply, GetRetrievedTracesGraphRequest, ListRetrievedTracesReply,
    ListRetrievedTracesRequest, PageToken, StartTraceRetrievalReply, StartTraceRetrievalRequest,
};
use roentgen_store::{TimeRange, TimeRangeType, TraceDocuments, TraceStore};

use super::graphs::{self, sum_of};
use super::summaries::check_range;
use super::trace_ids::{IdLimits, requested_ids};
use super::{read_request, required, store_failure};
use crate::app::App;
use crate::json;
use crate::retrievals::{RetrievalStatus, Retrieved, RetrievedId};

mod links;
mod page;

use page::{Format, Page};

/// Starts looking for traces; gives the token to ask with.
pub(super) async fn start_trace_retrieval(
    app: &Arc<App>,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: StartTraceRetrievalRequest = read_request(body)?;
    let limits = IdLimits { fewest: 0, most: StartTraceRetrievalRequest::MAX_IDS };
    let requested = requested_ids(request.trace_ids, limits)?;
    let range = check_range(request.start_time, request.end_time)?;
    if let Some(malformed) = requested.malformed.first() {
        let message = format!("TraceIds: {malformed:?} is not a trace id");
        return Err(ApiError::invalid(message));
    }
    let token = app.retrievals.schedule(app.clock.instant())?;
    let ids = requested.ids.into_iter().map(|(id, _)| id).collect();
    let task = retrieve(Arc::clone(app), token.clone(), ids, range);
    app.retrievals.tasks.spawn(task);
    json::write(&StartTraceRetrievalReply { retrieval_token: &token })
}

/// One page of what was found.
pub(super) async fn list_retrieved_traces(
    app: &Arc<App>,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: ListRetrievedTracesRequest = read_request(body)?;
    let format = Format::parse(request.trace_format.as_deref())?;
    let (token, retrieved) = known(app, request.retrieval_token)?;
    let query =
        Fingerprint::of("RetrievedTraces").with_text(&token).with_text(format.name()).finish();
    let start = PageToken::read(request.next_token.as_deref(), query)
        .map_err(|fault| ApiError::invalid(fault.to_string()))?;
    let store = Arc::clone(&app.store);
    app.pool
        .run(move || {
            let page = Page::read(&*store, &retrieved.traces, start, format)?;
            json::write(&ListRetrievedTracesReply {
                retrieval_status: retrieved.status.name(),
                trace_format: format.name(),
                traces: page.traces,
                next_token: page.next.map(|next| next.encode(query)),
            })
        })
        .await
}

/// The graph of everything that was found.
pub(super) async fn get_retrieved_traces_graph(
    app: &Arc<App>,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: GetRetrievedTracesGraphRequest = read_request(body)?;
    let (token, retrieved) = known(app, request.retrieval_token)?;
    let query = Fingerprint::of("RetrievedTracesGraph").with_text(&token).finish();
    let store = Arc::clone(&app.store);
    app.scans
        .run(move || {
            let read = |found: &RetrievedId| documents(&*store, *found);
            let (graph, linked): (ServiceGraph, LinkedEdges) =
                sum_of(&retrieved.traces, |found| found.id, read)?;
            let page =
                graphs::Page::cut_linked(&graph, &linked, request.next_token.as_deref(), query)?;
            json::write(&GetRetrievedTracesGraphReply {
                retrieval_status: retrieved.status.name(),
                services: links::with_links(page.services, &linked),
                next_token: page.next_token,
            })
        })
        .await
}

/// Ends a retrieval.
pub(super) fn cancel_trace_retrieval(app: &App, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: CancelTraceRetrievalRequest = read_request(body)?;
    let token = required("RetrievalToken", request.retrieval_token)?;
    app.retrievals.cancel(&token, app.clock.instant())?;
    json::write(&CancelTraceRetrievalReply {})
}

/// The retrieval of a token.
fn known(app: &App, token: Option<String>) -> Result<(String, Retrieved), ApiError> {
    let token = required("RetrievalToken", token)?;
    let retrieved = app.retrievals.get(&token, app.clock.instant())?;
    Ok((token, retrieved))
}

/// Looks for the traces, in a place of the pool; waits for one as long as the retrieval lasts.
async fn retrieve(app: Arc<App>, token: String, ids: Vec<TraceId>, range: TimeRange) {
    let ids: Arc<[TraceId]> = ids.into();
    loop {
        let outcome = app.scans.run(search(&app, &token, &ids, range)).await;
        let now = app.clock.instant();
        match outcome {
            Ok(Some(found)) => app.retrievals.complete(&token, found, now),
            Ok(None) => {}
            // No place yet; what takes too long in all is ended by its status.
            Err(error) if error.kind == ErrorKind::Throttled => {
                if app.retrievals.advance(&token, RetrievalStatus::Scheduled, now) {
                    continue;
                }
            }
            Err(_) => {
                app.retrievals.advance(&token, RetrievalStatus::Failed, now);
            }
        }
        return;
    }
}

/// The search of a retrieval: the traces that are there and were active in the range, its ends
/// included. None when it was ended meanwhile.
fn search(
    app: &Arc<App>,
    token: &str,
    ids: &Arc<[TraceId]>,
    range: TimeRange,
) -> impl FnOnce() -> Result<Option<Vec<RetrievedId>>, ApiError> + Send + use<> {
    let (app, token, ids) = (Arc::clone(app), token.to_owned(), Arc::clone(ids));
    // Half-open ranges of microseconds hold the moment before their end.
    let range = TimeRange { end: range.end.plus(Micros::new(1)), ..range };
    move || {
        let mut found = Vec::new();
        for &id in ids.iter() {
            let is_wanted =
                app.retrievals.advance(&token, RetrievalStatus::Running, app.clock.instant());
            if !is_wanted {
                return Ok(None);
            }
            let documents = app.store.documents(id).map_err(|error| store_failure(&error))?;
            let Some(documents) = documents else { continue };
            let is_active = documents
                .assemble()
                .is_some_and(|trace| TimeRangeType::Event.selects(range, &trace.summary));
            if is_active {
                found.push(RetrievedId { id, documents: documents.documents.len() });
            }
        }
        Ok(Some(found))
    }
}

/// The documents of a trace that were there when it was retrieved; fewer, or none, when retention
/// has dropped some since.
fn documents(
    store: &dyn TraceStore,
    found: RetrievedId,
) -> Result<Option<TraceDocuments>, ApiError> {
    let mut documents = store.documents(found.id).map_err(|error| store_failure(&error))?;
    if let Some(documents) = &mut documents {
        documents.documents.truncate(found.documents);
    }
    Ok(documents)
}
