//! Columns of numbers: ids, times, flags, statuses, counts.

use roentgen_model::{Outcome, TraceId, TraceSummary};

use super::super::encoding::{Input, Malformed, write_number, write_signed};
use super::ColumnData;

/// The trace ids.
#[derive(Debug)]
pub(in super::super) struct Ids(pub(in super::super) Vec<TraceId>);

/// Numbers, one for each row.
#[derive(Debug)]
pub(in super::super) struct Integers(pub(in super::super) Vec<i64>);

/// Lengths, one for each row.
#[derive(Debug)]
pub(in super::super) struct Durations(pub(in super::super) Vec<i64>);

/// Numbers that may be missing.
#[derive(Debug)]
pub(in super::super) struct OptionalIntegers {
    /// A bit for each row that has a number, the lowest first.
    present: Vec<u8>,
    /// The numbers, 0 where there is none.
    numbers: Vec<i64>,
}

/// Response times less the durations.
#[derive(Debug)]
pub(in super::super) struct ResponseTimes(pub(in super::super) OptionalIntegers);

/// Outcomes and flags: see [`flags_of`].
#[derive(Debug)]
pub(in super::super) struct Flags(pub(in super::super) Vec<u8>);

/// Counts of segments and revisions.
#[derive(Debug)]
pub(in super::super) struct Counts(pub(in super::super) Vec<(usize, usize)>);

/// The lowest two bits are the outcome: 0 ok, 1 error, 2 throttle, 3 fault.
const OUTCOME: u8 = 0b11;
/// Set for [`TraceSummary::has_fault`].
pub(in super::super) const FLAG_FAULT: u8 = 1 << 2;
/// Set for [`TraceSummary::has_error`].
pub(in super::super) const FLAG_ERROR: u8 = 1 << 3;
/// Set for [`TraceSummary::has_throttle`].
pub(in super::super) const FLAG_THROTTLE: u8 = 1 << 4;
/// Set for [`TraceSummary::is_partial`].
pub(in super::super) const FLAG_PARTIAL: u8 = 1 << 5;

/// Outcome and flags of a trace in one byte.
pub(in super::super) fn flags_of(row: &TraceSummary) -> u8 {
    let outcome = match row.outcome {
        Outcome::Ok => 0,
        Outcome::Error => 1,
        Outcome::Throttle => 2,
        Outcome::Fault => 3,
    };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    outcome
        | flag(row.has_fault, FLAG_FAULT)
        | flag(row.has_error, FLAG_ERROR)
        | flag(row.has_throttle, FLAG_THROTTLE)
        | flag(row.is_partial, FLAG_PARTIAL)
}

/// The outcome in such a byte.
pub(in super::super) fn outcome_of(flags: u8) -> Outcome {
    match flags & OUTCOME {
        0 => Outcome::Ok,
        1 => Outcome::Error,
        2 => Outcome::Throttle,
        _ => Outcome::Fault,
    }
}

/// The outcome in such a byte as a bit of its own.
pub(in super::super) fn outcome_bit(flags: u8) -> u8 {
    1 << (flags & OUTCOME)
}

/// Writes the columns of numbers.
#[derive(Debug, Default)]
pub(super) struct NumbersWriter {
    epoch: i64,
    epochs: Vec<u8>,
    /// The other 12 bytes of each id, which are random.
    ids: Vec<u8>,
    time: i64,
    times: Vec<u8>,
    start: i64,
    starts: Vec<u8>,
    durations: Vec<u8>,
    response_times: OptionalWriter,
    flags: Vec<u8>,
    statuses: OptionalWriter,
    segments: Vec<u8>,
    revisions: Vec<u8>,
}

/// A bit for each row, set if it has a number, the lowest first; then the numbers.
#[derive(Debug, Default)]
struct OptionalWriter {
    rows: usize,
    present: Vec<u8>,
    numbers: Vec<u8>,
}

impl OptionalWriter {
    fn add(&mut self, number: Option<i64>) {
        if self.rows.is_multiple_of(8) {
            self.present.push(0);
        }
        if let (Some(number), Some(bits)) = (number, self.present.last_mut()) {
            *bits |= 1 << (self.rows % 8);
            write_signed(&mut self.numbers, number);
        }
        self.rows += 1;
    }
}

