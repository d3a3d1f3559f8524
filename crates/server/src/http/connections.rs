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
use roentgen_ops::{Clock, Gauge, HeldBack};
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

/// How often failed accepts are logged; the line tells how many were held back.
const WARNING_PERIOD: Duration = Duration::from_secs(30);

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
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let listener = TcpListener::from_std(listener)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let accepting = Accepting { listener, router, open, limits, clock };
        tasks.spawn(accepting.run(stop.clone(), tasks.clone()));
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

/// What accepting needs.
struct Accepting {
    listener: TcpListener,
    router: Router,
    open: Gauge,
    limits: HttpLimits,
    clock: Arc<dyn Clock>,
}

/// A connection counts as open until this is dropped, however it ends.
struct Open(Gauge);

impl Open {
    fn count(gauge: &Gauge) -> Self {
        gauge.add(1);
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

impl Accepting {
    async fn run(self, stop: CancellationToken, tasks: TaskTracker) {
        let Self { listener, router, open, limits, clock } = self;
        let warnings = HeldBack::new(WARNING_PERIOD);
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
                    if let Some(held_back) = warnings.admit("accept", clock.instant()) {
                        tracing::warn!(%error, held_back, "a connection could not be accepted");
                    }
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
            let open = Open::count(&open);
            tasks.spawn(async move {
                if let Err(error) = connection.await {
                    // Clients that hang up, speak no HTTP or are too slow: their affair.
                    tracing::debug!(%error, "a connection ended early");
                }
                drop((open, place));
            });
        }
        drop(listener);
        graceful.shutdown().await;
    }
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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::SocketAddr;

    use axum::routing::get;
    use roentgen_ops::SystemClock;

    use super::*;

    fn ask(address: SocketAddr) -> Vec<u8> {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn connections_that_end_in_a_panic_are_not_open_for_ever() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router =
            Router::new().route("/", get(async || -> &'static str { panic!("on purpose") }));
        let open = Gauge::default();
        let (limits, clock) = (HttpLimits::default(), Arc::new(SystemClock));
        let connections =
            Connections::start(listener, router, open.clone(), limits, clock).unwrap();
        let answer = tokio::task::spawn_blocking(move || ask(address)).await.unwrap();
        assert!(answer.is_empty(), "{answer:?}");
        assert!(connections.drain(Duration::from_secs(20)).await);
        assert_eq!(open.get(), 0);
    }
}
