//! Random numbers from a seed, so that what went wrong can be done again: SplitMix64 (Steele, Lea
//! and Flood, 2014).

use std::ops::Range;

/// The odd number nearest to 2⁶⁴ divided by the golden ratio: the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: scattered(seed) }
    }

    pub(super) fn number(&mut self) -> u64 {
        let number = scattered(self.state);
        self.state = self.state.wrapping_add(STEP);
        number
    }

    /// A number of a range; the start of an empty one.
    pub(super) fn within(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start);
        let scaled = (u128::from(self.number()) * u128::from(width)) >> 64;
        range.start + u64::try_from(scaled).unwrap_or(0)
    }

    /// True once in `times` times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.within(0..times) == 0
    }

    /// An element of a list; none of an empty one.
    pub(super) fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let index = self.within(0..u64::try_from(list.len()).unwrap_or(0));
        list.get(usize::try_from(index).unwrap_or(0))
    }

    pub(super) fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.number().to_le_bytes()[0]).collect()
    }
}

/// Numbers that look random and never repeat: the finaliser of SplitMix64 is a bijection.
pub(super) fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_sequence() {
        // The first numbers of SplitMix64 from the state 0.
        let mut random = Random { state: 0 };
        assert_eq!(random.number(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.number(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn stays_within_its_range() {
        let mut random = Random::new(7);
        let drawn: Vec<u64> = (0..1000).map(|_| random.within(3..6)).collect();
        assert!([3, 4, 5].iter().all(|value| drawn.contains(value)), "{drawn:?}");
        assert!(drawn.iter().all(|value| (3..6).contains(value)), "{drawn:?}");
        assert_eq!(random.within(9..9), 9);
        assert_eq!(random.of::<u8>(&[]), None);
    }
}
