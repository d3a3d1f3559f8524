//! BatchGetTraces.

use serde_json::{Value, json};

use crate::documents::{segment, shop, store, trace_id};
use crate::harness::{Running, now};

#[test]
fn documents_are_json_in_strings_with_inferred_segments() {
    let server = Running::start();
    let start = now();
    let id = trace_id(start, 1);
    store(&server, &[shop(&id, start)]);
    let reply = server.ask("/Traces", &json!({"TraceIds": [id]}));
    assert_eq!(reply["UnprocessedTraceIds"], json!([]));
    let trace = &reply["Traces"][0];
    assert_eq!(trace["Id"], id);
    assert_eq!(trace["LimitExceeded"], false);
    assert!((trace["Duration"].as_f64().unwrap() - 0.1).abs() < 1e-5);
    let segments = trace["Segments"].as_array().unwrap();
    let documents: Vec<Value> = segments
        .iter()
        .map(|segment| {
            let document: Value =
                serde_json::from_str(segment["Document"].as_str().unwrap()).unwrap();
            assert_eq!(document["id"], segment["Id"]);
            document
        })
        .collect();
    let names: Vec<_> = documents.iter().map(|document| &document["name"]).collect();
    assert_eq!(names, ["shop", "DynamoDB"]);
    assert_eq!(documents[1]["inferred"], true);
    assert_eq!(documents[1]["parent_id"], "000000000000000a");
    assert_eq!(documents[1]["origin"], "AWS::DynamoDB::Table");
    assert_eq!(documents[0]["subsegments"][0]["aws"]["table_name"], "carts");
}

#[test]
fn both_spellings_of_an_id_are_known_and_the_rest_comes_back() {
    let server = Running::start();
    let start = now();
    let ids: Vec<String> = (1..=3).map(|number| trace_id(start, number)).collect();
    let documents: Vec<Value> = ids.iter().map(|id| segment(id, 1, "x", start)).collect();
    store(&server, &documents[..2]);
    let w3c = ids[1].replacen("1-", "", 1).replace('-', "");
    let body = json!({"TraceIds": [ids[0], w3c, ids[2], "nonsense", ids[0]]});
    let reply = server.ask("/Traces", &body);
    let found: Vec<_> =
        reply["Traces"].as_array().unwrap().iter().map(|trace| &trace["Id"]).collect();
    assert_eq!(found, [&ids[0], &ids[1]]);
    assert_eq!(reply["UnprocessedTraceIds"], json!([ids[2], "nonsense"]));
}

#[test]
fn one_to_five_ids() {
    let server = Running::start();
    let check = |body: Value, expect: &str| {
        let message = server.refused("/Traces", &body, 400, "InvalidRequestException");
        assert!(message.contains(expect), "{message}");
    };
    check(json!({}), "TraceIds is required");
    check(json!({"TraceIds": []}), "1 to 5 ids, not 0");
    check(json!({"TraceIds": vec!["x"; 6]}), "1 to 5 ids, not 6");
    check(json!({"TraceIds": vec!["x".repeat(36)]}), "1 to 35 characters, not 36");
    check(json!({"TraceIds": ["x"], "NextToken": "x"}), "NextToken is not valid");
}
