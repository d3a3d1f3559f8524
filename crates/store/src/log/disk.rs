//! How the log writes: the few operations whose failure must be handled, behind a trait so that
//! tests can make them fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::data_directory;

/// A file that grows at its end.
pub(crate) trait AppendFile: fmt::Debug + Send {
    /// Writes all bytes behind those that are there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Brings everything appended to stable storage.
    fn sync(&mut self) -> io::Result<()>;
}

/// Makes, changes and removes files.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Makes a file that must not be there yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;
    /// Cuts a file to `length` bytes and opens it to grow from there.
    fn reopen(&self, path: &Path, length: u64) -> io::Result<Box<dyn AppendFile>>;
    /// Gives a file another name, in the place of one that may have it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Brings names made or removed in a directory to stable storage.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(OpenOptions::new().append(true).create_new(true).open(path)?))
    }

    fn reopen(&self, path: &Path, length: u64) -> io::Result<Box<dyn AppendFile>> {
        let file = OpenOptions::new().append(true).open(path)?;
        file.set_len(length)?;
        // Also brings frames to stable storage that were written but not synced when the process
        // was killed: they are served from now on, so they must stay.
        file.sync_all()?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        data_directory::sync_directory(path)
    }
}

impl AppendFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
