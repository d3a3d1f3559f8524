//! The console's own API.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::documents::{segment, shop, store, trace_id};
use crate::harness::{Running, now};

const SEARCH: &str = "/api/v1/traces/search";

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sum(counts: &Value) -> u64 {
    counts.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum()
}

#[test]
fn the_status_tells_how_the_server_is() {
    let server = Running::start();
    let status = server.get("/api/v1/status").json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["address"], server.address.to_string());
    assert_eq!(status["dataDirectory"], server.data_dir().display().to_string());
    assert_eq!(status["lastDocumentAt"], Value::Null);
    assert_eq!(status["rejectedByReason"], json!({}));
    assert_eq!(status["sampleTraffic"], json!({"running": false, "endsAt": null}));
    let start = now();
    store(&server, &[shop(&trace_id(start, 1), start)]);
    let status = server.get("/api/v1/status").json();
    assert_eq!((&status["traces"], &status["documentsAccepted"]), (&json!(1), &json!(1)));
    assert!((start - 1.0..now() + 1.0).contains(&status["lastDocumentAt"].as_f64().unwrap()));
    assert!(status["storeBytes"].as_u64().unwrap() > 100);
}

#[test]
fn a_search_finds_counts_and_pages() {
    let server = Running::start();
    let start = now().floor() - 60.0;
    let documents: Vec<Value> = (0..25)
        .map(|number| {
            let at = start + number as f64;
            let mut document = segment(&trace_id(at, number), 1, "api", at);
            document["http"]["response"]["status"] = if number % 5 == 0 { 503 } else { 200 }.into();
            document
        })
        .chain([shop(&trace_id(start, 99), start)])
        .collect();
    store(&server, &documents);
    let range = json!({"start": start, "end": start + 60.0});
    let answer = server.ask(SEARCH, &range);
    assert_eq!(answer["matched"], 26);
    assert_eq!(answer["scanned"], 26);
    assert_eq!(answer["complete"], true);
    assert!((answer["averageResponseTime"].as_f64().unwrap() - 0.1).abs() < 1e-5, "{answer}");
    assert!((answer["p95ResponseTime"].as_f64().unwrap() - 0.1).abs() < 1e-5, "{answer}");
    assert_eq!(answer["next"], Value::Null);
    for counted in ["histogram", "series"] {
        assert_eq!(sum(&answer[counted]["ok"]), 21, "{counted}");
        assert_eq!(sum(&answer[counted]["fault"]), 5, "{counted}");
    }
    assert_eq!(answer["facets"]["status"][0], json!({"value": 200, "count": 21}));
    let service = json!({"value": "api", "count": 25});
    assert_eq!(answer["facets"]["service"][0], service);
    assert_eq!(
        members(&answer["traces"][0]),
        [
            "annotations",
            "duration",
            "entryPoint",
            "hasError",
            "hasFault",
            "hasThrottle",
            "http",
            "id",
            "isPartial",
            "responseTime",
            "revision",
            "segmentCount",
            "services",
            "startTime",
            "users",
        ]
    );

    let mut body = json!({"start": start, "end": start + 60.0, "outcomes": ["ok"], "limit": 10});
    let mut ids = Vec::new();
    for expect in [10, 10, 1] {
        let page = server.ask(SEARCH, &body);
        let traces = page["traces"].as_array().unwrap();
        assert_eq!(traces.len(), expect);
        assert_eq!(page["matched"], 21);
        ids.extend(traces.iter().map(|trace| trace["id"].as_str().unwrap().to_owned()));
        body["next"] = page["next"].clone();
    }
    assert_eq!(body["next"], Value::Null);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());

    body["next"] = "forged".into();
    let reply = server.post(SEARCH, &body);
    assert_eq!(reply.status, 400);
    assert_eq!(members(&reply.json()), ["Message"]);
}

#[test]
fn a_search_by_edge_means_the_call_itself() {
    let server = Running::start();
    let start = now().floor() - 60.0;
    // Both nodes occur in the second trace, but nobody calls the table there.
    let mut lonely = segment(&trace_id(start, 2), 2, "carts", start);
    lonely["origin"] = "AWS::DynamoDB::Table".into();
    let mut other = segment(&trace_id(start, 2), 1, "shop", start);
    other["origin"] = "AWS::ECS::Container".into();
    store(&server, &[shop(&trace_id(start, 1), start), lonely, other]);
    let found = |from: Value, to: Value| {
        let edge = json!({"from": from, "to": to});
        let body = json!({"start": start, "end": start + 60.0, "edge": edge});
        server.ask(SEARCH, &body)["matched"].as_u64().unwrap()
    };
    let table = json!({"name": "carts", "type": "AWS::DynamoDB::Table"});
    let shop = json!({"name": "shop", "type": "AWS::ECS::Container"});
    let client = json!({"name": "shop", "type": "client"});
    assert_eq!(found(shop.clone(), table.clone()), 1);
    assert_eq!(found(table, shop.clone()), 0);
    assert_eq!(found(client, shop), 2);
}

