//! What is known of the stored traces without reading the log: where their documents stand, their
//! summaries by time, and the service graph by minute.
//!
//! Everything here can be made from the log again and is, at every opening. A trace is *dirty*
//! from the storing of a document until the indexer has taken it in.
//!
//! Rollups are kept by log file: what a trace contributes stands with the file of its newest
//! document that was taken in (its *home*). When the oldest file is dropped, its rollups go with
//! it, and only traces that reach into later files must be corrected.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roentgen_model::{Micros, ServiceGraph, Timestamp, TraceId, TraceSummary};

use crate::backlog::Work;
use crate::log::{FileNumber, LogFile, Position};
use crate::{Cursor, TimeRange, TimeRangeType};

use by_time::ByTime;
use entry::{Share, TraceEntry};

mod by_time;
mod entry;
mod memory;

pub(crate) use memory::service_bytes;

/// What a trace adds to the service graph, by minute.
pub(crate) type Minutes = BTreeMap<i64, ServiceGraph>;

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Most bytes of documents shown of one trace.
    trace_bytes: u64,
    // The default hasher is keyed: trace ids are chosen by clients, who could make them collide.
    traces: HashMap<TraceId, TraceEntry>,
    by_time: ByTime,
    files: BTreeMap<FileNumber, FileEntry>,
    dirty: Vec<TraceId>,
    /// The shares of all traces.
    total: Share,
    memory: memory::Estimate,
    /// The part of the estimated memory that is older than the newest file.
    settled_bytes: u64,
}

/// How much of a trace stands in summaries and rollups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TakenIn {
    /// So many of the trace's first documents.
    pub(crate) documents: usize,
    /// How many of them could not be used.
    pub(crate) unusable: usize,
    /// Where the contribution to the rollups stands.
    pub(crate) contribution: Contribution,
}

/// Where the contribution of a trace to the rollups stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Contribution {
    /// Nothing was contributed yet.
    #[default]
    None,
    /// With this file.
    With(FileNumber),
    /// With some file, but documents it was made of cannot be read any more, so that it can no
    /// longer be taken back or corrected. It goes with its file.
    Lost,
}

#[derive(Debug)]
struct FileEntry {
    file: Arc<LogFile>,
    bytes: u64,
    documents: u64,
    received: Option<(Timestamp, Timestamp)>,
    is_complete: bool,
    /// Traces with documents in the file.
    traces: Vec<TraceId>,
    rollups: BTreeMap<i64, Arc<ServiceGraph>>,
}

/// A stored document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredDocument {
    pub(crate) trace_id: TraceId,
    pub(crate) received: Timestamp,
    pub(crate) position: Position,
}

/// Where the documents of a trace are, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct DocumentPositions {
    pub(crate) positions: Vec<Position>,
    pub(crate) files: Vec<Arc<LogFile>>,
    /// Whether documents are hidden.
    pub(crate) is_full: bool,
    pub(crate) taken_in: TakenIn,
}

/// What the indexer found out about a trace.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) id: TraceId,
    /// So many documents at the front are gone with their file.
    pub(crate) gone: usize,
    /// The summary of what is left, if any of it can be used.
    pub(crate) summary: Option<TraceSummary>,
    /// Memory of names that this trace was the first to bear.
    pub(crate) names: u64,
    /// What was contributed before.
    pub(crate) minutes_before: Minutes,
    /// What is contributed now.
    pub(crate) minutes_after: Minutes,
    /// What is taken in now, counted behind those that are gone.
    pub(crate) taken_in: TakenIn,
}

/// Sizes and ages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) traces: usize,
    pub(crate) documents: u64,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) received: Option<(Timestamp, Timestamp)>,
    pub(crate) index_bytes: u64,
    pub(crate) unindexed_documents: usize,
}

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Documents received before are too old.
    pub(crate) cutoff: Timestamp,
    /// Most bytes of log.
    pub(crate) log_bytes: u64,
    /// Most bytes of memory by the estimate.
    pub(crate) index_bytes: u64,
}

/// Why a log file is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Age,
    LogBytes,
    IndexBytes,
}

impl Index {
    /// An index of nothing, that shows so many bytes of each trace.
    pub(crate) fn new(trace_bytes: u64) -> Self {
        Self { trace_bytes, ..Self::default() }
    }

    /// Adds a log file. Those before it are complete.
    pub(crate) fn add_file(&mut self, file: Arc<LogFile>) {
        self.files.values_mut().for_each(|entry| entry.is_complete = true);
        let entry = FileEntry {
            bytes: file.bytes,
            file,
            documents: 0,
            received: None,
            is_complete: false,
            traces: Vec::new(),
            rollups: BTreeMap::new(),
        };
        self.files.insert(entry.file.number, entry);
        self.settled_bytes = self.index_bytes();
    }

