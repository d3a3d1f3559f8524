//! Retrievals of traces: which are known, how far they are, what they have found.
//!
//! A retrieval keeps the ids of what it has found and how many documents each trace had then up to
//! which one, not the documents: pages read them again, and later documents do not show in them. Retrievals live
//! in memory; a restart forgets them, and clients start another one.
//!
//! One is at work at a time; the others wait for their turn. What waits ends as soon as its
//! retrieval does, and there are no more tasks than retrievals may be known.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roentgen_model::TraceId;
use roentgen_protocol::{ApiError, ErrorKind};
use roentgen_store::{ReceivedDocument, TraceDocuments};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Most retrievals known at a time, and most that wait or are at work. Each holds at most a hundred
/// ids, so all hold some 300 KB.
const MOST_RETRIEVALS: usize = 100;

/// How long a retrieval may take before its status is TIMEOUT (X-Ray's guide: 60 minutes).
const LONGEST_RETRIEVAL: Duration = Duration::from_secs(60 * 60);

/// How long an ended retrieval can be read. X-Ray names no time; as long as one may take.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// How far a retrieval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetrievalStatus {
    /// Waits for its turn.
    Scheduled,
    /// Looks for its traces.
    Running,
    /// Everything was looked for.
    Complete,
    /// The store failed.
    Failed,
    /// Stopped by the caller before it was complete.
    Cancelled,
    /// Took too long.
    Timeout,
}

impl RetrievalStatus {
    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            RetrievalStatus::Scheduled => "SCHEDULED",
            RetrievalStatus::Running => "RUNNING",
            RetrievalStatus::Complete => "COMPLETE",
            RetrievalStatus::Failed => "FAILED",
            RetrievalStatus::Cancelled => "CANCELLED",
            RetrievalStatus::Timeout => "TIMEOUT",
        }
    }

    const fn has_ended(self) -> bool {
        !matches!(self, RetrievalStatus::Scheduled | RetrievalStatus::Running)
    }
}

/// A trace that a retrieval has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetrievedId {
    pub(crate) id: TraceId,
    /// Documents that it had then. Retention may have taken the first of them since, and others
    /// may have come: what was retrieved are at most so many, up to the last one.
    pub(crate) documents: usize,
    /// Fingerprint of the last one.
    pub(crate) last: u64,
}

impl RetrievedId {
    /// What a trace is at this moment; `None` without a document.
    pub(crate) fn of(trace: &TraceDocuments) -> Option<Self> {
        let last = fingerprint(trace.documents.last()?);
        Some(Self { id: trace.id, documents: trace.documents.len(), last })
    }

    /// Leaves of a trace what is still there of what was retrieved; `None` when nothing is.
    pub(crate) fn cut(self, mut trace: TraceDocuments) -> Option<TraceDocuments> {
        trace.documents.truncate(self.documents);
        // Retention has taken what stands before: as a rule the last one is at the end. A later
        // one with the same bytes says the same.
        let last = trace.documents.iter().rposition(|known| fingerprint(known) == self.last)?;
        trace.documents.truncate(last + 1);
        Some(trace)
    }
}

/// Tells documents of a trace apart, within this process.
fn fingerprint(document: &ReceivedDocument) -> u64 {
    let mut hasher = DefaultHasher::new();
    document.bytes.hash(&mut hasher);
    hasher.finish()
}

/// What is known of a retrieval.
#[derive(Clone, Debug)]
pub(crate) struct Retrieved {
    pub(crate) status: RetrievalStatus,
    /// In the order in which they were asked for; empty until the retrieval is complete.
    pub(crate) traces: Arc<[RetrievedId]>,
}

/// All retrievals of a server.
#[derive(Debug)]
pub(crate) struct Retrievals {
    known: Mutex<HashMap<String, Entry>>,
    /// Places for retrievals with a task. Their tasks outlive those that are cancelled at work.
    places: Arc<Semaphore>,
    /// The turn to work.
    turn: Semaphore,
    /// The tasks that retrieve, for a shutdown to wait for.
    pub(crate) tasks: TaskTracker,
}

#[derive(Debug)]
struct Entry {
    retrieved: Retrieved,
    started: Instant,
    /// When it ended; `None` before.
    ended: Option<Instant>,
    /// Tells its task.
    has_ended: CancellationToken,
}

/// What the task of a retrieval holds for as long as it is there.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Names the retrieval to its caller.
    pub(crate) token: String,
    /// Cancelled when the retrieval ends, whatever ends it.
    has_ended: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Default for Retrievals {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST_RETRIEVALS)),
            turn: Semaphore::new(1),
            tasks: TaskTracker::new(),
        }
    }
}

