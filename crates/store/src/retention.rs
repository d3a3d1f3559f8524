//! Retention: whole log files are dropped when all their documents are too old, or when there are
//! too many bytes of log. Oldest first, so that what is left is everything from some moment on.
//!
//! A trace loses the documents in a dropped file. When its newest document was there it is gone.
//! An open trace that reaches into later files is shown as what is left of it; one that has
//! settled keeps its summary and what it counts for until something comes for it. The name of the
//! log file goes first: settled files whose home is gone do not count whatever the manifest says.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use roentgen_model::{Micros, Timestamp};

use crate::StoreError;
use crate::derived::{self, Derived};
use crate::locking::lock;
use crate::log::LogFile;
use crate::manifest::LogFacts;
use crate::state::State;

/// A file holds documents of this part of the retention age at most, so that age drops little at
/// once even where little is written.
const FILES_PER_AGE: u32 = 16;

/// Why a log file is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Age,
    LogBytes,
}

/// Whether the growing file must be completed, so that retention can drop it in time.
pub(crate) fn is_rotation_due(state: &State) -> bool {
    let cutoff = ago(state, state.options.retention_age / FILES_PER_AGE);
    let growing = state.log.list().pop();
    let facts = growing.and_then(|file| state.extent.of_file(file.number));
    facts.is_some_and(|facts| facts.oldest < cutoff)
}

/// Drops what is too old and too much. The file that grows is never dropped; room for it is part
/// of the bytes allowed.
pub(crate) fn enforce(state: &State) {
    while !state.upkeep.is_closed() && !state.options.is_retention_paused {
        let mut derived = lock(&state.derived);
        if derived.check_open().is_err() {
            return;
        }
        let Some((file, reason)) = expired_file(state) else { return };
        if let Err(error) = drop_file(state, &mut derived, &file, reason) {
            if let Some(held_back) = state.warning_due("unremovable") {
                tracing::error!(%error, held_back, "an expired log file could not be removed");
            }
            return;
        }
    }
}

/// The oldest file, when it is complete and to be dropped.
fn expired_file(state: &State) -> Option<(Arc<LogFile>, Reason)> {
    let files = state.log.list();
    let [oldest, _, ..] = files.as_slice() else { return None };
    let cutoff = ago(state, state.options.retention_age);
    let facts = state.extent.of_file(oldest.number);
    let bytes: u64 = files.iter().filter_map(|file| file.bytes().ok()).sum();
    let reason = if facts.is_none_or(|LogFacts { newest, .. }| newest < cutoff) {
        Reason::Age
    } else if bytes > state.options.most_log_bytes() {
        Reason::LogBytes
    } else {
        return None;
    };
    Some((oldest.clone(), reason))
}

fn drop_file(
    state: &State,
    derived: &mut Derived,
    file: &LogFile,
    reason: Reason,
) -> Result<(), StoreError> {
    let fail = |error| StoreError::io("remove", &file.path, error);
    state.disk.remove(&file.path).map_err(fail)?;
    state.disk.sync_directory(&state.directories.log).map_err(fail)?;
    // While this goes on a query may find a trace that has lost documents already listed as it
    // was, and the reverse; it finds none twice.
    state.log.remove(file.number);
    let documents = state.extent.remove(file.number);
    state.open.remove_files(file.number);
    let at_home = state.live().at_home_up_to(file.number);
    let mut change = derived.change(&state.extent.known());
    change.first_log_file = file.number.saturating_add(1);
    change.removed = at_home.iter().copied().collect();
    if let Err(error) = derived::publish(state, derived, change.clone(), Vec::new()) {
        // It holds all the same: see `recovery`.
        tracing::warn!(%error, "the manifest could not be brought up to date");
        derived.manifest.assume(change);
        state.set_live(state.live().replacing(&at_home, Vec::new()));
    }
    state.counters.expired_documents.add(documents);
    tracing::info!(file = %file.path.display(), documents, ?reason, "expired log file removed");
    Ok(())
}

/// The moment that lies so long before now, by the wall clock.
fn ago(state: &State, age: Duration) -> Timestamp {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    let now = state.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(micros(now)).minus(Micros::new(micros(age)))
}
