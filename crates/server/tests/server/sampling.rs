//! Sampling rules, targets and statistics.

use serde_json::{Value, json};

use crate::harness::{Running, now};

const CLIENT: &str = "0123456789abcdef01234567";

fn rules(server: &Running) -> Vec<Value> {
    let reply = server.ask("/GetSamplingRules", &json!({}));
    reply["SamplingRuleRecords"].as_array().unwrap().clone()
}

fn rule(name: &str) -> Value {
    json!({
        "RuleName": name, "Priority": 10, "FixedRate": 0.25, "ReservoirSize": 7,
        "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "GET",
        "URLPath": "/checkout/*", "ResourceARN": "*", "Version": 1,
    })
}

fn statistics(rule: &str, timestamp: f64) -> Value {
    json!({
        "RuleName": rule, "ClientID": CLIENT, "Timestamp": timestamp, "RequestCount": 100,
        "SampledCount": 6, "BorrowCount": 1,
    })
}

#[test]
fn the_default_rule_is_in_the_form_that_every_sdk_takes() {
    let server = Running::start();
    let expect = json!([{
        "SamplingRule": {
            "RuleName": "Default",
            "RuleARN": "arn:aws:xray:us-east-1:000000000000:sampling-rule/Default",
            "ResourceARN": "*", "Priority": 10_000, "FixedRate": 0.05, "ReservoirSize": 1,
            "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
            "URLPath": "*", "Version": 1, "Attributes": {},
        },
        "CreatedAt": 0.0, "ModifiedAt": 0.0,
    }]);
    assert_eq!(Value::from(rules(&server)), expect);
    // Go drops numbers with a fraction here.
    let text = server.post("/GetSamplingRules", &json!({})).text();
    for number in ["\"Priority\":10000,", "\"ReservoirSize\":1,", "\"Version\":1,"] {
        assert!(text.contains(number), "{text}");
    }
    let body = json!({"NextToken": "x"});
    server.refused("/GetSamplingRules", &body, 400, "InvalidRequestException");
}

#[test]
fn targets_are_in_the_form_that_every_sdk_takes() {
    let server = Running::start();
    let before = now();
    let body = json!({"SamplingStatisticsDocuments": [
        statistics("Default", before.floor()),
        statistics("gone", before),
    ]});
    let reply = server.post("/SamplingTargets", &body);
    let answer = reply.json();
    let target = &answer["SamplingTargetDocuments"][0];
    assert_eq!(target["RuleName"], "Default");
    assert_eq!(target["FixedRate"], 0.05);
    assert_eq!(target["Interval"], 10);
    assert!(target["ReservoirQuota"].is_u64(), "{answer}");
    let ttl = target["ReservoirQuotaTTL"].as_u64().unwrap() as f64;
    assert!((before + 299.0..now() + 301.0).contains(&ttl), "{ttl}");
    assert_eq!(answer["LastRuleModification"], 0.0);
    let unprocessed = &answer["UnprocessedStatistics"][0];
    assert_eq!(unprocessed["RuleName"], "gone");
    assert!(unprocessed["ErrorCode"].as_str().unwrap().starts_with('4'), "{unprocessed}");
    assert_eq!(answer["UnprocessedBoostStatistics"], json!([]));
}

#[test]
fn javas_milliseconds_and_netless_borrow_counts_are_understood() {
    let server = Running::start();
    let mut document = statistics("Default", (now() * 1000.0).floor());
    document.as_object_mut().unwrap().remove("BorrowCount");
    document["ClientID"] = CLIENT.to_uppercase().into();
    let reply = server.ask("/SamplingTargets", &json!({"SamplingStatisticsDocuments": [document]}));
    assert_eq!(reply["SamplingTargetDocuments"].as_array().unwrap().len(), 1, "{reply}");
}

#[test]
fn requests_for_targets_that_make_no_sense() {
    let server = Running::start();
    let check = |body: Value, expect: &str| {
        let message = server.refused("/SamplingTargets", &body, 400, "InvalidRequestException");
        assert!(message.contains(expect), "{message}");
    };
    check(json!({}), "SamplingStatisticsDocuments is required");
    let many = vec![statistics("Default", now()); 26];
    check(json!({"SamplingStatisticsDocuments": many}), "At most 25 documents");
    check(json!({"SamplingStatisticsDocuments": [{}]}), "RuleName of a statistics document");
    let old = json!({"SamplingStatisticsDocuments": [statistics("Default", now() - 3600.0)]});
    let reply = server.ask("/SamplingTargets", &old);
    assert_eq!(reply["UnprocessedStatistics"][0]["ErrorCode"].as_str().unwrap().len(), 3);
}

