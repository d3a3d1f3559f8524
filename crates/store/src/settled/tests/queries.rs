//! Queries answer as if every summary had been looked at.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;
use roentgen_model::{Micros, Outcome, Timestamp, TraceId, TraceSummary};

use super::super::columns::ColumnName;
use super::super::digests::DigestName;
use super::super::group::Group;
use super::super::{NoOpenTraces, OpenTrace, OpenTraces, ScanThreads, find_page};
use super::samples::{Files, graph_of, plain_summary, summaries};
use crate::{
    AnnotationMatch, Condition, Cursor, Limits, Logic, RequestTest, ServiceMatch, SummaryQuery,
    TextField, TextMatch, TimeRange, TimeRangeType,
};

fn text_match() -> impl Strategy<Value = TextMatch> {
    let text = "[abé]{0,2}";
    prop_oneof![
        text.prop_map(TextMatch::Equals),
        text.prop_map(TextMatch::Contains),
        text.prop_map(TextMatch::StartsWith),
        text.prop_map(TextMatch::EndsWith),
    ]
}

fn limits<T: Copy + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Limits<T>> {
    let bound = prop_oneof![
        value.clone().prop_map(Bound::Included),
        value.prop_map(Bound::Excluded),
        Just(Bound::Unbounded)
    ]
    .boxed();
    (bound.clone(), bound)
}

fn condition() -> impl Strategy<Value = Condition> {
    let outcome = prop::sample::select(vec![Outcome::Ok, Outcome::Error, Outcome::Fault]);
    let micros = prop_oneof![-3_i64..5, 0..200_i64, any::<i64>()].prop_map(Micros::new).boxed();
    let field = prop::sample::select(vec![
        TextField::Url,
        TextField::Method,
        TextField::UserAgent,
        TextField::ClientIp,
    ]);
    let part = || prop::option::of(text_match());
    let service = (part(), part(), part())
        .prop_map(|(name, kind, account_id)| ServiceMatch { name, kind, account_id })
        .boxed();
    let number = prop_oneof![(-3_i32..3).prop_map(f64::from), any::<f64>()].boxed();
    let value = prop_oneof![
        Just(AnnotationMatch::Any),
        text_match().prop_map(AnnotationMatch::Text),
        limits(number).prop_map(AnnotationMatch::Number),
        any::<bool>().prop_map(AnnotationMatch::Boolean),
    ];
    prop_oneof![
        prop::collection::vec(outcome, 0..3).prop_map(Condition::Outcomes),
        any::<bool>().prop_map(Condition::Fault),
        any::<bool>().prop_map(Condition::Error),
        any::<bool>().prop_map(Condition::Throttle),
        any::<bool>().prop_map(Condition::Partial),
        limits(micros.clone()).prop_map(Condition::ResponseTime),
        limits(micros).prop_map(Condition::Duration),
        limits(prop_oneof![198_i64..204, any::<i64>()].boxed()).prop_map(Condition::HttpStatus),
        (field, text_match()).prop_map(|(field, wanted)| Condition::Text(field, wanted)),
        service.clone().prop_map(Condition::Service),
        service.clone().prop_map(Condition::EntryPoint),
        text_match().prop_map(Condition::User),
        ("[ab]{1}", value).prop_map(|(key, value)| Condition::Annotation { key, value }),
        text_match().prop_map(Condition::ResourceArn),
        text_match().prop_map(Condition::InstanceId),
        text_match().prop_map(Condition::AvailabilityZone),
        (service.clone(), tests()).prop_map(|(who, tests)| Condition::Request { who, tests }),
        (service.clone(), service, tests()).prop_map(|(from, to, tests)| Condition::Call {
            from,
            to,
            tests
        }),
    ]
}

fn joined() -> impl Strategy<Value = Condition> {
    let joined = logic(condition()).prop_map(|logic| Condition::Joined(Box::new(logic)));
    prop_oneof![condition(), joined]
}

