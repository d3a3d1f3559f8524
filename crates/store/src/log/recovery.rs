//! Reading the log when the store is opened, and making its end fit to grow.
//!
//! What counts as damage: bytes that are no frame, before a frame or in a file that is not the
//! newest, and blocks that cannot be decompressed. Each stretch is skipped, counted and named in
//! the output; the file is left as it is. Behind the last frame of the newest file, bytes that are
//! no frame are a write that a crash cut short. No document in it was acknowledged, so it is cut
//! off.

use std::sync::Arc;

use super::block::LogDocument;
use super::disk::Disk;
use super::file::{HeaderState, LogFile};
use super::files::LogFiles;
use super::frame::{FILE_HEADER_BYTES, Version};
use super::parallel::{Stretch, Told, scan_all};
use super::position::Position;
use super::scan::Ending;
use super::writer::LogWriter;
use crate::StoreError;

/// Stretches of damage named one by one; a log with more is beyond reading lines.
const MAX_NAMED_STRETCHES: u64 = 20;

/// What was wrong with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Stretches of bytes that are nothing that was written.
    pub(crate) stretches: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Bytes of an unfinished write that were cut off.
    pub(crate) torn_bytes: u64,
}

/// What of the log to read, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay {
    /// Documents from here on are told.
    pub(crate) from: Position,
    /// The newest position that anything made from the log refers to. The log grows behind it,
    /// even if it has lost its end, so that no position ever means another document.
    pub(crate) newest_known: Position,
    /// How many threads read.
    pub(crate) threads: usize,
}

/// Reads the log from a position on, and returns the writer for what comes next. On threads,
/// `read` makes of each document what is wanted of it, if anything; on this thread, `found` gets
/// that in the order of storage. Nothing is changed before everything was read.
pub(crate) fn recover<T: Send>(
    disk: &Arc<dyn Disk>,
    files: &LogFiles,
    replay: Replay,
    read: impl Fn(Position, LogDocument<'_>) -> Option<T> + Sync,
    mut found: impl FnMut(T) -> Result<(), StoreError>,
) -> Result<(LogWriter, Damage), StoreError> {
    let listed = files.list();
    let newest = listed.last().map(|file| file.number);
    let mut damage = DamageReport::default();
    for file in &listed {
        match file.header {
            HeaderState::Damaged => damage.add(file, 0, FILE_HEADER_BYTES as u64),
            HeaderState::Unfinished if Some(file.number) != newest => {
                damage.add(file, 0, bytes_of(file)?);
            }
            HeaderState::Unfinished | HeaderState::Sound => {}
        }
    }
    let stretches = stretches(&listed, replay.from)?;
    let endings = scan_all(
        &stretches,
        replay.threads,
        |position, document| {
            if position < replay.from { None } else { read(position, document) }
        },
        |told| match told {
            Told::Document(document) => found(document),
            Told::Damage { file, offset, bytes } => {
                damage.add(file, offset, bytes);
                Ok(())
            }
        },
    )?;
    let mut end = None;
    for (Stretch { file, .. }, ending) in stretches.iter().zip(endings) {
        let tail = ending.file_end.saturating_sub(ending.frames_end);
        let is_newest = Some(file.number) == newest;
        let newest_end = NewestEnd::new(file, ending, replay.newest_known);
        if tail > 0 && is_newest && newest_end.is_tail_unfinished() {
            let (path, offset) = (file.path.display(), ending.frames_end);
            damage.damage.torn_bytes += tail;
            tracing::warn!(file = %path, offset, bytes = tail, "unfinished write cut off");
        } else if tail > 0 {
            damage.add(file, ending.frames_end, tail);
        }
        end = is_newest.then_some(newest_end);
    }
    damage.finish();
    Ok((writer(disk, files, end, replay.newest_known)?, damage.damage))
}

/// How the newest file ends.
#[derive(Clone, Copy, Debug)]
struct NewestEnd<'a> {
    file: &'a LogFile,
    frames_end: u64,
    /// Whether a document is known that stood behind the last frame.
    is_lost: bool,
}

