//! TCP connections: accepted up to a bound, each with its time limits, drained at the end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use roentgen_ops::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::HttpLimits;

/// How long sent bytes may stay unacknowledged: a client that does not read its reply is cut off.
#[cfg(target_os = "linux")]
const UNREAD_REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// Most bytes of a request's head. Signed requests of AWS clients have some 2 KB.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Most bytes that are read ahead of what a request needs.
const READ_AHEAD_BYTES: usize = 128 << 10;

/// Wait after a failed accept: the process may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The accepting and serving of connections.
#[derive(Debug)]
pub(crate) struct Connections {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Connections {
    /// Starts to accept. Must be called within a tokio runtime.
    pub(crate) fn start(
        listener: std::net::TcpListener,
        router: Router,
        open: Gauge,
        limits: HttpLimits,
    ) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let accepting = accept(listener, router, open, limits, stop.clone(), tasks.clone());
        tasks.spawn(accepting);
        tasks.close();
        Ok(Self { stop, tasks })
    }

    /// Accepts no more, lets requests that have begun end, and closes idle connections. False
    /// when some were still running at the deadline.
    pub(crate) async fn drain(self, deadline: Duration) -> bool {
        self.stop.cancel();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    open: Gauge,
    limits: HttpLimits,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(READ_AHEAD_BYTES);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        limit(&stream);
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            router.clone().oneshot(request.map(Body::new))
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        let open = open.clone();
        tasks.spawn(async move {
            open.add(1);
            if let Err(error) = connection.await {
                // Clients that hang up, speak no HTTP or are too slow: their affair.
                tracing::debug!(%error, "a connection ended early");
            }
            open.add(-1);
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn limit(stream: &TcpStream) {
    let limited = stream.set_nodelay(true).and_then(|()| limit_unread_reply(stream));
    if let Err(error) = limited {
        tracing::debug!(%error, "a connection keeps the system's limits");
    }
}

#[cfg(target_os = "linux")]
fn limit_unread_reply(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD_REPLY_TIMEOUT))
}

/// Elsewhere there is no such limit; only Linux is meant for more than a developer's own machine.
#[cfg(not(target_os = "linux"))]
fn limit_unread_reply(_: &TcpStream) -> io::Result<()> {
    Ok(())
}