#[test]
fn a_search_by_filter_expression_and_group_goes_with_all_else() {
    let server = Running::start();
    let start = now().floor() - 60.0;
    let documents: Vec<Value> = (0..20)
        .map(|number| {
            let at = start + number as f64;
            let mut document = segment(&trace_id(at, number), 1, "api", at);
            document["annotations"] = json!({"number": number, "odd": number % 2 == 1});
            document["http"]["response"]["status"] = if number % 5 == 0 { 503 } else { 200 }.into();
            document
        })
        .collect();
    store(&server, &documents);
    let group = json!({"GroupName": "odd", "FilterExpression": "annotation.odd = true"});
    server.ask("/CreateGroup", &group);
    let found = |mut body: Value| {
        body["start"] = start.into();
        body["end"] = (start + 60.0).into();
        let answer = server.ask(SEARCH, &body);
        let counted: u64 = ["ok", "error", "throttle", "fault"]
            .map(|name| sum(&answer["series"][name]))
            .iter()
            .sum();
        assert_eq!(answer["matched"], counted, "{body}");
        (counted, answer)
    };
    let check = |body: Value, expect: u64| assert_eq!(found(body.clone()).0, expect, "{body}");
    check(json!({"filterExpression": "annotation.number >= 10"}), 10);
    check(json!({"filterExpression": "annotation.number >= 10", "outcomes": ["fault"]}), 2);
    check(json!({"filterExpression": "service(\"api\") { fault }"}), 4);
    check(json!({"filterExpression": "service(\"api\") { http.status = 503 }", "status": 200}), 0);
    check(json!({"groupName": "odd"}), 10);
    check(json!({"groupName": "odd", "filterExpression": "fault"}), 2);
    check(json!({"filterExpression": "group.name = \"odd\" OR annotation.number = 4"}), 11);

    // Every match is on one page, also where only whole traces tell.
    let expression = "service() { http.status = 503 } AND annotation.number > 0";
    let mut body = json!({"filterExpression": expression, "limit": 2, "next": ""});
    let mut numbers = Vec::new();
    while !body["next"].is_null() {
        let (matched, answer) = found(body.clone());
        assert_eq!(matched, 3);
        let traces = answer["traces"].as_array().unwrap().clone();
        assert!(traces.len() <= 2, "{answer}");
        numbers.extend(traces.iter().map(|trace| trace["annotations"]["number"][0].clone()));
        body["next"] = answer["next"].clone();
    }
    let numbers: Vec<_> = numbers.iter().map(|number| number.as_f64().unwrap()).collect();
    assert_eq!(numbers, [15.0, 10.0, 5.0]);
}

#[test]
fn searches_that_make_no_sense() {
    let server = Running::start();
    let check = |body: Value, expect: &str| {
        let reply = server.post(SEARCH, &body);
        assert_eq!(reply.status, 400, "{}", reply.text());
        let message = reply.json()["Message"].as_str().unwrap().to_owned();
        assert!(message.contains(expect), "{message}");
    };
    check(json!({}), "missing field `start`");
    check(json!({"start": 2, "end": 1}), "start must not be after end");
    check(json!({"start": 1, "end": 2, "limit": 1001}), "limit must be 1 to 1000");
    check(json!({"start": 1, "end": 2, "limit": 0}), "limit must be 1 to 1000");
    check(json!({"start": 1, "end": 2, "filter": "x"}), "unknown field");
    check(
        json!({"start": 1, "end": 2, "filterExpression": "service(\"shop\") { fal }"}),
        "Error Location: line 1, position",
    );
    check(json!({"start": 1, "end": 2, "filterExpression": "falt"}), "did you mean fault?");
    check(json!({"start": 1, "end": 2, "groupName": "none"}), "Group not found");
    check(json!([1, 2]), "expected a JSON object");
    let reply = server.send("POST", SEARCH, &[("Content-Type", "text/plain")], b"{}");
    assert_eq!(reply.status, 415);
}

