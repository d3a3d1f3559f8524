//! A gateway between raw clients and a destination that follows a script.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use roentgen_ops::{Metrics, SystemClock};
use roentgen_sigv4::{Credentials, Signer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::{Accept, Gateway, Health, HealthReport, Limits, NoRoom, Parts, listen};
use crate::settings::Outbound;
use crate::tally::Tally;
use crate::upstream::{NoCredentials, SignerFuture, SignerSource, Signing, Upstream};

pub(super) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(super) const SECRET_KEY: &str = "SECRET";

/// Long enough for any machine, so that a test that waits in vain ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway and what is around it.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) gateway: Gateway,
    pub(super) address: SocketAddr,
    pub(super) inlet: Arc<Inlet>,
    pub(super) mood: Arc<Mood>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tally: Tally,
}

/// What differs between tests.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) destination: SocketAddr,
    pub(super) sends_everything_on: bool,
    pub(super) limits: Limits,
    pub(super) room: usize,
    pub(super) has_credentials: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        // Nobody can listen on port 0.
        let destination = SocketAddr::from(([127, 0, 0, 1], 0));
        let limits = Limits::default();
        Self { destination, sends_everything_on: false, limits, room: 1_000, has_credentials: true }
    }
}

impl Setting {
    pub(super) fn new(wanted: Wanted) -> Self {
        let metrics = Arc::new(Metrics::default());
        let tally = Tally::new(&metrics);
        let inlet = Arc::new(Inlet { room: wanted.room, documents: Mutex::default() });
        let mood = Arc::new(Mood(Mutex::new(HealthReport {
            is_receiving: true,
            is_upstream_reachable: None,
            queued_documents: 0,
        })));
        let clock = Arc::new(SystemClock);
        let signing = Signing::Always(Arc::new(Keys::new(wanted.has_credentials)));
        let upstream = Upstream::new(&Outbound::default(), signing, 8, clock.clone()).unwrap();
        upstream.set_endpoint(&format!("http://{}", wanted.destination)).unwrap();
        let parts = Parts {
            upstream: Arc::new(upstream),
            accept: inlet.clone(),
            health: mood.clone(),
            metrics: metrics.clone(),
            tally: tally.clone(),
            clock,
        };
        let listener = listen("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let everything = wanted.sends_everything_on;
        let gateway = Gateway::start(listener, parts, everything, wanted.limits).unwrap();
        Self { gateway, address, inlet, mood, metrics, tally }
    }

    /// Waits until so many connections are open.
    pub(super) async fn wait_for_connections(&self, count: i64) {
        let open = self.metrics.gauge("roentgen_daemon_tcp_connections", "", &[]);
        let waiting = async {
            while open.get() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("that many connections");
    }
}

/// Where documents go, as far as there is room.
#[derive(Debug)]
pub(super) struct Inlet {
    room: usize,
    documents: Mutex<Vec<Vec<u8>>>,
}

impl Inlet {
    pub(super) fn documents(&self) -> Vec<String> {
        let documents = self.documents.lock().unwrap();
        documents.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }
}

impl Accept for Inlet {
    fn accept(&self, document: &[u8]) -> Result<(), NoRoom> {
        let mut documents = self.documents.lock().unwrap();
        if documents.len() == self.room {
            return Err(NoRoom);
        }
        documents.push(document.to_vec());
        Ok(())
    }
}

/// How the daemon says it is.
#[derive(Debug)]
pub(super) struct Mood(pub(super) Mutex<HealthReport>);

impl Health for Mood {
    fn health(&self) -> HealthReport {
        *self.0.lock().unwrap()
    }

    fn refresh_metrics(&self) {}
}

/// Who has these credentials, if any.
#[derive(Debug)]
struct Keys(Option<Arc<Signer>>);

impl Keys {
    fn new(are_there: bool) -> Self {
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY).with_session_token("TOKEN");
        let signer = Signer::new(credentials, "us-east-1", "xray");
        Self(are_there.then(|| Arc::new(signer)))
    }
}

impl SignerSource for Keys {
    fn signer(&self) -> SignerFuture<'_> {
        let signer =
            self.0.clone().ok_or_else(|| NoCredentials("no EC2 IMDS role found".to_owned()));
        Box::pin(std::future::ready(signer))
    }
}

/// A destination: takes one call after the other, each over its own connection.
#[derive(Debug)]
pub(super) struct Destination {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

/// A call at the destination.
#[derive(Debug)]
pub(super) struct Call {
    /// The request line and headers in the order and with the names they came with, sorted.
    pub(super) head: Vec<String>,
    pub(super) body: Vec<u8>,
    pub(super) stream: TcpStream,
}

impl Destination {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// What a setting needs to send calls here.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted { destination: self.address, ..Wanted::default() }
    }

    pub(super) async fn next(&self) -> Call {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut read = Vec::new();
        let end = loop {
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "the head broke off");
        };
        let head = String::from_utf8(read[..end].to_vec()).unwrap();
        let mut head: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
        head[1..].sort();
        let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let mut body = read.split_off(end + 4);
        while body.len() < length {
            assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0, "the body broke off");
        }
        Call { head, body, stream }
    }

    /// Takes one call and answers with these bytes.
    pub(super) async fn answer(&self, bytes: &[u8]) -> Call {
        let mut call = self.next().await;
        call.stream.write_all(bytes).await.unwrap();
        call
    }
}
