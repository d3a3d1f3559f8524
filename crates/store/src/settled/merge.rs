//! Merges settled files into one.
//!
//! Row groups are copied as they are stored: that takes a hundredth of what writing them anew
//! would. They may overlap in time, within a file as well as between files, and queries open them
//! by their newest rows, wherever they stand. Only groups that are small, or of which much no
//! longer counts, are read and written anew. The trace index and the rollups are merged entry by
//! entry, and what the files have to say about each other is resolved. Memory is bounded by some row
//! groups and one block of each file.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;

use roentgen_model::{LinkObservation, ServiceGraph, TraceId, TraceSummary};

use super::columns::{ColumnName, Ids, Links};
use super::encoding::Malformed;
use super::file::Entries;
use super::file_writer::{FileWriter, GROUP_BYTES, GROUP_ROWS, row_bytes};
use super::footer::RowGroup;
use super::group::{self, Group};
use super::observed::{GroupKind, Kind, Kinds, NO_MINUTES, ObservedTrace, Requests, with_minute};
use super::rollups::{RollupBlock, RollupPlace};
use super::sequence::Sequences;
use super::{IndexEntry, Section, Sequence, SettledError, SettledFile};

/// Groups of fewer rows that count are written anew, together with others…
const LEAST_COPIED_ROWS: usize = GROUP_ROWS / 2;
/// … unless their columns have so many bytes before compression: half of what those of a usual full
/// group have. Groups of large traces are full with few rows.
const LEAST_COPIED_BYTES: u64 = GROUP_BYTES as u64 / 8;
/// Rows that are to be written anew are written when they take so much memory, even if they are no
/// full group.
const MOST_WAITING_BYTES: usize = 4 * GROUP_BYTES;

/// Why files could not be merged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MergeError {
    /// One of the files cannot be read.
    #[error(transparent)]
    Read(#[from] SettledError),
    /// The new file cannot be written.
    #[error("cannot write merged settled file: {0}")]
    Write(Arc<io::Error>),
}

impl From<io::Error> for MergeError {
    fn from(cause: io::Error) -> Self {
        Self::Write(Arc::new(cause))
    }
}

/// Merges files of one home into a file that stands for all of them; gives its length.
///
/// The files must be neighbours: of all files of that home that count, those between the first
/// and the last of them by sequence. So a row that one of them has and another supersedes is the
/// one to go, and what files outside supersede is the newest row that any of them has.
///
/// # Errors
/// [`MergeError::Read`], [`MergeError::Write`] with what `sink` answered.
pub fn merge_settled(files: &[Arc<SettledFile>], sink: &mut dyn Write) -> Result<u64, MergeError> {
    let entries: u64 = files.iter().map(|file| file.footer.entries).sum();
    let mut writer = FileWriter::new(sink, usize::try_from(entries).unwrap_or(usize::MAX))?;
    merge_rows(files, &mut writer)?;
    merge_entries(files, &mut writer)?;
    let is_inside = |target: Sequence| files.iter().any(|f| f.sequences().contains(target));
    merge_rollups(files, &is_inside, &mut writer)?;
    let superseded = files.iter().flat_map(|file| file.superseded());
    let superseded: BTreeSet<(Sequence, TraceId)> =
        superseded.filter(|(target, _)| !is_inside(*target)).copied().collect();
    let superseded: Vec<_> = superseded.into_iter().collect();
    let sequences = Sequences::union(files.iter().map(|file| file.sequences()));
    let home = files.iter().map(|file| file.home()).max().unwrap_or_default();
    Ok(writer.finish(home, sequences, &superseded)?)
}

