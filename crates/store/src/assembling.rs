//! Putting a trace together from what is known of its documents: outlines of those that are open,
//! the documents themselves of those that have settled.
//!
//! Which documents of a trace are shown depends on nothing but the documents: in the order of
//! storage, those before the first one with which they would have more bytes than a trace may
//! have, and the first one in any case. The rule is applied here and nowhere else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use roentgen_model::{
    Document, HttpSummary, LinkEnd, Micros, Names, Outcome, SegmentId, Timestamp, Trace,
    TraceGraph, TraceId, TraceSummary, assemble, summarize,
};

use crate::live::FoundTrace;
use crate::log::{Position, ReadDocument, ReadError};
use crate::open::{OpenDocument, OpenTrace};

use crate::state::State;
use crate::{ReceivedDocument, StoreError};

/// Documents read from the log at once. The bytes of one trace are bounded, but not how many
/// documents stand in the log behind those that are shown.
const READ_AT_ONCE: usize = 512;

/// Where the documents of a trace are, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whereabouts {
    /// Of those that have settled, in the order of storage.
    pub(crate) settled: Vec<Position>,
    /// Their bytes.
    pub(crate) settled_bytes: u64,
    /// Those that are open. A document may be among both: it has just settled.
    pub(crate) open: Arc<Vec<OpenDocument>>,
    /// Bytes of those that are open.
    pub(crate) open_bytes: u64,
}

/// What lists and graphs are made of.
#[derive(Clone, Debug)]
pub(crate) struct Assembled {
    pub(crate) summary: TraceSummary,
    pub(crate) graph: TraceGraph,
}

/// A document in the form it is at hand.
#[derive(Debug)]
pub(crate) enum Content {
    Outline(Arc<[u8]>),
    Bytes(Vec<u8>),
}

/// The shown documents of a trace, those first that have settled.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) settled: Vec<Content>,
    pub(crate) open: Vec<Content>,
}

impl Whereabouts {
    /// Those of a trace of which this has settled and that is open.
    pub(crate) fn new(settled: Option<FoundTrace>, open: Option<&OpenTrace>) -> Self {
        let (settled, settled_bytes) =
            settled.map_or_else(Default::default, |found| (found.positions, found.bytes));
        Self {
            settled,
            settled_bytes,
            open: open.map(|open| open.documents().clone()).unwrap_or_default(),
            open_bytes: open.map_or(0, OpenTrace::bytes),
        }
    }

    /// Whether there is any document.
    pub(crate) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.open.is_empty()
    }

    /// How many documents there are, and their bytes; those that have just settled count twice.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.settled.len() + self.open.len(), self.settled_bytes + self.open_bytes)
    }

    /// The open documents that are not among the settled ones.
    pub(crate) fn only_open(&self) -> &[OpenDocument] {
        let Some(&last) = self.settled.last() else { return &self.open };
        let settled = self.open.partition_point(|document| document.position <= last);
        self.open.get(settled..).unwrap_or_default()
    }

    /// The length and the outline of a document that is open, perhaps still: it may just have
    /// settled.
    fn outline_at(&self, position: Position) -> Option<(u32, Arc<[u8]>)> {
        let index = self.open.binary_search_by_key(&position, |document| document.position);
        let document = self.open.get(index.ok()?)?;
        Some((document.bytes, document.outline.clone()?))
    }

    /// Reads what lists and graphs need of the documents that are shown. What cannot be read is
    /// left out, and reported.
    pub(crate) fn read_for_lists(&self, state: &State, id: TraceId) -> Shown {
        let mut room = Room::new(state.options.trace_bytes);
        let mut shown = Shown::default();
        for positions in self.settled.chunks(READ_AT_ONCE) {
            let absent = positions.iter().filter(|position| self.outline_at(**position).is_none());
            let absent: Vec<Position> = absent.copied().collect();
            let mut read = state.log.read(&absent).into_iter();
            for &position in positions {
                let (bytes, content) = match self.outline_at(position) {
                    Some((bytes, outline)) => (u64::from(bytes), Content::Outline(outline)),
                    None => {
                        let document = read.next();
                        let document = document.and_then(|d| state.readable(id, position, d));
                        let Some(ReadDocument { bytes, .. }) = document else { continue };
                        (bytes.len() as u64, Content::Bytes(bytes))
                    }
                };
                if !room.has_place_for(bytes) {
                    return shown;
                }
                shown.settled.push(content);
            }
        }
        for document in self.only_open() {
            if !room.has_place_for(u64::from(document.bytes)) {
                return shown;
            }
            shown.open.extend(match &document.outline {
                Some(outline) => Some(Content::Outline(outline.clone())),
                None => {
                    let read = state.log.read(&[document.position]).pop();
                    let read = read.and_then(|read| state.readable(id, document.position, read));
                    read.map(|read| Content::Bytes(read.bytes))
                }
            });
        }
        shown
    }

    /// Reads the documents that are shown, as they came; with whether others are hidden.
    ///
    /// # Errors
    /// When the disk does not give a document back. A damaged one is left out, and reported.
    pub(crate) fn read_documents(
        &self,
        state: &State,
        id: TraceId,
    ) -> Result<(Vec<ReceivedDocument>, bool), StoreError> {
        let open = self.only_open().iter().map(|document| document.position);
        let positions: Vec<Position> = self.settled.iter().copied().chain(open).collect();
        let mut room = Room::new(state.options.trace_bytes);
        let mut documents = Vec::new();
        for positions in positions.chunks(READ_AT_ONCE) {
            for (document, &position) in state.log.read(positions).into_iter().zip(positions) {
                if let Err(ReadError::Io(error)) = document {
                    return Err(state.log_error(position, error));
                }
                let Some(document) = state.readable(id, position, document) else { continue };
                if !room.has_place_for(document.bytes.len() as u64) {
                    return Ok((documents, true));
                }
                let ReadDocument { received, bytes } = document;
                documents.push(ReceivedDocument { trace_id: id, received, bytes });
            }
        }
        Ok((documents, false))
    }
}

