//! After a restart: everything acknowledged is there, once, byte for byte, wherever one looks.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};

use super::ledger::{Bounds, Ledger, State};
use super::plan::{Part, SERVICES, Sending};
use super::questions::{self, BATCH, GraphOf};
use crate::bench::connection::Connection;
use crate::bench::random::Random;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Traces of the last run and some of the others; all counts.
    Recent,
    /// Every trace in every list, but not each one's documents.
    Lists,
    /// Every document of every trace.
    Everything,
}

/// Traces whose documents are read besides those in doubt.
const SAMPLE: u64 = 60;

/// Traces before those of the last run that are listed as well: late documents have changed some.
const LISTED_BEFORE: u64 = 700;

/// A micro-second for each rounded sum, and as much for each number added.
const ROUNDING_SECONDS: f64 = 2e-6;

/// A check of one server after a restart.
#[derive(Debug)]
pub(super) struct Check<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) connection: Connection,
    pub(super) depth: Depth,
    /// The first slot of the last run.
    pub(super) recent: u64,
    /// Whether documents may have been lost to damage that was done on purpose. Then what is found
    /// missing stays doubtful: lists and graphs may still know it.
    pub(super) is_damaged: bool,
    /// Whether retention drops log files.
    pub(super) is_dropping: bool,
}

/// What a check looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looked {
    /// Documents compared byte for byte.
    pub(super) documents: u64,
    /// Documents in doubt that were not there.
    pub(super) missing: u64,
}

