//! The trace index: from the id of a trace to where its documents stand in the log.
//!
//! Entries stand in the order of ids, in blocks small enough that reading one costs little. The
//! first id of each block (its *fence*) and a filter are in memory; one read finds an entry.

use std::io;

use roentgen_model::TraceId;

use super::Position;
use super::chunk::{Output, Place};
use super::encoding::{Input, Malformed, write_count, write_number};
use super::filter::Filter;

/// A block is complete with so many bytes, about: it lies in one page of a disk, mostly.
const BLOCK_BYTES: usize = 3 << 10;
/// What an entry takes in a block without its positions, about, and what a position takes.
const ENTRY_BYTES: usize = 16;
const POSITION_BYTES: usize = 4;

/// What the index knows of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The trace.
    pub id: TraceId,
    /// Where its documents stand, ascending.
    pub positions: Vec<Position>,
    /// Bytes of these documents.
    pub bytes: u64,
}

/// The blocks of an index by the ids they begin with.
#[derive(Debug, Default)]
pub(super) struct Fences {
    first_ids: Vec<TraceId>,
    places: Vec<Place>,
}

impl Fences {
    /// The block that has the id if any has.
    pub(super) fn find(&self, id: TraceId) -> Option<Place> {
        let after = self.first_ids.partition_point(|first| *first <= id);
        self.places.get(after.checked_sub(1)?).copied()
    }

    /// All blocks in the order of ids.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The memory that they take.
    pub(super) fn memory(&self) -> usize {
        self.first_ids.capacity() * size_of::<TraceId>()
            + self.places.capacity() * size_of::<Place>()
    }

    /// How many blocks there are, then of each the first id and the place.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.places.len());
        let mut end = 0;
        for (id, place) in self.first_ids.iter().zip(&self.places) {
            out.extend_from_slice(&id.to_bytes());
            place.write(out, &mut end);
        }
    }

    /// Reads what [`Fences::write`] wrote.
    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = input.count()?;
        let mut fences = Self::default();
        let mut end = 0;
        for _ in 0..count {
            fences.first_ids.push(TraceId::from_bytes(input.array()?));
            fences.places.push(Place::read(input, &mut end)?);
        }
        Ok(fences)
    }
}

/// Writes an index whose entries come in the order of ids.
pub(super) struct IndexWriter {
    fences: Fences,
    filter: Filter,
    /// The entries since the last block: id, number of positions, bytes.
    entries: Vec<(TraceId, usize, u64)>,
    /// Their positions.
    positions: Vec<Position>,
    block: Vec<u8>,
}

impl IndexWriter {
    /// Begins an index of at most so many entries.
    pub(super) fn with_room_for(entries: usize) -> Self {
        Self {
            fences: Fences::default(),
            filter: Filter::with_room_for(entries),
            entries: Vec::new(),
            positions: Vec::new(),
            block: Vec::new(),
        }
    }

    /// Adds an entry whose id is higher than that of the one before.
    pub(super) fn add(
        &mut self,
        output: &mut Output<'_>,
        id: TraceId,
        positions: &[Position],
        bytes: u64,
    ) -> io::Result<()> {
        self.filter.insert(id);
        self.entries.push((id, positions.len(), bytes));
        self.positions.extend_from_slice(positions);
        let bytes = self.entries.len() * ENTRY_BYTES + self.positions.len() * POSITION_BYTES;
        if bytes >= BLOCK_BYTES { self.write_block(output) } else { Ok(()) }
    }

    /// Writes the entries since the last block as one.
    ///
    /// Blocks of the log have few documents, so a position takes fewer bits as a number with as
    /// many places for each offset as any block here has. It is told by the distance from the
    /// one before, the first of a trace from the least of all.
    pub(super) fn write_block(&mut self, output: &mut Output<'_>) -> io::Result<()> {
        let Some((first_id, ..)) = self.entries.first().copied() else { return Ok(()) };
        let places = self.positions.iter().map(|position| u64::from(position.place()) + 1);
        let places = places.max().unwrap_or(1);
        let packed =
            |position: &Position| (position.as_u64() >> 8) * places + u64::from(position.place());
        let least = self.positions.iter().map(packed).min().unwrap_or(0);
        let block = &mut self.block;
        block.clear();
        write_count(block, self.entries.len());
        write_number(block, places);
        write_number(block, least);
        let mut before = 0;
        for (id, ..) in &self.entries {
            write_number(block, u64::from(id.epoch_seconds() - before));
            before = id.epoch_seconds();
        }
        for (id, ..) in &self.entries {
            let [_, _, _, _, rest @ ..] = id.to_bytes();
            block.extend_from_slice(&rest);
        }
        let mut rest = self.positions.as_slice();
        for (_, count, bytes) in &self.entries {
            write_count(block, *count);
            write_number(block, *bytes);
            let (positions, behind) = rest.split_at_checked(*count).unwrap_or((rest, &[]));
            rest = behind;
            let mut before = least;
            for position in positions {
                write_number(block, packed(position) - before);
                before = packed(position);
            }
        }
        // Random ids and offsets do not compress.
        self.fences.places.push(output.write_plain(block)?);
        self.fences.first_ids.push(first_id);
        self.entries.clear();
        self.positions.clear();
        Ok(())
    }