/// Such leaves, joined.
fn logic<T: Clone + std::fmt::Debug + 'static>(
    leaf: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Logic<T>> {
    let leaf = prop_oneof![9 => leaf.prop_map(Logic::Is), 1 => Just(Logic::Unknown)];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            parts().prop_map(Logic::All),
            parts().prop_map(Logic::Any),
            inner.clone().prop_map(|inner| Logic::Not(Box::new(inner))),
        ]
    })
}

fn tests() -> impl Strategy<Value = Logic<RequestTest>> {
    let micros = prop_oneof![-3_i64..5, 0..200_i64, any::<i64>()].prop_map(Micros::new).boxed();
    let text = || prop::sample::select(vec!["shop", "cart", ""]).prop_map(str::to_owned);
    logic(prop_oneof![
        any::<bool>().prop_map(RequestTest::Ok),
        any::<bool>().prop_map(RequestTest::Fault),
        any::<bool>().prop_map(RequestTest::Error),
        any::<bool>().prop_map(RequestTest::Throttle),
        any::<bool>().prop_map(RequestTest::Partial),
        any::<bool>().prop_map(RequestTest::Inferred),
        any::<bool>().prop_map(RequestTest::Root),
        limits(micros.clone()).prop_map(RequestTest::ResponseTime),
        limits(micros).prop_map(RequestTest::Duration),
        text().prop_map(TextMatch::Equals).prop_map(RequestTest::Name),
        text().prop_map(TextMatch::Contains).prop_map(RequestTest::Kind),
    ])
}

fn range() -> impl Strategy<Value = TimeRange> {
    let time = || {
        let micros = prop_oneof![0_i64..12, 1_000_000_000_i64..1_000_000_100, any::<i64>()];
        micros.prop_map(Timestamp::from_micros)
    };
    let all = TimeRange {
        start: Timestamp::from_micros(i64::MIN),
        end: Timestamp::from_micros(i64::MAX),
    };
    prop_oneof![Just(all), (time(), time()).prop_map(|(start, end)| TimeRange { start, end })]
}

fn range_type() -> impl Strategy<Value = TimeRangeType> {
    use TimeRangeType::{Event, Service, TraceId};
    prop::sample::select(vec![TraceId, Event, Service])
}

/// Traces that are open, by their keys.
#[derive(Debug, Default)]
struct Open {
    keys: Vec<Cursor>,
    summaries: Vec<Arc<TraceSummary>>,
}

impl Open {
    fn new(summaries: &[TraceSummary]) -> Self {
        let mut summaries: Vec<_> = summaries.iter().cloned().map(Arc::new).collect();
        summaries.sort_by_key(|summary| key(summary));
        Self { keys: summaries.iter().map(|summary| key(summary)).collect(), summaries }
    }
}

impl OpenTraces for Open {
    fn keys(&self) -> &[Cursor] {
        &self.keys
    }

    fn hides_row_of(&self, id: TraceId) -> bool {
        self.summaries.iter().any(|summary| summary.id == id)
    }

    fn trace(&self, key: Cursor) -> Option<OpenTrace> {
        let summary = self.summaries.iter().find(|summary| summary.id == key.id)?.clone();
        let graph = Some(Arc::new(graph_of(&summary)));
        Some(OpenTrace { summary, graph })
    }
}

fn key(summary: &TraceSummary) -> Cursor {
    Cursor { time: summary.time, id: summary.id }
}