impl<'a> NewestEnd<'a> {
    fn new(file: &'a LogFile, ending: Ending, newest_known: Position) -> Self {
        let end = u32::try_from(ending.frames_end).ok();
        let end = end.and_then(|end| Position::new(file.number, end, 0)).unwrap_or(Position::MAX);
        Self { file, frames_end: ending.frames_end, is_lost: end <= newest_known }
    }

    /// Whether what stands behind the last frame was never acknowledged.
    fn is_tail_unfinished(&self) -> bool {
        self.file.header == HeaderState::Sound && !self.is_lost
    }
}

/// The files that have documents from a position on, and always the newest file, whose end must
/// be found.
fn stretches(listed: &[Arc<LogFile>], from: Position) -> Result<Vec<Stretch>, StoreError> {
    let begin = listed.iter().position(|file| file.number >= from.file());
    let begin = begin.unwrap_or(listed.len().saturating_sub(1));
    let stretch = |file: &Arc<LogFile>| {
        let (offset, bytes) = (u64::from(from.offset()), bytes_of(file)?);
        // A position behind the end is that of a file that lost its end: it tells nothing.
        let is_from_here = file.number == from.file() && offset <= bytes;
        Ok(Stretch { file: file.clone(), from: if is_from_here { offset } else { 0 } })
    };
    listed.get(begin..).unwrap_or_default().iter().map(stretch).collect()
}

fn bytes_of(file: &LogFile) -> Result<u64, StoreError> {
    file.bytes().map_err(|error| StoreError::io("read log file", &file.path, error))
}

/// The writer that goes on behind the newest file's last frame, or in a new file.
fn writer(
    disk: &Arc<dyn Disk>,
    files: &LogFiles,
    newest: Option<NewestEnd<'_>>,
    newest_known: Position,
) -> Result<LogWriter, StoreError> {
    let directory = files.directory();
    let dictionary = files.newest_dictionary();
    let mut number = newest_known.file().saturating_add(1);
    if let Some(newest) = newest {
        let NewestEnd { file, frames_end, is_lost } = newest;
        let path = file.path.display();
        number = number.max(file.number.saturating_add(1));
        if file.header == HeaderState::Unfinished {
            tracing::warn!(file = %path, "log file without a header removed");
            let removed = disk.remove(&file.path);
            removed.map_err(|error| StoreError::io("remove", &file.path, error))?;
            files.remove(file.number);
        } else if is_lost {
            tracing::error!(file = %path, offset = frames_end, "the log has lost its end");
        } else if newest.is_tail_unfinished() {
            if file.version() == Version::Two {
                return LogWriter::reopen(disk.clone(), directory, file, frames_end);
            }
            // Dropped at once: opening cuts the file to this length.
            let cut = disk.reopen(&file.path, frames_end);
            cut.map_err(|error| StoreError::io("open log file", &file.path, error))?;
        }
    }
    let writer = LogWriter::create(disk.clone(), directory, number, dictionary)?;
    files.add(files.open_file(number)?);
    Ok(writer)
}

/// Counts damage and names the first stretches.
#[derive(Debug, Default)]
struct DamageReport {
    damage: Damage,
}

impl DamageReport {
    fn add(&mut self, file: &LogFile, offset: u64, bytes: u64) {
        self.damage.stretches += 1;
        self.damage.bytes += bytes;
        if self.damage.stretches <= MAX_NAMED_STRETCHES {
            let path = file.path.display();
            tracing::error!(file = %path, offset, bytes, "damaged bytes in the log skipped");
        }
    }

    fn finish(&self) {
        let more = self.damage.stretches.saturating_sub(MAX_NAMED_STRETCHES);
        if more > 0 {
            tracing::error!(more, "more damaged stretches of the log skipped");
        }
    }
}

#[cfg(test)]
mod tests;
