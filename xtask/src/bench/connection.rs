//! HTTP/1.1 over one kept-alive connection: as little of it as a load generator needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// An answer that takes longer is a hang.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Largest answer taken: BatchGetTraces ends its answers at 64 MiB and one trace.
const ANSWER_LIMIT: usize = 96 << 20;

/// An answer with another status than 200.
#[derive(Debug)]
pub(super) struct Refusal {
    path: String,
    pub(super) status: u16,
    body: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: status {}: {}", self.path, self.status, self.body)
    }
}

impl std::error::Error for Refusal {}

/// One connection, one call at a time.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
    request: Vec<u8>,
}

impl Connection {
    pub(super) fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connect {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            address: address.to_owned(),
            request: Vec::new(),
        })
    }

    /// Sends a JSON body and gives the body of the answer.
    ///
    /// # Errors
    /// When the connection breaks; a [`Refusal`] when the status is not 200.
    pub(super) fn post(&mut self, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.request.clear();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )?;
        self.request.extend_from_slice(body);
        self.exchange(path)
    }

    /// As [`Connection::post`], without a body.
    pub(super) fn get(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        self.request.clear();
        write!(self.request, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)?;
        self.exchange(path)
    }

    /// As [`Connection::post`], JSON both ways.
    pub(super) fn post_json(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.post(path, body.to_string().as_bytes())?;
        serde_json::from_slice(&answer).with_context(|| format!("{path}: the answer is not JSON"))
    }

    /// As [`Connection::get`], for an answer in JSON.
    pub(super) fn get_json(&mut self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path)?;
        serde_json::from_slice(&answer).with_context(|| format!("{path}: the answer is not JSON"))
    }

    fn exchange(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        self.stream.get_mut().write_all(&self.request)?;
        let status = self.line()?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { bail!("header line {line:?}") };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
            if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("{path}: a chunked answer, which this client does not read");
            }
        }
        if length > ANSWER_LIMIT {
            bail!("{path}: an answer of {length} bytes");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status: u16 = status.split(' ').nth(1).unwrap_or_default().parse()?;
        if status != 200 {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(Refusal { path: path.to_owned(), status, body }.into());
        }
        Ok(body)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("{}: the server closed the connection", self.address);
        }
        Ok(line.trim_end().to_owned())
    }
}
