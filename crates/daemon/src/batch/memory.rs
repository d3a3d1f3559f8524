//! The memory that documents may take, and buffers that are used again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::MOST_BYTES;

/// Sizes of buffers are multiples of this, so that those of earlier batches nearly always fit: with
/// steps of a page, some in a hundred batches got new memory, which the kernel has to clear first.
const STEP_BYTES: usize = 16 << 10;

/// Most bytes of buffers that are kept for the next batches. At any rate it is some batches that
/// are under way at a time; these are enough for a dozen of usual ones.
const MOST_SPARE_BYTES: usize = 1 << 20;

/// A spare buffer may be so many times as large as is wished for. More would let a batch of large
/// documents make all later ones count as large.
const MOST_TOO_LARGE: usize = 3;

/// Batches in a share of the memory: one that is on its way, and some that wait or come back.
const BATCHES_IN_SHARE: usize = 4;

/// How much memory documents may take, and how much they do.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    /// What one of those may hold who can hold it for long.
    share: usize,
    most_batch_bytes: usize,
    used: AtomicUsize,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Some of the memory, in use until it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    /// All of it may be written to.
    bytes: Vec<u8>,
    memory: Arc<Memory>,
}

impl Memory {
    /// So many bytes, nobody's in particular.
    pub fn new(limit: usize) -> Self {
        let (share, used) = (limit, AtomicUsize::new(0));
        Self { limit, share, most_batch_bytes: MOST_BYTES, used, spare: Mutex::default() }
    }

    /// So many bytes for `holders` who each may hold on to a share of them for as long as they like,
    /// with a share left for the batch in the making: then all of the others still have theirs.
    pub(crate) fn shared(limit: usize, holders: usize) -> Self {
        let share = limit / holders.saturating_add(1);
        let most_batch_bytes = MOST_BYTES.min(share / BATCHES_IN_SHARE);
        Self { share, most_batch_bytes, ..Self::new(limit) }
    }

    /// Bytes that each holder may hold on to.
    pub(crate) fn share(&self) -> usize {
        self.share
    }

    /// A batch is closed before it takes more than this, unless a single document does.
    pub(super) fn most_batch_bytes(&self) -> usize {
        self.most_batch_bytes
    }

    /// Bytes in use by batches, those that are being made among them.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be in use.
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| *sum <= self.limit)
        });
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The first spare buffer that fits.
    fn spare(&self, bytes: usize) -> Option<Vec<u8>> {
        let most = bytes.saturating_mul(MOST_TOO_LARGE);
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let position = spare.iter().position(|buffer| (bytes..=most).contains(&buffer.len()))?;
        Some(spare.swap_remove(position))
    }

    fn keep(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest stays: it is of the size that is needed now, and most likely still cached.
        spare.push(buffer);
        while spare.iter().map(Vec::len).sum::<usize>() > MOST_SPARE_BYTES {
            drop(spare.remove(0));
        }
    }
}

impl Buffer {
    /// A buffer of at least so many bytes; `None` when that is more than is left of the memory.
    pub(super) fn take(memory: &Arc<Memory>, bytes: usize) -> Option<Self> {
        let bytes = bytes.next_multiple_of(STEP_BYTES);
        let spare = memory.spare(bytes);
        let bytes = spare.as_ref().map_or(bytes, Vec::len);
        if !memory.take(bytes) {
            // It goes back for someone who asks for less.
            spare.into_iter().for_each(|spare| memory.keep(spare));
            return None;
        }
        let bytes = spare.unwrap_or_else(|| vec![0; bytes]);
        Some(Self { bytes, memory: Arc::clone(memory) })
    }

    /// The first bytes of this in a buffer of the right size. It replaces this one, so there is
    /// always room for it.
    pub(super) fn shrunk(self, length: usize) -> Self {
        let bytes = self.bytes.get(..length).unwrap_or(&self.bytes).to_vec();
        self.memory.used.fetch_add(bytes.len(), Ordering::Relaxed);
        Self { bytes, memory: Arc::clone(&self.memory) }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.memory.give_back(bytes.len());
        // Those of other sizes were made to measure.
        if bytes.len().is_multiple_of(STEP_BYTES) {
            self.memory.keep(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_buffers_come_back() {
        let memory = Arc::new(Memory::new(208 << 10));
        let first = Buffer::take(&memory, 100 << 10).unwrap();
        assert_eq!((first.len(), memory.used()), (112 << 10, 112 << 10));
        assert!(Buffer::take(&memory, 97 << 10).is_none());
        assert_eq!(memory.used(), 112 << 10);
        let second = Buffer::take(&memory, 96 << 10).unwrap();
        assert_eq!(memory.used(), memory.limit());
        drop((first, second));
        assert_eq!(memory.used(), 0);
        // The spare one is large enough for another one that is wished for.
        assert_eq!(Buffer::take(&memory, 40 << 10).unwrap().len(), 112 << 10);
        assert_eq!(Buffer::take(&memory, 10 << 10).unwrap().len(), 16 << 10);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn few_bytes_are_kept_for_later() {
        let memory = Arc::new(Memory::new(64 << 20));
        let buffers: Vec<Buffer> =
            (0..20).map(|_| Buffer::take(&memory, 300 << 10).unwrap()).collect();
        drop(buffers);
        assert_eq!(memory.spare.lock().unwrap().len(), 3);
        drop(Buffer::take(&memory, 5 << 20));
        assert_eq!(memory.spare.lock().unwrap().len(), 0);
    }

    #[test]
    fn shrinking_uses_what_is_needed() {
        let memory = Arc::new(Memory::new(64 << 10));
        let mut buffer = Buffer::take(&memory, 64 << 10).unwrap();
        buffer.bytes_mut()[..3].copy_from_slice(b"abc");
        let small = buffer.shrunk(3);
        assert_eq!((small.bytes(), memory.used()), (&b"abc"[..], 3));
        assert_eq!(memory.spare.lock().unwrap().len(), 1);
        drop(small);
        assert_eq!((memory.used(), memory.spare.lock().unwrap().len()), (0, 1));
    }
}
