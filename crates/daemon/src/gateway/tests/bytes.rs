//! Whatever bytes come: the port goes on answering, the connection ends, and nothing is held.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::clients::{ask, request};
use super::setting::{PATIENCE, Setting, Wanted};
use crate::gateway::Limits;

/// Requests that are in order, and parts of them.
const PARTS: [&str; 24] = [
    "POST /GetSamplingRules HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    "POST /TraceSegments HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n{\"TraceSegmentDocuments\":[\"x\"]}",
    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD /metrics HTTP/1.0\r\n\r\n",
    "POST /TraceSegments HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Tra\r\n0\r\n\r\n",
    "POST ",
    "CONNECT x:1 ",
    "* ",
    "/TraceSegments",
    "http://[::1]/",
    " HTTP/1.1\r\n",
    "\r\n\r\n",
    "\r\n",
    "\n",
    ": ",
    "Host",
    "Content-Length: 99999999999999999999",
    "Content-Length: 1\r\nContent-Length: 2\r\n",
    "Transfer-Encoding: chunked\r\n",
    "ffffffffffffffff\r\n",
    "Connection: upgrade, close\r\n",
    "Expect: 100-continue\r\n",
    "\0",
    "{\"TraceSegmentDocuments\":[\"\\ud800",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => select(&PARTS[..]).prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..50),
    ];
    let damage = prop::option::of((any::<Index>(), any::<u8>()));
    (prop::collection::vec(part, 0..8), damage).prop_map(|(parts, damage)| {
        let mut bytes = parts.concat();
        if let (Some((place, byte)), false) = (damage, bytes.is_empty()) {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes
    })
}

/// Sends bytes in two pieces and reads what comes, until the end.
async fn send(setting: &Setting, bytes: &[u8], cut: usize) {
    let mut stream = TcpStream::connect(setting.address).await.unwrap();
    let (first, second) = bytes.split_at(cut);
    let exchange = async {
        // The port may hang up at any time.
        let _ = stream.write_all(first).await;
        tokio::task::yield_now().await;
        let _ = stream.write_all(second).await;
        let _ = stream.shutdown().await;
        let mut read = [0; 4096];
        while matches!(stream.read(&mut read).await, Ok(1..)) {}
    };
    timeout(PATIENCE, exchange).await.expect("an end of the connection");
    setting.wait_for_connections(0).await;
}

proptest! {
    #[test]
    fn the_port_goes_on(bytes in bytes(), cut in any::<Index>(), sends_everything_on: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let short = Duration::from_millis(500);
            let limits = Limits {
                body_bytes: 1_000,
                all_body_bytes: 2_000,
                head_timeout: short,
                body_timeout: short,
                idle_timeout: short,
                ..Limits::default()
            };
            let setting = Setting::new(Wanted { limits, sends_everything_on, ..Wanted::default() });
            send(&setting, &bytes, cut.index(bytes.len() + 1)).await;
            // All memory for bodies is free again, or the largest would not fit.
            let largest = format!("{{\"TraceSegmentDocuments\":[\"{}\"]}}", "x".repeat(970));
            assert_eq!(largest.len(), 1_000);
            let reply = ask(setting.address, request("POST /TraceSegments", &[], &largest)).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert!(setting.gateway.stop(PATIENCE).await);
        });
    }
}
