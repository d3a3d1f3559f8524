//! How to open the embedded engine.

use std::path::PathBuf;
use std::time::Duration;

use crate::log::DICTIONARY_SAMPLES;

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
    /// Whether nothing is dropped, whatever age and bytes say. Log files have their usual size,
    /// so that retention can go on later.
    pub is_retention_paused: bool,
    /// Most memory of open traces: those whose newest documents are in the log and in no settled
    /// file yet. Beyond it traces settle at once; beyond twice as much nothing is stored until
    /// some have.
    pub open_bytes: u64,
    /// Most memory of what queries have read of settled files.
    pub cache_bytes: u64,
    /// Most documents that wait for the disk; more are refused.
    pub queue_documents: usize,
    /// Most bytes of documents that wait for the disk; more are refused.
    pub queue_bytes: usize,
    /// Most bytes of documents shown of one trace. From the first one on that does not fit, its
    /// documents are stored but hidden, until retention has dropped what stands before them.
    pub trace_bytes: u64,
    /// When background work is done. The defaults are what is measured; tests and benches make
    /// things happen sooner.
    pub tuning: Tuning,
}

/// When the engine does its background work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Traces settle when the quiet ones have so many documents.
    pub settle_documents: usize,
    /// A trace is quiet when nothing has come for so long.
    pub settle_quiet: Duration,
    /// So many neighbouring settled files of similar size become one.
    pub merge_files: usize,
    /// The size at which a log file is complete; `None` for a sixteenth of what is kept.
    pub log_file_bytes: Option<u64>,
    /// Documents that a dictionary is trained with.
    pub dictionary_samples: usize,
    /// Bytes that can be written until the disk counts as full; `None` for those it has.
    pub disk_bytes: Option<u64>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            // Some 3 MB of settled file: small against the log it stands for, large enough that
            // the fixed cost of a file (three fsyncs, some ms) does not count.
            settle_documents: 32_768,
            settle_quiet: Duration::from_secs(2),
            merge_files: 8,
            log_file_bytes: None,
            dictionary_samples: DICTIONARY_SAMPLES,
            disk_bytes: None,
        }
    }
}

impl StoreOptions {
    /// Options for a data directory, everything else at its default.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            retention_age: Duration::from_secs(30 * 24 * 3600), // X-Ray keeps traces for 30 days.
            retention_bytes: 1 << 30,
            is_retention_paused: false,
            open_bytes: 96 << 20,
            cache_bytes: 64 << 20,
            queue_documents: 65_536,
            queue_bytes: 32 << 20,
            // X-Ray's limit is 500 kB. Ours is set by the memory that assembly takes, several
            // times this, and its time, some 0.3 s; 10,000 segments of the usual 1 kB fit.
            trace_bytes: 16 << 20,
            tuning: Tuning::default(),
        }
    }

    /// The size at which a log file is complete: a sixteenth of what is kept, so that retention
    /// takes little at once; at most 1 GiB.
    pub(crate) fn file_bytes(&self) -> u64 {
        let share = (self.retention_bytes / FILES).clamp(1 << 10, 1 << 30);
        self.tuning.log_file_bytes.unwrap_or(share)
    }

    /// The bytes of log at which the oldest file goes: what is allowed without the room that the
    /// growing file may need.
    pub(crate) fn most_log_bytes(&self) -> u64 {
        self.retention_bytes.saturating_sub(self.file_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_files_follows_from_what_is_kept() {
        let check = |retention_bytes, log_file_bytes, expect| {
            let tuning = Tuning { log_file_bytes, ..Tuning::default() };
            let options = StoreOptions { retention_bytes, tuning, ..StoreOptions::new("") };
            assert_eq!(options.file_bytes(), expect, "{retention_bytes} {log_file_bytes:?}");
        };
        check(1 << 30, None, 64 << 20);
        check(256 << 20, None, 16 << 20);
        check(u64::MAX, None, 1 << 30);
        check(0, None, 1 << 10);
        check(1 << 30, Some(1 << 18), 1 << 18);
    }
}
