//! The data directory: made durably, and locked against other processes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// A data directory that this process alone uses, until this value is dropped.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    directories: Directories,
    _lock: File,
}

/// Where everything is in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directories {
    /// The segment log.
    pub(crate) log: PathBuf,
    /// What is derived from it: the manifest and the settled files, nothing else. It may be
    /// deleted while no process uses the data directory.
    pub(crate) settled: PathBuf,
}

impl Directories {
    /// Those of a data directory.
    pub(crate) fn of(path: &Path) -> Self {
        Self { log: path.join("log"), settled: path.join("settled") }
    }
}

impl DataDirectory {
    /// Makes the directory when it is missing, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        create_directory(path)
            .map_err(|error| StoreError::io("make data directory", path, error))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| StoreError::io("open lock file", &lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::io("lock", &lock_path, error));
            }
        }
        let directories = Directories::of(path);
        for path in [&directories.log, &directories.settled] {
            create_directory(path)
                .map_err(|error| StoreError::io("make directory", path, error))?;
        }
        Ok(Self { directories, _lock: lock })
    }

    /// Where everything is in it.
    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }
}

/// Makes a directory and those above it, so that they outlive a loss of power.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    create_directory(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !path.is_dir() {
                let reason = format!("{} is no directory", path.display());
                return Err(io::Error::new(error.kind(), reason));
            }
        }
        result => result?,
    }
    sync_directory(parent)
}

/// Makes new, renamed and removed names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_and_locked_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a").join("b");
        let first = DataDirectory::open(&path).unwrap();
        let Directories { log, settled } = first.directories();
        assert!(log.is_dir() && settled.is_dir());
        let message = DataDirectory::open(&path).unwrap_err().to_string();
        assert!(message.contains("a/b is in use by another process; stop"), "{message}");
        drop(first);
        DataDirectory::open(&path).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, b"").unwrap();
        let message = DataDirectory::open(&file.join("data")).unwrap_err().to_string();
        assert!(message.starts_with("cannot make data directory "), "{message}");
        assert!(message.ends_with("file is no directory"), "{message}");
    }
}
