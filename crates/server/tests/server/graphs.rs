//! GetServiceGraph and GetTraceGraph.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::documents::{shop, store, trace_id};
use crate::harness::{Running, now};

/// The nodes by name and type.
fn nodes(reply: &Value) -> BTreeMap<(String, String), Value> {
    let text = |node: &Value, member: &str| node[member].as_str().unwrap_or_default().to_owned();
    let services = reply["Services"].as_array().unwrap();
    services.iter().map(|node| ((text(node, "Name"), text(node, "Type")), node.clone())).collect()
}

fn node<'a>(nodes: &'a BTreeMap<(String, String), Value>, name: &str, kind: &str) -> &'a Value {
    let key = (name.to_owned(), kind.to_owned());
    nodes.get(&key).unwrap_or_else(|| panic!("no {key:?} in {:?}", nodes.keys()))
}

#[test]
fn the_graph_of_all_traces() {
    let server = Running::start();
    let start = now().floor() - 60.0;
    let documents: Vec<Value> =
        (0..3).map(|number| shop(&trace_id(start, number), start)).collect();
    store(&server, &documents);
    let reply = server.ask("/ServiceGraph", &json!({"StartTime": start, "EndTime": start + 60.0}));
    assert_eq!(reply["StartTime"], start);
    assert_eq!(reply["EndTime"], start + 60.0);
    assert_eq!(reply["ContainsOldGroupVersions"], false);
    assert_eq!(reply.get("NextToken"), None);
    let nodes = nodes(&reply);
    assert_eq!(nodes.len(), 3);

    let shop = node(&nodes, "shop", "AWS::ECS::Container");
    assert_eq!(shop["Root"], true);
    assert_eq!(shop["State"], "active");
    assert_eq!(shop["SummaryStatistics"]["OkCount"], 3);
    assert_eq!(shop["SummaryStatistics"]["TotalCount"], 3);
    let table = node(&nodes, "carts", "AWS::DynamoDB::Table");
    assert_eq!(table["State"], "unknown");
    assert_eq!(table.get("Root"), None);
    let client = node(&nodes, "shop", "client");
    assert_eq!(client.get("SummaryStatistics"), None);
    assert_eq!(client["Edges"][0]["ReferenceId"], shop["ReferenceId"]);
    let call = &shop["Edges"][0];
    assert_eq!(call["ReferenceId"], table["ReferenceId"]);
    assert_eq!(
        call["SummaryStatistics"]["ErrorStatistics"],
        json!({"ThrottleCount": 3, "OtherCount": 0, "TotalCount": 3})
    );
    let counts: i64 = call["ResponseTimeHistogram"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let value = entry["Value"].as_f64().unwrap();
            assert!((0.049..0.051).contains(&value), "{value}");
            entry["Count"].as_i64().unwrap()
        })
        .sum();
    assert_eq!(counts, 3);
}

#[test]
fn other_times_have_other_graphs() {
    let server = Running::start();
    let start = now().floor() - 7200.0;
    store(&server, &[shop(&trace_id(start, 1), start)]);
    let body = json!({"StartTime": start + 3600.0, "EndTime": start + 7200.0});
    assert_eq!(server.ask("/ServiceGraph", &body)["Services"], json!([]));
}

#[test]
fn there_is_one_group() {
    let server = Running::start();
    for group in ["", "Default"] {
        server.ask("/ServiceGraph", &json!({"StartTime": 1, "EndTime": 2, "GroupName": group}));
    }
    let body = json!({"StartTime": 1, "EndTime": 2, "GroupName": "slow"});
    let message = server.refused("/ServiceGraph", &body, 400, "InvalidRequestException");
    assert_eq!(message, "Group not found");
    let body = json!({"StartTime": 2, "EndTime": 1});
    server.refused("/ServiceGraph", &body, 400, "InvalidRequestException");
    let body = json!({"StartTime": 1, "EndTime": 2, "NextToken": "forged"});
    server.refused("/ServiceGraph", &body, 400, "InvalidRequestException");
}

#[test]
fn the_graph_of_chosen_traces() {
    let server = Running::start();
    let start = now().floor() - 60.0;
    let ids: Vec<String> = (0..3).map(|number| trace_id(start, number)).collect();
    let documents: Vec<Value> = ids.iter().map(|id| shop(id, start)).collect();
    store(&server, &documents);
    let reply = server.ask("/TraceGraph", &json!({"TraceIds": [ids[0], ids[2], "unknown"]}));
    let nodes = nodes(&reply);
    let shop = node(&nodes, "shop", "AWS::ECS::Container");
    assert_eq!(shop["SummaryStatistics"]["TotalCount"], 2);
    let reply = server.ask("/TraceGraph", &json!({"TraceIds": ["unknown"]}));
    assert_eq!(reply, json!({"Services": []}));
    let body = json!({"TraceIds": []});
    server.refused("/TraceGraph", &body, 400, "InvalidRequestException");
}
