//! Many, slow and long requests; connections that are kept; and the end.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::clients::{Client, ask, parse, request};
use super::setting::{Destination, PATIENCE, Setting, Wanted};
use crate::gateway::Limits;

const SHORT: Duration = Duration::from_millis(20);
const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

fn with(limits: Limits) -> Setting {
    Setting::new(Wanted { limits, ..Wanted::default() })
}

#[tokio::test]
async fn slow_clients_are_given_up() {
    let check = async |limits: Limits, bytes: &str, expect: &str| {
        let setting = with(limits);
        let mut client = Client::connect(setting.address).await;
        client.write(bytes).await;
        let text = client.read_to_end().await;
        assert_eq!(text.lines().next().unwrap_or_default(), expect, "{bytes}");
        setting.wait_for_connections(0).await;
    };
    let head = Limits { head_timeout: SHORT, ..Limits::default() };
    let idle = Limits { idle_timeout: SHORT, ..Limits::default() };
    let body = Limits { body_timeout: SHORT, ..Limits::default() };
    check(head, "P", "").await;
    check(head, "POST /GetSamplingRules HTTP/1.1\r\nHost: x\r\n", "").await;
    check(idle, "", "").await;
    check(idle, HEALTHZ, "HTTP/1.1 200 OK").await;
    let begun = "POST /GetSamplingRules HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{";
    check(body, begun, "HTTP/1.1 408 Request Timeout").await;
    let begun =
        "POST /TraceSegments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n";
    check(body, begun, "HTTP/1.1 408 Request Timeout").await;
}

#[tokio::test]
async fn connections_are_kept_between_requests() {
    // The limit of a head does not hold for the time between two.
    let setting = with(Limits { head_timeout: SHORT, ..Limits::default() });
    let mut client = Client::connect(setting.address).await;
    for _ in 0..3 {
        client.write(HEALTHZ).await;
        let reply = parse(&client.read_until("}").await);
        assert_eq!(reply.status, 200);
        assert!(!reply.has("Connection: close"), "{reply:?}");
        tokio::time::sleep(3 * SHORT).await;
    }
    setting.wait_for_connections(1).await;
}

#[tokio::test]
async fn requests_may_come_all_at_once() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let mut client = Client::connect(setting.address).await;
    let call = "POST /GetSamplingRules HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    let last = request("POST /Traces", &[], "");
    client.write(format!("{HEALTHZ}{call}{HEALTHZ}{call}{last}")).await;
    let answering = async {
        destination.answer(OK).await;
        destination.answer(OK).await;
    };
    let (text, ()) = tokio::join!(client.read_to_end(), answering);
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|reply| &reply[..3]).collect();
    assert_eq!(statuses, ["200", "200", "200", "200", "403"], "{text}");
}

#[tokio::test]
async fn heads_have_a_bound() {
    let setting = with(Limits::default());
    let long = format!("X-Long: {}", "x".repeat(40 << 10));
    let reply = ask(setting.address, request("POST /GetSamplingRules", &[&long], "{}")).await;
    assert_eq!(reply.status, 431, "{reply:?}");
    let many = vec!["X-Many: 1"; 200];
    let reply = ask(setting.address, request("POST /GetSamplingRules", &many, "{}")).await;
    assert_eq!(reply.status, 431, "{reply:?}");
}

#[tokio::test]
async fn bodies_have_a_bound_and_clients_learn_of_it() {
    let destination = Destination::new().await;
    let limits = Limits { body_bytes: 1 << 20, ..Limits::default() };
    let setting = Setting::new(Wanted { limits, ..destination.wanted() });
    let most = "x".repeat(1 << 20);
    let text = request("POST /GetSamplingRules", &[], &most);
    let (reply, call) = tokio::join!(ask(setting.address, &text), destination.answer(OK));
    assert_eq!((reply.status, call.body.len()), (200, 1 << 20));
    // These clients write it all before they read.
    for length in [(1 << 20) + 1, 3 << 20] {
        let reply =
            ask(setting.address, request("POST /GetSamplingRules", &[], &"x".repeat(length)));
        let reply = reply.await;
        assert_eq!(reply.status, 413, "{reply:?}");
        assert!(reply.body.contains("at most 1048576 bytes are taken"), "{reply:?}");
    }
    // This one is told at once.
    let announced =
        "POST /GetSamplingRules HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(ask(setting.address, announced).await.status, 413);
}

#[tokio::test]
async fn connections_are_bounded_and_nobody_keeps_the_last_places() {
    let setting = with(Limits { connections: 4, ..Limits::default() });
    let mut kept = Vec::new();
    for place in 1..=3 {
        let mut client = Client::connect(setting.address).await;
        client.write(HEALTHZ).await;
        let reply = parse(&client.read_until("}").await);
        // Who takes the last but one has to go, so that others get their turn.
        assert_eq!(reply.has("Connection: close"), place == 3, "{place}: {reply:?}");
        kept.push(client);
    }
    setting.wait_for_connections(2).await;
    let others = [Client::connect(setting.address).await, Client::connect(setting.address).await];
    setting.wait_for_connections(4).await;
    let mut next = Client::connect(setting.address).await;
    next.write(HEALTHZ).await;
    // The kernel has taken the connection, nobody else.
    let too_early = tokio::time::timeout(SHORT, next.read_until("}")).await;
    assert!(too_early.is_err());
    drop(others);
    assert_eq!(parse(&next.read_until("}").await).status, 200);
}

#[tokio::test]
async fn at_the_end_begun_answers_are_finished() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let mut idle = Client::connect(setting.address).await;
    idle.write(HEALTHZ).await;
    idle.read_until("}").await;
    let mut busy = Client::connect(setting.address).await;
    busy.write("POST /GetSamplingRules HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await;
    let mut call = destination.next().await;
    let address = setting.address;
    let answering = async {
        assert_eq!(idle.read_to_end().await, "");
        assert!(TcpStream::connect(address).await.is_err());
        call.stream.write_all(OK).await.unwrap();
        busy.read_to_end().await
    };
    let (in_order, text) = tokio::join!(setting.gateway.stop(PATIENCE), answering);
    assert!(in_order);
    let reply = parse(&text);
    assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
}

#[tokio::test]
async fn at_the_deadline_answers_are_cut_off() {
    let destination = Destination::new().await;
    let setting = Setting::new(destination.wanted());
    let mut busy = Client::connect(setting.address).await;
    busy.write(request("POST /GetSamplingRules", &[], "{}")).await;
    let call = destination.next().await;
    assert!(!setting.gateway.stop(SHORT).await);
    assert_eq!(busy.read_to_end().await, "");
    drop(call);
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_end() {
    let setting = with(Limits::default());
    let mut first = Client::connect(setting.address).await;
    first.write("POST /GetSamplingRules HTTP/1.1\r\nHost:").await;
    let mut second = Client::connect(setting.address).await;
    second.write(HEALTHZ).await;
    second.read_until("}").await;
    second.write("POST /Get").await;
    setting.wait_for_connections(2).await;
    assert!(setting.gateway.stop(Duration::from_secs(5)).await);
    assert_eq!(first.read_to_end().await, "");
    assert_eq!(second.read_to_end().await, "");
}