#[test]
fn statistics_are_summed_in_windows() {
    let server = Running::start();
    let at = now();
    let body = json!({"SamplingStatisticsDocuments": [statistics("Default", at)]});
    server.ask("/SamplingTargets", &body);
    server.ask("/SamplingTargets", &body);
    let reply = server.ask("/SamplingStatisticSummaries", &json!({}));
    let summary = &reply["SamplingStatisticSummaries"][0];
    let window = (at / 10.0).floor() * 10.0;
    let expect = json!({
        "RuleName": "Default", "Timestamp": window, "RequestCount": 200, "BorrowCount": 2,
        "SampledCount": 12,
    });
    assert_eq!(*summary, expect);
}

#[test]
fn rules_are_created_changed_and_deleted_and_outlive_a_restart() {
    let server = Running::start();
    let before = now();
    let created = server.ask("/CreateSamplingRule", &json!({"SamplingRule": rule("checkout")}));
    let record = &created["SamplingRuleRecord"];
    assert_eq!(record["SamplingRule"]["Attributes"], json!({}));
    assert!(record["CreatedAt"].as_f64().unwrap() >= before - 0.001);
    let update = json!({"SamplingRuleUpdate": {"RuleName": "Default", "FixedRate": 0.5}});
    server.ask("/UpdateSamplingRule", &update);
    let update = json!({"SamplingRuleUpdate": {
        "RuleARN": record["SamplingRule"]["RuleARN"], "ReservoirSize": 3,
    }});
    server.ask("/UpdateSamplingRule", &update);
    let old = rules(&server);

    let server = server.restart();
    assert_eq!(rules(&server), old);
    let names: Vec<_> = old.iter().map(|record| &record["SamplingRule"]["RuleName"]).collect();
    assert_eq!(names, ["checkout", "Default"]);
    assert_eq!(old[0]["SamplingRule"]["ReservoirSize"], 3);
    assert_eq!(old[1]["SamplingRule"]["FixedRate"], 0.5);
    let body = json!({"SamplingStatisticsDocuments": [statistics("checkout", now())]});
    let modified = server.ask("/SamplingTargets", &body)["LastRuleModification"].as_f64().unwrap();
    assert!((before - 0.001..now()).contains(&modified));

    let deleted = server.ask("/DeleteSamplingRule", &json!({"RuleName": "checkout"}));
    assert_eq!(deleted["SamplingRuleRecord"], old[0]);
    assert_eq!(rules(&server.restart()).len(), 1);
}

#[test]
fn changes_that_are_not_possible() {
    let server = Running::start();
    let check = |path: &str, body: Value, name: &str, expect: &str| {
        let message = server.refused(path, &body, 400, name);
        assert!(message.contains(expect), "{message}");
    };
    let invalid = "InvalidRequestException";
    check("/CreateSamplingRule", json!({}), invalid, "SamplingRule is required");
    let tagged = json!({"SamplingRule": rule("x"), "Tags": [{"Key": "aws:k", "Value": "v"}]});
    check("/CreateSamplingRule", tagged, invalid, "is reserved");
    let mut wrong = rule("x");
    wrong["Priority"] = 10_000.into();
    wrong["FixedRate"] = 1.5.into();
    check("/CreateSamplingRule", json!({"SamplingRule": wrong}), invalid, "2 validation errors");
    let update = json!({"SamplingRuleUpdate": {"RuleName": "Default", "Host": "x"}});
    check("/UpdateSamplingRule", update, invalid, "Invalid update request for default");
    check("/UpdateSamplingRule", json!({}), invalid, "SamplingRuleUpdate is required");
    check("/DeleteSamplingRule", json!({"RuleName": "gone"}), invalid, "not found");
    check("/DeleteSamplingRule", json!({"RuleName": "Default"}), invalid, "cannot be deleted");
    for number in 0..25 {
        let body = json!({"SamplingRule": rule(&format!("rule-{number}"))});
        server.ask("/CreateSamplingRule", &body);
    }
    let body = json!({"SamplingRule": rule("one-too-many")});
    check("/CreateSamplingRule", body, "RuleLimitExceededException", "limit of 25");
    let body = json!({"SamplingRule": rule("rule-3")});
    check("/CreateSamplingRule", body, invalid, "already exists");
}
