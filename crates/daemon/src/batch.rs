//! Documents on their way: the body of one call of PutTraceSegments, made while they come in.
//!
//! A [`BatchBuilder`] writes each document once, already escaped, behind the ones before it, and
//! hashes it for the signature while it is still in the processor's nearest cache. The [`Batch`]
//! that comes of it is never changed or copied again: all destinations share its bytes.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

mod builder;
mod documents;
mod escape;
mod memory;

pub use builder::{BatchBuilder, Obstacle};
pub use memory::Memory;

/// Most documents of a batch: X-Ray takes no more in a call ("Exceeding maximum segment count: 50").
pub(crate) const MOST_DOCUMENTS: usize = 50;

/// A batch is closed before its body grows beyond this, unless a single document does. The official
/// daemon knows no limit and sends up to 3.2 MB; a third of it still arrives within the time limit
/// of an attempt over a slow line, and is what one batch may take of the memory.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// How a body begins, goes on after each document but the last, and ends.
const BEGIN: &[u8] = b"{\"TraceSegmentDocuments\":[\"";
const BETWEEN: &[u8] = b"\",\"";
const END: &[u8] = b"\"]}";

/// A finished batch. Its memory counts as used until the last copy of its body is gone.
#[derive(Debug)]
pub struct Batch {
    body: Bytes,
    document_count: usize,
    memory_bytes: usize,
    sha256: OnceLock<[u8; 32]>,
}

/// Why bytes are not the body of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the body of a batch: expected {{\"TraceSegmentDocuments\":[…]}} with 1 to 50 documents as JSON strings"
)]
pub struct BodyError;

impl Batch {
    /// A batch whose body was made before, such as one that waited on disk. It is not counted as
    /// used memory.
    ///
    /// # Errors
    /// When it is not what [`Batch::body`] gives.
    pub fn from_body(body: Bytes) -> Result<Self, BodyError> {
        let document_count = documents::count(&body).ok_or(BodyError)?;
        if !(1..=MOST_DOCUMENTS).contains(&document_count) {
            return Err(BodyError);
        }
        Ok(Self { body, document_count, memory_bytes: 0, sha256: OnceLock::new() })
    }

    /// How many documents there are; at least one.
    pub fn document_count(&self) -> usize {
        self.document_count
    }

    /// How much of the memory for documents it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The body of the call: `{"TraceSegmentDocuments":["…",…]}`.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// The SHA-256 of the body; made now, if it was not made along with it.
    pub fn sha256(&self) -> [u8; 32] {
        *self.sha256.get_or_init(|| Sha256::digest(&self.body).into())
    }

    /// The documents as they came, but for invalid UTF-8. Slow: for log lines about single ones.
    pub fn documents(&self) -> impl Iterator<Item = Cow<'_, str>> {
        documents::Documents::of(&self.body)
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} documents, {} bytes", self.document_count, self.body.len())
    }
}

#[cfg(test)]
impl Batch {
    /// A batch of these documents.
    pub(crate) fn of(documents: &[&str]) -> Self {
        let mut builder = BatchBuilder::new(std::sync::Arc::new(Memory::new(1 << 30)), false);
        documents.iter().for_each(|document| builder.add(document.as_bytes()).unwrap());
        builder.finish().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_no_body_is_refused() {
        let check = |body: &'static str, expect: Option<usize>| {
            let batch = Batch::from_body(Bytes::from_static(body.as_bytes()));
            assert_eq!(batch.ok().map(|batch| batch.document_count()), expect, "{body}");
        };
        check(r#"{"TraceSegmentDocuments":["a"]}"#, Some(1));
        check(r#"{"TraceSegmentDocuments":["a","","\"\\\u0007"]}"#, Some(3));
        check(r#"{"TraceSegmentDocuments":[]}"#, None);
        check(r#"{"TraceSegmentDocuments":[""#, None);
        check(r#"{"TraceSegmentDocuments":["a"]"#, None);
        check(r#"{"TraceSegmentDocuments":["a"]}x"#, None);
        check(r#"{"TraceSegmentDocuments":["a",]}"#, None);
        check(r#"{"TraceSegmentDocuments":["a""b"]}"#, None);
        check(r#"{"TraceSegmentDocuments":["a",7]}"#, None);
        check(r#"{"TraceSegmentDocuments":["\"]}"#, None);
        check(r#"{"TraceSegmentDocuments":["\x"]}"#, None);
        check("", None);
    }

    #[test]
    fn a_body_read_back_is_the_same_batch() {
        let mut builder = BatchBuilder::new(Arc::new(Memory::new(3 << 20)), true);
        for document in ["{\"id\":\"é\"}", "two\nlines", "\u{1}"] {
            builder.add(document.as_bytes()).unwrap();
        }
        let batch = builder.finish().unwrap();
        let again = Batch::from_body(batch.body()).unwrap();
        assert_eq!(again.document_count(), 3);
        assert_eq!(again.sha256(), batch.sha256());
        let documents: Vec<_> = again.documents().collect();
        assert_eq!(documents, ["{\"id\":\"é\"}", "two\nlines", "\u{1}"]);
        assert_eq!(batch.to_string(), format!("3 documents, {} bytes", batch.body().len()));
    }
}
