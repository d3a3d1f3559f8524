//! What holds for every request: errors, ids, who may ask.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::Running;

#[test]
fn unknown_paths_are_unknown_operations() {
    let server = Running::start();
    for path in ["/", "/PutTraceSegments", "/v1/traces", "/TraceSegments/x"] {
        let reply = server.post(path, &json!({}));
        reply.assert_error(404, "UnknownOperationException");
    }
    let reply = server.send("DELETE", "/Traces", &[], b"");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, POST")));
    assert!(reply.json()["Message"].is_string(), "{}", reply.text());
}

#[test]
fn operations_to_come_say_so_in_a_way_that_is_not_tried_again() {
    let server = Running::start();
    for path in ["/Insight", "/InsightImpactGraph", "/EncryptionConfig", "/InsightEvents"] {
        let reply = server.send("POST", path, &[], b"");
        let message = reply.assert_error(501, "NotImplementedException");
        assert!(message.ends_with(" is not available in this version of Roentgen"), "{message}");
    }
    assert_eq!(server.metric("roentgen_api_requests_total{operation=\"GetInsight\"}"), 1);
    assert_eq!(server.metric("roentgen_api_errors_total{error=\"NotImplementedException\"}"), 4);
}

#[test]
fn every_reply_has_an_id_of_its_own() {
    let server = Running::start();
    let replies = [
        server.get("/"),
        server.get("/healthz"),
        server.get("/nowhere"),
        server.get("/api/v1/status"),
        server.post("/GetSamplingRules", &json!({})),
        server.post("/nowhere", &json!({})),
        server.send("GET", "/", &[("Host", "evil.example")], b""),
    ];
    let ids: BTreeSet<_> = replies
        .iter()
        .map(|reply| {
            let id = reply.header("x-amzn-requestid").unwrap();
            let parts: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            id
        })
        .collect();
    assert_eq!(ids.len(), replies.len());
}

#[test]
fn signed_unsigned_and_oddly_typed_requests_are_all_answered() {
    let server = Running::start();
    let authorization = "AWS4-HMAC-SHA256 Credential=AK/20261122/us-east-1/xray/aws4_request, \
                         SignedHeaders=host, Signature=00";
    let check = |headers: &[(&str, &str)], body: &[u8]| {
        let reply = server.send("POST", "/GetSamplingRules", headers, body);
        assert_eq!(reply.status, 200, "{headers:?}");
    };
    check(&[("Authorization", authorization)], b"{}");
    check(&[], b"");
    check(&[], b"{\"NextToken\": null}");
    check(&[("Content-Type", "application/x-amz-json-1.1")], b"{}");
    check(&[("Content-Type", "text/plain")], b" {} ");
}

#[test]
fn foreign_hosts_and_pages_are_turned_away() {
    let server = Running::start();
    // As a page of evil.example does whose name was bound to our address meanwhile.
    let evil = [("Host", "evil.example:2000"), ("Origin", "http://evil.example:2000")];
    for (method, path) in [("GET", "/"), ("GET", "/api/v1/status"), ("POST", "/Traces")] {
        let reply = server.send(method, path, &evil, b"");
        let message = reply.assert_error(403, "AccessDeniedException");
        assert!(message.contains("--allowed-host"), "{message}");
    }
    let container = [("Host", "host.docker.internal:2000")];
    assert_eq!(server.send("POST", "/GetSamplingRules", &container, b"").status, 200);
    let port = server.address.port();
    let own = format!("localhost:{port}");
    assert_eq!(server.send("GET", "/healthz", &[("Host", &own)], b"").status, 200);
    let cross = [("Sec-Fetch-Site", "cross-site"), ("Content-Type", "application/json")];
    for path in ["/TraceSegments", "/api/v1/sample-traffic", "/api/v1/traces/search"] {
        let reply = server.send("POST", path, &cross, b"{}");
        reply.assert_error(403, "AccessDeniedException");
    }
    let link = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(server.send("GET", "/", &link, b"").status, 200);
    assert_eq!(server.metric("roentgen_api_errors_total{error=\"AccessDeniedException\"}"), 6);
}
