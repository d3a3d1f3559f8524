//! Taking changed traces in: assembling them for their summaries and their part of the rollups.
//!
//! When a trace changes, what it contributed before is taken back and what it contributes now is
//! added, so that nothing is ever counted twice. What it contributed before is either still
//! remembered or is assembled again from the documents it was made of.
//!
//! A change of a *large* trace (more than 2,000 documents or 1 MiB) means much work for little
//! news, and all that wait for the indexer wait for it. So all large traces together get a small
//! part of the time: after one of them was taken in, [`REST`] times as long as that took, but
//! [`MOST_REST`] at most, passes before the next is. Those that changed wait in a queue, whatever
//! is asked; a trace that is new to the index never waits. The documents and the assembled form
//! of a trace are made from all of it whenever someone asks for them.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roentgen_model::{Document, Names, TraceGraph, TraceId, TraceSummary, assemble};

use crate::index::{Change, Contribution, DocumentPositions, Minutes, TakenIn};
use crate::interner::Interner;
use crate::locking::{lock, read, write};
use crate::log::FileNumber;
use crate::state::State;
use crate::{ReceivedDocument, StoreError, retention};

/// Observations remembered of recently changed traces: some 30 MB.
const REMEMBERED_OBSERVATIONS: usize = 200_000;
/// How many times the time that a large trace took passes before the next one.
const REST: u32 = 10;
/// The longest time between two large traces.
const MOST_REST: Duration = Duration::from_secs(5);
/// Traces taken in at opening before retention looks at the memory they took.
const OPENING_CHUNK: usize = 1024;

/// What is remembered from one change of a trace to the next. The value behind the lock that
/// makes sure that one thread at a time takes changes in.
#[derive(Debug, Default)]
pub(crate) struct Indexer {
    young: Generation,
    old: Generation,
    interner: Interner,
    /// Large traces that have changed, in the order in which they will be taken in.
    deferred: VecDeque<TraceId>,
    /// When the next one may be; `None` as long as there was none.
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct Generation {
    graphs: HashMap<TraceId, Arc<TraceGraph>>,
    observations: usize,
}

/// The indexer thread.
pub(crate) fn run(state: &State) {
    let mut pause = None;
    while state.backlog.wait_for_work(pause) {
        if take_in_changes(state).is_err() {
            return;
        }
        pause = lock(&state.indexer).pause(state.clock.instant());
    }
}

/// Takes in every change that was stored before the call, but for those of large traces that are
/// not due.
///
/// # Errors
/// [`StoreError::Closed`] when the store was closed, perhaps before everything was taken in: the
/// index is made anew at the next opening.
pub(crate) fn take_in_changes(state: &State) -> Result<(), StoreError> {
    let check_open = || if state.backlog.is_closed() { Err(StoreError::Closed) } else { Ok(()) };
    let mut indexer = lock(&state.indexer);
    check_open()?;
    let dirty = write(&state.index).take_dirty();
    for id in dirty {
        check_open()?;
        if read(&state.index).may_wait(id) {
            indexer.defer(state, id);
        } else {
            indexer.update(state, id, None);
        }
    }
    while let Some(id) = indexer.next_deferred(state.clock.instant()) {
        check_open()?;
        indexer.update(state, id, None);
    }
    Ok(())
}

/// Takes in everything that was found at opening, the newest first, while retention drops from
/// the other end what has no room: so a log that is too large for the index is never in it.
pub(crate) fn take_in_log(state: &State) {
    let dirty = write(&state.index).take_dirty();
    for chunk in dirty.rchunks(OPENING_CHUNK) {
        let mut indexer = lock(&state.indexer);
        chunk.iter().rev().for_each(|&id| indexer.update(state, id, None));
        drop(indexer);
        retention::enforce(state);
    }
    write(&state.index).settle();
}

impl Indexer {
    /// Lets a large trace wait for its turn.
    fn defer(&mut self, state: &State, id: TraceId) {
        state.change_index(|index| index.defer(id));
        if !self.deferred.contains(&id) {
            self.deferred.push_back(id);
            state.backlog.announce_deferred();
        }
    }

    /// The large trace whose turn it is.
    fn next_deferred(&mut self, now: Instant) -> Option<TraceId> {
        if self.due.is_some_and(|due| now < due) { None } else { self.deferred.pop_front() }
    }

    /// How long it is until the next large trace is due; `None` when none waits.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let due = self.due.unwrap_or(now);
        (!self.deferred.is_empty()).then(|| due.saturating_duration_since(now))
    }

    /// Assembles a trace anew, without its documents in files up to `gone`.
    pub(crate) fn update(&mut self, state: &State, id: TraceId, gone: Option<FileNumber>) {
        let begin = state.clock.instant();
        self.assemble_anew(state, id, gone);
        if read(&state.index).is_large(id) {
            let end = state.clock.instant();
            let rest = end.saturating_duration_since(begin).saturating_mul(REST).min(MOST_REST);
            self.due = self.due.max(end.checked_add(rest));
        }
    }

