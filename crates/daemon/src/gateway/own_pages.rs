//! What the daemon tells about itself: `/healthz` for container runtimes, `/metrics` for
//! Prometheus.

use http::{HeaderValue, Response, StatusCode};
use roentgen_ops::Metrics;
use serde::Serialize;

use super::HealthReport;
use super::reply::{ReplyBody, json_reply, reply};

const PROMETHEUS_TEXT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The page on health.
#[derive(Debug, Serialize)]
struct HealthPage {
    status: &'static str,
    upstream: &'static str,
    queued_documents: u64,
}

/// 200 as long as the daemon receives. A destination that is down is told, but is no reason to
/// start the daemon again: that would lose what waits in memory and not bring the destination back.
pub(super) fn health_page(health: HealthReport) -> Response<ReplyBody> {
    let (status, word) = match health.is_receiving {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not receiving"),
    };
    let upstream = match health.is_upstream_reachable {
        Some(true) => "reachable",
        Some(false) => "unreachable",
        None => "unknown",
    };
    let page = HealthPage { status: word, upstream, queued_documents: health.queued_documents };
    // Two words and a number can always be written as JSON.
    json_reply(status, serde_json::to_vec(&page).unwrap_or_default())
}

/// All counters and gauges.
pub(super) fn metrics_page(metrics: &Metrics) -> Response<ReplyBody> {
    reply(StatusCode::OK, PROMETHEUS_TEXT, metrics.render())
}
