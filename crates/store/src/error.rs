//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roentgen_model::MAX_DOCUMENT_BYTES;

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
    /// The document is larger than X-Ray allows, so it was not validated.
    #[error("a document of {bytes} bytes cannot be stored; at most {MAX_DOCUMENT_BYTES} can")]
    DocumentTooLarge {
        /// The size of the document.
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
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: Arc<io::Error>,
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
        "log file {path} has format version {found}, but this program reads version {known}; \
         start the version of Roentgen that wrote it, or choose another data directory"
    )]
    UnknownVersion {
        /// The log file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this program reads.
        known: u32,
    },
}

impl StoreError {
    /// Wraps what the operating system said with what was tried.
    pub(crate) fn io(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), cause: Arc::new(cause) }
    }
}
