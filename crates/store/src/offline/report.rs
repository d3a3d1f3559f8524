//! What a check tells.

use std::path::PathBuf;

use roentgen_model::Timestamp;

use super::{Fault, TraceCount};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// The log files, oldest first.
    pub files: Vec<CheckedFile>,
    /// What is made from the log.
    pub settled: CheckedSettled,
    /// Distinct traces in the log.
    pub traces: TraceCount,
    /// Everything that is wrong, the first thousand of it: in the log in the order of its files,
    /// then in what is made from it.
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub faults_total: u64,
}

/// A log file that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedFile {
    /// The file.
    pub path: PathBuf,
    /// Its format version; `None` when its header is damaged or unfinished.
    pub version: Option<u32>,
    /// Its size.
    pub bytes: u64,
    /// Whole documents in it.
    pub documents: u64,
    /// Their bytes as they were received.
    pub document_bytes: u64,
    /// When the oldest of them was received, and the newest.
    pub received: Option<(Timestamp, Timestamp)>,
    /// Bytes behind the last whole frame of the newest file: a write under way, or one that a
    /// crash cut short and the next opening cuts off. Damage of the last frames looks the same,
    /// unless they are known to have been whole.
    pub unfinished_bytes: u64,
}

/// The settled files that the manifest lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckedSettled {
    /// How many there are.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Documents that they name, also those whose log file is gone.
    pub documents: u64,
    /// Documents of the log that are in none of them. Their traces are open: they are read when
    /// the store is opened.
    pub open_documents: u64,
}

impl CheckReport {
    /// Whole documents.
    pub fn documents(&self) -> u64 {
        self.files.iter().map(|file| file.documents).sum()
    }

    /// Bytes of the log files.
    pub fn log_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Bytes of the documents as they were received.
    pub fn document_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.document_bytes).sum()
    }
}

impl CheckedFile {
    /// A file of which nothing is known yet.
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            version: None,
            bytes: 0,
            documents: 0,
            document_bytes: 0,
            received: None,
            unfinished_bytes: 0,
        }
    }
}