    /// Adds a stored document to its trace; `false` when the trace has reached the largest size
    /// and the document is hidden.
    pub(crate) fn add_document(&mut self, stored: &StoredDocument) -> bool {
        let StoredDocument { trace_id, received, position } = *stored;
        let Some(file) = self.files.get_mut(&position.file) else { return false };
        file.bytes = file.bytes.max(position.offset + u64::from(position.length));
        let (oldest, newest) = file.received.unwrap_or((received, received));
        file.received = Some((oldest.min(received), newest.max(received)));
        file.documents += 1;
        let (trace, before) = match self.traces.entry(trace_id) {
            Entry::Occupied(entry) => {
                let trace = entry.into_mut();
                let share = trace.share();
                (trace, share)
            }
            Entry::Vacant(entry) => (entry.insert(TraceEntry::default()), Share::default()),
        };
        if trace.last().is_none_or(|last| last.file != position.file) {
            file.traces.push(trace_id);
            self.memory.file_traces += 1;
        }
        let was_dirty = trace.is_dirty();
        let is_shown = trace.push(position, self.trace_bytes);
        if trace.is_dirty() && !was_dirty {
            self.dirty.push(trace_id);
        }
        self.total.replace(before, trace.share());
        is_shown
    }

    /// Hands over the traces that changed since the last call.
    pub(crate) fn take_dirty(&mut self) -> Vec<TraceId> {
        std::mem::take(&mut self.dirty)
    }

    /// Whether the trace has changed, is large and stands in summaries already.
    pub(crate) fn may_wait(&self, id: TraceId) -> bool {
        let trace = self.traces.get(&id);
        trace.is_some_and(|t| t.is_dirty() && t.is_large() && t.taken_in.documents > 0)
    }

    /// Whether assembling the trace takes long.
    pub(crate) fn is_large(&self, id: TraceId) -> bool {
        self.traces.get(&id).is_some_and(TraceEntry::is_large)
    }

    /// Lets a trace that has changed wait. What waits is no work of the indexer until it is
    /// taken in.
    pub(crate) fn defer(&mut self, id: TraceId) {
        let Some(trace) = self.traces.get_mut(&id) else { return };
        let before = trace.share();
        trace.is_deferred = true;
        self.total.replace(before, trace.share());
    }

    /// Where the shown documents of a trace are.
    pub(crate) fn documents_of(&self, id: TraceId) -> Option<DocumentPositions> {
        self.documents_without(id, None).map(|(documents, _)| documents)
    }

    /// Where the documents of a trace are that are shown, or will be when the files up to `gone`
    /// are dropped; with how many of them go with those files.
    pub(crate) fn documents_without(
        &self,
        id: TraceId,
        gone: Option<FileNumber>,
    ) -> Option<(DocumentPositions, usize)> {
        let (mut documents, gone) = self.traces.get(&id)?.documents(gone, self.trace_bytes);
        let files = &mut documents.files;
        for position in &documents.positions {
            if files.last().is_none_or(|file| file.number != position.file) {
                files.extend(self.files.get(&position.file).map(|entry| entry.file.clone()));
            }
        }
        Some((documents, gone))
    }

    /// Takes a change in.
    pub(crate) fn apply(&mut self, change: Change) {
        let Some(trace) = self.traces.get_mut(&change.id) else { return };
        if let Contribution::With(number) = trace.taken_in.contribution
            && let Some(file) = self.files.get_mut(&number)
        {
            for (minute, graph) in &change.minutes_before {
                let take_back = ServiceGraph::subtract;
                self.memory.change_rollup(&mut file.rollups, *minute, graph, take_back);
            }
        }
        if let Contribution::With(number) = change.taken_in.contribution
            && let Some(file) = self.files.get_mut(&number)
        {
            for (minute, graph) in &change.minutes_after {
                self.memory.change_rollup(&mut file.rollups, *minute, graph, ServiceGraph::merge);
            }
        }
        let before = trace.share();
        trace.drop_front(change.gone, self.trace_bytes);
        trace.taken_in = change.taken_in;
        trace.is_deferred = false;
        let summary = change.summary.map(Arc::new);
        if let Some(old) = trace.set_summary(summary.clone(), change.names) {
            self.by_time.remove(&old);
        }
        if let Some(summary) = summary {
            self.by_time.insert(summary);
        }
        if trace.is_dirty() {
            self.dirty.push(change.id);
        }
        let after = trace.share();
        self.total.replace(before, after);
        if change.gone > 0 {
            self.settled_bytes = (self.settled_bytes + after.bytes).saturating_sub(before.bytes);
        }
    }

