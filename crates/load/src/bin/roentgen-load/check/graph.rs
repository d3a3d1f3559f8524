//! The service graph: its counts must be the sums of what was sent.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use roentgen_load::{Contribution, NodeName, Tally};
use roentgen_protocol::Operation;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{Checker, FIRST_PAUSE, Fault, FaultKind, LONGEST_PAUSE};
use crate::emission::Numbers;
use crate::pacing::Backoff;
use crate::sink::Sent;

/// Before and after the run, seconds: segments begin before their request ends, by a few minutes at
/// most, and the graph is kept by whole minutes.
const MARGIN_SECONDS: i64 = 900;

/// Most pages of a graph; each has some hundred nodes.
const MOST_PAGES: usize = 1_000;

/// How the graph was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GraphCheck {
    /// Not at all: the run was not alone with its names.
    #[default]
    Off,
    /// With bounds: nobody knows of all documents whether they were stored.
    Bounds,
    /// Every count and every sum.
    Exact,
}

/// A graph as it was answered, as far as it is the run's.
#[derive(Debug, Default)]
struct Answered {
    nodes: BTreeMap<NodeName, Tally>,
    edges: BTreeMap<(NodeName, NodeName), Tally>,
}

/// What the counts must be between.
struct Bounds<'a, K> {
    what: &'static str,
    least: &'a BTreeMap<K, Tally>,
    most: &'a BTreeMap<K, Tally>,
    is_exact: bool,
}

impl Checker<'_> {
    /// Compares the graph over the time of the run with what was sent, node by node and edge by
    /// edge. `name_suffix` tells the run's nodes from others. When `has_lost`, some documents never
    /// arrived, and the counts can only be too high.
    pub(crate) fn check_graph(
        &mut self,
        sent: &Sent,
        numbers: &Numbers,
        name_suffix: &str,
        has_lost: bool,
    ) {
        let most = self.contribution(sent);
        let is_exact = !has_lost && sent.unsure.numbers.is_empty();
        let least = match has_lost || sent.unsure.is_incomplete {
            true => Contribution::default(),
            false => self.less_unsure(&most, sent, numbers),
        };
        self.report.graph = if is_exact { GraphCheck::Exact } else { GraphCheck::Bounds };
        let ends = || sent.batches.iter().map(|batch| batch.end.as_micros() / 1_000_000);
        let last = sent.batches.iter().map(|batch| numbers.end_of(batch, batch.count));
        let (Some(first), Some(last)) = (ends().min(), last.max()) else { return };
        let range = (first - MARGIN_SECONDS, last.as_micros() / 1_000_000 + MARGIN_SECONDS);

        let deadline = self.clock.elapsed() + self.settings.deadline;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let mut faults = Vec::new();
            match self.graph(range, name_suffix) {
                Ok(answered) => {
                    let nodes =
                        Bounds { what: "node", least: &least.nodes, most: &most.nodes, is_exact };
                    nodes.compare(&answered.nodes, &mut faults);
                    let edges =
                        Bounds { what: "edge", least: &least.edges, most: &most.edges, is_exact };
                    edges.compare(&answered.edges, &mut faults);
                }
                Err(error) => faults.push(Fault {
                    kind: FaultKind::Unanswered,
                    trace_id: None,
                    detail: format!("{error:#}"),
                }),
            }
            if faults.is_empty() || self.clock.elapsed() >= deadline {
                self.report.nodes = u64::try_from(most.nodes.len()).unwrap_or(u64::MAX);
                self.report.edges = u64::try_from(most.edges.len()).unwrap_or(u64::MAX);
                self.faults.extend(faults);
                return;
            }
            std::thread::sleep(backoff.pause());
        }
    }

    /// What everything that was sent adds to the graph.
    fn contribution(&self, sent: &Sent) -> Contribution {
        let mut sum = Contribution::default();
        for (number, shape) in sent.shapes.iter().enumerate() {
            if shape.count > 0 {
                self.corpus.add_contribution(number, shape.count, shape.pace, &mut sum);
            }
        }
        sum
    }

    /// The same without the requests of which nobody knows whether they are stored.
    fn less_unsure(&self, most: &Contribution, sent: &Sent, numbers: &Numbers) -> Contribution {
        let mut unsure = Contribution::default();
        let some_end = sent.batches.first().map(|batch| numbers.end_of(batch, 0));
        for number in &sent.unsure.numbers {
            // Shape and pace are the same whenever a request happens.
            let request = self.corpus.request(*number, some_end.unwrap_or_default());
            let shape = request.shape_number();
            self.corpus.add_contribution(shape, 1, request.pace(), &mut unsure);
        }
        Contribution {
            nodes: without(&most.nodes, &unsure.nodes),
            edges: without(&most.edges, &unsure.edges),
        }
    }

    /// All pages of the graph.
    fn graph(&mut self, (start, end): (i64, i64), name_suffix: &str) -> anyhow::Result<Answered> {
        let mut services: Vec<Json> = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut body = json!({ "StartTime": start, "EndTime": end });
            if let (Some(token), Json::Object(members)) = (token.take(), &mut body) {
                members.insert("NextToken".to_owned(), token.into());
            }
            let mut answer = self.ask(Operation::GetServiceGraph, &body)?;
            if let Some(Json::Array(page)) = answer.get_mut("Services").map(Json::take) {
                services.extend(page);
            }
            match answer.get("NextToken").and_then(Json::as_str) {
                Some(next) => token = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(Answered::read(&services, name_suffix))
    }
}

