//! What the threads of the engine share.

use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use roentgen_model::TraceId;
use roentgen_ops::{Clock, HeldBack};

use crate::backlog::Backlog;
use crate::index::{DocumentPositions, Index, StoredDocument};
use crate::indexer::Indexer;
use crate::locking::{read, write};
use crate::log::{Damage, Disk, LogFile, Position, ReadError};
use crate::queue::Queue;
use crate::retention::Signal;
use crate::{ReceivedDocument, StoreError, StoreOptions, StoreStatus};

/// The state of an open store. The order of its locks is in [`crate::locking`].
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: StoreOptions,
    pub(crate) log_directory: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) indexer: Mutex<Indexer>,
    pub(crate) index: RwLock<Index>,
    pub(crate) queue: Queue,
    pub(crate) backlog: Backlog,
    pub(crate) retention: Signal,
    pub(crate) counters: Counters,
    failure: OnceLock<StoreError>,
    warnings: HeldBack,
    is_index_limit_told: AtomicBool,
}

/// Counters since opening.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) stored_documents: Count,
    pub(crate) groups: Count,
    pub(crate) overloaded_documents: Count,
    oversize_documents: Count,
    pub(crate) expired_documents: Count,
    unreadable_documents: Count,
    damage: OnceLock<Damage>,
}

/// Documents that were stored together and are not shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hidden {
    documents: usize,
    newest: Option<TraceId>,
}

