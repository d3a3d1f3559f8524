//! A server that answers as a test says and remembers what it was asked, and a log to look at.

use std::io;
use std::sync::{Arc, Mutex};

use ::http::{HeaderMap, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// As on the request line.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `PUT /latest/api/token`
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// Status and body; `None` never answers.
pub(super) type Answer = Option<(u16, String)>;

pub(super) fn ok(body: impl Into<String>) -> Answer {
    Some((200, body.into()))
}

pub(super) struct Fake {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Ends the server when dropped.
    _server: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::new(answer), Arc::clone(&asked)));
        Self { address, asked, _server: server }
    }

    /// Takes connections and requests, and never says a word.
    pub(super) async fn black_hole() -> Self {
        Self::start(|_| None).await
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

async fn serve(
    listener: TcpListener,
    answer: Arc<impl Fn(&Asked) -> Answer + Send + Sync + 'static>,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
        let service = service_fn(move |request: ::http::Request<Incoming>| {
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let request = Asked {
                    method: head.method.to_string(),
                    target: head.uri.to_string(),
                    headers: head.headers,
                    body: String::from_utf8(body.into()).unwrap(),
                };
                let reply = answer(&request);
                asked.lock().unwrap().push(request);
                match reply {
                    None => std::future::pending().await,
                    Some((status, body)) => {
                        // IMDS says with each token how long it is good for; others do not mind.
                        let response = Response::builder()
                            .status(status)
                            .header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
                        let response = response.body(Full::new(Bytes::from(body))).unwrap();
                        Ok::<_, hyper::Error>(response)
                    }
                }
            }
        });
        connections.spawn(async move {
            // A client that gives up is what some tests are about.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// What this thread logs from now on, one `LEVEL message` per line.
pub(super) struct Log {
    lines: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Log {
    pub(super) fn capture() -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("roentgen_daemon=debug"))
            .with_writer(move || Writer(Arc::clone(&writer)))
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .finish();
        crate::captured_log::hear_every_thread();
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.lines.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