impl NumbersWriter {
    /// Adds a row. Times are written as differences to the row before: they rise, and with them
    /// the seconds in ids from X-Ray SDKs. Differences wrap around, so that every time comes back.
    pub(super) fn add(&mut self, row: &TraceSummary) {
        let [a, b, c, d, rest @ ..] = row.id.to_bytes();
        let epoch = i64::from(u32::from_be_bytes([a, b, c, d]));
        write_signed(&mut self.epochs, epoch - self.epoch);
        self.epoch = epoch;
        self.ids.extend_from_slice(&rest);
        let (time, start) = (row.time.as_micros(), row.start.as_micros());
        write_signed(&mut self.times, time.wrapping_sub(self.time));
        self.time = time;
        write_signed(&mut self.starts, start.wrapping_sub(self.start));
        self.start = start;
        // What the summary calls its duration is the same, and not stored.
        let length = row.end.as_micros().wrapping_sub(start);
        write_signed(&mut self.durations, length);
        // Mostly zero, as the root is most often the longest.
        self.response_times.add(row.response_time.map(|time| time.get().wrapping_sub(length)));
        self.flags.push(flags_of(row));
        self.statuses.add(row.http.status);
        let (segments, revision) = (row.segment_count as u64, row.revision as u64);
        write_number(&mut self.segments, segments);
        write_signed(&mut self.revisions, revision.wrapping_sub(segments).cast_signed());
    }

    /// The parts of each column, in the order of [`super::ColumnName`].
    pub(super) fn columns(&self) -> [[&[u8]; 2]; 8] {
        [
            [&self.epochs, &self.ids],
            [&self.times, &[]],
            [&self.starts, &[]],
            [&self.durations, &[]],
            [&self.response_times.present, &self.response_times.numbers],
            [&self.flags, &[]],
            [&self.statuses.present, &self.statuses.numbers],
            [&self.segments, &self.revisions],
        ]
    }
}

impl ColumnData for Ids {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let epochs = read_differences(input, rows)?;
        let mut ids = Vec::with_capacity(rows);
        for epoch in epochs {
            let epoch = u32::try_from(epoch).map_err(|_| Malformed)?.to_be_bytes();
            let mut id = [0; 16];
            let rest: [u8; 12] = input.array()?;
            id.iter_mut().zip(epoch.into_iter().chain(rest)).for_each(|(to, from)| *to = from);
            ids.push(TraceId::from_bytes(id));
        }
        Ok(Self(ids))
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<TraceId>()
    }
}

fn read_differences(input: &mut Input<'_>, rows: usize) -> Result<Vec<i64>, Malformed> {
    if rows > input.len() {
        return Err(Malformed);
    }
    let mut values = Vec::with_capacity(rows);
    let mut before = 0_i64;
    for _ in 0..rows {
        before = before.wrapping_add(input.signed()?);
        values.push(before);
    }
    Ok(values)
}

impl ColumnData for Integers {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        read_differences(input, rows).map(Self)
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

impl ColumnData for Durations {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        if rows > input.len() {
            return Err(Malformed);
        }
        (0..rows).map(|_| input.signed()).collect::<Result<_, _>>().map(Self)
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

impl OptionalIntegers {
    /// The number of a row.
    pub(in super::super) fn get(&self, row: usize) -> Option<i64> {
        let is_present = self.present.get(row / 8)? >> (row % 8) & 1 == 1;
        self.numbers.get(row).copied().filter(|_| is_present)
    }
}

impl ColumnData for OptionalIntegers {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        let present = input.take(rows.div_ceil(8))?.to_vec();
        let is_present =
            |row: usize| present.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1);
        let number = |row| if is_present(row) { input.signed() } else { Ok(0) };
        let numbers = (0..rows).map(number).collect::<Result<_, _>>()?;
        Ok(Self { present, numbers })
    }

    fn memory(&self) -> usize {
        self.present.capacity() + self.numbers.capacity() * size_of::<i64>()
    }
}

impl ColumnData for ResponseTimes {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        OptionalIntegers::read(input, rows).map(Self)
    }

    fn memory(&self) -> usize {
        self.0.memory()
    }
}

impl ColumnData for Flags {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        input.take(rows).map(|flags| Self(flags.to_vec()))
    }

    fn memory(&self) -> usize {
        self.0.capacity()
    }
}

impl ColumnData for Counts {
    fn read(input: &mut Input<'_>, rows: usize) -> Result<Self, Malformed> {
        if rows > input.len() {
            return Err(Malformed);
        }
        let mut counts = Vec::with_capacity(rows);
        for _ in 0..rows {
            counts.push((input.small()?, 0));
        }
        for (segments, revision) in &mut counts {
            let documents = (*segments as u64).wrapping_add(input.signed()?.cast_unsigned());
            *revision = usize::try_from(documents).map_err(|_| Malformed)?;
        }
        Ok(Self(counts))
    }

    fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(usize, usize)>()
    }
}
