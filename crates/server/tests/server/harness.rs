//! A server on a free port with a data directory of its own, and a small HTTP client.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use roentgen_ops::{Clock as _, SystemClock};
use roentgen_server::{Config, HttpLimits, ServeArgs, Server};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long a test waits for what must happen; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. Dropping it ends it without order, as a crash of its threads would.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    directory: TempDir,
    server: Option<Server>,
    runtime: Runtime,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::start_with(HttpLimits::default())
    }

    pub(crate) fn start_with(limits: HttpLimits) -> Self {
        Self::start_in(TempDir::new().unwrap(), limits)
    }

    fn start_in(directory: TempDir, limits: HttpLimits) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let config = Config { http_limits: limits, ..config(directory.path()) };
        let server = {
            let _inside = runtime.enter();
            Server::start(&config, Arc::new(SystemClock)).unwrap()
        };
        Self { address: server.address(), directory, server: Some(server), runtime }
    }

    /// Stops in order; true when nothing had to be cut off.
    pub(crate) fn stop(mut self) -> (TempDir, bool) {
        let server = self.server.take().unwrap();
        let drained = self.runtime.block_on(server.stop(PATIENCE));
        (self.directory, drained)
    }

    /// Stops in order and starts again on the same data, elsewhere.
    pub(crate) fn restart(self) -> Self {
        let (directory, drained) = self.stop();
        assert!(drained);
        Self::start_in(directory, HttpLimits::default())
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Posts JSON as an SDK does.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        let headers = [("Content-Type", "application/json")];
        self.send("POST", path, &headers, body.to_string().as_bytes())
    }

    /// Posts JSON and expects 200 and JSON.
    pub(crate) fn ask(&self, path: &str, body: &Value) -> Value {
        let reply = self.post(path, body);
        assert_eq!(reply.status, 200, "{path} {}", reply.text());
        reply.json()
    }

    /// Posts JSON and expects an error; gives its message.
    pub(crate) fn refused(&self, path: &str, body: &Value, status: u16, name: &str) -> String {
        let reply = self.post(path, body);
        reply.assert_error(status, name)
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        let mut stream = self.connect();
        // A server that refuses early closes while we still send; its answer is what counts.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
        Reply::read(stream)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn send_datagram(&self, datagram: &[u8]) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(socket.send_to(datagram, self.address).unwrap(), datagram.len());
    }

    /// The value of one series of `/metrics`.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series} in\n{text}")).parse().unwrap()
    }

    /// Asks again and again until the answer is there.
    pub(crate) fn wait_for<T>(&self, what: &str, mut answer: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = SystemClock.instant() + PATIENCE;
        loop {
            if let Some(answer) = answer(self) {
                return answer;
            }
            assert!(SystemClock.instant() < deadline, "waited in vain for {what}");
            std::thread::yield_now();
        }
    }
}

/// A configuration for a data directory and a free port.
pub(crate) fn config(directory: &Path) -> Config {
    let args = ServeArgs {
        bind: Some("127.0.0.1:0".to_owned()),
        data_dir: Some(directory.display().to_string()),
        ..ServeArgs::default()
    };
    Config::gather(&args, &BTreeMap::new()).unwrap()
}

/// Epoch seconds now.
pub(crate) fn now() -> f64 {
    let since = SystemClock.now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

impl Reply {
    /// Reads a reply to the end of its connection.
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        // A reset after the reply, as early refusals bring it, ends the reply as well.
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..length]);
        }
        Self::parse(&bytes).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&bytes)))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_ascii_lowercase(), value.to_owned()))
            })
            .collect::<Option<_>>()?;
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Checks that this is an error as AWS clients read it; gives its message.
    pub(crate) fn assert_error(&self, status: u16, name: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("x-amzn-errortype"), Some(name));
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(body["__type"], name);
        body["Message"].as_str().unwrap().to_owned()
    }
}
