//! PutTraceSegments.

use serde_json::{Value, json};

use crate::documents::{segment, shop, store, trace_id};
use crate::harness::{Running, now};

#[test]
fn acknowledged_segments_can_be_read_at_once_and_are_kept_byte_for_byte() {
    let server = Running::start();
    let id = trace_id(now(), 1);
    let document = shop(&id, now()).to_string().replacen(':', " :  ", 3);
    let reply = server.ask("/TraceSegments", &json!({"TraceSegmentDocuments": [&document]}));
    assert_eq!(reply, json!({"UnprocessedTraceSegments": []}));

    let raw = server.get(&format!("/api/v1/traces/{id}/raw")).json();
    assert_eq!(raw["originals"][0]["document"], document);
    assert_eq!(raw["processed"][0]["unknown_member"], json!([1, {"x": null}]));
    assert_eq!(server.metric("roentgen_store_stored_documents_total"), 1);
    for nothing in [
        "roentgen_store_overloaded_documents_total",
        "roentgen_store_damaged_stretches_total",
        "roentgen_store_damaged_bytes_total",
        "roentgen_store_torn_bytes_total",
    ] {
        assert_eq!(server.metric(nothing), 0, "{nothing}");
    }
    assert_eq!(server.metric("roentgen_store_open_documents"), 1);
    assert_eq!(server.metric("roentgen_store_resting_documents"), 0);
}

#[test]
fn bad_documents_come_back_and_good_ones_are_stored() {
    let server = Running::start();
    let start = now();
    let good = segment(&trace_id(start, 1), 1, "good", start);
    let with = |member: &str, value: Value| {
        let mut document = segment(&trace_id(start, 2), 2, "bad", start);
        document[member] = value;
        document.to_string()
    };
    let large = with("metadata", json!({"x": "y".repeat(64 * 1024)}));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let documents = [
        "not JSON".to_owned(),
        "{\"truncated\":".to_owned(),
        "[]".to_owned(),
        good.to_string(),
        with("id", Value::Null),
        with("trace_id", "1-x".into()),
        with("name", "a\tb*c".into()),
        with("start_time", 1e300.into()),
        with("subsegments", json!([{"id": "000000000000000b", "start_time": start}])),
        large,
        deep,
    ];
    let reply = server.ask("/TraceSegments", &json!({"TraceSegmentDocuments": documents}));
    let unprocessed = reply["UnprocessedTraceSegments"].as_array().unwrap();
    let codes: Vec<_> = unprocessed.iter().map(|u| u["ErrorCode"].as_str().unwrap()).collect();
    assert_eq!(
        codes,
        [
            "ParseError",
            "ParseError",
            "MissingId",
            "MissingId",
            "InvalidTraceId",
            "InvalidName",
            "InvalidStartTime",
            "MissingName",
            "InvalidSegment",
            "InvalidSegment",
        ]
    );
    assert_eq!(unprocessed[0].get("Id"), None);
    assert_eq!(unprocessed[4]["Id"], "0000000000000002");
    for unprocessed in unprocessed {
        let message = unprocessed["Message"].as_str().unwrap();
        let code = unprocessed["ErrorCode"].as_str().unwrap();
        assert!(message.contains(&format!("ErrorCode: {code}, Cause: ")), "{message}");
    }
    let traces = server.ask("/Traces", &json!({"TraceIds": [trace_id(start, 1)]}));
    assert_eq!(traces["Traces"].as_array().unwrap().len(), 1);
    assert_eq!(server.metric("roentgen_documents_received_total{source=\"http\"}"), 11);
    assert_eq!(server.metric("roentgen_documents_accepted_total{source=\"http\"}"), 1);
    assert_eq!(server.metric("roentgen_documents_rejected_total{reason=\"MissingId\"}"), 2);
}

