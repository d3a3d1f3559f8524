//! Digests: what is kept in mind of columns that were read, so that they need not be read again to
//! learn that nothing in them matches.
//!
//! A rare match is in few row groups, but a scan for it asks all of them, and their columns are more
//! than the cache has room for. Digests take a small part of that room and so stay in it. They are
//! made of what was read and never written: files of every version have them, and a scan with none
//! in mind costs what reading costs.
//!
//! A digest only ever tells that nothing matches; then nothing does. What it cannot rule out is
//! looked at.

use std::hash::BuildHasher as _;
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;
use roentgen_model::{Micros, ServiceId};

use super::columns::ColumnName;
use super::filter::Filter;
use super::observed::GroupKind;
use super::texts::Texts;
use crate::TextMatch;
use crate::condition::only;

/// What a digest is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DigestName {
    /// [`KindLengths`] of a row group.
    Lengths,
    /// [`TextDigest`] of the dictionary of a column; of several there, of the one at this place.
    Texts(ColumnName, usize),
}

/// How long the requests and calls of a row group took.
#[derive(Debug)]
pub(super) struct KindLengths {
    /// The services of the kinds.
    pub(super) services: Vec<ServiceId>,
    pub(super) kinds: Vec<GroupKind>,
    /// For each kind from the least length to the greatest; `None` if none of it has ended.
    pub(super) lengths: Vec<Option<RangeInclusive<Micros>>>,
    /// Whether the requests of all rows are known.
    pub(super) has_all: bool,
}

/// Which texts are in a dictionary.
#[derive(Debug)]
pub(super) struct TextDigest {
    key: RandomState,
    filter: Filter,
}

impl KindLengths {
    /// Widens the range of a kind.
    pub(super) fn add(&mut self, kind: u32, length: i64) {
        let Some(lengths) = self.lengths.get_mut(kind as usize) else { return };
        let length = only(Micros::new(length));
        *lengths = Some(match lengths {
            Some(known) => *known.start().min(length.start())..=*known.end().max(length.end()),
            None => length,
        });
    }

    /// The memory that it takes. Services are shared with other columns, mostly.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.services.capacity() * size_of::<ServiceId>()
            + self.kinds.capacity() * size_of::<GroupKind>()
            + self.lengths.capacity() * size_of::<Option<RangeInclusive<Micros>>>()
    }
}

impl TextDigest {
    /// Whether a digest can tell anything of what is asked.
    pub(super) fn is_of_use_for(wanted: &TextMatch) -> bool {
        matches!(wanted, TextMatch::Equals(_))
    }

    /// The digest of a dictionary.
    pub(super) fn of(texts: &Texts) -> Self {
        let (key, mut filter) = (RandomState::default(), Filter::with_room_for(texts.len()));
        texts.iter().for_each(|text| filter.insert_hash(key.hash_one(text)));
        Self { key, filter }
    }

    /// Whether some text of the dictionary may be as it is asked for: `false` is certain.
    pub(super) fn may_match(&self, wanted: &TextMatch) -> bool {
        match wanted {
            TextMatch::Equals(text) => {
                self.filter.may_contain_hash(self.key.hash_one(text.as_str()))
            }
            TextMatch::Contains(_) | TextMatch::StartsWith(_) | TextMatch::EndsWith(_) => true,
        }
    }

    /// The memory that it takes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.filter.memory()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encoding::Input;
    use super::super::texts::TextTable;
    use super::*;

    fn dictionary(texts: &[String]) -> Texts {
        let (mut table, mut out) = (TextTable::default(), Vec::new());
        texts.iter().for_each(|text| {
            table.number(text);
        });
        table.write(&mut out);
        Texts::read(&mut Input::new(&out)).unwrap()
    }

    #[test]
    fn most_texts_that_are_not_there_are_ruled_out() {
        let texts: Vec<String> = (0..4096).map(|number| format!("order-{number}")).collect();
        let digest = TextDigest::of(&dictionary(&texts));
        let other = |number| TextMatch::Equals(format!("order-{number}"));
        let passed = (4096..104_096).filter(|number| digest.may_match(&other(*number))).count();
        assert!(passed < 2000, "{passed} of 100,000 absent texts are let through");
        assert!(digest.memory() < 8 << 10, "{}", digest.memory());
    }

    #[test]
    fn lengths_that_count_as_nothing_are_in_the_range() {
        let kind = GroupKind { from: 0, service: 0, bits: 0 };
        let mut lengths = KindLengths {
            services: vec![],
            kinds: vec![kind; 2],
            lengths: vec![None; 2],
            has_all: true,
        };
        [7, -3, 5].into_iter().for_each(|length| lengths.add(0, length));
        assert_eq!(lengths.lengths, [Some(Micros::new(0)..=Micros::new(7)), None]);
    }

    proptest! {
        #[test]
        fn what_matches_is_never_ruled_out(
            texts in prop::collection::vec("[abé]{0,4}", 1..40),
            wanted in "[abé]{0,4}",
        ) {
            let digest = TextDigest::of(&dictionary(&texts));
            for make in [TextMatch::Equals, TextMatch::Contains, TextMatch::StartsWith, TextMatch::EndsWith] {
                let wanted = make(wanted.clone());
                let is_there = texts.iter().any(|text| wanted.matches(text));
                prop_assert!(digest.may_match(&wanted) || !is_there, "{:?}", wanted);
            }
        }
    }
}
