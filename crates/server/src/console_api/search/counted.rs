//! What a search counts over all its matches. Each trace counts once, by its outcome.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use roentgen_model::{Micros, Outcome, TraceSummary};
use roentgen_store::TimeRange;
use serde::Serialize;

type Summaries = [Arc<TraceSummary>];

/// Bins per power of ten.
const BINS_PER_DECADE: i32 = 8;

/// The finest and the coarsest response time told apart: 100 µs and about a day, seconds.
const LEAST_EDGE_EXPONENT: i32 = -4 * BINS_PER_DECADE;
const MOST_EDGE_EXPONENT: i32 = 5 * BINS_PER_DECADE;

/// Most steps of a series.
const MAX_STEPS: i64 = 60;

/// Values of a facet.
const MAX_FACET_VALUES: usize = 20;

/// Lengths of a step that people find natural, seconds.
const NATURAL_STEPS: [i64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/// Counts in bins, for each outcome.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Counts {
    ok: Vec<u64>,
    error: Vec<u64>,
    throttle: Vec<u64>,
    fault: Vec<u64>,
}

/// Response times in bins that grow by a constant factor.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Histogram {
    /// Seconds; bin i lies between edges i and i + 1.
    edges: Vec<f64>,
    #[serde(flatten)]
    counts: Counts,
}

/// Traces over time.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Series {
    /// Epoch seconds.
    start: i64,
    /// Seconds.
    step: i64,
    #[serde(flatten)]
    counts: Counts,
}

/// The response times of all that have one, exactly; nothing when none has.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResponseTimes {
    /// Seconds.
    average_response_time: Option<f64>,
    /// The shortest one that 95 % do not exceed, seconds.
    p95_response_time: Option<f64>,
}

/// The most frequent values, most frequent first.
#[derive(Debug, Serialize)]
pub(super) struct Facets {
    service: Vec<FacetValue<String>>,
    url: Vec<FacetValue<String>>,
    status: Vec<FacetValue<i64>>,
    method: Vec<FacetValue<String>>,
    user: Vec<FacetValue<String>>,
}

#[derive(Debug, PartialEq, Serialize)]
struct FacetValue<T> {
    value: T,
    count: usize,
}

impl Counts {
    fn new(bins: usize) -> Self {
        Self {
            ok: vec![0; bins],
            error: vec![0; bins],
            throttle: vec![0; bins],
            fault: vec![0; bins],
        }
    }

    fn count(&mut self, outcome: Outcome, bin: usize) {
        let bins = match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::Error => &mut self.error,
            Outcome::Throttle => &mut self.throttle,
            Outcome::Fault => &mut self.fault,
        };
        if let Some(count) = bins.get_mut(bin) {
            *count += 1;
        }
    }
}

impl Histogram {
    /// The response times of all that have one, over the bins between the shortest and the
    /// longest; one decade around a millisecond when there are none.
    pub(super) fn of(summaries: &Summaries) -> Self {
        let exponents: Vec<(Outcome, i32)> = summaries
            .iter()
            .filter_map(|summary| Some((summary.outcome, bin_exponent(summary.response_time?))))
            .collect();
        let first = exponents.iter().map(|(_, exponent)| *exponent).min();
        let last = exponents.iter().map(|(_, exponent)| *exponent).max();
        let (first, last) =
            (first.unwrap_or(-3 * BINS_PER_DECADE), last.unwrap_or(-2 * BINS_PER_DECADE));
        let position = |exponent: i32| usize::try_from(exponent - first).unwrap_or_default();
        let mut counts = Counts::new(position(last) + 1);
        for (outcome, exponent) in exponents {
            counts.count(outcome, position(exponent));
        }
        Self { edges: (first..=last + 1).map(edge).collect(), counts }
    }
}

/// The number of the bin that holds a response time, counted from the one that begins at 1 s.
fn bin_exponent(time: Micros) -> i32 {
    let seconds = time.clamped().as_seconds().max(f64::MIN_POSITIVE);
    let exponent = (seconds.log10() * f64::from(BINS_PER_DECADE)).floor();
    #[expect(clippy::cast_possible_truncation, reason = "the clamp keeps it in range")]
    let exponent =
        exponent.clamp(LEAST_EDGE_EXPONENT.into(), (MOST_EDGE_EXPONENT - 1).into()) as i32;
    // The logarithm may err by the last bit at an edge.
    if seconds >= edge(exponent + 1) {
        (exponent + 1).min(MOST_EDGE_EXPONENT - 1)
    } else {
        exponent
    }
}

