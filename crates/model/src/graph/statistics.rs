//! Counts and times of requests, of one node or one edge.

use super::{AlikeRequests, EdgeObservation, NodeObservation, Outcome};
use crate::histogram::HistogramSum;
use crate::{Histogram, Micros, Timestamp};

/// What a longer request counts as. Sums of honest times stay far from the end of an i64, and a
/// sum that saturated could not be taken back.
const LONGEST_REQUEST: Micros = Micros::from_whole_seconds(30 * 24 * 3600);

/// Counts of requests by how they ended, and their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestStatistics {
    /// Requests that ended well.
    pub ok: i64,
    /// 429.
    pub throttle: i64,
    /// 4xx other than 429.
    pub error: i64,
    /// 5xx.
    pub fault: i64,
    /// Sum of all response times.
    pub total_response_time: Micros,
    /// Response times.
    pub response_times: Histogram,
}

/// One node's sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStatistics {
    /// Completed requests.
    pub requests: RequestStatistics,
    /// Observations, completed or not.
    pub seen: i64,
    /// Observations from segments of the node's own.
    pub seen_real: i64,
    /// Observations as the first service of a request.
    pub seen_root: i64,
    /// Start of the first request.
    pub start: Timestamp,
    /// End of the last request.
    pub end: Timestamp,
}

/// One edge's sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeStatistics {
    /// Completed calls.
    pub requests: RequestStatistics,
    /// Observations, completed or not.
    pub seen: i64,
    /// Start of the first call.
    pub start: Timestamp,
    /// End of the last call.
    pub end: Timestamp,
}

impl RequestStatistics {
    /// Completed requests.
    pub fn total(&self) -> i64 {
        self.ok + self.throttle + self.error + self.fault
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: &RequestStatistics) {
        self.apply_counts(other, Sign::Plus);
        self.apply_times(other, Sign::Plus);
    }

    fn count(&mut self, outcome: Outcome, length: Micros) {
        let length = counted(length);
        *self.of_outcome(outcome) += 1;
        self.total_response_time = self.total_response_time.plus(length);
        self.response_times.record(length);
    }

    fn count_all(&mut self, alike: &AlikeRequests<'_>) {
        let lengths = alike.lengths.iter().map(|length| counted(*length));
        *self.of_outcome(alike.flags.into()) += i64::try_from(lengths.len()).unwrap_or(i64::MAX);
        self.total_response_time = lengths.clone().fold(self.total_response_time, Micros::plus);
        self.response_times.record_all(lengths);
    }

    fn of_outcome(&mut self, outcome: Outcome) -> &mut i64 {
        match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::Error => &mut self.error,
            Outcome::Throttle => &mut self.throttle,
            Outcome::Fault => &mut self.fault,
        }
    }

    /// Adds or takes back the histogram.
    fn apply_times(&mut self, other: &RequestStatistics, sign: Sign) {
        match sign {
            Sign::Plus => self.response_times.merge(&other.response_times),
            Sign::Minus => self.response_times.subtract(&other.response_times),
        }
    }

    /// Adds or takes back all but the histogram.
    fn apply_counts(&mut self, other: &RequestStatistics, sign: Sign) {
        let factor = sign.factor();
        self.ok += factor * other.ok;
        self.throttle += factor * other.throttle;
        self.error += factor * other.error;
        self.fault += factor * other.fault;
        let time = Micros::new(factor * other.total_response_time.get());
        self.total_response_time = self.total_response_time.plus(time);
    }
}

impl NodeStatistics {
    /// Counts one more request.
    pub(super) fn observe(&mut self, seen: &NodeObservation) {
        widen((&mut self.start, &mut self.end), self.seen == 0, seen.start, seen.end);
        self.seen += 1;
        self.seen_real += i64::from(seen.is_real);
        self.seen_root += i64::from(seen.is_root);
        if let Some(end) = seen.end
            && !seen.node.is_client()
        {
            self.requests.count(seen.flags.into(), end - seen.start);
        }
    }

