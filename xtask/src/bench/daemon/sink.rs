//! What daemons send to: as little of an HTTP server as measures them, so that it never is the
//! bottleneck. One thread for each connection; requests of a known length on kept connections.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use crate::bench::json::{list, text};
use crate::stopwatch::Stopwatch;

/// What a body of PutTraceSegments begins with, up to the first document's quote.
const BODY_HEAD: &[u8] = br#"{"TraceSegmentDocuments":["#;

/// Largest body taken: fifty documents of the largest size, escaped.
const BODY_LIMIT: usize = 16 << 20;

/// Ten years of a container's credentials, which no run outlives.
const CREDENTIALS: &str = r#"{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"SECRET","Token":"TOKEN","Expiration":"2099-01-01T00:00:00Z"}"#;

/// How many documents are looked at, and how closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Counted.
    Count,
    /// Parsed, and told apart by their ids.
    Identify,
}

/// A server on a port of the loopback.
#[derive(Debug)]
pub(super) struct Sink {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: Option<JoinHandle<()>>,
}

/// What came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Documents, those that came again included.
    pub(super) documents: u64,
    pub(super) requests: u64,
}

#[derive(Debug)]
struct Shared {
    look: Look,
    documents: AtomicU64,
    requests: AtomicU64,
    /// Batches without a signature.
    unsigned: AtomicU64,
    is_down: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    ids: Mutex<HashSet<u64>>,
    /// The first thing that was wrong with a request.
    fault: Mutex<Option<String>>,
}

impl Sink {
    pub(super) fn start(look: Look) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            look,
            documents: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            unsigned: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            connections: Mutex::default(),
            ids: Mutex::default(),
            fault: Mutex::default(),
        });
        let listening = Some(listen(listener, &shared));
        Ok(Self { shared, address, listening })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            documents: self.shared.documents.load(Ordering::Relaxed),
            requests: self.shared.requests.load(Ordering::Relaxed),
        }
    }

    /// Batches that were not signed.
    pub(super) fn unsigned(&self) -> u64 {
        self.shared.unsigned.load(Ordering::Relaxed)
    }

    /// How many documents came, each counted once, of a sink that tells them apart.
    pub(super) fn distinct(&self) -> u64 {
        lock(&self.shared.ids).len() as u64
    }

    /// The smallest id that came, of a sink that tells documents apart.
    pub(super) fn smallest_id(&self) -> Option<u64> {
        lock(&self.shared.ids).iter().min().copied()
    }

    /// Refuses connections from now on, and breaks those there are.
    pub(super) fn go_down(&mut self) -> anyhow::Result<()> {
        self.shared.is_down.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; whether it still listens does not matter.
        drop(TcpStream::connect(self.address));
        if let Some(listening) = self.listening.take() {
            listening.join().map_err(|_| anyhow!("the sink panicked"))?;
        }
        for connection in lock(&self.shared.connections).drain(..) {
            // A connection that the daemon has closed is as good as broken.
            let _closed = connection.shutdown(Shutdown::Both);
        }
        Ok(())
    }

    /// Listens again, on the same port.
    pub(super) fn come_up(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind(self.address).context("listen again")?;
        self.shared.is_down.store(false, Ordering::SeqCst);
        self.listening = Some(listen(listener, &self.shared));
        Ok(())
    }

    /// Waits until `expected` documents have come, or none has for `quiet`.
    pub(super) fn drained(&self, expected: u64, quiet: Duration) -> anyhow::Result<Counts> {
        let mut last = self.counts();
        let mut since_change = Stopwatch::start();
        while last.documents < expected && since_change.elapsed() < quiet {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.counts();
            if now != last {
                (last, since_change) = (now, Stopwatch::start());
            }
        }
        match lock(&self.shared.fault).take() {
            Some(fault) => bail!("the sink: {fault}"),
            None => Ok(last),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Nothing can be done about a thread that has panicked.
        let _down = self.go_down();
    }
}

fn listen(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if shared.is_down.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            if let Ok(copy) = stream.try_clone() {
                lock(&shared.connections).push(copy);
            }
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                if let Err(error) = serve(&stream, &shared)
                    && !shared.is_down.load(Ordering::SeqCst)
                {
                    lock(&shared.fault).get_or_insert(format!("{error:#}"));
                }
            });
        }
    })
}

/// Answers requests until the connection closes.
fn serve(stream: &TcpStream, shared: &Shared) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut line = Vec::new();
    let mut body = Vec::new();
    loop {
        let Some(head) = read_head(&mut reader, &mut line)? else { return Ok(()) };
        if head.length > BODY_LIMIT {
            bail!("a body of {} bytes", head.length);
        }
        body.resize(head.length, 0);
        if reader.read_exact(&mut body).is_err() {
            // The daemon gave up in the middle of a request, which is its right.
            return Ok(());
        }
        let answer = match head.request.as_str() {
            "POST /TraceSegments" => {
                shared.take(&head, &body)?;
                r#"{"UnprocessedTraceSegments":[]}"#
            }
            "POST /TelemetryRecords" => "{}",
            "GET /credentials" => CREDENTIALS,
            _ => "",
        };
        let status = if answer.is_empty() { "404 Not Found" } else { "200 OK" };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return Ok(());
        }
    }
}

