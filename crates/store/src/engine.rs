//! The embedded engine, and its threads.
//!
//! * The *writer* takes groups of documents from the queue, writes and syncs them, enters them in
//!   the open set and acknowledges.
//! * The *settler* writes traces that are quiet to settled files.
//! * *Upkeep* drops log files that are too old or too many, and merges settled files.
//!
//! Queries run on the threads of their callers.

#[cfg(test)]
mod fault_tests;

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use roentgen_model::{LinkedEdges, TraceId};
use roentgen_ops::Clock;

use crate::data_directory::DataDirectory;
use crate::locking::lock;
use crate::log::{Disk, NarrowDisk, RealDisk};
use crate::queue::Append;
use crate::state::State;
use crate::writer::Writer;
use crate::{
    Acknowledge, GraphQuery, NewDocument, Refused, StoreError, StoreOptions, StoreStatus,
    SummaryPage, SummaryQuery, TimeRange, TimedGraph, TraceDocuments, TraceFilter, TraceStore,
    query, recovery, retention, settling, upkeep,
};

/// Storage in a directory of this machine.
///
/// Dropping the store closes it.
#[derive(Debug)]
pub struct EmbeddedStore {
    state: Arc<State>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The lock of the data directory. Every thread keeps it, too, while it runs.
    directory: Mutex<Option<Arc<DataDirectory>>>,
}

impl EmbeddedStore {
    /// Opens the store of a data directory, or makes it. Reads the part of the log that has not
    /// settled: well below a second. Where settled files are missing or damaged, more of the log
    /// is read and settles again: some seconds for a million documents.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process uses the directory,
    /// [`StoreError::UnknownVersion`] when a newer program wrote the log, [`StoreError::Io`] when
    /// it cannot be read and written. Damage is no error: what is damaged of the log is skipped,
    /// what is damaged of the rest is made anew; it is logged and told in [`StoreStatus`].
    pub fn open(options: StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let directory = DataDirectory::open(&options.directory)?;
        let disk: Arc<dyn Disk> = match options.tuning.disk_bytes {
            None => Arc::new(RealDisk),
            Some(bytes) => Arc::new(NarrowDisk::new(bytes)),
        };
        Self::open_in(directory, options, clock, disk)
    }

    /// Opens the store of a data directory that was locked before.
    pub(crate) fn open_in(
        directory: DataDirectory,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, StoreError> {
        let begin = clock.instant();
        let (state, log) = recovery::open(&options, directory.directories(), &clock, &disk)?;
        let state = Arc::new(state);
        let mut writer = Writer::new(&state, log);
        if retention::is_rotation_due(&state) {
            writer.rotate_on_demand(&state);
        }
        retention::enforce(&state);
        let StoreStatus { traces, documents, log_files, log_bytes, open_documents, .. } =
            query::status(&state);
        let seconds = (state.clock.instant() - begin).as_secs_f64();
        let path = state.options.directory.display();
        tracing::info!(
            %path,
            traces,
            documents,
            open_documents,
            log_files,
            log_bytes,
            seconds,
            "store opened"
        );
        let directory = Arc::new(directory);
        let threads = Mutex::default();
        let store = Self { state, threads, directory: Mutex::new(Some(directory.clone())) };
        store.spawn("store-writer", &directory, |state| writer.run(state))?;
        store.spawn("store-settler", &directory, settling::run)?;
        store.spawn("store-upkeep", &directory, upkeep::run)?;
        settling::wake_if_worthwhile(&store.state);
        Ok(store)
    }

    /// Settles everything that is open when this is called, as the store does by itself with
    /// traces that are quiet, when there are enough of them. Returns when that is on stable
    /// storage.
    ///
    /// # Errors
    /// When it could not be written. Nothing is lost by that: the documents are in the log.
    /// [`StoreError::Closed`].
    pub fn settle(&self) -> Result<(), StoreError> {
        self.check_open()?;
        settling::settle_everything(&self.state)
    }

    /// Drops what is older or more than the options allow, as the store does by itself within a
    /// minute. The log file that grows is never dropped.
    pub fn enforce_retention(&self) {
        retention::enforce(&self.state);
    }

    fn spawn(
        &self,
        name: &str,
        directory: &Arc<DataDirectory>,
        run: impl FnOnce(&State) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (state, directory) = (self.state.clone(), directory.clone());
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            run(&state);
            drop(directory);
        });
        let thread = thread.map_err(|error| {
            StoreError::io("start a thread for", &self.state.options.directory, error)
        })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.state.queue.is_closed() { Err(StoreError::Closed) } else { Ok(()) }
    }
}

impl TraceStore for EmbeddedStore {
    fn append(&self, documents: Vec<NewDocument>, done: Acknowledge) -> Result<(), Refused> {
        let append = Append { documents, done };
        if let Err(failure) = self.state.check_sound() {
            return Err(append.refuse(failure));
        }
        let result = self.state.queue.push(append);
        if let Err(Refused { error: StoreError::Overloaded { .. }, documents, .. }) = &result {
            self.state.counters.overloaded_documents.add(documents.len() as u64);
        }
        result
    }

    fn documents(&self, id: TraceId) -> Result<Option<TraceDocuments>, StoreError> {
        self.check_open()?;
        query::documents(&self.state, id)
    }

    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<SummaryPage, StoreError> {
        self.check_open()?;
        query::summaries(&self.state, query)
    }

    fn service_graphs(&self, query: &GraphQuery<'_>) -> Result<Vec<TimedGraph>, StoreError> {
        self.check_open()?;
        query::service_graphs(&self.state, query)
    }

    fn linked_edges(
        &self,
        range: TimeRange,
        traces: Option<&TraceFilter<'_>>,
    ) -> Result<LinkedEdges, StoreError> {
        self.check_open()?;
        query::linked_edges(&self.state, range, traces)
    }

    fn status(&self) -> StoreStatus {
        query::status(&self.state)
    }

    fn close(&self) {
        self.state.queue.close();
        let mut threads = lock(&self.threads);
        // What is open stays so: it is read from the log at the next opening. The writer waits
        // for room no more and stores what is queued.
        self.state.room.close();
        self.state.settling.close();
        self.state.upkeep.close();
        threads.drain(..).for_each(join);
        // What callers began, such as settling, is done when its owner can be had.
        let mut derived = lock(&self.state.derived);
        if derived.check_open().is_ok() {
            settling::tell_end(&self.state, &mut derived);
            derived.close();
        }
        drop(derived);
        lock(&self.directory).take();
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// Waits for the end of a thread, unless it is the one that runs: the last handle of a store may
/// be dropped inside an [`Acknowledge`].
fn join(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() && thread.join().is_err() {
        tracing::error!("a thread of the store panicked");
    }
}
