//! One destination: its address, its signature, its answers.
//!
//! Requests go out over HTTP/1.1 connections that are kept open: an upstream has one server, and a
//! pool for one server is a list. Those whose answer is read whole, batches above all, work their
//! connection themselves ([`direct`]); those whose answer is handed on while it comes go straight
//! through hyper's connection level. The body is never copied on the way to the kernel (or to the
//! cipher).

mod answering;
mod chunks;
mod connect;
mod connection;
mod dialler;
mod direct;
mod failure;
mod no_proxy;
mod origin;
mod pool;
mod resolver;
mod signing;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use roentgen_ops::{Clock, Counter};
use roentgen_sigv4::Payload;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

pub(crate) use self::dialler::{Dialler, Way};
pub(crate) use self::failure::{FailureKind, UpstreamError};
pub(crate) use self::no_proxy::NoProxy;
pub(crate) use self::origin::{AddressFault, Origin, Proxy};
pub(crate) use self::signing::{NoCredentials, SignerFuture, SignerSource, Signing};

use self::connect::Stream;
use self::connection::Connection;
use self::direct::{Direct, Outcome};
use self::pool::Pool;
use self::resolver::Resolver;
use self::signing::Signatures;
use self::tls::Tls;
use crate::settings::Outbound;

/// Most a connection keeps of an answer that nobody reads yet. The head of one is far smaller.
const MOST_BUFFER_BYTES: usize = 64 << 10;

/// One server, how to reach it and who signs.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Nothing until the endpoint is known.
    route: watch::Sender<Option<Arc<Route>>>,
    proxy: Option<Proxy>,
    no_proxy: NoProxy,
    signatures: Signatures,
    resolver: Resolver,
    tls: Tls,
    /// For answers that are read whole.
    direct: Pool<Direct>,
    /// For answers that are handed on.
    handing_on: Pool<Connection>,
    connections: TaskTracker,
    /// What became of the last call.
    reachable: Reachable,
    clock: Arc<dyn Clock>,
}

/// Whether the last call got an answer; nothing before the first.
#[derive(Debug, Default)]
struct Reachable(AtomicU8);

impl Reachable {
    const NO: u8 = 1;
    const YES: u8 = 2;

    fn note(&self, got_answer: bool) {
        self.0.store(if got_answer { Self::YES } else { Self::NO }, Ordering::Relaxed);
    }

    fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::YES => Some(true),
            Self::NO => Some(false),
            _ => None,
        }
    }
}

/// A request, but for what every request to the upstream has: `Host`, `Content-Length` and the
/// signature.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path_and_query: PathAndQuery,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Of the body; made when it is missing and needed.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Of the whole call: waiting for the endpoint, connecting, sending, the answer.
    pub(crate) timeout: Duration,
    /// Whether the request goes out unsigned, with an error line, when it has to be signed and
    /// there are no credentials. Else the call fails.
    pub(crate) unsigned_without_credentials: bool,
    /// Counts when the request had to be sent again, as its connection broke.
    pub(crate) resends: Option<Counter>,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body, or as much of it as was asked for.
    pub(crate) body: Bytes,
}

/// The server and the way there.
#[derive(Debug)]
struct Route {
    origin: Origin,
    host: HeaderValue,
    proxy: Option<Proxy>,
}

impl Upstream {
    /// An upstream whose endpoint is not known yet. Of each kind, at most `connections` are kept open.
    ///
    /// # Errors
    /// When the address of the proxy cannot be read.
    pub(crate) fn new(
        outbound: &Outbound,
        signing: Signing,
        connections: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AddressFault> {
        let proxy = outbound.proxy.as_deref().filter(|proxy| !proxy.is_empty());
        Ok(Self {
            route: watch::Sender::new(None),
            proxy: proxy.map(str::parse).transpose()?,
            no_proxy: NoProxy::parse(outbound.no_proxy.as_deref().unwrap_or_default()),
            signatures: Signatures::new(signing),
            resolver: Resolver::new(),
            tls: Tls::new(outbound.no_verify_ssl),
            direct: Pool::new(connections),
            handing_on: Pool::new(connections),
            connections: TaskTracker::new(),
            reachable: Reachable::default(),
            clock,
        })
    }

    /// Tells where the server is: calls that wait for it go on.
    pub(crate) fn set_endpoint(&self, endpoint: &str) -> Result<(), AddressFault> {
        let origin: Origin = endpoint.parse()?;
        let host = HeaderValue::from_str(&origin.authority);
        // The authority came out of a URI, whose characters all may stand in a header.
        let host = host.unwrap_or_else(|_| HeaderValue::from_static(""));
        let proxy = self.proxy.clone().filter(|_| !self.no_proxy.matches(&origin));
        self.direct.clear();
        self.handing_on.clear();
        self.route.send_replace(Some(Arc::new(Route { origin, host, proxy })));
        Ok(())
    }

    /// Returns when the endpoint is known.
    pub(crate) async fn endpoint_known(&self) {
        self.route().await;
    }

    /// Whether the endpoint is known by now.
    pub(crate) fn is_endpoint_known(&self) -> bool {
        self.route.borrow().is_some()
    }

    /// The address of a path, for messages.
    pub(crate) fn url(&self, path: &str) -> String {
        match &*self.route.borrow() {
            Some(route) => format!("{}{path}", route.origin),
            None => path.to_owned(),
        }
    }

    /// Sends a request and gives the answer as soon as its head is there. Statuses are not errors.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn call(&self, call: Call) -> Result<Response<Incoming>, UpstreamError> {
        let deadline = Instant::now() + call.timeout;
        let answered = timeout_at(deadline, self.hand_on(call)).await;
        let answer = answered.unwrap_or_else(|_| Err(UpstreamError::timeout()));
        self.note(answer.as_ref().ok().map(Response::status));
        answer
    }