fn edge(exponent: i32) -> f64 {
    10_f64.powf(f64::from(exponent) / f64::from(BINS_PER_DECADE))
}

impl ResponseTimes {
    pub(super) fn of(summaries: &Summaries) -> Self {
        let times = summaries.iter().filter_map(|summary| summary.response_time);
        let mut times: Vec<i64> = times.map(|time| time.clamped().get()).collect();
        // The nearest rank: of 20, the 19th.
        let Some(rank) = (times.len() * 95).div_ceil(100).checked_sub(1) else {
            return Self::default();
        };
        let sum: i128 = times.iter().copied().map(i128::from).sum();
        let (_, p95, _) = times.select_nth_unstable(rank);
        let p95 = Micros::new(*p95).as_seconds();
        Self {
            average_response_time: Some(sum as f64 / times.len() as f64 / 1e6),
            p95_response_time: Some(p95),
        }
    }
}

impl Series {
    /// The traces by their time over the whole range.
    pub(super) fn of(summaries: &Summaries, range: TimeRange) -> Self {
        const SECOND: i64 = 1_000_000;
        let first = range.start.as_micros().div_euclid(SECOND);
        // The range's end is outside it.
        let last = (range.end.as_micros() - 1).div_euclid(SECOND).max(first);
        let step = step_for(last - first + 1);
        let start = first.div_euclid(step) * step;
        let bins = usize::try_from((last - start) / step + 1).unwrap_or(1);
        let mut counts = Counts::new(bins);
        for summary in summaries {
            let bin = (summary.time.as_micros().div_euclid(SECOND) - start) / step;
            if let Ok(bin) = usize::try_from(bin) {
                counts.count(summary.outcome, bin);
            }
        }
        Self { start, step, counts }
    }
}

/// The shortest natural step that cuts so many seconds into at most [`MAX_STEPS`].
fn step_for(seconds: i64) -> i64 {
    let least = (seconds + MAX_STEPS - 1) / MAX_STEPS;
    let natural = NATURAL_STEPS.into_iter().find(|step| *step >= least);
    let day = 86_400;
    natural.unwrap_or((least + day - 1) / day * day)
}

impl Facets {
    pub(super) fn of(summaries: &Summaries) -> Self {
        let services = |summary: &TraceSummary| {
            let real = summary.services.iter().filter(|id| !id.is_client());
            let mut names: Vec<String> = real.map(|id| id.name.to_string()).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let users =
            |summary: &TraceSummary| summary.users.iter().map(|user| user.name.clone()).collect();
        Self {
            service: top(summaries, services),
            url: top(summaries, |summary| Vec::from_iter(summary.http.url.clone())),
            status: top(summaries, |summary| Vec::from_iter(summary.http.status)),
            method: top(summaries, |summary| Vec::from_iter(summary.http.method.clone())),
            user: top(summaries, users),
        }
    }
}

fn top<T: Ord>(
    summaries: &Summaries,
    values_of: impl Fn(&TraceSummary) -> Vec<T>,
) -> Vec<FacetValue<T>> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for summary in summaries {
        for value in values_of(summary) {
            *counts.entry(value).or_default() += 1;
        }
    }
    let mut values: Vec<_> =
        counts.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
    // Stable, so values of the same count stay in their own order.
    values.sort_by_key(|value| Reverse(value.count));
    values.truncate(MAX_FACET_VALUES);
    values
}

#[cfg(test)]
mod tests {
    use roentgen_model::{Document, Names, Timestamp, assemble};
    use serde_json::json;

    use super::*;

    const START: u32 = 1_500_000_000;

    fn trace(number: u32, offset: u32, length: f64, status: u32) -> Arc<TraceSummary> {
        let start = f64::from(START) + f64::from(offset);
        let document = json!({
            "trace_id": format!("1-{:08x}-{number:024x}", START + offset),
            "id": "53995c3f42cd8ad8", "name": format!("service-{}", number % 3),
            "start_time": start, "end_time": start + length,
            "http": {"request": {"method": "GET"}, "response": {"status": status}},
        });
        let json = document.to_string();
        let document = Document::parse(json.as_bytes()).unwrap();
        let trace = assemble(document.trace_id, vec![document], &mut Names::default());
        Arc::new(trace.unwrap().summary)
    }

