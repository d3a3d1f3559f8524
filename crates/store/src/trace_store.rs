//! What the rest of Roentgen knows of storage: one trait, and the values that cross it.
//!
//! The trait is synchronous: callers in async code bridge with a blocking task and, for
//! [`TraceStore::append`], with its callback.

use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use roentgen_model::{
    Document, LinkedEdges, Names, ServiceGraph, Timestamp, Trace, TraceId, TraceSummary, assemble,
};

use crate::{Condition, NewDocument, ReadBudget, StoreError, StoreStatus};

/// Called once, from a thread of the store, when documents are on stable storage, or with why
/// they are not. It should hand over and return: every later acknowledgement waits behind it.
pub type Acknowledge = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Durable storage of traces.
pub trait TraceStore: fmt::Debug + Send + Sync + 'static {
    /// Queues documents for durable storage and returns at once. `done` is called after they are
    /// on stable storage, or with why they are not. Many callers share one fsync.
    ///
    /// # Errors
    /// When nothing was queued; everything is given back, and `done` was not called.
    /// [`StoreError::Overloaded`] when the bounded queue is full, [`StoreError::Poisoned`] after
    /// the disk has failed, [`StoreError::Closed`].
    fn append(&self, documents: Vec<NewDocument>, done: Acknowledge) -> Result<(), Refused>;

    /// The documents of a trace, `None` when it has none. Sees everything acknowledged before the
    /// call.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the disk does not give a document back, [`StoreError::Closed`].
    fn documents(&self, id: TraceId) -> Result<Option<TraceDocuments>, StoreError>;

    /// One page of summaries, newest first. Sees everything acknowledged before the call, but
    /// for what has been added to large traces lately: a trace of more than 2,000 documents or
    /// 1 MiB, once it is listed, is brought up to date after a pause. One such trace is at a time,
    /// and the pause is ten times as long as the last one took, at most 5 seconds.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the disk fails, [`StoreError::Closed`].
    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<SummaryPage, StoreError>;

    /// Service graphs of the requests that began in a minute which the range touches: one graph,
    /// or one for each step in which any began, by time. Sees what [`TraceStore::summaries`] sees.
    ///
    /// All graphs are in memory at once: who asks for many steps asks for a part of them at a
    /// time.
    ///
    /// In graphs of some of the traces, the times of nodes and edges are of two kinds. What has
    /// settled keeps those of its traces and the minutes in which requests began: it begins and ends
    /// with its traces, within these minutes. What is open, or was read whole, begins and ends with
    /// its requests. All else is what the matching traces say, one by one.
    ///
    /// # Errors
    /// As [`TraceStore::summaries`]; [`StoreError::FilterTooBroad`] where more traces would have to
    /// be read than the filter's budget allows. Nothing is taken from the budget then.
    fn service_graphs(&self, query: &GraphQuery<'_>) -> Result<Vec<TimedGraph>, StoreError>;

    /// The one graph of a range.
    ///
    /// # Errors
    /// As [`TraceStore::summaries`].
    fn service_graph(&self, range: TimeRange) -> Result<ServiceGraph, StoreError> {
        let graphs = self.service_graphs(&GraphQuery { range, step: None, traces: None })?;
        Ok(graphs.into_iter().next().map(|timed| timed.graph).unwrap_or_default())
    }

    /// Edges between traces: those of the links whose (sub)segments began in a minute which the range
    /// touches, whenever what they lead to began; of all traces, or of those that match. Sees what
    /// [`TraceStore::summaries`] sees.
    ///
    /// Links of which it is unknown where they lead have no edge: those to traces or (sub)segments
    /// that are not there. Nor have those to the last traces when there are so many (10,000, or 64
    /// MiB of documents) that were not read for an earlier query.
    ///
    /// # Errors
    /// As [`TraceStore::service_graphs`].
    fn linked_edges(
        &self,
        range: TimeRange,
        traces: Option<&TraceFilter<'_>>,
    ) -> Result<LinkedEdges, StoreError>;

    /// Sizes, ages and counters for operators.
    fn status(&self) -> StoreStatus;

    /// Takes no more documents, stores and acknowledges what is queued, and releases the data
    /// directory. Returns when that is done; closing twice does nothing. Queries under way may
    /// fail with [`StoreError::Closed`].
    ///
    /// Not to be called from an [`Acknowledge`] callback.
    fn close(&self);
}

/// What the store did not take, all of it given back: to try again later, or to tell the caller.
pub struct Refused {
    /// Why.
    pub error: StoreError,
    /// The documents.
    pub documents: Vec<NewDocument>,
    /// How their caller wants to be answered; it was not called.
    pub done: Acknowledge,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("error", &self.error)
            .field("documents", &self.documents.len())
            .finish_non_exhaustive()
    }
}

/// A document and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedDocument {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// When it came, by the clock of the receiver.
    pub received: Timestamp,
    /// The document as it came, accepted by [`roentgen_model::Document::parse`].
    pub bytes: Vec<u8>,
}

/// What is stored of one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceDocuments {
    /// The trace.
    pub id: TraceId,
    /// Its documents byte for byte as they came, in the order in which they were stored.
    pub documents: Vec<ReceivedDocument>,
    /// Whether documents were left out because the trace has reached its largest size.
    pub limit_exceeded: bool,
}