/// All pages of a query, one after the other.
fn pages(
    files: &Files,
    query: &SummaryQuery<'_>,
    open: &dyn OpenTraces,
) -> (Vec<TraceSummary>, usize) {
    let superseded = files.superseded();
    let (mut found, mut scanned, mut query) = (Vec::new(), 0, *query);
    for _ in 0..1000 {
        let page =
            find_page(&files.queried(&superseded), &query, open, &ScanThreads::new(2)).unwrap();
        assert!(page.summaries.len() <= query.limit.max(1));
        assert!(page.scanned <= query.scan_limit.max(1));
        found.extend(page.summaries.iter().map(|summary| TraceSummary::clone(summary)));
        scanned += page.scanned;
        assert!(page.next.is_none() || query.after.is_none() || page.next < query.after);
        query.after = page.next;
        if page.next.is_none() {
            return (found, scanned);
        }
    }
    panic!("paging does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn pages_tell_what_holds_newest_first(
        all in summaries(24),
        asked in prop::collection::vec(prop::collection::vec(joined(), 0..3), 1..4),
        (range, range_type) in (range(), range_type()),
        (limit, scan_limit) in (0_usize..8, prop_oneof![0_usize..8, Just(usize::MAX)]),
        files_of in prop::collection::vec(0_usize..5, 24),
        residual in prop::option::of(0_usize..3),
    ) {
        // Of five parts four are settled files; the last one is open.
        let part = |wanted| -> Vec<TraceSummary> {
            let part = all.iter().zip(&files_of).filter(|(_, part)| **part == wanted);
            part.map(|(summary, _)| summary.clone()).collect()
        };
        let mut files = Files::new();
        (0..4).for_each(|number| files.settle(number as u64 + 1, &part(number)));
        let open = Open::new(&part(4));
        let matches = |summary: &TraceSummary| residual.is_none_or(|r| summary.segment_count % 3 == r);
        // Twice, since what was read for one question may be kept in mind for the others.
        for conditions in asked.iter().chain(&asked) {
            let query = SummaryQuery {
                range, range_type, after: None, limit, scan_limit, conditions, matches: &matches,
            };
            let (found, scanned) = pages(&files, &query, &open);
            let mut expect: Vec<&TraceSummary> =
                all.iter().filter(|summary| range_type.selects(range, summary)).collect();
            prop_assert_eq!(scanned, expect.len());
            expect.retain(|summary| {
                let truth = Condition::all(conditions, summary, Some(&graph_of(summary)));
                truth != Some(false) && matches(summary)
            });
            expect.sort_by_key(|summary| std::cmp::Reverse(key(summary)));
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expect);
        }
    }
}

fn all_time() -> TimeRange {
    TimeRange { start: Timestamp::from_micros(0), end: Timestamp::MAX }
}

fn query<'a>(conditions: &'a [Condition]) -> SummaryQuery<'a> {
    SummaryQuery {
        range: all_time(),
        range_type: TimeRangeType::TraceId,
        after: None,
        limit: 100,
        scan_limit: usize::MAX,
        conditions,
        matches: &|_| true,
    }
}

#[test]
fn a_rare_value_is_found_in_many_row_groups() {
    let mut files = Files::new();
    for file in 0..6_u64 {
        let ids = (0..9000).map(|n| n * 6 + file);
        let traces: Vec<_> = ids.map(|id| plain_summary(id, 1000 + id as i64 / 100)).collect();
        files.settle(file + 1, &traces);
    }
    let conditions = [Condition::Annotation {
        key: "order".to_owned(),
        value: AnnotationMatch::Text(TextMatch::Equals("order-31415".to_owned())),
    }];
    let (found, scanned) = pages(&files, &query(&conditions), &NoOpenTraces);
    assert_eq!(found, [plain_summary(31_415, 1314)]);
    assert_eq!(scanned, 54_000);
    let residual = |summary: &TraceSummary| summary.http.url.as_deref() == Some("/orders/27182");
    let query = SummaryQuery { matches: &residual, ..query(&[]) };
    assert_eq!(pages(&files, &query, &NoOpenTraces).0, [plain_summary(27_182, 1271)]);
}