    fn assemble_anew(&mut self, state: &State, id: TraceId, gone: Option<FileNumber>) {
        let documents = read(&state.index).documents_without(id, gone);
        let Some((documents, kept)) = documents else { return };
        let DocumentPositions { positions, taken_in, .. } = &documents;
        let Some(newest) = positions.get(kept..).and_then(<[_]>::last) else { return };
        if kept == 0 && taken_in.documents == positions.len() {
            return;
        }
        let before = self.contributed(state, id, &documents);
        let assembled = assemble_stored(state, id, &documents, kept..);
        let mut change = Change {
            id,
            gone: kept,
            summary: None,
            names: 0,
            minutes_before: Minutes::new(),
            minutes_after: Minutes::new(),
            taken_in: TakenIn {
                documents: positions.len() - kept,
                unusable: assembled.unusable,
                contribution: Contribution::Lost,
            },
        };
        let graph = assembled.trace.map(|(mut summary, mut graph)| {
            self.interner.share_summary(&mut summary);
            self.interner.share_graph(&mut graph);
            change.summary = Some(summary);
            graph
        });
        change.names = self.interner.take_new_bytes();
        if let Some(before) = before {
            let after = graph.unwrap_or_default();
            change.minutes_before = before.by_minute();
            change.minutes_after = after.by_minute();
            change.taken_in.contribution = Contribution::With(newest.file);
            self.remember(id, after);
        }
        state.change_index(|index| index.apply(change));
    }

    /// What the trace stands in the rollups with; `None` when that cannot be known any more.
    fn contributed(
        &mut self,
        state: &State,
        id: TraceId,
        documents: &DocumentPositions,
    ) -> Option<Arc<TraceGraph>> {
        let remembered = self.recall(id);
        let TakenIn { documents: count, unusable, contribution } = documents.taken_in;
        match contribution {
            Contribution::None => Some(Arc::default()),
            Contribution::Lost => None,
            Contribution::With(_) if remembered.is_some() => remembered,
            Contribution::With(_) => {
                let assembled = assemble_stored(state, id, documents, ..count);
                let graph = assembled.trace.map(|(_, graph)| graph).unwrap_or_default();
                (assembled.unusable == unusable).then(|| Arc::new(graph))
            }
        }
    }

    fn remember(&mut self, id: TraceId, graph: TraceGraph) {
        self.young.observations += observations(&graph);
        self.young.graphs.insert(id, Arc::new(graph));
        if self.young.observations >= REMEMBERED_OBSERVATIONS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn recall(&mut self, id: TraceId) -> Option<Arc<TraceGraph>> {
        [&mut self.young, &mut self.old].into_iter().find_map(|generation| {
            let graph = generation.graphs.remove(&id)?;
            generation.observations -= observations(&graph);
            Some(graph)
        })
    }

    /// Forgets a trace that is gone.
    pub(crate) fn forget(&mut self, id: TraceId) {
        self.recall(id);
    }
}

/// The memory of a graph in observations; one without any takes some too.
fn observations(graph: &TraceGraph) -> usize {
    1 + graph.nodes.len() + graph.edges.len()
}

/// What a trace adds to lists and graphs, and how many of its documents are missing in it since
/// they could not be read.
#[derive(Debug, Default)]
struct Assembled {
    trace: Option<(TraceSummary, TraceGraph)>,
    unusable: usize,
}

fn assemble_stored(
    state: &State,
    id: TraceId,
    documents: &DocumentPositions,
    range: impl RangeBounds<usize>,
) -> Assembled {
    let (received, unreadable) = state.read_readable_documents(id, documents, range);
    let mut assembled = assemble_received(state, id, &received);
    assembled.unusable += unreadable;
    assembled
}

/// Parses and assembles documents. Those that do not parse are left out: they were checked
/// before they were stored, by this version of the program or one before.
fn assemble_received(state: &State, id: TraceId, received: &[ReceivedDocument]) -> Assembled {
    // Should a document ever make the parser or the assembly panic, only its trace may suffer,
    // not every query and every start from then on.
    let assembled = catch_unwind(AssertUnwindSafe(|| {
        let documents: Vec<Document<'_>> =
            received.iter().filter_map(|document| Document::parse(&document.bytes).ok()).collect();
        let unusable = received.len() - documents.len();
        let trace = assemble(id, documents, &mut Names::default());
        Assembled { trace: trace.map(|trace| (trace.summary, trace.graph)), unusable }
    }));
    let assembled = assembled.unwrap_or(Assembled { trace: None, unusable: received.len() });
    if assembled.unusable > 0 {
        state.report_unusable(id, assembled.unusable);
    }
    assembled
}
