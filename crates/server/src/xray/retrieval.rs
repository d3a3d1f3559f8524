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
use crate::retrievals::{RetrievalStatus, Retrieved, RetrievedId, Ticket};

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
    let ticket = app.retrievals.schedule(app.clock.instant())?;
    let token = ticket.token.clone();
    let ids = requested.ids.into_iter().map(|(id, _)| id).collect();
    app.retrievals.tasks.spawn(retrieve(Arc::clone(app), ticket, ids, range));
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
    app.retrieving
        .run(move || {
            let read = |found: &RetrievedId| documents(&*store, *found);
            let (graph, linked): (ServiceGraph, LinkedEdges) =
                sum_of(&retrieved.traces, |found| found.id, read)?;
            let page = graphs::Page::cut(&graph, &linked, request.next_token.as_deref(), query)?;
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

/// Looks for the traces when it is their turn.
async fn retrieve(app: Arc<App>, ticket: Ticket, ids: Vec<TraceId>, range: TimeRange) {
    let Some(_turn) = app.retrievals.wait_turn(&ticket).await else { return };
    let advance = |status| app.retrievals.advance(&ticket.token, status, app.clock.instant());
    let mut found = Vec::new();
    for id in ids {
        // It may have been ended meanwhile.
        if !advance(RetrievalStatus::Running) {
            return;
        }
        match look_up(&app, &ticket.token, id, range).await {
            Ok(trace) => found.extend(trace),
            Err(_) => {
                advance(RetrievalStatus::Failed);
                return;
            }
        }
    }
    app.retrievals.complete(&ticket.token, found, app.clock.instant());
}

/// Looks for one trace, in a place of the pool of its own, so that graphs need not wait for all;
/// waits for one as long as the retrieval lasts.
async fn look_up(
    app: &Arc<App>,
    token: &str,
    id: TraceId,
    range: TimeRange,
) -> Result<Option<RetrievedId>, ApiError> {
    loop {
        let store = Arc::clone(&app.store);
        let outcome = app.retrieving.run(move || search(&*store, id, range)).await;
        match outcome {
            // No place yet; what takes too long in all is ended by its status.
            Err(error) if error.kind == ErrorKind::Throttled => {
                let now = app.clock.instant();
                if !app.retrievals.advance(token, RetrievalStatus::Running, now) {
                    return Ok(None);
                }
            }
            outcome => return outcome,
        }
    }
}

/// The trace, if it is there and was active in the range, its ends included.
fn search(
    store: &dyn TraceStore,
    id: TraceId,
    range: TimeRange,
) -> Result<Option<RetrievedId>, ApiError> {
    let documents = store.documents(id).map_err(|error| store_failure(&error))?;
    let Some(documents) = documents else { return Ok(None) };
    // Half-open ranges of microseconds hold the moment before their end.
    let range = TimeRange { end: range.end.plus(Micros::new(1)), ..range };
    let is_active = documents
        .assemble()
        .is_some_and(|trace| TimeRangeType::Event.selects(range, &trace.summary));
    Ok(RetrievedId::of(&documents).filter(|_| is_active))
}

/// The documents of a trace that were there when it was retrieved; fewer, or none, when retention
/// has dropped some since.
fn documents(
    store: &dyn TraceStore,
    found: RetrievedId,
) -> Result<Option<TraceDocuments>, ApiError> {
    let documents = store.documents(found.id).map_err(|error| store_failure(&error))?;
    Ok(documents.and_then(|documents| found.cut(documents)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use serde_json::{Value, json};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::test_store::{START, TestStore, document, trace_id};

    fn app(directory: &tempfile::TempDir) -> Arc<App> {
        let store = TestStore::new();
        store.append_all([document(1, json!({}))]);
        Arc::new(App::around(Arc::new(store), directory.path()))
    }

    async fn start(app: &Arc<App>) -> String {
        let body = json!({"TraceIds": [trace_id(1).to_string()], "StartTime": START,
            "EndTime": START + 1});
        let reply = start_trace_retrieval(app, body.to_string().as_bytes()).await.unwrap();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        json!({"RetrievalToken": reply["RetrievalToken"]}).to_string()
    }

    /// Takes the only place of a pool until the sender goes away.
    async fn occupy(tasks: &TaskTracker, pool: &crate::work_pool::WorkPool) -> mpsc::Sender<()> {
        let (release, is_released) = mpsc::channel::<()>();
        let (started, is_started) = tokio::sync::oneshot::channel();
        let pool = pool.clone();
        tasks.spawn(async move {
            let work = move || {
                started.send(()).unwrap();
                is_released.recv().ok();
                Ok(())
            };
            pool.run(work).await
        });
        is_started.await.unwrap();
        release
    }

    #[tokio::test]
    async fn retrievals_and_searches_do_not_wait_for_each_other() {
        let directory = tempfile::TempDir::new().unwrap();
        let (app, tasks) = (app(&directory), TaskTracker::new());
        let search = occupy(&tasks, &app.scans).await;
        let request = start(&app).await;
        app.retrievals.tasks.close();
        app.retrievals.tasks.wait().await;
        let graph = get_retrieved_traces_graph(&app, request.as_bytes()).await.unwrap();
        let graph: Value = serde_json::from_slice(&graph).unwrap();
        assert_eq!(graph["RetrievalStatus"], "COMPLETE");
        assert_eq!(graph["Services"][0]["Service"]["Name"], "shop");
        drop(search);
    }

    #[tokio::test]
    async fn cancelled_ones_leave_no_tasks_behind() {
        let directory = tempfile::TempDir::new().unwrap();
        let (app, tasks) = (app(&directory), TaskTracker::new());
        let busy = occupy(&tasks, &app.retrieving).await;
        let first = start(&app).await;
        for _ in 0..300 {
            let request = start(&app).await;
            cancel_trace_retrieval(&app, request.as_bytes()).unwrap();
            tokio::task::yield_now().await;
        }
        // The first one waits for its place, and it alone.
        assert!(app.retrievals.tasks.len() <= 2);
        drop(busy);
        app.retrievals.tasks.close();
        app.retrievals.tasks.wait().await;
        let list = list_retrieved_traces(&app, first.as_bytes()).await.unwrap();
        let list: Value = serde_json::from_slice(&list).unwrap();
        assert_eq!(list["RetrievalStatus"], "COMPLETE");
        assert_eq!(list["Traces"][0]["Id"], trace_id(1).to_string());
    }
}
