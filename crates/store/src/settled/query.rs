//! What a query looks in.

use std::collections::HashSet;
use std::sync::Arc;

use roentgen_model::{TraceGraph, TraceId, TraceSummary};

use super::SettledFile;
use crate::Cursor;

/// The traces that are open while a query runs.
pub trait OpenTraces: Sync {
    /// Time and id of the open traces that may belong to the range of the query, ascending.
    fn keys(&self) -> &[Cursor];

    /// Whether the row of a trace in a settled file does not count: the trace is open, in the range
    /// or not.
    fn hides_row_of(&self, id: TraceId) -> bool;

    /// An open trace as it is now, with the time that [`OpenTraces::keys`] told.
    fn trace(&self, key: Cursor) -> Option<OpenTrace>;
}

/// An open trace as it is at one moment.
#[derive(Clone, Debug)]
pub struct OpenTrace {
    /// Its summary.
    pub summary: Arc<TraceSummary>,
    /// Its part of the service graph; `None` when it is not at hand.
    pub graph: Option<Arc<TraceGraph>>,
}

/// No open traces.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOpenTraces;

impl OpenTraces for NoOpenTraces {
    fn keys(&self) -> &[Cursor] {
        &[]
    }

    fn hides_row_of(&self, _id: TraceId) -> bool {
        false
    }

    fn trace(&self, _key: Cursor) -> Option<OpenTrace> {
        None
    }
}

/// A settled file to look in.
#[derive(Clone, Copy, Debug)]
pub struct QueriedFile<'a> {
    /// The file.
    pub file: &'a SettledFile,
    /// Traces whose rows in it do not count, since a later file has taken them over.
    pub superseded: &'a HashSet<TraceId>,
}
