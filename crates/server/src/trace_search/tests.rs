//! Pages of traces that match, with only whole traces to tell.

use std::time::SystemTime;

use roentgen_filter::parse;
use roentgen_model::Timestamp;
use roentgen_ops::{ManualClock, SystemClock};
use serde_json::json;

use super::*;
use crate::test_store::{START, TestStore, document, trace_id};

/// All numbers of the traces that match, page by page.
fn pages(store: &TestStore, expression: &str, limit: usize) -> Vec<Vec<String>> {
    pages_for(store, expression, limit, &Caller::new().0, Duration::ZERO)
}

/// The same for a caller, with a clock that goes on by so much for each summary looked at.
fn pages_for(
    store: &TestStore,
    expression: &str,
    limit: usize,
    caller: &Caller,
    each: Duration,
) -> Vec<Vec<String>> {
    let expression = parse(expression).unwrap();
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
    let time = |second: u32| Timestamp::from_micros(i64::from(second) * 1_000_000);
    let mut search = TraceSearch {
        range: TimeRange { start: time(START), end: time(START + 10) },
        range_type: TimeRangeType::TraceId,
        after: None,
        limit,
        scan_limit: 1_000,
        expression: &expression,
        is_wanted: &|_| {
            clock.advance(each);
            true
        },
        clock: &clock,
        caller,
    };
    let mut pages = Vec::new();
    loop {
        let page = search.find(store).unwrap();
        pages.push(page.traces.iter().map(|found| found.summary.id.to_string()).collect());
        search.after = page.next;
        if page.next.is_none() {
            return pages;
        }
        assert!(pages.len() < 100, "no end");
    }
}

#[test]
fn every_match_is_on_one_page_and_nothing_else() {
    let store = TestStore::new();
    store.append_all((0..50).map(|number| {
        let bad = number % 3 == 0;
        let call = json!({
            "id": "63995c3f42cd8ad8", "name": "db", "namespace": "remote",
            "start_time": START, "end_time": START + 1, "fault": bad,
        });
        document(number, json!({ "subsegments": [call], "annotations": {"n": number} }))
    }));
    let check = |expression: &str, limit: usize, wanted: &dyn Fn(u32) -> bool| {
        let expect: Vec<String> =
            (0..50).rev().filter(|n| wanted(*n)).map(|n| trace_id(n).to_string()).collect();
        let pages = pages(&store, expression, limit);
        assert!(pages.iter().all(|page| page.len() <= limit), "{expression}");
        // Where summaries tell everything, no page is empty but that of an empty list.
        let has_empty = pages.len() > 1 && pages.iter().any(Vec::is_empty);
        assert!(!has_empty || expression.contains('{'), "{expression} {limit}");
        assert_eq!(pages.concat(), expect, "{expression}");
    };
    for limit in [1, 7, 50, 500] {
        check("", limit, &|_| true);
        check("annotation.n < 10", limit, &|n| n < 10);
        // Only the whole trace tells.
        check("service(\"db\") { fault }", limit, &|n| n % 3 == 0);
        check("edge(\"shop\", \"db\") { ok } AND annotation.n >= 40", limit, &|n| {
            n % 3 != 0 && n >= 40
        });
        check("rootcause.fault.service { name = \"db\" } OR annotation.n = 7", limit, &|n| {
            n % 3 == 0 || n == 7
        });
        check("fault", limit, &|_| false);
    }
}

#[test]
fn a_page_ends_in_time_and_the_next_goes_on() {
    let store = TestStore::new();
    store.append_all((0..40).map(|number| document(number, json!({"annotations": {"n": number}}))));
    let check = |expression: &str, each: Duration, wanted: &dyn Fn(u32) -> bool| {
        let expect: Vec<String> =
            (0..40).rev().filter(|n| wanted(*n)).map(|n| trace_id(n).to_string()).collect();
        let (caller, waiting) = Caller::new();
        let in_time = pages_for(&store, expression, 50, &caller, each);
        assert_eq!(in_time.concat(), expect, "{expression}");
        assert!(in_time.len() > 10, "{expression}: {}", in_time.len());
        drop(waiting);
        let alone = pages_for(&store, expression, 50, &caller, Duration::ZERO);
        assert_eq!(alone.concat(), expect, "{expression}");
        assert_eq!(alone.len(), 40, "{expression}");
    };
    for each in [LONGEST_SEARCH / 2, LONGEST_SEARCH, LONGEST_SEARCH * 3] {
        check("", each, &|_| true);
        check("service(\"shop\") { annotation.n >= 20 }", each, &|n| n >= 20);
        check("rootcause.json = #[1]", each, &|_| false);
    }
}

#[test]
fn causes_come_along() {
    let store = TestStore::new();
    store.append_all([document(1, json!({"fault": true}))]);
    let expression = parse("fault").unwrap();
    let end = Timestamp::from_micros(i64::from(START + 10) * 1_000_000);
    let (caller, _waiting) = Caller::new();
    let search = TraceSearch {
        range: TimeRange { start: Timestamp::from_micros(0), end },
        range_type: TimeRangeType::TraceId,
        after: None,
        limit: 10,
        scan_limit: 10,
        expression: &expression,
        is_wanted: &|_| true,
        clock: &SystemClock,
        caller: &caller,
    };
    let page = search.find(&store).unwrap();
    let causes = &page.traces.first().unwrap().causes;
    assert!(causes.faults.first().unwrap().client_impacting);
    assert_eq!(causes.response_time.len(), 1);
}
