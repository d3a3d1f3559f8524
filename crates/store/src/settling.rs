//! Settling: open traces that are quiet are assembled and written to a settled file, so that their
//! documents need not be held in memory, nor read from the log at the next opening.
//!
//! A trace that had settled before is made of all its documents again. What it contributed to the
//! service graph then is found by assembling the documents it was made of then, and is taken back
//! from the earlier file by a correction in the new one. Documents that retention has dropped in
//! between are missing in both; the difference is still what the new documents bring.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use roentgen_model::{TraceId, TraceSummary};

use crate::assembling::Whereabouts;
use crate::derived::{self, Derived};
use crate::extent::Known;
use crate::locking::lock;
use crate::log::{FileNumber, Position};
use crate::query::is_large;
use crate::replacing::{self, Trouble};
use crate::settled::SettledError;
use crate::signal::Urgency;
use crate::state::State;
use crate::{StoreError, Tuning};

use choose::{Wish, choose, is_open_for_long};
use leaving::Leaving;

mod choose;
mod leaving;

/// The settler rests for this part of the time that makes a trace quiet, so that it does not look
/// at all open traces for each document that comes.
const RESTS_PER_QUIET: u32 = 4;
/// It rests a little even where traces are quiet at once.
const LEAST_REST: Duration = Duration::from_millis(1);
/// After a failure it rests for so long, and twice as long after each further one, up to…
const FIRST_REST: Duration = Duration::from_millis(100);
/// … this. A full disk is emptied by somebody, or by retention.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// Documents that are read from the log before it is looked whether open traces take too much.
const DOCUMENTS_BETWEEN_LOOKS: u64 = 1024;

/// The settler thread.
pub(crate) fn run(state: &State) {
    let Tuning { settle_documents, settle_quiet, .. } = state.options.tuning;
    let rest = (settle_quiet / RESTS_PER_QUIET).max(LEAST_REST);
    let mut failures = 0_u32;
    loop {
        // Below, nothing is due however long it waits.
        let is_small = state.open.size().documents < settle_documents as u64;
        let pause = (!is_small).then_some(rest);
        if !state.settling.wait(Urgency::Soon, pause) {
            return;
        }
        let is_too_much = state.open.size().bytes > state.options.open_bytes;
        let wish = if is_too_much { Wish::Memory } else { Wish::Due };
        let result = settle(state, wish);
        state.room.wake();
        let (least, rest) = match result {
            Ok(_) => {
                failures = 0;
                (Urgency::Now, rest)
            }
            Err(StoreError::Closed) => return,
            Err(_) => {
                failures = failures.saturating_add(1);
                let rest = FIRST_REST.saturating_mul(1 << (failures - 1).min(16));
                (Urgency::End, rest.min(LONGEST_REST))
            }
        };
        if !state.settling.wait(least, Some(rest)) {
            return;
        }
    }
}

/// Wakes the settler when there may be something to do.
pub(crate) fn wake_if_worthwhile(state: &State) {
    let size = state.open.size();
    if size.bytes > state.options.open_bytes {
        state.settling.wake_now();
    } else if size.documents >= state.options.tuning.settle_documents as u64 {
        state.settling.wake();
    }
}

