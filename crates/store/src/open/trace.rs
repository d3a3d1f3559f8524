//! One open trace.

use std::sync::Arc;
use std::time::Instant;

use roentgen_model::{SegmentId, Timestamp, TraceId};

use super::{Listed, StoredDocument};
use crate::log::Position;
use crate::new_document::Times;

/// Memory of a trace besides its documents: its place in a hash table that is 7/8 full after
/// growing and 7/16 before, and two allocations.
const TRACE_BYTES: u64 = 2 * (size_of::<TraceId>() + size_of::<OpenTrace>()) as u64 + 64;
/// Memory of a document besides its outline: its place in a vector that may be half empty, and
/// what an allocation takes.
const DOCUMENT_BYTES: u64 = 2 * size_of::<OpenDocument>() as u64 + 32;
/// Documents among which another version of a segment is looked for. Traces of more are not
/// listed without being assembled; that is all that depends on it.
const MOST_COMPARED: usize = 1_000;

/// A trace that is open. Copying it copies a pointer: the documents are copied only when one is
/// added while somebody looks at them.
#[derive(Clone, Debug)]
pub(crate) struct OpenTrace {
    /// In the order of storage.
    documents: Arc<Vec<OpenDocument>>,
    /// Bytes of the documents themselves.
    bytes: u64,
    outline_bytes: u64,
    times: OpenTimes,
    opened: Instant,
    touched: Instant,
    past: Past,
    /// A number that no other open trace of the same shard has, nor this one before its last
    /// settling. It is the version of the shard at which it came to be.
    incarnation: u64,
    /// The version of the shard at which it last changed.
    changed: u64,
}

/// A document of an open trace.
#[derive(Clone, Debug)]
pub(crate) struct OpenDocument {
    pub(crate) position: Position,
    /// `None` when the documents before it have so many bytes that it is hidden. Should they go,
    /// it is read from the log.
    pub(crate) outline: Option<Arc<[u8]>>,
    /// The segment that the document is; `None` for a subsegment.
    segment: Option<SegmentId>,
    /// The length of the document itself.
    pub(crate) bytes: u32,
}

/// The times that the documents of a trace have named since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenTimes {
    /// The earliest start of a (sub)segment. The trace starts no earlier.
    pub(crate) first_start: Timestamp,
    /// The latest start. The trace starts no later.
    pub(crate) last_start: Timestamp,
    /// The latest start or end. The trace ends no later.
    pub(crate) last: Timestamp,
    /// A segment of which it is certain that the trace starts with it, at `first_start`.
    first_segment: Option<SegmentId>,
}

impl OpenTimes {
    /// Whether the trace, as far as it is open, certainly starts at the earliest start.
    pub(crate) fn is_start_certain(self) -> bool {
        self.first_segment.is_some()
    }
}

/// What of an open trace has settled already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Past {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// Nothing.
    Nothing,
    /// Something, perhaps.
    Something,
}

impl OpenTrace {
    /// A trace without documents. `times` are those of the first one.
    pub(super) fn new(now: Instant, times: Times, incarnation: u64) -> Self {
        let Times { first_start, last_start, last, .. } = times;
        let times = OpenTimes { first_start, last_start, last, first_segment: None };
        Self {
            documents: Arc::default(),
            bytes: 0,
            outline_bytes: 0,
            times,
            opened: now,
            touched: now,
            past: Past::Unknown,
            incarnation,
            changed: incarnation,
        }
    }

    /// The documents in the order of storage.
    pub(crate) fn documents(&self) -> &Arc<Vec<OpenDocument>> {
        &self.documents
    }

    /// Bytes of the documents themselves.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The times that its documents have named since it was opened.
    pub(crate) fn times(&self) -> OpenTimes {
        self.times
    }

    /// What of it has settled already.
    pub(crate) fn past(&self) -> Past {
        self.past
    }

    /// A number that tells whether this is still what it was.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The version of its shard at which it last changed. What is known of its past does not
    /// count.
    pub(crate) fn changed(&self) -> u64 {
        self.changed
    }

    /// Notes that it changes.
    pub(super) fn change(&mut self, version: u64) {
        self.changed = version;
    }

