//! Taking changed traces in: assembling them for their summaries and their part of the rollups.
//!
//! When a trace changes, what it contributed before is taken back and what it contributes now is
//! added, so that nothing is ever counted twice. What it contributed before is either still
//! remembered or is assembled again from the documents it was made of.

use std::collections::HashMap;
use std::ops::RangeBounds;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use roentgen_model::{Document, Trace, TraceGraph, TraceId, assemble};

use crate::ReceivedDocument;
use crate::index::{Change, Contribution, Minutes, TakenIn, TraceDocuments};
use crate::interner::Interner;
use crate::locking::{lock, read, write};
use crate::log::FileNumber;
use crate::state::State;

/// Observations remembered of recently changed traces: some 30 MB.
const REMEMBERED_OBSERVATIONS: usize = 200_000;

/// What is remembered from one change of a trace to the next. The value behind the lock that
/// makes sure that one thread at a time takes changes in.
#[derive(Debug, Default)]
pub(crate) struct Indexer {
    young: Generation,
    old: Generation,
    interner: Interner,
}

#[derive(Debug, Default)]
struct Generation {
    graphs: HashMap<TraceId, Arc<TraceGraph>>,
    observations: usize,
}

/// The indexer thread.
pub(crate) fn run(state: &State) {
    while state.backlog.wait_for_work() {
        take_in_changes(state);
    }
}

/// Takes in every change that was stored before the call.
pub(crate) fn take_in_changes(state: &State) {
    let mut indexer = lock(&state.indexer);
    let dirty = write(&state.index).take_dirty();
    for id in dirty {
        indexer.update(state, id, None);
    }
}

impl Indexer {
    /// Assembles a trace anew, without its documents in files up to `gone`.
    pub(crate) fn update(&mut self, state: &State, id: TraceId, gone: Option<FileNumber>) {
        let Some(documents) = read(&state.index).documents_of(id) else { return };
        let TraceDocuments { positions, taken_in, .. } = &documents;
        let kept = gone.map_or(0, |gone| positions.partition_point(|p| p.file <= gone));
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
            minutes_before: Minutes::new(),
            minutes_after: Minutes::new(),
            taken_in: TakenIn {
                documents: positions.len() - kept,
                unusable: assembled.unusable,
                contribution: Contribution::Lost,
            },
        };
        let graph = assembled.trace.map(|mut trace| {
            self.interner.share_summary(&mut trace.summary);
            self.interner.share_graph(&mut trace.graph);
            change.summary = Some(trace.summary);
            trace.graph
        });
        if let Some(before) = before {
            let after = graph.unwrap_or_default();
            change.minutes_before = before.by_minute();
            change.minutes_after = after.by_minute();
            change.taken_in.contribution = Contribution::With(newest.file);
            self.remember(id, after);
        }
        let done = write(&state.index).apply(change);
        state.backlog.remove(done);
    }

    /// What the trace stands in the rollups with; `None` when that cannot be known any more.
    fn contributed(
        &mut self,
        state: &State,
        id: TraceId,
        documents: &TraceDocuments,
    ) -> Option<Arc<TraceGraph>> {
        let remembered = self.recall(id);
        let TakenIn { documents: count, unusable, contribution } = documents.taken_in;
        match contribution {
            Contribution::None => Some(Arc::default()),
            Contribution::Lost => None,
            Contribution::With(_) if remembered.is_some() => remembered,
            Contribution::With(_) => {
                let assembled = assemble_stored(state, id, documents, ..count);
                let graph = assembled.trace.map(|trace| trace.graph).unwrap_or_default();
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

/// A trace, and how many of its documents are missing in it since they could not be read.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) trace: Option<Trace>,
    pub(crate) unusable: usize,
}

fn assemble_stored(
    state: &State,
    id: TraceId,
    documents: &TraceDocuments,
    range: impl RangeBounds<usize>,
) -> Assembled {
    let (received, unreadable) = state.read_readable_documents(id, documents, range);
    let mut assembled = assemble_received(state, id, &received);
    assembled.unusable += unreadable;
    assembled
}

/// Parses and assembles documents. Those that do not parse are left out: they were checked
/// before they were stored, by this version of the program or one before.
pub(crate) fn assemble_received(
    state: &State,
    id: TraceId,
    received: &[ReceivedDocument],
) -> Assembled {
    // Should a document ever make the parser or the assembly panic, only its trace may suffer,
    // not every query and every start from then on.
    let assembled = catch_unwind(AssertUnwindSafe(|| {
        let documents: Vec<Document> =
            received.iter().filter_map(|document| Document::parse(&document.bytes).ok()).collect();
        let unusable = received.len() - documents.len();
        Assembled { trace: assemble(id, documents), unusable }
    }));
    let assembled = assembled.unwrap_or(Assembled { trace: None, unusable: received.len() });
    if assembled.unusable > 0 {
        state.report_unusable(id, assembled.unusable);
    }
    assembled
}
