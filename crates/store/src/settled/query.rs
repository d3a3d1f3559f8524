//! What a query asks for, and what it looks in.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use roentgen_model::{TraceId, TraceSummary};

use super::SettledFile;
use crate::condition::Condition;
use crate::{Cursor, TimeRange, TimeRangeType};

/// What to look for.
#[derive(Clone, Copy)]
pub struct SettledQuery<'a> {
    /// The range of time.
    pub range: TimeRange,
    /// Which time of a trace must lie in it.
    pub range_type: TimeRangeType,
    /// Where the page before this one ended; `None` for the first page.
    pub after: Option<Cursor>,
    /// Most summaries in the page.
    pub limit: usize,
    /// Most traces of the range to look at for the page.
    pub scan_limit: usize,
    /// What must hold of a trace.
    pub conditions: &'a [Condition],
    /// Which of the summaries that remain are wanted.
    pub matches: &'a (dyn Fn(&TraceSummary) -> bool + Sync),
}

impl fmt::Debug for SettledQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettledQuery")
            .field("range", &self.range)
            .field("range_type", &self.range_type)
            .field("after", &self.after)
            .field("limit", &self.limit)
            .field("scan_limit", &self.scan_limit)
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}

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
