//! What operators see of a store.

use roentgen_model::Timestamp;

/// Sizes, ages and counters of a store. Counters count since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Traces that can be queried. One that had settled and goes on counts twice until it
    /// settles again.
    pub traces: usize,
    /// Documents in the log, hidden ones included.
    pub documents: u64,
    /// Log files.
    pub log_files: usize,
    /// Bytes of the log files.
    pub log_bytes: u64,
    /// When the oldest stored document was received.
    pub oldest: Option<Timestamp>,
    /// When the newest stored document was received.
    pub newest: Option<Timestamp>,
    /// Documents waiting for the disk.
    pub pending_documents: usize,
    /// Bytes of the documents waiting for the disk.
    pub pending_bytes: usize,
    /// Traces with documents that have not settled.
    pub open_traces: usize,
    /// Documents that have not settled.
    pub open_documents: u64,
    /// Estimate of the memory that they take, in bytes.
    pub open_bytes: u64,
    /// Documents of large traces that lists and graphs do not show yet.
    pub resting_documents: usize,
    /// Settled files.
    pub settled_files: usize,
    /// Their bytes.
    pub settled_bytes: u64,
    /// Memory of what queries have read of settled files, in bytes.
    pub cache_bytes: u64,
    /// Bytes of the dictionary that documents are compressed with; 0 while there is none.
    pub dictionary_bytes: u64,
    /// Documents acknowledged.
    pub stored_documents_total: u64,
    /// Groups of documents written, each with one fsync.
    pub groups_total: u64,
    /// Documents refused since the queue was full.
    pub overloaded_documents_total: u64,
    /// Times traces settled, each with settled files published.
    pub settles_total: u64,
    /// Times that settling failed; it is tried again.
    pub failed_settles_total: u64,
    /// Times that settled files were merged.
    pub merges_total: u64,
    /// Times that merging failed; it is tried again.
    pub failed_merges_total: u64,
    /// Documents that had not settled and were read from the log when the store was opened.
    pub replayed_documents_total: u64,
    /// Stretches of damaged bytes of the log that were skipped.
    pub damaged_stretches_total: u64,
    /// Their bytes.
    pub damaged_bytes_total: u64,
    /// Bytes of an unfinished write cut off at opening.
    pub torn_bytes_total: u64,
    /// Settled files found damaged or missing; what they told was made anew from the log.
    pub damaged_settled_files_total: u64,
    /// Times the manifest was found damaged at opening.
    pub damaged_manifests_total: u64,
    /// Times a document could not be read back or parsed and was left out of its trace.
    pub unreadable_documents_total: u64,
    /// Documents kept in the log that were not shown when they were stored, or found at opening,
    /// since their traces had reached the largest size.
    pub oversize_documents_total: u64,
    /// Documents dropped with their log file by retention.
    pub expired_documents_total: u64,
    /// Times that background work met a defect of this program and was begun anew.
    pub panics_total: u64,
    /// Why documents are refused since writing failed; `None` while all is well.
    pub failure: Option<String>,
}