#[test]
fn a_trace_as_columns() {
    let server = Running::start();
    let start = now().floor();
    let id = trace_id(start, 1);
    let mut callee = segment(&id, 2, "stock", start + 0.02);
    callee["parent_id"] = "000000000000000b".into();
    let mut document = shop(&id, start);
    document["subsegments"].as_array_mut().unwrap().push(json!({
        "id": "000000000000000b", "name": "stock.local", "namespace": "remote",
        "start_time": start + 0.015, "in_progress": true,
    }));
    store(&server, &[callee, document]);
    let w3c = id.replacen("1-", "", 1).replace('-', "");
    for id in [&id, &w3c] {
        let trace = server.get(&format!("/api/v1/traces/{id}")).json();
        assert_eq!(trace["segmentCount"], 2);
        let rows = &trace["rows"];
        assert_eq!(rows["name"], json!(["shop", "DynamoDB", "stock.local", "stock"]));
        assert_eq!(rows["parent"], json!([-1, 0, 0, 2]));
        assert_eq!(rows["depth"], json!([0, 1, 1, 2]));
        assert_eq!(rows["kind"], json!(["segment", "subsegment", "subsegment", "segment"]));
        assert_eq!(rows["node"], json!([0, 0, 0, 1]));
        assert_eq!(rows["startUs"], json!([0, 10_000, 15_000, 20_000]));
        assert_eq!(rows["durationUs"][2], Value::Null);
        assert_eq!(rows["flags"], json!([0, 3, 8, 0]));
        assert_eq!(rows["status"], json!([200, 429, null, 200]));
        assert_eq!(rows["namespace"], json!([null, "aws", "remote", null]));
        assert_eq!(
            rows["detail"],
            json!(["GET http://shop/", "GetItem carts", null, "GET http://stock/"])
        );
        let expect = json!([
            {"name": "shop", "type": "AWS::ECS::Container"},
            {"name": "stock"},
        ]);
        assert_eq!(trace["nodes"], expect);
    }
    let segment = server.get(&format!("/api/v1/traces/{id}/segments/0000000000000001")).json();
    assert_eq!(segment["metadata"]["default"]["note"], "kept");
    assert_eq!(segment.get("subsegments"), None);
    let call = server.get(&format!("/api/v1/traces/{id}/segments/000000000000000a")).json();
    assert_eq!(call["aws"]["operation"], "GetItem");
    let raw = server.get(&format!("/api/v1/traces/{id}/raw")).json();
    assert_eq!(raw["originals"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_not_there() {
    let server = Running::start();
    let start = now();
    let id = trace_id(start, 1);
    store(&server, &[shop(&id, start)]);
    let unknown = trace_id(start, 2);
    for path in [
        format!("/api/v1/traces/{unknown}"),
        format!("/api/v1/traces/{unknown}/raw"),
        "/api/v1/traces/nonsense".to_owned(),
        format!("/api/v1/traces/{id}/segments/00000000000000ff"),
        format!("/api/v1/traces/{id}/segments/nonsense"),
        "/api/v1/nothing".to_owned(),
    ] {
        let reply = server.get(&path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(members(&reply.json()), ["Message"], "{path}");
    }
    for path in ["/api/v1/traces/%ff", "/api/v1/traces/x/raw%ff", "/api/v1/traces/%ff/segments/x"] {
        let reply = server.get(path);
        assert!([400, 404].contains(&reply.status), "{path} {}", reply.status);
        assert_eq!(members(&reply.json()), ["Message"], "{path}");
    }
    let wrong = [("POST", "/api/v1/status", "GET,HEAD"), ("GET", SEARCH, "POST")];
    for (method, path, allow) in wrong {
        let reply = server.send(method, path, &[], b"");
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{path}");
        assert_eq!(members(&reply.json()), ["Message"], "{path}");
    }
}

#[test]
fn the_button_brings_traffic_once() {
    let server = Running::start();
    let started = server.post("/api/v1/sample-traffic", &json!({}));
    assert_eq!(started.status, 202, "{}", started.text());
    let ends_at = started.json()["endsAt"].as_f64().unwrap();
    assert!((now() + 50.0..now() + 61.0).contains(&ends_at));
    let again = server.post("/api/v1/sample-traffic", &json!({}));
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["Message"], "Sample traffic is running already");
    let status = server.get("/api/v1/status").json();
    assert_eq!(status["sampleTraffic"], json!({"running": true, "endsAt": ends_at}));
    let services = server.wait_for("a map of ten services", |server| {
        let body = json!({"StartTime": now() - 900.0, "EndTime": now()});
        let graph = server.ask("/ServiceGraph", &body);
        let services = graph["Services"].as_array().unwrap();
        let active = services.iter().filter(|service| service["State"] == "active").count();
        (active >= 10).then_some(services.len())
    });
    assert!(services > 10);
    assert_eq!(server.get("/api/v1/status").json()["documentsRejected"], 0);
    let (_, drained) = server.stop();
    assert!(drained);
}
