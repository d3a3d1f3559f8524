//! What is known of the stored traces without reading the log: where their documents stand, their
//! summaries by time, and the service graph by minute.
//!
//! Everything here can be made from the log again and is, at every opening. A trace is *dirty*
//! from the storing of a document until the indexer has taken it in.
//!
//! Rollups are kept by log file: what a trace contributes stands with the file of its newest
//! document that was taken in (its *home*). When the oldest file is dropped, its rollups go with
//! it, and only traces that reach into later files must be corrected.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use roentgen_model::{Micros, ServiceGraph, Timestamp, TraceId, TraceSummary};

use crate::log::{FileNumber, LogFile, Position};
use crate::{Cursor, TimeRange, TimeRangeType};

mod memory;

/// What a trace adds to the service graph, by minute.
pub(crate) type Minutes = BTreeMap<i64, ServiceGraph>;

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    // The default hasher is keyed: trace ids are chosen by clients, who could make them collide.
    traces: HashMap<TraceId, TraceEntry>,
    by_time: BTreeMap<(Timestamp, TraceId), Arc<TraceSummary>>,
    files: BTreeMap<FileNumber, FileEntry>,
    dirty: Vec<TraceId>,
    documents: u64,
    /// The furthest that any trace's time lies before its end, and behind its start. They bound
    /// the part of `by_time` that a query for other times must look at; they only grow.
    reach: Micros,
    lead: Micros,
    memory: memory::Estimate,
}

#[derive(Debug, Default)]
struct TraceEntry {
    /// Where the documents stand, in the order of storage.
    positions: Vec<Position>,
    bytes: u64,
    /// Whether documents were left out.
    is_full: bool,
    taken_in: TakenIn,
    summary: Option<Arc<TraceSummary>>,
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
pub(crate) struct TraceDocuments {
    pub(crate) positions: Vec<Position>,
    pub(crate) files: Vec<Arc<LogFile>>,
    /// Whether documents were left out.
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
}

impl Index {
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
    }

    /// Adds a stored document to its trace; `false` when the trace has reached the largest size
    /// and the document was left out.
    pub(crate) fn add_document(&mut self, stored: &StoredDocument, trace_bytes: u64) -> bool {
        let StoredDocument { trace_id, received, position } = *stored;
        let Some(file) = self.files.get_mut(&position.file) else { return false };
        let bytes = u64::from(position.length);
        file.bytes = file.bytes.max(position.offset + bytes);
        let (oldest, newest) = file.received.unwrap_or((received, received));
        file.received = Some((oldest.min(received), newest.max(received)));
        let trace = self.traces.entry(trace_id).or_default();
        if !trace.positions.is_empty() && trace.bytes.saturating_add(bytes) > trace_bytes {
            trace.is_full = true;
            return false;
        }
        if trace.positions.last().is_none_or(|last| last.file != position.file) {
            file.traces.push(trace_id);
            self.memory.file_traces += 1;
        }
        if trace.positions.len() == trace.taken_in.documents {
            self.dirty.push(trace_id);
        }
        trace.positions.push(position);
        trace.bytes += bytes;
        file.documents += 1;
        self.documents += 1;
        true
    }

    /// Hands over the traces that changed since the last call.
    pub(crate) fn take_dirty(&mut self) -> Vec<TraceId> {
        std::mem::take(&mut self.dirty)
    }

    /// Where the documents of a trace are.
    pub(crate) fn documents_of(&self, id: TraceId) -> Option<TraceDocuments> {
        let trace = self.traces.get(&id)?;
        let mut files: Vec<Arc<LogFile>> = Vec::new();
        for position in &trace.positions {
            if files.last().is_none_or(|file| file.number != position.file) {
                files.extend(self.files.get(&position.file).map(|entry| entry.file.clone()));
            }
        }
        let (positions, taken_in) = (trace.positions.clone(), trace.taken_in);
        Some(TraceDocuments { positions, files, is_full: trace.is_full, taken_in })
    }

