//! What is answered where.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use roentgen_ops::{Counter, HeldBack};
use roentgen_protocol::{ApiError, ErrorKind, Operation};

use super::body::BodyReader;
use super::documents::Documents;
use super::forwarding::Forwarding;
use super::guard::Guard;
use super::own_pages::{health_page, metrics_page};
use super::reply::{ReplyBody, error_reply};
use super::{Limits, Parts};

/// How often refused requests are logged; the line tells how many were held back.
const WARNING_PERIOD: Duration = Duration::from_secs(60);

/// What clients of an unknown path are told.
const NOT_SENT_ON: &str = "The daemon sends on only what SDKs need of it: GetSamplingRules, \
    GetSamplingTargets, PutTelemetryRecords (and it takes PutTraceSegments itself). Start it with \
    --proxy-paths all to have every call signed with its credentials and sent on";

/// All that a request may need.
#[derive(Debug)]
pub(super) struct Routes {
    parts: Parts,
    guard: Guard,
    sends_everything_on: bool,
    bodies: BodyReader,
    forwarding: Forwarding,
    documents: Documents,
    requests: Requests,
    warnings: HeldBack,
}

/// Where a request belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Health,
    Metrics,
    Documents,
    SentOn,
    Refused,
}

/// Requests so far, by what became of them.
#[derive(Debug)]
struct Requests {
    own_pages: Counter,
    documents: Counter,
    sent_on: Counter,
    refused: Counter,
}

impl Requests {
    fn new(parts: &Parts) -> Self {
        let counter = |route| {
            let help = "Requests to the TCP port, by route.";
            let labels = [("route", route)];
            parts.metrics.counter("roentgen_daemon_tcp_requests_total", help, &labels)
        };
        Self {
            own_pages: counter("own_pages"),
            documents: counter("documents"),
            sent_on: counter("sent_on"),
            refused: counter("refused"),
        }
    }
}

impl Routes {
    pub(super) fn new(
        parts: Parts,
        address: SocketAddr,
        sends_everything_on: bool,
        limits: Limits,
    ) -> Self {
        Self {
            guard: Guard::new(address),
            sends_everything_on,
            bodies: BodyReader::new(&limits),
            forwarding: Forwarding::new(&limits),
            documents: Documents::new(&limits),
            requests: Requests::new(&parts),
            warnings: HeldBack::new(WARNING_PERIOD),
            parts,
        }
    }

    /// Answers a request, whatever it is.
    pub(super) async fn answer(
        &self,
        peer: IpAddr,
        request: Request<Incoming>,
    ) -> Response<ReplyBody> {
        let route = route(request.method(), request.uri().path(), self.sends_everything_on);
        let is_own_page = matches!(route, Route::Health | Route::Metrics);
        if !is_own_page {
            tracing::debug!("Received request on HTTP Proxy server : {}", request.uri());
        }
        let guarded = self.guard.check(request.method(), request.headers(), is_own_page);
        let outcome = match (guarded, route) {
            (Err(refusal), _) => Err(self.refuse(&request, "guard", &refusal.to_string())),
            (Ok(()), Route::Refused) => Err(self.refuse(&request, "path", NOT_SENT_ON)),
            (Ok(()), Route::Health) => {
                self.requests.own_pages.increment();
                Ok(health_page(self.parts.health.health()))
            }
            (Ok(()), Route::Metrics) => {
                self.requests.own_pages.increment();
                self.parts.health.refresh_metrics();
                Ok(metrics_page(&self.parts.metrics))
            }
            (Ok(()), Route::Documents) => {
                self.requests.documents.increment();
                self.documents.take(&self.parts, &self.bodies, request.into_body()).await
            }
            (Ok(()), Route::SentOn) => {
                self.requests.sent_on.increment();
                self.forwarding.forward(&self.parts, &self.bodies, peer, request).await
            }
        };
        outcome.unwrap_or_else(error_reply)
    }

    fn refuse(&self, request: &Request<Incoming>, kind: &'static str, message: &str) -> ApiError {
        self.requests.refused.increment();
        if let Some(held_back) = self.warnings.admit(kind, self.parts.clock.instant()) {
            let (method, path) = (request.method(), request.uri().path());
            tracing::warn!(%method, path, held_back, "request on the TCP port refused: {message}");
        }
        ApiError::new(ErrorKind::AccessDenied, message)
    }
}

/// Where a request belongs. Documents are taken here even when everything is sent on, so that they
/// reach all destinations and survive an outage of one.
fn route(method: &Method, path: &str, sends_everything_on: bool) -> Route {
    let is_read = method == Method::GET || method == Method::HEAD;
    match path {
        "/healthz" if is_read => return Route::Health,
        "/metrics" if is_read => return Route::Metrics,
        _ => {}
    }
    let operation = (method == Method::POST).then(|| Operation::from_path(path)).flatten();
    match operation {
        Some(Operation::PutTraceSegments) => Route::Documents,
        // The last is what daemons and collectors send whose destination is this daemon.
        Some(
            Operation::GetSamplingRules
            | Operation::GetSamplingTargets
            | Operation::PutTelemetryRecords,
        ) => Route::SentOn,
        _ if sends_everything_on => Route::SentOn,
        _ => Route::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_requests_belong() {
        let check = |method: Method, path: &str, by_default: Route, with_all: Route| {
            assert_eq!(route(&method, path, false), by_default, "{method} {path}");
            assert_eq!(route(&method, path, true), with_all, "{method} {path}");
        };
        let (get, post) = (Method::GET, Method::POST);
        check(get.clone(), "/healthz", Route::Health, Route::Health);
        check(Method::HEAD, "/healthz", Route::Health, Route::Health);
        check(post.clone(), "/healthz", Route::Refused, Route::SentOn);
        check(get.clone(), "/metrics", Route::Metrics, Route::Metrics);
        check(Method::OPTIONS, "/metrics", Route::Refused, Route::SentOn);
        check(post.clone(), "/GetSamplingRules", Route::SentOn, Route::SentOn);
        check(post.clone(), "/GetSamplingRules/", Route::SentOn, Route::SentOn);
        check(post.clone(), "/SamplingTargets", Route::SentOn, Route::SentOn);
        check(post.clone(), "/TelemetryRecords", Route::SentOn, Route::SentOn);
        check(get.clone(), "/GetSamplingRules", Route::Refused, Route::SentOn);
        check(post.clone(), "/getsamplingrules", Route::Refused, Route::SentOn);
        check(post.clone(), "/GetSamplingRules/../Traces", Route::Refused, Route::SentOn);
        check(post.clone(), "//GetSamplingRules", Route::Refused, Route::SentOn);
        check(post.clone(), "/%47etSamplingRules", Route::Refused, Route::SentOn);
        check(post.clone(), "/TraceSegments", Route::Documents, Route::Documents);
        check(get.clone(), "/TraceSegments", Route::Refused, Route::SentOn);
        check(Method::CONNECT, "", Route::Refused, Route::SentOn);
        for operation in Operation::ALL {
            let expect = match operation {
                Operation::PutTraceSegments => continue,
                Operation::GetSamplingRules
                | Operation::GetSamplingTargets
                | Operation::PutTelemetryRecords => Route::SentOn,
                _ => Route::Refused,
            };
            check(post.clone(), operation.path(), expect, Route::SentOn);
        }
        check(get, "/anything", Route::Refused, Route::SentOn);
        check(Method::DELETE, "/foo", Route::Refused, Route::SentOn);
        check(post, "", Route::Refused, Route::SentOn);
    }
}