/// Copies row groups, and writes those anew for which that pays.
fn merge_rows(files: &[Arc<SettledFile>], writer: &mut FileWriter<'_>) -> Result<(), MergeError> {
    let mut rewritten: Vec<(Group<'_>, RowGroup)> = Vec::new();
    for file in files {
        let superseded: HashSet<TraceId> = files
            .iter()
            .flat_map(|other| other.superseded())
            .filter(|(target, _)| file.sequences().contains(*target))
            .map(|(_, id)| *id)
            .collect();
        for group in file.groups() {
            let group = group.without_cache();
            let known = with_dead(&group, &superseded)?;
            let is_mostly_live = known.dead.len() <= known.rows / 8;
            let is_large = known.live_rows() >= LEAST_COPIED_ROWS
                || known.live_rows() > 0 && raw_bytes(&group) >= LEAST_COPIED_BYTES;
            if is_mostly_live && is_large {
                copy_group(&group, known, writer)?;
            } else if known.live_rows() > 0 {
                rewritten.push((group, known));
            }
        }
    }
    rewritten.sort_by_key(|(_, known)| known.first);
    rewrite_groups(&rewritten, writer)
}

/// The bytes of the columns of a group before compression.
fn raw_bytes(group: &Group<'_>) -> u64 {
    group.places().map(|(_, place)| u64::from(place.raw)).sum()
}

/// What is known of a group, with the rows that no longer count.
fn with_dead(group: &Group<'_>, superseded: &HashSet<TraceId>) -> Result<RowGroup, SettledError> {
    let mut known = group.group.clone();
    if !superseded.is_empty() {
        let ids = group.column::<Ids>(ColumnName::Ids)?;
        let gone = (0_u16..).zip(&ids.0).filter(|(_, id)| superseded.contains(id));
        known.dead.extend(gone.map(|(row, _)| row));
        known.dead.sort_unstable();
        known.dead.dedup();
    }
    Ok(known)
}

fn copy_group(
    group: &Group<'_>,
    known: RowGroup,
    writer: &mut FileWriter<'_>,
) -> Result<(), MergeError> {
    let mut columns = Vec::with_capacity(known.columns.len());
    let (mut observed, mut links) = (known.observed.clone(), None);
    for (name, place) in group.places() {
        let section = Section::Column { group: group.number, column: name };
        let stored = group.file.read_stored(place, section)?;
        if crc32fast::hash(&stored) != place.crc {
            return Err(group.malformed(name).into());
        }
        let copied = writer.copy_column(place, &stored)?;
        match (name, &mut observed) {
            (ColumnName::Shapes, Some(observed)) => observed.shapes = copied,
            (ColumnName::RequestNumbers, Some(observed)) => observed.numbers = copied,
            (ColumnName::Links, _) => links = Some(copied),
            _ => columns.push(copied),
        }
    }
    writer.add_copied_group(RowGroup { columns, observed, links, ..known });
    Ok(())
}

/// Writes the rows of these groups that count, a full group whenever there are enough.
fn rewrite_groups(
    groups: &[(Group<'_>, RowGroup)],
    writer: &mut FileWriter<'_>,
) -> Result<(), MergeError> {
    let mut waiting = Waiting::default();
    for (group, known) in groups {
        let reader = group.rows()?;
        let mut observed = ObservedReader::new(group, &mut waiting.kinds)?;
        for row in 0..known.rows {
            if u16::try_from(row).is_ok_and(|row| known.dead.binary_search(&row).is_err()) {
                let summary = reader.summary(row)?;
                let observed = observed.row(row, &summary)?;
                waiting.add(summary, observed);
            }
        }
        if waiting.bytes >= MOST_WAITING_BYTES {
            waiting.write(0, writer)?;
        } else if waiting.rows.len() >= GROUP_ROWS {
            waiting.write(waiting.rows.len() % GROUP_ROWS, writer)?;
        }
    }
    waiting.write(0, writer)
}

/// Rows that are to be written anew.
#[derive(Default)]
struct Waiting {
    rows: Vec<(TraceSummary, ObservedTrace)>,
    /// The kinds of their requests and calls.
    kinds: Kinds,
    /// About their memory.
    bytes: usize,
}

impl Waiting {
    fn add(&mut self, summary: TraceSummary, observed: ObservedTrace) {
        self.bytes += row_bytes(&summary) + observed.memory();
        self.rows.push((summary, observed));
    }

    /// Writes all but the last so many of the rows.
    fn write(&mut self, kept: usize, writer: &mut FileWriter<'_>) -> Result<(), MergeError> {
        let Self { mut rows, kinds, .. } = std::mem::take(self);
        rows.sort_unstable_by_key(|(row, _)| (row.time, row.id));
        let behind = rows.split_off(rows.len().saturating_sub(kept));
        writer.add_rows(rows.iter().map(|(summary, observed)| (summary, observed)), &kinds)?;
        for (summary, mut observed) in behind {
            observed.renumber(&kinds, &mut self.kinds);
            self.add(summary, observed);
        }
        Ok(())
    }
}

/// The requests, calls and links of the rows of a group, to be written anew.
struct ObservedReader<'a> {
    /// Of the group: those of a row are not known if its requests are not.
    minutes: RangeInclusive<i64>,
    requests: Option<group::Requests<'a>>,
    links: Option<Arc<Links>>,
    /// The numbers of the kinds of the group among all.
    numbers: Vec<u32>,
}

impl<'a> ObservedReader<'a> {
    fn new(group: &Group<'a>, kinds: &mut Kinds) -> Result<Self, SettledError> {
        let (minutes, links) = (group.minutes(), group.links()?);
        let Some(shapes) = group.shapes()? else {
            return Ok(Self { minutes, requests: None, links, numbers: Vec::new() });
        };
        let service = |number: u32| shapes.services.get(number as usize).cloned();
        let kind = |kind: &GroupKind| {
            let from = kind.from.checked_sub(1).and_then(service);
            Some(kinds.number(&Kind { from, service: service(kind.service)?, bits: kind.bits }))
        };
        let numbers = shapes.kinds.iter().filter_map(kind).collect();
        Ok(Self { minutes, requests: Some(group.requests(shapes)?), links, numbers })
    }

    fn row(&mut self, row: usize, summary: &TraceSummary) -> Result<ObservedTrace, SettledError> {
        let links = self.links.iter().flat_map(|links| links.of_row(row));
        let links: Vec<LinkObservation> = links.cloned().collect();
        let start = summary.start.minute();
        let mut minutes =
            links.iter().map(|link| link.start.minute()).fold(NO_MINUTES, with_minute);
        let mut kinds = Vec::new();
        let is_known = match &mut self.requests {
            None => false,
            Some(requests) => requests.of_row(row, |request| {
                minutes = with_minute(minutes.clone(), start.saturating_add(request.minute));
                kinds.extend(self.numbers.get(request.number as usize));
            })?,
        };
        let Some(requests) = self.requests.as_ref().filter(|_| is_known) else {
            return Ok(ObservedTrace { minutes: self.minutes.clone(), requests: None, links });
        };
        let requests = Requests { kinds: kinds.into(), numbers: requests.numbers.get(row).into() };
        Ok(ObservedTrace { minutes, requests: Some(requests), links })
    }
}

/// Merges the trace indexes by id; entries of one trace become one.
fn merge_entries(
    files: &[Arc<SettledFile>],
    writer: &mut FileWriter<'_>,
) -> Result<(), MergeError> {
    let mut sources = Vec::new();
    for file in files {
        let mut entries = file.entries();
        if let Some(entry) = entries.next()? {
            sources.push((entry, entries));
        }
    }
    while let Some(id) = sources.iter().map(|(entry, _)| entry.id).min() {
        let mut merged: Option<IndexEntry> = None;
        let mut is_spent = false;
        for (entry, entries) in &mut sources {
            if entry.id != id {
                continue;
            }
            let next = entries.next()?;
            is_spent |= next.is_none();
            let taken = std::mem::replace(entry, next.unwrap_or(END));
            match &mut merged {
                None => merged = Some(taken),
                Some(merged) => {
                    merged.positions.extend(taken.positions);
                    merged.positions.sort_unstable();
                    merged.bytes += taken.bytes;
                }
            }
        }
        if let Some(IndexEntry { id, positions, bytes }) = merged {
            writer.add_entry(id, &positions, bytes)?;
        }
        if is_spent {
            sources.retain(|(entry, _): &(IndexEntry, Entries<'_>)| *entry != END);
        }
    }
    Ok(())
}

/// Stands for the end of a file's entries: no entry is without positions.
const END: IndexEntry =
    IndexEntry { id: TraceId::from_bytes([0xFF; 16]), positions: Vec::new(), bytes: 0 };

/// Adds up the rollups and takes back corrections within the files; corrections of other files
/// go on as they are.
fn merge_rollups(
    files: &[Arc<SettledFile>],
    is_inside: &dyn Fn(Sequence) -> bool,
    writer: &mut FileWriter<'_>,
) -> Result<(), MergeError> {
    let own = |rollup: &RollupPlace| rollup.target.is_none_or(is_inside);
    sum_minutes(files, &own, None, writer)?;
    let targets = files.iter().flat_map(|file| &file.footer.rollups);
    let targets: BTreeSet<Sequence> =
        targets.filter_map(|rollup| rollup.target).filter(|target| !is_inside(*target)).collect();
    for target in targets {
        let of_target = |rollup: &RollupPlace| rollup.target == Some(target);
        sum_minutes(files, &of_target, Some(target), writer)?;
    }
    Ok(())
}

/// Writes the sum of the rollups that are wanted, minute by minute.
fn sum_minutes(
    files: &[Arc<SettledFile>],
    is_wanted: &dyn Fn(&RollupPlace) -> bool,
    target: Option<Sequence>,
    writer: &mut FileWriter<'_>,
) -> Result<(), MergeError> {
    // Within a file, the minutes of one target ascend.
    let mut sources = Vec::new();
    for file in files {
        let rollups: Vec<&RollupPlace> =
            file.footer.rollups.iter().filter(|rollup| is_wanted(rollup)).collect();
        for of_target in rollups.chunk_by(|a, b| a.target == b.target) {
            let mut minutes = Minutes {
                file,
                is_correction: of_target.iter().any(|rollup| rollup.target.is_some()),
                rollups: of_target.iter().rev().copied().collect(),
                read: Vec::new().into_iter(),
            };
            if let Some(minute) = minutes.next()? {
                sources.push((minute, minutes));
            }
        }
    }
    while let Some(minute) = sources.iter().map(|((minute, _), _)| *minute).min() {
        let (mut sum, mut taken) = (ServiceGraph::default(), ServiceGraph::default());
        let mut rest = Vec::with_capacity(sources.len());
        for ((at, graph), mut minutes) in sources {
            if at != minute {
                rest.push(((at, graph), minutes));
                continue;
            }
            let is_taken = target.is_none() && minutes.is_correction;
            if is_taken { &mut taken } else { &mut sum }.merge(&graph);
            if let Some(next) = minutes.next()? {
                rest.push((next, minutes));
            }
        }
        sources = rest;
        sum.subtract(&taken);
        writer.add_rollup(target, minute, &sum)?;
    }
    Ok(())
}

/// The minutes of a file for one target, read block by block.
struct Minutes<'a> {
    file: &'a SettledFile,
    is_correction: bool,
    /// Blocks not yet read, the next one last.
    rollups: Vec<&'a RollupPlace>,
    /// Minutes of the block that was read last.
    read: std::vec::IntoIter<(i64, ServiceGraph)>,
}

impl Minutes<'_> {
    fn next(&mut self) -> Result<Option<(i64, ServiceGraph)>, SettledError> {
        loop {
            if let Some(minute) = self.read.next() {
                return Ok(Some(minute));
            }
            let Some(rollup) = self.rollups.pop() else { return Ok(None) };
            let block = self.file.read_chunk(rollup.place, Section::Rollups)?;
            let read = || {
                let (mut block, mut minutes) = (RollupBlock::new(&block)?, Vec::new());
                while let Some(minute) = block.next_graph()? {
                    minutes.push(minute);
                }
                Ok(minutes)
            };
            let minutes = read();
            let damaged = |Malformed| self.file.damaged(Section::Rollups, rollup.place);
            self.read = minutes.map_err(damaged)?.into_iter();
        }
    }
}
