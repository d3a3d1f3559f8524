//! Segments over UDP.

use serde_json::json;

use crate::documents::{segment, trace_id};
use crate::harness::{Running, now};

const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";

fn is_stored(server: &Running, id: &str) -> Option<()> {
    let reply = server.ask("/Traces", &json!({"TraceIds": [id]}));
    (!reply["Traces"].as_array().unwrap().is_empty()).then_some(())
}

#[test]
fn a_segment_is_visible_at_once() {
    let server = Running::start();
    let start = now();
    let id = trace_id(start, 1);
    let document = segment(&id, 1, "fa-074", start).to_string();
    server.send_datagram(format!("{HEADER}{document}").as_bytes());
    server.wait_for("the trace", |server| is_stored(server, &id));
    let raw = server.get(&format!("/api/v1/traces/{id}/raw")).json();
    assert_eq!(raw["originals"][0]["document"], document);
    assert_eq!(server.metric("roentgen_documents_accepted_total{source=\"udp\"}"), 1);
}

/// The official daemon's verdicts, measured datagram by datagram; what it lets through unparsed
/// must then be a document here.
#[test]
fn every_datagram_gets_its_verdict() {
    let server = Running::start();
    let start = now();
    let body = |number: u64| segment(&trace_id(start, number), 1, "t", start).to_string();
    let rejected: [(Vec<u8>, &str); 12] = [
        (b"garbage without newline".to_vec(), "missing_header"),
        (b"{\"format\":\"json\",\"version\":1}\n".to_vec(), "missing_document"),
        (format!("\n{}", body(0)).into_bytes(), "invalid_header"),
        (format!("{{\"format\":\"json\",\"version\":2}}\n{}", body(0)).into(), "invalid_header"),
        (format!("{{\"format\":\"xml\",\"version\":1}}\n{}", body(0)).into(), "invalid_header"),
        (format!("not json\n{}", body(0)).into(), "invalid_header"),
        (
            format!("{{\"format\":\"json\",\"version\":\"1\"}}\n{}", body(0)).into(),
            "invalid_header",
        ),
        (format!("{{\"format\":\"json\",\"version\":1.0}}\n{}", body(0)).into(), "invalid_header"),
        (format!("{HEADER}not a segment at all").into(), "ParseError"),
        (format!("{HEADER}[1,2]\n").into(), "ParseError"),
        ([HEADER.as_bytes(), b"\xff\xfe\0binary"].concat(), "ParseError"),
        (format!("{HEADER}{}", "[".repeat(60_000)).into(), "ParseError"),
    ];
    let accepted = [
        format!("{{\"format\": \"json\", \"version\": 1}}\n{}", body(1)),
        format!("{{\"format\":\"JSON\",\"version\":1}}\n{}", body(2)),
        format!("{{\"Format\":\"json\",\"VERSION\":1,\"extra\":true}}\n{}", body(3)),
        format!("{{\"format\":\"json\",\"version\":1}}\r\n{}", body(4)),
        format!("{HEADER}{}\n", body(5)),
    ];
    server.send_datagram(b"");
    for (datagram, _) in &rejected {
        server.send_datagram(datagram);
    }
    for datagram in &accepted {
        server.send_datagram(datagram.as_bytes());
    }
    for number in 1..=5 {
        let id = trace_id(start, number);
        server.wait_for("the accepted ones", |server| is_stored(server, &id));
    }
    let rejections = |reason: &str| {
        server.metric(&format!("roentgen_documents_rejected_total{{reason=\"{reason}\"}}"))
    };
    for reason in ["missing_header", "missing_document", "invalid_header"] {
        let expect = rejected.iter().filter(|(_, other)| *other == reason).count();
        assert_eq!(rejections(reason), expect as u64, "{reason}");
    }
    // An array is so many documents: `[1,2]` is two that are none.
    assert_eq!(rejections("ParseError"), 5);
    // The empty one does not count.
    let all = rejected.len() + accepted.len();
    assert_eq!(server.metric("roentgen_udp_datagrams_total"), all as u64);
    let status = server.get("/api/v1/status").json();
    assert_eq!(status["documentsAccepted"], 5);
    assert_eq!(status["documentsRejected"], 13);
    assert_eq!(status["rejectedByReason"]["invalid_header"], 6);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn the_largest_datagram_arrives_whole() {
    let server = Running::start();
    let start = now();
    let id = trace_id(start, 1);
    let mut document = segment(&id, 1, "large", start);
    document["metadata"] = json!({"x": ""});
    let room = 65_507 - HEADER.len() - document.to_string().len();
    document["metadata"]["x"] = "y".repeat(room).into();
    let datagram = format!("{HEADER}{document}");
    assert_eq!(datagram.len(), 65_507);
    server.send_datagram(datagram.as_bytes());
    server.wait_for("the trace", |server| is_stored(server, &id));
}

#[test]
fn what_came_before_the_end_is_stored() {
    let server = Running::start();
    let start = now();
    let ids: Vec<String> = (0..200).map(|number| trace_id(start, number)).collect();
    for id in &ids {
        let document = segment(id, 1, "x", start).to_string();
        server.send_datagram(format!("{HEADER}{document}").as_bytes());
    }
    let server = server.restart();
    assert_eq!(server.get("/api/v1/status").json()["traces"], ids.len());
}

#[test]
fn what_is_sent_is_stored_or_counted_as_dropped() {
    const SENT: u64 = 20_000;
    let server = Running::start();
    let start = now();
    for number in 0..SENT {
        let document = segment(&trace_id(start, number), 1, "x", start).to_string();
        server.send_datagram(format!("{HEADER}{document}").as_bytes());
    }
    // How many a burst loses is the machine's affair; that none is lost unseen is ours.
    server.wait_for("the end of the burst", |server| {
        let stored = server.metric("roentgen_documents_accepted_total{source=\"udp\"}");
        let dropped = server.metric("roentgen_udp_dropped_datagrams_total");
        (stored > 0 && stored + dropped == SENT).then_some(())
    });
    let status = server.get("/api/v1/status").json();
    let counted = |member: &str| status[member].as_u64().unwrap();
    assert_eq!(counted("documentsAccepted") + counted("datagramsDropped"), SENT);
    assert_eq!(server.metric("roentgen_udp_datagrams_total"), counted("documentsAccepted"));
    assert_eq!(counted("documentsRejected"), 0);
}
