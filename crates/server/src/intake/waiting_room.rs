//! Where callers wait while the store has no room: in the order in which they came, for a bounded
//! time and with bounded memory. What waits longer, or finds the room full, is refused.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roentgen_store::{Acknowledge, NewDocument, Refused, StoreError, TraceStore};
use tokio::sync::{Mutex, Semaphore};

/// Between two attempts of the first in the row. The disk takes a group of 1 MB in about 4 ms.
const PAUSE: Duration = Duration::from_millis(5);

/// Attempts of a caller that has no row to wait in: with the pauses between them 0.2 s, in which
/// the kernel holds what comes.
const ATTEMPTS: usize = 40;

/// How long callers wait for an overloaded store, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadLimits {
    /// How long a call waits before it is refused. AWS's clients try a throttled call again by
    /// themselves, so this is for the disk's hiccups only.
    pub patience: Duration,
    /// Bytes of all documents that wait, besides those that the store has taken.
    pub bytes: usize,
}

impl Default for OverloadLimits {
    fn default() -> Self {
        Self { patience: Duration::from_secs(2), bytes: 32 << 20 }
    }
}

/// The row of those who wait.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    limits: OverloadLimits,
    /// Bytes that may still wait.
    room: Semaphore,
    /// Documents that wait.
    documents: AtomicUsize,
    /// Held by the first in the row; tokio's mutex serves in the order of asking.
    turn: Mutex<()>,
}

/// Documents and whom to tell, while they are handed to and fro.
struct Parcel {
    documents: Vec<NewDocument>,
    done: Acknowledge,
}

/// Counts documents as waiting until it is dropped, also with a caller that went away.
struct Waiting<'a> {
    room: &'a WaitingRoom,
    documents: usize,
}

impl WaitingRoom {
    pub(crate) fn new(limits: OverloadLimits) -> Self {
        Self {
            limits,
            room: Semaphore::new(limits.bytes.min(Semaphore::MAX_PERMITS)),
            documents: AtomicUsize::new(0),
            turn: Mutex::new(()),
        }
    }

    /// Hands documents to the store, as soon as it has room.
    ///
    /// # Errors
    /// What the store says; [`StoreError::Overloaded`] when it had no room for too long, or there
    /// is none to wait in.
    pub(crate) async fn append(
        &self,
        store: &dyn TraceStore,
        documents: Vec<NewDocument>,
        done: Acknowledge,
    ) -> Result<(), StoreError> {
        let mut parcel = Some(Parcel { documents, done });
        // Who comes while others wait must not take their room.
        let is_first = self.documents.load(Ordering::Relaxed) == 0;
        if is_first && attempt(store, &mut parcel)? {
            return Ok(());
        }
        let documents = parcel.iter().flat_map(|parcel| &parcel.documents);
        let (count, bytes) = documents
            .fold((0, 0), |(count, bytes), document| (count + 1, bytes + document.bytes().len()));
        let held =
            u32::try_from(bytes).ok().and_then(|bytes| self.room.try_acquire_many(bytes).ok());
        let Some(_held) = held else { return Err(self.overloaded()) };
        let _waiting = Waiting::begin(self, count);
        let served = tokio::time::timeout(self.limits.patience, async {
            let _turn = self.turn.lock().await;
            while !attempt(store, &mut parcel)? {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        });
        served.await.unwrap_or_else(|_| Err(self.overloaded()))
    }

    fn overloaded(&self) -> StoreError {
        StoreError::Overloaded {
            documents: self.documents.load(Ordering::Relaxed),
            bytes: self.limits.bytes.saturating_sub(self.room.available_permits()),
        }
    }
}

impl<'a> Waiting<'a> {
    fn begin(room: &'a WaitingRoom, documents: usize) -> Self {
        room.documents.fetch_add(documents, Ordering::Relaxed);
        Self { room, documents }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.room.documents.fetch_sub(self.documents, Ordering::Relaxed);
    }
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel").field("documents", &self.documents.len()).finish_non_exhaustive()
    }
}

