//! The server's side of sampling: who reports, who may take how much, and what was counted.

use std::collections::{BTreeMap, HashMap};

use crate::quota_division::divide;
use crate::rule::Rule;
use crate::rule_error::echo;
use crate::rule_set::RuleSet;
use crate::statistics::{
    BoostStatisticsDocument, ClientId, Report, StatisticsDocument, UnprocessedStatistics,
};
use crate::time::EpochMicros;
use crate::windows::{StatisticSummary, Windows};

/// How long a quota may be used, from the report it answers (documented sample: 301 s).
pub const QUOTA_LIFETIME_SECONDS: u64 = 300;

/// Seconds until a client shall report again; what SDKs do by themselves.
pub const REPORT_INTERVAL_SECONDS: u32 = 10;

/// A client that has not reported for this long no longer counts: it missed three reports.
///
/// The service's figure is unpublished. Ten times longer, the life of a quota, would be safer
/// against a client that pauses and then goes on with its old quota until its next report (ten
/// seconds at most). But then a process that is restarted, and so has a new client id, would find
/// the reservoir held by its own past for five minutes, and nothing of it would be seen.
pub const CLIENT_LIFETIME_SECONDS: u64 = 30;

/// Most clients that share one rule's reservoir. Further ones get a quota of 0, and so are sampled
/// at the fixed rate, until a place is free: putting out a client that still reports would only
/// make both lose their place in turn, and hand out the same quota twice.
pub const MAX_CLIENTS_PER_RULE: usize = 2048;

/// How long the requests that an even division leaves over stay with the same clients. Long beside
/// the report interval, because between the report of one that loses and the report of one that
/// gains nobody has them.
pub const TURN_SECONDS: u64 = 60;

/// The server's answer to one client about one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingTarget {
    /// The rule.
    pub rule_name: String,
    /// The rule's present fixed rate.
    pub fixed_rate: f64,
    /// Requests per second this client may take from the reservoir. `None` leaves the client
    /// borrowing, as before its first report.
    pub reservoir_quota: Option<u32>,
    /// When the quota lapses; present exactly when the quota is.
    pub reservoir_quota_ttl: Option<EpochMicros>,
    /// Seconds until the client shall report again.
    pub interval_seconds: u32,
}

/// The answer to one call of GetSamplingTargets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// One target for each document that was processed, in their order.
    pub targets: Vec<SamplingTarget>,
    /// When a rule was last changed; clients that fetched theirs earlier fetch again.
    pub last_rule_modification: EpochMicros,
    /// Statistics documents that were not processed.
    pub unprocessed: Vec<UnprocessedStatistics>,
    /// Boost statistics documents that were not processed: all of them.
    pub unprocessed_boost: Vec<UnprocessedStatistics>,
}

/// Who reports about which rule, and the quotas handed out.
///
/// For each rule the quotas in the hands of live clients never add up to more than the reservoir,
/// for as long as its size stays. With the first report they add up to all of it; after a change
/// (a client more or less, another load, a turn) they do so again within two rounds of reports,
/// since in the first some have to give up what in the second others may take. Meanwhile a client
/// that never had a quota goes on borrowing one request per second, so that a process just started
/// is seen.
#[derive(Debug, Default)]
pub struct QuotaBook {
    /// State by rule name; only rules of the rule set, so its limit bounds it.
    rules: HashMap<String, RuleUse>,
    /// The rule set's last modification when `rules` was last freed of deleted rules.
    swept_at: EpochMicros,
}

#[derive(Debug, Default)]
struct RuleUse {
    clients: BTreeMap<ClientId, Client>,
    windows: Windows,
}

#[derive(Debug)]
struct Client {
    last_report: EpochMicros,
    /// Requests per second it reported last, at least 1: who reports has traffic.
    demand: u32,
    /// The quota in its hands; `None` when it never had one.
    granted: Option<u32>,
}

impl QuotaBook {
    /// A book without any entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the statistics of a call of GetSamplingTargets and answers it.
    ///
    /// The caller limits the number of documents to
    /// [`MAX_STATISTICS_DOCUMENTS`](crate::MAX_STATISTICS_DOCUMENTS) of each kind.
    pub fn targets(
        &mut self,
        rules: &RuleSet,
        documents: &[StatisticsDocument],
        boost_documents: &[BoostStatisticsDocument],
        now: EpochMicros,
    ) -> Targets {
        self.forget_deleted(rules);
        let mut answer =
            Targets { last_rule_modification: rules.last_modification(), ..Targets::default() };
        for document in documents {
            match self.process(rules, document, now) {
                Ok(target) => answer.targets.push(target),
                Err(message) => answer.unprocessed.push(unprocessed(&document.rule_name, message)),
            }
        }
        answer.unprocessed_boost = boost_documents
            .iter()
            .map(|document| {
                let message = "Adaptive sampling is not available; the fixed rate applies";
                unprocessed(&document.rule_name, message.to_owned())
            })
            .collect();
        answer
    }

