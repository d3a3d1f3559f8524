//! HTTP/1.1 as a client speaks it: one kept-alive connection, one exchange at a time, no more than
//! PutTraceSegments and the queries need. A general client would cost more than what is measured.

mod address;
mod answer;

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) use address::Address;
pub(crate) use answer::Malformed;
use answer::{Head, parse_head};

/// How long the system may try to reach an address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes asked of the system at a time.
const READ_BYTES: usize = 16 << 10;

/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Longest body: BatchGetTraces answers up to 64 MiB and one trace more.
const MAX_BODY_BYTES: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("connect to {address}: {source}")]
    Connect { address: String, source: io::Error },
    #[error("send to {address}: {source}")]
    Send { address: String, source: io::Error },
    #[error("read from {address}: {source}")]
    Receive { address: String, source: io::Error },
    #[error("{address} closed the connection without an answer")]
    Closed { address: String },
    #[error("{address} answered what is no HTTP: {source}")]
    Malformed { address: String, source: Malformed },
}

/// An answer, read to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// One connection to a server; opened when it is needed, kept while the server keeps it.
#[derive(Debug)]
pub(crate) struct Connection {
    address: Address,
    /// How long an answer may take.
    timeout: Duration,
    stream: Option<TcpStream>,
    incoming: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    /// A connection that is not open yet.
    pub(crate) fn new(address: Address, timeout: Duration) -> Self {
        Self { address, timeout, stream: None, incoming: Vec::new(), body: Vec::new() }
    }

    /// Opens the connection, unless it is open.
    ///
    /// # Errors
    /// When nobody listens at the address.
    pub(crate) fn open(&mut self) -> Result<(), ExchangeError> {
        if self.stream.is_none() {
            let opened = self.connect().map_err(|source| ExchangeError::Connect {
                address: self.address.to_string(),
                source,
            });
            self.stream = Some(opened?);
            self.incoming.clear();
        }
        Ok(())
    }

    /// Sends a request and reads the answer. `head` ends with an empty line.
    ///
    /// A server may close a kept connection at any time. When it does so before the first byte of an
    /// answer, the request is sent once more over a new connection, as all clients do.
    ///
    /// # Errors
    /// When there is no answer; the connection is closed then.
    pub(crate) fn exchange(
        &mut self,
        head: &[u8],
        body: &[u8],
    ) -> Result<Answer<'_>, ExchangeError> {
        let is_kept = self.stream.is_some();
        let outcome = match self.exchange_once(head, body) {
            Err(error) if is_kept && error.is_stale() => self.exchange_once(head, body),
            outcome => outcome,
        };
        let status = outcome?;
        Ok(Answer { status, body: &self.body })
    }

    fn exchange_once(&mut self, head: &[u8], body: &[u8]) -> Result<u16, ExchangeError> {
        self.open()?;
        let address = &self.address;
        let Some(stream) = &mut self.stream else {
            return Err(ExchangeError::Closed { address: address.to_string() });
        };
        let outcome = send(stream, head, body)
            .map_err(|source| ExchangeError::Send { address: address.to_string(), source })
            .and_then(|()| receive(stream, &mut self.incoming, &mut self.body, address));
        match outcome {
            Ok(head) => {
                if head.closes {
                    self.stream = None;
                }
                Ok(head.status)
            }
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in self.address.resolve()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(self.timeout))?;
                    stream.set_write_timeout(Some(self.timeout))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl ExchangeError {
    /// Whether a kept connection had been closed before the request came.
    fn is_stale(&self) -> bool {
        let gone = [
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted,
        ];
        match self {
            Self::Closed { .. } => true,
            Self::Send { source, .. } => gone.contains(&source.kind()),
            _ => false,
        }
    }
}

fn send(stream: &mut TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    // Both in one packet where they fit.
    let mut sent = 0;
    while sent < head.len() + body.len() {
        let parts = [
            IoSlice::new(head.get(sent..).unwrap_or_default()),
            IoSlice::new(body.get(sent.saturating_sub(head.len())..).unwrap_or_default()),
        ];
        match stream.write_vectored(&parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => sent += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a whole answer; its body goes to `body`, what follows it stays in `incoming`.
fn receive(
    stream: &mut TcpStream,
    incoming: &mut Vec<u8>,
    body: &mut Vec<u8>,
    address: &Address,
) -> Result<Head, ExchangeError> {
    let malformed = |source| ExchangeError::Malformed { address: address.to_string(), source };
    body.clear();
    let head = loop {
        if let Some((head, length)) = parse_head(incoming).map_err(malformed)? {
            incoming.drain(..length);
            // An interim answer such as 100; the real one follows.
            if head.status >= 200 {
                break head;
            }
            continue;
        }
        if incoming.len() > MAX_HEAD_BYTES {
            return Err(malformed(Malformed::TooLong { most: MAX_HEAD_BYTES }));
        }
        fill(stream, incoming, address)?;
    };
    loop {
        let is_whole = head.take_body(incoming, body).map_err(malformed)?;
        if is_whole {
            return Ok(head);
        }
        if body.len() > MAX_BODY_BYTES {
            return Err(malformed(Malformed::TooLong { most: MAX_BODY_BYTES }));
        }
        match fill(stream, incoming, address) {
            Err(ExchangeError::Closed { .. }) if head.ends_with_connection() => return Ok(head),
            Err(ExchangeError::Closed { .. }) => return Err(malformed(Malformed::Unfinished)),
            outcome => outcome?,
        }
    }
}

fn fill(
    stream: &mut TcpStream,
    incoming: &mut Vec<u8>,
    address: &Address,
) -> Result<(), ExchangeError> {
    let begin = incoming.len();
    incoming.resize(begin + READ_BYTES, 0);
    let read = loop {
        let free = incoming.get_mut(begin..).unwrap_or_default();
        match stream.read(free) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => break outcome,
        }
    };
    incoming.truncate(begin + *read.as_ref().unwrap_or(&0));
    match read {
        Ok(0) => Err(ExchangeError::Closed { address: address.to_string() }),
        Ok(_) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::ConnectionReset && begin == 0 => {
            Err(ExchangeError::Closed { address: address.to_string() })
        }
        Err(source) => Err(ExchangeError::Receive { address: address.to_string(), source }),
    }
}