impl Retrievals {
    /// Registers a retrieval; gives what its task holds. Where too many are known, the one that
    /// ended first makes room.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] when too many have a task.
    pub(crate) fn schedule(&self, now: Instant) -> Result<Ticket, ApiError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let message = format!(
                "{MOST_RETRIEVALS} retrievals are running; try again when one has ended, or \
                 cancel one"
            );
            return Err(ApiError::new(ErrorKind::Throttled, message));
        };
        let mut known = self.known(now);
        if known.len() >= MOST_RETRIEVALS {
            // One has: those that have not each hold a place, and this one has got the last.
            let ended = known.iter().filter_map(|(token, entry)| Some((entry.ended?, token)));
            if let Some(oldest) = ended.min().map(|(_, token)| token.clone()) {
                known.remove(&oldest);
            }
        }
        // Nobody can guess it, and nobody has to remember it.
        let token = format!("{:032x}", rand::random::<u128>());
        let retrieved = Retrieved { status: RetrievalStatus::Scheduled, traces: Arc::new([]) };
        let has_ended = CancellationToken::new();
        let entry = Entry { retrieved, started: now, ended: None, has_ended: has_ended.clone() };
        known.insert(token.clone(), entry);
        Ok(Ticket { token, has_ended, _place: place })
    }

    /// Waits until it is this one's turn; `None` when its retrieval ends before.
    pub(crate) async fn wait_turn(&self, ticket: &Ticket) -> Option<SemaphorePermit<'_>> {
        tokio::select! {
            biased;
            () = ticket.has_ended.cancelled() => None,
            // It is never closed.
            turn = self.turn.acquire() => turn.ok(),
        }
    }

    /// Moves a retrieval that has not ended to another status. False when it has ended, or is
    /// forgotten: then there is no more to be done for it.
    pub(crate) fn advance(&self, token: &str, status: RetrievalStatus, now: Instant) -> bool {
        self.change(token, now, |retrieved| retrieved.status = status)
    }

    /// Ends a retrieval with what it has found.
    pub(crate) fn complete(&self, token: &str, traces: Vec<RetrievedId>, now: Instant) {
        self.change(token, now, |retrieved| {
            *retrieved = Retrieved { status: RetrievalStatus::Complete, traces: traces.into() };
        });
    }

    /// What is known of a retrieval.
    ///
    /// # Errors
    /// [`ErrorKind::ResourceNotFound`] for a token that is not ours, or not any more.
    pub(crate) fn get(&self, token: &str, now: Instant) -> Result<Retrieved, ApiError> {
        let known = self.known(now);
        known.get(token).map(|entry| entry.retrieved.clone()).ok_or_else(unknown)
    }

    /// Ends a retrieval for its caller. One that has ended stays as it is.
    ///
    /// # Errors
    /// As [`Retrievals::get`].
    pub(crate) fn cancel(&self, token: &str, now: Instant) -> Result<(), ApiError> {
        self.get(token, now)?;
        self.advance(token, RetrievalStatus::Cancelled, now);
        Ok(())
    }

    /// Ends all of them, and waits until none is at work any more.
    pub(crate) async fn stop(&self, now: Instant) {
        let tokens: Vec<String> = self.known(now).keys().cloned().collect();
        for token in tokens {
            self.advance(&token, RetrievalStatus::Cancelled, now);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn change(&self, token: &str, now: Instant, change: impl FnOnce(&mut Retrieved)) -> bool {
        let mut known = self.known(now);
        let Some(entry) = known.get_mut(token).filter(|entry| entry.ended.is_none()) else {
            return false;
        };
        change(&mut entry.retrieved);
        if entry.retrieved.status.has_ended() {
            entry.ended = Some(now);
            entry.has_ended.cancel();
        }
        true
    }

    /// All that are known at this moment: what takes too long is ended, what has ended long ago
    /// is forgotten.
    fn known(&self, now: Instant) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        // Each change is whole whatever happened to a thread that held the lock.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, entry| {
            let due = entry.started + LONGEST_RETRIEVAL;
            if entry.ended.is_none() && now >= due {
                entry.retrieved.status = RetrievalStatus::Timeout;
                entry.ended = Some(due);
                entry.has_ended.cancel();
            }
            entry.ended.is_none_or(|ended| now.duration_since(ended) < KEPT)
        });
        known
    }
}

fn unknown() -> ApiError {
    let message = "RetrievalToken is not known; retrievals are kept for an hour after their end, \
                   and not across a restart";
    ApiError::new(ErrorKind::ResourceNotFound, message)
}

#[cfg(test)]
mod tests;
