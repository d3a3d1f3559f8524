//! The embedded engine: the log, the index, and three threads.
//!
//! * The *writer* takes groups of documents from the queue, writes and syncs them, enters them
//!   in the index and acknowledges.
//! * The *indexer* assembles traces that changed, for summaries and rollups.
//! * *Retention* drops log files that are too old or too many.

#[cfg(test)]
mod fault_tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use roentgen_model::{ServiceGraph, TraceId};
use roentgen_ops::Clock;

use crate::data_directory::DataDirectory;
use crate::index::StoredDocument;
use crate::locking::{lock, read};
use crate::log::{Disk, LogWriter, RealDisk, Recovered, recover};
use crate::queue::{Append, Work};
use crate::state::{Hidden, State};
use crate::{
    Acknowledge, ReceivedDocument, StoreError, StoreOptions, StoreStatus, SummaryPage,
    SummaryQuery, TimeRange, TraceDocuments, TraceStore, indexer, retention, summaries,
};

/// Storage in a directory of this machine.
///
/// Dropping the store closes it.
#[derive(Debug)]
pub struct EmbeddedStore {
    state: Arc<State>,
    /// The writer first. Every thread keeps the lock of the data directory while it runs.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the store of a data directory, or makes it. Reads the whole log and assembles every
    /// trace, so it takes some seconds for a million documents.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process uses the directory,
    /// [`StoreError::UnknownVersion`] when a newer program wrote it, [`StoreError::Io`] when it
    /// cannot be read and written. Damage in the log is no error: it is skipped, logged and told
    /// in [`StoreStatus`].
    pub fn open(options: StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_on(options, clock, Arc::new(RealDisk))
    }

    pub(crate) fn open_on(
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, StoreError> {
        let begin = clock.instant();
        let directory = Arc::new(DataDirectory::open(&options.directory)?);
        let state = Arc::new(State::new(options, directory.log(), clock, disk));
        let mut writer = fill_index(&state)?;
        if retention::is_rotation_due(&state) {
            rotate(&state, &mut writer)?;
        }
        retention::enforce(&state);
        indexer::take_in_log(&state);
        let StoreStatus { traces, documents, log_files, log_bytes, .. } = state.status();
        let seconds = (state.clock.instant() - begin).as_secs_f64();
        let path = state.options.directory.display();
        tracing::info!(%path, traces, documents, log_files, log_bytes, seconds, "store opened");

        let store = Self { state, threads: Mutex::default() };
        store.spawn("store-writer", &directory, |state| write_groups(state, writer))?;
        store.spawn("store-indexer", &directory, indexer::run)?;
        store.spawn("store-retention", &directory, retention::run)?;
        Ok(store)
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
    fn append(
        &self,
        documents: Vec<ReceivedDocument>,
        done: Acknowledge,
    ) -> Result<(), StoreError> {
        self.state.check_sound()?;
        let largest = documents.iter().map(|document| document.bytes.len()).max().unwrap_or(0);
        if largest > roentgen_model::MAX_DOCUMENT_BYTES {
            return Err(StoreError::DocumentTooLarge { bytes: largest });
        }
        let count = documents.len();
        let result = self.state.queue.push(Append { documents, done });
        if let Err(StoreError::Overloaded { .. }) = &result {
            self.state.counters.overloaded_documents.add(count);
        }
        result
    }

    fn documents(&self, id: TraceId) -> Result<Option<TraceDocuments>, StoreError> {
        self.check_open()?;
        let Some(positions) = read(&self.state.index).documents_of(id) else { return Ok(None) };
        let documents = self.state.read_documents(id, &positions, ..)?;
        Ok(Some(TraceDocuments { id, documents, limit_exceeded: positions.is_full }))
    }

    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<SummaryPage, StoreError> {
        self.check_open()?;
        indexer::take_in_changes(&self.state)?;
        Ok(summaries::page(&self.state.index, query))
    }

    fn service_graph(&self, range: TimeRange) -> Result<ServiceGraph, StoreError> {
        self.check_open()?;
        indexer::take_in_changes(&self.state)?;
        let rollups = read(&self.state.index).rollups(range);
        let mut sum = ServiceGraph::default();
        rollups.iter().for_each(|rollup| sum.merge(rollup));
        Ok(sum)
    }

    fn status(&self) -> StoreStatus {
        self.state.status()
    }

    fn close(&self) {
        self.state.queue.close();
        let mut threads = lock(&self.threads);
        // What is not taken in stays so: the next opening makes the index anew. The writer waits
        // for room no more and stores what is queued.
        self.state.backlog.close();
        self.state.retention.close();
        threads.drain(..).for_each(join);
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

/// Reads the log into the index.
fn fill_index(state: &State) -> Result<LogWriter, StoreError> {
    let mut hidden = Hidden::default();
    let (writer, damage) = state.change_index(|index| {
        recover(&state.disk, &state.log_directory, |recovered| match recovered {
            Recovered::File(file) => index.add_file(file),
            Recovered::Document(stored) => hidden.count(&stored, index.add_document(&stored)),
        })
    })?;
    state.report_hidden(hidden);
    state.counters.set_damage(damage);
    Ok(writer)
}

/// The writer thread.
fn write_groups(state: &State, mut writer: LogWriter) {
    loop {
        match state.queue.next() {
            Work::End => return,
            Work::Rotate => {
                if state.check_sound().is_ok() && !writer.is_empty() {
                    let result = rotate(state, &mut writer);
                    result.unwrap_or_else(|error| state.poison(error));
                }
            }
            Work::Group(group) => {
                state.backlog.wait_for_room();
                let result = store_group(state, &mut writer, &group);
                answer(state, group, &result);
            }
        }
    }
}

/// Begins a new file.
fn rotate(state: &State, writer: &mut LogWriter) -> Result<(), StoreError> {
    let file = writer.rotate()?;
    state.change_index(|index| index.add_file(file));
    state.retention.wake();
    Ok(())
}

/// Writes and syncs a group and enters it in the index. After a failure nothing is written ever
/// again: see [`StoreError::Poisoned`].
fn store_group(state: &State, writer: &mut LogWriter, group: &[Append]) -> Result<(), StoreError> {
    state.check_sound()?;
    let documents = || group.iter().flat_map(|append| &append.documents);
    let is_complete =
        writer.bytes() >= state.options.file_bytes() || retention::is_share_of_memory_used(state);
    let written = if is_complete && !writer.is_empty() {
        rotate(state, writer).and_then(|()| writer.append(documents()))
    } else {
        writer.append(documents())
    };
    let positions = match written {
        Ok(positions) => positions,
        Err(error) => {
            state.poison(error);
            return state.check_sound();
        }
    };
    let count = positions.len();
    let mut hidden = Hidden::default();
    state.change_index(|index| {
        for (document, position) in documents().zip(positions) {
            let ReceivedDocument { trace_id, received, .. } = *document;
            let stored = StoredDocument { trace_id, received, position };
            hidden.count(&stored, index.add_document(&stored));
        }
    });
    state.report_hidden(hidden);
    state.counters.stored_documents.add(count);
    state.counters.groups.add(usize::from(count > 0));
    Ok(())
}

fn answer(state: &State, group: Vec<Append>, result: &Result<(), StoreError>) {
    for Append { documents, done } in group {
        let bytes = documents.iter().map(|document| document.bytes.len()).sum();
        state.queue.release(documents.len(), bytes);
        // A caller that panics must not take the writer, and so everyone's store, with it.
        if catch_unwind(AssertUnwindSafe(|| done(result.clone()))).is_err() {
            tracing::error!("a callback of an append panicked");
        }
    }
}
