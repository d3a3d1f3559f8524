//! The numbers of settled files.

use super::encoding::{Input, Malformed, write_count, write_number};

/// The number of a settled file, in the order in which they were made. Files refer to earlier
/// ones by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// The files that a file stands for: itself, or those it was merged from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// First and last of each run of numbers without a gap, ascending, with gaps between them.
    runs: Vec<(u64, u64)>,
}

impl Sequences {
    /// One file by itself.
    pub fn of(sequence: Sequence) -> Self {
        Self { runs: vec![(sequence.0, sequence.0)] }
    }

    /// Whether that file is among them.
    pub fn contains(&self, Sequence(number): Sequence) -> bool {
        let after = self.runs.partition_point(|(first, _)| *first <= number);
        let run = after.checked_sub(1).and_then(|index| self.runs.get(index));
        run.is_some_and(|(_, last)| number <= *last)
    }

    /// The highest of them.
    pub fn last(&self) -> Sequence {
        Sequence(self.runs.last().map_or(0, |(_, last)| *last))
    }

    /// First and last of each run of numbers without a gap, ascending.
    pub(crate) fn runs(&self) -> &[(u64, u64)] {
        &self.runs
    }

    /// Those of some runs; `None` when these are not ascending.
    pub(crate) fn from_runs(runs: Vec<(u64, u64)>) -> Option<Self> {
        let is_ascending = runs.is_sorted_by(|(_, last), (first, _)| last < first)
            && runs.iter().all(|(first, last)| first <= last);
        is_ascending.then_some(Self { runs })
    }

    /// All of several.
    pub(super) fn union<'a>(all: impl IntoIterator<Item = &'a Sequences>) -> Self {
        let mut runs: Vec<(u64, u64)> = all.into_iter().flat_map(|s| s.runs.clone()).collect();
        runs.sort_unstable();
        let mut union: Vec<(u64, u64)> = Vec::new();
        for (first, last) in runs {
            match union.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => union.push((first, last)),
            }
        }
        Self { runs: union }
    }

    /// How many runs there are, then of each the distance from the end of the one before, and its
    /// length less 1.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.runs.len());
        let mut end = 0;
        for (first, last) in &self.runs {
            write_number(out, first - end);
            write_number(out, last - first);
            end = *last;
        }
    }

    /// Reads what [`Sequences::write`] wrote.
    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = input.count()?;
        let (mut runs, mut end) = (Vec::with_capacity(count), 0_u64);
        for _ in 0..count {
            let first = end.checked_add(input.number()?).ok_or(Malformed)?;
            end = first.checked_add(input.number()?).ok_or(Malformed)?;
            runs.push((first, end));
        }
        Ok(Self { runs })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unions_contain_exactly_their_parts(parts in prop::collection::vec(0_u64..40, 1..20)) {
            let all: Vec<Sequences> = parts.iter().map(|n| Sequences::of(Sequence(*n))).collect();
            let union = Sequences::union(&all);
            let numbers: BTreeSet<u64> = parts.into_iter().collect();
            for number in 0..45 {
                prop_assert_eq!(union.contains(Sequence(number)), numbers.contains(&number));
            }
            prop_assert_eq!(Some(union.last().0), numbers.last().copied());
            let mut out = Vec::new();
            union.write(&mut out);
            let mut input = Input::new(&out);
            prop_assert_eq!(Sequences::read(&mut input), Ok(union));
            prop_assert_eq!(input.finish(), Ok(()));
        }
    }
}
