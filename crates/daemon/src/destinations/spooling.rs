//! Between a destination's queue and the files of its spool: batches on their way to the disk, and
//! files on their way back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::answer::{Then, Verdict};
use super::queue::{Turn, Waiting};
use super::retry::backoff;
use super::sending::Line;
use super::spool::{Put, ReadError, Spool, Stored, remedy};
use crate::batch::Batch;

/// Batches on their way to the disk. They still take memory, which bounds them as well.
const MOST_LEAVING: usize = 16;

/// How often files are thought of while the destination refuses our credentials, or others use up
/// the attempts that one that is failing is allowed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

const TOO_SLOW: &str = "the daemon ends and the disk does not answer";

/// The spool of one destination and what is on its way there.
#[derive(Debug)]
pub(super) struct Spooling {
    spool: Arc<Spool>,
    leaving: Mutex<Leaving>,
    /// A disk that hangs holds on to no more memory than this and one batch.
    most_leaving_bytes: usize,
    arrived: Notify,
    /// Files may be sent.
    stored: Notify,
}

/// Batches on their way to the disk.
#[derive(Debug, Default)]
struct Leaving {
    batches: VecDeque<Arc<Batch>>,
    /// Memory of these and of those in the writer's hands.
    bytes: usize,
}

impl Spooling {
    pub(super) fn new(spool: Spool, most_leaving_bytes: usize) -> Self {
        Self {
            spool: Arc::new(spool),
            leaving: Mutex::default(),
            most_leaving_bytes,
            arrived: Notify::new(),
            stored: Notify::new(),
        }
    }

    /// Sends a batch to the disk. Gives it back when too many are on the way.
    pub(super) fn leave(&self, batch: Arc<Batch>) -> Result<(), Arc<Batch>> {
        let mut leaving = self.lock();
        if !self.takes_more(&leaving) {
            return Err(batch);
        }
        leaving.bytes += batch.memory_bytes();
        leaving.batches.push_back(batch);
        drop(leaving);
        self.arrived.notify_one();
        Ok(())
    }

    /// Sends the last batches to the disk, however many.
    pub(super) fn leave_all(&self, batches: Vec<Arc<Batch>>) {
        let mut leaving = self.lock();
        leaving.bytes += batches.iter().map(|batch| batch.memory_bytes()).sum::<usize>();
        leaving.batches.extend(batches);
    }

    fn takes_more(&self, leaving: &Leaving) -> bool {
        leaving.batches.len() < MOST_LEAVING && leaving.bytes < self.most_leaving_bytes
    }

    /// Lets the files be tried: the destination answers again.
    pub(super) fn wake(&self) {
        self.stored.notify_one();
    }

    /// Everything that is on its way to the disk and not yet in the writer's hands.
    fn take_leaving(&self) -> Vec<Arc<Batch>> {
        self.lock().batches.drain(..).collect()
    }

    /// Batches that the writer has written, or given up.
    fn is_through_with(&self, bytes: usize) {
        let mut leaving = self.lock();
        leaving.bytes = leaving.bytes.saturating_sub(bytes);
    }