#[test]
fn what_is_nowhere_is_looked_for_once() {
    let mut files = Files::new();
    let traces: Vec<_> = (0..1000).map(|id| plain_summary(id, 1000)).collect();
    files.settle(1, &traces);
    let text = || TextMatch::Equals("order-none".to_owned());
    let long = (Bound::Excluded(Micros::from_whole_seconds(3600)), Bound::Unbounded);
    let (who, tests) = (ServiceMatch::default(), Logic::Is(RequestTest::ResponseTime(long)));
    let order = AnnotationMatch::Text(text());
    for condition in [
        Condition::User(text()),
        Condition::Text(TextField::Url, text()),
        Condition::Annotation { key: "order".to_owned(), value: order },
        Condition::Request { who, tests },
    ] {
        assert_eq!(pages(&files, &query(&[condition]), &NoOpenTraces), (vec![], 1000));
    }
    let is_kept = |group: Group<'_>| {
        let is_ruled_out = |column| group.lacks_text(DigestName::Texts(column, 0), &text());
        let columns = [ColumnName::Users, ColumnName::Urls, ColumnName::AnnotationValues(0)];
        columns.into_iter().all(is_ruled_out) && group.known_lengths().is_some()
    };
    assert!(files.files.iter().flat_map(|file| file.groups()).all(is_kept));
}

#[test]
fn the_limit_of_the_scan_is_kept_to_the_row() {
    let mut files = Files::new();
    for file in 0..3_u64 {
        let traces: Vec<_> = (0..5000).map(|n| plain_summary(n * 3 + file, 1000)).collect();
        files.settle(file + 1, &traces);
    }
    let never = [Condition::Fault(true)];
    for scan_limit in [1, 99, 4097, 14_999, 15_000, 15_001] {
        let query = SummaryQuery { scan_limit, ..query(&never) };
        let superseded = files.superseded();
        let page =
            find_page(&files.queried(&superseded), &query, &NoOpenTraces, &ScanThreads::new(2))
                .unwrap();
        assert_eq!(page.scanned, scan_limit.min(15_000));
        let last = 15_000_u64.checked_sub(scan_limit as u64).filter(|last| *last > 0);
        let last = last.map(|id| key(&plain_summary(id, 1000)));
        assert_eq!(page.next, last, "{scan_limit}");
    }
}

#[test]
fn rows_that_were_taken_over_are_not_told() {
    let mut files = Files::new();
    let mut traces: Vec<_> = (0..10).map(|n| plain_summary(n, 1000)).collect();
    files.settle(1, &traces);
    traces[4].revision = 2;
    files.settle(2, &traces[4..5]);
    // One more document, so the trace is open again; and one that was not there before.
    traces[7].revision = 2;
    traces.push(plain_summary(77, 1000));
    let open = Open::new(&[traces[7].clone(), traces[10].clone()]);
    let (found, _) = pages(&files, &query(&[]), &open);
    traces.reverse();
    assert_eq!(found, traces);
    let ids: HashSet<TraceId> = found.iter().map(|summary| summary.id).collect();
    assert_eq!(ids.len(), 11);
}

#[test]
fn a_trace_far_from_its_time_is_found_when_it_was_active() {
    let mut files = Files::new();
    let mut odd = plain_summary(5, 1000);
    odd.end = Timestamp::from_micros(900_000_000_000);
    odd.duration = odd.end - odd.start;
    files.settle(1, &[odd.clone(), plain_summary(6, 800_000)]);
    let range = TimeRange {
        start: Timestamp::from_micros(700_000_000_000),
        end: Timestamp::from_micros(700_000_000_001),
    };
    let check = |range_type, expect: &[TraceSummary]| {
        let query = SummaryQuery { range, range_type, ..query(&[]) };
        assert_eq!(pages(&files, &query, &NoOpenTraces).0, expect, "{range_type:?}");
    };
    check(TimeRangeType::TraceId, &[]);
    check(TimeRangeType::Event, &[odd]);
    check(TimeRangeType::Service, &[]);
}
