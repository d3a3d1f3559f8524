//! Time series over a small store: points, periods, selectors, pages and forecasts.

use roentgen_filter::parse;
use serde_json::{Value, json};

use super::*;
use crate::test_store::{BroadStore, START, TestStore, document};

/// The minute of [`START`].
const MINUTE: i64 = START as i64 / 60;

fn now() -> Timestamp {
    Timestamp::from_minute(MINUTE + 10_000)
}

fn check_request(request: Value, groups: &Groups) -> Result<Series, ApiError> {
    Series::check(serde_json::from_value(request).unwrap(), groups, now())
}

fn seconds(minute: i64) -> i64 {
    minute * 60
}

/// Answers a request, page by page; gives all points and the number of pages.
fn points(store: &TestStore, request: &Value, groups: &Groups) -> (Vec<Value>, usize) {
    let series = check_request(request.clone(), groups).unwrap();
    let (mut points, mut token) = (Vec::new(), None::<String>);
    for pages in 1.. {
        let first = series.first_of_page(token.as_deref()).unwrap();
        let page = series.page(store, first, &Caller::new().0).unwrap();
        let json = serde_json::to_value(&page).unwrap();
        assert_eq!(json["ContainsOldGroupVersions"], false);
        points.extend(json["TimeSeriesServiceStatistics"].as_array().unwrap().clone());
        token = page.next_token;
        if token.is_none() {
            return (points, pages);
        }
    }
    unreachable!()
}

/// A segment that begins in a minute; the number also is that of its trace.
fn request(number: u32, minute: i64, fault: bool) -> Value {
    let start = seconds(minute) + 1;
    let members = json!({"start_time": start, "end_time": start + 1, "fault": fault});
    document(number, members)
}

#[test]
fn every_period_of_the_range_is_a_point() {
    let store = TestStore::new();
    store.append_all([
        request(1, MINUTE, false),
        request(2, MINUTE, true),
        request(3, MINUTE + 6, false),
    ]);
    let check = |period: i64, expect: &[(i64, i64, i64)]| {
        // From within a period to within another.
        let asked = json!({
            "StartTime": seconds(MINUTE) + 30, "EndTime": seconds(MINUTE + 6) + 1, "Period": period,
        });
        let (points, pages) = points(&store, &asked, &Groups::default());
        assert_eq!(pages, 1);
        let found: Vec<_> = points
            .iter()
            .map(|point| {
                let statistics = &point["EdgeSummaryStatistics"];
                let counts = point["ResponseTimeHistogram"].as_array().unwrap().iter();
                let total = statistics["TotalCount"].as_i64().unwrap();
                assert_eq!(
                    counts.map(|entry| entry["Count"].as_i64().unwrap()).sum::<i64>(),
                    total
                );
                assert_eq!(point.get("ServiceSummaryStatistics"), None);
                let time: WireTime = serde_json::from_value(point["Timestamp"].clone()).unwrap();
                assert_eq!(time.0.as_micros() % (period * 1_000_000), 0);
                let faults = statistics["FaultStatistics"]["TotalCount"].as_i64().unwrap();
                (time.0.minute() - MINUTE, total, faults)
            })
            .collect();
        assert_eq!(found, expect, "{period}");
    };
    assert_eq!(MINUTE % 5, 0);
    check(60, &[(0, 2, 1), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0), (5, 0, 0), (6, 1, 0)]);
    check(300, &[(0, 2, 1), (5, 1, 0)]);
}

#[test]
fn pages_have_no_gaps_and_no_doubles() {
    let store = TestStore::new();
    store.append_all((0..50).map(|n| request(n, MINUTE + i64::from(n) * 70, n % 7 == 0)));
    let asked = json!({"StartTime": seconds(MINUTE), "EndTime": seconds(MINUTE + 3600)});
    let (all, pages) = points(&store, &asked, &Groups::default());
    assert_eq!((all.len(), pages), (3600, 3));
    for (minute, point) in (0..).zip(&all) {
        assert_eq!(point["Timestamp"], json!(seconds(MINUTE + minute) as f64));
        let expect = i64::from(minute % 70 == 0 && minute < 50 * 70);
        assert_eq!(point["EdgeSummaryStatistics"]["TotalCount"], expect, "{minute}");
    }
}

#[test]
fn what_is_to_come_has_no_points() {
    let store = TestStore::new();
    let check = |start: i64, end: i64, expect: usize| {
        let asked = json!({"StartTime": seconds(start), "EndTime": seconds(end)});
        assert_eq!(points(&store, &asked, &Groups::default()).0.len(), expect, "{start} {end}");
    };
    let now = now().minute();
    check(now - 3, now + 500, 4);
    check(now + 10, now + 500, 0);
    check(now - 5, now - 5, 0);
}