    /// Counts more requests.
    pub(super) fn observe_all(&mut self, alike: &AlikeRequests<'_>, is_client: bool) {
        let end = Some(alike.end);
        widen((&mut self.start, &mut self.end), self.seen == 0, alike.start, end);
        self.seen += alike.seen;
        self.seen_real += if alike.is_real { alike.seen } else { 0 };
        self.seen_root += if alike.is_root { alike.seen } else { 0 };
        if !is_client {
            self.requests.count_all(alike);
        }
    }

    /// Adds other sums or takes them back.
    pub(super) fn apply(&mut self, other: &NodeStatistics, sign: Sign) {
        self.apply_counts(other, sign);
        self.requests.apply_times(&other.requests, sign);
    }
}

impl Sums for NodeStatistics {
    fn apply_counts(&mut self, other: &NodeStatistics, sign: Sign) {
        if sign == Sign::Plus {
            let end = Some(other.end);
            widen((&mut self.start, &mut self.end), self.seen == 0, other.start, end);
        }
        self.seen += sign.factor() * other.seen;
        self.seen_real += sign.factor() * other.seen_real;
        self.seen_root += sign.factor() * other.seen_root;
        self.requests.apply_counts(&other.requests, sign);
    }

    fn requests(&self) -> &RequestStatistics {
        &self.requests
    }

    fn requests_mut(&mut self) -> &mut RequestStatistics {
        &mut self.requests
    }
}

impl EdgeStatistics {
    /// Counts one more call.
    pub(super) fn observe(&mut self, seen: &EdgeObservation) {
        widen((&mut self.start, &mut self.end), self.seen == 0, seen.start, seen.end);
        self.seen += 1;
        if let Some(end) = seen.end {
            self.requests.count(seen.flags.into(), end - seen.start);
        }
    }

    /// Counts more calls.
    pub(super) fn observe_all(&mut self, alike: &AlikeRequests<'_>) {
        let end = Some(alike.end);
        widen((&mut self.start, &mut self.end), self.seen == 0, alike.start, end);
        self.seen += alike.seen;
        self.requests.count_all(alike);
    }

    /// Adds other sums or takes them back.
    pub(super) fn apply(&mut self, other: &EdgeStatistics, sign: Sign) {
        self.apply_counts(other, sign);
        self.requests.apply_times(&other.requests, sign);
    }
}

impl Sums for EdgeStatistics {
    fn apply_counts(&mut self, other: &EdgeStatistics, sign: Sign) {
        if sign == Sign::Plus {
            let end = Some(other.end);
            widen((&mut self.start, &mut self.end), self.seen == 0, other.start, end);
        }
        self.seen += sign.factor() * other.seen;
        self.requests.apply_counts(&other.requests, sign);
    }

    fn requests(&self) -> &RequestStatistics {
        &self.requests
    }

    fn requests_mut(&mut self) -> &mut RequestStatistics {
        &mut self.requests
    }
}

/// Sums that can be added up many at a time.
pub(super) trait Sums: Default {
    /// Adds or takes back all but the histogram.
    fn apply_counts(&mut self, other: &Self, sign: Sign);

    fn requests(&self) -> &RequestStatistics;

    fn requests_mut(&mut self) -> &mut RequestStatistics;

    /// Adds up and takes back parts.
    fn sum(parts: &[(&Self, Sign)], times: &mut HistogramSum) -> Self {
        let mut sum = Self::default();
        parts.iter().for_each(|(part, sign)| sum.apply_counts(part, *sign));
        let histograms = parts.iter();
        let histograms =
            histograms.map(|(part, sign)| (&part.requests().response_times, sign.factor()));
        sum.requests_mut().response_times = times.of(histograms);
        sum
    }
}

/// What a length counts as.
fn counted(length: Micros) -> Micros {
    length.clamped().min(LONGEST_REQUEST)
}

/// Whether sums are added or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    const fn factor(self) -> i64 {
        match self {
            Sign::Plus => 1,
            Sign::Minus => -1,
        }
    }
}

/// Widens a window so that it holds `start` and `end`; the first observation sets it.
fn widen(
    (window_start, window_end): (&mut Timestamp, &mut Timestamp),
    is_first: bool,
    start: Timestamp,
    end: Option<Timestamp>,
) {
    let end = end.unwrap_or(start).max(start);
    *window_start = if is_first { start } else { start.min(*window_start) };
    *window_end = if is_first { end } else { end.max(*window_end) };
}