    /// Sends a request and gives the whole answer; of its body the first `most_bytes`, or some
    /// more.
    ///
    /// # Errors
    /// When there is no answer, or it does not come to its end in time.
    pub(crate) async fn call_whole(
        &self,
        mut call: Call,
        most_bytes: usize,
    ) -> Result<Answer, UpstreamError> {
        let deadline = Instant::now() + call.timeout;
        let resends = call.resends.take();
        let outcome = match self.exchange(call, most_bytes, deadline, resends.as_ref()).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed { error, was_closed: false, status: None },
        };
        match outcome {
            Outcome::Answered { answer, .. } => {
                self.note(Some(answer.status));
                Ok(answer)
            }
            Outcome::Failed { error, status, .. } => {
                self.note(status);
                Err(error)
            }
        }
    }

    /// Whether the last call got an answer, of whatever status; `None` before the first.
    pub(crate) fn is_reachable(&self) -> Option<bool> {
        self.reachable.get()
    }

    /// Notes whether a call got an answer, and of what status.
    fn note(&self, status: Option<StatusCode>) {
        self.reachable.note(status.is_some());
        if status == Some(StatusCode::FORBIDDEN) {
            self.signatures.refused();
        }
    }

    async fn route(&self) -> Arc<Route> {
        if let Some(route) = &*self.route.borrow() {
            return Arc::clone(route);
        }
        let mut changes = self.route.subscribe();
        let known = changes.wait_for(Option::is_some).await;
        match known.ok().and_then(|route| route.clone()) {
            Some(route) => route,
            // The sending half is ours, so the channel does not end while we wait.
            None => std::future::pending().await,
        }
    }

    /// Sends a request and reads the answer.
    async fn exchange(
        &self,
        call: Call,
        most_bytes: usize,
        deadline: Instant,
        resends: Option<&Counter>,
    ) -> Result<Outcome, UpstreamError> {
        // A future that does not have to wait takes no timer.
        let prepared = timeout_at(deadline, self.prepare(call)).await;
        let (route, request) = prepared.unwrap_or_else(|_| Err(UpstreamError::timeout()))?;
        if let Some(connection) = self.direct.take() {
            let outcome = self.exchange_over(connection, &request, most_bytes, deadline).await;
            // Between two requests a server may close the connection just when we use it. That is
            // no failure of the request: it gets a new connection once.
            if !matches!(outcome, Outcome::Failed { was_closed: true, .. }) {
                return Ok(outcome);
            }
            resends.into_iter().for_each(Counter::increment);
        }
        let opened = timeout_at(deadline, Box::pin(self.connect(&route))).await;
        let stream = opened.unwrap_or_else(|_| Err(UpstreamError::timeout()))?;
        Ok(self.exchange_over(Direct::new(stream), &request, most_bytes, deadline).await)
    }

    async fn exchange_over(
        &self,
        mut connection: Direct,
        request: &Request<Bytes>,
        most_bytes: usize,
        deadline: Instant,
    ) -> Outcome {
        let outcome = connection.exchange(request, most_bytes, deadline).await;
        if matches!(outcome, Outcome::Answered { leaves_open: true, .. }) {
            self.direct.keep(connection);
        }
        outcome
    }

    /// Sends a request, and gives the answer when its head is there.
    async fn hand_on(&self, mut call: Call) -> Result<Response<Incoming>, UpstreamError> {
        let resends = call.resends.take();
        let (route, request) = self.prepare(call).await?;
        let request = request.map(Full::new);
        let request = match self.handing_on.take() {
            None => request,
            Some(mut connection) => {
                let copy = request.clone(); // Of the headers; the body is shared.
                match connection.send(request).await {
                    Ok(answer) => {
                        self.handing_on.keep(connection);
                        return Ok(answer);
                    }
                    Err(mut error) => match error.take_message() {
                        Some(unsent) => unsent,
                        None if was_closed(error.error()) => {
                            resends.iter().for_each(Counter::increment);
                            copy
                        }
                        None => return Err(UpstreamError::http(error.error())),
                    },
                }
            }
        };
        let mut connection = Box::pin(self.open(&route)).await?;
        let answer = connection.send(request).await;
        let answer = answer.map_err(|e| UpstreamError::http(e.error()))?;
        self.handing_on.keep(connection);
        Ok(answer)
    }

    /// The request as it goes out, and where to.
    async fn prepare(&self, call: Call) -> Result<(Arc<Route>, Request<Bytes>), UpstreamError> {
        let route = self.route().await;
        let request = self.request(call, &route).await?;
        Ok((route, request))
    }

    async fn request(&self, call: Call, route: &Route) -> Result<Request<Bytes>, UpstreamError> {
        let mut headers = call.headers;
        headers.insert(HOST, route.host.clone());
        let has_body = !matches!(call.method, Method::GET | Method::HEAD) || !call.body.is_empty();
        if has_body {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        }
        let target = route.path_and_query(call.path_and_query)?;
        let signer = match self.signatures.signer(&route.origin).await {
            Ok(signer) => signer,
            Err(fault) if call.unsigned_without_credentials => {
                tracing::error!("Unable to retrieve credentials: {fault}");
                None
            }
            Err(fault) => {
                return Err(UpstreamError::new(FailureKind::Credentials, fault.to_string()));
            }
        };
        if let Some(signer) = signer {
            let payload = call.sha256.map_or(Payload::Bytes(&call.body), Payload::Sha256);
            let signed = (call.method.as_str(), target.path(), target.query().unwrap_or_default());
            signing::sign(&mut headers, signed, payload, &signer, self.clock.now())?;
        }
        let is_absolute = route.proxy.is_some() && !route.origin.secure;
        let proxy = route.proxy.as_ref().filter(|_| is_absolute);
        if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.as_ref()) {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let mut request = Request::new(call.body);
        *request.method_mut() = call.method;
        *request.headers_mut() = headers;
        *request.uri_mut() = match is_absolute {
            true => route.absolute(target)?,
            false => Uri::from(target),
        };
        Ok(request)
    }

    async fn connect(&self, route: &Route) -> Result<Stream, UpstreamError> {
        let (origin, proxy) = (&route.origin, route.proxy.as_ref());
        connect::connect(origin, proxy, &self.resolver, &self.tls).await
    }

    async fn open(&self, route: &Route) -> Result<Connection, UpstreamError> {
        let stream = self.connect(route).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MOST_BUFFER_BYTES);
        let opened = builder.handshake(TokioIo::new(stream)).await;
        let (requests, connection) = opened.map_err(|e| UpstreamError::http(&e))?;
        let task = self.connections.spawn(async move {
            // Whoever waits for an answer on it hears of it.
            if let Err(error) = connection.await {
                tracing::trace!(%error, "connection to a destination ended");
            }
        });
        Ok(Connection::new(requests, task.abort_handle()))
    }
}

impl Route {
    fn path_and_query(&self, own: PathAndQuery) -> Result<PathAndQuery, UpstreamError> {
        if self.origin.prefix.is_empty() {
            return Ok(own);
        }
        let joined = format!("{}{own}", self.origin.prefix);
        joined.parse().map_err(|e| bad_target(&joined, &e))
    }

    /// The address as a proxy wants it.
    fn absolute(&self, target: PathAndQuery) -> Result<Uri, UpstreamError> {
        let (scheme, authority) = ("http", self.origin.authority.as_str());
        let built = Uri::builder().scheme(scheme).authority(authority).path_and_query(target);
        built.build().map_err(|e| bad_target(authority, &e))
    }
}

fn bad_target(target: &str, fault: &dyn std::fmt::Display) -> UpstreamError {
    UpstreamError::new(FailureKind::Other, format!("address {target:?} cannot be sent: {fault}"))
}

/// Whether the server closed the connection instead of answering.
fn was_closed(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let source = std::error::Error::source(error);
    let broken = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || error.is_canceled()
        || broken.is_some_and(|e| matches!(e.kind(), BrokenPipe | ConnectionReset))
}
