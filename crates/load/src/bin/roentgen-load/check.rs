//! Reads back what was sent: a sample of the requests while the run lasts, all of it at the end.
//!
//! What must be there is not remembered but made again from number and time of a request.

mod compare;
mod expected;
mod faults;
mod graph;
mod summaries;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use roentgen_load::Corpus;
use roentgen_protocol::{BatchGetTracesRequest, Operation};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::api::Api;
use crate::clock::RunClock;
use crate::emission::Numbers;
use crate::pacing::Backoff;
use crate::samples::{Sample, Wanted};
use crate::sink::Sent;
use compare::compare;
use expected::expected;
pub(crate) use faults::{Fault, FaultKind, Faults};
pub(crate) use graph::GraphCheck;

/// Requests that wait to be read back, at most.
pub(crate) const MAX_PENDING: usize = 256;

/// Pauses before something is asked for again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Listing a second of a busy run takes many pages, so it is not done for every request, and seldom
/// once it was in vain.
const LISTING_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_LISTING_INTERVAL: Duration = Duration::from_secs(60);

/// Pages after which the listing of a second is given up while the run lasts; the end of the run
/// comes back to it.
const LISTING_PAGES: usize = 20;

/// How to check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckSettings {
    /// Requests per second.
    pub(crate) rate: f64,
    /// How long after its acknowledgement a request is read back.
    pub(crate) after: Duration,
    /// How long is asked again for what is missing.
    pub(crate) deadline: Duration,
    /// Requests to read back at the end.
    pub(crate) requests: u64,
    /// Traces to look for in the summaries at the end.
    pub(crate) summaries: u64,
}

/// What was checked, and what was found.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct CheckReport {
    /// Requests that were read back.
    pub(crate) requests: u64,
    /// Their traces.
    pub(crate) traces: u64,
    /// Segments and subsegments in them.
    pub(crate) segments: u64,
    /// Requests that were not whole at the first look.
    pub(crate) retried: u64,
    /// The longest time from an acknowledgement to a whole answer for one of those, milliseconds.
    pub(crate) slowest_visible: f64,
    /// Requests left unchecked, since the server did not answer.
    pub(crate) abandoned: u64,
    /// Whole seconds whose summaries were listed.
    pub(crate) seconds_listed: u64,
    /// Traces of ours that were looked for in them.
    pub(crate) traces_listed: u64,
    /// Listings given up for their length while the run lasted.
    pub(crate) listings_skipped: u64,
    /// Nodes and edges whose counts were compared.
    pub(crate) nodes: u64,
    pub(crate) edges: u64,
    /// How the graph was compared.
    pub(crate) graph: GraphCheck,
    /// Everything found wrong.
    pub(crate) faults: u64,
    /// What is missing because it was lost on the way, by the server's own count.
    pub(crate) explained_by_loss: u64,
    /// The first of the faults.
    pub(crate) examples: Vec<Fault>,
}

/// Reads back what was sent.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    api: Api,
    corpus: &'a Corpus,
    clock: RunClock,
    settings: CheckSettings,
    report: CheckReport,
    faults: Faults,
    /// When a second may be listed again.
    next_listing: Duration,
    listing_pauses: Backoff,
}

/// A request that waits for its next look.
#[derive(Debug)]
struct Pending {
    sample: Sample,
    due: Duration,
    backoff: Backoff,
    stage: Stage,
    /// Whether an earlier look found something missing.
    was_retried: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its traces are asked for, while the run lasts.
    Traces,
    /// Its traces are asked for at the end.
    TracesAtEnd,
    /// Its traces are looked for in the summaries.
    Summaries,
}

impl Pending {
    fn new(sample: Sample, after: Duration, stage: Stage) -> Self {
        Self {
            sample,
            due: sample.acknowledged + after,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            stage,
            was_retried: false,
        }
    }
}

fn listing_pauses() -> Backoff {
    Backoff::new(LISTING_INTERVAL, LONGEST_LISTING_INTERVAL)
}

