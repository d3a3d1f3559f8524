//! GetTimeSeriesServiceStatistics.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;

use roentgen_filter::{Expression, Selector, Who, parse_selector};
use roentgen_model::{Micros, RequestStatistics, ServiceGraph, Timestamp};
use roentgen_protocol::{
    ApiError, Fingerprint, ForecastStatistics, GetTimeSeriesServiceStatisticsReply,
    GetTimeSeriesServiceStatisticsRequest, PageToken, TimeSeriesServiceStatistics, WireTime,
};
use roentgen_store::{GraphQuery, ReadBudget, StoreError, TimeRange, TraceStore};

use super::groups::group_failure;
use super::summaries::check_range;
use super::{read_request, store_failure};
use crate::app::App;
use crate::fault_forecast::{History, Period};
use crate::filtered_graphs::filtered_graphs;
use crate::groups::{GroupSelector, Groups};
use crate::json;
use crate::work_pool::Caller;

/// Most points of a series: thirty days of minutes, of which the first and the last may be parts;
/// that is as long as X-Ray keeps what it could tell of.
const MOST_POINTS: i64 = 43_201;

/// Points in a page: a day of minutes.
const PAGE_POINTS: usize = 1440;

/// Entries of histograms after which a page ends: some 3 MB.
const PAGE_ENTRIES: usize = 100_000;

/// Points whose graphs are in memory at a time.
const POINTS_AT_A_TIME: i64 = 60;

/// How far a forecast looks back, in minutes: a day, so that it knows the hours of a day. Pages of
/// a group are as long at most, since all their traces are looked at.
const DAY_MINUTES: i64 = 24 * 60;

/// What a request may read of whole traces is shared by the history of a forecast, the points, and
/// an attempt at points that was too much.
const SHARES: NonZero<usize> = NonZero::new(3).expect("3 is not 0");

/// Characters of a selector (API model).
const MOST_SELECTOR_CHARACTERS: usize = 500;

/// A series that is asked for.
#[derive(Debug)]
struct Series {
    /// Whole periods.
    first_minute: i64,
    /// Behind the last period, or behind the one that is now.
    end_minute: i64,
    period_minutes: u32,
    subject: Subject,
    expression: Expression,
    has_forecast: bool,
    fingerprint: u64,
}

/// What the series is about.
#[derive(Debug)]
enum Subject {
    /// The requests of clients.
    Clients,
    Service(Who),
    Edge(Who, Who),
}

/// One page of a series, by time.
pub(super) async fn get_time_series_service_statistics(
    app: &Arc<App>,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let mut request: GetTimeSeriesServiceStatisticsRequest = read_request(body)?;
    let token = request.next_token.take();
    let series = Series::check(request, &app.groups.get(), app.now())?;
    let first = series.first_of_page(token.as_deref())?;
    let store = Arc::clone(&app.store);
    app.scans.run_for(move |caller| json::write(&series.page(&*store, first, caller)?)).await
}

impl Series {
    fn check(
        request: GetTimeSeriesServiceStatisticsRequest,
        groups: &Groups,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        let range = check_range(request.start_time, request.end_time)?;
        let period_minutes = match request.period {
            None | Some(60) => 1,
            Some(300) => 5,
            Some(_) => return Err(ApiError::invalid("Period must be 60 or 300")),
        };
        let selector = request.entity_selector_expression.as_deref().unwrap_or_default();
        let subject = Subject::read(selector)?;
        let has_forecast = request.forecast_statistics.unwrap_or_default();
        if has_forecast && !matches!(subject, Subject::Service(_)) {
            let message = "ForecastStatistics needs an EntitySelectorExpression that names a \
                           service: id(name: \"…\", type: \"…\")";
            return Err(ApiError::invalid(message));
        }
        let group = GroupSelector::new(request.group_name, request.group_arn);
        let (name, group) = groups.find_or_default(&group).map_err(group_failure)?;
        let period = i64::from(period_minutes);
        let first_minute = whole_periods(range.start, period);
        let end_minute = whole_periods(range.end.minus(Micros::new(1)), period) + period;
        // Of a time to come there is nothing to tell, not even that nothing was.
        let end_minute = end_minute.min(whole_periods(now, period) + period);
        if (end_minute - first_minute) / period > MOST_POINTS {
            let message = format!(
                "A series has at most {MOST_POINTS} points; ask for a shorter range, or for a \
                 Period of 300"
            );
            return Err(ApiError::invalid(message));
        }
        let fingerprint = Fingerprint::of("TimeSeriesServiceStatistics")
            .with_time(range.start)
            .with_time(range.end)
            .with_number(u64::from(period_minutes))
            .with_text(selector)
            .with_text(&group.arn(name))
            .with_text(&group.expression().to_string())
            .with_number(u64::from(has_forecast))
            .finish();
        Ok(Self {
            first_minute,
            end_minute,
            period_minutes,
            subject,
            expression: group.expression().clone(),
            has_forecast,
            fingerprint,
        })
    }

