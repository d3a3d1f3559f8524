//! Replies of the X-Ray API.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use roentgen_protocol::ApiError;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// JSON that was written before.
pub(crate) fn json_reply(status: StatusCode, json: Vec<u8>) -> Response {
    let mut reply = Response::new(Body::from(json));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, JSON);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// An error in the form that AWS clients read: name in a header and in the body.
pub(crate) fn error_reply(error: ApiError) -> Response {
    let name = error.kind.name();
    let status = StatusCode::from_u16(error.kind.status());
    // A body of two strings can be written as JSON.
    let json = serde_json::to_vec(&error.into_body()).unwrap_or_default();
    let mut reply = json_reply(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), json);
    reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(name));
    reply
}