/// How a look at a request ended.
enum Look {
    Done,
    /// What is wrong so far; it may become right.
    Again(Vec<Fault>),
    /// The server did not answer.
    Unanswered(anyhow::Error),
}

impl<'a> Checker<'a> {
    pub(crate) fn new(
        api: Api,
        corpus: &'a Corpus,
        clock: RunClock,
        settings: CheckSettings,
    ) -> Self {
        Self {
            api,
            corpus,
            clock,
            settings,
            report: CheckReport::default(),
            faults: Faults::default(),
            next_listing: Duration::ZERO,
            listing_pauses: listing_pauses(),
        }
    }

    /// Reads requests back until no more come and each was looked at. `progress` is told the number
    /// of requests read back and of faults.
    pub(crate) fn follow(
        &mut self,
        samples: &Receiver<Sample>,
        wanted: &Wanted,
        progress: &dyn Fn(u64, u64),
    ) {
        let interval = Duration::from_secs_f64(1.0 / self.settings.rate);
        let mut next_wish = Duration::ZERO;
        let mut pending: Vec<Pending> = Vec::new();
        let mut is_open = true;
        while is_open || !pending.is_empty() {
            let now = self.clock.elapsed();
            if is_open && now >= next_wish {
                next_wish = now + interval;
                if pending.len() + wanted.outstanding() < MAX_PENDING {
                    wanted.ask();
                }
            }
            let due = pending.iter().map(|pending| pending.due).min();
            let next_wish = is_open.then_some(next_wish);
            let wake = due.into_iter().chain(next_wish).min().unwrap_or(now);
            match samples.recv_timeout(wake.saturating_sub(now)) {
                Ok(sample) => {
                    pending.push(Pending::new(sample, self.settings.after, Stage::Traces));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    is_open = false;
                    self.clock.sleep_until(due.unwrap_or(now));
                }
            }
            self.look_at_due(&mut pending);
            progress(self.report.requests, self.faults.count());
        }
    }

    /// Reads requests of the whole run back at its end, spread evenly over it.
    pub(crate) fn check_requests(&mut self, sent: &Sent, numbers: &Numbers) {
        let all: u64 = sent.batches.iter().map(|batch| batch.count).sum();
        let step = all.div_ceil(self.settings.requests.max(1)).max(1);
        if self.settings.requests == 0 || sent.unsure.is_incomplete {
            return;
        }
        let acknowledged = self.clock.elapsed();
        let requests = sent.batches.iter().flat_map(|batch| {
            (0..batch.count).map(|index| (batch.first + index, numbers.end_of(batch, index)))
        });
        let mut pending: Vec<Pending> = requests
            .step_by(usize::try_from(step).unwrap_or(usize::MAX))
            .filter(|(number, _)| !sent.unsure.numbers.contains(number))
            .map(|(number, end)| {
                let sample = Sample { number, end, acknowledged };
                Pending::new(sample, Duration::ZERO, Stage::TracesAtEnd)
            })
            .collect();
        while let Some(due) = pending.iter().map(|pending| pending.due).min() {
            self.clock.sleep_until(due);
            self.look_at_due(&mut pending);
        }
    }

    /// Everything found so far and the report, to be completed.
    pub(crate) fn into_report(mut self, is_explained_by_loss: bool) -> CheckReport {
        if is_explained_by_loss {
            self.report.explained_by_loss = self.faults.explain_missing();
        }
        self.report.faults = self.faults.count();
        self.report.examples = self.faults.into_examples();
        self.report
    }

    fn look_at_due(&mut self, pending: &mut Vec<Pending>) {
        let now = self.clock.elapsed();
        let (due, rest) =
            std::mem::take(pending).into_iter().partition::<Vec<_>, _>(|each| each.due <= now);
        *pending = rest;
        for each in due {
            let look = match each.stage {
                Stage::Traces | Stage::TracesAtEnd => self.look_at_traces(&each.sample),
                Stage::Summaries => self.look_at_summaries(&each.sample),
            };
            pending.extend(self.decide(each, look));
        }
    }

