//! What operators see of a store.

use roentgen_model::Timestamp;

/// Sizes, ages and counters of a store. Counters count since the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Traces that can be queried.
    pub traces: usize,
    /// Documents that can be queried.
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
    /// Documents that are stored but not yet in summaries and service graph. A query takes them
    /// in first, but for those of large traces that wait for their turn.
    pub unindexed_documents: usize,
    /// Estimate of the memory that index, summaries and rollups take, in bytes.
    pub index_bytes: u64,
    /// Documents acknowledged.
    pub stored_documents_total: u64,
    /// Groups of documents written, each with one fsync.
    pub groups_total: u64,
    /// Documents refused since the queue was full.
    pub overloaded_documents_total: u64,
    /// Stretches of damaged bytes that were skipped when the log was read at opening.
    pub damaged_stretches_total: u64,
    /// Their bytes.
    pub damaged_bytes_total: u64,
    /// Bytes of an unfinished write cut off at opening.
    pub torn_bytes_total: u64,
    /// Times a document could not be read back or parsed and was left out of its trace.
    pub unreadable_documents_total: u64,
    /// Documents kept in the log that were not shown when they were stored, or found at opening,
    /// since their traces had reached the largest size.
    pub oversize_documents_total: u64,
    /// Documents dropped with their log file by retention.
    pub expired_documents_total: u64,
    /// Why documents are refused since writing failed; `None` while all is well.
    pub failure: Option<String>,
}
