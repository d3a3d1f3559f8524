//! A store that takes what a test makes room for, and keeps no more than the ids.

use std::sync::{Mutex, MutexGuard};

use roentgen_model::{LinkedEdges, TraceId};
use roentgen_store::{
    Acknowledge, GraphQuery, NewDocument, Refused, StoreError, StoreStatus, SummaryPage,
    SummaryQuery, TimeRange, TimedGraph, TraceDocuments, TraceFilter, TraceStore,
};

/// The store. It answers at once what it takes.
#[derive(Debug, Default)]
pub(crate) struct NarrowStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many more appends are taken.
    room: usize,
    is_closed: bool,
    is_broken: bool,
    attempts: usize,
    taken: Vec<TraceId>,
}

impl NarrowStore {
    /// Makes room for one more append.
    pub(crate) fn make_room(&self) {
        self.state().room += 1;
    }

    /// From now on what is taken fails to be written.
    pub(crate) fn break_disk(&self) {
        self.state().is_broken = true;
    }

    /// How often documents were offered.
    pub(crate) fn attempts(&self) -> usize {
        self.state().attempts
    }

    /// The traces of the documents taken.
    pub(crate) fn taken(&self) -> Vec<TraceId> {
        self.state().taken.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl TraceStore for NarrowStore {
    fn append(&self, documents: Vec<NewDocument>, done: Acknowledge) -> Result<(), Refused> {
        let mut state = self.state();
        state.attempts += 1;
        if state.is_closed {
            return Err(Refused { error: StoreError::Closed, documents, done });
        }
        if state.room == 0 {
            let error = StoreError::Overloaded { documents: 7, bytes: 7_000 };
            return Err(Refused { error, documents, done });
        }
        state.room -= 1;
        state.taken.extend(documents.iter().map(NewDocument::trace_id));
        let is_broken = state.is_broken;
        drop(state);
        done(if is_broken { Err(StoreError::Closed) } else { Ok(()) });
        Ok(())
    }

    fn documents(&self, _: TraceId) -> Result<Option<TraceDocuments>, StoreError> {
        Err(StoreError::Closed)
    }

    fn summaries(&self, _: &SummaryQuery<'_>) -> Result<SummaryPage, StoreError> {
        Err(StoreError::Closed)
    }

    fn service_graphs(&self, _: &GraphQuery<'_>) -> Result<Vec<TimedGraph>, StoreError> {
        Err(StoreError::Closed)
    }

    fn linked_edges(
        &self,
        _: TimeRange,
        _: Option<&TraceFilter<'_>>,
    ) -> Result<LinkedEdges, StoreError> {
        Err(StoreError::Closed)
    }

    fn status(&self) -> StoreStatus {
        StoreStatus::default()
    }

    fn close(&self) {
        self.state().is_closed = true;
    }
}