/// The room for the shown documents of a trace.
#[derive(Debug)]
struct Room {
    most_bytes: u64,
    bytes: u64,
    is_first: bool,
}

impl Room {
    fn new(most_bytes: u64) -> Self {
        Self { most_bytes, bytes: 0, is_first: true }
    }

    /// Whether the next document is shown.
    fn has_place_for(&mut self, bytes: u64) -> bool {
        let with_next = self.bytes.saturating_add(bytes);
        if !self.is_first && with_next > self.most_bytes {
            return false;
        }
        (self.bytes, self.is_first) = (with_next, false);
        true
    }
}

/// Assembles documents; `None` when there are none. Those that do not parse are left out: they
/// were checked before they were stored, by this version of the program or one before.
pub(crate) fn assemble_contents<'a>(
    state: &State,
    id: TraceId,
    contents: impl Iterator<Item = &'a Content>,
    names: &mut Names,
) -> Option<Assembled> {
    let assembled = with_documents(state, id, contents, |documents| {
        let (summary, graph) = summarize(id, &documents, names)?;
        Some(Assembled { summary, graph })
    });
    let bare = || Assembled { summary: bare_summary(id), graph: TraceGraph::default() };
    assembled.unwrap_or_else(|| Some(bare()))
}

/// Hands what links would lead to that name the (sub)segments of a trace to `found`, those of the
/// same id in the order in which they count.
pub(crate) fn link_ends<'a>(
    state: &State,
    id: TraceId,
    contents: impl Iterator<Item = &'a Content>,
    mut found: impl FnMut(SegmentId, LinkEnd),
) {
    with_documents(state, id, contents, |documents| {
        let trace = assemble(id, documents, &mut Names::default());
        let ends = trace.iter().flat_map(Trace::link_ends);
        ends.for_each(|(id, end)| found(id, end));
    });
}

/// Puts documents to use that parse; `None` when that made a panic.
fn with_documents<'a, T>(
    state: &State,
    id: TraceId,
    contents: impl Iterator<Item = &'a Content>,
    put_to_use: impl FnOnce(Vec<Document<'a>>) -> T,
) -> Option<T> {
    let mut unusable = 0;
    // Should a document ever make the parser or the assembly panic, only its trace may suffer,
    // not every query, every settling and every start from then on.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let documents = contents.filter_map(|content| {
            let document = match content {
                Content::Outline(outline) => Document::read_outline(id, outline),
                Content::Bytes(bytes) => Document::parse_bare(bytes).ok(),
            };
            unusable += usize::from(document.is_none());
            document
        });
        put_to_use(documents.collect())
    }));
    if unusable > 0 {
        state.report_unusable(id, unusable);
    }
    result.inspect_err(|_| state.report_panic("assembling a trace")).ok()
}

/// What is told of a trace that cannot be assembled, so that it is found and its documents are
/// shown.
pub(crate) fn bare_summary(id: TraceId) -> TraceSummary {
    let time = Timestamp::from_micros(i64::from(id.epoch_seconds()) * 1_000_000);
    TraceSummary {
        id,
        time,
        start: time,
        end: time,
        duration: Micros::ZERO,
        response_time: None,
        outcome: Outcome::Ok,
        has_fault: false,
        has_error: false,
        has_throttle: false,
        is_partial: true,
        http: HttpSummary::default(),
        annotations: Vec::new(),
        users: Vec::new(),
        services: Vec::new(),
        resource_arns: Vec::new(),
        instance_ids: Vec::new(),
        availability_zones: Vec::new(),
        entry_point: None,
        segment_count: 0,
        revision: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_the_longest_beginning_that_fits_and_the_first_in_any_case() {
        let check = |bytes: &[u64], expect: usize| {
            let mut room = Room::new(1000);
            let shown = bytes.iter().take_while(|bytes| room.has_place_for(**bytes)).count();
            assert_eq!(shown, expect, "{bytes:?}");
        };
        check(&[], 0);
        check(&[1000], 1);
        check(&[1200, 0], 1);
        check(&[0, 1200], 1);
        check(&[400, 600, 0, 1], 3);
        check(&[400, 601, 10], 1);
    }
}