#[test]
fn the_selector_says_of_what() {
    let store = TestStore::new();
    let call = |number: u32, caller: &str, table: &str| {
        let mut document = request(number, MINUTE, false);
        document["name"] = json!(caller);
        document["subsegments"] = json!([{
            "id": "0000000000000002", "name": "DynamoDB", "namespace": "aws", "fault": true,
            "start_time": seconds(MINUTE) + 1, "end_time": seconds(MINUTE) + 2,
            "aws": {"table_name": table},
        }]);
        document
    };
    store.append_all([
        call(1, "shop", "carts"),
        call(2, "shop", "users"),
        call(3, "back", "carts"),
    ]);
    let check = |selector: &str, member: &str, total: i64, faults: i64| {
        let asked = json!({
            "StartTime": seconds(MINUTE), "EndTime": seconds(MINUTE) + 1,
            "EntitySelectorExpression": selector,
        });
        let (points, _) = points(&store, &asked, &Groups::default());
        let statistics = &points[0][member];
        assert_eq!(statistics["TotalCount"], total, "{selector}");
        assert_eq!(statistics["FaultStatistics"]["TotalCount"], faults, "{selector}");
    };
    check("", "EdgeSummaryStatistics", 3, 0);
    check("service(\"shop\")", "ServiceSummaryStatistics", 2, 0);
    check("service(\"carts\")", "ServiceSummaryStatistics", 2, 2);
    check("id(name: \"carts\", type: \"AWS::DynamoDB::Table\")", "ServiceSummaryStatistics", 2, 2);
    check("service(id(type: \"AWS::DynamoDB::Table\"))", "ServiceSummaryStatistics", 3, 3);
    check("service(\"nobody\")", "ServiceSummaryStatistics", 0, 0);
    check("edge(\"shop\", \"carts\")", "EdgeSummaryStatistics", 1, 1);
    check("edge(\"shop\", id(type: \"AWS::DynamoDB::Table\"))", "EdgeSummaryStatistics", 2, 2);
    check("edge(id(type: \"client\"), \"shop\")", "EdgeSummaryStatistics", 2, 0);
}

#[test]
fn a_group_counts_its_traces_only() {
    let store = TestStore::new();
    store.append_all((0..20).map(|n| request(n, MINUTE + i64::from(n % 10) * 10, n % 4 == 0)));
    let mut groups = Groups::default();
    groups.create("broken".to_owned(), Some("fault".to_owned()), None, now()).unwrap();
    let asked = json!({
        "StartTime": seconds(MINUTE), "EndTime": seconds(MINUTE + 100), "GroupName": "broken",
    });
    let (points, pages) = points(&store, &asked, &groups);
    assert_eq!((points.len(), pages), (100, 1));
    for (minute, point) in (0..).zip(&points) {
        let is_some = |n: i64| minute == n % 10 * 10 && n % 4 == 0;
        let expect = (0..20).filter(|n| is_some(*n)).count();
        assert_eq!(point["EdgeSummaryStatistics"]["TotalCount"], expect, "{minute}");
        assert_eq!(point["EdgeSummaryStatistics"]["OkCount"], 0, "{minute}");
    }
    // The same by the seam that gives one graph.
    let range = TimeRange {
        start: Timestamp::from_minute(MINUTE),
        end: Timestamp::from_minute(MINUTE + 100),
    };
    let query = GraphQuery { range, step: None, traces: None };
    let graphs =
        filtered_graphs(&store, &query, &parse("fault").unwrap(), &ReadBudget::default()).unwrap();
    let seen = graphs[0].graph.nodes.values().map(|node| node.seen_real).sum::<i64>();
    assert_eq!((graphs.len(), seen), (1, 5));
}

#[test]
fn a_forecast_is_made_of_the_day_before() {
    let store = TestStore::new();
    // A request every ten minutes, every second of which fails.
    store.append_all((0..144).map(|n| request(n, MINUTE + i64::from(n) * 10, n % 2 == 0)));
    let forecasts = |start: i64, end: i64| -> Vec<(i64, i64, i64)> {
        let asked = json!({
            "StartTime": seconds(start), "EndTime": seconds(end), "Period": 300,
            "EntitySelectorExpression": "id(name: \"shop\")", "ForecastStatistics": true,
        });
        let told = points(&store, &asked, &Groups::default()).0;
        let told = told.iter().filter_map(|point| {
            let forecast = point.get("ServiceForecastStatistics")?;
            let total = point["ServiceSummaryStatistics"]["TotalCount"].as_i64()?;
            let count = |member: &str| forecast[member].as_i64();
            Some((total, count("FaultCountLow")?, count("FaultCountHigh")?))
        });
        told.collect()
    };
    // Twenty periods with requests are needed: the twentieth is at 190 minutes.
    assert_eq!(forecasts(MINUTE, MINUTE + 195), []);
    assert_eq!(forecasts(MINUTE, MINUTE + 200), [(0, 0, 0)]);
    // Of one request, none or one may fail; of none, none.
    let later = forecasts(MINUTE + 1000, MINUTE + 1020);
    assert_eq!(later, [(1, 0, 1), (0, 0, 0), (1, 0, 1), (0, 0, 0)]);
    assert_eq!(forecasts(MINUTE + 200, MINUTE + 1020)[160..], later);
}

