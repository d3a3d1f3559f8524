//! Statistics per rule in windows of ten seconds, summed over all clients.

use std::collections::BTreeMap;

use crate::statistics::Counts;
use crate::time::EpochMicros;

/// Length of a window of statistics (documented).
pub const STATISTICS_WINDOW_SECONDS: u64 = 10;

/// How far back windows are kept. The service says no more than "recent"; ten minutes is twice what
/// a late report may tell of, and makes at most 61 windows per rule.
pub const STATISTICS_LOOK_BACK_SECONDS: u64 = 600;

/// What clients reported about a rule in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatisticSummary {
    /// The rule.
    pub rule_name: String,
    /// Start of the window.
    pub timestamp: EpochMicros,
    /// The sums over all clients.
    pub counts: Counts,
}

/// The recent windows of one rule.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// Sums by the second in which the window starts.
    sums: BTreeMap<u64, Counts>,
}

impl Windows {
    /// Adds what was reported at `at`, which is not after `now`, and drops windows out of sight.
    pub(crate) fn add(&mut self, at: EpochMicros, counts: Counts, now: EpochMicros) {
        let oldest = oldest_start(now);
        while self.sums.first_key_value().is_some_and(|(start, _)| *start < oldest) {
            self.sums.pop_first();
        }
        *self.sums.entry(window_start(at.seconds())).or_default() += counts;
    }

    /// The windows in sight, oldest first.
    pub(crate) fn recent(&self, now: EpochMicros) -> impl Iterator<Item = (EpochMicros, Counts)> {
        self.sums
            .range(oldest_start(now)..)
            .map(|(start, counts)| (EpochMicros::from_seconds(*start), *counts))
    }
}

fn window_start(seconds: u64) -> u64 {
    seconds - seconds % STATISTICS_WINDOW_SECONDS
}

fn oldest_start(now: EpochMicros) -> u64 {
    window_start(now.seconds().saturating_sub(STATISTICS_LOOK_BACK_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Counts = Counts { requests: 5, sampled: 2, borrowed: 1 };
    const TWO: Counts = Counts { requests: 10, sampled: 4, borrowed: 2 };

    fn at(seconds: u64) -> EpochMicros {
        EpochMicros::from_seconds(seconds)
    }

    #[test]
    fn reports_add_up_within_ten_seconds() {
        let mut windows = Windows::default();
        let now = at(10_020);
        windows.add(at(10_000), ONE, now);
        windows.add(EpochMicros(10_009_999_999), ONE, now);
        windows.add(at(10_010), ONE, now);
        let recent: Vec<_> = windows.recent(now).collect();
        assert_eq!(recent, [(at(10_000), TWO), (at(10_010), ONE)]);
    }

    #[test]
    fn old_windows_go_out_of_sight_and_out_of_memory() {
        let mut windows = Windows::default();
        for seconds in (0..100_000).step_by(10) {
            windows.add(at(seconds), ONE, at(seconds));
        }
        assert_eq!(windows.sums.len(), 61);
        let recent: Vec<_> = windows.recent(at(99_990)).map(|(start, _)| start).collect();
        assert_eq!((recent[0], recent[60]), (at(99_390), at(99_990)));
        assert_eq!(windows.recent(at(200_000)).count(), 0);
    }
}
