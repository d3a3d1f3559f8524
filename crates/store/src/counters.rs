//! What is counted since the store was opened.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::log::Damage;

/// Counters since opening; [`crate::StoreStatus`] tells what each counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) stored_documents: Count,
    pub(crate) groups: Count,
    pub(crate) overloaded_documents: Count,
    pub(crate) settles: Count,
    pub(crate) failed_settles: Count,
    pub(crate) merges: Count,
    pub(crate) failed_merges: Count,
    pub(crate) replayed_documents: Count,
    pub(crate) damaged_stretches: Count,
    pub(crate) damaged_bytes: Count,
    pub(crate) torn_bytes: Count,
    pub(crate) damaged_settled_files: Count,
    pub(crate) damaged_manifests: Count,
    pub(crate) unreadable_documents: Count,
    pub(crate) oversize_documents: Count,
    pub(crate) expired_documents: Count,
    pub(crate) panics: Count,
    /// Bytes of the dictionary in force.
    pub(crate) dictionary_bytes: Count,
}

/// A number that many threads count.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts what was wrong with the log.
    pub(crate) fn count_damage(&self, damage: Damage) {
        self.damaged_stretches.add(damage.stretches);
        self.damaged_bytes.add(damage.bytes);
        self.torn_bytes.add(damage.torn_bytes);
    }
}
