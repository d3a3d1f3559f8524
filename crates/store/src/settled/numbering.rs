//! Numbers for distinct values, in the order of first use: what every dictionary is made with.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::RandomState;

/// Finds the number of a value by its hash. The values themselves stand with whoever asks.
///
/// Half of the cost of writing a file was in hash maps of the standard library. This table is
/// small enough to stay in the processor's cache, and the hash is fast; it is keyed, but not
/// proof against senders who study it. The worst that they could do is bounded by the size of a
/// row group: some milliseconds.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Hash, and number plus 1; as many as a power of two, at least half of them free.
    slots: Vec<(u32, u32)>,
    used: u32,
    key: RandomState,
}

impl Numbering {
    /// The number of a value, and whether it is new. `is_same` tells whether the value with a
    /// number is this one.
    pub(super) fn number(
        &mut self,
        value: &(impl Hash + ?Sized),
        is_same: impl Fn(usize) -> bool,
    ) -> (u32, bool) {
        if self.slots.len() < (self.used as usize + 1) * 2 {
            self.grow();
        }
        let [a, b, c, d, ..] = self.key.hash_one(value).to_le_bytes();
        let hash = u32::from_le_bytes([a, b, c, d]);
        let slot = find(&self.slots, hash, |number| is_same(number as usize));
        match self.slots.get_mut(slot) {
            Some((_, 0)) | None => {
                let number = self.used;
                self.used += 1;
                if let Some(free) = self.slots.get_mut(slot) {
                    *free = (hash, self.used);
                }
                (number, true)
            }
            Some((_, number)) => (*number - 1, false),
        }
    }

    fn grow(&mut self) {
        let larger = vec![(0, 0); (self.slots.len() * 4).max(64)];
        for (hash, number) in std::mem::replace(&mut self.slots, larger) {
            if number != 0 {
                let slot = find(&self.slots, hash, |_| false);
                if let Some(free) = self.slots.get_mut(slot) {
                    *free = (hash, number);
                }
            }
        }
    }
}

/// The slot of the value with this hash that is the same, or the one it should have.
fn find(slots: &[(u32, u32)], hash: u32, is_same: impl Fn(u32) -> bool) -> usize {
    let mask = slots.len() - 1;
    let mut slot = hash as usize & mask;
    loop {
        match slots.get(slot) {
            Some((found, number)) if *number != 0 => {
                if *found == hash && is_same(number - 1) {
                    return slot;
                }
            }
            _ => return slot,
        }
        slot = (slot + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_first_use() {
        let mut numbering = Numbering::default();
        let mut values: Vec<u64> = Vec::new();
        for round in 0..3 {
            for value in (0..5000).map(|n| n * n) {
                let (number, is_new) = numbering.number(&value, |number| values[number] == value);
                assert_eq!(is_new, round == 0);
                if is_new {
                    values.push(value);
                }
                assert_eq!(values[number as usize], value);
            }
        }
        assert!(numbering.slots.len() >= 10_000 && numbering.slots.len() < 80_000);
    }
}
