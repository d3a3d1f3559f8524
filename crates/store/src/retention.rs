//! Retention: whole log files are dropped when all their documents are too old, or when there are
//! too many bytes of log, or of memory that the index takes. Oldest first, so that what is left is
//! everything from some moment on.
//!
//! A trace loses the documents in a dropped file. When it has none left it is gone; one that
//! reaches into later files is assembled anew from what is left. The name of the file goes first:
//! after a crash in between, the index is made from what is left of the log anyway.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use roentgen_model::{Micros, Timestamp, TraceId};

use crate::StoreError;
use crate::index::{Limits, Reason};
use crate::indexer::Indexer;
use crate::locking::{lock, read, wait_at_most};
use crate::log::LogFile;
use crate::state::State;

/// How often ages are looked at. What is kept too long at most is this and a sixteenth of the
/// age, the longest a file grows.
const PERIOD: Duration = Duration::from_secs(60);
/// A file holds documents of this part of the retention age at most, so that age drops little at
/// once even where little is written.
const FILES_PER_AGE: u32 = 16;
/// Traces removed while the index is locked once.
const CHUNK: usize = 256;

/// Wakes the retention thread.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    is_wanted: bool,
    is_closed: bool,
}

impl Signal {
    /// Lets the thread look at once.
    pub(crate) fn wake(&self) {
        lock(&self.state).is_wanted = true;
        self.changed.notify_all();
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    fn wait(&self) -> bool {
        let is_idle = |state: &mut SignalState| !state.is_wanted && !state.is_closed;
        let mut state = wait_at_most(&self.changed, lock(&self.state), PERIOD, is_idle);
        state.is_wanted = false;
        !state.is_closed
    }
}

/// The retention thread.
pub(crate) fn run(state: &State) {
    while state.retention.wait() {
        if is_rotation_due(state) {
            state.queue.request_rotation();
        }
        enforce(state);
    }
}

/// Whether the growing file must be completed, so that retention can drop it in time.
pub(crate) fn is_rotation_due(state: &State) -> bool {
    let cutoff = ago(state, state.options.retention_age / FILES_PER_AGE);
    read(&state.index).is_growing_file_older(cutoff) || is_share_of_memory_used(state)
}

/// Whether the index grew by a file's share since the growing file was begun.
pub(crate) fn is_share_of_memory_used(state: &State) -> bool {
    read(&state.index).unsettled_bytes() >= state.options.file_index_bytes()
}

/// Drops what is too old and too much. The file that grows is never dropped; room for it is part
/// of the bytes allowed.
pub(crate) fn enforce(state: &State) {
    while !state.backlog.is_closed() {
        let mut indexer = lock(&state.indexer);
        let limits = Limits {
            cutoff: ago(state, state.options.retention_age),
            log_bytes: state.options.most_log_bytes(),
            index_bytes: state.options.most_index_bytes(),
        };
        let Some((file, reason)) = read(&state.index).expired_file(limits) else { return };
        if let Err(error) = drop_file(state, &mut indexer, &file, reason) {
            state.report_unremovable(&error);
            return;
        }
        if reason == Reason::IndexBytes {
            state.report_index_limit();
        }
    }
}

fn drop_file(
    state: &State,
    indexer: &mut Indexer,
    file: &LogFile,
    reason: Reason,
) -> Result<(), StoreError> {
    let fail = |error| StoreError::io("remove", &file.path, error);
    state.disk.remove(&file.path).map_err(fail)?;
    state.disk.sync_directory(&state.log_directory).map_err(fail)?;
    let traces = read(&state.index).traces_in(file.number);
    for chunk in traces.chunks(CHUNK) {
        let (gone, staying): (Vec<TraceId>, Vec<TraceId>) = state.change_index(|index| {
            chunk.iter().partition(|&&id| index.remove_trace(id, file.number))
        });
        gone.into_iter().for_each(|id| indexer.forget(id));
        for id in staying {
            if state.backlog.is_closed() {
                return Ok(()); // The index is made anew at the next opening, without the file.
            }
            indexer.update(state, id, Some(file.number));
        }
    }
    let documents = state.change_index(|index| index.remove_file(file.number));
    state.counters.expired_documents.add(usize::try_from(documents).unwrap_or_default());
    tracing::info!(file = %file.path.display(), documents, ?reason, "expired log file removed");
    Ok(())
}

/// The moment that lies so long before now, by the wall clock.
fn ago(state: &State, age: Duration) -> Timestamp {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let now = state.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(micros(now)).minus(Micros::new(micros(age)))
}
