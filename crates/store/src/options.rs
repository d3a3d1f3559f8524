//! How to open the embedded engine.

use std::path::PathBuf;
use std::time::Duration;

/// Where the embedded engine keeps its data, and its bounds.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data directory; made when missing.
    pub directory: PathBuf,
    /// How long documents are kept, by the time they were received.
    pub retention_age: Duration,
    /// How many bytes of log are kept; the oldest go first.
    pub retention_bytes: u64,
    /// Most documents that wait for the disk; more are refused.
    pub queue_documents: usize,
    /// Most bytes of documents that wait for the disk; more are refused.
    pub queue_bytes: usize,
    /// Most bytes of documents in one trace; later documents of it are stored but not shown.
    pub trace_bytes: u64,
}

impl StoreOptions {
    /// Options for a data directory, everything else at its default.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            retention_age: Duration::from_secs(30 * 24 * 3600), // X-Ray keeps traces for 30 days.
            retention_bytes: 1 << 30,
            queue_documents: 65_536,
            queue_bytes: 32 << 20,
            // X-Ray's limit is 500 kB. Ours is set by the memory that assembly takes, several
            // times this; 10,000 segments of the usual 1 kB fit six times.
            trace_bytes: 64 << 20,
        }
    }

    /// The size at which a log file is complete: a sixteenth of what is kept, so that retention
    /// takes little at once; at most 1 GiB.
    pub(crate) fn file_bytes(&self) -> u64 {
        (self.retention_bytes / 16).clamp(1 << 10, 1 << 30)
    }
}
