//! A store in which whole traces tell everything, and which soon has read enough of them.

use std::sync::Mutex;

use roentgen_model::{LinkedEdges, TraceId};
use roentgen_store::{
    Acknowledge, GraphQuery, NewDocument, Refused, StoreError, StoreStatus, SummaryPage,
    SummaryQuery, TimeRange, TimedGraph, TraceDocuments, TraceFilter, TraceStore,
};

/// The store. It has no traces.
#[derive(Debug)]
pub(crate) struct BroadStore {
    /// Minutes of which it still gives graphs.
    left: Mutex<i64>,
    asked: Mutex<Vec<TimeRange>>,
}

impl BroadStore {
    /// A store that gives graphs of so many minutes.
    pub(crate) fn new(minutes: i64) -> Self {
        Self { left: Mutex::new(minutes), asked: Mutex::default() }
    }

    /// The ranges of which graphs were asked for, as first minutes and lengths.
    pub(crate) fn asked(&self) -> Vec<(i64, i64)> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|range| (range.start.minute(), length(*range))).collect()
    }
}

/// Minutes of a range.
fn length(range: TimeRange) -> i64 {
    range.end.minute() - range.start.minute()
}

impl TraceStore for BroadStore {
    fn append(&self, documents: Vec<NewDocument>, done: Acknowledge) -> Result<(), Refused> {
        Err(Refused { error: StoreError::Closed, documents, done })
    }

    fn documents(&self, _: TraceId) -> Result<Option<TraceDocuments>, StoreError> {
        Err(StoreError::Closed)
    }

    fn summaries(&self, _: &SummaryQuery<'_>) -> Result<SummaryPage, StoreError> {
        Err(StoreError::Closed)
    }

    fn service_graphs(&self, query: &GraphQuery<'_>) -> Result<Vec<TimedGraph>, StoreError> {
        self.asked.lock().unwrap().push(query.range);
        let (mut left, minutes) = (self.left.lock().unwrap(), length(query.range));
        if minutes > *left {
            return Err(StoreError::FilterTooBroad {
                most_traces: 7,
                most_mebibytes: 9,
                most_seconds: 5,
            });
        }
        *left -= minutes;
        Ok(Vec::new())
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

    fn close(&self) {}
}
