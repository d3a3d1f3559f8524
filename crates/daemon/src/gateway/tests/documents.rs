//! PutTraceSegments over TCP.

use serde_json::json;

use super::clients::{Reply, ask, request};
use super::setting::{Setting, Wanted};
use crate::gateway::Limits;

const ALL_TAKEN: &str = r#"{"UnprocessedTraceSegments":[]}"#;

async fn post(setting: &Setting, body: &str) -> Reply {
    ask(setting.address, request("POST /TraceSegments", &[], body)).await
}

fn body(documents: &[impl AsRef<str>]) -> String {
    let documents: Vec<_> = documents.iter().map(AsRef::as_ref).collect();
    json!({"TraceSegmentDocuments": documents}).to_string()
}

#[tokio::test]
async fn documents_are_taken_as_they_are() {
    // Sent to nobody: port 0.
    for sends_everything_on in [false, true] {
        let setting = Setting::new(Wanted { sends_everything_on, ..Wanted::default() });
        let long =
            format!(r#"{{"id": "3ec9da37142f32a6", "x": "{}"}}"#, "\u{20ac}".repeat(100_000));
        let documents = [r#"{"id":"1","n":"a\"b\\c\n"}"#, "", "[1,2]", "not json", &long];
        let reply = post(&setting, &body(&documents)).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ALL_TAKEN));
        assert!(reply.has("Content-Type: application/json"), "{reply:?}");
        assert_eq!(setting.inlet.documents(), documents);
    }
}

#[tokio::test]
async fn calls_are_judged_as_x_ray_judges_them() {
    let setting = Setting::new(Wanted::default());
    let check = async |body: &str, status: u16, text: &str| {
        let before = setting.inlet.documents().len();
        let reply = post(&setting, body).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(reply.body.contains(text), "{body}: {reply:?}");
        let taken = setting.inlet.documents().len() - before;
        assert!(status == 200 || taken == 0, "{body}: {taken} taken");
    };
    check(&body(&["x"; 50]), 200, ALL_TAKEN).await;
    check(&body(&["x"; 51]), 400, "Exceeding maximum segment count: 50").await;
    check(&body(&[""; 0]), 200, ALL_TAKEN).await;
    check(r#"{"Extra":1,"TraceSegmentDocuments":["x"]}"#, 200, ALL_TAKEN).await;
    check(r#"{"TraceSegmentDocuments":null}"#, 400, "TraceSegmentDocuments is required").await;
    check("{}", 400, "InvalidRequestException").await;
    check("", 400, "TraceSegmentDocuments is required").await;
    check(r#"{"TraceSegmentDocuments":["x",1]}"#, 400, "SerializationException").await;
    check(r#"{"TraceSegmentDocuments":["x"]"#, 400, "SerializationException").await;
    check("\u{1f}\u{8b}", 400, "SerializationException").await;
    assert_eq!(setting.inlet.documents().len(), 51);
}

#[tokio::test]
async fn without_room_callers_are_throttled() {
    let setting = Setting::new(Wanted { room: 2, ..Wanted::default() });
    let documents = [r#"{"id":"a"}"#, r#"{"id":"b"}"#, r#"{"name":"n","id":"c"}"#, "no id"];
    let reply = post(&setting, &body(&documents)).await;
    assert_eq!(reply.status, 200);
    let no_room = "The daemon has no memory for more documents; try again in a moment";
    let unprocessed = json!({"UnprocessedTraceSegments": [
        {"Id": "c", "ErrorCode": "ThrottledException", "Message": no_room},
        {"ErrorCode": "ThrottledException", "Message": no_room},
    ]});
    assert_eq!(reply.body.parse::<serde_json::Value>().unwrap(), unprocessed);
    assert_eq!(setting.inlet.documents(), documents[..2]);
    let reply = post(&setting, &body(&documents)).await;
    assert_eq!(reply.status, 429);
    assert!(reply.has("X-Amzn-Errortype: ThrottledException"), "{reply:?}");
    let error = json!({"__type": "ThrottledException", "Message": no_room});
    assert_eq!(reply.body.parse::<serde_json::Value>().unwrap(), error);
    assert_eq!(post(&setting, &body(&[""; 0])).await.status, 200);
}

#[tokio::test]
async fn documents_and_bodies_have_bounds() {
    let limits =
        Limits { document_bytes: 20, body_bytes: 200, all_body_bytes: 300, ..Limits::default() };
    let setting = Setting::new(Wanted { limits, ..Wanted::default() });
    let too_long = format!(r#"{{"id":"d","x":"{}"}}"#, "x".repeat(10));
    let reply = post(&setting, &body(&["x".repeat(20), too_long])).await;
    assert_eq!(reply.status, 200);
    let message = "The document is too long; at most 20 bytes are taken";
    let unprocessed = json!({"UnprocessedTraceSegments": [
        {"Id": "d", "ErrorCode": "InvalidSegment", "Message": message},
    ]});
    assert_eq!(reply.body.parse::<serde_json::Value>().unwrap(), unprocessed);
    assert_eq!(setting.inlet.documents(), ["x".repeat(20)]);
    assert_eq!((setting.tally.received.get(), setting.tally.rejected.header.get()), (1, 1));
    // There is no memory to unpack so long a body into, but for a shorter one.
    let reply = post(&setting, &body(&["x".repeat(150)])).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    let reply = post(&setting, &body(&["x".repeat(200)])).await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.body.contains("RequestTooLargeException"), "{reply:?}");
    assert!(reply.has("Connection: close"), "{reply:?}");
    assert_eq!(post(&setting, &body(&["y"])).await.body, ALL_TAKEN);
}

#[tokio::test]
async fn callers_that_are_throttled_within_a_body_learn_of_it() {
    let limits = Limits { all_body_bytes: 1 << 20, ..Limits::default() };
    let setting = Setting::new(Wanted { limits, ..Wanted::default() });
    // It is written as a whole before the answer is read.
    let reply = post(&setting, &body(&["x".repeat(5 << 20)])).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(post(&setting, &body(&["y"])).await.body, ALL_TAKEN);
}
