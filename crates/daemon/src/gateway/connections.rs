//! Connections to the TCP port: accepted up to a bound, each with its time limits, drained at the
//! end.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use roentgen_ops::{Clock, Gauge, HeldBack};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Limits;
use super::routes::Routes;
use super::timed_stream::{Activity, TimedStream};

/// Most bytes of a request's head. Signed requests of AWS clients have some 2 KB.
const HEAD_BYTES: usize = 32 << 10;

/// Most bytes that hyper reads ahead, or holds of a reply.
const BUFFER_BYTES: usize = 64 << 10;

/// When no more than one in so many places is left, connections are closed after each answer:
/// else those that SDKs keep would shut out the SDKs of other processes for good.
const KEPT_WHILE_FREE: usize = 4;

/// How often failed accepts are logged; the line tells how many were held back.
const WARNING_PERIOD: Duration = Duration::from_secs(30);

/// Wait after a failed accept: the process may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The accepting and serving of connections.
#[derive(Debug)]
pub(super) struct Connections {
    drain: CancellationToken,
    cut_off: CancellationToken,
    tasks: TaskTracker,
}

impl Connections {
    /// Starts to accept. Must be called within a tokio runtime.
    pub(super) fn start(
        listener: std::net::TcpListener,
        routes: Arc<Routes>,
        open: Gauge,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener)?;
        let (drain, cut_off) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let places = Arc::new(Semaphore::new(limits.connections));
        let serving = Serving {
            routes,
            open,
            limits,
            places,
            drain: drain.clone(),
            cut_off: cut_off.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(serving.accept(listener, clock));
        tasks.close();
        Ok(Self { drain, cut_off, tasks })
    }

    /// Accepts no more, closes idle connections and lets begun answers end. False when some had
    /// to be cut off at the deadline.
    pub(super) async fn drain(self, deadline: Duration) -> bool {
        self.drain.cancel();
        let in_order = tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok();
        self.cut_off.cancel();
        self.tasks.wait().await; // At their next turn.
        in_order
    }
}

/// What a connection needs.
#[derive(Clone, Debug)]
struct Serving {
    routes: Arc<Routes>,
    open: Gauge,
    limits: Limits,
    places: Arc<Semaphore>,
    drain: CancellationToken,
    cut_off: CancellationToken,
    tasks: TaskTracker,
}

/// A connection counts as open until this is dropped, however it ends.
struct Open {
    gauge: Gauge,
    _place: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.add(-1);
    }
}

impl Serving {
    async fn accept(self, listener: TcpListener, clock: Arc<dyn Clock>) {
        let warnings = HeldBack::new(WARNING_PERIOD);
        loop {
            let next = async {
                let place = Arc::clone(&self.places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                next = next => next,
                () = self.drain.cancelled() => return,
            };
            match (place, accepted) {
                (Ok(place), Ok((stream, peer))) => {
                    self.open.add(1);
                    let open = Open { gauge: self.open.clone(), _place: place };
                    let connection = self.clone().serve(stream, peer.ip().to_canonical(), open);
                    self.tasks.spawn(connection);
                }
                (Err(_), _) => return, // Never: the semaphore is not closed.
                (_, Err(error)) => {
                    if let Some(held_back) = warnings.admit("accept", clock.instant()) {
                        tracing::warn!(%error, held_back, "a connection could not be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream, peer: IpAddr, open: Open) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection may answer late");
        }
        let activity = Activity::default();
        let stream = TimedStream::new(stream, activity.clone(), &self.limits);
        let service = service_fn(|request| self.answer(peer, &activity, request));
        let mut connection = pin!(self.http().serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.drain.cancelled() => {
                activity.end();
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.cut_off.cancelled() => Ok(()),
                }
            }
        };
        if let Err(error) = ended {
            // Clients that hang up, speak no HTTP or are too slow: their affair.
            tracing::debug!(%error, "a connection ended early");
        }
        drop(open);
    }

    fn http(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // For a connection that waits for a request; TimedStream limits the head itself.
            .header_read_timeout(self.limits.idle_timeout)
            .max_header_size(HEAD_BYTES)
            .max_buf_size(BUFFER_BYTES)
            // As the official daemon writes them.
            .title_case_headers(true);
        http
    }

    async fn answer(
        &self,
        peer: IpAddr,
        activity: &Activity,
        request: Request<Incoming>,
    ) -> Result<http::Response<super::reply::ReplyBody>, Infallible> {
        let answering = activity.begin();
        let mut reply = self.routes.answer(peer, request).await;
        let is_crowded = self.places.available_permits().saturating_mul(KEPT_WHILE_FREE)
            < self.limits.connections;
        if is_crowded {
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(reply.map(|body| body.answering(answering)))
    }
}
