//! Queries: what has settled and what is open, told as one.
//!
//! A query looks at the open set first and takes the list of settled files afterwards, so that it
//! finds every document in one of the two. A trace that is open and has settled before is made of
//! all its documents; its row in a settled file does not count then, and what it contributed to
//! the service graph when it settled is taken back.

use std::collections::BTreeMap;

use roentgen_model::{LinkedEdges, Micros, Timestamp, TraceId};

use crate::assembling::Whereabouts;
use crate::locking::{lock, read};
use crate::replacing::{self, Trouble};
use crate::settled::Steps;
use crate::state::State;
use crate::{
    GraphQuery, StoreError, StoreStatus, SummaryPage, SummaryQuery, TimeRange, TimedGraph,
    TraceDocuments, TraceFilter,
};

use links::MostRead;
use page::OpenPage;
use view::View;

pub(crate) mod filtered_graph;
mod graph;
mod large;
pub(crate) mod links;
mod page;
mod summary_cache;
mod view;

pub(crate) use graph::GraphCache;
pub(crate) use large::{LargeTraces, is_large};
pub(crate) use links::LinkEnds;
pub(crate) use summary_cache::SummaryCache;

/// The documents of a trace.
pub(crate) fn documents(state: &State, id: TraceId) -> Result<Option<TraceDocuments>, StoreError> {
    within_gate(state, || read_documents(state, id))
}

/// The same, where settled and open add up to everything.
fn read_documents(state: &State, id: TraceId) -> Result<Option<TraceDocuments>, Trouble> {
    read_whole(state, id, &whereabouts_of(state, id)?)
}

/// Where the documents of a trace are.
fn whereabouts_of(state: &State, id: TraceId) -> Result<Whereabouts, Trouble> {
    let open = state.open.get(id);
    let settled = state.live().find(id)?;
    Ok(Whereabouts::new(settled, open.as_ref()))
}

/// Reads documents of a trace; `None` when there are none.
fn read_whole(
    state: &State,
    id: TraceId,
    whereabouts: &Whereabouts,
) -> Result<Option<TraceDocuments>, Trouble> {
    if whereabouts.is_empty() {
        return Ok(None);
    }
    let (documents, limit_exceeded) = whereabouts.read_documents(state, id)?;
    let found = TraceDocuments { id, documents, limit_exceeded };
    Ok((!found.documents.is_empty()).then_some(found))
}

/// One page of summaries.
pub(crate) fn summaries(
    state: &State,
    query: &SummaryQuery<'_>,
) -> Result<SummaryPage, StoreError> {
    within_gate(state, || {
        let _scanning = state.scan_threads.enter();
        let view = View::of(state)?;
        let open = OpenPage::new(state, &view, query)?;
        let page = view.live.find_page(query, &open, &state.scan_threads);
        open.into_trouble().map_or(Ok(()), Err)?;
        Ok(page?)
    })
}

/// The service graphs of a range of time.
pub(crate) fn service_graphs(
    state: &State,
    query: &GraphQuery<'_>,
) -> Result<Vec<TimedGraph>, StoreError> {
    let range = query.range;
    let last = range.end.minus(Micros::new(1));
    let mut graphs = BTreeMap::new();
    if range.start <= last {
        let steps = Steps::new(range.start.minute()..=last.minute(), query.step);
        graphs = within_gate(state, || {
            let _scanning = state.scan_threads.enter();
            match query.traces {
                None => graph::service_graphs(state, &steps),
                Some(filter) => filtered_graph::service_graphs(state, &steps, filter),
            }
        })?;
    }
    if query.step.is_none() {
        let graph = graphs.into_values().next().unwrap_or_default();
        return Ok(vec![TimedGraph { start: range.start, graph }]);
    }
    let timed = |(minute, graph)| TimedGraph { start: Timestamp::from_minute(minute), graph };
    Ok(graphs.into_iter().map(timed).collect())
}

/// The edges between traces of a range of time.
pub(crate) fn linked_edges(
    state: &State,
    range: TimeRange,
    traces: Option<&TraceFilter<'_>>,
) -> Result<LinkedEdges, StoreError> {
    let last = range.end.minus(Micros::new(1));
    if last < range.start {
        return Ok(LinkedEdges::default());
    }
    let steps = Steps::new(range.start.minute()..=last.minute(), None);
    within_gate(state, || {
        let _scanning = state.scan_threads.enter();
        links::linked_edges(state, &steps, traces, MostRead::default())
    })
}

/// Everything for operators.
pub(crate) fn status(state: &State) -> StoreStatus {
    let (open, live, known) = (state.open.size(), state.live(), state.extent.known());
    let log_files = state.log.list();
    let (pending_documents, pending_bytes) = state.queue.pending();
    let counters = &state.counters;
    StoreStatus {
        traces: usize::try_from(live.traces()).unwrap_or(usize::MAX).saturating_add(open.traces),
        documents: known.files.values().map(|facts| facts.documents).sum(),
        log_files: log_files.len(),
        log_bytes: log_files.iter().filter_map(|file| file.bytes().ok()).sum(),
        oldest: known.files.values().map(|facts| facts.oldest).min(),
        newest: known.files.values().map(|facts| facts.newest).max(),
        pending_documents,
        pending_bytes,
        open_traces: open.traces,
        open_documents: open.documents,
        open_bytes: open.bytes,
        resting_documents: state.large.resting_documents(),
        settled_files: live.files().len(),
        settled_bytes: live.files().iter().map(|live| live.file.bytes()).sum(),
        cache_bytes: state.cache.memory(),
        dictionary_bytes: counters.dictionary_bytes.get(),
        stored_documents_total: counters.stored_documents.get(),
        groups_total: counters.groups.get(),
        overloaded_documents_total: counters.overloaded_documents.get(),
        settles_total: counters.settles.get(),
        failed_settles_total: counters.failed_settles.get(),
        merges_total: counters.merges.get(),
        failed_merges_total: counters.failed_merges.get(),
        replayed_documents_total: counters.replayed_documents.get(),
        damaged_stretches_total: counters.damaged_stretches.get(),
        damaged_bytes_total: counters.damaged_bytes.get(),
        torn_bytes_total: counters.torn_bytes.get(),
        damaged_settled_files_total: counters.damaged_settled_files.get(),
        damaged_manifests_total: counters.damaged_manifests.get(),
        unreadable_documents_total: counters.unreadable_documents.get(),
        oversize_documents_total: counters.oversize_documents.get(),
        expired_documents_total: counters.expired_documents.get(),
        panics_total: counters.panics.get(),
        failure: state.failure(),
    }
}

/// Runs a query while settled and open add up to everything; again, when a settled file that it
/// met was replaced.
fn within_gate<T>(state: &State, run: impl Fn() -> Result<T, Trouble>) -> Result<T, StoreError> {
    loop {
        let damage = {
            let _gate = read(&state.gate);
            if state.is_incomplete() {
                None
            } else {
                match run() {
                    Ok(found) => return Ok(found),
                    Err(Trouble::Failed(error)) => return Err(error),
                    Err(Trouble::Damaged(damage)) => Some(damage),
                }
            }
        };
        let mut derived = lock(&state.derived);
        match damage {
            Some(damage) => replacing::replace(state, &mut derived, &damage)?,
            None => replacing::finish_reading(state, &mut derived)?,
        }
    }
}
