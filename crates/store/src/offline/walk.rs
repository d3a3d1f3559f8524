//! Walking through the log of a data directory that another process may be writing to.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StoreError;
use crate::data_directory::Directories;
use crate::log::{Ending, FileNumber, Found, LogFile, LogFiles, scan};

/// The log of a data directory.
#[derive(Debug)]
pub(super) struct Log {
    files: LogFiles,
}

impl Log {
    /// That of a data directory. There must be one.
    pub(super) fn of(data_directory: &Path) -> Result<Self, StoreError> {
        let Directories { log, .. } = Directories::of(data_directory);
        if log.is_dir() {
            return Ok(Self { files: LogFiles::unopened(&log) });
        }
        let cause = io::Error::new(
            io::ErrorKind::NotFound,
            "it has no directory log; name the data directory with --data-dir or --config",
        );
        Err(StoreError::io("find a store in", data_directory, cause))
    }

    /// The numbers of its files, oldest first.
    pub(super) fn numbers(&self) -> Result<Vec<FileNumber>, StoreError> {
        self.files.numbers()
    }

    /// Where a file is.
    pub(super) fn path_of(&self, number: FileNumber) -> PathBuf {
        self.files.path_of(number)
    }

    /// The bytes of all its files.
    pub(super) fn bytes(&self) -> Result<u64, StoreError> {
        // A file without a size is one that retention has just dropped.
        let size = |number| self.path_of(number).metadata().map_or(0, |file| file.len());
        Ok(self.numbers()?.into_iter().map(size).sum())
    }

    /// Opens a file; `None` when retention has dropped it since it was listed.
    pub(super) fn open(&self, number: FileNumber) -> Result<Option<Arc<LogFile>>, StoreError> {
        match self.files.open_file(number) {
            Ok(file) => Ok(Some(file)),
            Err(StoreError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The size of a file now.
pub(super) fn bytes_of(file: &LogFile) -> Result<u64, StoreError> {
    file.bytes().map_err(|error| StoreError::io("read log file", &file.path, error))
}

/// Tells everything in the first `bytes` of a log file; tells how they end, or `None` when it was
/// told to stop.
pub(super) fn walk(
    file: &LogFile,
    bytes: u64,
    mut tell: impl FnMut(Found<'_>) -> ControlFlow<()>,
) -> Result<Option<Ending>, StoreError> {
    let mut is_stopped = false;
    let ending = scan(file, 0..bytes, |found| {
        is_stopped = tell(found).is_break();
        // Any error ends a scan; this one goes no further.
        if is_stopped { Err(StoreError::Closed) } else { Ok(()) }
    });
    if is_stopped { Ok(None) } else { ending.map(Some) }
}
