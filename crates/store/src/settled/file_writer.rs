//! Writes a settled file section by section: row groups, trace index, rollups, the list of
//! superseded rows, fences, filter, footer.

use std::io::{self, Write};
use std::mem::size_of_val;

use roentgen_model::{AnnotationValue, ServiceGraph, TraceId, TraceSummary};

use super::chunk::{Output, Place};
use super::columns::ColumnsWriter;
use super::encoding::{write_count, write_number};
use super::footer::{Footer, ObservedColumns, RowGroup};
use super::observed::{Kinds, ObservedTrace};
use super::rollups::RollupWriter;
use super::sequence::Sequences;
use super::trace_index::IndexWriter;
use super::{Position, Sequence};

/// The version of the format that is written.
pub(super) const VERSION: u32 = 3;
/// The first version, which is read as well: its row groups have no requests and calls, …
pub(super) const VERSION_1: u32 = 1;
/// … and neither they nor those of this version have links.
pub(super) const VERSION_2: u32 = 2;
/// What a file begins with.
pub(super) const MAGIC: [u8; 8] = *b"RTSETTLE";
/// What a file ends with.
pub(super) const END_MAGIC: [u8; 8] = *b"ELTTESTR";
/// Bytes of the header: magic, version, CRC-32 of both.
pub(super) const HEADER_BYTES: u64 = 16;
/// Bytes of the trailer: length and CRC-32 of the footer, magic.
pub(super) const TRAILER_BYTES: u64 = 16;

/// Most rows of a group: enough to compress well, few enough that the columns of a page stay
/// small.
pub(super) const GROUP_ROWS: usize = 4096;
/// A group is full that has so many bytes of rows: as estimated by [`row_bytes`], and those by which
/// their requests, calls and links make the columns grow, which is where the kinds and services count that
/// no row had before. Usual groups have a quarter of that. It has no more than one row beyond it, of
/// some 20 MB at most.
pub(super) const GROUP_BYTES: usize = 4 << 20;

/// A settled file being written.
pub(super) struct FileWriter<'w> {
    output: Output<'w>,
    index: IndexWriter,
    rollups: RollupWriter,
    groups: Vec<RowGroup>,
    entries: u64,
    documents: u64,
    document_bytes: u64,
    positions: Option<(Position, Position)>,
    epochs: Option<(u32, u32)>,
}

impl<'w> FileWriter<'w> {
    /// Begins a file with at most so many entries in its trace index.
    pub(super) fn new(sink: &'w mut dyn Write, entries: usize) -> io::Result<Self> {
        let mut output = Output::new(sink)?;
        output.write(&header(VERSION))?;
        Ok(Self {
            output,
            index: IndexWriter::with_room_for(entries),
            rollups: RollupWriter::default(),
            groups: Vec::new(),
            entries: 0,
            documents: 0,
            document_bytes: 0,
            positions: None,
            epochs: None,
        })
    }