/// What of a request's head matters.
#[derive(Debug)]
struct Head {
    /// Method and target.
    request: String,
    length: usize,
    is_signed: bool,
}

/// The next head; `None` when the connection closes, in order or not.
fn read_head(
    reader: &mut BufReader<&TcpStream>,
    line: &mut Vec<u8>,
) -> anyhow::Result<Option<Head>> {
    let mut head: Option<Head> = None;
    loop {
        line.clear();
        match reader.read_until(b'\n', line) {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
        let text = line.trim_ascii();
        match &mut head {
            None => {
                let text = String::from_utf8_lossy(text);
                let (request, _) = text.rsplit_once(' ').context("no request line")?;
                head = Some(Head { request: request.to_owned(), length: 0, is_signed: false });
            }
            Some(_) if text.is_empty() => return Ok(head),
            Some(head) => read_field(head, text)?,
        }
    }
}

fn read_field(head: &mut Head, field: &[u8]) -> anyhow::Result<()> {
    let colon = field.iter().position(|byte| *byte == b':').context("a header without a colon")?;
    let (name, value) = field.split_at(colon);
    if name.eq_ignore_ascii_case(b"content-length") {
        let value = String::from_utf8_lossy(value);
        head.length = value.trim_start_matches(':').trim().parse().context("Content-Length")?;
    } else if name.eq_ignore_ascii_case(b"authorization") {
        head.is_signed = true;
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        bail!("a body of unknown length, which this sink does not read");
    }
    Ok(())
}

impl Shared {
    /// Counts a batch before it is answered: what is acknowledged is in the count.
    fn take(&self, head: &Head, body: &[u8]) -> anyhow::Result<()> {
        let documents = count_documents(body).context("a body of another shape")?;
        if self.look == Look::Identify {
            self.identify(body, documents)?;
        }
        self.documents.fetch_add(documents, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.unsigned.fetch_add(u64::from(!head.is_signed), Ordering::Relaxed);
        Ok(())
    }

    /// Parses a batch and keeps the ids of its documents.
    fn identify(&self, body: &[u8], counted: u64) -> anyhow::Result<()> {
        let body: Value = serde_json::from_slice(body).context("a body that is no JSON")?;
        let documents = list(&body, "TraceSegmentDocuments")?;
        if u64::try_from(documents.len()) != Ok(counted) {
            bail!("{} documents, of which {counted} were counted", documents.len());
        }
        let mut ids = lock(&self.ids);
        for document in documents {
            let document: Value = serde_json::from_str(document.as_str().unwrap_or_default())
                .context("a document that is no JSON")?;
            let id = text(&document, "id");
            ids.insert(u64::from_str_radix(id, 16).with_context(|| format!("the id {id:?}"))?);
        }
        Ok(())
    }
}

/// Documents of a body, by the quotes between them: within a document every quote has a backslash
/// before it, so `","` stands between two documents and nowhere else. (A document that is a comma
/// would be an exception; ours are objects.)
fn count_documents(body: &[u8]) -> Option<u64> {
    let documents = body.strip_prefix(BODY_HEAD)?.strip_suffix(b"]}")?;
    if documents.is_empty() {
        return Some(0);
    }
    let commas = documents.windows(3).filter(|bytes| *bytes == br#"",""#).count();
    u64::try_from(commas).ok().map(|commas| commas + 1)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Every change is one call: a thread that panicked left nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::connection::Connection;

    #[test]
    fn counts_documents_by_what_stands_between_them() {
        let check = |documents: &[&str]| {
            let body = serde_json::json!({ "TraceSegmentDocuments": documents }).to_string();
            let expect = u64::try_from(documents.len()).expect("few");
            assert_eq!(count_documents(body.as_bytes()), Some(expect), "{body}");
        };
        check(&[]);
        check(&["{}"]);
        check(&["", ""]);
        check(&[r#"{"a":"b","c":["d","e"]}"#, "\"", "\",\"", "\\", "\\\",\""]);
        assert_eq!(count_documents(b"{}"), None);
    }

    #[test]
    fn takes_batches_goes_down_and_comes_up_again() {
        let mut sink = Sink::start(Look::Identify).expect("a port");
        let address = sink.url().trim_start_matches("http://").to_owned();
        let batch = |ids: &[&str]| {
            let documents: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
            serde_json::json!({ "TraceSegmentDocuments": documents }).to_string()
        };
        let mut connection = Connection::open(&address).expect("it listens");
        connection.post("/TraceSegments", batch(&["1", "ff"]).as_bytes()).expect("taken");
        connection.post("/TraceSegments", batch(&["ff"]).as_bytes()).expect("taken");
        assert_eq!(sink.counts(), Counts { documents: 3, requests: 2 });
        assert_eq!((sink.distinct(), sink.smallest_id(), sink.unsigned()), (2, Some(1), 2));
        sink.go_down().expect("it was up");
        assert!(connection.post("/TraceSegments", batch(&["2"]).as_bytes()).is_err());
        assert!(Connection::open(&address).is_err());
        sink.come_up().expect("the port is its own");
        let mut connection = Connection::open(&address).expect("it listens again");
        connection.post("/TraceSegments", batch(&["2"]).as_bytes()).expect("taken");
        assert_eq!(sink.drained(4, Duration::from_secs(5)).expect("no fault").documents, 4);
    }
}