    /// What was reported about the rules of this set in the last
    /// [`STATISTICS_LOOK_BACK_SECONDS`](crate::STATISTICS_LOOK_BACK_SECONDS), in the rules' order
    /// of evaluation, oldest window first.
    pub fn statistic_summaries(&self, rules: &RuleSet, now: EpochMicros) -> Vec<StatisticSummary> {
        rules
            .records()
            .filter_map(|record| self.rules.get_key_value(&record.rule.rule_name))
            .flat_map(|(rule_name, rule_use)| {
                rule_use.windows.recent(now).map(|(timestamp, counts)| StatisticSummary {
                    rule_name: rule_name.clone(),
                    timestamp,
                    counts,
                })
            })
            .collect()
    }

    fn process(
        &mut self,
        rules: &RuleSet,
        document: &StatisticsDocument,
        now: EpochMicros,
    ) -> Result<SamplingTarget, String> {
        let rule = rules.get(&document.rule_name).map(|record| &record.rule);
        let rule = rule.ok_or_else(|| "Sampling rule not found".to_owned())?;
        let report = document.check(now)?;
        let rule_use = self.rules.entry(rule.rule_name.clone()).or_default();
        rule_use.windows.add(report.at, report.counts, now);
        let quota = rule_use.allot(rule, &report, now);
        let lapses_at = EpochMicros::from_seconds(now.seconds() + QUOTA_LIFETIME_SECONDS);
        Ok(SamplingTarget {
            rule_name: rule.rule_name.clone(),
            fixed_rate: rule.fixed_rate,
            reservoir_quota: quota,
            reservoir_quota_ttl: quota.map(|_| lapses_at),
            interval_seconds: REPORT_INTERVAL_SECONDS,
        })
    }

    fn forget_deleted(&mut self, rules: &RuleSet) {
        if self.swept_at != rules.last_modification() {
            self.rules.retain(|rule_name, _| rules.get(rule_name).is_some());
            self.swept_at = rules.last_modification();
        }
    }
}

impl RuleUse {
    /// The quota for the client that reports; `None` when it shall go on borrowing.
    fn allot(&mut self, rule: &Rule, report: &Report, now: EpochMicros) -> Option<u32> {
        self.clients
            .retain(|_, client| now.seconds_since(client.last_report) <= CLIENT_LIFETIME_SECONDS);
        let is_known = self.clients.contains_key(&report.client_id);
        if !is_known && self.clients.len() >= MAX_CLIENTS_PER_RULE {
            return Some(0);
        }
        let granted = self.clients.get(&report.client_id).and_then(|client| client.granted);
        let demand = requests_per_second(report.counts.requests);
        self.clients.insert(report.client_id, Client { last_report: now, demand, granted });

        let share = self.share_of(report.client_id, rule.reservoir_size, now);
        let held_by_others: u64 = self
            .clients
            .iter()
            .filter(|(id, _)| **id != report.client_id)
            .map(|(_, client)| u64::from(client.granted.unwrap_or(0)))
            .sum();
        let free = u64::from(rule.reservoir_size).saturating_sub(held_by_others);
        let quota = share.min(u32::try_from(free).unwrap_or(u32::MAX));
        let must_wait_for_its_first = granted.is_none() && quota == 0 && share > 0;
        if must_wait_for_its_first {
            return None;
        }
        self.clients
            .insert(report.client_id, Client { last_report: now, demand, granted: Some(quota) });
        Some(quota)
    }

    /// The client's part of the reservoir, were all parts free.
    fn share_of(&self, client_id: ClientId, reservoir: u32, now: EpochMicros) -> u32 {
        let demands: Vec<u32> = self.clients.values().map(|client| client.demand).collect();
        let shares = divide(reservoir, &demands, now.seconds() / TURN_SECONDS);
        let position = self.clients.range(..client_id).count();
        shares.get(position).copied().unwrap_or(0)
    }
}

/// Requests per second over a report interval, rounded up, and at least 1.
fn requests_per_second(requests: u64) -> u32 {
    let rate = requests.div_ceil(u64::from(REPORT_INTERVAL_SECONDS));
    u32::try_from(rate).unwrap_or(u32::MAX).max(1)
}

fn unprocessed(rule_name: &str, message: String) -> UnprocessedStatistics {
    UnprocessedStatistics { rule_name: echo(rule_name), error_code: "400".to_owned(), message }
}
