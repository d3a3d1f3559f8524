//! Datagrams one behind the other in one piece of memory, which is used again and again.

use roentgen_protocol::MAX_DATAGRAM_BYTES;

/// Memory of a batch. Some two hundred usual datagrams fit, which at 50,000 a second is what comes
/// in four milliseconds.
const BATCH_BYTES: usize = 256 << 10;

/// Most datagrams of a batch: bounds what its list of them takes, however small they are.
const BATCH_DATAGRAMS: usize = 1_024;

/// Some datagrams.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each datagram ends, which is where the next begins.
    ends: Vec<usize>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BATCH_BYTES], ends: Vec::new() }
    }

    /// Adds a datagram. There is room for the largest one, unless it is full.
    pub(super) fn add(&mut self, datagram: &[u8]) {
        let begin = self.end();
        let free = self.bytes.get_mut(begin..).unwrap_or_default();
        if let Some(place) = free.get_mut(..datagram.len()) {
            place.copy_from_slice(datagram);
            self.ends.push(begin + datagram.len());
        }
    }

    /// Whether there is no room for one more of any length.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() - self.end() < MAX_DATAGRAM_BYTES || self.ends.len() >= BATCH_DATAGRAMS
    }

    /// How many datagrams there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The datagrams in the order in which they came.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| self.bytes.get(begin..*end).unwrap_or_default())
    }

    /// Forgets the datagrams and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.ends.clear();
    }

    fn end(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_as_they_went_in() {
        let mut batch = Batch::new();
        for round in 0..2 {
            assert_eq!((batch.len(), batch.datagrams().count()), (0, 0), "{round}");
            let datagrams: [&[u8]; 4] = [b"one", b"", b"two", b"\0"];
            datagrams.iter().for_each(|datagram| batch.add(datagram));
            assert_eq!(batch.datagrams().collect::<Vec<_>>(), datagrams);
            batch.clear();
        }
    }

    #[test]
    fn there_is_room_for_the_largest_until_it_is_full() {
        let mut batch = Batch::new();
        let largest = vec![7; MAX_DATAGRAM_BYTES];
        while !batch.is_full() {
            batch.add(&largest);
        }
        assert_eq!(batch.len(), BATCH_BYTES / MAX_DATAGRAM_BYTES);
        assert!(batch.datagrams().all(|datagram| datagram == largest));
    }

    #[test]
    fn small_datagrams_are_bounded_in_number() {
        let mut batch = Batch::new();
        while !batch.is_full() {
            batch.add(b"");
        }
        assert_eq!(batch.len(), BATCH_DATAGRAMS);
    }
}