/// Hands documents to the store from a thread that may block, for a moment at most.
///
/// # Errors
/// As [`WaitingRoom::append`].
pub(crate) fn append_blocking(
    store: &dyn TraceStore,
    documents: Vec<NewDocument>,
    done: Acknowledge,
) -> Result<(), StoreError> {
    let mut parcel = Some(Parcel { documents, done });
    for _ in 1..ATTEMPTS {
        if attempt(store, &mut parcel)? {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    let Some(Parcel { documents, done }) = parcel else { return Ok(()) };
    store.append(documents, done).map_err(|refused| refused.error)
}

/// Whether the store took the parcel; it stays where it is when the store has no room.
fn attempt(store: &dyn TraceStore, parcel: &mut Option<Parcel>) -> Result<bool, StoreError> {
    let Some(Parcel { documents, done }) = parcel.take() else { return Ok(true) };
    match store.append(documents, done) {
        Ok(()) => Ok(true),
        Err(Refused { error: StoreError::Overloaded { .. }, documents, done }) => {
            *parcel = Some(Parcel { documents, done });
            Ok(false)
        }
        Err(refused) => Err(refused.error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use roentgen_model::TraceId;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::test_store::{NarrowStore, new_document, trace_id};

    fn documents(number: u32) -> Vec<NewDocument> {
        vec![new_document(number)]
    }

    fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<TraceId> {
        numbers.into_iter().map(trace_id).collect()
    }

    fn ignore() -> Acknowledge {
        Box::new(|_| ())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hiccup_is_waited_out_and_acknowledged_once() {
        let (store, room) = (NarrowStore::default(), WaitingRoom::new(OverloadLimits::default()));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let done = {
            let acknowledged = Arc::clone(&acknowledged);
            Box::new(move |outcome: Result<(), StoreError>| {
                outcome.unwrap();
                acknowledged.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (outcome, ()) = tokio::join!(room.append(&store, documents(1), done), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            store.make_room();
        });
        assert!(outcome.is_ok());
        assert_eq!(acknowledged.load(Ordering::Relaxed), 1);
        assert!(store.attempts() > 100);
        assert_eq!(room.documents.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let (store, room) = (NarrowStore::default(), WaitingRoom::new(OverloadLimits::default()));
        let begin = tokio::time::Instant::now();
        let outcome = room.append(&store, documents(1), ignore()).await;
        assert!(matches!(outcome, Err(StoreError::Overloaded { .. })), "{outcome:?}");
        assert_eq!(begin.elapsed(), OverloadLimits::default().patience);
        assert_eq!(room.documents.load(Ordering::Relaxed), 0);
        // Nothing of it is left that could be stored after all.
        store.make_room();
        assert!(room.append(&store, documents(2), ignore()).await.is_ok());
        assert_eq!(store.taken(), ids([2]));
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_are_told_at_once() {
        let (store, room) = (NarrowStore::default(), WaitingRoom::new(OverloadLimits::default()));
        store.close();
        let begin = tokio::time::Instant::now();
        let outcome = room.append(&store, documents(1), ignore()).await;
        assert!(matches!(outcome, Err(StoreError::Closed)), "{outcome:?}");
        assert!(begin.elapsed().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_first_is_served_first() {
        let store = Arc::new(NarrowStore::default());
        let room = Arc::new(WaitingRoom::new(OverloadLimits::default()));
        let tasks = TaskTracker::new();
        for number in 0..10 {
            let (store, room) = (Arc::clone(&store), Arc::clone(&room));
            tasks.spawn(async move {
                room.append(&*store, documents(number), ignore()).await.unwrap();
            });
            tokio::task::yield_now().await;
        }
        // Room for all, but nobody passes the others by.
        (0..11).for_each(|_| store.make_room());
        room.append(&*store, documents(10), ignore()).await.unwrap();
        tasks.close();
        tasks.wait().await;
        assert_eq!(store.taken(), ids(0..=10));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_there_is_room_for() {
        let bytes = documents(1).iter().map(|document| document.bytes().len()).sum();
        let limits = OverloadLimits { bytes, ..OverloadLimits::default() };
        let (store, room) = (NarrowStore::default(), WaitingRoom::new(limits));
        let begin = tokio::time::Instant::now();
        let second = async {
            tokio::task::yield_now().await;
            let outcome = room.append(&store, documents(2), ignore()).await;
            let Err(StoreError::Overloaded { documents, bytes: waiting }) = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!((documents, waiting), (1, bytes));
            assert!(begin.elapsed().is_zero());
            store.make_room();
        };
        let (first, ()) = tokio::join!(room.append(&store, documents(1), ignore()), second);
        assert!(first.is_ok());
        // The room is free again.
        store.make_room();
        assert!(room.append(&store, documents(3), ignore()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_waits_no_more() {
        let (store, room) = (NarrowStore::default(), WaitingRoom::new(OverloadLimits::default()));
        let gone = tokio::time::timeout(
            Duration::from_millis(100),
            room.append(&store, documents(1), ignore()),
        );
        assert!(gone.await.is_err());
        store.make_room();
        assert!(room.append(&store, documents(2), ignore()).await.is_ok());
        assert_eq!(store.taken(), ids([2]));
        assert_eq!(room.room.available_permits(), room.limits.bytes);
    }

    #[test]
    fn a_thread_waits_for_a_moment_at_most() {
        let store = NarrowStore::default();
        let outcome = append_blocking(&store, documents(1), ignore());
        assert!(matches!(outcome, Err(StoreError::Overloaded { .. })), "{outcome:?}");
        assert_eq!(store.attempts(), ATTEMPTS);
        store.make_room();
        assert!(append_blocking(&store, documents(2), ignore()).is_ok());
        store.close();
        let outcome = append_blocking(&store, documents(3), ignore());
        assert!(matches!(outcome, Err(StoreError::Closed)), "{outcome:?}");
    }
}
