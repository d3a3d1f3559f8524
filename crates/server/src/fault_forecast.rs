//! How many faults are to be expected of so many requests, from what happened before.
//!
//! The limits are those of Laney's p′ chart (D. B. Laney, "Improved Control Charts for Attributes",
//! Quality Engineering 14(4), 2002, 531–537): the three-sigma limits of the share of faults for the
//! number of requests at hand, widened as much as that share has varied from one period to the next
//! beyond what chance alone does. The plain p chart takes every day of many requests for an anomaly,
//! since the share of no real service is constant.
//!
//! Two departures, both on the side of fewer false alarms: limits are never narrower than those of
//! chance, and half a fault is added to the history (Jeffreys), or a service that never failed would
//! be expected never to.

use std::collections::VecDeque;

/// Periods with requests below which nothing is told. Usual for control charts: fewer give limits
/// that are too uncertain.
const LEAST_PERIODS: usize = 20;

/// Sigmas of a control chart's limits.
const SIGMAS: f64 = 3.0;

/// The mean difference of two values of a normal distribution, in sigmas (d₂ of control charts for
/// two values).
const MEAN_DIFFERENCE: f64 = 1.128;

/// What happened in a period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) requests: i64,
    pub(crate) faults: i64,
}

/// Within which numbers faults are to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// The last periods, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    most: usize,
    periods: VecDeque<Period>,
}

impl History {
    /// No history yet, and of so many periods at most.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, periods: VecDeque::new() }
    }

    /// Adds a period, without requests or with them.
    pub(crate) fn push(&mut self, period: Period) {
        self.periods.push_back(period);
        if self.periods.len() > self.most {
            self.periods.pop_front();
        }
    }

    /// How many faults are to be expected of so many requests in one period; `None` when there is
    /// too little history.
    pub(crate) fn expect(&self, requests: i64) -> Option<Band> {
        let known = || self.periods.iter().filter(|period| period.requests > 0);
        if known().count() < LEAST_PERIODS {
            return None;
        }
        let sum = |of: fn(&Period) -> i64| number(known().map(of).sum());
        let share = (sum(|period| period.faults) + 0.5) / (sum(|period| period.requests) + 1.0);
        let sigma = |requests: f64| (requests * share * (1.0 - share)).sqrt();
        let scores = known().map(|period| {
            let requests = number(period.requests);
            (number(period.faults) - requests * share) / sigma(requests)
        });
        let (mut differences, mut count, mut before) = (0.0, 0.0, None);
        for score in scores {
            if let Some(before) = before.replace(score) {
                differences += f64::abs(score - before);
                count += 1.0;
            }
        }
        let variation = f64::max(differences / count / MEAN_DIFFERENCE, 1.0);
        let expected = number(requests) * share;
        let width = SIGMAS * variation * sigma(number(requests));
        Some(Band {
            low: whole((expected - width).ceil()).clamp(0, requests),
            high: whole((expected + width).floor()).clamp(0, requests),
        })
    }
}

/// A count as what it is reckoned with.
fn number(count: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no count has 16 digits")]
    {
        count as f64
    }
}

/// A rounded number as a count.
fn whole(number: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "it is rounded, and saturates")]
    {
        number as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(periods: impl IntoIterator<Item = (i64, i64)>) -> History {
        let mut history = History::new(1000);
        periods
            .into_iter()
            .for_each(|(requests, faults)| history.push(Period { requests, faults }));
        history
    }

    fn check(history: &History, requests: i64, expect: (i64, i64)) {
        let (low, high) = expect;
        assert_eq!(history.expect(requests), Some(Band { low, high }), "{requests}");
    }

    #[test]
    fn a_constant_share_has_the_limits_of_chance() {
        // 10.004 % (half a fault more): of 400 requests 40.016, with a sigma of 6.001.
        let constant = history(vec![(100, 10); 100]);
        check(&constant, 400, (23, 58));
        // 1.0004 ± 2.8465.
        check(&constant, 10, (0, 3));
        check(&constant, 0, (0, 0));
    }

    #[test]
    fn a_share_that_varies_has_wider_limits() {
        // 5 and 15 of 100 in turn are 10 scores of ±1.667, which differ by 3.333: 2.955 sigmas of
        // chance. 10 ± 3 × 2.955 × 3.
        let varying = history((0..100).map(|n| (100, if n % 2 == 0 { 5 } else { 15 })));
        check(&varying, 100, (0, 36));
        // 100 ± 3 × 2.955 × 9.487 = 84.1.
        check(&varying, 1000, (16, 184));
    }

    #[test]
    fn what_never_failed_may_fail_rarely() {
        let faultless = history(vec![(100, 0); 100]);
        // 0.005 + 3 × 0.0707.
        check(&faultless, 100, (0, 0));
        // 0.5 + 3 × 0.707.
        check(&faultless, 10_000, (0, 2));
    }

    #[test]
    fn what_always_fails_does_so_within_limits() {
        let failing = history(vec![(100, 100); 100]);
        check(&failing, 100, (100, 100));
        check(&failing, 1, (1, 1));
    }

    #[test]
    fn too_little_history_tells_nothing() {
        let check = |periods: Vec<(i64, i64)>, expect: bool| {
            assert_eq!(history(periods.clone()).expect(5).is_some(), expect, "{periods:?}");
        };
        check(vec![], false);
        check(vec![(1, 0); 19], false);
        check(vec![(1, 0); 20], true);
        check([vec![(0, 0); 500], vec![(1, 0); 19]].concat(), false);
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut history = History::new(20);
        (0..20).for_each(|_| history.push(Period { requests: 100, faults: 100 }));
        (0..20).for_each(|_| history.push(Period { requests: 100, faults: 0 }));
        // 0.025 + 3 × 0.158.
        assert_eq!(history.expect(100), Some(Band { low: 0, high: 0 }));
    }
}