impl Answered {
    fn read(services: &[Json], name_suffix: &str) -> Self {
        let text = |json: &Json, key: &str| json.get(key)?.as_str().map(str::to_owned);
        let number = |json: &Json| json.get("ReferenceId").and_then(Json::as_u64);
        let name = |service: &Json| -> Option<NodeName> {
            let name = text(service, "Name").filter(|name| name.ends_with(name_suffix))?;
            Some(NodeName { name, kind: text(service, "Type") })
        };
        let names: HashMap<u64, NodeName> = services
            .iter()
            .filter_map(|service| Some((number(service)?, name(service)?)))
            .collect();
        let mut answered = Self::default();
        for service in services {
            let Some(caller) = number(service).and_then(|number| names.get(&number)) else {
                continue;
            };
            if let Some(statistics) = service.get("SummaryStatistics") {
                answered.nodes.entry(caller.clone()).or_default().add(statistics);
            }
            for edge in service.get("Edges").and_then(Json::as_array).into_iter().flatten() {
                let callee = number(edge).and_then(|number| names.get(&number));
                if let (Some(callee), Some(statistics)) = (callee, edge.get("SummaryStatistics")) {
                    let key = (caller.clone(), callee.clone());
                    answered.edges.entry(key).or_default().add(statistics);
                }
            }
        }
        answered
    }
}

/// Reading of statistics; more than one node of a name happens when a name has several accounts.
trait AddStatistics {
    fn add(&mut self, statistics: &Json);
}

impl AddStatistics for Tally {
    fn add(&mut self, statistics: &Json) {
        let count = |pointer: &str| statistics.pointer(pointer).and_then(Json::as_u64).unwrap_or(0);
        self.ok += count("/OkCount");
        self.error += count("/ErrorStatistics/OtherCount");
        self.throttle += count("/ErrorStatistics/ThrottleCount");
        self.fault += count("/FaultStatistics/TotalCount");
        let seconds = statistics.get("TotalResponseTime").and_then(Json::as_f64).unwrap_or(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time; what is negative becomes 0 and what is too large the largest"
        )]
        let micros = (seconds * 1e6).round() as u64;
        self.micros += micros;
    }
}

impl<K: Ord + Debug> Bounds<'_, K> {
    fn compare(&self, answered: &BTreeMap<K, Tally>, faults: &mut Vec<Fault>) {
        let mut fault = |kind, key: &K, detail: String| {
            let detail = format!("{} {key:?}: {detail}", self.what);
            faults.push(Fault { kind, trace_id: None, detail });
        };
        for (key, most) in self.most {
            let least = self.least.get(key).copied().unwrap_or_default();
            let got = answered.get(key).copied().unwrap_or_default();
            let counts = [
                ("ok", least.ok, got.ok, most.ok),
                ("errors", least.error, got.error, most.error),
                ("throttles", least.throttle, got.throttle, most.throttle),
                ("faults", least.fault, got.fault, most.fault),
            ];
            for (outcome, least, got, most) in counts {
                let sent =
                    if least == most { most.to_string() } else { format!("{least} to {most}") };
                let detail = format!("{outcome}: sent {sent}, got {got}");
                if got < least {
                    fault(FaultKind::Missing, key, detail);
                } else if got > most {
                    fault(FaultKind::Doubled, key, detail);
                }
            }
            let is_off = got.micros.abs_diff(most.micros) > most.tolerance + got.total();
            if self.is_exact && got.total() == most.total() && is_off {
                let detail = format!(
                    "response times: sent {} µs in all, got {} µs",
                    most.micros, got.micros
                );
                fault(FaultKind::Different, key, detail);
            }
        }
        for (key, got) in answered {
            if !self.most.contains_key(key) && got.total() > 0 {
                fault(FaultKind::Unexpected, key, format!("{} requests", got.total()));
            }
        }
    }
}