#[test]
fn a_series_has_thirty_days_of_minutes_and_ends_now() {
    let check = |start: i64, end: i64, expect: i64| {
        let asked = json!({"StartTime": start, "EndTime": end});
        let series = check_request(asked, &Groups::default()).unwrap();
        assert_eq!(series.end_minute - series.first_minute, expect);
    };
    let now = seconds(MINUTE + 10_000);
    check(now - 60, now + 31 * 86_400, 2);
    check(now + 30 - 30 * 86_400, now + 30, 43_201);
}

#[test]
fn what_is_refused() {
    let groups = Groups::default();
    let check = |members: Value, expect: &str| {
        let mut asked = json!({"StartTime": 0, "EndTime": 600});
        asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let error = check_request(asked, &groups).unwrap_err();
        assert_eq!(error.kind, roentgen_protocol::ErrorKind::InvalidRequest);
        assert!(error.message.contains(expect), "{}", error.message);
    };
    check(json!({"StartTime": 601}), "StartTime must not be after EndTime");
    check(json!({"StartTime": null}), "StartTime is required");
    check(json!({"Period": 120}), "Period must be 60 or 300");
    check(json!({"Period": 0}), "Period must be 60 or 300");
    check(json!({"EndTime": 43_202 * 60}), "at most 43201 points");
    check(json!({"EndTime": 43_202 * 300, "Period": 300}), "at most 43201 points");
    check(json!({"EndTime": 253_402_300_799_i64}), "at most 43201 points");
    check(json!({"GroupName": "none"}), "Group not found");
    check(json!({"ForecastStatistics": true}), "needs an EntitySelectorExpression");
    let edge = "edge(\"a\", \"b\")";
    check(json!({"ForecastStatistics": true, "EntitySelectorExpression": edge}), "needs an");
    let selector = |text: &str| json!({"EntitySelectorExpression": text});
    check(selector("fault"), "Error Location: line 1, position 1");
    check(selector("service(\"a\") AND fault"), "Error Location: line 1, position 14");
    check(selector("edge(\"a\")"), "Error Location: line 1, position 9");
    check(selector(&"x".repeat(501)), "at most 500 characters");
    check_request(json!({"StartTime": 0, "EndTime": 43_200 * 60}), &groups).unwrap();
}

#[test]
fn tokens_of_another_series_are_refused() {
    let series = |members: Value| {
        let mut asked = json!({"StartTime": 0, "EndTime": 600});
        asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        check_request(asked, &Groups::default()).unwrap()
    };
    let token = PageToken::AtTime(Timestamp::from_minute(5)).encode(series(json!({})).fingerprint);
    assert_eq!(series(json!({})).first_of_page(Some(&token)), Ok(5));
    assert_eq!(series(json!({})).first_of_page(Some("")), Ok(0));
    let check = |members: Value, token: &str, expect: &str| {
        let error = series(members).first_of_page(Some(token)).unwrap_err();
        assert!(error.message.contains(expect), "{}", error.message);
    };
    check(json!({"Period": 300}), &token, "other parameters");
    check(json!({"EndTime": 601}), &token, "other parameters");
    check(json!({"EntitySelectorExpression": "service(\"a\")"}), &token, "other parameters");
    check(json!({}), "forged", "not valid");
    let other = PageToken::AfterService { reference_id: 1, given_way: 1 };
    check(json!({}), &other.encode(series(json!({})).fingerprint), "not of this operation");
    // One that goes before the range begins with it, one that goes behind it has nothing.
    let early = series(json!({"StartTime": 300}));
    let token = PageToken::AtTime(Timestamp::from_minute(1)).encode(early.fingerprint);
    assert_eq!(early.first_of_page(Some(&token)), Ok(5));
}

#[test]
fn tokens_of_a_group_end_with_its_definition() {
    let mut groups = Groups::default();
    groups.create("broken".to_owned(), Some("fault".to_owned()), None, now()).unwrap();
    let asked = json!({"StartTime": 0, "EndTime": 600, "GroupName": "broken"});
    let before = check_request(asked.clone(), &groups).unwrap();
    let token = PageToken::AtTime(Timestamp::from_minute(5)).encode(before.fingerprint);
    let selector = GroupSelector::new(Some("broken".to_owned()), None);
    groups.update(&selector, Some("error".to_owned()), None).unwrap();
    let after = check_request(asked.clone(), &groups).unwrap();
    let error = after.first_of_page(Some(&token)).unwrap_err();
    assert!(error.message.contains("other parameters"), "{}", error.message);
    groups.update(&selector, Some("fault".to_owned()), None).unwrap();
    let again = check_request(asked, &groups).unwrap();
    assert_eq!(again.first_of_page(Some(&token)), Ok(5));
}