/// Settles everything that was open when this was called.
///
/// # Errors
/// When it could not be written; what had settled until then has.
pub(crate) fn settle_everything(state: &State) -> Result<(), StoreError> {
    let end = state.extent.known().end;
    while state.open.list().any(|trace| trace.first < end) {
        if settle(state, Wish::Everything)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Settles what is wished. Returns how many traces have settled.
///
/// # Errors
/// When it could not be written, which is counted and reported; everything is as before then.
fn settle(state: &State, wish: Wish) -> Result<usize, StoreError> {
    let mut derived = lock(&state.derived);
    let derived = &mut *derived;
    derived.check_open()?;
    loop {
        let work = AssertUnwindSafe(|| {
            replacing::finish_reading(state, derived)?;
            try_settle(state, derived, wish)
        });
        let trouble = match catch_unwind(work) {
            Ok(Ok(settled)) => return Ok(settled),
            Ok(Err(trouble)) => trouble,
            Err(_) => {
                state.report_panic("settling");
                let error = io::Error::other("a defect of the store was met");
                StoreError::io("settle to", &state.directories.settled, error).into()
            }
        };
        let error = match trouble {
            Trouble::Failed(error) => error,
            Trouble::Damaged(damage) => match replacing::replace(state, derived, &damage) {
                Ok(()) => continue,
                Err(error) => error,
            },
        };
        return Err(failed(state, error));
    }
}

/// Keeps open traces within their bound while documents of the log are read into them.
#[derive(Debug, Default)]
pub(crate) struct RoomWhileReading {
    documents: u64,
    damage: Option<SettledError>,
}

impl RoomWhileReading {
    /// Looks now and then, after a document, whether traces must settle.
    ///
    /// # Errors
    /// When they must and could not: reading ends with that.
    pub(crate) fn after_document(
        &mut self,
        state: &State,
        derived: &mut Derived,
    ) -> Result<(), StoreError> {
        self.documents += 1;
        if !self.documents.is_multiple_of(DOCUMENTS_BETWEEN_LOOKS) {
            return Ok(());
        }
        make_room(state, derived).map_err(|trouble| match trouble {
            Trouble::Failed(error) => error,
            Trouble::Damaged(error) => StoreError::settled(self.damage.insert(error).clone()),
        })
    }

    /// What reading came to, with the damage that it ended with.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn finish<T>(self, read: Result<T, StoreError>) -> Result<T, Trouble> {
        self.damage.map_or(Ok(()), |damage| Err(Trouble::Damaged(damage)))?;
        Ok(read?)
    }
}

/// Lets traces settle when open ones take too much memory, while the log is being read.
///
/// # Errors
/// When they could not, and take twice as much as they may; or when a settled file is damaged.
fn make_room(state: &State, derived: &mut Derived) -> Result<(), Trouble> {
    while state.open.size().bytes > state.options.open_bytes {
        let error = match try_settle(state, derived, Wish::Memory) {
            Ok(0) => return Ok(()),
            Ok(_) => continue,
            Err(Trouble::Damaged(damage)) => return Err(Trouble::Damaged(damage)),
            Err(Trouble::Failed(error)) => failed(state, error),
        };
        let is_far_too_much = state.open.size().bytes / 2 > state.options.open_bytes;
        return if is_far_too_much { Err(error.into()) } else { Ok(()) };
    }
    Ok(())
}

/// Publishes up to where the log is covered, as far as the disk allows: it only makes the next
/// opening shorter.
pub(crate) fn checkpoint(state: &State, derived: &mut Derived) {
    let known = state.extent.known();
    let mut change = derived.change(&known);
    let least_open = state.open.list().map(|trace| trace.first).min();
    change.replay_from = replay_from(derived, &known, least_open);
    if let Err(error) = derived::publish(state, derived, change, Vec::new()) {
        tracing::warn!(%error, "the manifest could not be brought up to date");
    }
}

/// Publishes where the log ends when the store is closed in order, so that damage to its last
/// frames is told from a write that a crash cut short.
pub(crate) fn tell_end(state: &State, derived: &mut Derived) {
    let end = state.extent.known().end;
    if state.check_sound().is_ok() && end > derived.manifest.listing().counted_to {
        checkpoint(state, derived);
    }
}

/// Everything before this place is in a settled file, when traces stay open whose first document
/// stands at `least_staying`.
fn replay_from(derived: &Derived, known: &Known, least_staying: Option<Position>) -> Position {
    let bounds = [least_staying, derived.unread_from()];
    bounds.into_iter().flatten().fold(known.end, Position::min)
}

/// Counts and reports that traces could not settle.
fn failed(state: &State, error: StoreError) -> StoreError {
    if !matches!(error, StoreError::Closed) {
        state.counters.failed_settles.add(1);
        if let Some(held_back) = state.warning_due("settling") {
            tracing::error!(%error, held_back, "traces could not settle; it is tried again");
        }
    }
    error
}

fn try_settle(state: &State, derived: &mut Derived, wish: Wish) -> Result<usize, Trouble> {
    // In this order: what comes after the end was looked up stands behind it.
    let known = state.extent.known();
    let now = state.clock.instant();
    let unread_from = derived.unread_from();
    let mut choice = choose(state.open.list(), wish, now, unread_from, &state.options);
    let chosen = std::mem::take(&mut choice.chosen);
    if chosen.is_empty() {
        return Ok(0);
    }
    let live = state.live();
    let mut leaving: BTreeMap<FileNumber, Vec<Leaving>> = BTreeMap::new();
    let mut settled: Vec<(TraceId, Position)> = Vec::with_capacity(chosen.len());
    for trace in chosen {
        let Some(open) = state.open.get(trace.id) else { continue };
        let found = live.find(trace.id)?;
        let row = found.as_ref().and_then(|found| found.row);
        let whereabouts = Whereabouts::new(found, Some(&open));
        if wish == Wish::Due && is_costly(&whereabouts) && !is_open_for_long(&trace, now) {
            choice.keep(&trace);
            continue;
        }
        let Some(last) = whereabouts.open.last().map(|document| document.position) else {
            continue;
        };
        settled.push((trace.id, last));
        if !whereabouts.only_open().is_empty() {
            let time = TraceSummary::time_of(trace.id, open.times().first_start);
            let trace = Leaving { id: trace.id, time, whereabouts, row };
            leaving.entry(last.file()).or_default().push(trace);
        }
    }
    if settled.is_empty() {
        return Ok(0);
    }
    let mut change = derived.change(&known);
    change.replay_from = replay_from(derived, &known, choice.least_staying);
    let mut added = Vec::new();
    for (home, leaving) in leaving {
        match leaving::write(state, derived, home, leaving) {
            Ok(file) => added.push(file),
            Err(error) => {
                derived::remove_unpublished(state, &added);
                return Err(error.into());
            }
        }
    }
    change.next_sequence = derived.next_number();
    settled.iter().for_each(|&(id, _)| state.open.begin_settling(id));
    derived::publish(state, derived, change, added)?;
    for &(id, last) in &settled {
        state.open.remove_up_to(id, last);
        state.large.forget(id);
    }
    state.counters.settles.add(u64::from(!settled.is_empty()));
    state.upkeep.wake();
    Ok(settled.len())
}

/// Whether making a trace anew costs so much that it waits until more has come for it.
fn is_costly(whereabouts: &Whereabouts) -> bool {
    !whereabouts.settled.is_empty()
        && is_large(whereabouts.settled.len(), whereabouts.settled_bytes)
}
