//! Which minutes there is anything in, so that nobody asks for the graph of empty ones.

use std::collections::BTreeMap;

use roentgen_model::Timestamp;

/// A set of minutes, kept as stretches: those of traffic that goes on are one stretch.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    /// The first minute of each stretch and the one behind its last.
    stretches: BTreeMap<i64, i64>,
}

impl Minutes {
    pub(super) fn add(&mut self, minute: i64) {
        let before = self.stretches.range(..=minute).next_back().map(|(start, end)| (*start, *end));
        let (start, end) = match before {
            Some((_, end)) if minute < end => return,
            Some((start, end)) if minute == end => (start, minute + 1),
            _ => (minute, minute + 1),
        };
        let end = self.stretches.remove(&end).unwrap_or(end);
        self.stretches.insert(start, end);
    }

    /// The begin of each minute, in order.
    pub(super) fn starts(&self) -> impl Iterator<Item = Timestamp> {
        let minutes = self.stretches.iter().flat_map(|(start, end)| *start..*end);
        minutes.map(|minute| Timestamp::from_micros(minute.saturating_mul(60_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_are_one_stretch() {
        let mut minutes = Minutes::default();
        [5, 7, 6, 6, 100, -3].into_iter().for_each(|minute| minutes.add(minute));
        assert_eq!(minutes.stretches, BTreeMap::from([(-3, -2), (5, 8), (100, 101)]));
    }

    proptest! {
        #[test]
        fn every_minute_comes_once_and_in_order(added in prop::collection::vec(-20_i64..20, 0..60)) {
            let mut minutes = Minutes::default();
            added.iter().for_each(|minute| minutes.add(*minute));
            let starts: Vec<_> = minutes.starts().map(Timestamp::minute).collect();
            let expect: Vec<_> = added.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
            prop_assert_eq!(starts, expect);
        }
    }
}
