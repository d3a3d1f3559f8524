//! Large traces: a change of one means much work for little news.
//!
//! So lists and graphs show a large trace as it was when it was last assembled, until its turn has
//! come: after one was assembled, [`REST`] times as long as that took, but [`MOST_REST`] at most,
//! passes before the next is. The one that was asked for first, of those still asked for, comes
//! first. A trace that was never shown does not wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use roentgen_model::{LinkObservation, Rollups, TraceId, TraceSummary};

use crate::locking::lock;
use crate::state::State;

/// A trace with more documents than this is *large*…
const LARGE_DOCUMENTS: usize = 2_000;
/// … and so is one with more bytes: assembling it takes 10 ms and more.
const LARGE_BYTES: u64 = 1 << 20;
/// How many times the time that a large trace took passes before the next one.
const REST: u32 = 10;
/// The longest time between two large traces; and one that nobody asks for any more holds up the
/// others no longer.
const MOST_REST: Duration = Duration::from_secs(5);
/// Large traces remembered as they were shown; each takes some 100 kB at most, for summaries and
/// sums are bounded. Beyond, the one not asked for longest is assembled again when it is.
const MOST_SHOWN: usize = 256;

/// Whether a trace of so many documents and bytes is large.
pub(crate) fn is_large(documents: usize, bytes: u64) -> bool {
    documents > LARGE_DOCUMENTS || bytes > LARGE_BYTES
}

/// A trace as it is shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Its summary; `None` when none of its documents can be used.
    pub(crate) summary: Option<Arc<TraceSummary>>,
    /// What it adds to the service graph…
    pub(crate) added: Rollups,
    /// … and what it contributed when it settled last, which is to be taken back.
    pub(crate) taken_back: Rollups,
    /// Its links to other traces.
    pub(crate) links: Vec<LinkObservation>,
}

/// The large traces that were shown lately.
#[derive(Debug, Default)]
pub(crate) struct LargeTraces {
    /// Held while one is assembled.
    turn: Mutex<()>,
    state: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    traces: HashMap<TraceId, LargeTrace>,
    /// When the next one may be assembled; `None` as long as there was none.
    due: Option<Instant>,
}

#[derive(Debug)]
struct LargeTrace {
    shown: Arc<Shown>,
    version: Version,
    /// Documents that there are and that are not shown.
    resting: usize,
    asked: Instant,
    /// Since when it waits for its turn.
    waiting: Option<Instant>,
}

/// Which documents a large trace was assembled from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// How many have settled. When that changes, what it contributed is to be found out anew.
    pub(crate) settled: usize,
    /// How many there are.
    pub(crate) documents: usize,
}

impl LargeTraces {
    /// The trace as it is to be shown.
    pub(crate) fn show<E>(
        &self,
        state: &State,
        id: TraceId,
        version: Version,
        assemble: impl FnOnce() -> Result<Shown, E>,
    ) -> Result<Arc<Shown>, E> {
        if let Some(shown) = lock(&self.state).resting(id, version, state.clock.instant()) {
            return Ok(shown);
        }
        let _turn = lock(&self.turn);
        let begin = state.clock.instant();
        // While this waited for its turn, another query may have assembled it.
        if let Some(shown) = lock(&self.state).resting(id, version, begin) {
            return Ok(shown);
        }
        let shown = Arc::new(assemble()?);
        let end = state.clock.instant();
        let rest = end.saturating_duration_since(begin).saturating_mul(REST).min(MOST_REST);
        let mut turns = lock(&self.state);
        turns.due = turns.due.max(end.checked_add(rest));
        turns.remember(id, version, shown.clone(), end);
        Ok(shown)
    }

    /// Documents that are not shown.
    pub(crate) fn resting_documents(&self) -> usize {
        lock(&self.state).traces.values().map(|trace| trace.resting).sum()
    }

    /// Forgets how a trace was shown: it has settled, whole.
    pub(crate) fn forget(&self, id: TraceId) {
        lock(&self.state).traces.remove(&id);
    }

    /// Forgets how traces were shown.
    pub(crate) fn clear(&self) {
        lock(&self.state).traces.clear();
    }
}

impl Turns {
    /// The trace as it was shown before, when that is how it is to be shown now.
    fn resting(&mut self, id: TraceId, version: Version, now: Instant) -> Option<Arc<Shown>> {
        let trace = self.traces.get_mut(&id)?;
        trace.asked = now;
        if trace.version == version {
            return Some(trace.shown.clone());
        }
        if trace.version.settled != version.settled {
            return None;
        }
        trace.resting = version.documents.saturating_sub(trace.version.documents);
        let waiting = *trace.waiting.get_or_insert(now);
        let is_first = self.traces.values().all(|other| {
            let is_asked_for = now.saturating_duration_since(other.asked) < MOST_REST;
            !is_asked_for || other.waiting.is_none_or(|since| since >= waiting)
        });
        let is_due = self.due.is_none_or(|due| due <= now);
        let is_its_turn = is_due && is_first;
        if is_its_turn { None } else { self.traces.get(&id).map(|trace| trace.shown.clone()) }
    }

    fn remember(&mut self, id: TraceId, version: Version, shown: Arc<Shown>, now: Instant) {
        if self.traces.len() >= MOST_SHOWN && !self.traces.contains_key(&id) {
            let oldest = self.traces.iter().min_by_key(|(_, trace)| trace.asked);
            let oldest = oldest.map(|(&id, _)| id);
            oldest.and_then(|id| self.traces.remove(&id));
        }
        let trace = LargeTrace { shown, version, resting: 0, asked: now, waiting: None };
        self.traces.insert(id, trace);
    }
}
