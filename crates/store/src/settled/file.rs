//! An open settled file.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roentgen_model::TraceId;

use super::chunk::Place;
use super::column_cache::ColumnCache;
use super::encoding::Malformed;
use super::filter::Filter;
use super::footer::{Footer, RowGroup};
use super::group::Group;
use super::opening::{SectionReader, check_header, read_footer, read_superseded};
use super::rollups::{GraphSums, RollupBlock, RollupPlace};
use super::sequence::Sequences;
use super::trace_index::{Fences, IndexBlock, IndexEntry};
use super::{Position, Section, Sequence, SettledError, Steps};

/// A settled file, open for reading. In memory are its footer, the fences and the filter of its
/// trace index, and its list of superseded rows.
#[derive(Debug)]
pub struct SettledFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    pub(super) footer: Footer,
    fences: Fences,
    filter: Filter,
    superseded: Vec<(Sequence, TraceId)>,
    cache: Arc<ColumnCache>,
    /// The number of this file in the cache.
    number: u64,
}

impl SettledFile {
    /// Opens a file; its columns go through `cache`.
    ///
    /// # Errors
    /// [`SettledError::Io`], [`SettledError::Damaged`] where one of the parts that are read at
    /// once is damaged, [`SettledError::UnknownVersion`].
    pub fn open(path: &Path, cache: Arc<ColumnCache>) -> Result<Self, SettledError> {
        let io = |cause| SettledError::io("open settled file", path, cause);
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let version = check_header(path, &file, bytes)?;
        let (footer, end) = read_footer(path, &file, bytes, version)?;
        let reader = SectionReader { path, file: &file, end };
        let fences = reader.read(footer.fences, Section::Fences, Fences::read)?;
        let filter = reader.read(footer.filter, Section::Filter, Filter::read)?;
        let superseded = reader.read(footer.superseded, Section::Superseded, read_superseded)?;
        let number = cache.next_file();
        let path = path.to_owned();
        Ok(Self { path, file, bytes, footer, fences, filter, superseded, cache, number })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The memory that it takes while it is open, without columns in the cache.
    pub fn memory(&self) -> usize {
        let groups = self.footer.groups.iter();
        let groups = groups.map(|group| {
            size_of::<RowGroup>()
                + group.columns.capacity() * size_of::<Place>()
                + group.dead.len() * 2
        });
        size_of::<Self>()
            + groups.sum::<usize>()
            + self.fences.memory()
            + self.filter.memory()
            + self.footer.rollups.capacity() * size_of::<RollupPlace>()
            + self.superseded.capacity() * size_of::<(Sequence, TraceId)>()
    }

    /// The number of the log file that has the newest document.
    pub fn home(&self) -> u32 {
        self.footer.home
    }

    /// The files that this one stands for.
    pub fn sequences(&self) -> &Sequences {
        &self.footer.sequences
    }

    /// Rows that count, as far as this file knows.
    pub fn traces(&self) -> u64 {
        self.footer.groups.iter().map(|group| group.live_rows() as u64).sum()
    }

    /// Documents whose place in the log this file knows.
    pub fn documents(&self) -> u64 {
        self.footer.documents
    }

    /// Bytes of these documents.
    pub fn document_bytes(&self) -> u64 {
        self.footer.document_bytes
    }

    /// The first and the last place in the log that this file knows.
    pub fn positions(&self) -> Option<(Position, Position)> {
        self.footer.positions
    }

    /// The least and the greatest time of a trace.
    pub fn times(&self) -> Option<(roentgen_model::Timestamp, roentgen_model::Timestamp)> {
        let groups = &self.footer.groups;
        let first = groups.iter().map(|group| group.first.time).min()?;
        Some((first, groups.iter().map(|group| group.last.time).max()?))
    }

    /// The minutes that have rollups.
    pub fn rollup_minutes(&self) -> Option<RangeInclusive<i64>> {
        let own = || self.footer.rollups.iter().filter(|rollup| rollup.target.is_none());
        Some(own().map(|rollup| rollup.first).min()?..=own().map(|rollup| rollup.last).max()?)
    }

    /// Rows of earlier files that no longer count.
    pub fn superseded(&self) -> &[(Sequence, TraceId)] {
        &self.superseded
    }

    /// The files whose rollups this one corrects, some more than once.
    pub fn correction_targets(&self) -> impl Iterator<Item = Sequence> {
        self.footer.rollups.iter().filter_map(|rollup| rollup.target)
    }

    /// Whether the trace may be in the file: `false` is certain. Reads nothing.
    pub fn may_contain(&self, id: TraceId) -> bool {
        let (least, greatest) = self.footer.epochs;
        let epoch = id.epoch_seconds();
        least <= epoch && epoch <= greatest && self.filter.may_contain(id)
    }

    /// What the index knows of a trace. Reads one block, or nothing if the file has not the trace.
    ///
    /// # Errors
    /// [`SettledError::Io`], [`SettledError::Damaged`].
    pub fn find(&self, id: TraceId) -> Result<Option<IndexEntry>, SettledError> {
        if !self.may_contain(id) {
            return Ok(None);
        }
        let Some(place) = self.fences.find(id) else { return Ok(None) };
        let block = self.read_chunk(place, Section::TraceIndex)?;
        let found = IndexBlock::new(&block).and_then(|block| block.find(id));
        found.map_err(|Malformed| self.damaged(Section::TraceIndex, place))
    }

    /// Hands every entry of the trace index to `found`, in the order of ids.
    ///
    /// # Errors
    /// [`SettledError::Io`], [`SettledError::Damaged`].
    pub fn for_each_entry(&self, mut found: impl FnMut(IndexEntry)) -> Result<(), SettledError> {
        let mut entries = self.entries();
        while let Some(entry) = entries.next()? {
            found(entry);
        }
        Ok(())
    }

    /// All positions from `first` on, in any order.
    ///
    /// # Errors
    /// [`SettledError::Io`], [`SettledError::Damaged`].
    pub fn positions_from(&self, first: Position) -> Result<Vec<Position>, SettledError> {
        let mut found = Vec::new();
        if self.footer.positions.is_some_and(|(_, last)| last >= first) {
            self.for_each_entry(|entry| {
                found.extend(entry.positions.into_iter().filter(|position| *position >= first));
            })?;
        }
        Ok(found)
    }

    /// Reads everything and checks it.
    ///
    /// # Errors
    /// The first damage that is found, or [`SettledError::Io`].
    pub fn verify(&self) -> Result<(), SettledError> {
        let version = check_header(&self.path, &self.file, self.bytes)?;
        let (footer, end) = read_footer(&self.path, &self.file, self.bytes, version)?;
        let reader = SectionReader { path: &self.path, file: &self.file, end };
        reader.read(footer.fences, Section::Fences, Fences::read)?;
        reader.read(footer.filter, Section::Filter, Filter::read)?;
        reader.read(footer.superseded, Section::Superseded, read_superseded)?;
        for (number, group) in self.footer.groups.iter().enumerate() {
            self.group(number, group).verify()?;
        }
        self.for_each_entry(|_| {})?;
        for rollup in &self.footer.rollups {
            let block = self.read_chunk(rollup.place, Section::Rollups)?;
            let sum = RollupBlock::new(&block).and_then(|mut block| {
                GraphSums::new(Steps::new(i64::MIN..=i64::MAX, None)).add(&mut block, false)
            });
            sum.map_err(|Malformed| self.damaged(Section::Rollups, rollup.place))?;
        }
        Ok(())
    }

    /// The blocks of the trace index.
    #[cfg(test)]
    pub(super) fn fences(&self) -> &Fences {
        &self.fences
    }

    /// The entries of the trace index, in the order of ids.
    pub(super) fn entries(&self) -> Entries<'_> {
        Entries { file: self, next_block: 0, read: Vec::new().into_iter() }
    }

