//! GetTraceSummaries.

use std::sync::Arc;

use roentgen_model::{Timestamp, TraceSummary};
use roentgen_protocol::{
    ApiError, Fingerprint, GetTraceSummariesReply, GetTraceSummariesRequest, PageToken,
    SamplingStrategy, TraceSummaryShape, WireTime,
};
use roentgen_store::{Cursor, SummaryPage, SummaryQuery, TimeRange, TimeRangeType};

use super::{read_request, required, store_failure, write_reply};
use crate::app::App;

/// Summaries in a page. The service's figure is not documented; 100 keep a page below 100 KB for
/// usual traces.
const PAGE_SUMMARIES: usize = 100;

/// Most summaries looked at for one page, so that a rare match costs a bounded time; the page may
/// then be short or empty and still have a NextToken.
const PAGE_SCANNED: usize = 100_000;

/// What a request asks for, checked.
#[derive(Debug)]
struct Query {
    range: TimeRange,
    range_type: TimeRangeType,
    /// The share of traces to tell of, picked by their ids; `None` for all.
    fixed_rate: Option<f64>,
    after: Option<Cursor>,
    fingerprint: u64,
}

/// One page of summaries, newest first.
pub(super) async fn get_trace_summaries(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let query = Query::check(read_request(body)?)?;
    let store = Arc::clone(&app.store);
    app.pool
        .run(move || {
            let page = store
                .summaries(&SummaryQuery {
                    range: query.range,
                    range_type: query.range_type,
                    after: query.after,
                    limit: PAGE_SUMMARIES,
                    scan_limit: PAGE_SCANNED,
                    matches: &|summary| query.is_sampled(summary),
                })
                .map_err(|error| store_failure(&error))?;
            write_reply(&query.reply(&page))
        })
        .await
}

impl Query {
    fn check(request: GetTraceSummariesRequest) -> Result<Self, ApiError> {
        let range = check_range(request.start_time, request.end_time)?;
        if request.filter_expression.is_some_and(|expression| !expression.trim().is_empty()) {
            let message = "Filter expressions are not supported in this version of Roentgen; \
                           leave FilterExpression out";
            return Err(ApiError::invalid(message));
        }
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
        let fixed_rate = strategy.map(check_strategy).transpose()?.flatten();
        let fingerprint = Fingerprint::of("TraceSummaries")
            .with_time(range.start)
            .with_time(range.end)
            .with_text(type_name)
            .with_number(fixed_rate.unwrap_or(1.0).to_bits())
            .finish();
        let after = match request.next_token {
            None => None,
            Some(token) => match PageToken::decode(&token, fingerprint) {
                Ok(PageToken::AfterTrace { time, id }) => Some(Cursor { time, id }),
                Ok(_) => return Err(ApiError::invalid("NextToken is not of this operation")),
                Err(fault) => return Err(ApiError::invalid(fault.to_string())),
            },
        };
        Ok(Self { range, range_type, fixed_rate, after, fingerprint })
    }

    /// Whether sampling keeps this trace: the same traces on every page and for every caller.
    fn is_sampled(&self, summary: &TraceSummary) -> bool {
        self.fixed_rate.is_none_or(|rate| {
            let hash = Fingerprint::of("FixedRate").with_id(summary.id).finish();
            let [a, b, c, d, ..] = hash.to_be_bytes();
            // Below 2³² × rate: none at a rate of 0, all at 1.
            f64::from(u32::from_be_bytes([a, b, c, d])) < rate * 4_294_967_296.0
        })
    }

    fn reply<'a>(&self, page: &'a SummaryPage) -> GetTraceSummariesReply<'a> {
        GetTraceSummariesReply {
            trace_summaries: page
                .summaries
                .iter()
                .map(|summary| TraceSummaryShape::new(summary, self.matched_at(summary)))
                .collect(),
            // Newest first, so the stretch of time that this page covers begins where the next
            // page goes on.
            approximate_time: WireTime(page.next.map_or(self.range.start, |next| next.time)),
            traces_processed_count: page.scanned,
            next_token: page.next.map(|next| {
                PageToken::AfterTrace { time: next.time, id: next.id }.encode(self.fingerprint)
            }),
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

/// The share that a strategy asks for; `None` when it leaves that to us, and we need not sample.
fn check_strategy(strategy: SamplingStrategy) -> Result<Option<f64>, ApiError> {
    match strategy.name.as_deref() {
        None | Some("PartialScan") => Ok(None),
        Some("FixedRate") => match strategy.value {
            Some(rate) if (0.0..=1.0).contains(&rate) => Ok(Some(rate)),
            _ => Err(ApiError::invalid("SamplingStrategy.Value must be between 0 and 1")),
        },
        Some(_) => Err(ApiError::invalid("SamplingStrategy.Name must be PartialScan or FixedRate")),
    }
}
