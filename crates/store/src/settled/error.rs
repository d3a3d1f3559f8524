//! What can go wrong with a settled file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::columns::ColumnName;

/// Why a settled file cannot be read. Whatever it is, all that the file holds can be made anew
/// from the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SettledError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: Arc<io::Error>,
    },
    /// The bytes are not those that were written.
    #[error("settled file {path} is damaged: {section} at byte {offset}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part that is damaged.
        section: Section,
        /// Where that part begins.
        offset: u64,
    },
    /// A file of a format that this program does not know.
    #[error(
        "settled file {path} has format version {found}, but this program reads version {known}; \
         what it holds can be made anew from the log"
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this program reads.
        known: u32,
    },
}

/// A part of a settled file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The first bytes, which tell the version.
    Header,
    /// The last bytes, which tell where the footer is.
    Trailer,
    /// What all else is found through.
    Footer,
    /// A block of the trace index.
    TraceIndex,
    /// The first ids of the blocks of the trace index.
    Fences,
    /// The filter that tells most ids that are not in the file.
    Filter,
    /// A column of a row group.
    Column {
        /// The row group.
        group: usize,
        /// The column.
        column: ColumnName,
    },
    /// A block of rollups or of corrections.
    Rollups,
    /// The list of rows that no longer count.
    Superseded,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Section::Header => f.write_str("header"),
            Section::Trailer => f.write_str("trailer"),
            Section::Footer => f.write_str("footer"),
            Section::TraceIndex => f.write_str("block of the trace index"),
            Section::Fences => f.write_str("fences of the trace index"),
            Section::Filter => f.write_str("filter of the trace index"),
            Section::Column { group, column } => {
                write!(f, "column {column:?} of row group {group}")
            }
            Section::Rollups => f.write_str("block of rollups"),
            Section::Superseded => f.write_str("list of superseded traces"),
        }
    }
}

impl SettledError {
    /// Wraps what the operating system said with what was tried.
    pub(super) fn io(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), cause: Arc::new(cause) }
    }

    /// The file that the error is about.
    pub fn path(&self) -> &Path {
        match self {
            SettledError::Io { path, .. }
            | SettledError::Damaged { path, .. }
            | SettledError::UnknownVersion { path, .. } => path,
        }
    }
}
