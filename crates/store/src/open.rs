//! The open set: traces whose newest documents are in the log and in no settled file yet.
//!
//! Of each document it keeps the outline, from which lists and graphs are made, and its place in
//! the log. It is cut into shards, each with its own lock, so that nobody holds up anybody for
//! more than some microseconds: a query that looks at everything copies pointers, shard by shard.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use roentgen_model::TraceId;

use crate::locking::lock;
use crate::log::{FileNumber, Position};
use crate::new_document::Outlined;

mod trace;

pub(crate) use trace::{OpenDocument, OpenTimes, OpenTrace, Past};

/// Shards; at 100,000 documents a second some 1,500 traces are in each.
const SHARDS: usize = 64;

/// The open set.
#[derive(Debug)]
pub(crate) struct OpenSet {
    shards: Vec<Mutex<Shard>>,
    /// Most bytes of documents of one trace whose outlines are kept: what is behind is hidden.
    trace_bytes: u64,
}

/// A part of the open set.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    // The default hasher is keyed: trace ids are chosen by clients, who could make them collide.
    traces: HashMap<TraceId, OpenTrace>,
    size: Size,
    version: u64,
}

/// How much is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) traces: usize,
    pub(crate) documents: u64,
    /// Estimated memory.
    pub(crate) bytes: u64,
}

/// A document that was stored.
#[derive(Debug)]
pub(crate) struct StoredDocument {
    pub(crate) position: Position,
    /// The length of the document itself.
    pub(crate) bytes: u32,
    pub(crate) outlined: Outlined,
}

/// A trace in short, for choosing those that settle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(crate) id: TraceId,
    /// Where its first open document stands.
    pub(crate) first: Position,
    pub(crate) last: Position,
    pub(crate) documents: usize,
    pub(crate) memory: u64,
    /// When it was opened.
    pub(crate) opened: Instant,
    /// When its newest document came.
    pub(crate) touched: Instant,
}

impl OpenSet {
    /// A set of nothing.
    pub(crate) fn new(trace_bytes: u64) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, trace_bytes }
    }

    /// Adds a document to its trace; `false` when the open documents before it have so many bytes
    /// that it is hidden. One that is there already, by its position, is not added again.
    pub(crate) fn enter(&self, document: StoredDocument, now: Instant) -> bool {
        let id = document.outlined.trace_id;
        let Some(mut shard) = self.shard_of(id) else { return true };
        let Shard { traces, size, version } = &mut *shard;
        *version += 1;
        let trace = match traces.entry(id) {
            Entry::Occupied(entry) => {
                size.remove(entry.get());
                entry.into_mut()
            }
            Entry::Vacant(entry) => {
                entry.insert(OpenTrace::new(now, document.outlined.times, *version))
            }
        };
        trace.change(*version);
        let is_shown = trace.push(document, now, self.trace_bytes);
        size.add(trace);
        is_shown
    }

    /// One trace, as it is now.
    pub(crate) fn get(&self, id: TraceId) -> Option<OpenTrace> {
        self.shard_of(id)?.traces.get(&id).cloned()
    }

    /// Notes that a trace is settling: until it has, nobody can tell from the list of settled files
    /// what of it has.
    pub(crate) fn begin_settling(&self, id: TraceId) {
        self.change(id, |trace, _| trace.begin_settling());
    }

    /// Takes out the documents of a trace up to a place of the log: they have settled.
    pub(crate) fn remove_up_to(&self, id: TraceId, last: Position) {
        self.change(id, |trace, incarnation| {
            trace.retain(|position| position > last);
            trace.begin_anew(incarnation);
        });
    }

    /// Notes what of some traces has settled, unless they are others by now.
    pub(crate) fn set_pasts(&self, pasts: &[(TraceId, u64, Past)]) {
        for &(id, incarnation, past) in pasts {
            if let Some(mut shard) = self.shard_of(id)
                && let Some(trace) = shard.traces.get_mut(&id)
            {
                trace.set_past(past, incarnation);
            }
        }
    }

    /// Takes out all documents in log files up to this one, which are gone. Returns how many
    /// there were.
    pub(crate) fn remove_files(&self, gone: FileNumber) -> u64 {
        let mut removed = 0;
        for shard in &self.shards {
            let mut shard = lock(shard);
            let Shard { traces, size, version } = &mut *shard;
            *version += 1;
            traces.retain(|_, trace| {
                if trace.first().is_some_and(|first| first.file() > gone) {
                    return true;
                }
                size.remove(trace);
                trace.change(*version);
                removed += trace.retain(|position| position.file() > gone);
                let is_left = trace.first().is_some();
                if is_left {
                    size.add(trace);
                }
                is_left
            });
        }
        removed
    }

    /// How much is open.
    pub(crate) fn size(&self) -> Size {
        self.shards.iter().fold(Size::default(), |mut sum, shard| {
            let Size { traces, documents, bytes } = lock(shard).size;
            sum.traces += traces;
            sum.documents += documents;
            sum.bytes += bytes;
            sum
        })
    }

    /// All traces in short, each as it is when its shard is looked at. Of one shard only the list is
    /// in memory at a time: that of all has megabytes, and is asked for some times a second.
    pub(crate) fn list(&self) -> impl Iterator<Item = Listed> {
        self.shards.iter().flat_map(|shard| {
            let shard = lock(shard);
            let listed = shard.traces.iter().filter_map(|(&id, trace)| trace.listed(id));
            listed.collect::<Vec<Listed>>()
        })
    }

    /// The shards, for whoever looks at all traces.
    pub(crate) fn shards(&self) -> impl ExactSizeIterator<Item = &Mutex<Shard>> {
        self.shards.iter()
    }

    /// Changes a trace; the second argument is a number for what it is from now on.
    fn change(&self, id: TraceId, change: impl FnOnce(&mut OpenTrace, u64)) {
        let Some(mut shard) = self.shard_of(id) else { return };
        let Shard { traces, size, version } = &mut *shard;
        let Entry::Occupied(mut entry) = traces.entry(id) else { return };
        *version += 1;
        size.remove(entry.get());
        entry.get_mut().change(*version);
        change(entry.get_mut(), *version);
        if entry.get().first().is_some() {
            size.add(entry.get());
        } else {
            entry.remove();
        }
    }

    fn shard_of(&self, id: TraceId) -> Option<MutexGuard<'_, Shard>> {
        // The last byte is random in every kind of id. Somebody who makes ids of one shard makes
        // nothing slower than a set without shards would be.
        let [.., last] = id.to_bytes();
        self.shards.get(usize::from(last) % SHARDS).map(lock)
    }
}

impl Shard {
    /// A number that grows with every change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The traces, in no order.
    pub(crate) fn traces(&self) -> impl ExactSizeIterator<Item = (TraceId, &OpenTrace)> {
        self.traces.iter().map(|(&id, trace)| (id, trace))
    }
}

impl Size {
    fn add(&mut self, trace: &OpenTrace) {
        self.traces += 1;
        self.documents += trace.documents().len() as u64;
        self.bytes += trace.memory();
    }

    fn remove(&mut self, trace: &OpenTrace) {
        self.traces -= 1;
        self.documents -= trace.documents().len() as u64;
        self.bytes -= trace.memory();
    }
}

#[cfg(test)]
mod tests;
