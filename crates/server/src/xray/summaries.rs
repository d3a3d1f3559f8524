//! GetTraceSummaries.

use std::sync::Arc;

use roentgen_filter::{Expression, parse};
use roentgen_model::{Timestamp, TraceSummary};
use roentgen_ops::Clock;
use roentgen_protocol::{
    ApiError, Fingerprint, GetTraceSummariesReply, GetTraceSummariesRequest, PageToken,
    SamplingStrategy, TraceSummaryShape, WireTime,
};
use roentgen_store::{Cursor, TimeRange, TimeRangeType, TraceStore};

use super::groups::group_failure;
use super::{read_request, required, store_failure};
use crate::app::App;
use crate::groups::{GroupSelector, Groups};
use crate::json;
use crate::page;
use crate::trace_search::{FoundPage, TraceSearch};
use crate::work_pool::Caller;

/// Most summaries in a page. The service's figure is not documented; 100 keep a page below 100 KB
/// for usual traces.
const PAGE_SUMMARIES: usize = 100;

/// Length at which a page ends before that: a trace may have 500 annotations of 1,000 characters.
const PAGE_BYTES: usize = 4 << 20;

/// Most summaries looked at for one page, so that a rare match costs a bounded time; the page may
/// then be short or empty and still have a NextToken.
const PAGE_SCANNED: usize = 100_000;

/// What a request asks for, checked.
#[derive(Debug)]
struct Query {
    range: TimeRange,
    range_type: TimeRangeType,
    expression: Expression,
    sample: Sample,
    after: Option<Cursor>,
    /// Traces that the pages before this one have looked at; kept for [`Sample::PartialScan`].
    scanned_before: usize,
    fingerprint: u64,
}

/// Which traces to tell of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sample {
    All,
    /// A share of them, picked by their ids.
    FixedRate(f64),
    /// Those that are found among the newest so many.
    PartialScan(usize),
}

/// One page of summaries, newest first.
pub(super) async fn get_trace_summaries(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let query = Query::check(read_request(body)?, &app.groups.get())?;
    let store = Arc::clone(&app.store);
    let clock = Arc::clone(&app.clock);
    app.scans.run_for(move |caller| query.run(&*store, PAGE_BYTES, &*clock, caller)).await
}

impl Query {
    fn check(request: GetTraceSummariesRequest, groups: &Groups) -> Result<Self, ApiError> {
        let range = check_range(request.start_time, request.end_time)?;
        let text = request.filter_expression.as_deref().unwrap_or_default();
        let expression = read_filter(text, groups)?;
        let (type_name, range_type) = match request.time_range_type.as_deref() {
            None | Some("TraceId") => ("TraceId", TimeRangeType::TraceId),
            Some("Event") => ("Event", TimeRangeType::Event),
            Some("Service") => ("Service", TimeRangeType::Service),
            Some(_) => {
                let message = "TimeRangeType must be one of TraceId, Event, Service";
                return Err(ApiError::invalid(message));
            }
        };
        let strategy = request.sampling_strategy.filter(|_| request.sampling == Some(true));
        let sample = strategy.map_or(Ok(Sample::All), check_strategy)?;
        // Sampling is no part of it: Grafana goes on with other rates where it finds more than it
        // wanted, and a token is good for any.
        let fingerprint = Fingerprint::of("TraceSummaries")
            .with_time(range.start)
            .with_time(range.end)
            .with_text(type_name)
            .with_text(&expression.to_string())
            .finish();
        let (after, scanned) = match PageToken::read(request.next_token.as_deref(), fingerprint) {
            Ok(None) => (None, 0),
            Ok(Some(PageToken::AfterTrace { time, id })) => (Some(Cursor { time, id }), 0),
            Ok(Some(PageToken::AfterScan { time, id, scanned })) => {
                (Some(Cursor { time, id }), scanned)
            }
            Ok(Some(_)) => return Err(ApiError::invalid("NextToken is not of this operation")),
            Err(fault) => return Err(ApiError::invalid(fault.to_string())),
        };
        let scanned_before = usize::try_from(scanned).unwrap_or(usize::MAX);
        Ok(Self { range, range_type, expression, sample, after, scanned_before, fingerprint })
    }

