//! What the threads of the engine share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use roentgen_model::TraceId;
use roentgen_ops::{Clock, HeldBack};

use crate::counters::Counters;
use crate::data_directory::Directories;
use crate::derived::Derived;
use crate::extent::Extent;
use crate::live::Live;
use crate::locking::{read, write};
use crate::log::{Disk, LogFiles, Position, ReadDocument, ReadError};
use crate::open::OpenSet;
use crate::query::{GraphCache, LargeTraces, LinkEnds, SummaryCache};
use crate::queue::Queue;
use crate::settled::{ColumnCache, ScanThreads};
use crate::signal::Signal;
use crate::{StoreError, StoreOptions};

/// How often a kind of trouble is logged; the line tells how many were held back.
const WARNING_PERIOD: Duration = Duration::from_secs(60);

/// The state of an open store. The order of its locks is in [`crate::locking`].
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: StoreOptions,
    pub(crate) directories: Directories,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) derived: Mutex<Derived>,
    pub(crate) gate: RwLock<()>,
    live: RwLock<Arc<Live>>,
    /// Whether documents may be in no settled file and not open. Changed behind the gate.
    is_incomplete: AtomicBool,
    pub(crate) log: LogFiles,
    pub(crate) extent: Extent,
    pub(crate) open: OpenSet,
    pub(crate) queue: Queue,
    pub(crate) large: LargeTraces,
    pub(crate) graphs: GraphCache,
    pub(crate) summaries: SummaryCache,
    pub(crate) link_ends: LinkEnds,
    pub(crate) cache: Arc<ColumnCache>,
    pub(crate) scan_threads: ScanThreads,
    /// Wakes the settler.
    pub(crate) settling: Signal,
    /// Wakes the writer when it waits for traces to settle.
    pub(crate) room: Signal,
    /// Wakes retention and merging.
    pub(crate) upkeep: Signal,
    pub(crate) counters: Counters,
    failure: OnceLock<StoreError>,
    warnings: HeldBack,
}

impl State {
    /// The state of a store in which nothing is open and nothing has settled.
    pub(crate) fn new(
        options: StoreOptions,
        directories: Directories,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
        log: LogFiles,
        derived: Derived,
    ) -> Self {
        Self {
            queue: Queue::new(options.queue_documents, options.queue_bytes),
            open: OpenSet::new(options.trace_bytes),
            extent: Extent::new(derived.manifest.listing().log.clone()),
            cache: Arc::new(ColumnCache::new(options.cache_bytes)),
            options,
            directories,
            clock,
            disk,
            derived: Mutex::new(derived),
            gate: RwLock::default(),
            live: RwLock::default(),
            is_incomplete: AtomicBool::new(false),
            log,
            large: LargeTraces::default(),
            graphs: GraphCache::default(),
            summaries: SummaryCache::default(),
            link_ends: LinkEnds::default(),
            scan_threads: ScanThreads::of_machine(),
            settling: Signal::default(),
            room: Signal::default(),
            upkeep: Signal::default(),
            counters: Counters::default(),
            failure: OnceLock::new(),
            warnings: HeldBack::new(WARNING_PERIOD),
        }
    }

    /// The settled files that count now.
    pub(crate) fn live(&self) -> Arc<Live> {
        read(&self.live).clone()
    }

    /// Puts another list of settled files in the place of the one before. For who holds
    /// [`State::derived`].
    pub(crate) fn set_live(&self, live: Live) {
        *write(&self.live) = Arc::new(live);
    }

    /// Notes whether documents may be in no settled file and not open.
    pub(crate) fn set_incomplete(&self, is_incomplete: bool) {
        self.is_incomplete.store(is_incomplete, Ordering::SeqCst);
    }

    /// Whether documents may be in no settled file and not open. For who stands in the gate.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.is_incomplete.load(Ordering::SeqCst)
    }

    /// Forgets what queries keep of settled files and traces that may be others now.
    pub(crate) fn forget_queries(&self) {
        self.graphs.clear();
        self.link_ends.clear();
        self.large.clear();
    }

    /// Fails once writing has failed.
    pub(crate) fn check_sound(&self) -> Result<(), StoreError> {
        self.failure.get().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    /// Why nothing is stored any more.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.get().map(ToString::to_string)
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

    /// What was read at a place of the log, if it can be used; else it is counted and reported,
    /// unless it has gone with its file.
    pub(crate) fn readable(
        &self,
        id: TraceId,
        position: Position,
        document: Result<ReadDocument, ReadError>,
    ) -> Option<ReadDocument> {
        let error = match document {
            Ok(document) => return Some(document),
            Err(ReadError::Gone) => return None,
            Err(error) => error,
        };
        self.counters.unreadable_documents.add(1);
        if let Some(held_back) = self.warning_due("unreadable") {
            tracing::error!(
                trace_id = %id,
                file = %self.log_path(position),
                offset = position.offset(),
                %error,
                held_back,
                "a document could not be read back and is left out of its trace"
            );
        }
        None
    }

    /// An error of reading the log.
    pub(crate) fn log_error(&self, position: Position, error: std::io::Error) -> StoreError {
        let file = self.log.get(position.file());
        let path = file.as_ref().map_or(self.directories.log.as_path(), |file| &file.path);
        StoreError::io("read log file", path, error)
    }

    fn log_path(&self, position: Position) -> String {
        let file = self.log.get(position.file());
        file.map_or_else(String::new, |file| file.path.display().to_string())
    }

    /// Counts and reports documents that were read back but cannot be used.
    pub(crate) fn report_unusable(&self, id: TraceId, documents: usize) {
        self.counters.unreadable_documents.add(documents as u64);
        if let Some(held_back) = self.warning_due("unusable") {
            tracing::error!(
                trace_id = %id,
                documents,
                held_back,
                "stored documents could not be parsed and are left out of their trace"
            );
        }
    }

    /// Counts and reports documents that were stored but are not shown; `newest` is the trace of
    /// one of them.
    pub(crate) fn report_hidden(&self, documents: u64, newest: Option<TraceId>) {
        let Some(id) = newest else { return };
        self.counters.oversize_documents.add(documents);
        if let Some(held_back) = self.warning_due("oversize") {
            tracing::warn!(
                trace_id = %id,
                documents,
                trace_bytes = self.options.trace_bytes,
                held_back,
                "documents are stored but not shown: their traces have reached the largest size"
            );
        }
    }

    /// Counts and reports a defect of this program that background work goes on after.
    pub(crate) fn report_panic(&self, work: &'static str) {
        self.counters.panics.add(1);
        if let Some(held_back) = self.warning_due(work) {
            tracing::error!(work, held_back, "a defect of the store was met; the work goes on");
        }
    }

    /// Whether a warning of this kind is due, and how many were held back since the last.
    pub(crate) fn warning_due(&self, kind: &'static str) -> Option<u64> {
        self.warnings.admit(kind, self.clock.instant())
    }
}
