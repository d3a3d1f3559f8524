//! Memory for a batch of datagrams: a slot for the largest one each.

/// Room of a slot: more than the payload of any UDP datagram (65,507 bytes by IPv4, 65,527 by
/// IPv6), so that none is ever cut off.
pub(crate) const SLOT_BYTES: usize = 64 * 1024;

/// How much of the memory may stay in use for good: what usual datagrams touch, a page or two of
/// each slot, and then some.
const USUAL_BYTES: usize = 512 << 10;

/// How often there are only small datagrams before memory that large ones touched is given back.
/// Some seconds of a busy receiver; one that goes idle gives back at once.
const PATIENCE: u32 = 1_024;

/// The slots. Memory that no datagram has reached is none: the operating system provides a page
/// when it is first written to.
#[derive(Debug)]
pub(crate) struct Slots {
    memory: Vec<u8>,
    /// The longest datagram each slot has held since its memory is there.
    touched: Vec<usize>,
    /// Fills in a row with small datagrams only, while memory is held that only large ones need.
    small_fills: u32,
}

impl Slots {
    /// So many untouched slots.
    pub(crate) fn new(count: usize) -> Self {
        // The zeroes come from the operating system; nothing is written here.
        Self { memory: vec![0; count * SLOT_BYTES], touched: vec![0; count], small_fills: 0 }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.memory.chunks_exact(SLOT_BYTES)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.memory.chunks_exact_mut(SLOT_BYTES)
    }

    /// Notes what the last fill wrote into the slots, from the first on, and gives memory back that
    /// has not been needed for long.
    pub(crate) fn note(&mut self, lengths: &[usize]) {
        let before = self.touched_bytes();
        for (touched, length) in self.touched.iter_mut().zip(lengths) {
            *touched = (*touched).max(*length);
        }
        let after = self.touched_bytes();
        if after <= USUAL_BYTES || after > before || lengths.iter().sum::<usize>() > USUAL_BYTES {
            self.small_fills = 0;
        } else {
            self.small_fills += 1;
        }
    }

    /// Gives memory back that only large datagrams need, when none came for a while, or at once.
    /// What is in the slots is gone then.
    pub(crate) fn give_back(&mut self, at_once: bool) {
        if self.touched_bytes() > USUAL_BYTES && (at_once || self.small_fills >= PATIENCE) {
            *self = Self::new(self.touched.len());
        }
    }

    fn touched_bytes(&self) -> usize {
        self.touched.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_large_datagrams_is_given_back() {
        let mut slots = Slots::new(16);
        let fill = |slots: &mut Slots, length: usize| {
            slots.note(&[length; 16]);
            slots.give_back(false);
            slots.touched_bytes()
        };
        assert_eq!(fill(&mut slots, 1_000), 16_000);
        let large = 16 * 60_000;
        assert_eq!(fill(&mut slots, 60_000), large);
        for _ in 1..PATIENCE {
            assert_eq!(fill(&mut slots, 1_000), large);
        }
        // A large one in between begins the patience anew.
        assert_eq!(fill(&mut slots, 60_000), large);
        for _ in 1..PATIENCE {
            assert_eq!(fill(&mut slots, 1_000), large);
        }
        assert_eq!(fill(&mut slots, 1_000), 0);
        assert_eq!(fill(&mut slots, 60_000), large);
        slots.give_back(true);
        assert_eq!(slots.touched_bytes(), 0);
        assert_eq!(fill(&mut slots, 1_000), 16_000);
        slots.give_back(true);
        assert_eq!(slots.touched_bytes(), 16_000);
    }
}