    fn run(
        &self,
        store: &dyn TraceStore,
        most_bytes: usize,
        clock: &dyn Clock,
        caller: &Caller,
    ) -> Result<Vec<u8>, ApiError> {
        let most = match self.sample {
            Sample::PartialScan(most) => most.saturating_sub(self.scanned_before),
            Sample::All | Sample::FixedRate(_) => usize::MAX,
        };
        let search = TraceSearch {
            range: self.range,
            range_type: self.range_type,
            after: self.after,
            limit: PAGE_SUMMARIES.min(most),
            scan_limit: PAGE_SCANNED.min(most),
            expression: &self.expression,
            is_wanted: &|summary| self.is_sampled(summary),
            clock,
            caller,
        };
        let page = match most {
            // The pages before this one, asked for with a greater value, have looked at all.
            0 => FoundPage { traces: Vec::new(), scanned: 0, next: self.after },
            _ => search.find(store).map_err(|error| store_failure(&error))?,
        };
        json::write(&self.reply(&page, most_bytes, most)?)
    }

    /// Whether sampling keeps this trace: the same traces on every page and for every caller.
    fn is_sampled(&self, summary: &TraceSummary) -> bool {
        let Sample::FixedRate(rate) = self.sample else { return true };
        let hash = Fingerprint::of("FixedRate").with_id(summary.id).finish();
        let [a, b, c, d, ..] = hash.to_be_bytes();
        // Below 2³² × rate: none at a rate of 0, all at 1.
        f64::from(u32::from_be_bytes([a, b, c, d])) < rate * 4_294_967_296.0
    }

    /// `most` is how many traces may be looked at from this page on.
    fn reply<'a>(
        &self,
        page: &'a FoundPage,
        most_bytes: usize,
        most: usize,
    ) -> Result<GetTraceSummariesReply<'a>, ApiError> {
        let shapes = page.traces.iter().map(|found| {
            TraceSummaryShape::new(&found.summary, &found.causes, self.matched_at(&found.summary))
        });
        let mut trace_summaries: Vec<_> = shapes.collect();
        let found = trace_summaries.len();
        trace_summaries.truncate(page::fitting(&trace_summaries, most_bytes)?);
        let shown = trace_summaries.len();
        // Of what lies behind the last one shown, the next page tells.
        let scanned = if shown < found { page.scanned * shown / found } else { page.scanned };
        let reached = page::next_after(&page.traces, shown, page.next);
        let next = reached.filter(|_| scanned < most);
        Ok(GetTraceSummariesReply {
            trace_summaries,
            // Newest first, so the stretch of time that this page covers begins where a next page
            // would go on.
            approximate_time: WireTime(reached.map_or(self.range.start, |reached| reached.time)),
            traces_processed_count: scanned,
            next_token: next.map(|next| self.token(next, scanned).encode(self.fingerprint)),
        })
    }

    fn token(&self, Cursor { time, id }: Cursor, scanned: usize) -> PageToken {
        match self.sample {
            Sample::PartialScan(_) => {
                let scanned = self.scanned_before.saturating_add(scanned);
                PageToken::AfterScan { time, id, scanned: scanned as u64 }
            }
            Sample::All | Sample::FixedRate(_) => PageToken::AfterTrace { time, id },
        }
    }

    /// The moment that put the trace into the range, where that is not the time of its id.
    fn matched_at(&self, summary: &TraceSummary) -> Option<Timestamp> {
        match self.range_type {
            TimeRangeType::TraceId => None,
            TimeRangeType::Event => Some(summary.start.max(self.range.start)),
            TimeRangeType::Service => Some(summary.end),
        }
    }
}

