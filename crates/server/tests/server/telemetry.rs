//! PutTelemetryRecords.

use serde_json::{Value, json};

use crate::harness::Running;

const PATH: &str = "/TelemetryRecords";

#[test]
fn records_are_counted_and_answered_with_nothing() {
    let server = Running::start();
    let record = json!({
        "Timestamp": 1_795_335_000.5, "SegmentsReceivedCount": 10, "SegmentsSentCount": 7,
        "SegmentsSpilloverCount": 2, "SegmentsRejectedCount": 1,
        "BackendConnectionErrors": {
            "TimeoutCount": 1, "ConnectionRefusedCount": 2, "HTTPCode4XXCount": 3,
            "HTTPCode5XXCount": 4, "UnknownHostCount": 5, "OtherCount": 6,
        },
    });
    let body = json!({
        "TelemetryRecords": [record, {"Timestamp": 1_795_335_060}],
        "EC2InstanceId": "i-0123456789abcdef0", "Hostname": "h", "ResourceARN": "arn:x",
    });
    assert_eq!(server.ask(PATH, &body), json!({}));
    let check = |series: &str, expect: u64| assert_eq!(server.metric(series), expect, "{series}");
    check("roentgen_telemetry_records_total", 2);
    check("roentgen_telemetry_segments_total{fate=\"received\"}", 10);
    check("roentgen_telemetry_segments_total{fate=\"sent\"}", 7);
    check("roentgen_telemetry_segments_total{fate=\"spillover\"}", 2);
    check("roentgen_telemetry_segments_total{fate=\"rejected\"}", 1);
    check("roentgen_telemetry_connection_errors_total{kind=\"timeout\"}", 1);
    check("roentgen_telemetry_connection_errors_total{kind=\"http_5xx\"}", 4);
    check("roentgen_telemetry_connection_errors_total{kind=\"other\"}", 6);
}

#[test]
fn records_that_make_no_sense_are_refused_as_a_whole() {
    let server = Running::start();
    let good = json!({"Timestamp": 1, "SegmentsReceivedCount": 5});
    let check = |body: Value, expect: &str| {
        let message = server.refused(PATH, &body, 400, "InvalidRequestException");
        assert!(message.contains(expect), "{message}");
    };
    check(json!({}), "TelemetryRecords is required");
    check(json!({"TelemetryRecords": [good, {}]}), "Timestamp of a telemetry record is required");
    check(
        json!({"TelemetryRecords": [good, {"Timestamp": 1, "SegmentsSentCount": -1}]}),
        "SegmentsSentCount must be a count, not -1",
    );
    check(
        json!({"TelemetryRecords": [good, {"Timestamp": 1, "SegmentsSentCount": 1_u64 << 31}]}),
        "SegmentsSentCount must be a count, not 2147483648",
    );
    check(
        json!({"TelemetryRecords": [good], "EC2InstanceId": "i".repeat(21)}),
        "EC2InstanceId must have at most 20 characters, not 21",
    );
    check(json!({"TelemetryRecords": [good], "Hostname": "h".repeat(256)}), "Hostname");
    check(json!({"TelemetryRecords": [good], "ResourceARN": "a".repeat(501)}), "ResourceARN");
    assert_eq!(server.metric("roentgen_telemetry_segments_total{fate=\"received\"}"), 0);
}
