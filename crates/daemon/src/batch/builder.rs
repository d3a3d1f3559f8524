//! A batch in the making.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::memory::Buffer;
use super::{BEGIN, BETWEEN, Batch, END, MOST_DOCUMENTS, Memory, escape};

/// Room for the first batch: some 50 usual documents. Later ones get what full ones before needed.
const FIRST_ROOM: usize = 64 << 10;

/// What SHA-256 works on at a time (FIPS 180-4). It is given whole blocks only, so that it never has
/// to keep and copy a part of one.
const HASH_BLOCK: usize = 64;

/// Most bytes that the room for unusual documents keeps between two of them.
const MOST_UNUSUAL_ROOM: usize = 64 << 10;

/// Makes one batch after the other.
#[derive(Debug)]
pub struct BatchBuilder {
    memory: Arc<Memory>,
    /// A batch is closed before it takes more, unless a single document does.
    most_bytes: usize,
    is_hashing: bool,
    buffer: Option<Buffer>,
    /// Bytes of the body so far, without its end.
    length: usize,
    document_count: usize,
    sha256: Sha256,
    /// Bytes of the body that are in the hash.
    hashed: usize,
    /// The room to begin with.
    wanted_room: usize,
    /// The most room this batch has needed.
    needed_room: usize,
    /// Where documents are escaped that are not as usual.
    unusual: Vec<u8>,
}

/// Why a document is not in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The batch has to be finished first.
    BatchFull,
    /// Batches use all the memory there is.
    NoMemory,
    /// The document alone would take more than a holder's share of the memory.
    TooLarge,
}

impl BatchBuilder {
    /// A builder of batches that take from this memory. Where nobody needs the hash of their bodies
    /// it is not made along with them.
    pub fn new(memory: Arc<Memory>, is_hashing: bool) -> Self {
        Self {
            most_bytes: memory.most_batch_bytes(),
            memory,
            is_hashing,
            buffer: None,
            length: 0,
            document_count: 0,
            sha256: Sha256::new(),
            hashed: 0,
            wanted_room: FIRST_ROOM,
            needed_room: 0,
            unusual: Vec::new(),
        }
    }

    /// Adds a document.
    ///
    /// # Errors
    /// When it cannot be added now; the batch is then as before.
    pub fn add(&mut self, document: &[u8]) -> Result<(), Obstacle> {
        let start = if self.document_count == 0 { BEGIN } else { BETWEEN };
        let room = self.room(start, escape::room_for(document))?;
        let length = match escape::escape_plain(document, room) {
            Some(length) => length,
            None => self.add_unusual(document, start)?,
        };
        self.length += start.len() + length;
        self.document_count += 1;
        if self.is_hashing {
            self.hash(self.length - self.length % HASH_BLOCK);
        }
        Ok(())
    }

    /// Whether it is time to finish: it has as many documents as it may.
    pub fn is_full(&self) -> bool {
        self.document_count >= MOST_DOCUMENTS
    }

    /// Whether there is no document in it.
    pub fn is_empty(&self) -> bool {
        self.document_count == 0
    }

    /// The batch of the documents added since the last one; `None` when there are none.
    pub fn finish(&mut self) -> Option<Batch> {
        if self.document_count == 0 {
            return None;
        }
        // There is room for it: each document asked for it, see `room`.
        let mut buffer = self.buffer.take()?;
        buffer.bytes_mut().get_mut(self.length..)?.get_mut(..END.len())?.copy_from_slice(END);
        self.length += END.len();
        self.buffer = Some(buffer);
        let sha256 = OnceLock::new();
        if self.is_hashing {
            self.hash(self.length);
            let _ = sha256.set(self.sha256.finalize_reset().into());
        }
        if self.is_full() {
            // Goes up at once and down slowly.
            let usual_room = self.wanted_room - self.wanted_room / 8;
            self.wanted_room = self.needed_room.max(usual_room).min(self.most_bytes);
        }
        let (length, document_count) = (self.length, self.document_count);
        (self.length, self.document_count, self.hashed, self.needed_room) = (0, 0, 0, 0);
        let mut buffer = self.buffer.take()?;
        if length < buffer.len() / 2 {
            buffer = buffer.shrunk(length);
        }
        let memory_bytes = buffer.len();
        let body = Bytes::from_owner(Body { buffer, length });
        Some(Batch { body, document_count, memory_bytes, sha256 })
    }

    /// The slow way; gives the length of what it wrote.
    #[cold]
    fn add_unusual(&mut self, document: &[u8], start: &[u8]) -> Result<usize, Obstacle> {
        let mut text = std::mem::take(&mut self.unusual);
        text.clear();
        escape::escape_any(document, &mut text);
        let written = self.room(start, text.len()).map(|room| {
            if let Some(room) = room.get_mut(..text.len()) {
                room.copy_from_slice(&text);
            }
            text.len()
        });
        text.shrink_to(MOST_UNUSUAL_ROOM);
        self.unusual = text;
        written
    }