/// Reads a filter expression; groups stand for theirs.
pub(super) fn read_filter(text: &str, groups: &Groups) -> Result<Expression, ApiError> {
    let expression = parse(text).map_err(|error| ApiError::invalid(error.to_string()))?;
    groups.put_in(expression).map_err(group_failure)
}

/// Reads a filter expression on the traces of a group; gives the ARN of the group, too.
pub(crate) fn read_filter_in_group(
    text: &str,
    group: &GroupSelector,
    groups: &Groups,
) -> Result<(String, Expression), ApiError> {
    let (name, group) = groups.find_or_default(group).map_err(group_failure)?;
    let expression = group.expression().clone().and(read_filter(text, groups)?);
    Ok((group.arn(name), expression))
}

/// Reads `StartTime` and `EndTime`.
pub(super) fn check_range(
    start: Option<WireTime>,
    end: Option<WireTime>,
) -> Result<TimeRange, ApiError> {
    let WireTime(start) = required("StartTime", start)?;
    let WireTime(end) = required("EndTime", end)?;
    if start > end {
        return Err(ApiError::invalid("StartTime must not be after EndTime"));
    }
    Ok(TimeRange { start, end })
}

/// What a strategy asks for. X-Ray does not say what the value of PartialScan is; here it is the
/// number of traces to look at, and without one nothing need be left out.
fn check_strategy(strategy: SamplingStrategy) -> Result<Sample, ApiError> {
    let invalid = |what: &str| Err(ApiError::invalid(format!("SamplingStrategy.{what}")));
    match (strategy.name.as_deref(), strategy.value) {
        (None, _) | (Some("PartialScan"), None) => Ok(Sample::All),
        (Some("PartialScan"), Some(most)) if most >= 1.0 => Ok(Sample::PartialScan(whole(most))),
        (Some("PartialScan"), Some(_)) => {
            invalid("Value of PartialScan is the number of traces to look at, at least 1")
        }
        (Some("FixedRate"), Some(rate)) if (0.0..=1.0).contains(&rate) => {
            Ok(Sample::FixedRate(rate))
        }
        (Some("FixedRate"), _) => invalid("Value of FixedRate must be between 0 and 1"),
        (Some(_), _) => invalid("Name must be PartialScan or FixedRate"),
    }
}

/// The whole part of a positive number; what is too large for one is the largest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn whole(number: f64) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use roentgen_ops::SystemClock;
    use serde_json::{Value, json};

    use super::*;
    use crate::test_store::{START, TestStore, document, trace_id};

    #[test]
    fn pages_that_end_by_their_bytes_have_no_gaps_and_no_doubles() {
        let store = TestStore::new();
        let (caller, _waiting) = Caller::new();
        let annotations = json!({"annotations": {"long": "x".repeat(900)}});
        store.append_all((0..20).map(|number| document(number, annotations.clone())));
        let check = |most_bytes: usize, pages: usize| {
            let mut request = json!({"StartTime": START, "EndTime": START + 1, "NextToken": ""});
            let mut ids = Vec::new();
            for _ in 0..pages {
                assert!(!request["NextToken"].is_null(), "{most_bytes}: {} ids", ids.len());
                let query = serde_json::from_value(request.clone()).unwrap();
                let reply = Query::check(query, &Groups::default())
                    .unwrap()
                    .run(&store, most_bytes, &SystemClock, &caller)
                    .unwrap();
                let reply: Value = serde_json::from_slice(&reply).unwrap();
                let summaries = reply["TraceSummaries"].as_array().unwrap();
                ids.extend(summaries.iter().map(|summary| summary["Id"].clone()));
                request["NextToken"] = reply["NextToken"].clone();
            }
            assert!(request["NextToken"].is_null(), "{most_bytes}");
            let expect: Vec<_> = (0..20).rev().map(|n| json!(trace_id(n).to_string())).collect();
            assert_eq!(ids, expect, "{most_bytes}");
        };
        check(PAGE_BYTES, 1);
        // A summary of these has more than a thousand bytes, but not two thousand.
        check(1, 20);
        check(4_000, 10);
    }
}