impl Hidden {
    /// Counts a document unless it is shown.
    pub(crate) fn count(&mut self, stored: &StoredDocument, is_shown: bool) {
        if !is_shown {
            self.documents += 1;
            self.newest = Some(stored.trace_id);
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Keeps what was found at opening.
    pub(crate) fn set_damage(&self, damage: Damage) {
        self.damage.get_or_init(|| damage);
    }
}

impl State {
    /// The state of a store with an empty index.
    pub(crate) fn new(
        options: StoreOptions,
        log_directory: PathBuf,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
    ) -> Self {
        Self {
            queue: Queue::new(options.queue_documents, options.queue_bytes),
            index: RwLock::new(Index::new(options.trace_bytes)),
            options,
            log_directory,
            clock,
            disk,
            indexer: Mutex::default(),
            backlog: Backlog::default(),
            retention: Signal::default(),
            counters: Counters::default(),
            failure: OnceLock::new(),
            warnings: HeldBack::new(Duration::from_secs(60)),
            is_index_limit_told: AtomicBool::new(false),
        }
    }

    /// Changes the index, and lets the threads know that wait for such a change.
    pub(crate) fn change_index<R>(&self, change: impl FnOnce(&mut Index) -> R) -> R {
        let mut index = write(&self.index);
        let result = change(&mut index);
        // Under the lock, so that nobody sees documents that are not counted yet.
        self.backlog.set(index.work());
        if index.index_bytes() > self.options.most_index_bytes() {
            self.retention.wake();
        }
        result
    }

    /// Fails once writing has failed.
    pub(crate) fn check_sound(&self) -> Result<(), StoreError> {
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// Lets no document be stored any more.
    pub(crate) fn poison(&self, failure: StoreError) {
        let failure = match failure {
            StoreError::Io { path, cause, .. } => StoreError::Poisoned { path, cause },
            other => other,
        };
        tracing::error!(error = %failure, "storing documents has stopped");
        self.failure.get_or_init(|| failure);
    }

    /// Reads back documents of a trace. Damaged ones are left out and reported.
    pub(crate) fn read_documents(
        &self,
        id: TraceId,
        documents: &DocumentPositions,
        range: impl RangeBounds<usize>,
    ) -> Result<Vec<ReceivedDocument>, StoreError> {
        let mut received = Vec::new();
        for (file, position) in located(documents, range) {
            match file.read(position, id) {
                Ok(document) => received.push(document),
                Err(ReadError::Io(error)) => {
                    return Err(StoreError::io("read log file", &file.path, error));
                }
                Err(error) => self.report_unreadable(id, file, position, &error),
            }
        }
        Ok(received)
    }

    /// Reads back documents of a trace; with how many could not be read, which are reported.
    pub(crate) fn read_readable_documents(
        &self,
        id: TraceId,
        documents: &DocumentPositions,
        range: impl RangeBounds<usize>,
    ) -> (Vec<ReceivedDocument>, usize) {
        let (mut received, mut unreadable) = (Vec::new(), 0);
        for (file, position) in located(documents, range) {
            match file.read(position, id) {
                Ok(document) => received.push(document),
                Err(error) => {
                    unreadable += 1;
                    self.report_unreadable(id, file, position, &error);
                }
            }
        }
        (received, unreadable)
    }

    fn report_unreadable(&self, id: TraceId, file: &LogFile, at: Position, error: &ReadError) {
        self.counters.unreadable_documents.add(1);
        if let Some(held_back) = self.warnings.admit("unreadable", self.clock.instant()) {
            tracing::error!(
                trace_id = %id,
                file = %file.path.display(),
                offset = at.offset,
                %error,
                held_back,
                "a document could not be read back and is left out of its trace"
            );
        }
    }

    /// Counts and reports documents that were read back but cannot be used.
    pub(crate) fn report_unusable(&self, id: TraceId, documents: usize) {
        self.counters.unreadable_documents.add(documents);
        if let Some(held_back) = self.warnings.admit("unusable", self.clock.instant()) {
            tracing::error!(
                trace_id = %id,
                documents,
                held_back,
                "stored documents could not be parsed and are left out of their trace"
            );
        }
    }

    /// Counts and reports documents that were stored but are not shown.
    pub(crate) fn report_hidden(&self, hidden: Hidden) {
        let Some(id) = hidden.newest else { return };
        self.counters.oversize_documents.add(hidden.documents);
        if let Some(held_back) = self.warnings.admit("oversize", self.clock.instant()) {
            tracing::warn!(
                trace_id = %id,
                documents = hidden.documents,
                trace_bytes = self.options.trace_bytes,
                held_back,
                "documents are stored but not shown: their traces have reached the largest size"
            );
        }
    }

    /// Reports that retention could not do its work.
    pub(crate) fn report_unremovable(&self, error: &StoreError) {
        if let Some(held_back) = self.warnings.admit("unremovable", self.clock.instant()) {
            tracing::error!(%error, held_back, "an expired log file could not be removed");
        }
    }

    /// Tells once that memory is what bounds the store.
    pub(crate) fn report_index_limit(&self) {
        if !self.is_index_limit_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                index_bytes = self.options.index_bytes,
                "the index has reached its largest size: traces are dropped before their age and \
                 the bytes of the log demand it; allow more index bytes to keep more"
            );
        }
    }

    /// Everything for operators.
    pub(crate) fn status(&self) -> StoreStatus {
        let extent = read(&self.index).extent();
        let (pending_documents, pending_bytes) = self.queue.pending();
        let damage = self.counters.damage.get().copied().unwrap_or_default();
        StoreStatus {
            traces: extent.traces,
            documents: extent.documents,
            log_files: extent.files,
            log_bytes: extent.bytes,
            oldest: extent.received.map(|(oldest, _)| oldest),
            newest: extent.received.map(|(_, newest)| newest),
            pending_documents,
            pending_bytes,
            unindexed_documents: extent.unindexed_documents,
            index_bytes: extent.index_bytes,
            stored_documents_total: self.counters.stored_documents.get(),
            groups_total: self.counters.groups.get(),
            overloaded_documents_total: self.counters.overloaded_documents.get(),
            damaged_stretches_total: damage.stretches,
            damaged_bytes_total: damage.bytes,
            torn_bytes_total: damage.torn_bytes,
            unreadable_documents_total: self.counters.unreadable_documents.get(),
            oversize_documents_total: self.counters.oversize_documents.get(),
            expired_documents_total: self.counters.expired_documents.get(),
            failure: self.failure.get().map(ToString::to_string),
        }
    }
}

/// The documents of a range with their files.
fn located(
    documents: &DocumentPositions,
    range: impl RangeBounds<usize>,
) -> impl Iterator<Item = (&LogFile, Position)> {
    let range: (Bound<usize>, Bound<usize>) =
        (range.start_bound().cloned(), range.end_bound().cloned());
    let positions = documents.positions.get(range).unwrap_or_default();
    positions.iter().filter_map(|&position| {
        let file = documents.files.iter().find(|file| file.number == position.file)?;
        Some((&**file, position))
    })
}
