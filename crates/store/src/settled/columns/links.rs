//! The column of links to other traces. Few traces have any, so it is a list of links with the rows
//! that have them, and a row group without links is without the column.

use roentgen_model::{Flags, LinkObservation, Micros, SegmentId, ServiceId, Timestamp, TraceId};

use super::super::encoding::{Input, Malformed, write_count, write_number, write_signed};
use super::super::numbering::Numbering;
use super::super::service_names::{read_services, write_services};
use super::ColumnData;

/// Bits that tell how what was received has ended.
mod bit {
    pub(super) const FAULT: u8 = 1;
    pub(super) const ERROR: u8 = 1 << 1;
    pub(super) const THROTTLE: u8 = 1 << 2;
    pub(super) const ENDED: u8 = 1 << 3;
}

/// The links of a row group.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Links {
    /// With the row of the trace that has it, ascending; those of a trace in the order of assembly.
    links: Vec<(u16, LinkObservation)>,
}

impl Links {
    /// All links, each with its row; ascending by row.
    pub(in super::super) fn iter(&self) -> impl Iterator<Item = (usize, &LinkObservation)> {
        self.links.iter().map(|(row, link)| (usize::from(*row), link))
    }

    /// The links of a row.
    pub(in super::super) fn of_row(&self, row: usize) -> impl Iterator<Item = &LinkObservation> {
        let first = self.links.partition_point(|(at, _)| usize::from(*at) < row);
        let rest = self.links.get(first..).unwrap_or_default();
        rest.iter().take_while(move |(at, _)| usize::from(*at) == row).map(|(_, link)| link)
    }
}

impl ColumnData for Links {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let services = read_services(input)?;
        let count = input.count()?;
        let mut links = Vec::with_capacity(count);
        let (mut row, mut start) = (0_u64, 0_i64);
        for _ in 0..count {
            row = row.checked_add(input.number()?).ok_or(Malformed)?;
            let row = u16::try_from(row).ok().filter(|row| usize::from(*row) < rows);
            let receiver = services.get(input.small::<usize>()?).ok_or(Malformed)?.clone();
            let [bits] = input.array()?;
            start = start.wrapping_add(input.signed()?);
            let from = Timestamp::from_micros(start);
            let has = |bit: u8| bits & bit != 0;
            let end = match has(bit::ENDED) {
                true => Some(from.plus(Micros::new(input.signed()?))),
                false => None,
            };
            let link = LinkObservation {
                receiver,
                start: from,
                end,
                flags: Flags {
                    fault: has(bit::FAULT),
                    error: has(bit::ERROR),
                    throttle: has(bit::THROTTLE),
                },
                to_trace: TraceId::from_bytes(input.array()?),
                to: SegmentId::from_u64(u64::from_be_bytes(input.array()?)),
            };
            links.push((row.ok_or(Malformed)?, link));
        }
        Ok(Self { links })
    }

    fn memory(&self) -> usize {
        // The few receivers, named by all, are no more than what is reserved here.
        self.links.capacity() * size_of::<(u16, LinkObservation)>() + 1024
    }
}

/// Writes the column.
#[derive(Debug, Default)]
pub(super) struct LinksWriter {
    services: Vec<ServiceId>,
    numbers: Numbering,
    /// Rows so far.
    rows: u64,
    /// The row and the start of the link before.
    last: (u64, i64),
    count: usize,
    written: Vec<u8>,
}

