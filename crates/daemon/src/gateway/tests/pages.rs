//! Health and metrics, and who may see them.

use super::clients::{ask, request};
use super::setting::{Setting, Wanted};

#[tokio::test]
async fn health_says_what_is_up() {
    let setting = Setting::new(Wanted::default());
    let check = async |is_receiving, is_upstream_reachable, status: u16, body: &str| {
        let mut health = *setting.mood.0.lock().unwrap();
        (health.is_receiving, health.is_upstream_reachable) = (is_receiving, is_upstream_reachable);
        health.queued_documents = 12;
        *setting.mood.0.lock().unwrap() = health;
        let reply = ask(setting.address, request("GET /healthz", &[], "")).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, body));
        let head = ask(setting.address, request("HEAD /healthz", &[], "")).await;
        assert_eq!((head.status, head.body.as_str()), (status, ""));
        assert!(head.has(&format!("Content-Length: {}", body.len())), "{head:?}");
    };
    check(true, None, 200, r#"{"status":"ok","upstream":"unknown","queued_documents":12}"#).await;
    check(true, Some(true), 200, r#"{"status":"ok","upstream":"reachable","queued_documents":12}"#)
        .await;
    check(
        true,
        Some(false),
        200,
        r#"{"status":"ok","upstream":"unreachable","queued_documents":12}"#,
    )
    .await;
    check(
        false,
        Some(true),
        503,
        r#"{"status":"not receiving","upstream":"reachable","queued_documents":12}"#,
    )
    .await;
}

#[tokio::test]
async fn metrics_are_those_of_the_daemon() {
    let setting = Setting::new(Wanted::default());
    setting.tally.received.add(3);
    ask(setting.address, request("POST /Traces", &[], "")).await;
    let reply = ask(setting.address, request("GET /metrics", &[], "")).await;
    assert_eq!(reply.status, 200);
    assert!(reply.has("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{reply:?}");
    for line in [
        "roentgen_daemon_segments_received_total 3",
        "roentgen_daemon_tcp_connections 1",
        "roentgen_daemon_tcp_requests_total{route=\"refused\"} 1",
        "roentgen_daemon_tcp_requests_total{route=\"own_pages\"} 1",
        "roentgen_daemon_tcp_requests_total{route=\"sent_on\"} 0",
    ] {
        assert!(reply.body.lines().any(|there| there == line), "{line}: {}", reply.body);
    }
}

#[tokio::test]
async fn web_pages_get_nothing() {
    let setting = Setting::new(Wanted { sends_everything_on: true, ..Wanted::default() });
    let check = async |text: &str, status: u16| {
        let reply = ask(setting.address, text).await;
        assert_eq!(reply.status, status, "{text}: {reply:?}");
    };
    let origin = "Origin: https://evil.example";
    let document = r#"{"TraceSegmentDocuments":["x"]}"#;
    check(&request("POST /TraceSegments", &[origin], document), 403).await;
    check(&request("POST /GetSamplingRules", &[origin], "{}"), 403).await;
    check(&request("OPTIONS /TraceSegments", &[origin], ""), 403).await;
    check(&request("GET /metrics", &["Sec-Fetch-Site: cross-site"], ""), 403).await;
    check(&request("GET /metrics", &["Sec-Fetch-Site: none"], ""), 200).await;
    let rebound = request("GET /metrics", &[], "").replace("localhost", "evil.example");
    check(&rebound, 403).await;
    check(&rebound.replace("metrics", "anything"), 403).await;
    assert_eq!(setting.inlet.documents(), [""; 0]);
}
