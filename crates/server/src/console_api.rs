//! Our own API for the console, at `/api/v1`: what the X-Ray API cannot tell, or only with many
//! requests. Times are epoch seconds, durations seconds, names camelCase.

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use roentgen_model::{ServiceId, TraceId};
use roentgen_protocol::{ApiError, ErrorKind};
use roentgen_store::TraceDocuments;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::http::{BudgetedBody, Shared, json_reply, read_body};
use crate::json;
use crate::xray::store_failure;

mod search;
mod status;
mod trace;

/// Largest body of a search.
const MAX_BODY_BYTES: usize = 64 << 10;

/// The routes below `/api/v1`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/status", get(get_status))
        .route("/sample-traffic", post(start_sample_traffic))
        .route("/traces/search", post(search_traces))
        .route("/traces/{id}", get(get_trace))
        .route("/traces/{id}/segments/{segment_id}", get(get_segment))
        .route("/traces/{id}/raw", get(get_raw_trace))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
}

/// A failure as the console reads it.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    message: String,
}

type Answer = Result<Response, Failure>;

/// Parts of a path, or why they cannot be read: percent signs may hide what is no text.
type PathOf<T> = Result<Path<T>, PathRejection>;

/// A node as the console names it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct NodeRef {
    name: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

async fn unknown() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "There is nothing at this path")
}

async fn wrong_method() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "This path does not take this method")
}

async fn get_status(State(shared): State<Shared>) -> Answer {
    answer(StatusCode::OK, &status::Status::of(&shared.app))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SampleTrafficStarted {
    ends_at: f64,
}

async fn start_sample_traffic(State(shared): State<Shared>, request: Request) -> Answer {
    read_json_body(&shared, request).await?;
    let app = &shared.app;
    let ends_at = app
        .sample_traffic
        .start(app.now())
        .map_err(|error| Failure::new(StatusCode::CONFLICT, error.to_string()))?;
    answer(StatusCode::ACCEPTED, &SampleTrafficStarted { ends_at: ends_at.as_seconds() })
}

async fn search_traces(State(shared): State<Shared>, request: Request) -> Answer {
    let body = read_json_body(&shared, request).await?;
    let search = search::Search::read(&body.bytes, &shared.app.groups.get())?;
    let store = std::sync::Arc::clone(&shared.app.store);
    let json = shared.app.scans.run(move || search.run(&*store)).await?;
    Ok(json_reply(StatusCode::OK, json))
}

async fn get_trace(State(shared): State<Shared>, path: PathOf<String>) -> Answer {
    let Path(id) = path?;
    let json = with_trace(&shared.app, &id, trace::rows).await?;
    Ok(json_reply(StatusCode::OK, json))
}

async fn get_segment(State(shared): State<Shared>, path: PathOf<(String, String)>) -> Answer {
    let Path((id, segment_id)) = path?;
    let json =
        with_trace(&shared.app, &id, move |trace| trace::segment(trace, &segment_id)).await?;
    Ok(json_reply(StatusCode::OK, json))
}

async fn get_raw_trace(State(shared): State<Shared>, path: PathOf<String>) -> Answer {
    let Path(id) = path?;
    let json = with_documents(&shared.app, &id, |documents| {
        let trace = documents.assemble().ok_or_else(unknown_trace)?;
        trace::raw(&trace, &documents.documents)
    })
    .await?;
    Ok(json_reply(StatusCode::OK, json))
}

/// Runs work on a trace, off the async threads.
async fn with_trace<F>(app: &App, id: &str, work: F) -> Result<Vec<u8>, Failure>
where
    F: FnOnce(&roentgen_model::Trace<'_>) -> Result<Vec<u8>, ApiError> + Send + 'static,
{
    with_documents(app, id, |documents| work(&documents.assemble().ok_or_else(unknown_trace)?))
        .await
}

/// Runs work on the documents of a trace, off the async threads.
async fn with_documents<F>(app: &App, id: &str, work: F) -> Result<Vec<u8>, Failure>
where
    F: FnOnce(&TraceDocuments) -> Result<Vec<u8>, ApiError> + Send + 'static,
{
    let id: TraceId =
        id.parse().map_err(|_| not_found("There is no trace of this id; it is not a trace id"))?;
    let store = std::sync::Arc::clone(&app.store);
    let json = app.pool.run(move || {
        let documents = store.documents(id).map_err(|error| store_failure(&error))?;
        work(&documents.ok_or_else(unknown_trace)?)
    });
    Ok(json.await?)
}

fn unknown_trace() -> ApiError {
    not_found("There is no trace of this id")
}

fn not_found(message: &str) -> ApiError {
    ApiError::new(ErrorKind::ResourceNotFound, message)
}

/// The body of a request that says it is JSON. Saying so is what a foreign page cannot do without
/// asking the server first.
async fn read_json_body(shared: &Shared, request: Request) -> Result<BudgetedBody, Failure> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|value| {
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    });
    if !is_json {
        let message = "The content type must be application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(read_body(request.into_body(), MAX_BODY_BYTES, &shared.budget).await?)
}

fn answer<T: Serialize>(status: StatusCode, body: &T) -> Answer {
    Ok(json_reply(status, json::write(body)?))
}

impl Failure {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let status = StatusCode::from_u16(error.kind.status());
        Self::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error.message)
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> Response {
        let json = serde_json::json!({ "Message": self.message });
        json_reply(self.status, json.to_string().into_bytes())
    }
}

impl From<&ServiceId> for NodeRef {
    fn from(id: &ServiceId) -> Self {
        Self { name: id.name.to_string(), kind: id.kind.as_deref().map(str::to_owned) }
    }
}

impl NodeRef {
    /// Whether this names the node. Without a type any node of the name is meant.
    fn names(&self, id: &ServiceId) -> bool {
        *self.name == *id.name
            && self.kind.as_deref().is_none_or(|kind| id.kind.as_deref() == Some(kind))
    }
}

/// What `/api/v1/status` answers.
#[cfg(test)]
pub(crate) fn status_json(app: &App) -> serde_json::Value {
    serde_json::to_value(status::Status::of(app)).unwrap()
}