    /// Notes what of it has settled, unless that is known or it is another one by now.
    pub(super) fn set_past(&mut self, past: Past, incarnation: u64) {
        if self.past == Past::Unknown && self.incarnation == incarnation {
            self.past = past;
        }
    }

    /// Notes that it is settling: something of it has settled, or is about to.
    pub(super) fn begin_settling(&mut self) {
        self.past = Past::Something;
    }

    /// Notes that what was open when it began to settle has settled.
    pub(super) fn begin_anew(&mut self, incarnation: u64) {
        (self.past, self.incarnation) = (Past::Unknown, incarnation);
    }

    /// Where the first document stands.
    pub(super) fn first(&self) -> Option<Position> {
        self.documents.first().map(|document| document.position)
    }

    /// Estimated memory.
    pub(super) fn memory(&self) -> u64 {
        TRACE_BYTES + self.outline_bytes + self.documents.len() as u64 * DOCUMENT_BYTES
    }

    /// The trace in short; `None` when it has no document.
    pub(super) fn listed(&self, id: TraceId) -> Option<Listed> {
        Some(Listed {
            id,
            first: self.first()?,
            last: self.documents.last()?.position,
            documents: self.documents.len(),
            memory: self.memory(),
            opened: self.opened,
            touched: self.touched,
        })
    }

    /// Adds a document; `false` when it is hidden.
    pub(super) fn push(&mut self, new: StoredDocument, now: Instant, most_bytes: u64) -> bool {
        let StoredDocument { position, bytes, outlined } = new;
        // Only when a damaged settled file is replaced do documents come that stand before others.
        let index = match self.documents.last() {
            Some(last) if last.position >= position => {
                match self.documents.binary_search_by_key(&position, |d| d.position) {
                    Ok(_) => return true,
                    Err(index) => index,
                }
            }
            _ => self.documents.len(),
        };
        let is_shown = index == 0 || self.bytes.saturating_add(u64::from(bytes)) <= most_bytes;
        // Where a document comes before others, it may hide them.
        let is_all_shown = is_shown && index == self.documents.len();
        let outline = is_shown.then_some(outlined.outline);
        self.outline_bytes += outline.as_ref().map_or(0, |outline| outline.len() as u64);
        self.bytes += u64::from(bytes);
        self.touched = now;
        self.add_times(outlined.times, is_all_shown);
        let segment = outlined.times.segment.map(|(id, _)| id);
        let document = OpenDocument { position, outline, segment, bytes };
        Arc::make_mut(&mut self.documents).insert(index, document);
        is_shown
    }

    /// Takes the times of a further document in; `is_all_shown` when it and all before are shown.
    fn add_times(&mut self, new: Times, is_all_shown: bool) {
        let before = self.times;
        let first_start = before.first_start.min(new.first_start);
        // Of several versions of a segment one counts, perhaps one that starts later.
        let is_another_version = |id| {
            let compared = self.documents.get(..MOST_COMPARED).unwrap_or(&self.documents);
            self.documents.len() > MOST_COMPARED
                || compared.iter().any(|document| document.segment == Some(id))
        };
        let first_segment = match (before.first_segment, new.segment) {
            _ if !is_all_shown => None,
            (Some(first), Some((id, start))) if first == id && start != first_start => None,
            (Some(first), _) if before.first_start == first_start => Some(first),
            (_, Some((id, start))) if start == first_start && !is_another_version(id) => Some(id),
            _ => None,
        };
        let (last_start, last) = (before.last_start.max(new.last_start), before.last.max(new.last));
        self.times = OpenTimes { first_start, last_start, last, first_segment };
    }

    /// Keeps the documents at certain places. Returns how many went.
    pub(super) fn retain(&mut self, is_kept: impl Fn(Position) -> bool) -> u64 {
        let documents = Arc::make_mut(&mut self.documents);
        let before = documents.len();
        documents.retain(|document| is_kept(document.position));
        let lengths = documents.iter().map(|document| u64::from(document.bytes));
        self.bytes = lengths.sum();
        let outlines = documents.iter().filter_map(|document| document.outline.as_ref());
        self.outline_bytes = outlines.map(|outline| outline.len() as u64).sum();
        if before > documents.len() {
            // Which of the times are those of documents that are left is not known any more.
            self.times.first_segment = None;
        }
        (before - documents.len()) as u64
    }
}
