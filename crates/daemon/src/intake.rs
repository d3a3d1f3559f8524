//! What comes in: datagrams, and documents over TCP.
//!
//! One thread receives datagrams, looks at their headers, and writes their documents into the batch
//! that is being made; documents over TCP go into the same one, on the thread of their connection.
//! A batch leaves with its fiftieth document, before it gets too large, or a second after its first
//! document came.

use std::fmt::Debug;
use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use roentgen_ops::Clock;
use roentgen_udp::{Gathering, KernelDrops, Receiver, Waker, alarm, buffer_bytes};

use crate::batch::{Batch, BatchBuilder, MOST_DOCUMENTS, Memory, Obstacle};
use crate::policy::Policy;
use crate::tally::Tally;

mod lines;
pub(crate) mod listen;
mod receiving;

use lines::Lines;
use receiving::Receiving;

/// How long documents wait for others to make a batch with. The official daemon's timer of the same
/// length runs from the last batch on, so there a document waits for up to this long as well.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Where ready batches go. Callable from any thread; never blocks.
pub(crate) trait Outlet: Debug + Send + Sync {
    /// Takes a batch, which may lie until [`Outlet::wake`].
    fn offer(&self, batch: Arc<Batch>);

    /// Has the batches sent that were offered. To wake a thread takes as long as to receive ten
    /// documents, so it is done once for all batches that come together.
    fn wake(&self);

    /// Drops or spools the oldest batch that waits; false when none waits.
    fn make_room(&self) -> bool;
}

/// There is no memory for a document now; there may be in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("documents that wait use all the memory there is; try again")]
pub(crate) struct NoRoom;

/// What the intake needs.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) socket: UdpSocket,
    pub(crate) memory: Arc<Memory>,
    /// Whether a destination signs, so that batches come with their hash.
    pub(crate) is_signing: bool,
    /// Which documents are not sent on, if any.
    pub(crate) policy: Option<Policy>,
    pub(crate) outlet: Arc<dyn Outlet>,
    pub(crate) tally: Tally,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The running intake.
#[derive(Debug)]
pub(crate) struct Intake {
    shared: Arc<Shared>,
    waker: Waker,
    kernel_drops: Arc<KernelDrops>,
    /// `None` once it was stopped.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the receiving thread and those of connections share.
#[derive(Debug)]
struct Shared {
    making: Mutex<Making>,
    policy: Option<Policy>,
    outlet: Arc<dyn Outlet>,
    tally: Tally,
    clock: Arc<dyn Clock>,
    lines: Lines,
    /// Whether there are batches that the outlet was not woken for.
    has_offered: AtomicBool,
    is_stopping: AtomicBool,
}

/// The batch in the making.
#[derive(Debug)]
struct Making {
    builder: BatchBuilder,
    /// When it leaves at the latest; `None` while it is empty.
    due: Option<Instant>,
}

/// What may be done for a document when memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenFull {
    /// Older batches give way: its sender does not hear of it, and new is worth more than old.
    DropOlder,
    /// It is refused: its sender is told, and can try again.
    Refuse,
}

impl Intake {
    /// Starts to receive.
    ///
    /// # Errors
    /// When the operating system refuses a thread or a file descriptor.
    pub(crate) fn start(parts: Parts) -> io::Result<Self> {
        let kernel_drops = Arc::new(KernelDrops::of(&parts.socket));
        // What the kernel gave may be much less than was asked.
        let buffer_bytes = buffer_bytes(&parts.socket)?;
        tracing::debug!(buffer_bytes, "receiving segments");
        let (waker, alarm) = alarm()?;
        let shared = Arc::new(Shared {
            making: Mutex::new(Making {
                builder: BatchBuilder::new(parts.memory, parts.is_signing),
                due: None,
            }),
            policy: parts.policy,
            outlet: parts.outlet,
            tally: parts.tally,
            clock: parts.clock,
            lines: Lines::default(),
            has_offered: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        });
        let receiving = {
            let (shared, kernel_drops) = (Arc::clone(&shared), Arc::clone(&kernel_drops));
            move || {
                let receiver = Receiver::new(parts.socket, alarm);
                let gathering = Gathering::new(buffer_bytes);
                Receiving::new(receiver, gathering, shared, kernel_drops).run();
            }
        };
        let thread = thread::Builder::new().name("receiver".to_owned()).spawn(receiving)?;
        Ok(Self { shared, waker, kernel_drops, thread: Mutex::new(Some(thread)) })
    }

