//! What has been sent so far, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a run; one thread counts, others may read.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) requests: AtomicU64,
    pub(super) documents: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) failed_documents: AtomicU64,
    pub(super) skipped_requests: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressCounts {
    /// Requests that the shop served.
    pub requests: u64,
    /// Documents handed to the network.
    pub documents: u64,
    /// Their bytes, without headers.
    pub bytes: u64,
    /// Documents that the system could not send or, as it reported later, that nobody listened to.
    /// Of the latter it reports some only, and they count as handed to the network as well.
    pub failed_documents: u64,
    /// Requests left out because this machine was too slow for the rate.
    pub skipped_requests: u64,
}

impl Progress {
    /// The counters now.
    pub fn counts(&self) -> ProgressCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ProgressCounts {
            requests: read(&self.requests),
            documents: read(&self.documents),
            bytes: read(&self.bytes),
            failed_documents: read(&self.failed_documents),
            skipped_requests: read(&self.skipped_requests),
        }
    }

    pub(super) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }
}
