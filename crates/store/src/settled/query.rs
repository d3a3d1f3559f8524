//! What a query looks in.

use std::collections::HashSet;
use std::sync::Arc;

use roentgen_model::{TraceId, TraceSummary};

use super::SettledFile;
use crate::Cursor;

/// The traces that are open while a query runs.
pub trait OpenTraces: Sync {
    /// Time and id of the open traces that may belong to the range of the query, ascending.
    fn keys(&self) -> &[Cursor];

    /// Whether the row of a trace in a settled file does not count: the trace is open, in the range
    /// or not.
    fn hides_row_of(&self, id: TraceId) -> bool;

    /// The summary of an open trace as it is now, with the time that [`OpenTraces::keys`] told.
    fn summary(&self, key: Cursor) -> Option<Arc<TraceSummary>>;
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

    fn summary(&self, _key: Cursor) -> Option<Arc<TraceSummary>> {
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
