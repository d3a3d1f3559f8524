//! Slow, greedy and rude clients.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use roentgen_server::HttpLimits;
use serde_json::json;

use crate::harness::{Reply, Running};

#[test]
fn slow_heads_are_cut_off() {
    let head_timeout = Duration::from_millis(200);
    let server = Running::start_with(HttpLimits { head_timeout, ..HttpLimits::default() });
    let mut stream = server.connect();
    stream.write_all(b"POST /TraceSegments HTTP/1.1\r\nHost: local").unwrap();
    let mut answer = Vec::new();
    // Ends only when the server closes; the harness gives up much later, with an error.
    stream.read_to_end(&mut answer).unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200"), "{answer:?}");
}

#[test]
fn slow_bodies_are_answered_and_cut_off() {
    let body_timeout = Duration::from_millis(200);
    let server = Running::start_with(HttpLimits { body_timeout, ..HttpLimits::default() });
    let mut stream = server.connect();
    let head = format!(
        "POST /TraceSegments HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\n{{",
        server.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    Reply::read(stream).assert_error(408, "RequestTimeoutException");
}

#[test]
fn too_many_bytes_at_a_time_are_put_off() {
    let server = Running::start_with(HttpLimits { body_bytes: 1000, ..HttpLimits::default() });
    let mut holding = server.connect();
    let head = format!(
        "POST /TraceSegments HTTP/1.1\r\nHost: {}\r\nContent-Length: 901\r\n\r\n",
        server.address
    );
    holding.write_all(head.as_bytes()).unwrap();
    holding.write_all(&[b' '; 900]).unwrap();
    let large = json!({"Extra": "x".repeat(500)});
    server.wait_for("the memory to be taken", |server| {
        let reply = server.post("/GetSamplingRules", &large);
        (reply.status != 200).then(|| reply.assert_error(429, "ThrottledException"))
    });
    drop(holding);
    server.wait_for("the memory to be free", |server| {
        (server.post("/GetSamplingRules", &large).status == 200).then_some(())
    });
}

#[test]
fn connections_beyond_the_bound_wait() {
    let server = Running::start_with(HttpLimits { connections: 1, ..HttpLimits::default() });
    let request = format!("GET /nowhere HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let answer = |stream: &mut TcpStream| {
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 404");
        // The rest of the answer, which ends with this word.
        let mut rest = Vec::new();
        while !rest.ends_with(b"POST\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            rest.extend(byte);
        }
    };
    let mut first = server.connect();
    first.write_all(request.as_bytes()).unwrap();
    answer(&mut first);
    let mut second = server.connect();
    second.write_all(request.as_bytes()).unwrap();
    // The server has many turns to take the second one up while it answers the first.
    for _ in 0..100 {
        first.write_all(request.as_bytes()).unwrap();
        answer(&mut first);
    }
    second.set_nonblocking(true).unwrap();
    let early = second.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "answered beside the first");
    second.set_nonblocking(false).unwrap();
    drop(first);
    answer(&mut second);
}

#[test]
fn what_is_not_http_is_refused() {
    let server = Running::start();
    let mut stream = server.connect();
    stream.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 TLS, perhaps\r\n\r\n").unwrap();
    let reply = Reply::read(stream);
    assert_eq!(reply.status, 400);
    let long = "x".repeat(100_000);
    let reply = server.send("GET", "/", &[("X-Long", &long)], b"");
    assert_eq!(reply.status, 431);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn idle_connections_do_not_hold_up_the_end() {
    let server = Running::start();
    let mut idle = server.connect();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    idle.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 12];
    idle.read_exact(&mut status).unwrap();
    let (_, drained) = server.stop();
    assert!(drained);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
}
