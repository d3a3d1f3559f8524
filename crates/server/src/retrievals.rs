//! Retrievals of traces: which are known, how far they are, what they have found.
//!
//! A retrieval keeps the ids of what it has found and how many documents each trace had then, not
//! the documents: pages read them again, and later documents do not show in them. Retrievals live
//! in memory; a restart forgets them, and clients start another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roentgen_model::TraceId;
use roentgen_protocol::{ApiError, ErrorKind};
use tokio_util::task::TaskTracker;

/// Most retrievals known at a time. Each holds at most a hundred ids, so all hold some 300 KB.
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
#[derive(Debug, Default)]
pub(crate) struct Retrievals {
    known: Mutex<HashMap<String, Entry>>,
    /// The tasks that retrieve, for a shutdown to wait for.
    pub(crate) tasks: TaskTracker,
}

#[derive(Debug)]
struct Entry {
    retrieved: Retrieved,
    started: Instant,
    /// When it ended; `None` before.
    ended: Option<Instant>,
}

impl Retrievals {
    /// Registers a retrieval; gives its token. Where there are too many, the one that ended first
    /// makes room.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] when none has ended.
    pub(crate) fn schedule(&self, now: Instant) -> Result<String, ApiError> {
        let mut known = self.known(now);
        if known.len() >= MOST_RETRIEVALS {
            let ended = known.iter().filter_map(|(token, entry)| Some((entry.ended?, token)));
            let Some(oldest) = ended.min().map(|(_, token)| token.clone()) else {
                let message = format!(
                    "{MOST_RETRIEVALS} retrievals are running; try again when one has ended, or \
                     cancel one"
                );
                return Err(ApiError::new(ErrorKind::Throttled, message));
            };
            known.remove(&oldest);
        }
        // Nobody can guess it, and nobody has to remember it.
        let token = format!("{:032x}", rand::random::<u128>());
        let retrieved = Retrieved { status: RetrievalStatus::Scheduled, traces: Arc::new([]) };
        known.insert(token.clone(), Entry { retrieved, started: now, ended: None });
        Ok(token)
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
        let token = retrievals.schedule(now).unwrap();
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
        let token = retrievals.schedule(now).unwrap();
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
        let token = retrievals.schedule(now).unwrap();
        let due = now + LONGEST_RETRIEVAL;
        assert_eq!(status(&retrievals, &token, due - SECOND), Some(RetrievalStatus::Scheduled));
        assert_eq!(status(&retrievals, &token, due), Some(RetrievalStatus::Timeout));
        assert_eq!(
            status(&retrievals, &token, due + KEPT - SECOND),
            Some(RetrievalStatus::Timeout)
        );
        assert_eq!(status(&retrievals, &token, due + KEPT), None);
    }

    #[test]
    fn ended_ones_make_room_for_new_ones() {
        let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
        let tokens: Vec<_> =
            (0..MOST_RETRIEVALS).map(|_| retrievals.schedule(now).unwrap()).collect();
        assert_eq!(retrievals.schedule(now).unwrap_err().kind, ErrorKind::Throttled);
        retrievals.cancel(&tokens[7], now + SECOND).unwrap();
        retrievals.cancel(&tokens[3], now).unwrap();
        retrievals.schedule(now).unwrap();
        assert_eq!(status(&retrievals, &tokens[3], now), None);
        assert_eq!(status(&retrievals, &tokens[7], now), Some(RetrievalStatus::Cancelled));
    }
}