    /// The minute that the page begins with.
    fn first_of_page(&self, token: Option<&str>) -> Result<i64, ApiError> {
        match PageToken::read(token, self.fingerprint) {
            Ok(None) => Ok(self.first_minute),
            Ok(Some(PageToken::AtTime(time))) => {
                let minute = whole_periods(time, i64::from(self.period_minutes));
                Ok(minute.max(self.first_minute))
            }
            Ok(Some(_)) => Err(ApiError::invalid("NextToken is not of this operation")),
            Err(fault) => Err(ApiError::invalid(fault.to_string())),
        }
    }

    fn page(
        &self,
        store: &dyn TraceStore,
        first: i64,
        caller: &Caller,
    ) -> Result<GetTimeSeriesServiceStatisticsReply, ApiError> {
        let mut history = self.history(store, first, caller)?;
        let (mut points, mut entries, mut next) = (Vec::new(), 0, first);
        let is_group = self.expression != Expression::Everything;
        let most_minutes = if is_group { DAY_MINUTES } else { i64::MAX };
        let page_end = first.saturating_add(most_minutes).min(self.end_minute);
        let (reads, mut at_a_time) = (caller.reads(SHARES), POINTS_AT_A_TIME);
        while next < page_end && points.len() < PAGE_POINTS && entries < PAGE_ENTRIES {
            let end = self.behind(at_a_time, next).min(page_end);
            let requests = match self.requests(store, next, end, &reads) {
                // The next page has a budget of its own.
                Err(StoreError::FilterTooBroad { .. }) if !points.is_empty() => break,
                Err(StoreError::FilterTooBroad { .. }) if at_a_time > 1 => {
                    at_a_time = 1;
                    continue;
                }
                requests => requests.map_err(|error| too_broad(&error))?,
            };
            for (minute, requests) in requests {
                let point = self.point(minute, &requests, history.as_mut());
                entries += point.response_time_histogram.len();
                points.push(point);
            }
            next = end;
        }
        let token = || PageToken::AtTime(Timestamp::from_minute(next)).encode(self.fingerprint);
        Ok(GetTimeSeriesServiceStatisticsReply {
            time_series_service_statistics: points,
            contains_old_group_versions: false,
            next_token: (next < self.end_minute).then(token),
        })
    }

    fn point(
        &self,
        minute: i64,
        requests: &RequestStatistics,
        history: Option<&mut History>,
    ) -> TimeSeriesServiceStatistics {
        let time = WireTime(Timestamp::from_minute(minute));
        if !matches!(self.subject, Subject::Service(_)) {
            return TimeSeriesServiceStatistics::of_edges(time, requests);
        }
        let forecast = history.and_then(|history| {
            let band = history.expect(requests.total());
            history.push(period_of(requests));
            band
        });
        let forecast = forecast.map(|band| ForecastStatistics {
            fault_count_high: band.high,
            fault_count_low: band.low,
        });
        TimeSeriesServiceStatistics::of_services(time, requests, forecast)
    }

    /// What happened before a minute, if a forecast is asked for: for a day, or for as long a time
    /// before that minute as may be read. A forecast from less is wider, or there is none.
    fn history(
        &self,
        store: &dyn TraceStore,
        first: i64,
        caller: &Caller,
    ) -> Result<Option<History>, ApiError> {
        if !self.has_forecast {
            return Ok(None);
        }
        let (reads, mut at_a_time) = (caller.reads(SHARES), POINTS_AT_A_TIME);
        // The newest first.
        let (mut stretches, mut begin) = (Vec::new(), first);
        while begin > first - DAY_MINUTES {
            let from = self.behind(-at_a_time, begin).max(first - DAY_MINUTES);
            match self.requests(store, from, begin, &reads) {
                Ok(requests) => stretches.push(requests),
                Err(StoreError::FilterTooBroad { .. }) if at_a_time > 1 => {
                    at_a_time = 1;
                    continue;
                }
                Err(StoreError::FilterTooBroad { .. }) => break,
                Err(error) => return Err(store_failure(&error)),
            }
            begin = from;
        }
        let most = DAY_MINUTES / i64::from(self.period_minutes);
        let mut history = History::new(usize::try_from(most).unwrap_or(usize::MAX));
        for (_, requests) in stretches.iter().rev().flatten() {
            history.push(period_of(requests));
        }
        Ok(Some(history))
    }

