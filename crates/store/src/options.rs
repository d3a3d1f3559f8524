//! How to open the embedded engine.

use std::path::PathBuf;
use std::time::Duration;

/// Log files when the store is as large as it may be.
const FILES: u64 = 16;

/// Where the embedded engine keeps its data, and its bounds.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The data directory; made when missing.
    pub directory: PathBuf,
    /// How long documents are kept, by the time they were received.
    pub retention_age: Duration,
    /// How many bytes of log are kept; the oldest go first.
    pub retention_bytes: u64,
    /// Most memory of the index, by an estimate: of where documents stand, of summaries and of
    /// service graphs. The oldest log files go when it takes more, whatever else is allowed.
    pub index_bytes: u64,
    /// Most documents that wait for the disk; more are refused.
    pub queue_documents: usize,
    /// Most bytes of documents that wait for the disk; more are refused.
    pub queue_bytes: usize,
    /// Most bytes of documents shown of one trace. From the first one on that does not fit, its
    /// documents are stored but hidden, until retention has dropped what stands before them.
    pub trace_bytes: u64,
}

impl StoreOptions {
    /// Options for a data directory, everything else at its default.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            retention_age: Duration::from_secs(30 * 24 * 3600), // X-Ray keeps traces for 30 days.
            retention_bytes: 1 << 30,
            index_bytes: 512 << 20,
            queue_documents: 65_536,
            queue_bytes: 32 << 20,
            // X-Ray's limit is 500 kB. Ours is set by the memory that assembly takes, several
            // times this, and its time, some 0.3 s; 10,000 segments of the usual 1 kB fit.
            trace_bytes: 16 << 20,
        }
    }

    /// The size at which a log file is complete: a sixteenth of what is kept, so that retention
    /// takes little at once; at most 1 GiB. Usual documents take about as much of the index as of
    /// the log, so the smaller bound counts.
    pub(crate) fn file_bytes(&self) -> u64 {
        (self.retention_bytes.min(self.index_bytes) / FILES).clamp(1 << 10, 1 << 30)
    }

    /// The memory at which a log file is complete even if it is smaller: a sixteenth again, for
    /// documents that take much more of the index than of the log.
    pub(crate) fn file_index_bytes(&self) -> u64 {
        self.index_bytes / FILES
    }

    /// The bytes of log at which the oldest file goes: what is allowed without the room that the
    /// growing file may need.
    pub(crate) fn most_log_bytes(&self) -> u64 {
        self.retention_bytes.saturating_sub(self.file_bytes())
    }

    /// The memory at which the oldest file goes, in the same way.
    pub(crate) fn most_index_bytes(&self) -> u64 {
        self.index_bytes.saturating_sub(self.file_index_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_files_follows_from_both_bounds() {
        let check = |retention_bytes, index_bytes, expect| {
            let options = StoreOptions { retention_bytes, index_bytes, ..StoreOptions::new("") };
            assert_eq!(options.file_bytes(), expect, "{retention_bytes} {index_bytes}");
        };
        check(1 << 30, 512 << 20, 32 << 20);
        check(256 << 20, 512 << 20, 16 << 20);
        check(u64::MAX, 512 << 20, 32 << 20);
        check(u64::MAX, u64::MAX, 1 << 30);
        check(0, 512 << 20, 1 << 10);
    }
}