    /// Takes a change in. Returns how many more documents are taken in, or gone, than before.
    pub(crate) fn apply(&mut self, change: Change) -> usize {
        let Some(trace) = self.traces.get_mut(&change.id) else { return 0 };
        if let Contribution::With(number) = trace.taken_in.contribution
            && let Some(file) = self.files.get_mut(&number)
        {
            for (minute, graph) in &change.minutes_before {
                self.memory.change_rollup(&mut file.rollups, *minute, |sum| sum.subtract(graph));
            }
        }
        if let Contribution::With(number) = change.taken_in.contribution
            && let Some(file) = self.files.get_mut(&number)
        {
            for (minute, graph) in &change.minutes_after {
                self.memory.change_rollup(&mut file.rollups, *minute, |sum| sum.merge(graph));
            }
        }
        let gone = change.gone.min(trace.positions.len());
        let gone_bytes: u64 = trace.positions.drain(..gone).map(|p| u64::from(p.length)).sum();
        trace.bytes = trace.bytes.saturating_sub(gone_bytes);
        self.documents = self.documents.saturating_sub(gone as u64);
        let before = trace.taken_in.documents;
        trace.taken_in = change.taken_in;
        let is_dirty = trace.positions.len() > trace.taken_in.documents;
        let summary = change.summary.map(Arc::new);
        let old_summary = std::mem::replace(&mut trace.summary, summary.clone());
        if let Some(old) = old_summary {
            self.memory.summaries -= memory::summary_bytes(&old);
            self.by_time.remove(&(old.time, old.id));
        }
        if let Some(summary) = summary {
            self.memory.summaries += memory::summary_bytes(&summary);
            self.reach = self.reach.max(summary.end - summary.time);
            self.lead = self.lead.max(summary.time - summary.start);
            self.by_time.insert((summary.time, summary.id), summary);
        }
        if is_dirty {
            self.dirty.push(change.id);
        }
        (gone + change.taken_in.documents).saturating_sub(before)
    }

    /// The oldest file, when it is complete and to be dropped: all its documents were received
    /// before `cutoff`, or the log has more than `most_bytes`.
    pub(crate) fn expired_file(&self, cutoff: Timestamp, most_bytes: u64) -> Option<Arc<LogFile>> {
        let oldest = self.files.values().next().filter(|entry| entry.is_complete)?;
        let is_old = oldest.received.is_none_or(|(_, newest)| newest < cutoff);
        (is_old || self.extent().bytes > most_bytes).then(|| oldest.file.clone())
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

    /// Removes a trace whose documents all stand in files up to this one. Returns the number of
    /// documents that had not been taken in, or `None` when the trace reaches into later files
    /// and stays.
    pub(crate) fn remove_trace(&mut self, id: TraceId, number: FileNumber) -> Option<usize> {
        let Some(trace) = self.traces.get(&id) else { return Some(0) };
        if trace.positions.last().is_some_and(|last| last.file > number) {
            return None;
        }
        let trace = self.traces.remove(&id).unwrap_or_default();
        if let Some(summary) = &trace.summary {
            self.memory.summaries -= memory::summary_bytes(summary);
            self.by_time.remove(&(summary.time, summary.id));
        }
        let documents = trace.positions.len();
        self.documents -= documents as u64;
        Some(documents - trace.taken_in.documents)
    }

    /// Forgets a file, with its rollups, that no trace needs any more. Returns how many documents
    /// it had.
    pub(crate) fn remove_file(&mut self, number: FileNumber) -> u64 {
        let Some(file) = self.files.remove(&number) else { return 0 };
        file.rollups.values().for_each(|rollup| self.memory.remove_rollup(rollup));
        self.memory.file_traces -= file.traces.len();
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
        let (start, end) = match range_type {
            TimeRangeType::TraceId => (range.start, range.end),
            TimeRangeType::Event | TimeRangeType::Service => {
                (range.start.minus(self.reach), range.end.plus(self.lead))
            }
        };
        let least_id = TraceId::from_bytes([0; 16]);
        let first = (start, least_id);
        let behind_last =
            after.map_or((end, least_id), |Cursor { time, id }| (end, least_id).min((time, id)));
        if first >= behind_last {
            return Vec::new();
        }
        let window = (Bound::Included(first), Bound::Excluded(behind_last));
        self.by_time.range(window).rev().take(limit).map(|(_, summary)| summary.clone()).collect()
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

    /// Sizes and ages.
    pub(crate) fn extent(&self) -> Extent {
        let received = self.files.values().filter_map(|entry| entry.received);
        let widest = received.reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
        Extent {
            traces: self.traces.len(),
            documents: self.documents,
            files: self.files.len(),
            bytes: self.files.values().map(|entry| entry.bytes).sum(),
            received: widest,
            index_bytes: self.memory.bytes(self.traces.len(), self.documents),
        }
    }
}
