//! Appending to the log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{AppendFile, Disk};
use super::file::{FileNumber, LogFile, Position, path_of};
use super::frame::{self, FILE_HEADER_BYTES};
use crate::{ReceivedDocument, StoreError};

/// The buffer of a group keeps at most this much memory between groups.
const KEPT_BUFFER_BYTES: usize = 4 << 20;

/// The file that grows. After any error the writer must not be used again: how much of a write
/// reached the file, and what a failed fsync left, is unknown.
#[derive(Debug)]
pub(crate) struct LogWriter {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    number: FileNumber,
    file: Box<dyn AppendFile>,
    bytes: u64,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Begins a new file and makes it durable.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        number: FileNumber,
    ) -> Result<Self, StoreError> {
        let path = path_of(directory, number);
        let create = || {
            let mut file = disk.create(&path)?;
            file.append(&frame::file_header())?;
            file.sync()?;
            disk.sync_directory(directory)?;
            Ok(file)
        };
        let file = create().map_err(|error| StoreError::io("make log file", &path, error))?;
        let bytes = FILE_HEADER_BYTES as u64;
        Ok(Self { disk, directory: directory.to_owned(), number, file, bytes, buffer: Vec::new() })
    }

    /// Goes on with a file whose frames end at `length`; what stands behind is cut off.
    pub(crate) fn reopen(
        disk: Arc<dyn Disk>,
        directory: &Path,
        number: FileNumber,
        length: u64,
    ) -> Result<Self, StoreError> {
        let path = path_of(directory, number);
        let file = disk
            .reopen(&path, length)
            .map_err(|error| StoreError::io("open log file", &path, error))?;
        let directory = directory.to_owned();
        Ok(Self { disk, directory, number, file, bytes: length, buffer: Vec::new() })
    }

    /// The file that grows.
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

    /// Whether the file holds no frame.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes <= FILE_HEADER_BYTES as u64
    }

    /// Begins the next file; the one before is complete, everything in it synced.
    pub(crate) fn rotate(&mut self) -> Result<Arc<LogFile>, StoreError> {
        let next = Self::create(self.disk.clone(), &self.directory, self.number.saturating_add(1))?;
        let file = LogFile::open(&self.directory, next.number)
            .map_err(|error| StoreError::io("open log file", &next.path(), error))?;
        *self = next;
        Ok(Arc::new(file))
    }

    /// Writes documents and waits until they are on stable storage. Returns where they stand.
    pub(crate) fn append<'a>(
        &mut self,
        documents: impl Iterator<Item = &'a ReceivedDocument>,
    ) -> Result<Vec<Position>, StoreError> {
        self.try_append(documents).map_err(|error| StoreError::io("write", &self.path(), error))
    }

    fn try_append<'a>(
        &mut self,
        documents: impl Iterator<Item = &'a ReceivedDocument>,
    ) -> io::Result<Vec<Position>> {
        self.buffer.clear();
        let mut positions = Vec::new();
        let mut offset = self.bytes;
        for document in documents {
            let length = frame::encode(document, &mut self.buffer)
                .ok_or_else(|| io::Error::other("a document is too large for a frame"))?;
            positions.push(Position { file: self.number, length, offset });
            offset += u64::from(length);
        }
        if !positions.is_empty() {
            self.file.append(&self.buffer)?;
            self.file.sync()?;
        }
        self.bytes = offset;
        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Ok(positions)
    }
}
