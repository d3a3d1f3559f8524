//! One trace in the index: where its documents stand, and how many of them are shown.

use std::sync::Arc;

use roentgen_model::TraceSummary;

use super::{DocumentPositions, TakenIn, memory};
use crate::backlog::Work;
use crate::log::{FileNumber, Position};

/// A trace with more documents than this is *large*…
const LARGE_DOCUMENTS: usize = 2_000;
/// … and so is one with more bytes: assembling it takes 20 ms and more.
const LARGE_BYTES: u64 = 1 << 20;

/// A trace.
///
/// Its documents are shown in the order of storage up to the first one with which they would
/// have more bytes than a trace may have; that one and all behind it are hidden. What is shown
/// so depends on nothing but the documents in the log: it is the same after a restart. When
/// retention drops documents at the front, hidden ones may come to be shown, never the reverse.
#[derive(Debug, Default)]
pub(super) struct TraceEntry {
    /// Where the documents stand, in the order of storage; the hidden ones behind the shown.
    positions: Vec<Position>,
    shown: usize,
    shown_bytes: u64,
    pub(super) taken_in: TakenIn,
    /// Whether the indexer lets this large trace wait.
    pub(super) is_deferred: bool,
    summary: Option<Arc<TraceSummary>>,
    summary_bytes: u64,
    /// Memory of names that this trace was the first to bear.
    names: u64,
}

/// What a trace, or all of them, count for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Shown documents.
    pub(super) documents: u64,
    /// What the indexer has to do at once.
    pub(super) work: Work,
    /// Documents that the indexer lets wait.
    pub(super) deferred_documents: usize,
    /// Estimated memory.
    pub(super) bytes: u64,
}

impl Share {
    /// Counts a changed part of the sum.
    pub(super) fn replace(&mut self, before: Share, after: Share) {
        self.documents = self.documents + after.documents - before.documents;
        self.work.documents = self.work.documents + after.work.documents - before.work.documents;
        self.work.bytes = self.work.bytes + after.work.bytes - before.work.bytes;
        self.deferred_documents =
            self.deferred_documents + after.deferred_documents - before.deferred_documents;
        self.bytes = self.bytes + after.bytes - before.bytes;
    }
}

impl TraceEntry {
    /// What the trace counts for.
    pub(super) fn share(&self) -> Share {
        let waiting = self.shown - self.taken_in.documents;
        let (work, deferred_documents) = match waiting {
            0 => (Work::default(), 0),
            _ if self.is_deferred => (Work::default(), waiting),
            // All that is shown will be read and assembled, not only what is new.
            _ => (Work { documents: waiting, bytes: self.shown_bytes }, 0),
        };
        let bytes = memory::trace_bytes(&self.positions) + self.summary_bytes + self.names;
        Share { documents: self.shown as u64, work, deferred_documents, bytes }
    }

    /// Whether shown documents were not taken in.
    pub(super) fn is_dirty(&self) -> bool {
        self.shown > self.taken_in.documents
    }

    /// Whether documents are hidden.
    pub(super) fn is_full(&self) -> bool {
        self.shown < self.positions.len()
    }

    /// Whether assembling the trace takes long.
    pub(super) fn is_large(&self) -> bool {
        self.shown > LARGE_DOCUMENTS || self.shown_bytes > LARGE_BYTES
    }

    /// The newest document, shown or not.
    pub(super) fn last(&self) -> Option<&Position> {
        self.positions.last()
    }

    /// Adds a document; `false` when it is hidden.
    pub(super) fn push(&mut self, position: Position, most_bytes: u64) -> bool {
        self.positions.push(position);
        self.drop_front(0, most_bytes);
        !self.is_full()
    }

    /// Removes so many documents at the front.
    pub(super) fn drop_front(&mut self, gone: usize, most_bytes: u64) {
        let (end, bytes) = self.shown_behind(gone, most_bytes);
        self.positions.drain(..gone.min(self.positions.len()));
        (self.shown, self.shown_bytes) = (end - gone, bytes);
    }

    /// Up to where documents are shown when so many at the front are gone, and their bytes.
    fn shown_behind(&self, gone: usize, most_bytes: u64) -> (usize, u64) {
        let bytes_of = |positions: &[Position]| -> u64 {
            positions.iter().map(|position| u64::from(position.length)).sum()
        };
        let (mut end, mut bytes) = match self.positions.get(..gone) {
            Some(dropped) if gone <= self.shown => {
                (self.shown, self.shown_bytes - bytes_of(dropped))
            }
            _ => (gone, 0),
        };
        while let Some(next) = self.positions.get(end) {
            let with_next = bytes.saturating_add(u64::from(next.length));
            if end > gone && with_next > most_bytes {
                break;
            }
            (end, bytes) = (end + 1, with_next);
        }
        (end, bytes)
    }