    /// Room of at least so many bytes, behind the documents so far and `start`, which is written.
    fn room(&mut self, start: &[u8], bytes: usize) -> Result<&mut [u8], Obstacle> {
        let needed = self.length + start.len() + bytes + END.len();
        let is_too_long = needed > self.most_bytes && self.document_count > 0;
        if self.is_full() || is_too_long {
            return Err(Obstacle::BatchFull);
        }
        if needed > self.memory.share() {
            return Err(Obstacle::TooLarge);
        }
        self.needed_room = self.needed_room.max(needed);
        if self.buffer.as_ref().is_none_or(|buffer| buffer.len() < needed) {
            self.grow(needed)?;
        }
        let buffer = self.buffer.as_mut().ok_or(Obstacle::NoMemory)?;
        let free = buffer.bytes_mut().get_mut(self.length..).unwrap_or_default();
        let (place, room) = free.split_at_mut_checked(start.len()).ok_or(Obstacle::NoMemory)?;
        place.copy_from_slice(start);
        Ok(room)
    }

    fn grow(&mut self, needed: usize) -> Result<(), Obstacle> {
        let bytes = match &self.buffer {
            None => self.wanted_room.min(self.most_bytes),
            Some(buffer) => (2 * buffer.len()).min(self.most_bytes),
        };
        // With little memory left there may be enough for what is needed, if not for what is wanted.
        let mut larger = Buffer::take(&self.memory, bytes.max(needed))
            .or_else(|| Buffer::take(&self.memory, needed))
            .ok_or(Obstacle::NoMemory)?;
        let so_far = self.buffer.as_ref().and_then(|buffer| buffer.bytes().get(..self.length));
        let so_far = so_far.unwrap_or_default();
        if let Some(place) = larger.bytes_mut().get_mut(..so_far.len()) {
            place.copy_from_slice(so_far);
        }
        self.buffer = Some(larger);
        Ok(())
    }

    /// Takes the body up to `end` into the hash.
    fn hash(&mut self, end: usize) {
        let body = self.buffer.as_ref().map_or(&[][..], Buffer::bytes);
        if let Some(bytes) = body.get(self.hashed..end) {
            self.sha256.update(bytes);
            self.hashed = end;
        }
    }
}

/// A finished body in its buffer, which goes back when the body is gone.
struct Body {
    buffer: Buffer,
    length: usize,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.buffer.bytes().get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Read {
        #[serde(rename = "TraceSegmentDocuments")]
        documents: Vec<String>,
    }

    /// What a server reads of a batch; the ways of telling the same agree.
    fn read(batch: &Batch) -> Vec<String> {
        let body = batch.body();
        let read: Read = serde_json::from_slice(&body).unwrap();
        assert_eq!(batch.document_count(), read.documents.len());
        assert!(batch.documents().eq(read.documents.iter().map(String::as_str)));
        assert_eq!(batch.sha256(), <[u8; 32]>::from(Sha256::digest(&body)));
        read.documents
    }

    /// Adds documents as a receiver does and gives the batches.
    fn batches(documents: &[Vec<u8>], is_hashing: bool) -> Vec<Batch> {
        let mut builder = BatchBuilder::new(Arc::new(Memory::new(1 << 30)), is_hashing);
        let mut batches = Vec::new();
        for document in documents {
            if builder.add(document) == Err(Obstacle::BatchFull) {
                batches.extend(builder.finish());
                builder.add(document).unwrap();
            }
            if builder.is_full() {
                batches.extend(builder.finish());
            }
        }
        batches.extend(builder.finish());
        batches
    }

    #[test]
    fn batches_have_fifty_documents() {
        let documents: Vec<Vec<u8>> = (0..120).map(|n| format!("{n} \"x\"").into_bytes()).collect();
        let batches = batches(&documents, true);
        let counts: Vec<usize> = batches.iter().map(Batch::document_count).collect();
        assert_eq!(counts, [50, 50, 20]);
        let read: Vec<Vec<u8>> = batches.iter().flat_map(read).map(String::into_bytes).collect();
        assert_eq!(read, documents);
    }

    #[test]
    fn large_documents_share_no_batch_that_is_too_large() {
        let check = |size: usize, byte: u8, expect: &[usize]| {
            let count = expect.iter().sum();
            let batches = batches(&vec![vec![byte; size]; count], true);
            let most = crate::batch::MOST_BYTES;
            let counts: Vec<usize> = batches.iter().map(Batch::document_count).collect();
            assert_eq!(counts, expect, "{size}");
            for batch in &batches {
                assert!(batch.body().len() <= most || batch.document_count() == 1);
                assert!(read(batch).iter().all(|document| document.len() == size));
            }
        };
        check(20_000, b'x', &[50, 1]);
        check(65_000, b'x', &[16, 3]);
        check(65_000, b'"', &[8, 1]);
        check(65_000, b'\0', &[2, 1]);
        check(1_100_000, b'x', &[1, 1]);
    }