/// A series of a group, of ninety periods.
fn series_of_group(members: &Value) -> Series {
    let mut groups = Groups::default();
    groups.create("broken".to_owned(), Some("fault".to_owned()), None, now()).unwrap();
    let period = members["Period"].as_i64().unwrap_or(60);
    let mut asked = json!({
        "StartTime": seconds(MINUTE), "EndTime": seconds(MINUTE) + 90 * period,
        "GroupName": "broken",
    });
    asked.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    check_request(asked, &groups).unwrap()
}

#[test]
fn where_much_must_be_read_whole_points_are_asked_for_one_by_one() {
    let check = |period: i64, minutes: i64, expect: &[(i64, i64)], points: usize| {
        let store = BroadStore::new(minutes);
        let series = series_of_group(&json!({"Period": period}));
        let page = series.page(&store, MINUTE, &Caller::new().0).unwrap();
        let asked: Vec<_> = store.asked().into_iter().map(|(m, n)| (m - MINUTE, n)).collect();
        assert_eq!(asked.get(..expect.len()), Some(expect), "{period} {minutes}");
        assert_eq!(page.time_series_service_statistics.len(), points, "{period} {minutes}");
        // What comes behind the points that there are is for the next page.
        let next = page.next_token.map(|token| series.first_of_page(Some(&token)).unwrap());
        let behind = MINUTE + i64::try_from(points).unwrap() * period / 60;
        assert_eq!(next, (points < 90).then_some(behind), "{period} {minutes}");
    };
    check(60, 90, &[(0, 60), (60, 30)], 90);
    check(60, 89, &[(0, 60), (60, 30)], 60);
    check(60, 59, &[(0, 60), (0, 1), (1, 1), (2, 1)], 59);
    check(60, 1, &[(0, 60), (0, 1), (1, 1)], 1);
    check(300, 450, &[(0, 300), (300, 150)], 90);
    check(300, 299, &[(0, 300), (0, 5), (5, 5)], 59);
}

#[test]
fn a_page_of_a_group_is_a_day_at_most() {
    let (store, end) = (BroadStore::new(3000), seconds(MINUTE + 3000));
    let series = series_of_group(&json!({"Period": 300, "EndTime": end}));
    let page = series.page(&store, MINUTE, &Caller::new().0).unwrap();
    assert_eq!(page.time_series_service_statistics.len(), 24 * 12);
    let next = series.first_of_page(page.next_token.as_deref()).unwrap();
    assert_eq!(next, MINUTE + 24 * 60);
}

#[test]
fn who_asks_for_too_much_learns_what_to_do() {
    let check = |members: Value, minutes: i64, expect: &str, queries: usize| {
        let store = BroadStore::new(minutes);
        let error = series_of_group(&members).page(&store, MINUTE, &Caller::new().0).unwrap_err();
        assert_eq!(error.kind, roentgen_protocol::ErrorKind::InvalidRequest);
        assert!(error.message.contains("7 traces or 9 MiB"), "{}", error.message);
        assert!(error.message.contains(expect), "{}", error.message);
        assert_eq!(store.asked().len(), queries, "{members}");
    };
    check(json!({"Period": 300}), 4, "ask for a Period of 60", 2);
}

#[test]
fn a_forecast_looks_back_as_far_as_may_be_read() {
    let check = |period: i64, minutes: i64, expect: &[(i64, i64)]| {
        let store = BroadStore::new(minutes);
        let series = series_of_group(&json!({
            "Period": period,
            "EntitySelectorExpression": "id(name: \"shop\")", "ForecastStatistics": true,
        }));
        assert!(series.history(&store, MINUTE, &Caller::new().0).unwrap().is_some());
        let asked: Vec<_> = store.asked().into_iter().map(|(m, n)| (m - MINUTE, n)).collect();
        assert_eq!(asked, expect, "{period} {minutes}");
    };
    let hours: Vec<_> = (1..=24).map(|hour| (-60 * hour, 60)).collect();
    check(60, 1440, &hours);
    check(60, 62, &[(-60, 60), (-120, 60), (-61, 1), (-62, 1), (-63, 1)]);
    check(60, 0, &[(-60, 60), (-1, 1)]);
    check(300, 309, &[(-300, 300), (-600, 300), (-305, 5), (-310, 5)]);
}
