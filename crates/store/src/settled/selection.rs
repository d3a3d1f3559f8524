//! Rows of a row group that are still in question.

/// A set of row numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    words: Vec<u64>,
}

impl Selection {
    /// All of so many rows.
    pub(super) fn all(rows: usize) -> Self {
        let mut words = vec![u64::MAX; rows / 64];
        if !rows.is_multiple_of(64) {
            words.push((1 << (rows % 64)) - 1);
        }
        Self { words }
    }

    /// Keeps the rows for which this is true.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(usize) -> bool) {
        for (index, word) in self.words.iter_mut().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                if !is_kept(index * 64 + bit as usize) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Puts a row in.
    pub(super) fn insert(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    /// Takes all rows out.
    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Puts in the rows of another set of the same group.
    pub(super) fn add(&mut self, other: &Selection) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// Takes out the rows of another set of the same group.
    pub(super) fn subtract(&mut self, other: &Selection) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// Whether no row is left.
    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many rows are left.
    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many rows are left from this one on.
    pub(super) fn count_from(&self, row: usize) -> usize {
        let first = self.words.get(row / 64).map_or(0, |word| (word >> (row % 64)).count_ones());
        let rest = self.words.iter().skip(row / 64 + 1).map(|word| word.count_ones());
        (first + rest.sum::<u32>()) as usize
    }

    /// The rows that are left, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_selection_is_a_set(rows in 0_usize..300, kept: [bool; 300], from in 0_usize..310, gone in 0_usize..310) {
            let mut selection = Selection::all(rows);
            prop_assert_eq!(selection.count(), rows);
            selection.retain(|row| kept[row]);
            selection.remove(gone);
            let expect: Vec<usize> = (0..rows).filter(|row| kept[*row] && *row != gone).collect();
            prop_assert_eq!(selection.iter().collect::<Vec<_>>(), expect.clone());
            prop_assert_eq!(selection.count(), expect.len());
            prop_assert_eq!(selection.is_empty(), expect.is_empty());
            prop_assert_eq!(selection.count_from(from), expect.iter().filter(|row| **row >= from).count());
        }
    }
}
