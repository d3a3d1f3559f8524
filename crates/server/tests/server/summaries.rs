//! GetTraceSummaries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::documents::{segment, shop, store, trace_id};
use crate::harness::{Running, now};

const PATH: &str = "/TraceSummaries";

fn ids(reply: &Value) -> Vec<String> {
    let summaries = reply["TraceSummaries"].as_array().unwrap();
    summaries.iter().map(|summary| summary["Id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_summary_tells_all_there_is() {
    let server = Running::start();
    let start = now().floor();
    let id = trace_id(start, 1);
    store(&server, &[shop(&id, start)]);
    let reply = server.ask(PATH, &json!({"StartTime": start, "EndTime": start + 1.0}));
    assert_eq!(reply["TracesProcessedCount"], 1);
    assert_eq!(reply.get("NextToken"), None);
    let summary = &reply["TraceSummaries"][0];
    assert_eq!(summary["Id"], id);
    assert_eq!(summary["StartTime"], start);
    assert_eq!(summary["HasThrottle"], true);
    assert_eq!(summary["HasError"], false);
    assert_eq!(summary["Http"]["HttpStatus"], 200);
    assert_eq!(summary["Users"][0]["UserName"], "ann");
    assert_eq!(summary["Annotations"]["items"][0]["AnnotationValue"], json!({"NumberValue": 3.0}));
    assert_eq!(summary["EntryPoint"]["Type"], "AWS::ECS::Container");
    let services: BTreeSet<_> = summary["ServiceIds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|service| (service["Name"].as_str().unwrap(), service["Type"].as_str().unwrap()))
        .collect();
    let expect =
        [("carts", "AWS::DynamoDB::Table"), ("shop", "AWS::ECS::Container"), ("shop", "client")];
    assert_eq!(services, expect.into());
    assert_eq!(summary["FaultRootCauses"], json!([]));
    // The table throttled, and the shop coped with it.
    let errors = summary["ErrorRootCauses"].as_array().unwrap();
    let way = |cause: &Value| -> Vec<Value> {
        let services = cause["Services"].as_array().unwrap();
        services.iter().map(|service| service["Name"].clone()).collect()
    };
    assert_eq!(errors.iter().map(way).collect::<Vec<_>>(), [["shop", "carts"]]);
    assert_eq!(errors[0]["ClientImpacting"], false);
    let slow = &summary["ResponseTimeRootCauses"][0];
    assert_eq!(slow["Services"][0]["EntityPath"][0]["Coverage"], 1.0);
    assert_eq!(summary.get("MatchedEventTime"), None);
}

#[test]
fn pages_go_from_new_to_old_and_hold_each_trace_once() {
    let server = Running::start();
    let start = now().floor() - 300.0;
    let documents: Vec<Value> = (0..250)
        .map(|number| {
            let at = start + number as f64;
            segment(&trace_id(at, number), 1, "x", at)
        })
        .collect();
    store(&server, &documents);
    let mut body = json!({"StartTime": start, "EndTime": start + 250.0});
    let mut seen = Vec::new();
    for expect in [100, 100, 50] {
        let reply = server.ask(PATH, &body);
        assert_eq!(ids(&reply).len(), expect);
        seen.extend(ids(&reply));
        body["NextToken"] = reply["NextToken"].clone();
    }
    assert_eq!(body["NextToken"], Value::Null);
    let expect: Vec<String> =
        (0..250).rev().map(|number| trace_id(start + number as f64, number)).collect();
    assert_eq!(seen, expect);
}

#[test]
fn a_trace_that_comes_between_two_pages_does_not_shift_them() {
    let server = Running::start();
    let start = now().floor() - 300.0;
    let at = |number: u64| segment(&trace_id(start + 1.0, number), 1, "x", start + 1.0);
    store(&server, &(1..=101).map(at).collect::<Vec<_>>());
    let mut body = json!({"StartTime": start, "EndTime": start + 100.0});
    let first = server.ask(PATH, &body);
    store(&server, &[segment(&trace_id(start + 50.0, 999), 1, "x", start + 50.0)]);
    body["NextToken"] = first["NextToken"].clone();
    let second = server.ask(PATH, &body);
    assert_eq!(ids(&second), [trace_id(start + 1.0, 1)]);
}

#[test]
fn tokens_are_for_the_same_query_only() {
    let server = Running::start();
    let start = now().floor() - 10.0;
    let documents: Vec<Value> =
        (0..101).map(|number| segment(&trace_id(start, number), 1, "x", start)).collect();
    store(&server, &documents);
    let body = json!({"StartTime": start, "EndTime": start + 5.0});
    let token = server.ask(PATH, &body)["NextToken"].as_str().unwrap().to_owned();
    let check = |changes: Value, expect: &str| {
        let mut body = body.clone();
        body["NextToken"] = token.clone().into();
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let message = server.refused(PATH, &body, 400, "InvalidRequestException");
        assert!(message.contains(expect), "{message}");
    };
    check(json!({"EndTime": start + 6.0}), "other parameters");
    check(json!({"TimeRangeType": "Event"}), "other parameters");
    check(json!({"NextToken": "forged"}), "not valid");
    check(json!({"NextToken": format!("{token}AAAA")}), "not valid");
    check(json!({"NextToken": "A".repeat(100_000)}), "not valid");
}

#[test]
fn the_range_is_half_open_and_of_three_types() {
    let server = Running::start();
    let start = now().floor() - 100.0;
    let id = trace_id(start, 1);
    let mut document = segment(&id, 1, "x", start + 10.0);
    document["end_time"] = (start + 20.0).into();
    store(&server, &[document]);
    let check = |range_type: &str, from: f64, to: f64, expect: bool| {
        let (from, to) = (start + from, start + to);
        let body = json!({"StartTime": from, "EndTime": to, "TimeRangeType": range_type});
        let reply = server.ask(PATH, &body);
        assert_eq!(ids(&reply).len(), usize::from(expect), "{range_type} {from} {to}");
        reply["TraceSummaries"][0]["MatchedEventTime"].as_f64().map(|time| time - start)
    };
    // By the second in the id.
    assert_eq!(check("TraceId", 0.0, 1.0, true), None);
    check("TraceId", -1.0, 0.0, false);
    check("TraceId", 10.0, 20.0, false);
    // By any moment of the trace.
    assert_eq!(check("Event", 12.0, 13.0, true), Some(12.0));
    assert_eq!(check("Event", 0.0, 13.0, true), Some(10.0));
    check("Event", 0.0, 10.0, false);
    check("Event", 21.0, 30.0, false);
    // By its end.
    assert_eq!(check("Service", 20.0, 21.0, true), Some(20.0));
    check("Service", 10.0, 20.0, false);
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let server = Running::start();
    let check = |changes: Value, name: &str, expect: &str| {
        let mut body = json!({"StartTime": 1.0, "EndTime": 2});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let message = server.refused(PATH, &body, 400, name);
        assert!(message.contains(expect), "{message}");
    };
    let invalid = "InvalidRequestException";
    check(json!({"StartTime": null}), invalid, "StartTime is required");
    check(json!({"EndTime": null}), invalid, "EndTime is required");
    check(json!({"StartTime": 3}), invalid, "StartTime must not be after EndTime");
    check(json!({"TimeRangeType": "Id"}), invalid, "TimeRangeType must be one of");
    check(
        json!({"FilterExpression": "ok AND falt"}),
        invalid,
        "Error Location: line 1, position 10 : Invalid input symbol: 'fal'. Expected a keyword of \
         the trace; did you mean fault?",
    );
    check(
        json!({"FilterExpression": "group.name = \"slow\""}),
        invalid,
        "The group \"slow\" does not exist",
    );
    check(
        json!({"Sampling": true, "SamplingStrategy": {"Name": "FixedRate"}}),
        invalid,
        "SamplingStrategy.Value",
    );
    check(
        json!({"Sampling": true, "SamplingStrategy": {"Name": "Some"}}),
        invalid,
        "SamplingStrategy.Name",
    );
    check(
        json!({"StartTime": "2026-11-22T00:00:00Z"}),
        "SerializationException",
        "expected a time as a number of epoch seconds",
    );
    check(json!({"EndTime": 1_795_335_000_000_u64}), "SerializationException", "expected a time");
    let empty = server.ask(PATH, &json!({"StartTime": 1, "EndTime": 1, "FilterExpression": " "}));
    assert_eq!(ids(&empty), Vec::<String>::new());
    let first = server.ask(PATH, &json!({"StartTime": 1, "EndTime": 1, "NextToken": ""}));
    assert_eq!(ids(&first), Vec::<String>::new());
}

#[test]
fn a_fixed_rate_picks_the_same_part_each_time() {
    let server = Running::start();
    let start = now().floor() - 10.0;
    let documents: Vec<Value> =
        (0..1000).map(|number| segment(&trace_id(start, number), 1, "x", start)).collect();
    store(&server, &documents);
    let sampled = |rate: f64| {
        let mut body = json!({
            "StartTime": start, "EndTime": start + 1.0, "Sampling": true,
            "SamplingStrategy": {"Name": "FixedRate", "Value": rate},
        });
        let mut all = BTreeSet::new();
        loop {
            let reply = server.ask(PATH, &body);
            all.extend(ids(&reply));
            body["NextToken"] = reply["NextToken"].clone();
            if body["NextToken"].is_null() {
                return all;
            }
        }
    };
    assert_eq!(sampled(0.0).len(), 0);
    assert_eq!(sampled(1.0).len(), 1000);
    let tenth = sampled(0.1);
    assert!((50..150).contains(&tenth.len()), "{}", tenth.len());
    assert_eq!(sampled(0.1), tenth);
    assert!(sampled(0.5).is_superset(&tenth));
}

#[test]
fn a_partial_scan_tells_of_the_newest_traces() {
    let server = Running::start();
    let start = now().floor() - 1000.0;
    let segments: Vec<Value> = (0..300_u32)
        .map(|number| {
            let begun = start + f64::from(number);
            segment(&trace_id(begun, number.into()), 1, "x", begun)
        })
        .collect();
    store(&server, &segments);
    let scanned = |most: f64| {
        let mut body = json!({
            "StartTime": start, "EndTime": start + 300.0, "Sampling": true,
            "SamplingStrategy": {"Name": "PartialScan", "Value": most},
        });
        let (mut all, mut processed) = (Vec::new(), 0);
        loop {
            let reply = server.ask(PATH, &body);
            all.extend(ids(&reply));
            processed += reply["TracesProcessedCount"].as_u64().unwrap();
            body["NextToken"] = reply["NextToken"].clone();
            if body["NextToken"].is_null() {
                assert_eq!(processed, all.len() as u64, "{most}");
                return all;
            }
        }
    };
    let all = scanned(1e30);
    assert_eq!(all.len(), 300);
    for most in [1_u16, 99, 100, 101, 250, 300] {
        assert_eq!(scanned(most.into()), all[..usize::from(most)], "{most}");
    }
    let ask =
        |most: u32, token: &Value| {
            server.ask(PATH, &json!({
            "StartTime": start, "EndTime": start + 300.0, "Sampling": true, "NextToken": token,
            "SamplingStrategy": {"Name": "PartialScan", "Value": most},
        }))
        };
    // What is told of time is of what was looked at.
    let page = ask(50, &Value::Null);
    let reached = page["ApproximateTime"].as_f64().unwrap();
    assert!((reached - (start + 250.0)).abs() <= 1.0, "{reached}");
    // Going on with less than was looked at already tells of nothing more.
    let token = &ask(150, &Value::Null)["NextToken"];
    let page = ask(50, token);
    assert_eq!((ids(&page).len(), &page["NextToken"]), (0, &Value::Null));
    let body = json!({"StartTime": 1, "EndTime": 2, "Sampling": true,
        "SamplingStrategy": {"Name": "PartialScan", "Value": 0.5}});
    let message = server.refused(PATH, &body, 400, "InvalidRequestException");
    assert!(message.contains("at least 1"), "{message}");
}
