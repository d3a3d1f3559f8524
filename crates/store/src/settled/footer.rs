//! The footer: where everything in a settled file stands, and what is known without reading it.

use std::ops::RangeInclusive;

use roentgen_model::{Micros, Timestamp, TraceId, TraceSummary};

use super::Position;
use super::chunk::Place;
use super::columns::{ColumnName, flags_of, outcome_bit};
use super::encoding::{Input, Malformed, write_count, write_number, write_signed};
use super::file_writer::{VERSION_1, VERSION_2};
use super::rollups::RollupPlace;
use super::sequence::Sequences;
use crate::Cursor;

/// What is known of the rows of a group, and where its columns stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RowGroup {
    /// How many rows there are.
    pub(super) rows: usize,
    /// Rows that no longer count, ascending.
    pub(super) dead: Vec<u16>,
    /// Time and id of the first row, the oldest.
    pub(super) first: Cursor,
    /// Time and id of the last row.
    pub(super) last: Cursor,
    /// From the least start to the greatest.
    pub(super) starts: RangeInclusive<i64>,
    /// From the least end to the greatest.
    pub(super) ends: RangeInclusive<i64>,
    /// From the least duration to the greatest.
    pub(super) durations: RangeInclusive<i64>,
    /// From the least response time to the greatest, if any row has one.
    pub(super) response_times: Option<RangeInclusive<i64>>,
    /// Flags that some row has, and outcomes that some row has, as bits.
    pub(super) any_flags: u8,
    /// Flags that all rows have.
    pub(super) all_flags: u8,
    /// Outcomes that some row has: see [`outcome_bit`].
    pub(super) outcomes: u8,
    /// The columns but those of requests and calls, in the order of [`ColumnName`].
    pub(super) columns: Vec<Place>,
    /// The columns of requests and calls; `None` in row groups of version 1.
    pub(super) observed: Option<ObservedColumns>,
    /// [`ColumnName::Links`]; `None` if no trace has links, or they are not known.
    pub(super) links: Option<Place>,
}

/// What is known of the requests and calls of a row group, and where their columns stand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ObservedColumns {
    /// From the first minute in which one began to the last; to an earlier one if there is none.
    pub(super) minutes: RangeInclusive<i64>,
    /// [`ColumnName::Shapes`].
    pub(super) shapes: Place,
    /// [`ColumnName::RequestNumbers`].
    pub(super) numbers: Place,
}

impl RowGroup {
    /// What is known of one row. The columns are still missing.
    pub(super) fn of(row: &TraceSummary) -> Self {
        let (key, flags) = (Cursor { time: row.time, id: row.id }, flags_of(row));
        let only = |number: i64| number..=number;
        Self {
            rows: 1,
            dead: Vec::new(),
            first: key,
            last: key,
            starts: only(row.start.as_micros()),
            ends: only(row.end.as_micros()),
            durations: only((row.end - row.start).get()),
            response_times: row.response_time.map(|time| only(time.get())),
            any_flags: flags,
            all_flags: flags,
            outcomes: outcome_bit(flags),
            columns: Vec::new(),
            observed: None,
            links: None,
        }
    }

    /// Adds the row that follows.
    pub(super) fn add(&mut self, row: &TraceSummary) {
        let flags = flags_of(row);
        self.rows += 1;
        self.last = Cursor { time: row.time, id: row.id };
        widen(&mut self.starts, row.start.as_micros());
        widen(&mut self.ends, row.end.as_micros());
        widen(&mut self.durations, (row.end - row.start).get());
        if let Some(time) = row.response_time.map(Micros::get) {
            widen(self.response_times.get_or_insert(time..=time), time);
        }
        self.any_flags |= flags;
        self.all_flags &= flags;
        self.outcomes |= outcome_bit(flags);
    }

    /// The place of a column.
    pub(super) fn column(&self, name: ColumnName) -> Option<Place> {
        let observed = self.observed.as_ref();
        match name {
            ColumnName::Shapes => observed.map(|observed| observed.shapes),
            ColumnName::RequestNumbers => observed.map(|observed| observed.numbers),
            ColumnName::Links => self.links,
            name => self.columns.get(name.index()).copied(),
        }
    }

    /// Rows that count.
    pub(super) fn live_rows(&self) -> usize {
        self.rows - self.dead.len()
    }

    fn write(&self, out: &mut Vec<u8>, end: &mut u64) {
        write_count(out, self.rows);
        write_count(out, self.dead.len());
        self.dead.iter().for_each(|row| write_number(out, u64::from(*row)));
        for Cursor { time, id } in [self.first, self.last] {
            write_signed(out, time.as_micros());
            out.extend_from_slice(&id.to_bytes());
        }
        for range in [&self.starts, &self.ends, &self.durations] {
            write_range(out, range);
        }
        out.push(u8::from(self.response_times.is_some()));
        self.response_times.iter().for_each(|range| write_range(out, range));
        out.extend([self.any_flags, self.all_flags, self.outcomes]);
        write_count(out, self.columns.len());
        self.columns.iter().for_each(|place| place.write(out, end));
        out.push(u8::from(self.observed.is_some()));
        if let Some(observed) = &self.observed {
            write_range(out, &observed.minutes);
            observed.shapes.write(out, end);
            observed.numbers.write(out, end);
        }
        out.push(u8::from(self.links.is_some()));
        self.links.iter().for_each(|place| place.write(out, end));
    }