impl LinksWriter {
    /// Adds a row. Gives about the bytes by which the column grows in memory.
    pub(super) fn add(&mut self, links: &[LinkObservation]) -> usize {
        let row = self.rows;
        self.rows += 1;
        let mut bytes = size_of_val(links);
        for link in links {
            let is_same = |number: usize| self.services.get(number) == Some(&link.receiver);
            let (receiver, is_new) = self.numbers.number(&link.receiver, is_same);
            if is_new {
                bytes += link.receiver.name.len();
                self.services.push(link.receiver.clone());
            }
            let (last_row, last_start) =
                std::mem::replace(&mut self.last, (row, link.start.as_micros()));
            let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
            let out = &mut self.written;
            write_number(out, row - last_row);
            write_number(out, u64::from(receiver));
            out.push(
                bit(link.flags.fault, bit::FAULT)
                    | bit(link.flags.error, bit::ERROR)
                    | bit(link.flags.throttle, bit::THROTTLE)
                    | bit(link.end.is_some(), bit::ENDED),
            );
            write_signed(out, link.start.as_micros().wrapping_sub(last_start));
            if let Some(end) = link.end {
                write_signed(out, (end - link.start).get());
            }
            out.extend_from_slice(&link.to_trace.to_bytes());
            out.extend_from_slice(&link.to.to_u64().to_be_bytes());
            self.count += 1;
        }
        bytes
    }

    /// The bytes of the column; `None` if there are no links.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        if self.count == 0 {
            return None;
        }
        let mut out = Vec::new();
        write_services(&self.services, &mut out);
        write_count(&mut out, self.count);
        out.extend_from_slice(&self.written);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_link() -> impl Strategy<Value = LinkObservation> {
        let times = (0_i64..4_000_000_000_000_000, prop::option::of(-5_i64..9_000_000));
        (0..3_u8, times, any::<[bool; 3]>(), any::<([u8; 16], u64)>()).prop_map(
            |(receiver, (start, length), [fault, error, throttle], (to_trace, to))| {
                let start = Timestamp::from_micros(start);
                LinkObservation {
                    receiver: ServiceId::new(&format!("worker-{receiver}"), None, None),
                    start,
                    end: length.map(|length| start.plus(Micros::new(length))),
                    flags: Flags { fault, error, throttle },
                    to_trace: TraceId::from_bytes(to_trace),
                    to: SegmentId::from_u64(to),
                }
            },
        )
    }

    fn any_rows() -> impl Strategy<Value = Vec<Vec<LinkObservation>>> {
        let row = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any_link(), 1..4)];
        prop::collection::vec(row, 1..20)
    }

    fn written(rows: &[Vec<LinkObservation>]) -> Option<Vec<u8>> {
        let mut writer = LinksWriter::default();
        rows.iter().for_each(|links| assert!(writer.add(links) >= links.len()));
        writer.to_bytes()
    }

    proptest! {
        #[test]
        fn links_come_back_with_their_rows(rows in any_rows()) {
            let Some(bytes) = written(&rows) else {
                prop_assert!(rows.iter().all(Vec::is_empty));
                return Ok(());
            };
            let mut input = Input::new(&bytes);
            let links = Links::read(&mut input, rows.len()).unwrap();
            prop_assert!(input.finish().is_ok());
            for (row, expect) in rows.iter().enumerate() {
                prop_assert_eq!(links.of_row(row).cloned().collect::<Vec<_>>(), expect.clone());
            }
            let all: usize = rows.iter().map(Vec::len).sum();
            prop_assert_eq!(links.iter().count(), all);
            for length in 0..bytes.len() {
                let mut input = Input::new(&bytes[..length]);
                let read = Links::read(&mut input, rows.len());
                prop_assert!(read.is_err(), "{length} of {}", bytes.len());
            }
        }

        #[test]
        fn any_bytes_are_read_or_malformed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Links::read(&mut Input::new(&bytes), 7));
        }
    }

    #[test]
    fn links_of_rows_that_are_not_there_are_malformed() {
        let link = LinkObservation {
            receiver: ServiceId::new("worker", None, None),
            start: Timestamp::from_micros(1),
            end: None,
            flags: Flags::default(),
            to_trace: TraceId::NOOP,
            to: SegmentId::from_u64(1),
        };
        let bytes = written(&[Vec::new(), Vec::new(), vec![link]]).unwrap();
        let check = |rows: usize, expect: bool| {
            let read = Links::read(&mut Input::new(&bytes), rows);
            assert_eq!(read.is_ok(), expect, "{rows}");
        };
        check(2, false);
        check(3, true);
    }
}
