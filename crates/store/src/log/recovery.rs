//! Reading the whole log when the store is opened, and making its end fit to grow.
//!
//! What counts as damage: bytes that are no frame, before a frame or in a file that is not the
//! newest. Each stretch is skipped, counted and named in the output; the file is left as it is.
//! Behind the last frame of the newest file, such bytes are a write that a crash cut short. No
//! document in it was acknowledged, so it is cut off.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::disk::Disk;
use super::file::{LogFile, Position, path_of};
use super::frame::{self, FILE_HEADER_BYTES, FileHeader};
use super::scan::{Ending, Found, scan};
use super::writer::LogWriter;
use crate::StoreError;
use crate::index::StoredDocument;

/// Stretches of damage named one by one for each file; a file with more is beyond reading lines.
const MAX_NAMED_STRETCHES: u64 = 20;

/// Something in the log.
#[derive(Debug)]
pub(crate) enum Recovered {
    /// A file; its documents follow.
    File(Arc<LogFile>),
    /// A document.
    Document(StoredDocument),
}

/// What was wrong with the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Stretches of bytes that are no frame.
    pub(crate) stretches: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Bytes of an unfinished write that were cut off.
    pub(crate) torn_bytes: u64,
}

/// Tells everything in the log of a directory, oldest first, and returns the writer for what
/// comes next. Nothing is changed before everything was read.
pub(crate) fn recover(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    mut tell: impl FnMut(Recovered),
) -> Result<(LogWriter, Damage), StoreError> {
    let numbers = LogFile::list(directory)
        .map_err(|error| StoreError::io("list directory", directory, error))?;
    let mut damage = Damage::default();
    let mut newest = None;
    for (index, &number) in numbers.iter().enumerate() {
        let is_newest = index + 1 == numbers.len();
        let file = LogFile::open(directory, number)
            .map_err(|error| StoreError::io("open log file", &path_of(directory, number), error))?;
        let file = Arc::new(file);
        tell(Recovered::File(file.clone()));
        let state = read_file(&file, is_newest, &mut damage, &mut tell)?;
        newest = Some((number, state));
    }
    let writer = match newest {
        None => LogWriter::create(disk.clone(), directory, 1)?,
        Some((number, FileState::Sound { frames_end })) => {
            return Ok((LogWriter::reopen(disk.clone(), directory, number, frames_end)?, damage));
        }
        Some((number, FileState::Unfinished)) => {
            let path = path_of(directory, number);
            disk.remove(&path).map_err(|error| StoreError::io("remove", &path, error))?;
            LogWriter::create(disk.clone(), directory, number)?
        }
        Some((number, FileState::Damaged)) => {
            LogWriter::create(disk.clone(), directory, number.saturating_add(1))?
        }
    };
    let file = LogFile::open(directory, writer.number())
        .map_err(|error| StoreError::io("open log file", &writer.path(), error))?;
    tell(Recovered::File(Arc::new(file)));
    Ok((writer, damage))
}

/// Whether a file may grow.
enum FileState {
    /// From here on.
    Sound { frames_end: u64 },
    /// Not even its header was finished.
    Unfinished,
    /// Its header is damaged.
    Damaged,
}

fn read_file(
    file: &LogFile,
    is_newest: bool,
    damage: &mut Damage,
    tell: &mut impl FnMut(Recovered),
) -> Result<FileState, StoreError> {
    let fail = |error| StoreError::io("read log file", &file.path, error);
    let mut named = NamedStretches { file, count: 0, damage };
    let mut reader = file.reader();
    let mut header = Vec::new();
    let header_bytes = FILE_HEADER_BYTES as u64;
    reader.seek(SeekFrom::Start(0)).map_err(fail)?;
    reader.take(header_bytes).read_to_end(&mut header).map_err(fail)?;
    let Some(header) = header.first_chunk::<FILE_HEADER_BYTES>() else {
        if is_newest {
            tracing::warn!(file = %file.path.display(), "log file without a header removed");
            return Ok(FileState::Unfinished);
        }
        named.add(0, header.len() as u64);
        return Ok(FileState::Damaged);
    };
    let is_header_sound = match frame::parse_file_header(header) {
        FileHeader::Version(frame::VERSION) => true,
        FileHeader::Version(found) => {
            let (path, known) = (file.path.clone(), frame::VERSION);
            return Err(StoreError::UnknownVersion { path, found, known });
        }
        FileHeader::Damaged => {
            named.add(0, header_bytes);
            false
        }
    };
    let ending = scan(reader, header_bytes, |found| match found {
        Found::Frame { offset, length, frame } => tell(Recovered::Document(StoredDocument {
            trace_id: frame.trace_id,
            received: frame.received,
            position: Position { file: file.number, length, offset },
        })),
        Found::Damage { offset, bytes } => named.add(offset, bytes),
    })
    .map_err(fail)?;
    named.finish();
    let Ending { frames_end, file_end } = ending;
    let tail = file_end - frames_end;
    if tail > 0 && is_newest && is_header_sound {
        damage.torn_bytes += tail;
        let path = file.path.display();
        tracing::warn!(file = %path, offset = frames_end, bytes = tail, "unfinished write cut off");
    } else if tail > 0 {
        NamedStretches { file, count: 0, damage }.add(frames_end, tail);
    }
    Ok(if is_header_sound { FileState::Sound { frames_end } } else { FileState::Damaged })
}

/// Counts the damage of a file and names the first stretches.
struct NamedStretches<'a> {
    file: &'a LogFile,
    count: u64,
    damage: &'a mut Damage,
}

impl NamedStretches<'_> {
    fn add(&mut self, offset: u64, bytes: u64) {
        self.count += 1;
        self.damage.stretches += 1;
        self.damage.bytes += bytes;
        if self.count <= MAX_NAMED_STRETCHES {
            let path = self.file.path.display();
            tracing::error!(file = %path, offset, bytes, "damaged bytes in the log skipped");
        }
    }

    fn finish(&self) {
        if self.count > MAX_NAMED_STRETCHES {
            let more = self.count - MAX_NAMED_STRETCHES;
            tracing::error!(file = %self.file.path.display(), more, "more damaged stretches skipped");
        }
    }
}