impl Check<'_> {
    /// # Errors
    /// The first thing that is not as it must be.
    pub(super) fn run(mut self, random: &mut Random) -> anyhow::Result<Looked> {
        let mut looked = Looked::default();
        for trace in self.traces_to_read(random) {
            self.documents(trace, &mut looked)?;
        }
        self.graph(GraphOf::Rollups)?;
        self.graph(GraphOf::Requests)?;
        self.lists()?;
        let traces = self.ledger.next_slot();
        let sample: BTreeSet<u64> = (0..BATCH).map(|_| random.within(0..traces)).collect();
        self.segments(&sample.into_iter().collect::<Vec<_>>())?;
        Ok(looked)
    }

    /// All traces with documents in doubt, and some others or all.
    fn traces_to_read(&self, random: &mut Random) -> BTreeSet<u64> {
        let traces = self.ledger.next_slot();
        let in_doubt = self.ledger.documents().filter(|(_, state)| *state == State::Doubtful);
        let mut read: BTreeSet<u64> = in_doubt.map(|(sending, _)| sending.trace).collect();
        match self.depth {
            Depth::Everything => read.extend(0..traces),
            Depth::Recent | Depth::Lists => {
                read.extend((0..SAMPLE / 2).map(|_| random.within(0..traces)));
                read.extend((0..SAMPLE / 2).map(|_| random.within(self.recent..traces)));
            }
        }
        read.retain(|trace| *trace < traces);
        read
    }

    /// Compares a trace's documents with those sent, and notes what became of those in doubt.
    fn documents(&mut self, trace: u64, looked: &mut Looked) -> anyhow::Result<()> {
        let plan = self.ledger.plan;
        let id = plan.trace_id(trace);
        let mut found = questions::originals(&mut self.connection, &id)?;
        looked.documents += u64::try_from(found.len())?;
        let mut sendings = plan.of_trace(trace);
        // First what must be there: of two documents with the same bytes, one may be in doubt.
        sendings.sort_by_key(|sending| self.ledger.state(*sending) != State::Stored);
        for sending in sendings {
            let state = self.ledger.state(sending);
            // Of one that is there all the same, the document is left over at the end.
            if matches!(state, State::Absent | State::Expired) {
                continue;
            }
            let text = plan.text(trace, sending.part);
            match found.iter().position(|document| *document == text) {
                Some(place) => {
                    found.swap_remove(place);
                    self.resolve(sending, State::Stored);
                }
                None if state == State::Stored => {
                    bail!("trace {id}: {sending:?} was acknowledged and is not there: {text}");
                }
                None => {
                    looked.missing += 1;
                    self.resolve(sending, self.ledger.missing(sending));
                }
            }
        }
        match found.first() {
            Some(document) => {
                bail!("trace {id}: a document never sent, dropped before, or too often: {document}")
            }
            None => Ok(()),
        }
    }

    fn resolve(&mut self, sending: Sending, state: State) {
        if !self.is_damaged {
            self.ledger.set(sending, state);
        }
    }

    /// The service graph counts what is there: all of it, nothing twice.
    fn graph(&mut self, of: GraphOf) -> anyhow::Result<()> {
        let counts = questions::service_counts(&mut self.connection, &self.ledger.plan, of)?;
        for service in 0..SERVICES.len() {
            let name = questions::service_name(service);
            let mut bounds = questions::traces_of(self.ledger, service);
            if self.is_damaged || self.is_dropping {
                bounds.most += questions::counted_again(self.ledger, service);
            }
            let requests = counts.get(name).map_or(0, |node| node.requests);
            if !bounds.hold(requests) {
                bail!(
                    "the service graph of {of:?} counts {requests} requests of {name}; expected \
                     {bounds:?}"
                );
            }
            let (Some(node), true) = (counts.get(name), bounds.least == bounds.most) else {
                continue;
            };
            let expected = questions::expected_node(self.ledger, service);
            let rounding = ROUNDING_SECONDS * (1.0 + expected.requests as f64);
            let is_right = (node.response_time - expected.response_time).abs() <= rounding
                && node.faults == expected.faults;
            if !is_right {
                bail!("the service graph of {of:?} has {node:?} of {name}; expected {expected:?}");
            }
        }
        Ok(())
    }

    /// Every trace is listed once, with all its documents counted.
    fn lists(&mut self) -> anyhow::Result<()> {
        let plan = self.ledger.plan;
        let first = match self.depth {
            Depth::Recent => self.recent.saturating_sub(LISTED_BEFORE),
            Depth::Lists | Depth::Everything => 0,
        };
        let mut listed = questions::listed(&mut self.connection, &plan, first)?;
        let second = plan.start(first).as_secs();
        let in_range =
            (0..self.ledger.next_slot()).filter(|trace| plan.start(*trace).as_secs() >= second);
        for trace in in_range {
            let mut revisions = Bounds::default();
            for sending in plan.of_trace(trace) {
                revisions.add(self.ledger.state(sending));
            }
            let id = plan.trace_id(trace);
            let revision = listed.remove(&id);
            if !revisions.hold(revision.unwrap_or(0)) {
                bail!("trace {id} is listed with revision {revision:?}; expected {revisions:?}");
            }
        }
        match listed.first_key_value() {
            Some((id, _)) => bail!("trace {id} is listed and was never sent"),
            None => Ok(()),
        }
    }

    /// BatchGetTraces gives every segment of some traces once.
    fn segments(&mut self, traces: &[u64]) -> anyhow::Result<()> {
        let plan = self.ledger.plan;
        let ids: Vec<_> = traces.iter().map(|trace| plan.trace_id(*trace)).collect();
        let found = questions::segments(&mut self.connection, &ids)?;
        for (trace, id) in traces.iter().zip(&ids) {
            let segments = found.get(id).cloned().unwrap_or_default();
            let distinct: BTreeSet<_> = segments.iter().collect();
            let mut bounds = Bounds::default();
            for service in 0..SERVICES.len() {
                let of_service = |part: Part| part.service() == service;
                bounds.add(questions::best(self.ledger, *trace, of_service));
            }
            let count = u64::try_from(segments.len()).context("a count")?;
            if distinct.len() != segments.len() || !bounds.hold(count) {
                bail!("BatchGetTraces gives {segments:?} of {id}; expected {bounds:?} segments");
            }
        }
        Ok(())
    }
}
