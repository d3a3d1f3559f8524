//! Lists of numbers: each distinct list of a column once, in the order of first use.

use super::encoding::{Input, Malformed, write_count, write_number};
use super::numbering::Numbering;

/// The lists, end to end.
#[derive(Debug, Default)]
pub(super) struct Lists {
    items: Vec<u32>,
    /// Where each list ends.
    ends: Vec<u32>,
}

impl Lists {
    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Memory taken.
    pub(super) fn memory(&self) -> usize {
        (self.items.capacity() + self.ends.capacity()) * size_of::<u32>()
    }

    /// The list with a number; an empty one if there is none.
    pub(super) fn get(&self, number: usize) -> &[u32] {
        let start =
            number.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, to_usize);
        self.ends.get(number).and_then(|end| self.items.get(start..to_usize(end))).unwrap_or(&[])
    }

    /// All lists by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|number| self.get(number))
    }

    /// Reads lists whose items are all below `limit`.
    pub(super) fn read(input: &mut Input<'_>, limit: usize) -> Result<Self, Malformed> {
        let count = input.count()?;
        let mut ends = Vec::with_capacity(count);
        let mut end = 0_u32;
        for _ in 0..count {
            end = end.checked_add(input.small()?).ok_or(Malformed)?;
            ends.push(end);
        }
        let total = to_usize(&end);
        if total > input.len() {
            return Err(Malformed);
        }
        let mut items = Vec::with_capacity(total);
        for _ in 0..total {
            let item: u32 = input.small()?;
            if to_usize(&item) >= limit {
                return Err(Malformed);
            }
            items.push(item);
        }
        Ok(Self { items, ends })
    }
}

fn to_usize(number: &u32) -> usize {
    *number as usize
}

/// Lists being collected.
#[derive(Debug, Default)]
pub(super) struct ListTable {
    numbering: Numbering,
    lists: Lists,
}

impl ListTable {
    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// The number of a list, which is put in if it is new.
    pub(super) fn number(&mut self, list: &[u32]) -> u32 {
        let is_same = |number| self.lists.get(number) == list;
        let (number, is_new) = self.numbering.number(list, is_same);
        if is_new {
            self.lists.items.extend_from_slice(list);
            self.lists.ends.push(u32::try_from(self.lists.items.len()).unwrap_or(u32::MAX));
        }
        number
    }

    /// Appends the lists: how many there are, their lengths, and their items.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.lists.len());
        self.lists.iter().for_each(|list| write_count(out, list.len()));
        self.lists.items.iter().for_each(|item| write_number(out, u64::from(*item)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn items_beyond_the_limit_are_malformed() {
        let read = |bytes: &[u8]| Lists::read(&mut Input::new(bytes), 3).map(|lists| lists.items);
        assert_eq!(read(&[2, 1, 2, 2, 0, 1]), Ok(vec![2, 0, 1]));
        assert_eq!(read(&[2, 1, 2, 3, 0, 1]), Err(Malformed));
        assert_eq!(read(&[2, 1, 9, 2, 0, 1]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn lists_come_back(lists in prop::collection::vec(prop::collection::vec(0_u32..5, 0..4), 0..30)) {
            let (mut table, mut out) = (ListTable::default(), Vec::new());
            let numbers: Vec<u32> = lists.iter().map(|list| table.number(list)).collect();
            table.write(&mut out);
            let read = Lists::read(&mut Input::new(&out), 5).unwrap();
            let found: Vec<&[u32]> = numbers.iter().map(|number| read.get(*number as usize)).collect();
            prop_assert_eq!(found, lists.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(read.iter().count(), read.len());
        }
    }
}
