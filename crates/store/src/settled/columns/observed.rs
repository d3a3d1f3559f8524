//! Columns of requests and calls: which kinds a trace has, and what is told of them.

use std::ops::RangeInclusive;

use roentgen_model::ServiceId;

use super::super::codes::{CodeWriter, read_codes};
use super::super::encoding::{Input, Malformed, write_count, write_number};
use super::super::lists::{ListTable, Lists};
use super::super::numbering::Numbering;
use super::super::observed::{GroupKind, Kind, Kinds, NO_MINUTES, ObservedTrace, bit};
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
    kinds: Vec<GroupKind>,
    services: Vec<ServiceId>,
    service_numbers: Numbering,
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
            services: Vec::new(),
            service_numbers: Numbering::default(),
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
    /// Adds a row, whose kinds are among `all`. Gives about the bytes by which the columns grow, as
    /// they are or in memory, whichever is more.
    pub(super) fn add(&mut self, row: &ObservedTrace, all: &Kinds) -> usize {
        let (first, last) = (row.minutes.start(), row.minutes.end());
        self.minutes = *first.min(self.minutes.start())..=*last.max(self.minutes.end());
        let mut bytes = 0;
        let list = row.requests.as_ref().map(|requests| {
            let mut list = std::mem::take(&mut self.list);
            list.clear();
            for kind in &requests.kinds {
                list.push(self.number(*kind, all, &mut bytes));
            }
            let lists = self.lists.len();
            let number = self.lists.number(&list);
            if self.lists.len() > lists {
                bytes += size_of_val(list.as_slice());
            }
            self.list = list;
            self.numbers.extend_from_slice(&requests.numbers);
            bytes += requests.numbers.len();
            number
        });
        self.codes.write(&mut self.written, list);
        bytes
    }

    fn number(&mut self, kind: u32, all: &Kinds, bytes: &mut usize) -> u32 {
        let at = kind as usize;
        if self.in_group.len() <= at {
            self.in_group.resize(at + 1, 0);
        }
        let known = self.in_group.get(at).and_then(|number| number.checked_sub(1));
        known.unwrap_or_else(|| {
            let Some(Kind { from, service, bits }) = all.get(kind) else { return 0 };
            let from = from.as_ref().map_or(0, |from| self.service(from, bytes) + 1);
            let service = self.service(service, bytes);
            self.kinds.push(GroupKind { from, service, bits: *bits });
            *bytes += size_of::<GroupKind>();
            let number = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
            self.in_group.get_mut(at).into_iter().for_each(|known| *known = number);
            number - 1
        })
    }

    fn service(&mut self, service: &ServiceId, bytes: &mut usize) -> u32 {
        let is_same = |number: usize| self.services.get(number) == Some(service);
        let (number, is_new) = self.service_numbers.number(service, is_same);
        if is_new {
            self.services.push(service.clone());
            *bytes += memory_of(service);
        }
        number
    }

    /// Appends the services, the kinds, the lists of kinds and the codes of lists.
    pub(super) fn write_shapes(&self, out: &mut Vec<u8>) {
        write_services(&self.services, out);
        write_count(out, self.kinds.len());
        for kind in &self.kinds {
            write_number(out, u64::from(kind.bits));
            write_number(out, u64::from(kind.from));
            write_number(out, u64::from(kind.service));
        }
        self.lists.write(out);
        out.extend_from_slice(&self.written);
    }

    /// What is told of all rows.
    pub(super) fn numbers(&self) -> &[u8] {
        &self.numbers
    }
}

/// About the memory of a service: its name, its other texts and some words.
fn memory_of(service: &ServiceId) -> usize {
    128 + service.name.len()
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
        self.services.iter().map(memory_of).sum::<usize>()
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