    /// Takes a document that came over TCP.
    ///
    /// # Errors
    /// When there is no memory for it, or the intake has been stopped. Nothing is counted then.
    pub(crate) fn accept(&self, document: &[u8]) -> Result<(), NoRoom> {
        if self.shared.is_stopping.load(Ordering::Acquire) {
            return Err(NoRoom);
        }
        let taken = self.shared.take(document, WhenFull::Refuse);
        self.shared.wake_outlet();
        let is_first = taken?;
        self.shared.tally.received.increment();
        if is_first {
            // The receiver waits for datagrams, and shall not wait longer than this document may.
            self.waker.wake();
        }
        // The receiver may have ended in between, without having seen this.
        if self.shared.is_stopping.load(Ordering::Acquire) {
            self.shared.flush();
        }
        Ok(())
    }

    /// Whether datagrams are being taken.
    pub(crate) fn is_receiving(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// What the kernel dropped.
    pub(crate) fn kernel_drops(&self) -> &Arc<KernelDrops> {
        &self.kernel_drops
    }

    /// Takes what the kernel still holds, lets the last batch go, and ends. Blocks for a moment.
    pub(crate) fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.waker.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the receiver of segments had ended in a panic");
        }
        self.shared.flush();
    }
}

impl Shared {
    /// Adds a document to the batch in the making. Whether it is the first one there.
    /// [`Shared::wake_outlet`] has to follow, also when it is refused.
    fn take(&self, document: &[u8], when_full: WhenFull) -> Result<bool, NoRoom> {
        if self.policy.as_ref().is_some_and(|policy| !policy.keeps(document)) {
            self.tally.dropped_by_rule.increment();
            return Ok(false);
        }
        let making = &mut *self.making();
        loop {
            match making.builder.add(document) {
                Ok(()) => break,
                Err(Obstacle::BatchFull) => self.let_go(making, "sending complete batch"),
                Err(Obstacle::TooLarge) => return Err(NoRoom),
                Err(Obstacle::NoMemory) => {
                    if when_full == WhenFull::DropOlder && self.outlet.make_room() {
                        continue;
                    }
                    // As the official daemon, so that it does not wait for room it holds itself.
                    self.let_go(making, "sending partial batch due to load on buffer pool");
                    return Err(NoRoom);
                }
            }
        }
        if making.builder.is_full() {
            self.let_go(making, "sending complete batch");
        } else if making.due.is_none() {
            making.due = Some(self.clock.instant() + LONGEST_WAIT);
            return Ok(true);
        }
        Ok(false)
    }

    /// Lets the batch go that is in the making, if it is time. Otherwise gives how long there is.
    /// [`Shared::wake_outlet`] has to follow.
    fn flush_if_due(&self, now: Instant) -> Option<Duration> {
        let making = &mut *self.making();
        let left = making.due?.saturating_duration_since(now);
        if left.is_zero() {
            self.let_go(making, "sending partial batch");
            return None;
        }
        Some(left)
    }

    /// Lets the batch go that is in the making.
    fn flush(&self) {
        self.let_go(&mut self.making(), "sending partial batch");
        self.wake_outlet();
    }

    /// Has the batches sent that were let go since the last time.
    fn wake_outlet(&self) {
        if self.has_offered.swap(false, Ordering::AcqRel) {
            self.outlet.wake();
        }
    }

    fn let_go(&self, making: &mut Making, occasion: &str) {
        making.due = None;
        if let Some(batch) = making.builder.finish() {
            tracing::debug!("processor: {occasion}");
            let count = batch.document_count();
            tracing::debug!("processor: segment batch size: {count}. capacity: {MOST_DOCUMENTS}");
            self.outlet.offer(Arc::new(batch));
            self.has_offered.store(true, Ordering::Release);
        }
    }

    fn making(&self) -> MutexGuard<'_, Making> {
        // The builder changes what it is only at the end of each step.
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod fuzzing;
#[cfg(test)]
mod tests;
