//! A client's side of one rule: deciding request by request, and counting for the next report.

use crate::quota_book::SamplingTarget;
use crate::rule::Rule;
use crate::statistics::Counts;
use crate::time::EpochMicros;

/// Whether to sample a request, and what decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is sampled.
    pub sampled: bool,
    /// What decided.
    pub by: DecisionBy,
}

/// What decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionBy {
    /// Taken from the quota the server allotted to this client.
    Quota,
    /// Borrowed from the reservoir, while there was no quota.
    Borrow,
    /// The fixed rate, with the quota used up or nothing left to borrow.
    Rate,
}

/// The decisions of one client by one rule.
///
/// Until the server allots a quota, and after it has lapsed, the client borrows one request per
/// second, if the rule has a reservoir at all. With a quota it takes that many per second. What is
/// left is sampled at the fixed rate.
#[derive(Clone, Debug)]
pub struct Reservoir {
    reservoir_size: u32,
    fixed_rate: f64,
    quota: Option<Quota>,
    /// The second in which `taken` and `borrowed` were counted.
    second: u64,
    taken: u32,
    borrowed: bool,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
struct Quota {
    per_second: u32,
    lapses_at_second: u64,
}

impl Reservoir {
    /// The state of a client that has just learned of the rule.
    pub fn new(rule: &Rule) -> Self {
        Self {
            reservoir_size: rule.reservoir_size,
            fixed_rate: rule.fixed_rate,
            quota: None,
            second: 0,
            taken: 0,
            borrowed: false,
            counts: Counts::default(),
        }
    }

    /// Takes over a rule fetched again; quota and counts stay.
    pub fn set_rule(&mut self, rule: &Rule) {
        self.reservoir_size = rule.reservoir_size;
        self.fixed_rate = rule.fixed_rate;
    }

    /// Takes over what the server answered to a report. A target without a quota leaves the present
    /// one, if any, as it is.
    pub fn set_target(&mut self, target: &SamplingTarget) {
        self.fixed_rate = target.fixed_rate;
        if let (Some(per_second), Some(lapses_at)) =
            (target.reservoir_quota, target.reservoir_quota_ttl)
        {
            self.quota = Some(Quota { per_second, lapses_at_second: lapses_at.seconds() });
        }
    }

    /// Decides about a request that matched the rule, and counts it. `random` is a number drawn
    /// evenly from 0 (included) to 1 (excluded).
    pub fn decide(&mut self, now: EpochMicros, random: f64) -> Decision {
        let second = now.seconds();
        if second != self.second {
            self.second = second;
            self.taken = 0;
            self.borrowed = false;
        }
        let by = match self.quota.filter(|quota| second < quota.lapses_at_second) {
            Some(quota) if self.taken < quota.per_second => DecisionBy::Quota,
            None if self.reservoir_size > 0 && !self.borrowed => DecisionBy::Borrow,
            _ => DecisionBy::Rate,
        };
        let sampled = by != DecisionBy::Rate || random < self.fixed_rate;
        self.taken += u32::from(by == DecisionBy::Quota);
        self.borrowed |= by == DecisionBy::Borrow;
        self.counts += Counts {
            requests: 1,
            sampled: u64::from(sampled),
            borrowed: u64::from(by == DecisionBy::Borrow),
        };
        Decision { sampled, by }
    }

    /// What to report: the counts since the last call, which start again at zero; `None` when there
    /// was no request, for then SDKs send no report.
    pub fn take_counts(&mut self) -> Option<Counts> {
        let counts = std::mem::take(&mut self.counts);
        (counts.requests > 0).then_some(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: f64 = 0.999_999;
    const START: u64 = 1_700_000_000;

    fn reservoir(reservoir_size: u32, fixed_rate: f64) -> Reservoir {
        Reservoir::new(&Rule { reservoir_size, fixed_rate, ..Rule::default_rule() })
    }

    fn target(quota: Option<u32>) -> SamplingTarget {
        SamplingTarget {
            rule_name: "Default".to_owned(),
            fixed_rate: 0.0,
            reservoir_quota: quota,
            reservoir_quota_ttl: quota.map(|_| EpochMicros::from_seconds(START + 300)),
            interval_seconds: 10,
        }
    }

    fn at(second: u64) -> EpochMicros {
        EpochMicros(second * 1_000_000 + 123_456)
    }

    /// What decides about `count` requests within one second.
    fn decided_by(reservoir: &mut Reservoir, second: u64, count: usize) -> Vec<DecisionBy> {
        (0..count).map(|_| reservoir.decide(at(second), NEVER).by).collect()
    }

    #[test]
    fn borrows_one_a_second_without_quota() {
        use DecisionBy::{Borrow, Rate};
        let mut reservoir = reservoir(50, 0.05);
        assert_eq!(decided_by(&mut reservoir, START, 3), [Borrow, Rate, Rate]);
        assert_eq!(decided_by(&mut reservoir, START + 1, 2), [Borrow, Rate]);
        let counts = Counts { requests: 5, sampled: 2, borrowed: 2 };
        assert_eq!(reservoir.take_counts(), Some(counts));
        assert_eq!(reservoir.take_counts(), None);
    }

    #[test]
    fn never_borrows_from_an_empty_reservoir() {
        let mut reservoir = reservoir(0, 0.0);
        assert_eq!(decided_by(&mut reservoir, START, 2), [DecisionBy::Rate, DecisionBy::Rate]);
        assert!(!reservoir.decide(at(START), 0.0).sampled);
    }

    #[test]
    fn takes_from_the_quota_until_it_lapses() {
        use DecisionBy::{Borrow, Quota, Rate};
        let mut reservoir = reservoir(2, 0.0);
        reservoir.set_target(&target(Some(2)));
        assert_eq!(decided_by(&mut reservoir, START, 3), [Quota, Quota, Rate]);
        assert_eq!(decided_by(&mut reservoir, START + 299, 3), [Quota, Quota, Rate]);
        assert_eq!(decided_by(&mut reservoir, START + 300, 2), [Borrow, Rate]);
    }

    #[test]
    fn a_quota_of_zero_ends_borrowing() {
        let mut reservoir = reservoir(1, 0.0);
        reservoir.set_target(&target(Some(0)));
        assert_eq!(decided_by(&mut reservoir, START, 1), [DecisionBy::Rate]);
    }

    #[test]
    fn an_answer_without_quota_changes_only_the_rate() {
        let mut reservoir = reservoir(1, 1.0);
        reservoir.set_target(&target(None));
        assert_eq!(decided_by(&mut reservoir, START, 2), [DecisionBy::Borrow, DecisionBy::Rate]);
        assert!(!reservoir.decide(at(START), 0.0).sampled);
        reservoir.set_target(&target(Some(1)));
        reservoir.set_target(&target(None));
        assert_eq!(decided_by(&mut reservoir, START + 1, 1), [DecisionBy::Quota]);
    }

    #[test]
    fn the_rate_is_met_from_below() {
        let mut reservoir = reservoir(0, 0.05);
        assert!(reservoir.decide(at(START), 0.0).sampled);
        assert!(reservoir.decide(at(START), 0.049).sampled);
        assert!(!reservoir.decide(at(START), 0.05).sampled);
        reservoir.set_rule(&Rule { fixed_rate: 1.0, ..Rule::default_rule() });
        assert!(reservoir.decide(at(START), NEVER).sampled);
    }
}