    #[test]
    fn memory_is_used_while_a_batch_lives_and_then_free() {
        let memory = Arc::new(Memory::new(500 << 10));
        let mut builder = BatchBuilder::new(Arc::clone(&memory), true);
        let document = vec![b'x'; 3_000];
        let mut batches = Vec::new();
        let added = (0..500).take_while(|_| {
            let outcome = builder.add(&document);
            if builder.is_full() {
                batches.extend(builder.finish());
            }
            outcome.is_ok()
        });
        let added = added.count();
        assert!((50..150).contains(&added), "{added}");
        assert!(memory.used() <= memory.limit());
        // What did not fit left nothing behind.
        batches.extend(builder.finish());
        assert_eq!(batches.iter().map(Batch::document_count).sum::<usize>(), added);
        assert!(batches.iter().flat_map(read).all(|read| read.as_bytes() == document));
        let body = batches.first().unwrap().body();
        drop(batches);
        assert!(memory.used() >= body.len());
        drop(body);
        assert_eq!(memory.used(), 0);
        builder.add(&document).unwrap();
        assert_eq!(read(&builder.finish().unwrap()).len(), 1);
        assert_eq!(builder.add(&vec![b'x'; 600 << 10]), Err(Obstacle::TooLarge));
        builder.add(&document).unwrap();
    }

    #[test]
    fn batches_are_small_where_memory_is_shared() {
        let memory = Arc::new(Memory::shared(1 << 20, 3));
        assert_eq!(memory.share(), 256 << 10);
        let mut builder = BatchBuilder::new(Arc::clone(&memory), true);
        builder.add(&[b'x'; 50_000]).unwrap();
        assert_eq!(builder.add(&[b'x'; 20_000]), Err(Obstacle::BatchFull));
        let batch = builder.finish().unwrap();
        assert_eq!(batch.memory_bytes(), memory.used());
        // A document that is larger is alone.
        builder.add(&[b'x'; 100_000]).unwrap();
        assert_eq!(builder.add(b"y"), Err(Obstacle::BatchFull));
        assert!(builder.finish().unwrap().memory_bytes() <= memory.share());
        assert_eq!(builder.add(&[b'x'; 262_144]), Err(Obstacle::TooLarge));
    }

    #[test]
    fn usual_batches_use_one_buffer_again_and_again() {
        let memory = Arc::new(Memory::new(3 << 20));
        let mut builder = BatchBuilder::new(Arc::clone(&memory), true);
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..100 {
            for _ in 0..MOST_DOCUMENTS {
                builder.add(&[b'x'; 1_000]).unwrap();
            }
            let batch = builder.finish().unwrap();
            places.insert(batch.body().as_ptr() as usize);
            assert!(memory.used() <= 64 << 10, "{}", memory.used());
        }
        assert_eq!(places.len(), 1);
        // A single document does not hold the room of fifty.
        builder.add(b"{}").unwrap();
        let batch = builder.finish().unwrap();
        assert_eq!(memory.used(), batch.body().len());
    }

    #[test]
    fn nothing_makes_no_batch() {
        let mut builder = BatchBuilder::new(Arc::new(Memory::new(1 << 20)), true);
        assert!(builder.is_empty() && builder.finish().is_none());
        builder.add(b"").unwrap();
        assert!(!builder.is_empty());
        assert_eq!(read(&builder.finish().unwrap()), [""]);
        assert!(builder.is_empty() && builder.finish().is_none());
    }

    proptest! {
        // Up to 220 documents each.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn documents_read_back_whole_and_in_order(
            documents: Vec<Vec<u8>>,
            texts in proptest::collection::vec("[ -~]{0,300}|\\PC{0,40}", 0..120),
            is_hashing: bool,
        ) {
            let texts = texts.into_iter().map(String::into_bytes);
            let documents: Vec<Vec<u8>> = documents.into_iter().chain(texts).collect();
            let read: Vec<String> = batches(&documents, is_hashing).iter().flat_map(read).collect();
            prop_assert_eq!(read.len(), documents.len());
            for (read, document) in read.iter().zip(&documents) {
                match str::from_utf8(document) {
                    Ok(text) => prop_assert_eq!(read, text),
                    // How, is tested with the escapes.
                    Err(_) => prop_assert_ne!(read.find('\u{fffd}'), None),
                }
            }
        }
    }
}
