//! The thread that receives datagrams.
//!
//! It takes all there are, then either sleeps a little, so that more of them come with the next
//! call, or waits for the next one ([`Gathering`]). When nothing comes it does nothing: it is not
//! even woken to look whether it shall stop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use roentgen_protocol::split_datagram;
use roentgen_udp::{Gathering, KernelDrops, MOST_DATAGRAMS, Next, Receiver};

use super::{NoRoom, Shared, WhenFull};

/// Calls in a row before there is a look at the time and at the wish to stop; 2,048 datagrams.
const MOST_CALLS: usize = 64;

/// Most datagrams that are still taken once the receiver shall stop: what the kernel may hold, but
/// not what goes on coming.
const LAST_DATAGRAMS: usize = 16_384;

/// How often the kernel is asked what it dropped, while datagrams come. It walks through all its
/// sockets to answer, which takes up to a millisecond on a large machine.
const DROPS_CHECK_PERIOD: Duration = Duration::from_secs(10);

/// How long to leave a socket alone that just failed, lest failing is all it does.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// The thread's own things.
#[derive(Debug)]
pub(super) struct Receiving {
    receiver: Receiver,
    gathering: Gathering,
    shared: Arc<Shared>,
    kernel_drops: Arc<KernelDrops>,
    next_drops_check: Instant,
}

/// What one round brought, or several.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    datagrams: usize,
    /// Bytes of the longest datagram.
    longest: usize,
    /// Whether no datagram was left.
    is_all: bool,
}

impl Receiving {
    pub(super) fn new(
        receiver: Receiver,
        gathering: Gathering,
        shared: Arc<Shared>,
        kernel_drops: Arc<KernelDrops>,
    ) -> Self {
        let next_drops_check = shared.clock.instant();
        Self { receiver, gathering, shared, kernel_drops, next_drops_check }
    }

    /// Receives until it shall stop.
    pub(super) fn run(mut self) {
        let mut last_datagrams = LAST_DATAGRAMS;
        // Since no datagram was left the last time.
        let mut gathered = Round::default();
        loop {
            // Before the round, so that what was sent before the wish to stop is in it.
            let is_stopping = self.shared.is_stopping.load(Ordering::Acquire);
            // Should a datagram bring a fault of ours to light, the next ones are still taken.
            let round = catch_unwind(AssertUnwindSafe(|| self.round())).unwrap_or_else(|_| {
                tracing::error!("a datagram led to a panic");
                Round::default()
            });
            if is_stopping {
                self.shared.wake_outlet();
                last_datagrams = last_datagrams.saturating_sub(round.datagrams.max(1));
                if round.is_all || last_datagrams == 0 {
                    // The kernel forgets the count with the socket.
                    self.tell_drops();
                    return;
                }
                continue;
            }
            let now = self.shared.clock.instant();
            let left = self.shared.flush_if_due(now);
            self.shared.wake_outlet();
            if round.datagrams > 0 && now >= self.next_drops_check {
                self.next_drops_check = now + DROPS_CHECK_PERIOD;
                self.tell_drops();
            }
            gathered.datagrams += round.datagrams;
            gathered.longest = gathered.longest.max(round.longest);
            if round.is_all {
                let Round { datagrams, longest, .. } = std::mem::take(&mut gathered);
                match self.gathering.next(datagrams, longest, now) {
                    Next::Sleep(time) => thread::sleep(time),
                    Next::Wait => self.wait(left),
                }
            }
        }
    }

    /// Takes the datagrams that are there.
    fn round(&mut self) -> Round {
        let mut round = Round::default();
        for _ in 0..MOST_CALLS {
            let datagrams = match self.receiver.receive() {
                Ok(datagrams) => datagrams,
                Err(error) => {
                    self.shared.lines.failed(&error, self.shared.clock.instant());
                    thread::sleep(AFTER_ERROR);
                    round.is_all = true;
                    break;
                }
            };
            // Empty ones are neither counted nor told, as with the official daemon.
            let not_empty = || datagrams.iter().filter(|datagram| !datagram.is_empty());
            self.shared.tally.received.add(not_empty().count() as u64);
            not_empty().for_each(|datagram| self.shared.take_datagram(datagram));
            round.datagrams += datagrams.len();
            round.longest = round.longest.max(datagrams.longest());
            if datagrams.len() < MOST_DATAGRAMS {
                round.is_all = true;
                break;
            }
        }
        round
    }

    fn wait(&mut self, timeout: Option<Duration>) {
        if let Err(error) = self.receiver.wait(timeout) {
            self.shared.lines.failed(&error, self.shared.clock.instant());
            thread::sleep(AFTER_ERROR);
        }
    }

    /// Tells what the kernel dropped since the last time.
    fn tell_drops(&self) {
        let dropped = self.kernel_drops.news();
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "the kernel dropped datagrams, since its buffer for segments was full; allow a larger one with net.core.rmem_max"
            );
        }
    }
}

impl Shared {
    /// Takes the document of a datagram, or tells why not.
    fn take_datagram(&self, datagram: &[u8]) {
        match split_datagram(datagram) {
            Ok(document) => {
                if self.take(document, WhenFull::DropOlder) == Err(NoRoom) {
                    self.tally.spilled.no_memory.increment();
                    self.lines.no_memory(self.clock.instant());
                }
            }
            Err(fault) => {
                self.tally.rejected.header.increment();
                self.lines.refused(fault, datagram, self.clock.instant());
            }
        }
    }
}