    /// Takes notice of how a look at a request ended; gives the next one, if there is to be one.
    fn decide(&mut self, mut each: Pending, look: Look) -> Option<Pending> {
        let now = self.clock.elapsed();
        let since = now.saturating_sub(each.sample.acknowledged);
        let is_last = since >= self.settings.after + self.settings.deadline;
        let is_of_traces = each.stage != Stage::Summaries;
        match look {
            Look::Done => {
                self.report.requests += u64::from(is_of_traces);
                if each.was_retried && each.stage == Stage::Traces {
                    let visible = since.as_secs_f64() * 1e3;
                    self.report.slowest_visible = self.report.slowest_visible.max(visible);
                }
                let lists = each.stage == Stage::Traces && now >= self.next_listing;
                return lists.then_some(Pending { stage: Stage::Summaries, due: now, ..each });
            }
            Look::Again(faults) if is_last => {
                self.report.requests += u64::from(is_of_traces);
                self.faults.extend(faults);
                return None;
            }
            Look::Unanswered(error) if is_last => {
                self.report.abandoned += 1;
                self.faults.add(Fault {
                    kind: FaultKind::Unanswered,
                    trace_id: None,
                    detail: format!("{error:#}"),
                });
                return None;
            }
            Look::Again(_) | Look::Unanswered(_) => {}
        }
        self.report.retried += u64::from(is_of_traces && !each.was_retried);
        each.was_retried = true;
        each.due = now + each.backoff.pause();
        Some(each)
    }

    /// Compares a request's traces with what was sent.
    fn look_at_traces(&mut self, sample: &Sample) -> Look {
        let request = self.corpus.request(sample.number, sample.end);
        let ids: Vec<String> = request.trace_ids().map(|id| id.to_string()).collect();
        let mut faults = Vec::new();
        let (mut traces, mut segments) = (0, 0);
        for (chunk, ids) in ids.chunks(BatchGetTracesRequest::MAX_IDS).enumerate() {
            let answer = match self.ask(Operation::BatchGetTraces, &json!({ "TraceIds": ids })) {
                Ok(answer) => answer,
                Err(error) => return Look::Unanswered(error),
            };
            for (index, id) in ids.iter().enumerate() {
                let trace = chunk * BatchGetTracesRequest::MAX_IDS + index;
                let expected = expected(&request, trace);
                traces += 1;
                segments += expected.len();
                faults.extend(compare(id, &expected, &answer));
            }
        }
        if !faults.is_empty() {
            return Look::Again(faults);
        }
        self.report.traces += traces;
        self.report.segments += u64::try_from(segments).unwrap_or(u64::MAX);
        Look::Done
    }

    /// Looks for a request's traces in the summaries of the seconds in which they began.
    fn look_at_summaries(&mut self, sample: &Sample) -> Look {
        let request = self.corpus.request(sample.number, sample.end);
        let mut faults = Vec::new();
        for id in request.trace_ids() {
            match self.list_second(id.epoch_seconds(), LISTING_PAGES) {
                Ok(Some(listed)) => {
                    self.listing_pauses = listing_pauses();
                    self.report.seconds_listed += 1;
                    self.report.traces_listed += 1;
                    faults.extend(summaries::fault(id, listed.get(&id).copied().unwrap_or(0)));
                }
                Ok(None) => self.report.listings_skipped += 1,
                Err(error) => return Look::Unanswered(error),
            }
        }
        self.next_listing = self.clock.elapsed() + self.listing_pauses.pause();
        if faults.is_empty() { Look::Done } else { Look::Again(faults) }
    }

    fn ask(&mut self, operation: Operation, body: &Json) -> anyhow::Result<Json> {
        let now = self.clock.system_time(self.clock.elapsed());
        self.api.ask(operation, body, now)
    }
}