    /// What is shown, and what will be when the files up to `gone` are dropped; with how many
    /// documents stand in those files.
    pub(super) fn documents(
        &self,
        gone: Option<FileNumber>,
        most_bytes: u64,
    ) -> (DocumentPositions, usize) {
        let count = gone.map_or(0, |gone| self.positions.partition_point(|p| p.file <= gone));
        let (end, _) = self.shown_behind(count, most_bytes);
        let positions = self.positions.get(..end).unwrap_or_default().to_vec();
        let (is_full, taken_in) = (end < self.positions.len(), self.taken_in);
        (DocumentPositions { positions, files: Vec::new(), is_full, taken_in }, count)
    }

    /// Replaces the summary; returns the one before. `names` is the memory of the names in it
    /// that no trace seen lately bore.
    pub(super) fn set_summary(
        &mut self,
        summary: Option<Arc<TraceSummary>>,
        names: u64,
    ) -> Option<Arc<TraceSummary>> {
        self.summary_bytes = summary.as_deref().map_or(0, memory::summary_bytes);
        let most_names = summary.as_deref().map_or(0, memory::most_names_bytes);
        self.names = (self.names + names).min(most_names);
        std::mem::replace(&mut self.summary, summary)
    }

    /// The summary.
    pub(super) fn summary(&self) -> Option<&Arc<TraceSummary>> {
        self.summary.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(file: FileNumber, length: u32) -> Position {
        Position { file, length, offset: 0 }
    }

    #[test]
    fn work_is_the_whole_trace_once_one_document_is_new() {
        let mut trace = TraceEntry::default();
        trace.push(position(1, 300), 1000);
        trace.push(position(1, 200), 1000);
        assert_eq!(trace.share().work, Work { documents: 2, bytes: 500 });
        trace.taken_in.documents = 2;
        assert_eq!(trace.share().work, Work::default());
        trace.push(position(2, 100), 1000);
        assert_eq!(trace.share().work, Work { documents: 1, bytes: 600 });
        trace.is_deferred = true;
        let share = trace.share();
        assert_eq!((share.work, share.deferred_documents), (Work::default(), 1));
        trace.taken_in.documents = 3;
        trace.push(position(2, 500), 1000);
        assert_eq!(trace.share().work, Work::default(), "what is hidden is no work");
    }

    #[test]
    fn what_is_shown_depends_on_nothing_but_the_documents() {
        let lengths = [400, 500, 300, 50, 700, 1200, 10];
        let check = |gone: usize, expect: std::ops::Range<usize>| {
            let mut live = TraceEntry::default();
            for (file, length) in (1..).zip(lengths) {
                live.push(position(file, length), 1000);
            }
            for _ in 0..gone {
                live.drop_front(1, 1000);
            }
            let mut restarted = TraceEntry::default();
            for (file, length) in (1..).zip(lengths).skip(gone) {
                restarted.push(position(file, length), 1000);
            }
            let shown = |trace: &TraceEntry| {
                let positions = trace.documents(None, 1000).0.positions;
                (positions, trace.shown_bytes, trace.is_full())
            };
            assert_eq!(shown(&live), shown(&restarted), "{gone} gone");
            let files: Vec<_> = shown(&live).0.iter().map(|position| position.file).collect();
            let expect: Vec<_> = expect.map(|file| u32::try_from(file + 1).unwrap()).collect();
            assert_eq!(files, expect, "{gone} gone");
        };
        check(0, 0..2);
        check(1, 1..4);
        check(2, 2..4);
        check(3, 3..5);
        check(4, 4..5);
        check(5, 5..6); // Too large, but the first is always shown.
        check(6, 6..7);
    }

    #[test]
    fn what_will_be_shown_is_told_before_files_are_dropped() {
        let mut trace = TraceEntry::default();
        for (file, length) in [(1, 400), (1, 500), (2, 300), (3, 700)] {
            trace.push(position(file, length), 1000);
        }
        let (documents, gone) = trace.documents(Some(1), 1000);
        assert_eq!((documents.positions.len(), gone, documents.is_full), (4, 2, false));
        let (documents, gone) = trace.documents(None, 1000);
        assert_eq!((documents.positions.len(), gone, documents.is_full), (2, 0, true));
    }
}
