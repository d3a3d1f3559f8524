//! Retrievals of traces: which are known, how far they are, what they have found.
//!
//! A retrieval keeps the ids of what it has found and how many documents each trace had then, not
//! the documents: pages read them again, and later documents do not show in them. Retrievals live
//! in memory; a restart forgets them, and clients start another one.
//!
//! One is at work at a time; the others wait for their turn. What waits ends as soon as its
//! retrieval does, and there are no more tasks than retrievals may be known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roentgen_model::TraceId;
use roentgen_protocol::{ApiError, ErrorKind};
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
    /// Documents that it had then: the first so many are what was retrieved.
    pub(crate) documents: usize,
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
mod tests {
    use std::task::Poll;

    use roentgen_ops::{Clock as _, SystemClock};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn status(retrievals: &Retrievals, token: &str, now: Instant) -> Option<RetrievalStatus> {
        retrievals.get(token, now).ok().map(|retrieved| retrieved.status)
    }

    #[test]
    fn a_retrieval_ends_once() {
        let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
        let found = RetrievedId { id: TraceId::NOOP, documents: 3 };
        let token = retrievals.schedule(now).unwrap().token;
        assert_eq!(status(&retrievals, &token, now), Some(RetrievalStatus::Scheduled));
        assert!(retrievals.advance(&token, RetrievalStatus::Running, now));
        retrievals.complete(&token, vec![found], now);
        retrievals.cancel(&token, now).unwrap();
        assert!(!retrievals.advance(&token, RetrievalStatus::Failed, now));
        let retrieved = retrievals.get(&token, now).unwrap();
        assert_eq!(retrieved.status, RetrievalStatus::Complete);
        assert_eq!(&*retrieved.traces, [found]);
    }

    #[test]
    fn a_cancelled_retrieval_finds_nothing() {
        let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
        let token = retrievals.schedule(now).unwrap().token;
        retrievals.cancel(&token, now).unwrap();
        assert!(!retrievals.advance(&token, RetrievalStatus::Running, now));
        retrievals.complete(&token, vec![RetrievedId { id: TraceId::NOOP, documents: 1 }], now);
        let retrieved = retrievals.get(&token, now).unwrap();
        assert_eq!((retrieved.status, retrieved.traces.len()), (RetrievalStatus::Cancelled, 0));
        assert_eq!(retrievals.cancel("x", now).unwrap_err().kind, ErrorKind::ResourceNotFound);
    }

    #[test]
    fn retrievals_time_out_and_are_forgotten() {
        let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
        let Ticket { token, has_ended, .. } = retrievals.schedule(now).unwrap();
        let due = now + LONGEST_RETRIEVAL;
        assert_eq!(status(&retrievals, &token, due - SECOND), Some(RetrievalStatus::Scheduled));
        assert!(!has_ended.is_cancelled());
        assert_eq!(status(&retrievals, &token, due), Some(RetrievalStatus::Timeout));
        assert!(has_ended.is_cancelled());
        assert_eq!(
            status(&retrievals, &token, due + KEPT - SECOND),
            Some(RetrievalStatus::Timeout)
        );
        assert_eq!(status(&retrievals, &token, due + KEPT), None);
    }

    #[test]
    fn ended_ones_make_room_for_new_ones() {
        let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
        let mut tickets: Vec<_> =
            (0..MOST_RETRIEVALS).map(|_| retrievals.schedule(now).unwrap()).collect();
        let tokens: Vec<_> = tickets.iter().map(|ticket| ticket.token.clone()).collect();
        assert_eq!(retrievals.schedule(now).unwrap_err().kind, ErrorKind::Throttled);
        retrievals.cancel(&tokens[7], now + SECOND).unwrap();
        retrievals.cancel(&tokens[3], now).unwrap();
        // They have ended, but their tasks are still there.
        assert_eq!(retrievals.schedule(now).unwrap_err().kind, ErrorKind::Throttled);
        tickets.retain(|ticket| !ticket.has_ended.is_cancelled());
        assert_eq!(tickets.len(), MOST_RETRIEVALS - 2);
        retrievals.schedule(now).unwrap();
        assert_eq!(status(&retrievals, &tokens[3], now), None);
        assert_eq!(status(&retrievals, &tokens[7], now), Some(RetrievalStatus::Cancelled));
    }

    #[tokio::test]
    async fn who_is_cancelled_does_not_wait_for_its_turn() {
        let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
        let [first, second, third] = [(); 3].map(|()| retrievals.schedule(now).unwrap());
        let turn = retrievals.wait_turn(&first).await.unwrap();
        let mut waiting = std::pin::pin!(retrievals.wait_turn(&second));
        let mut last = std::pin::pin!(retrievals.wait_turn(&third));
        for mut waiting in [waiting.as_mut(), last.as_mut()] {
            let polled =
                std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context)));
            assert!(polled.await.is_pending());
        }
        retrievals.cancel(&second.token, now).unwrap();
        assert!(waiting.await.is_none());
        drop(turn);
        assert!(last.await.is_some());
    }
}
