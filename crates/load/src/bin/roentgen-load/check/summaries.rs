//! Trace summaries: each trace exactly once in the second in which it began.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use roentgen_model::{Timestamp, TraceId};
use roentgen_protocol::Operation;
use serde_json::{Value as Json, json};

use super::{Checker, FIRST_PAUSE, Fault, FaultKind, LONGEST_PAUSE};
use crate::emission::Numbers;
use crate::pacing::Backoff;
use crate::sink::Sent;

/// Pages after which listing a second ends even at the end of a run: ten million traces.
const MOST_PAGES: usize = 100_000;

/// Traces in a page (X-Ray's figure is not documented; Roentgen's), to tell how long a list will be.
const PAGE_TRACES: u64 = 100;

/// How often each trace was listed.
type Listed = HashMap<TraceId, u32>;

/// What is wrong with a trace that was listed so often.
pub(super) fn fault(id: TraceId, times: u32) -> Option<Fault> {
    let (kind, detail) = match times {
        1 => return None,
        0 => (FaultKind::Missing, "the trace in its second's summaries".to_owned()),
        _ => (FaultKind::Doubled, format!("the trace in its second's summaries, {times} times")),
    };
    Some(Fault { kind, trace_id: Some(id.to_string()), detail })
}

impl Checker<'_> {
    /// Lists all traces that began in a second; `None` when that takes more pages than allowed.
    pub(super) fn list_second(
        &mut self,
        second: u32,
        most_pages: usize,
    ) -> anyhow::Result<Option<Listed>> {
        let mut listed = Listed::new();
        let mut token: Option<String> = None;
        for _ in 0..most_pages {
            let mut body = json!({ "StartTime": second, "EndTime": u64::from(second) + 1 });
            if let (Some(token), Json::Object(members)) = (token.take(), &mut body) {
                members.insert("NextToken".to_owned(), token.into());
            }
            let answer = self.ask(Operation::GetTraceSummaries, &body)?;
            let summaries = answer.get("TraceSummaries").and_then(Json::as_array);
            for summary in summaries.into_iter().flatten() {
                let id = summary.get("Id").and_then(Json::as_str);
                if let Some(id) = id.and_then(|id| id.parse().ok()) {
                    *listed.entry(id).or_default() += 1;
                }
            }
            match answer.get("NextToken").and_then(Json::as_str) {
                Some(next) => token = Some(next.to_owned()),
                None => return Ok(Some(listed)),
            }
        }
        Ok(None)
    }

    /// Looks for all traces of the run in the summaries; when there are too many, for those of
    /// whole seconds spread evenly over the run.
    pub(crate) fn check_summaries(&mut self, sent: &Sent, numbers: &Numbers) {
        let by_second = self.traces_by_second(sent, numbers);
        let all: u64 = by_second.values().sum();
        let most = self.settings.summaries;
        let step = usize::try_from(all.div_ceil(most.max(1))).unwrap_or(usize::MAX).max(1);
        let seconds: Vec<u32> = by_second.keys().copied().step_by(step).collect();
        if most == 0 || seconds.is_empty() {
            return;
        }
        let mut wanted = self.traces_of_seconds(sent, numbers, &seconds);
        // One for all: what is not there by then is missing, and a look tells.
        let deadline = self.clock.elapsed() + self.settings.deadline;
        for second in seconds {
            let traces = wanted.remove(&second).unwrap_or_default();
            self.check_second(second, &traces, sent, deadline);
        }
    }

    /// Lists a second until all its traces are there, or the deadline is past.
    fn check_second(
        &mut self,
        second: u32,
        traces: &[(TraceId, u64)],
        sent: &Sent,
        deadline: Duration,
    ) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let faults: Vec<Fault> = match self.list_second(second, MOST_PAGES) {
                Ok(Some(listed)) => traces
                    .iter()
                    .filter_map(|(id, number)| {
                        let times = listed.get(id).copied().unwrap_or(0);
                        let unsure = &sent.unsure;
                        let may_miss = unsure.is_incomplete || unsure.numbers.contains(number);
                        fault(*id, times).filter(|_| times > 0 || !may_miss)
                    })
                    .collect(),
                Ok(None) => vec![Fault {
                    kind: FaultKind::Unanswered,
                    trace_id: None,
                    detail: format!("the summaries of second {second} do not end"),
                }],
                Err(error) => vec![Fault {
                    kind: FaultKind::Unanswered,
                    trace_id: None,
                    detail: format!("{error:#}"),
                }],
            };
            if faults.is_empty() || self.clock.elapsed() >= deadline {
                self.report.seconds_listed += 1;
                self.report.traces_listed += u64::try_from(traces.len()).unwrap_or(u64::MAX);
                self.faults.extend(faults);
                return;
            }
            let pages = u64::try_from(traces.len()).unwrap_or(0) / PAGE_TRACES;
            // Listing a long second costs the server more than waiting does.
            std::thread::sleep(backoff.pause() + Duration::from_millis(pages));
        }
    }

    fn traces_by_second(&self, sent: &Sent, numbers: &Numbers) -> BTreeMap<u32, u64> {
        let mut by_second = BTreeMap::new();
        self.for_each_trace(sent, numbers, |id, _| {
            *by_second.entry(id.epoch_seconds()).or_default() += 1;
        });
        by_second
    }

    fn traces_of_seconds(
        &self,
        sent: &Sent,
        numbers: &Numbers,
        seconds: &[u32],
    ) -> HashMap<u32, Vec<(TraceId, u64)>> {
        let mut traces: HashMap<u32, Vec<_>> =
            seconds.iter().map(|second| (*second, Vec::new())).collect();
        self.for_each_trace(sent, numbers, |id, number| {
            if let Some(traces) = traces.get_mut(&id.epoch_seconds()) {
                traces.push((id, number));
            }
        });
        traces
    }

    /// All traces that were sent, with the numbers of their requests.
    fn for_each_trace(&self, sent: &Sent, numbers: &Numbers, mut take: impl FnMut(TraceId, u64)) {
        for batch in &sent.batches {
            for index in 0..batch.count {
                let end: Timestamp = numbers.end_of(batch, index);
                let request = self.corpus.request(batch.first + index, end);
                request.trace_ids().for_each(|id| take(id, request.number()));
            }
        }
    }
}
