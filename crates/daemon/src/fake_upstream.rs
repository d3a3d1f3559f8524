//! A server on loopback that stands in for a destination in tests: it answers as the test says and
//! keeps what it was sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, headers and body.
    Now(u16, Vec<(&'static str, &'static str)>, String),
    /// Never.
    Silence,
    /// After the test lets it.
    Held,
    /// The connection is closed instead.
    HangUp,
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct FakeUpstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// The next answers; then `usual`.
    script: Mutex<VecDeque<Reply>>,
    usual: Mutex<Reply>,
    /// The answer to requests with this body, before all others.
    disliked: Mutex<Option<(Bytes, Reply)>>,
    connections: AtomicUsize,
    /// Requests at the same time, now and at most.
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    changed: Notify,
    let_go: Notify,
    has_ended: Notify,
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Now(200, Vec::new(), r#"{"UnprocessedTraceSegments":[]}"#.to_owned())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Now(status, Vec::new(), r#"{"message":"internal"}"#.to_owned())
    }

    pub(crate) fn body(status: u16, body: &str) -> Self {
        Self::Now(status, Vec::new(), body.to_owned())
    }
}

impl FakeUpstream {
    /// Answers every request with success.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_tls(acceptor: TlsAcceptor) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), Some(acceptor)).await
    }

    pub(crate) async fn start_at(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            script: Mutex::default(),
            usual: Mutex::new(Reply::ok()),
            disliked: Mutex::default(),
            connections: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            changed: Notify::new(),
            let_go: Notify::new(),
            has_ended: Notify::new(),
        });
        let listening = spawn(listen(listener, tls, Arc::clone(&shared)));
        Self { address, shared, listening }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers all further requests so, after those of [`FakeUpstream::script`].
    pub(crate) fn always(&self, reply: Reply) {
        *self.shared.usual.lock().unwrap() = reply;
    }

    /// Answers the next requests so.
    pub(crate) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.script.lock().unwrap().extend(replies);
    }

    /// Answers requests with this body so, whatever the others get.
    pub(crate) fn dislike(&self, body: Bytes, reply: Reply) {
        *self.shared.disliked.lock().unwrap() = Some((body, reply));
    }

    /// Answers all requests that are held.
    pub(crate) fn let_go(&self) {
        self.shared.let_go.notify_waiters();
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many requests there were at the same time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::Relaxed)
    }

    /// Forgets how many requests there were at the same time.
    pub(crate) fn forget_most_at_once(&self) {
        self.shared.most_at_once.store(0, Ordering::Relaxed);
    }

    /// Waits for so many requests, and gives them all.
    pub(crate) async fn wait_for(&self, requests: usize) -> Vec<Seen> {
        let enough = async {
            loop {
                let changed = self.shared.changed.notified();
                if self.seen().len() >= requests {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), enough).await;
        assert!(waited.is_ok(), "{} of {requests} requests came", self.seen().len());
        self.seen()
    }

    /// Closes the port and all connections.
    pub(crate) async fn stop(mut self) {
        self.listening.abort();
        let _ = (&mut self.listening).await;
        self.shared.has_ended.notify_waiters();
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.listening.abort();
        self.shared.has_ended.notify_waiters();
    }
}

async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        spawn(async move {
            match tls {
                None => serve(stream, shared).await,
                // A client that does not trust us ends the handshake.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(request, &shared));
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = served => {} // Clients may close whenever they want.
        () = shared.has_ended.notified() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, HungUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let seen = Seen { method: head.method, uri: head.uri, headers: head.headers, body };
    let now = shared.at_once.fetch_add(1, Ordering::Relaxed) + 1;
    let _one_less = OneLess(&shared.at_once);
    shared.most_at_once.fetch_max(now, Ordering::Relaxed);
    let let_go = shared.let_go.notified();
    let disliked = shared.disliked.lock().unwrap().clone();
    let refusal = disliked.filter(|(body, _)| *body == seen.body).map(|(_, reply)| reply);
    shared.seen.lock().unwrap().push(seen);
    let scripted = || shared.script.lock().unwrap().pop_front();
    let usual = || shared.usual.lock().unwrap().clone();
    let reply = refusal.or_else(scripted).unwrap_or_else(usual);
    shared.changed.notify_waiters();
    let reply = match reply {
        Reply::Held => {
            let_go.await;
            Reply::ok()
        }
        reply => reply,
    };
    match reply {
        Reply::Now(status, headers, body) => {
            let mut response = Response::new(Full::from(body));
            *response.status_mut() = status.try_into().unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            Ok(response)
        }
        Reply::Silence | Reply::Held => std::future::pending().await,
        Reply::HangUp => Err(HungUp),
    }
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

struct OneLess<'a>(&'a AtomicUsize);

impl Drop for OneLess<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A proxy that makes tunnels for CONNECT and nothing else. Gives its address and the heads of the
/// requests it gets.
pub(crate) async fn start_tunnel_proxy(
    answer: &'static str,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            spawn(async move {
                let _ = tunnel(stream, answer, &kept).await; // Clients may close.
            });
        }
    });
    (address, heads)
}

async fn tunnel(
    mut client: TcpStream,
    answer: &str,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    heads.lock().unwrap().push(head);
    client.write_all(answer.as_bytes()).await?;
    let mut server = TcpStream::connect(target).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}
