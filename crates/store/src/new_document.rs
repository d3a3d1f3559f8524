//! A document on its way into the store: parsed once, at the edge.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use roentgen_model::{Document, EntityKind, Rejection, SegmentId, Timestamp, TraceId};

/// A document that the model accepts, with what the store needs of it until its trace settles.
///
/// Parsing is most of the work that a document makes, so it is done by whoever receives it, on a
/// thread of his own, and not again by the one thread that writes.
#[derive(Clone)]
pub struct NewDocument {
    trace_id: TraceId,
    received: Timestamp,
    times: Times,
    bytes: Bytes,
    outline: Arc<[u8]>,
}

/// The times that the (sub)segments of a document name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// The earliest start.
    pub(crate) first_start: Timestamp,
    /// The latest start.
    pub(crate) last_start: Timestamp,
    /// The latest start or end.
    pub(crate) last: Timestamp,
    /// The segment that the document is, and its start; `None` for a subsegment.
    pub(crate) segment: Option<(SegmentId, Timestamp)>,
}

/// The outline of a document and what is read from it once.
#[derive(Clone, Debug)]
pub(crate) struct Outlined {
    pub(crate) trace_id: TraceId,
    pub(crate) times: Times,
    pub(crate) outline: Arc<[u8]>,
}

impl NewDocument {
    /// Parses a document that came at this time.
    ///
    /// # Errors
    /// When the document is not acceptable; with the code and the cause that X-Ray gives.
    pub fn parse(bytes: impl Into<Bytes>, received: Timestamp) -> Result<Self, Rejection> {
        Self::parse_with(bytes.into(), received, &mut Vec::new())
    }

    /// As [`NewDocument::parse`], for who has many: `buffer` is memory to work in, whatever it has.
    ///
    /// # Errors
    /// As [`NewDocument::parse`].
    pub fn parse_with(
        bytes: Bytes,
        received: Timestamp,
        buffer: &mut Vec<u8>,
    ) -> Result<Self, Rejection> {
        let Outlined { trace_id, times, outline } = Outlined::parse(&bytes, buffer)?;
        Ok(Self { trace_id, received, times, bytes, outline })
    }

    /// Takes its bytes out of memory that it shares with others: for who keeps it without them.
    pub fn leave_shared_memory(&mut self) {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
    }

    /// The trace it belongs to.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// When it came, by the clock of the receiver.
    pub fn received(&self) -> Timestamp {
        self.received
    }

    /// The document as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The memory it takes while it waits.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.len() + self.outline.len() + size_of::<Self>()
    }

    /// What is kept of it once it is written.
    pub(crate) fn into_outlined(self) -> Outlined {
        Outlined { trace_id: self.trace_id, times: self.times, outline: self.outline }
    }
}

impl fmt::Debug for NewDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDocument")
            .field("trace_id", &self.trace_id)
            .field("received", &self.received)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl Outlined {
    /// Parses a document; `buffer` is memory to work in.
    pub(crate) fn parse(bytes: &[u8], buffer: &mut Vec<u8>) -> Result<Self, Rejection> {
        let document = Document::parse_bare(bytes)?;
        buffer.clear();
        document.write_outline(buffer);
        let outline = Arc::from(buffer.as_slice());
        Ok(Self { trace_id: document.trace_id, times: Times::of(&document), outline })
    }
}

impl Times {
    /// The times that a document names; a document has one (sub)segment at least.
    fn of(document: &Document<'_>) -> Self {
        let Some(root) = document.entities.first() else { return Self::default() };
        let mut times = Self {
            first_start: root.start,
            last_start: root.start,
            last: root.start,
            segment: (root.kind == EntityKind::Segment).then_some((root.id, root.start)),
        };
        for entity in &document.entities {
            times.first_start = times.first_start.min(entity.start);
            times.last_start = times.last_start.max(entity.start);
            times.last = times.last.max(entity.end.unwrap_or(entity.start)).max(entity.start);
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn a_document_can_leave_the_memory_that_it_shares() {
        let text = r#"{"trace_id":"1-581cf771-a006649127e371903a2de979","name":"x","id":"00000000000000aa","start_time":10}"#;
        let mut shared = BytesMut::from([text, " and others"].concat().as_bytes());
        let part = shared.split_to(text.len()).freeze();
        let others = shared.freeze();
        let mut document = NewDocument::parse(part, Timestamp::default()).unwrap();
        assert!(!others.is_unique());
        document.leave_shared_memory();
        assert!(others.is_unique());
        assert_eq!(document.bytes(), text.as_bytes());
    }

    #[test]
    fn a_document_is_parsed_once_and_tells_its_times() {
        let check = |text: &str, expect: Option<([i64; 3], bool)>| {
            let received = Timestamp::from_micros(7);
            let parsed = NewDocument::parse(text.as_bytes().to_vec(), received);
            let times = parsed.ok().map(|document| {
                assert_eq!((document.bytes(), document.received()), (text.as_bytes(), received));
                let id = document.trace_id();
                assert_eq!(Document::read_outline(id, &document.outline).unwrap().trace_id, id);
                let Times { first_start, last_start, last, segment } = document.times;
                let seconds = [first_start, last_start, last].map(|t| t.as_micros() / 1_000_000);
                (seconds, segment.is_some_and(|(_, start)| start.as_micros() == 10_000_000))
            });
            assert_eq!(times, expect, "{text}");
        };
        let head = r#"{"trace_id":"1-581cf771-a006649127e371903a2de979","name":"x","#;
        let body = r#""id":"00000000000000aa","start_time":10"#;
        let child = r#""subsegments":[{"id":"00000000000000ab","name":"y","start_time":4,"end_time":6},{"id":"00000000000000ac","name":"y","start_time":12,"end_time":19}]"#;
        check("{}", None);
        check(&format!("{head}{body}}}"), Some(([10, 10, 10], true)));
        check(&format!(r#"{head}{body},"end_time":12}}"#), Some(([10, 10, 12], true)));
        check(&format!(r#"{head}{body},"end_time":8}}"#), Some(([10, 10, 10], true)));
        check(
            &format!(r#"{head}{body},"type":"subsegment","parent_id":"00000000000000ab"}}"#),
            Some(([10, 10, 10], false)),
        );
        check(&format!(r#"{head}{body},"end_time":12,{child}}}"#), Some(([4, 12, 19], true)));
    }
}