    #[test]
    fn response_times_fall_between_their_edges() {
        let times = [0.0, 0.000_001, 0.001, 0.010, 0.0133, 0.999_999, 1.0, 10.0, 1e6];
        for time in times {
            let histogram = Histogram::of(&[trace(1, 0, time, 200)]);
            assert_eq!(histogram.counts.ok, [1], "{time}");
            let [low, high] = histogram.edges[..] else { panic!("{:?}", histogram.edges) };
            let inside = (low..high).contains(&time);
            assert_eq!(inside, (1e-4..1e5).contains(&time), "{time} in {low}..{high}");
        }
    }

    #[test]
    fn outcomes_are_counted_apart() {
        let traces = [trace(1, 0, 0.1, 200), trace(2, 0, 1.0, 404), trace(3, 0, 1.0, 429)];
        let histogram = Histogram::of(&traces);
        assert_eq!(histogram.edges.len(), histogram.counts.ok.len() + 1);
        assert_eq!(histogram.counts.ok.iter().sum::<u64>(), 1);
        assert_eq!(histogram.counts.error.last(), Some(&1));
        assert_eq!(histogram.counts.throttle.last(), Some(&1));
        assert_eq!(histogram.counts.fault.iter().sum::<u64>(), 0);
    }

    #[test]
    fn nothing_to_count_is_still_a_histogram() {
        let histogram = Histogram::of(&[]);
        assert_eq!(histogram.edges.len(), histogram.counts.ok.len() + 1);
        assert!(histogram.counts.ok.iter().all(|count| *count == 0));
    }

    #[test]
    fn response_times_are_exact() {
        let check = |times: &[f64], average: Option<f64>, p95: Option<f64>| {
            let traces: Vec<_> = times.iter().map(|time| trace(1, 0, *time, 200)).collect();
            let expect = ResponseTimes { average_response_time: average, p95_response_time: p95 };
            assert_eq!(ResponseTimes::of(&traces), expect, "{times:?}");
        };
        check(&[], None, None);
        check(&[0.25], Some(0.25), Some(0.25));
        check(&[3.0, 1.0], Some(2.0), Some(3.0));
        let up_to = |last: u32| (1..=last).rev().map(f64::from).collect::<Vec<_>>();
        check(&up_to(20), Some(10.5), Some(19.0));
        check(&up_to(21), Some(11.0), Some(20.0));
        check(&up_to(100), Some(50.5), Some(95.0));
    }

    #[test]
    fn series_cover_the_range_in_natural_steps() {
        let check = |start: i64, end: i64, expect: (i64, i64, usize)| {
            let time = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
            let series = Series::of(&[], TimeRange { start: time(start), end: time(end) });
            assert_eq!((series.start, series.step, series.counts.ok.len()), expect);
        };
        check(1000, 1000, (1000, 1, 1));
        check(1000, 1060, (1000, 1, 60));
        check(1000, 1061, (1000, 2, 31));
        check(1003, 1303, (1000, 5, 61));
        check(0, 86_400, (0, 1800, 48));
        check(0, 365 * 86_400, (0, 7 * 86_400, 53));
    }

    #[test]
    fn traces_stand_at_their_time() {
        let time = |seconds: i64| Timestamp::from_micros((i64::from(START) + seconds) * 1_000_000);
        let range = TimeRange { start: time(0), end: time(60) };
        let traces = [trace(1, 0, 1.0, 200), trace(2, 59, 1.0, 500)];
        let series = Series::of(&traces, range);
        assert_eq!((series.counts.ok[0], series.counts.fault[59]), (1, 1));
    }

    #[test]
    fn facets_are_ordered_by_count_and_bounded() {
        let traces: Vec<_> =
            (0..100).map(|number| trace(number, 0, 1.0, 200 + number / 2)).collect();
        let facets = Facets::of(&traces);
        let names: Vec<_> = facets.service.iter().map(|v| (v.value.as_str(), v.count)).collect();
        assert_eq!(names, [("service-0", 34), ("service-1", 33), ("service-2", 33)]);
        assert_eq!(facets.status.len(), MAX_FACET_VALUES);
        assert_eq!(facets.status[0], FacetValue { value: 200, count: 2 });
        assert_eq!(facets.method, [FacetValue { value: "GET".to_owned(), count: 100 }]);
        assert!(facets.user.is_empty() && facets.url.is_empty());
    }
}