    /// Writes rows, which must come in the order of time and id, as row groups. `kinds` has those of
    /// their requests and calls.
    pub(super) fn add_rows<'a>(
        &mut self,
        rows: impl Iterator<Item = (&'a TraceSummary, &'a ObservedTrace)>,
        kinds: &Kinds,
    ) -> io::Result<()> {
        let mut columns = ColumnsWriter::default();
        let (mut group, mut bytes): (Option<RowGroup>, usize) = (None, 0);
        for (row, observed) in rows {
            let of_row = row_bytes(row);
            let is_full =
                |group: &mut RowGroup| group.rows == GROUP_ROWS || bytes + of_row > GROUP_BYTES;
            if let Some(full) = group.take_if(is_full) {
                self.add_group(full, &std::mem::take(&mut columns))?;
                bytes = 0;
            }
            bytes += of_row + columns.add(row, observed, kinds);
            match &mut group {
                Some(group) => group.add(row),
                None => group = Some(RowGroup::of(row)),
            }
        }
        group.map_or(Ok(()), |group| self.add_group(group, &columns))
    }

    fn add_group(&mut self, mut group: RowGroup, columns: &ColumnsWriter<'_>) -> io::Result<()> {
        columns.finish(|column| {
            group.columns.push(self.output.write_chunk(column)?);
            Ok(())
        })?;
        let mut places = Vec::new();
        columns.finish_observed(|column| {
            places.push(self.output.write_chunk(column)?);
            Ok(())
        })?;
        if let [shapes, numbers] = places[..] {
            group.observed = Some(ObservedColumns { minutes: columns.minutes(), shapes, numbers });
        }
        group.links = columns.links().map(|links| self.output.write_chunk(&links)).transpose()?;
        self.groups.push(group);
        Ok(())
    }

    /// Copies the next column of a row group as it is stored in another file; after the last one,
    /// [`FileWriter::add_copied_group`] is to be called.
    pub(super) fn copy_column(&mut self, place: Place, stored: &[u8]) -> io::Result<Place> {
        self.output.copy_chunk(place, stored)
    }

    /// Adds a row group whose columns were copied.
    pub(super) fn add_copied_group(&mut self, group: RowGroup) {
        self.groups.push(group);
    }

    /// Adds an entry of the trace index, in the order of ids, after all row groups.
    pub(super) fn add_entry(
        &mut self,
        id: TraceId,
        positions: &[Position],
        bytes: u64,
    ) -> io::Result<()> {
        self.index.add(&mut self.output, id, positions, bytes)?;
        self.entries += 1;
        self.documents += positions.len() as u64;
        self.document_bytes += bytes;
        if let (Some(&first), Some(&last)) = (positions.first(), positions.last()) {
            let (least, greatest) = self.positions.unwrap_or((first, last));
            self.positions = Some((first.min(least), last.max(greatest)));
        }
        let epoch = id.epoch_seconds();
        let (least, greatest) = self.epochs.unwrap_or((epoch, epoch));
        self.epochs = Some((epoch.min(least), epoch.max(greatest)));
        Ok(())
    }

    /// Adds the rollups of a minute, after all entries of the trace index; ascending by minute,
    /// one target after the other.
    pub(super) fn add_rollup(
        &mut self,
        target: Option<Sequence>,
        minute: i64,
        graph: &ServiceGraph,
    ) -> io::Result<()> {
        self.index.write_block(&mut self.output)?;
        self.rollups.add(&mut self.output, target, minute, graph)
    }

    /// Writes what is left; gives the length of the file.
    pub(super) fn finish(
        mut self,
        home: u32,
        sequences: Sequences,
        superseded: &[(Sequence, TraceId)],
    ) -> io::Result<u64> {
        let (fences, filter) = self.index.finish(&mut self.output)?;
        let rollups = self.rollups.finish(&mut self.output)?;
        let mut bytes = Vec::new();
        write_count(&mut bytes, superseded.len());
        for (sequence, id) in superseded {
            write_number(&mut bytes, sequence.0);
            bytes.extend_from_slice(&id.to_bytes());
        }
        let superseded = self.output.write_chunk(&bytes)?;
        bytes.clear();
        fences.write(&mut bytes);
        let fences = self.output.write_plain(&bytes)?;
        let filter = self.output.write_plain(&filter.to_bytes())?;
        let footer = Footer {
            home,
            sequences,
            entries: self.entries,
            documents: self.documents,
            document_bytes: self.document_bytes,
            positions: self.positions,
            epochs: self.epochs.unwrap_or_default(),
            groups: self.groups,
            rollups,
            superseded,
            fences,
            filter,
        };
        let place = self.output.write_plain(&footer.to_bytes())?;
        self.output.write(&place.stored.to_le_bytes())?;
        self.output.write(&place.crc.to_le_bytes())?;
        self.output.write(&END_MAGIC)?;
        Ok(self.output.offset())
    }
}

/// The header of a file.
pub(super) fn header(version: u32) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&version.to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    header
}

/// About the bytes that a summary has in the columns before compression.
pub(super) fn row_bytes(row: &TraceSummary) -> usize {
    let texts = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    let http = &row.http;
    let request = [&http.url, &http.method, &http.user_agent, &http.client_ip];
    let annotations = row.annotations.iter().map(|annotation| {
        let value = match &annotation.value {
            AnnotationValue::String(text) => text.len(),
            AnnotationValue::Number(_) | AnnotationValue::Boolean(_) => 8,
        };
        annotation.key.len() + value + size_of_val(annotation.services.as_slice())
    });
    let users = row.users.iter();
    let users = users.map(|user| user.name.len() + size_of_val(user.services.as_slice()));
    request.into_iter().flatten().map(String::len).sum::<usize>()
        + annotations.sum::<usize>()
        + users.sum::<usize>()
        + size_of_val(row.services.as_slice())
        + texts(&row.resource_arns)
        + texts(&row.instance_ids)
        + texts(&row.availability_zones)
        + 64 // Id, times, counts.
}
