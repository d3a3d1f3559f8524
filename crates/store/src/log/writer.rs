//! Appending to the log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{self, BlockWriter, LogDocument};
use super::dictionary::Dictionary;
use super::disk::{AppendFile, Disk};
use super::file::{LogFile, path_of};
use super::files::LogFiles;
use super::frame::{self, Version};
use super::position::{FileNumber, MAX_FILE_NUMBER, Position};
use crate::StoreError;

/// The buffer of a group keeps at most this much memory between groups.
const KEPT_BUFFER_BYTES: usize = 4 << 20;
/// How often a file begins with its dictionary: damage to one copy costs nothing.
const DICTIONARY_COPIES: usize = 2;

/// The file that grows. After any error the writer must not be used again: how much of a write
/// reached the file, and what a failed fsync left, is unknown.
#[derive(Debug)]
pub(crate) struct LogWriter {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    number: FileNumber,
    file: Box<dyn AppendFile>,
    bytes: u64,
    /// The bytes before the first block of documents.
    empty_bytes: u64,
    dictionary: Option<Arc<Dictionary>>,
    blocks: BlockWriter,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Begins a new file and makes it durable.
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        number: FileNumber,
        dictionary: Option<Arc<Dictionary>>,
    ) -> Result<Self, StoreError> {
        let path = path_of(directory, number);
        let create = || {
            if number > MAX_FILE_NUMBER {
                return Err(io::Error::other("no number is left for a log file"));
            }
            let beginning = beginning(dictionary.as_deref())?;
            let mut file = disk.create(&path)?;
            file.append(&beginning)?;
            file.sync()?;
            disk.sync_directory(directory)?;
            Ok((file, beginning.len() as u64, BlockWriter::new(dictionary.as_deref())?))
        };
        let (file, bytes, blocks) =
            create().map_err(|error| StoreError::io("make log file", &path, error))?;
        let (directory, buffer) = (directory.to_owned(), Vec::new());
        Ok(Self {
            disk,
            directory,
            number,
            file,
            bytes,
            empty_bytes: bytes,
            dictionary,
            blocks,
            buffer,
        })
    }

    /// Goes on with a file whose frames end at `length`; what stands behind is cut off.
    pub(super) fn reopen(
        disk: Arc<dyn Disk>,
        directory: &Path,
        file: &LogFile,
        length: u64,
    ) -> Result<Self, StoreError> {
        let dictionary = file.dictionary().cloned();
        let reopen = || {
            let empty_bytes = beginning(dictionary.as_deref())?.len() as u64;
            let blocks = BlockWriter::new(dictionary.as_deref())?;
            Ok((disk.reopen(&file.path, length)?, empty_bytes, blocks))
        };
        let (append_file, empty_bytes, blocks) =
            reopen().map_err(|error| StoreError::io("open log file", &file.path, error))?;
        Ok(Self {
            disk,
            directory: directory.to_owned(),
            number: file.number,
            file: append_file,
            bytes: length,
            empty_bytes,
            dictionary,
            blocks,
            buffer: Vec::new(),
        })
    }

    /// The file that grows.
    #[cfg(test)]
    pub(crate) fn number(&self) -> FileNumber {
        self.number
    }

    /// Its path.
    pub(crate) fn path(&self) -> PathBuf {
        path_of(&self.directory, self.number)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the file holds no documents.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes <= self.empty_bytes
    }

    /// Behind every document: where the next one will stand, if it is in this file.
    pub(crate) fn end(&self) -> Position {
        let end = u32::try_from(self.bytes).ok();
        end.and_then(|end| Position::new(self.number, end, 0)).unwrap_or(Position::MAX)
    }

    /// The dictionary of the file.
    pub(crate) fn dictionary(&self) -> Option<&Arc<Dictionary>> {
        self.dictionary.as_ref()
    }

    /// Begins the next file, with another dictionary or, without one, that of the file before;
    /// that one is complete, everything in it synced. The new file is added to `files`.
    pub(crate) fn rotate(
        &mut self,
        files: &LogFiles,
        dictionary: Option<Arc<Dictionary>>,
    ) -> Result<(), StoreError> {
        self.rotate_to(files, dictionary.or_else(|| self.dictionary.clone()))
    }

    /// Begins the next file, without a dictionary.
    pub(crate) fn rotate_without_dictionary(&mut self, files: &LogFiles) -> Result<(), StoreError> {
        self.rotate_to(files, None)
    }

    fn rotate_to(
        &mut self,
        files: &LogFiles,
        dictionary: Option<Arc<Dictionary>>,
    ) -> Result<(), StoreError> {
        let number = self.number.saturating_add(1);
        let next = Self::create(self.disk.clone(), &self.directory, number, dictionary)?;
        files.add(files.open_file(number)?);
        *self = next;
        Ok(())
    }

    /// Writes documents and waits until they are on stable storage. Fills in where they stand.
    pub(crate) fn append<'a>(
        &mut self,
        documents: impl Iterator<Item = LogDocument<'a>>,
        positions: &mut Vec<Position>,
    ) -> Result<(), StoreError> {
        self.try_append(documents, positions)
            .map_err(|error| StoreError::io("write", &self.path(), error))
    }

    fn try_append<'a>(
        &mut self,
        documents: impl Iterator<Item = LogDocument<'a>>,
        positions: &mut Vec<Position>,
    ) -> io::Result<()> {
        self.buffer.clear();
        positions.clear();
        for document in documents {
            if !self.blocks.has_room(document.bytes.len()) {
                self.finish_block(positions)?;
            }
            self.blocks.push(document);
        }
        if self.blocks.count() > 0 {
            self.finish_block(positions)?;
        }
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.file.sync()?;
        }
        self.bytes += self.buffer.len() as u64;
        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn finish_block(&mut self, positions: &mut Vec<Position>) -> io::Result<()> {
        let count = self.blocks.count();
        let offset = u32::try_from(self.bytes + self.buffer.len() as u64);
        let offset = offset.map_err(|_| io::Error::other("the log file is larger than 4 GiB"))?;
        positions.extend((0..count).filter_map(|place| Position::new(self.number, offset, place)));
        self.blocks.finish(&mut self.buffer)
    }
}

/// What stands before the first block of a file.
fn beginning(dictionary: Option<&Dictionary>) -> io::Result<Vec<u8>> {
    let mut bytes = frame::file_header(Version::Two).to_vec();
    if let Some(dictionary) = dictionary {
        for _ in 0..DICTIONARY_COPIES {
            block::append_dictionary(dictionary, &mut bytes)?;
        }
    }
    Ok(bytes)
}
