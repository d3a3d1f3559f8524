//! Segment documents for tests.

use serde_json::{Value, json};

use crate::harness::Running;

/// A trace id whose time is `start`, told apart by `number`.
#[expect(clippy::cast_possible_truncation, reason = "tests do not run before 1970")]
pub(crate) fn trace_id(start: f64, number: u64) -> String {
    format!("1-{:08x}-{number:024x}", start as u64)
}

/// A segment of 100 ms with a 200.
pub(crate) fn segment(trace_id: &str, id: u64, name: &str, start: f64) -> Value {
    json!({
        "trace_id": trace_id,
        "id": format!("{id:016x}"),
        "name": name,
        "start_time": start,
        "end_time": start + 0.1,
        "http": {
            "request": {"method": "GET", "url": format!("http://{name}/")},
            "response": {"status": 200},
        },
    })
}

/// A segment of a shop that calls a table and, through it, nothing else.
pub(crate) fn shop(trace_id: &str, start: f64) -> Value {
    let mut shop = segment(trace_id, 1, "shop", start);
    shop["origin"] = "AWS::ECS::Container".into();
    shop["user"] = "ann".into();
    shop["annotations"] = json!({"tenant": "acme", "items": 3, "gift": true});
    shop["metadata"] = json!({"default": {"note": "kept"}});
    shop["unknown_member"] = json!([1, {"x": null}]);
    shop["subsegments"] = json!([{
        "id": "000000000000000a",
        "name": "DynamoDB",
        "namespace": "aws",
        "start_time": start + 0.01,
        "end_time": start + 0.06,
        "http": {"response": {"status": 429}},
        "throttle": true,
        "error": true,
        "aws": {"operation": "GetItem", "table_name": "carts", "region": "us-east-1"},
    }]);
    shop
}

/// Stores documents over the API and checks that all were taken.
pub(crate) fn store(server: &Running, documents: &[Value]) {
    for documents in documents.chunks(50) {
        let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
        let reply = server.ask("/TraceSegments", &json!({"TraceSegmentDocuments": texts}));
        assert_eq!(reply, json!({"UnprocessedTraceSegments": []}));
    }
}