    pub(super) fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Leaving> {
        // A list of batches and a number are whole whatever happened to who held the lock.
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what comes until the process ends, and then the rest. Batches that wait together are made
/// durable together.
pub(super) async fn write(line: Arc<Line>, spooling: Arc<Spooling>) {
    loop {
        let is_all = line.emptied.is_cancelled();
        let batches = spooling.take_leaving();
        if !batches.is_empty() {
            store(&line, &spooling, batches).await;
        } else if is_all {
            return;
        } else {
            tokio::select! {
                () = spooling.arrived.notified() => {}
                () = line.emptied.cancelled() => {}
            }
        }
    }
}

/// Writes batches and counts what became of them.
async fn store(line: &Line, spooling: &Spooling, batches: Vec<Arc<Batch>>) {
    let documents: usize = batches.iter().map(|batch| batch.document_count()).sum();
    let bytes = batches.iter().map(|batch| batch.memory_bytes()).sum();
    let number = batches.len();
    let spool = Arc::clone(&spooling.spool);
    let put = on_disk(line, move || spool.put(&batches)).await;
    spooling.is_through_with(bytes);
    let mut abandoned = 0;
    let put = put.unwrap_or_else(|error| match line.abandoned.is_cancelled() {
        true => {
            spooling.spool.abandon();
            abandoned = documents;
            Put::default()
        }
        false => Put { failed: documents, error: Some(error), ..Put::default() },
    });
    let dropped = spooling.spool.take_dropped();
    line.tally.spooled.add(count(put.documents));
    line.tally.lost.spool_full.add(count(dropped + put.failed));
    line.tally.lost.shutdown.add(count(abandoned));
    if line.ended.is_cancelled() {
        line.note_unsent(number, dropped + put.failed + abandoned, put.documents);
    }
    line.show_spool(spooling);
    if dropped > 0 {
        tracing::warn!(
            destination = line.shown(),
            "Spilling over {dropped} segments: the spool is full"
        );
    }
    if let Some(error) = &put.error {
        let directory = spooling.spool.directory().display();
        tracing::error!(
            destination = line.shown(),
            lost = put.failed,
            "write to the spool {directory}: {error}{}",
            remedy(error)
        );
    }
    spooling.stored.notify_one();
}

/// Has a thread do what blocks. One that hangs is not waited for when the daemon ends.
async fn on_disk<T: Send + 'static>(
    line: &Line,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    if line.abandoned.is_cancelled() {
        return Err(std::io::Error::other(TOO_SLOW));
    }
    tokio::select! {
        done = spawn_blocking(work) => done.map_err(std::io::Error::other),
        () = line.abandoned.cancelled() => Err(std::io::Error::other(TOO_SLOW)),
    }
}

/// Sends files, the oldest first, whenever the destination answers, until the process ends. One that
/// fails waits like a batch that fails, and the next one has its turn; the more of them fail in a row,
/// the longer is the pause before the next one, whichever it is.
pub(super) async fn replay(line: Arc<Line>, spooling: Arc<Spooling>) {
    tokio::select! {
        () = line.upstream.endpoint_known() => {}
        () = line.closed.cancelled() => return,
    }
    let mut failures = 0;
    let mut pause_until = None;
    while !line.is_closing() {
        let now = Instant::now();
        let next = match spooling.spool.due_at(now).max(pause_until) {
            _ if spooling.spool.is_empty() => None,
            Some(time) if now < time => Some(time),
            _ => match line.begin() {
                Turn::Now => {
                    let Some(stored) = spooling.spool.take_due(now) else {
                        line.release();
                        continue;
                    };
                    let pause = replay_file(&line, &spooling, stored).await;
                    failures = if pause.is_some() { failures + 1 } else { 0 };
                    pause_until = pause
                        .map(|least| Instant::now() + backoff(&line.retry, failures).max(least));
                    continue;
                }
                Turn::At(time) => Some(time),
                Turn::Later => Some(now + LOOK_AGAIN),
            },
        };
        let due = async {
            match next {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = spooling.stored.notified() => {}
            () = line.closed.cancelled() => {}
        }
    }
}

/// One attempt with one file; the attempt counts as begun. Gives the least pause before the next one
/// when the file did not go through.
async fn replay_file(line: &Line, spooling: &Spooling, stored: Stored) -> Option<Duration> {
    let batch = match read(line, spooling, &stored).await {
        Ok(batch) => batch,
        Err(fault) => {
            line.release();
            return unreadable(line, spooling, stored, &fault).await;
        }
    };
    let mut waiting = Waiting::new(Arc::new(batch));
    let verdict = tokio::select! {
        biased;
        verdict = line.attempt(&mut waiting, 1) => verdict,
        () = line.ended.cancelled() => {
            line.release();
            spooling.spool.put_back(stored, None);
            return None;
        }
    };
    let documents = waiting.batch.document_count();
    match verdict {
        Verdict::Taken(refused) => {
            line.old_answered();
            line.tally.replayed.add(count(documents));
            line.say_taken(&waiting, &refused, Some("spool"));
            delete(line, spooling, stored).await;
            None
        }
        Verdict::Failed(failure) => match failure.then {
            Then::TryAgain(retry_after) => {
                let least = retry_after.unwrap_or_default();
                let wait = backoff(&line.retry, stored.attempts + 1).max(least);
                spooling.spool.put_back(stored, Some(Instant::now() + wait));
                line.old_failed(retry_after, &failure);
                Some(least)
            }
            Then::KeepForLater => {
                // It answers, but not to us; the next file would hardly fare better.
                spooling.spool.put_back(stored, Some(Instant::now() + LOOK_AGAIN));
                line.release();
                Some(LOOK_AGAIN)
            }
            Then::GiveUp => {
                line.old_answered();
                line.tally.lost.send_failed.add(count(documents));
                let described = failure.describe(1);
                tracing::error!(
                    destination = line.shown(),
                    lost = documents,
                    "Sending segment batch failed with: {described}"
                );
                delete(line, spooling, stored).await;
                None
            }
        },
    }
}

/// What becomes of a file that cannot be read. Only one that is damaged is given up: an error of the
/// system says nothing about the file. Gives the least pause before the next one then.
async fn unreadable(
    line: &Line,
    spooling: &Spooling,
    stored: Stored,
    fault: &ReadError,
) -> Option<Duration> {
    match fault {
        ReadError::Damaged(_) => {
            set_aside(line, spooling, stored, fault).await;
            None
        }
        ReadError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Somebody has sent it by hand, or does not want it.
            spooling.spool.forget(&stored);
            line.show_spool(spooling);
            tracing::warn!(destination = line.shown(), "{} is gone from the spool", stored.name());
            None
        }
        ReadError::Io(error) => {
            let name = stored.name();
            tracing::warn!(destination = line.shown(), "read {name} of the spool: {error}");
            spooling.spool.put_back(stored, Some(Instant::now() + LOOK_AGAIN));
            Some(Duration::ZERO)
        }
    }
}

async fn read(line: &Line, spooling: &Spooling, stored: &Stored) -> Result<Batch, ReadError> {
    let (spool, stored) = (Arc::clone(&spooling.spool), stored.clone());
    on_disk(line, move || spool.read(&stored)).await?
}

async fn delete(line: &Line, spooling: &Spooling, stored: Stored) {
    let (spool, name) = (Arc::clone(&spooling.spool), stored.name());
    let removed = on_disk(line, move || spool.remove(&stored)).await;
    line.show_spool(spooling);
    if let Err(error) = removed.flatten() {
        tracing::warn!(
            destination = line.shown(),
            "delete {name} from the spool: {error}; it will be sent again after a restart"
        );
    }
}

async fn set_aside(line: &Line, spooling: &Spooling, stored: Stored, fault: &ReadError) {
    let documents = stored.documents;
    let name = stored.name();
    let spool = Arc::clone(&spooling.spool);
    let aside = on_disk(line, move || spool.set_aside(&stored)).await;
    line.tally.lost.spool_full.add(count(documents));
    line.show_spool(spooling);
    let kept = match aside.flatten() {
        Ok(path) => format!("kept as {}", path.display()),
        Err(error) => format!("and it cannot be renamed: {error}"),
    };
    tracing::error!(
        destination = line.shown(),
        lost = documents,
        "file {name} of the spool cannot be sent: {fault}; {kept}"
    );
}

/// A number of documents as the counters want it.
pub(super) fn count(documents: usize) -> u64 {
    u64::try_from(documents).unwrap_or(u64::MAX)
}