    /// The minute behind so many points from a minute on.
    fn behind(&self, points: i64, minute: i64) -> i64 {
        minute + points * i64::from(self.period_minutes)
    }

    /// The requests of every period from a minute to another, by the first minute of the period.
    fn requests(
        &self,
        store: &dyn TraceStore,
        first: i64,
        end: i64,
        reads: &ReadBudget,
    ) -> Result<Vec<(i64, RequestStatistics)>, StoreError> {
        let range =
            TimeRange { start: Timestamp::from_minute(first), end: Timestamp::from_minute(end) };
        let step = NonZero::new(self.period_minutes);
        let query = GraphQuery { range, step, traces: None };
        let graphs = filtered_graphs(store, &query, &self.expression, reads)?;
        let graphs: BTreeMap<i64, &ServiceGraph> =
            graphs.iter().map(|timed| (timed.start.minute(), &timed.graph)).collect();
        let period = usize::try_from(self.period_minutes).unwrap_or(1);
        let of = |minute| graphs.get(&minute).map(|graph| self.subject.requests(graph));
        Ok((first..end).step_by(period).map(|m| (m, of(m).unwrap_or_default())).collect())
    }
}

impl Subject {
    fn read(selector: &str) -> Result<Self, ApiError> {
        if selector.chars().count() > MOST_SELECTOR_CHARACTERS {
            let message = format!(
                "EntitySelectorExpression must have at most {MOST_SELECTOR_CHARACTERS} characters"
            );
            return Err(ApiError::invalid(message));
        }
        if selector.is_empty() {
            return Ok(Subject::Clients);
        }
        match parse_selector(selector) {
            Ok(Selector::Service(who)) => Ok(Subject::Service(who)),
            Ok(Selector::Edge(from, to)) => Ok(Subject::Edge(from, to)),
            Err(error) => Err(ApiError::invalid(error.to_string())),
        }
    }

    /// What a graph tells of it.
    fn requests(&self, graph: &ServiceGraph) -> RequestStatistics {
        let mut sum = RequestStatistics::default();
        match self {
            Subject::Service(who) => {
                let meant = graph.nodes.iter().filter(|(service, _)| who.is(service));
                meant.for_each(|(_, node)| sum.merge(&node.requests));
            }
            Subject::Clients => {
                let calls = graph.edges.iter().filter(|((from, _), _)| from.is_client());
                calls.for_each(|(_, edge)| sum.merge(&edge.requests));
            }
            Subject::Edge(caller, callee) => {
                let is_meant = |from, to| caller.is(from) && callee.is(to);
                let calls = graph.edges.iter().filter(|((from, to), _)| is_meant(from, to));
                calls.for_each(|(_, edge)| sum.merge(&edge.requests));
            }
        }
        sum
    }
}

/// What the caller is told when the store fails. A shorter range does not help where one point is too
/// much: something else does.
fn too_broad(error: &StoreError) -> ApiError {
    let StoreError::FilterTooBroad { most_traces, most_mebibytes, most_seconds } = error else {
        return store_failure(error);
    };
    ApiError::invalid(format!(
        "Each point of the group would need more than {most_traces} traces or {most_mebibytes} MiB \
         of their documents to be read whole, or more than {most_seconds} seconds; ask for a Period \
         of 60, or add conditions to the FilterExpression"
    ))
}

fn period_of(requests: &RequestStatistics) -> Period {
    Period { requests: requests.total(), faults: requests.fault }
}

/// The first minute of the period that a time is in.
fn whole_periods(time: Timestamp, period: i64) -> i64 {
    let minute = time.minute();
    minute - minute.rem_euclid(period)
}

#[cfg(test)]
mod tests;
