//! What the shop's traffic looks like in the large.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use roentgen_load::Shop;
use roentgen_model::Timestamp;
use serde_json::Value;

const REQUESTS: i64 = 5_000;

static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| documents(REQUESTS));

fn documents(requests: i64) -> Vec<Value> {
    let mut shop = Shop::new(20);
    let time = |number: i64| Timestamp::from_micros((1_795_334_983 + number) * 1_000_000);
    (0..requests)
        .flat_map(|number| shop.request(time(number)))
        .map(|document| serde_json::from_str(&document.json).unwrap())
        .collect()
}

/// Finished segments that answer the visitors' requests.
fn entries(documents: &[Value]) -> Vec<&Value> {
    let is_entry = |document: &&Value| {
        document["name"] == "storefront-web"
            && document.get("parent_id").is_none()
            && document.get("end_time").is_some()
    };
    documents.iter().filter(is_entry).collect()
}

fn visit<'a>(value: &'a Value, found: &mut impl FnMut(&'a Value)) {
    found(value);
    for inner in value.get("subsegments").and_then(Value::as_array).into_iter().flatten() {
        visit(inner, found);
    }
}

#[test]
fn shares_of_errors_throttles_and_faults_are_sensible() {
    let entries = entries(&DOCUMENTS);
    assert_eq!(i64::try_from(entries.len()), Ok(REQUESTS));
    let check = |flag: &str, least: f64, most: f64| {
        let flagged = entries.iter().filter(|entry| entry[flag] == true).count();
        let share = flagged as f64 / entries.len() as f64;
        assert!((least..most).contains(&share), "{flag}: {share}");
    };
    check("fault", 0.005, 0.03);
    check("error", 0.015, 0.06);
    check("throttle", 0.001, 0.01);
    let statuses: BTreeSet<u64> =
        entries.iter().map(|entry| entry["http"]["response"]["status"].as_u64().unwrap()).collect();
    for status in [200, 201, 202, 400, 401, 402, 403, 404, 409, 429, 500, 502] {
        assert!(statuses.contains(&status), "{status} missing in {statuses:?}");
    }
}

#[test]
fn response_times_have_a_body_and_a_tail() {
    let mut milliseconds: Vec<f64> = entries(&DOCUMENTS)
        .iter()
        .map(|entry| {
            (entry["end_time"].as_f64().unwrap() - entry["start_time"].as_f64().unwrap()) * 1e3
        })
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    let percentile = |percent: usize| milliseconds[milliseconds.len() * percent / 100];
    assert!((20.0..120.0).contains(&percentile(50)), "{}", percentile(50));
    assert!((200.0..900.0).contains(&percentile(98)), "{}", percentile(98));
    let longest = milliseconds.last().unwrap();
    assert!((2_000.0..30_000.0).contains(longest), "{longest}");
}

#[test]
fn all_shapes_of_documents_occur() {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut note = |what: &'static str, occurs: bool| {
        *seen.entry(what).or_default() += u32::from(occurs);
    };
    for document in DOCUMENTS.iter() {
        let is_on_its_own = document["type"] == "subsegment";
        let is_python = document["in_progress"] == false;
        note("in progress", document["in_progress"] == true);
        note("streamed from Python", is_on_its_own && is_python);
        note("streamed from Java", is_on_its_own && document.get("sql").is_some());
        note("link", document.get("links").is_some());
        note("user", document.get("user").is_some());
        note("metadata", document.get("metadata").is_some());
        visit(document, &mut |entity| {
            let cause = &entity["cause"];
            let has_response = entity.pointer("/http/response").is_some();
            let is_aws = entity["namespace"] == "aws";
            note("cold start", entity["name"] == "Initialization");
            note("cause by exception id", cause.is_string());
            note("cause by subsegment id", cause.get("id").is_some());
            note("remote exception", cause["exceptions"][0]["remote"] == true);
            note("chain of exceptions", cause["exceptions"][1].is_object());
            note("throttled AWS call", is_aws && entity["throttle"] == true);
            note("retried AWS call", entity["aws"]["retries"].as_u64() > Some(0));
            note("call without response", entity["http"]["request"].is_object() && !has_response);
            note("annotation from a cache", entity["annotations"]["cache_hit"].is_boolean());
            note("annotated total", entity["annotations"]["order_total"].is_number());
        });
    }
    for (what, times) in seen {
        assert!(times > 0, "never seen: {what}");
    }
}
