//! Clients that send raw bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::setting::PATIENCE;

/// A reply, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Sorted lines, without `Date` unless the destination gave one.
    pub(super) headers: Vec<String>,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn has(&self, header: &str) -> bool {
        self.headers.iter().any(|line| line == header)
    }
}

/// A client and what it has read.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until all that came ends so; gives it.
    pub(super) async fn read_until(&mut self, end: &str) -> String {
        let reading = async {
            while !self.read.ends_with(end.as_bytes()) {
                let count = self.stream.read_buf(&mut self.read).await.unwrap();
                assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
            }
        };
        timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{end:?} did not come"));
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    /// Reads until the connection is closed, in order or not.
    pub(super) async fn read_to_end(&mut self) -> String {
        let reading =
            async { while matches!(self.stream.read_buf(&mut self.read).await, Ok(1..)) {} };
        timeout(PATIENCE, reading).await.expect("an end of the connection");
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }
}

/// A request with these header lines and this body, after which the connection ends.
pub(super) fn request(line: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nHost: localhost:2000\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

/// Sends bytes and reads the one reply that comes.
pub(super) async fn ask(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Reply {
    let mut client = Client::connect(address).await;
    client.write(bytes).await;
    parse(&client.read_to_end().await)
}

pub(super) fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers: Vec<String> = lines.map(str::to_owned).collect();
    headers.sort();
    Reply { status, headers, body: body.to_owned() }
}