#[test]
fn an_array_of_subsegments_is_so_many_documents() {
    let server = Running::start();
    let start = now();
    let id = trace_id(start, 1);
    store(&server, &[segment(&id, 1, "shop", start)]);
    let subsegment = |id_number: u64| {
        let mut document = segment(&id, id_number, "step", start);
        document["type"] = "subsegment".into();
        document["parent_id"] = "0000000000000001".into();
        document
    };
    let array = json!([subsegment(2), "bad", subsegment(3)]).to_string();
    let reply = server.ask("/TraceSegments", &json!({"TraceSegmentDocuments": [array]}));
    let unprocessed = reply["UnprocessedTraceSegments"].as_array().unwrap();
    assert_eq!(unprocessed.len(), 1, "{reply}");
    let trace = server.ask("/Traces", &json!({"TraceIds": [id]}));
    let document = trace["Traces"][0]["Segments"][0]["Document"].as_str().unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["subsegments"].as_array().unwrap().len(), 2);
}

#[test]
fn fifty_documents_are_taken_and_one_more_is_refused() {
    let server = Running::start();
    let start = now();
    let documents: Vec<String> = (0..51)
        .map(|number| segment(&trace_id(start, number), 1, "x", start).to_string())
        .collect();
    let body = json!({"TraceSegmentDocuments": documents});
    let message = server.refused("/TraceSegments", &body, 400, "InvalidRequestException");
    assert_eq!(message, "Exceeding maximum segment count: 50");
    assert_eq!(server.metric("roentgen_documents_received_total{source=\"http\"}"), 0);
    let reply = server.ask("/TraceSegments", &json!({"TraceSegmentDocuments": documents[..50]}));
    assert_eq!(reply, json!({"UnprocessedTraceSegments": []}));
}

#[test]
fn fifty_large_documents_fit_one_call() {
    let server = Running::start();
    let start = now();
    let documents: Vec<Value> = (0..50)
        .map(|number| {
            let mut document = segment(&trace_id(start, number), 1, "x", start);
            // Quotes and backslashes, which double when JSON goes into JSON.
            document["metadata"] = json!({"x": "\"\\".repeat(15_000)});
            assert!(document.to_string().len() > 60_000);
            document
        })
        .collect();
    store(&server, &documents);
    assert_eq!(server.metric("roentgen_documents_accepted_total{source=\"http\"}"), 50);
}

#[test]
fn requests_that_make_no_sense() {
    let server = Running::start();
    let check = |body: &[u8], name: &str, expect: &str| {
        let reply = server.send("POST", "/TraceSegments", &[], body);
        let message = reply.assert_error(400, name);
        assert!(message.contains(expect), "{message}");
    };
    check(b"", "InvalidRequestException", "TraceSegmentDocuments is required");
    check(b"{}", "InvalidRequestException", "TraceSegmentDocuments is required");
    check(
        br#"{"TraceSegmentDocuments":null}"#,
        "InvalidRequestException",
        "TraceSegmentDocuments is required",
    );
    check(b"{", "SerializationException", "EOF");
    check(br#"[["{}"]]"#, "SerializationException", "expected a JSON object");
    check(b"\xff\xfe", "SerializationException", "expected value");
    check(br#"{"TraceSegmentDocuments":"x"}"#, "SerializationException", "a sequence");
    check(br#"{"TraceSegmentDocuments":[{}]}"#, "SerializationException", "a string");
    let reply = server.ask("/TraceSegments", &json!({"TraceSegmentDocuments": [], "Extra": 1}));
    assert_eq!(reply, json!({"UnprocessedTraceSegments": []}));
}

#[test]
fn bodies_without_end_are_refused() {
    let server = Running::start();
    let body = vec![b' '; (16 << 20) + 1];
    let reply = server.send("POST", "/TraceSegments", &[], &body);
    let message = reply.assert_error(413, "RequestTooLargeException");
    assert_eq!(message, "The body is too large; at most 16777216 bytes are taken");
    let reply = server.send("POST", "/Traces", &[], &body[..(256 << 10) + 1]);
    reply.assert_error(413, "RequestTooLargeException");
}