    /// Writes what is left; gives the fences and the filter.
    pub(super) fn finish(mut self, output: &mut Output<'_>) -> io::Result<(Fences, Filter)> {
        self.write_block(output)?;
        Ok((self.fences, self.filter))
    }
}

/// A block being read.
pub(super) struct IndexBlock<'a> {
    count: usize,
    /// Places for each offset of the log.
    places: u64,
    /// The least position, packed.
    least: u64,
    epochs: Input<'a>,
    rests: &'a [[u8; 12]],
    positions: Input<'a>,
    read: usize,
    epoch: u32,
}

impl<'a> IndexBlock<'a> {
    /// Reads a block from its beginning.
    pub(super) fn new(block: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = Input::new(block);
        let count = input.count()?;
        let (places, least) = (input.number()?, input.number()?);
        if !(1..=256).contains(&places) {
            return Err(Malformed);
        }
        let epochs = input.clone();
        for _ in 0..count {
            input.number()?;
        }
        let rests = input.take(count.checked_mul(12).ok_or(Malformed)?)?;
        let rests = rests.as_chunks().0;
        Ok(Self { count, places, least, epochs, rests, positions: input, read: 0, epoch: 0 })
    }

    /// The next entry.
    pub(super) fn next(&mut self) -> Result<Option<IndexEntry>, Malformed> {
        let Some(id) = self.next_id()? else {
            self.positions.finish()?;
            return Ok(None);
        };
        let (positions, bytes) = self.next_positions()?;
        Ok(Some(IndexEntry { id, positions, bytes }))
    }

    /// The entry of an id, if it is in the block. To be called on a block of which nothing was
    /// read.
    pub(super) fn find(mut self, id: TraceId) -> Result<Option<IndexEntry>, Malformed> {
        let mut before = 0;
        loop {
            match self.next_id()? {
                Some(found) if found == id => break,
                Some(found) if found < id => before += 1,
                _ => return Ok(None),
            }
        }
        for _ in 0..before {
            let count = self.positions.count()?;
            // Behind the number of positions come the bytes, then the positions.
            (0..=count).try_for_each(|_| self.positions.number().map(|_| ()))?;
        }
        let (positions, bytes) = self.next_positions()?;
        Ok(Some(IndexEntry { id, positions, bytes }))
    }

    fn next_id(&mut self) -> Result<Option<TraceId>, Malformed> {
        if self.read == self.count {
            return Ok(None);
        }
        let rest = self.rests.get(self.read).ok_or(Malformed)?;
        self.read += 1;
        self.epoch = self.epoch.checked_add(self.epochs.small()?).ok_or(Malformed)?;
        let mut id = [0; 16];
        id.iter_mut()
            .zip(self.epoch.to_be_bytes().iter().chain(rest))
            .for_each(|(to, from)| *to = *from);
        Ok(Some(TraceId::from_bytes(id)))
    }

    fn next_positions(&mut self) -> Result<(Vec<Position>, u64), Malformed> {
        let count = self.positions.count()?;
        let bytes = self.positions.number()?;
        let mut positions = Vec::with_capacity(count);
        let mut packed = self.least;
        for _ in 0..count {
            packed = packed.checked_add(self.positions.number()?).ok_or(Malformed)?;
            let (offset, place) = (packed / self.places, packed % self.places);
            if offset >> 56 != 0 {
                return Err(Malformed);
            }
            positions.push(Position::from_u64(offset << 8 | place));
        }
        Ok((positions, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> TraceId {
        TraceId::from_bytes([byte; 16])
    }

    /// A block with these ids, each with one position.
    fn block(ids: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        write_count(&mut block, ids.len());
        write_number(&mut block, 1); // Places for each offset.
        write_number(&mut block, 16); // The least position.
        let mut before = 0;
        for &byte in ids {
            write_number(&mut block, u64::from(id(byte).epoch_seconds() - before));
            before = id(byte).epoch_seconds();
        }
        ids.iter().for_each(|&byte| block.extend_from_slice(&[byte; 12]));
        for number in 0..ids.len() {
            write_count(&mut block, 1);
            write_number(&mut block, 1000);
            write_count(&mut block, number);
        }
        block
    }

    #[test]
    fn an_id_that_is_not_in_a_block_is_no_damage() {
        // The filter lets some of those through.
        let ids = [2, 4, 6];
        let bytes = block(&ids);
        for byte in 0..=u8::MAX {
            let found = IndexBlock::new(&bytes).unwrap().find(id(byte)).unwrap();
            assert_eq!(
                found.map(|entry| entry.id),
                ids.contains(&byte).then(|| id(byte)),
                "{byte}"
            );
        }
    }

    #[test]
    fn a_block_ends_with_its_last_position() {
        let mut bytes = block(&[2, 4]);
        bytes.push(0);
        let mut block = IndexBlock::new(&bytes).unwrap();
        assert!(block.next().unwrap().is_some() && block.next().unwrap().is_some());
        assert!(block.next().is_err());
    }
}