    fn read(input: &mut Input<'_>, version: u32, end: &mut u64) -> Result<Self, Malformed> {
        let rows = input.small::<u16>()?.into();
        let dead = (0..input.count()?).map(|_| input.small()).collect::<Result<Vec<u16>, _>>()?;
        if rows == 0 || dead.len() > rows || dead.iter().any(|row| usize::from(*row) >= rows) {
            return Err(Malformed);
        }
        let mut key = || {
            let time = Timestamp::from_micros(input.signed()?);
            Ok(Cursor { time, id: TraceId::from_bytes(input.array()?) })
        };
        let (first, last) = (key()?, key()?);
        let (starts, ends, durations) =
            (read_range(input)?, read_range(input)?, read_range(input)?);
        let response_times = match input.array()? {
            [0] => None,
            [1] => Some(read_range(input)?),
            _ => return Err(Malformed),
        };
        let [any_flags, all_flags, outcomes] = input.array()?;
        let count = input.count()?;
        if count < ColumnName::FIXED.len() {
            return Err(Malformed);
        }
        let columns = (0..count).map(|_| Place::read(input, end)).collect::<Result<_, _>>()?;
        let has_observed = if version == VERSION_1 { [0] } else { input.array()? };
        let observed = match has_observed {
            [0] => None,
            [1] => Some(ObservedColumns {
                minutes: read_range(input)?,
                shapes: Place::read(input, end)?,
                numbers: Place::read(input, end)?,
            }),
            _ => return Err(Malformed),
        };
        let has_links = if version <= VERSION_2 { [0] } else { input.array()? };
        let links = match has_links {
            [0] => None,
            [1] => Some(Place::read(input, end)?),
            _ => return Err(Malformed),
        };
        Ok(Self {
            rows,
            dead,
            first,
            last,
            starts,
            ends,
            durations,
            response_times,
            any_flags,
            all_flags,
            outcomes,
            columns,
            observed,
            links,
        })
    }
}

fn widen(range: &mut RangeInclusive<i64>, number: i64) {
    if !range.contains(&number) {
        *range = number.min(*range.start())..=number.max(*range.end());
    }
}

fn write_range(out: &mut Vec<u8>, range: &RangeInclusive<i64>) {
    write_signed(out, *range.start());
    write_signed(out, *range.end());
}

fn read_range(input: &mut Input<'_>) -> Result<RangeInclusive<i64>, Malformed> {
    Ok(input.signed()?..=input.signed()?)
}

/// The footer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Footer {
    /// The number of the log file with the newest document.
    pub(super) home: u32,
    /// The files that this one stands for.
    pub(super) sequences: Sequences,
    /// Entries of the trace index.
    pub(super) entries: u64,
    /// Positions in the trace index.
    pub(super) documents: u64,
    /// Bytes of the documents.
    pub(super) document_bytes: u64,
    /// The least and greatest position.
    pub(super) positions: Option<(Position, Position)>,
    /// The least and greatest first four bytes of an id.
    pub(super) epochs: (u32, u32),
    /// The row groups.
    pub(super) groups: Vec<RowGroup>,
    /// The blocks of rollups and corrections.
    pub(super) rollups: Vec<RollupPlace>,
    /// The list of superseded rows.
    pub(super) superseded: Place,
    /// The fences of the trace index.
    pub(super) fences: Place,
    /// The filter of the trace index.
    pub(super) filter: Place,
}

impl Footer {
    /// The footer as bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_number(&mut out, u64::from(self.home));
        self.sequences.write(&mut out);
        for count in [self.entries, self.documents, self.document_bytes] {
            write_number(&mut out, count);
        }
        out.push(u8::from(self.positions.is_some()));
        if let Some((least, greatest)) = self.positions {
            write_number(&mut out, least.as_u64());
            write_number(&mut out, greatest.as_u64());
        }
        write_number(&mut out, u64::from(self.epochs.0));
        write_number(&mut out, u64::from(self.epochs.1));
        // Places are told by their distance from the one before; sections stand in this order,
        // but for blocks of the trace index between row groups and rollups.
        let mut end = 0;
        write_count(&mut out, self.groups.len());
        self.groups.iter().for_each(|group| group.write(&mut out, &mut end));
        write_count(&mut out, self.rollups.len());
        self.rollups.iter().for_each(|rollup| rollup.write(&mut out, &mut end));
        for place in [self.superseded, self.fences, self.filter] {
            place.write(&mut out, &mut end);
        }
        out
    }

    /// Reads what [`Footer::to_bytes`] gave, or a program that wrote this version.
    pub(super) fn read(input: &mut Input<'_>, version: u32) -> Result<Self, Malformed> {
        let home = input.small()?;
        let sequences = Sequences::read(input)?;
        let (entries, documents, document_bytes) =
            (input.number()?, input.number()?, input.number()?);
        let positions = match input.array()? {
            [0] => None,
            [1] => {
                let mut position = || input.number().map(Position::from_u64);
                Some((position()?, position()?))
            }
            _ => return Err(Malformed),
        };
        let epochs = (input.small()?, input.small()?);
        let mut end = 0;
        let count = input.count()?;
        let groups = (0..count)
            .map(|_| RowGroup::read(input, version, &mut end))
            .collect::<Result<_, _>>()?;
        let count = input.count()?;
        let rollups =
            (0..count).map(|_| RollupPlace::read(input, &mut end)).collect::<Result<_, _>>()?;
        let mut place = || Place::read(input, &mut end);
        let (superseded, fences, filter) = (place()?, place()?, place()?);
        input.finish()?;
        Ok(Self {
            home,
            sequences,
            entries,
            documents,
            document_bytes,
            positions,
            epochs,
            groups,
            rollups,
            superseded,
            fences,
            filter,
        })
    }
}