    /// The row groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.footer.groups.iter().enumerate().map(|(number, group)| self.group(number, group))
    }

    fn group<'a>(&'a self, number: usize, group: &'a RowGroup) -> Group<'a> {
        Group { file: self, number, group, is_cached: true }
    }

    /// Adds rollups to sums, or takes corrections from them.
    pub(super) fn add_rollups(
        &self,
        sums: &mut GraphSums,
        rollup: &RollupPlace,
    ) -> Result<(), SettledError> {
        let block = self.read_chunk(rollup.place, Section::Rollups)?;
        RollupBlock::new(&block)
            .and_then(|mut block| sums.add(&mut block, rollup.target.is_some()))
            .map_err(|Malformed| self.damaged(Section::Rollups, rollup.place))
    }

    /// Where its columns are cached.
    pub(super) fn cache(&self) -> &ColumnCache {
        &self.cache
    }

    /// The number of this file in the cache.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A chunk as it was before compression.
    pub(super) fn read_chunk(
        &self,
        place: Place,
        section: Section,
    ) -> Result<Vec<u8>, SettledError> {
        let stored = self.read_stored(place, section)?;
        place.unpack(stored).map_err(|Malformed| self.damaged(section, place))
    }

    /// A chunk as it is stored. Its checksum is not looked at.
    pub(super) fn read_stored(
        &self,
        place: Place,
        section: Section,
    ) -> Result<Vec<u8>, SettledError> {
        let reader = SectionReader { path: &self.path, file: &self.file, end: self.bytes };
        reader.read_stored(place, section)
    }

    /// The error for a damaged chunk.
    pub(super) fn damaged(&self, section: Section, place: Place) -> SettledError {
        SettledError::Damaged { path: self.path.clone(), section, offset: place.offset }
    }
}

/// The entries of a trace index, read block by block.
pub(super) struct Entries<'a> {
    file: &'a SettledFile,
    next_block: usize,
    read: std::vec::IntoIter<IndexEntry>,
}

impl Entries<'_> {
    /// The next entry.
    pub(super) fn next(&mut self) -> Result<Option<IndexEntry>, SettledError> {
        loop {
            if let Some(entry) = self.read.next() {
                return Ok(Some(entry));
            }
            let place = self.file.fences.places().get(self.next_block).copied();
            let Some(place) = place else { return Ok(None) };
            self.next_block += 1;
            let block = self.file.read_chunk(place, Section::TraceIndex)?;
            let read = || {
                let (mut block, mut entries) = (IndexBlock::new(&block)?, Vec::new());
                while let Some(entry) = block.next()? {
                    entries.push(entry);
                }
                Ok(entries)
            };
            let entries =
                read().map_err(|Malformed| self.file.damaged(Section::TraceIndex, place))?;
            self.read = entries.into_iter();
        }
    }
}
