//! The writer thread: takes groups of documents from the queue, writes and syncs them, enters them
//! in the open set, and acknowledges.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use roentgen_model::{Timestamp, TraceId};

use crate::dictionary::Training;
use crate::log::{LogDocument, LogWriter, Position};
use crate::open::StoredDocument;
use crate::queue::{Append, Work};
use crate::signal::Urgency;
use crate::state::State;
use crate::{StoreError, settling};

/// How long the writer waits at most before it looks again whether there is room; it is woken
/// when there is.
const ROOM_PERIOD: Duration = Duration::from_millis(100);

/// Smaller log files have no dictionary. It stands in each of them twice, 64 KiB, and saves 65 bytes
/// for a document of a kilobyte that takes 212 without: as much when the file has about this size.
/// In the smallest files, of 64 KiB, nothing else would have room.
const LEAST_FILE_BYTES_WITH_DICTIONARY: u64 = 256 << 10;

/// What the writer thread has.
#[derive(Debug)]
pub(crate) struct Writer {
    log: LogWriter,
    training: Training,
    positions: Vec<Position>,
}

/// Documents that were stored together and are not shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hidden {
    documents: u64,
    newest: Option<TraceId>,
}

impl Hidden {
    /// Counts a document unless it is shown.
    pub(crate) fn count(&mut self, trace_id: TraceId, is_shown: bool) {
        if !is_shown {
            self.documents += 1;
            self.newest = Some(trace_id);
        }
    }

    /// Tells operators, if there are any.
    pub(crate) fn report(self, state: &State) {
        state.report_hidden(self.documents, self.newest);
    }
}

impl Writer {
    /// Goes on where the log ends.
    pub(crate) fn new(state: &State, log: LogWriter) -> Self {
        let samples = state.options.tuning.dictionary_samples;
        let training = Training::new(if has_dictionaries(state) { samples } else { 0 });
        let writer = Self { log, training, positions: Vec::new() };
        writer.tell_dictionary(state);
        writer
    }

    /// Works until the queue was closed and is empty.
    pub(crate) fn run(mut self, state: &State) {
        loop {
            match state.queue.next() {
                Work::End => return,
                Work::Rotate => self.rotate_on_demand(state),
                Work::Group(mut group) => {
                    wait_for_room(state);
                    let (documents, bytes) = group.iter().fold((0, 0), |(documents, bytes), a| {
                        (documents + a.documents.len(), bytes + a.bytes())
                    });
                    let result = self.store(state, &mut group);
                    state.queue.release(documents, bytes);
                    answer(group, &result);
                }
            }
        }
    }

    /// Stores a group. After a failure nothing is written ever again: see
    /// [`StoreError::Poisoned`].
    fn store(&mut self, state: &State, group: &mut [Append]) -> Result<(), StoreError> {
        state.check_sound()?;
        // A defect of ours must not leave callers without an answer; what is in the file then is
        // as unknown as after an error.
        let stored = catch_unwind(AssertUnwindSafe(|| self.try_store(state, group)));
        let stored = stored.unwrap_or_else(|_| {
            state.report_panic("storing documents");
            let error = std::io::Error::other("a defect of the store was met");
            Err(StoreError::io("write", &self.log.path(), error))
        });
        if let Err(error) = stored {
            state.poison(error);
        }
        state.check_sound()
    }

    fn try_store(&mut self, state: &State, group: &mut [Append]) -> Result<(), StoreError> {
        let is_complete = self.log.bytes() >= state.options.file_bytes() && !self.log.is_empty();
        if is_complete || self.training.is_done() {
            self.rotate(state)?;
        }
        let documents = || group.iter().flat_map(|append| &append.documents);
        let log_documents = documents()
            .map(|document| LogDocument { received: document.received(), bytes: document.bytes() });
        self.log.append(log_documents, &mut self.positions)?;
        let has_dictionary = self.log.dictionary().is_some();
        documents().for_each(|document| self.training.sample(document.bytes(), has_dictionary));
        self.enter(state, group);
        Ok(())
    }

    /// Lets queries see a group that is on stable storage.
    fn enter(&self, state: &State, group: &mut [Append]) {
        let now = state.clock.instant();
        let times = || group.iter().flat_map(|append| &append.documents).map(|d| d.received());
        let received: Vec<(Position, Timestamp)> =
            self.positions.iter().copied().zip(times()).collect();
        let mut hidden = Hidden::default();
        let documents = group.iter_mut().flat_map(|append| append.documents.drain(..));
        for (document, &position) in documents.zip(&self.positions) {
            let trace_id = document.trace_id();
            let bytes = u32::try_from(document.bytes().len()).unwrap_or(u32::MAX);
            let outlined = document.into_outlined();
            let is_shown = state.open.enter(StoredDocument { position, bytes, outlined }, now);
            hidden.count(trace_id, is_shown);
        }
        state.counters.stored_documents.add(received.len() as u64);
        state.counters.groups.add(u64::from(!received.is_empty()));
        // Behind the documents: whoever knows the end finds them entered.
        state.extent.grow(received.into_iter(), self.log.end());
        hidden.report(state);
        settling::wake_if_worthwhile(state);
    }

    /// Begins a new file since retention wants the one that grows to be complete.
    pub(crate) fn rotate_on_demand(&mut self, state: &State) {
        if state.check_sound().is_ok() && !self.log.is_empty() {
            self.rotate(state).unwrap_or_else(|error| state.poison(error));
        }
    }

    fn rotate(&mut self, state: &State) -> Result<(), StoreError> {
        let dictionary = self.training.take().and_then(|bytes| {
            let dictionary = state
                .log
                .dictionary(&bytes)
                .inspect_err(|error| tracing::warn!(%error, "a trained dictionary cannot be used"));
            dictionary.ok()
        });
        if has_dictionaries(state) {
            self.log.rotate(&state.log, dictionary)?;
        } else {
            self.log.rotate_without_dictionary(&state.log)?;
        }
        self.tell_dictionary(state);
        state.upkeep.wake();
        Ok(())
    }

    fn tell_dictionary(&self, state: &State) {
        let bytes = self.log.dictionary().map_or(0, |dictionary| dictionary.bytes().len());
        state.counters.dictionary_bytes.set(bytes as u64);
    }
}

/// Whether log files are so large that a dictionary pays.
fn has_dictionaries(state: &State) -> bool {
    state.options.file_bytes() >= LEAST_FILE_BYTES_WITH_DICTIONARY
}

/// Waits while open traces take twice the memory they may; not once the store is being closed.
fn wait_for_room(state: &State) {
    let most = state.options.open_bytes.saturating_mul(2);
    let has_no_room = || state.open.size().bytes > most;
    while has_no_room() && !state.queue.is_closed() && state.check_sound().is_ok() {
        state.settling.wake_now();
        if !state.room.wait(Urgency::Soon, Some(ROOM_PERIOD)) {
            return;
        }
    }
}

fn answer(group: Vec<Append>, result: &Result<(), StoreError>) {
    for Append { done, .. } in group {
        // A caller that panics must not take the writer, and so everyone's store, with it.
        if catch_unwind(AssertUnwindSafe(|| done(result.clone()))).is_err() {
            tracing::error!("a callback of an append panicked");
        }
    }
}
