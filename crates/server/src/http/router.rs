//! What is answered where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use roentgen_protocol::{ApiError, ErrorKind, Operation};

use super::{BodyBudget, Guard, HttpLimits, assets, error_reply, json_reply, read_body};
use crate::app::App;
use crate::{console_api, metrics, xray};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// What handlers of requests need.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) budget: BodyBudget,
    guard: Guard,
}

/// All routes. Layers below a route hold for it; the last is the outermost.
pub(crate) fn router(app: Arc<App>, guard: Guard, limits: &HttpLimits) -> Router {
    let shared = Shared { app, budget: BodyBudget::new(limits), guard };
    Router::new()
        // For container runtimes and load balancers: says that requests are answered.
        .route("/healthz", get(healthz))
        // For Prometheus.
        .route("/metrics", get(metrics_text))
        // For our own console: what the X-Ray API cannot tell at all, or not at once.
        .nest("/api/v1", console_api::routes())
        // POST: the X-Ray API, for its paths are not under one prefix. GET: the console's files.
        .fallback(operation_or_file)
        // Foreign web pages are turned away before anything is read.
        .layer(from_fn_with_state(shared.clone(), guard_requests))
        // Outermost, so that refusals have an id as well.
        .layer(axum::middleware::map_response(give_request_id))
        .with_state(shared)
}

async fn healthz(State(shared): State<Shared>) -> Response {
    match shared.app.store.status().failure {
        None => "ok\n".into_response(),
        Some(failure) => (StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")).into_response(),
    }
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let text = metrics::render(&shared.app);
    ([(CONTENT_TYPE, content_type)], text).into_response()
}

async fn operation_or_file(State(shared): State<Shared>, request: Request) -> Response {
    match *request.method() {
        Method::POST => {
            let outcome = carry_out(&shared, request).await;
            outcome.unwrap_or_else(|error| {
                shared.app.counters.count_error(error.kind);
                error_reply(error)
            })
        }
        Method::GET | Method::HEAD => assets::serve(request.uri().path(), request.headers()),
        _ => {
            let json = br#"{"Message":"Only GET, HEAD and POST are taken"}"#.to_vec();
            let mut reply = json_reply(StatusCode::METHOD_NOT_ALLOWED, json);
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            reply
        }
    }
}

async fn carry_out(shared: &Shared, request: Request) -> Result<Response, ApiError> {
    let Some(operation) = Operation::from_path(request.uri().path()) else {
        return Err(ApiError::new(ErrorKind::UnknownOperation, unknown_path(request.uri().path())));
    };
    shared.app.counters.count_request(operation);
    let most = xray::max_body_bytes(operation);
    let body = read_body(request.into_body(), most, &shared.budget).await?;
    let json = xray::answer(&shared.app, operation, body.bytes.clone()).await?;
    Ok(json_reply(StatusCode::OK, json))
}

/// What to say of a path that no operation has; other tracers are sent here as well.
fn unknown_path(path: &str) -> &'static str {
    match path {
        "/v1/traces" => "OTLP is not available in this version; send X-Ray segments",
        "/api/v2/spans" => "Zipkin's format is not known here; send X-Ray segments",
        _ => {
            "There is no operation of X-Ray at this path; the endpoint is the server's address \
             without a path"
        }
    }
}

async fn guard_requests(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    match shared.guard.check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            shared.app.counters.count_error(ErrorKind::AccessDenied);
            error_reply(ApiError::new(ErrorKind::AccessDenied, refusal.to_string()))
        }
    }
}

/// Every reply has an id of its own, in the form of AWS's: a random UUID.
async fn give_request_id(mut reply: Response) -> Response {
    let bits =
        rand::random::<u128>() & !(0xf000 << 64) & !(0xc000 << 48) | 0x4000 << 64 | 0x8000 << 48;
    let digits = format!("{bits:032x}");
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
    if let Ok(id) = HeaderValue::from_str(&parts.join("-")) {
        reply.headers_mut().insert(REQUEST_ID, id);
    }
    reply
}
