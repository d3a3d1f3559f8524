//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::settled::SettledError;

/// Why the store refused or failed. Cloned to every caller of a group that fails together.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue to the disk is full.
    #[error(
        "the store is overloaded: {documents} documents ({bytes} bytes) wait for the disk; try \
         again in a moment"
    )]
    Overloaded {
        /// Documents waiting.
        documents: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// Writing failed once. What the file then holds is unknown, so nothing is written after it.
    #[error(
        "the store takes no more documents since writing {path} failed: {cause}; make sure that \
         the disk is sound and has room, then restart"
    )]
    Poisoned {
        /// The log file.
        path: PathBuf,
        /// What the operating system said.
        cause: Arc<io::Error>,
    },
    /// A file or directory could not be used.
    #[error("cannot {action} {path}: {cause}{}", remedy(cause))]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: Arc<io::Error>,
    },
    /// A settled file cannot be used, nor could it be made anew from the log just now.
    #[error("{reason}; it is made anew from the log as soon as the disk allows")]
    Settled {
        /// The settled file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A filter leaves too much to be told by whole traces.
    #[error(
        "the filter can only be decided by reading more than {most_traces} traces or \
         {most_mebibytes} MiB of their documents, or in more than {most_seconds} seconds; shorten \
         the time range, add conditions on the traces, or ask for less of each"
    )]
    FilterTooBroad {
        /// Most traces that are read.
        most_traces: usize,
        /// Most MiB of their documents that are read.
        most_mebibytes: usize,
        /// Most seconds that this, and to ask the filter of them, may take.
        most_seconds: u64,
    },
    /// Another process has the data directory.
    #[error(
        "data directory {path} is in use by another process; stop that process or choose another \
         data directory"
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// A log file of a format that this program does not know.
    #[error(
        "log file {path} has format version {found}, but this program reads versions {oldest} to \
         {newest}; start the version of Roentgen that wrote it, or choose another data directory"
    )]
    UnknownVersion {
        /// The log file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The oldest version that this program reads.
        oldest: u32,
        /// The newest one, which it writes.
        newest: u32,
    },
}

impl StoreError {
    /// Wraps what the operating system said with what was tried.
    pub(crate) fn io(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), cause: Arc::new(cause) }
    }

    /// Tells what is wrong with a settled file.
    pub(crate) fn settled(error: SettledError) -> Self {
        Self::Settled { path: error.path().to_owned(), reason: error.to_string() }
    }
}

/// What to do about the causes that whoever mounts the directory can mend.
fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give the directory to the user this process runs as, or choose another"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; mount it for writing, or choose another directory",
        io::ErrorKind::StorageFull => "; make room there, or choose another directory",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_mended_is_told_with_the_way() {
        let check = |kind: io::ErrorKind, expect: &str| {
            let error = StoreError::io("open lock file", Path::new("/data/lock"), kind.into());
            assert_eq!(error.to_string(), format!("cannot open lock file /data/lock: {expect}"));
        };
        check(
            io::ErrorKind::PermissionDenied,
            "permission denied; give the directory to the user this process runs as, or choose \
             another",
        );
        check(
            io::ErrorKind::ReadOnlyFilesystem,
            "read-only filesystem or storage medium; mount it for writing, or choose another \
             directory",
        );
        check(
            io::ErrorKind::StorageFull,
            "no storage space; make room there, or choose another directory",
        );
        check(io::ErrorKind::InvalidInput, "invalid input parameter");
    }
}