fn without<K: Ord + Clone>(
    all: &BTreeMap<K, Tally>,
    less: &BTreeMap<K, Tally>,
) -> BTreeMap<K, Tally> {
    all.iter()
        .map(|(key, all)| {
            let less = less.get(key).copied().unwrap_or_default();
            let left = Tally {
                ok: all.ok.saturating_sub(less.ok),
                error: all.error.saturating_sub(less.error),
                throttle: all.throttle.saturating_sub(less.throttle),
                fault: all.fault.saturating_sub(less.fault),
                ..*all
            };
            (key.clone(), left)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName { name: name.to_owned(), kind: None }
    }

    fn check(least: u64, got: u64, most: u64, micros: u64, expect: &[FaultKind]) {
        let one = |ok, micros| {
            let tally = Tally { ok, micros, tolerance: 10, ..Tally::default() };
            BTreeMap::from([(node("a"), tally)])
        };
        let (least, most) = (one(least, 1_000), one(most, 1_000));
        let is_exact = least == most;
        let bounds = Bounds { what: "node", least: &least, most: &most, is_exact };
        let mut faults = Vec::new();
        bounds.compare(&one(got, micros), &mut faults);
        let kinds: Vec<FaultKind> = faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, expect, "{faults:?}");
    }

    #[test]
    fn counts_must_be_within_their_bounds() {
        check(5, 5, 5, 1_000, &[]);
        check(5, 4, 5, 1_000, &[FaultKind::Missing]);
        check(5, 6, 5, 1_000, &[FaultKind::Doubled]);
        check(5, 5, 5, 1_016, &[FaultKind::Different]);
        check(5, 5, 5, 1_015, &[]);
        check(3, 4, 5, 0, &[]);
        check(3, 2, 5, 0, &[FaultKind::Missing]);
        check(3, 6, 5, 0, &[FaultKind::Doubled]);
    }

    #[test]
    fn nodes_of_others_are_left_out_and_ours_must_be_known() {
        let statistics = json!({"OkCount": 1, "TotalResponseTime": 0.25,
            "ErrorStatistics": {"ThrottleCount": 2, "OtherCount": 3, "TotalCount": 5},
            "FaultStatistics": {"TotalCount": 4, "OtherCount": 4}, "TotalCount": 10});
        let services = [
            json!({"ReferenceId": 0, "Name": "a-x", "Type": "T", "SummaryStatistics": statistics,
                "Edges": [{"ReferenceId": 1, "SummaryStatistics": statistics},
                    {"ReferenceId": 2, "SummaryStatistics": statistics}]}),
            json!({"ReferenceId": 1, "Name": "b-y", "SummaryStatistics": statistics, "Edges": []}),
            json!({"ReferenceId": 2, "Name": "c-x", "Edges": []}),
        ];
        let answered = Answered::read(&services, "-x");
        let tally = Tally { ok: 1, error: 3, throttle: 2, fault: 4, micros: 250_000, tolerance: 0 };
        let a = NodeName { name: "a-x".to_owned(), kind: Some("T".to_owned()) };
        assert_eq!(answered.nodes, BTreeMap::from([(a.clone(), tally)]));
        assert_eq!(answered.edges, BTreeMap::from([((a, node("c-x")), tally)]));

        let nothing = BTreeMap::new();
        let bounds = Bounds { what: "node", least: &nothing, most: &nothing, is_exact: true };
        let mut faults = Vec::new();
        bounds.compare(&answered.nodes, &mut faults);
        assert_eq!(faults[0].kind, FaultKind::Unexpected);
    }
}
