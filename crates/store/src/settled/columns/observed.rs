//! Columns of requests and calls: which kinds a trace has, and what is told of them.

use std::ops::RangeInclusive;

use roentgen_model::ServiceId;

use super::super::codes::{CodeWriter, read_codes};
use super::super::encoding::{Input, Malformed, write_count, write_number};
use super::super::lists::{ListTable, Lists};
use super::super::numbering::Numbering;
use super::super::observed::{GroupKind, Kinds, NO_MINUTES, ObservedTrace, bit};
use super::super::service_names::{read_services, write_services};
use super::ColumnData;

/// Which requests and calls each trace has.
#[derive(Debug)]
pub(in super::super) struct Shapes {
    /// The services of the kinds.
    pub(in super::super) services: Vec<ServiceId>,
    pub(in super::super) kinds: Vec<GroupKind>,
    /// Distinct lists of kinds.
    pub(in super::super) lists: Lists,
    /// For each row the number of its list plus 1; 0 if its requests are not known.
    pub(in super::super) codes: Vec<u16>,
    /// For each list, how many numbers are told of its requests.
    numbers: Vec<u32>,
}

/// What is told of the requests and calls of each trace.
#[derive(Debug)]
pub(in super::super) struct RequestNumbers {
    bytes: Vec<u8>,
    /// Where those of each row end.
    ends: Vec<u32>,
}

/// Writes both columns.
#[derive(Debug)]
pub(super) struct ObservedWriter {
    /// The numbers of kinds in the row group plus 1, by their numbers among all.
    in_group: Vec<u32>,
    /// And back.
    kinds: Vec<u32>,
    lists: ListTable,
    codes: CodeWriter,
    written: Vec<u8>,
    numbers: Vec<u8>,
    list: Vec<u32>,
    pub(super) minutes: RangeInclusive<i64>,
}

impl Default for ObservedWriter {
    fn default() -> Self {
        Self {
            in_group: Vec::new(),
            kinds: Vec::new(),
            lists: ListTable::default(),
            codes: CodeWriter::default(),
            written: Vec::new(),
            numbers: Vec::new(),
            list: Vec::new(),
            minutes: NO_MINUTES,
        }
    }
}

impl ObservedWriter {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &ObservedTrace) {
        let (first, last) = (row.minutes.start(), row.minutes.end());
        self.minutes = *first.min(self.minutes.start())..=*last.max(self.minutes.end());
        let list = row.requests.as_ref().map(|requests| {
            let mut list = std::mem::take(&mut self.list);
            list.clear();
            list.extend(requests.kinds.iter().map(|kind| self.number(*kind)));
            let number = self.lists.number(&list);
            self.list = list;
            self.numbers.extend_from_slice(&requests.numbers);
            number
        });
        self.codes.write(&mut self.written, list);
    }

    fn number(&mut self, kind: u32) -> u32 {
        let at = kind as usize;
        if self.in_group.len() <= at {
            self.in_group.resize(at + 1, 0);
        }
        match self.in_group.get_mut(at) {
            Some(number) if *number == 0 => {
                self.kinds.push(kind);
                *number = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
                *number - 1
            }
            known => known.map_or(0, |number| *number - 1),
        }
    }

    /// Appends the services, the kinds, the lists of kinds and the codes of lists.
    pub(super) fn write_shapes(&self, all: &Kinds, out: &mut Vec<u8>) {
        let (mut services, mut numbering) = (Vec::<ServiceId>::new(), Numbering::default());
        let mut number = |service: &ServiceId| {
            let is_same = |number: usize| services.get(number) == Some(service);
            let (number, is_new) = numbering.number(service, is_same);
            if is_new {
                services.push(service.clone());
            }
            number
        };
        let mut kinds = Vec::with_capacity(self.kinds.len() * 3);
        for kind in self.kinds.iter().filter_map(|kind| all.get(*kind)) {
            let from = kind.from.as_ref().map_or(0, |from| u64::from(number(from)) + 1);
            write_number(&mut kinds, u64::from(kind.bits));
            write_number(&mut kinds, from);
            write_number(&mut kinds, u64::from(number(&kind.service)));
        }
        write_services(&services, out);
        write_count(out, self.kinds.len());
        out.extend_from_slice(&kinds);
        self.lists.write(out);
        out.extend_from_slice(&self.written);
    }

    /// What is told of all rows.
    pub(super) fn numbers(&self) -> &[u8] {
        &self.numbers
    }
}

impl Shapes {
    /// The list of a row; `None` if its requests are not known.
    pub(in super::super) fn list_of(&self, row: usize) -> Option<usize> {
        self.codes.get(row).and_then(|code| usize::from(*code).checked_sub(1))
    }

    /// How many requests of a list are the first of their trace.
    pub(in super::super) fn firsts(&self, list: usize) -> usize {
        let kinds = self.lists.get(list).iter().filter_map(|kind| self.kinds.get(*kind as usize));
        kinds.filter(|kind| kind.is_node() && kind.has(bit::ROOT)).count()
    }
}

impl ColumnData for Shapes {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let services = read_services(input)?;
        let count = input.count()?;
        let mut kinds = Vec::with_capacity(count);
        for _ in 0..count {
            let (bits, from, service) = (input.small()?, input.small()?, input.small()?);
            let kind = GroupKind { from, service, bits };
            let is_known = |number: u32| (number as usize) < services.len();
            if !is_known(service) || kind.from.checked_sub(1).is_some_and(|from| !is_known(from)) {
                return Err(Malformed);
            }
            kinds.push(kind);
        }
        let lists = Lists::read(input, kinds.len())?;
        let codes = read_codes(input, rows, lists.len())?;
        let of_list = |list: &[u32]| {
            let kinds = list.iter().filter_map(|kind| kinds.get(*kind as usize));
            kinds.map(|kind| kind.numbers()).sum()
        };
        let numbers = lists.iter().map(of_list).collect();
        Ok(Self { services, kinds, lists, codes, numbers })
    }

    fn memory(&self) -> usize {
        // A service has its texts and some words.
        let services = self.services.iter().map(|service| 128 + service.name.len());
        services.sum::<usize>()
            + self.kinds.capacity() * size_of::<GroupKind>()
            + self.lists.memory()
            + self.codes.capacity() * size_of::<u16>()
            + self.numbers.capacity() * size_of::<u32>()
    }
}

impl RequestNumbers {
    /// Reads the column of a group with these shapes.
    pub(in super::super) fn read(
        input: &mut Input<'_>,
        shapes: &Shapes,
    ) -> Result<Self, Malformed> {
        let bytes = input.take_rest().to_vec();
        let (mut ends, mut rest) = (Vec::with_capacity(shapes.codes.len()), bytes.iter());
        for row in 0..shapes.codes.len() {
            let list = shapes.list_of(row).and_then(|list| shapes.numbers.get(list));
            for _ in 0..list.copied().unwrap_or(0) {
                // The last byte of a number has not its eighth bit set.
                rest.find(|byte| **byte < 0x80).ok_or(Malformed)?;
            }
            let end = bytes.len() - rest.len();
            ends.push(u32::try_from(end).map_err(|_| Malformed)?);
        }
        if rest.len() == 0 { Ok(Self { bytes, ends }) } else { Err(Malformed) }
    }

    /// The bytes of the numbers of a row.
    pub(in super::super) fn get(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let range = start.unwrap_or(0) as usize..self.ends.get(row).copied().unwrap_or(0) as usize;
        self.bytes.get(range).unwrap_or(&[])
    }

    /// The memory it takes.
    pub(in super::super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}