    /// The oldest file, when it is complete and to be dropped, and why.
    pub(crate) fn expired_file(&self, limits: Limits) -> Option<(Arc<LogFile>, Reason)> {
        let oldest = self.files.values().next().filter(|entry| entry.is_complete)?;
        let is_old = oldest.received.is_none_or(|(_, newest)| newest < limits.cutoff);
        let reason = if is_old {
            Reason::Age
        } else if self.extent().bytes > limits.log_bytes {
            Reason::LogBytes
        } else if self.index_bytes() > limits.index_bytes {
            Reason::IndexBytes
        } else {
            return None;
        };
        Some((oldest.file.clone(), reason))
    }

    /// Whether the file that grows has a document received before `cutoff`.
    pub(crate) fn is_growing_file_older(&self, cutoff: Timestamp) -> bool {
        let newest = self.files.values().next_back();
        newest.and_then(|entry| entry.received).is_some_and(|(oldest, _)| oldest < cutoff)
    }

    /// The traces with documents in a file.
    pub(crate) fn traces_in(&self, number: FileNumber) -> Vec<TraceId> {
        self.files.get(&number).map(|file| file.traces.clone()).unwrap_or_default()
    }

    /// Removes a trace whose documents all stand in files up to this one; `false` when the trace
    /// reaches into later files and stays.
    pub(crate) fn remove_trace(&mut self, id: TraceId, number: FileNumber) -> bool {
        let Entry::Occupied(entry) = self.traces.entry(id) else { return true };
        if entry.get().last().is_some_and(|last| last.file > number) {
            return false;
        }
        let trace = entry.remove();
        if let Some(summary) = trace.summary() {
            self.by_time.remove(summary);
        }
        let share = trace.share();
        self.total.replace(share, Share::default());
        self.settled_bytes = self.settled_bytes.saturating_sub(share.bytes);
        true
    }

    /// Forgets a file, with its rollups, that no trace needs any more. Returns how many documents
    /// it had.
    pub(crate) fn remove_file(&mut self, number: FileNumber) -> u64 {
        let Some(file) = self.files.remove(&number) else { return 0 };
        let before = self.memory.bytes();
        file.rollups.values().for_each(|rollup| self.memory.remove_rollup(rollup));
        self.memory.file_traces -= file.traces.len();
        let freed = before - self.memory.bytes();
        self.settled_bytes = self.settled_bytes.saturating_sub(freed);
        file.documents
    }

    /// At most `limit` summaries in the order of pages: those behind `after` whose trace may
    /// belong to the range.
    pub(crate) fn summaries(
        &self,
        range: TimeRange,
        range_type: TimeRangeType,
        after: Option<Cursor>,
        limit: usize,
    ) -> Vec<Arc<TraceSummary>> {
        self.by_time.page(range, range_type, after, limit)
    }

    /// The rollups of all minutes that the range touches, in no order.
    pub(crate) fn rollups(&self, range: TimeRange) -> Vec<Arc<ServiceGraph>> {
        let last = range.end.minus(Micros::new(1));
        if range.start > last {
            return Vec::new();
        }
        let minutes = range.start.minute()..=last.minute();
        let files = self.files.values();
        files.flat_map(|f| f.rollups.range(minutes.clone()).map(|(_, g)| g.clone())).collect()
    }

    /// What the indexer has to do.
    pub(crate) fn work(&self) -> Work {
        self.total.work
    }

    /// Estimated memory.
    pub(crate) fn index_bytes(&self) -> u64 {
        self.total.bytes + self.memory.bytes()
    }

    /// How much of it came since the newest file was begun.
    pub(crate) fn unsettled_bytes(&self) -> u64 {
        self.index_bytes().saturating_sub(self.settled_bytes)
    }

    /// Divides the memory between the newest file and those before by their documents. For
    /// opening, when the order in which memory is taken says nothing.
    pub(crate) fn settle(&mut self) {
        let documents: u64 = self.files.values().map(|file| file.documents).sum();
        let newest = self.files.values().next_back().map_or(0, |file| file.documents);
        let per_document = self.index_bytes().checked_div(documents).unwrap_or(0);
        self.settled_bytes = self.index_bytes().saturating_sub(newest * per_document);
    }

    /// Sizes and ages.
    pub(crate) fn extent(&self) -> Extent {
        let received = self.files.values().filter_map(|entry| entry.received);
        let widest = received.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
        Extent {
            traces: self.traces.len(),
            documents: self.total.documents,
            files: self.files.len(),
            bytes: self.files.values().map(|entry| entry.bytes).sum(),
            received: widest,
            index_bytes: self.index_bytes(),
            unindexed_documents: self.total.work.documents + self.total.deferred_documents,
        }
    }
}