impl TraceDocuments {
    /// Puts the trace together. Documents that do not parse are left out: they were checked
    /// before they were stored, by this version of the program or one before. `None` when none is
    /// left.
    pub fn assemble(&self) -> Option<Trace<'_>> {
        // Should a document ever make the parser or the assembly panic, only its trace may
        // suffer, not every query for it.
        let assembled = catch_unwind(AssertUnwindSafe(|| {
            let documents = self.documents.iter();
            let parsed = documents.filter_map(|document| Document::parse(&document.bytes).ok());
            assemble(self.id, parsed.collect(), &mut Names::default())
        }));
        let mut trace = assembled.ok()??;
        trace.limit_exceeded = self.limit_exceeded;
        Some(trace)
    }
}

/// A range of time: `start` is in it, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment in the range.
    pub start: Timestamp,
    /// The first moment behind the range.
    pub end: Timestamp,
}

impl TimeRange {
    /// Whether the moment lies in the range.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }
}

/// Which time of a trace must lie in the range (GetTraceSummaries, `TimeRangeType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeRangeType {
    /// The time of the trace: [`TraceSummary::time`]. X-Ray's default.
    #[default]
    TraceId,
    /// Any moment between the start and the end of the trace.
    Event,
    /// The end of the trace.
    Service,
}

impl TimeRangeType {
    /// Whether a trace belongs to the range.
    pub fn selects(self, range: TimeRange, summary: &TraceSummary) -> bool {
        match self {
            TimeRangeType::TraceId => range.contains(summary.time),
            TimeRangeType::Event => summary.start < range.end && range.start <= summary.end,
            TimeRangeType::Service => range.contains(summary.end),
        }
    }
}

/// Which traces are meant.
#[derive(Clone, Copy)]
pub struct TraceFilter<'a> {
    /// What must hold of a trace. Where it is known to hold, nothing else is asked.
    pub conditions: &'a [Condition],
    /// Whether the trace is meant, asked where it is unknown whether the conditions hold.
    pub matches: &'a (dyn Fn(&Trace<'_>) -> bool + Sync),
    /// How many traces may be read to ask that.
    pub reads: &'a ReadBudget,
}

impl fmt::Debug for TraceFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceFilter").field("conditions", &self.conditions).finish_non_exhaustive()
    }
}

/// Of what to make service graphs.
#[derive(Clone, Copy, Debug)]
pub struct GraphQuery<'a> {
    /// The range of time.
    pub range: TimeRange,
    /// Minutes of each step that the range is cut into; `None` for one graph of all. Steps begin
    /// at multiples of their length since the Unix epoch; the first and the last one have only
    /// the minutes that the range touches.
    pub step: Option<NonZero<u32>>,
    /// Of which traces; `None` for all.
    pub traces: Option<&'a TraceFilter<'a>>,
}

/// The service graph of a time.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedGraph {
    /// Where the step begins; of the one graph of a range, the start of the range.
    pub start: Timestamp,
    /// The graph of it.
    pub graph: ServiceGraph,
}

/// What to look for.
#[derive(Clone, Copy)]
pub struct SummaryQuery<'a> {
    /// The range of time.
    pub range: TimeRange,
    /// Which time of a trace must lie in it.
    pub range_type: TimeRangeType,
    /// Where the page before this one ended; `None` for the first page.
    pub after: Option<Cursor>,
    /// Most summaries in the page.
    pub limit: usize,
    /// About how many summaries to look at for the page; bounds the time that a rare match takes.
    /// A page is not ended within a group of some thousand summaries that are looked at together.
    pub scan_limit: usize,
    /// What must hold of a summary. Most of what does not match is passed over quickly.
    pub conditions: &'a [Condition],
    /// What else is wanted of it, asked when all conditions hold. Called without any lock held.
    pub matches: &'a (dyn Fn(&TraceSummary) -> bool + Sync),
}

impl fmt::Debug for SummaryQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SummaryQuery")
            .field("range", &self.range)
            .field("range_type", &self.range_type)
            .field("after", &self.after)
            .field("limit", &self.limit)
            .field("scan_limit", &self.scan_limit)
            .field("conditions", &self.conditions)
            .finish_non_exhaustive()
    }
}

/// A place in the order of summaries: by time, then by id, both descending.
///
/// The order does not depend on what else is stored, so a cursor stays good while data arrives
/// and across restarts. A trace whose own time moves between two pages (its id carries no
/// credible second and an earlier segment came late) may be told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// [`TraceSummary::time`] of the last trace that was looked at, or a time behind it.
    pub time: Timestamp,
    /// The id, with which it is a place in the order, not always that of a trace.
    pub id: TraceId,
}

/// One page of summaries.
#[derive(Clone, Debug)]
pub struct SummaryPage {
    /// The summaries that match, newest first.
    pub summaries: Vec<Arc<TraceSummary>>,
    /// How many summaries of traces in the range were looked at or passed over by conditions.
    pub scanned: usize,
    /// Where the next page begins; `None` when everything was looked at.
    pub next: Option<Cursor>,
}
