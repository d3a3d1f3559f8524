//! The UDP receiver: one thread that does nothing but read datagrams into batches, and some that
//! parse the documents of a batch and hand them to the store together.
//!
//! The kernel gives a datagram little time: what its buffer cannot hold it drops. So reading waits
//! for nothing but free memory, and everything else happens on the other threads. These wait for an
//! overloaded store only for a moment; meanwhile batches and then the kernel's buffer fill up, and
//! what does not fit any more is dropped by the kernel, which costs us nothing and is counted
//! ([`KernelDrops`]).

use std::io;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use roentgen_ops::Clock;
use roentgen_protocol::split_datagram;
use roentgen_store::StoreError;
use roentgen_udp::{Alarm, KernelDrops, MOST_DATAGRAMS, Receiver, Waker, alarm, buffer_bytes};

use crate::counters::{Counters, Loss, Source};
use crate::intake::{Arrival, Intake};

mod batch;
mod hand_over;

use batch::Batch;
use hand_over::HandOver;

/// How long datagrams gather in the kernel after the first of a batch, so that the threads are not
/// woken for each of them. A millisecond of 50,000 a second takes a seventieth of a buffer of 8 MB.
const GATHERING: Duration = Duration::from_millis(1);

/// Calls in a row before there is a look at the wish to stop; 2,048 datagrams.
const MOST_CALLS: usize = 64;

/// Most datagrams that are still read once the receiver shall stop: what the kernel may hold, but
/// not what goes on coming.
const LAST_DATAGRAMS: usize = 16_384;

/// Most threads that parse. A document of 1 KB takes one some 5 µs, the receiver 1 µs and the
/// store's writer 2 µs (on a busy machine), so that more would wait for the writer.
const MOST_WORKERS: usize = 4;

/// How often the kernel is asked what it dropped, while datagrams come.
const DROPS_CHECK_PERIOD: Duration = Duration::from_secs(1);

/// The running receiver.
#[derive(Debug)]
pub(crate) struct UdpReceiver {
    stop: Arc<AtomicBool>,
    waker: Waker,
    hand_over: Arc<HandOver>,
    receiver: JoinHandle<()>,
    workers: Vec<JoinHandle<()>>,
}

/// What the workers need.
#[derive(Clone, Debug)]
struct Worker {
    intake: Arc<Intake>,
    counters: Arc<Counters>,
    drops: Arc<KernelDrops>,
    clock: Arc<dyn Clock>,
}

impl UdpReceiver {
    /// Starts to receive.
    ///
    /// # Errors
    /// When the operating system refuses a thread or a file descriptor.
    pub(crate) fn start(
        socket: UdpSocket,
        drops: Arc<KernelDrops>,
        intake: Arc<Intake>,
        counters: Arc<Counters>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        // What the kernel gave may be much less than was asked; twice of it on Linux, as it counts.
        tracing::info!(buffer_bytes = buffer_bytes(&socket)?, "receiving segments");
        let (waker, alarm) = alarm()?;
        let stop = Arc::new(AtomicBool::new(false));
        let hand_over = Arc::new(HandOver::default());
        let worker = Worker { intake, counters, drops, clock };
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..processors.min(MOST_WORKERS))
            .map(|number| {
                let (worker, hand_over) = (worker.clone(), Arc::clone(&hand_over));
                let name = format!("udp-worker-{number}");
                thread::Builder::new().name(name).spawn(move || worker.run(&hand_over))
            })
            .collect::<io::Result<_>>()?;
        let receiver = {
            let (hand_over, stop) = (Arc::clone(&hand_over), Arc::clone(&stop));
            thread::Builder::new()
                .name("udp-receiver".to_owned())
                .spawn(move || receive(socket, alarm, &hand_over, &worker.intake, &stop))?
        };
        Ok(Self { stop, waker, hand_over, receiver, workers })
    }

    /// Reads what the kernel still holds, hands it to the store, then ends. Blocks for a moment.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
        join(self.receiver);
        self.hand_over.close();
        self.workers.into_iter().for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    let name = thread.thread().name().unwrap_or_default().to_owned();
    if thread.join().is_err() {
        tracing::error!(name, "a thread that takes datagrams had ended in a panic");
    }
}

/// The receiving thread.
fn receive(
    socket: UdpSocket,
    alarm: Alarm,
    hand_over: &HandOver,
    intake: &Intake,
    stop: &AtomicBool,
) {
    let mut receiver = Receiver::new(socket, alarm);
    let mut filling = Filling { hand_over, batch: None };
    let mut last_datagrams = LAST_DATAGRAMS;
    loop {
        // Before reading, so that what was sent before the wish to stop is read.
        let is_stopping = stop.load(Ordering::Acquire);
        let outcome = read_all(&mut receiver, &mut filling);
        let count = *outcome.as_ref().unwrap_or(&0);
        if is_stopping {
            last_datagrams = last_datagrams.saturating_sub(count);
            if count == 0 || last_datagrams == 0 {
                return filling.hand_over();
            }
            continue;
        }
        let outcome = match outcome {
            Ok(_) if filling.batch.is_none() => receiver.wait(None),
            outcome => outcome.map(|_| ()),
        };
        if let Err(error) = outcome
            && let Some(held_back) = intake.warning_due("udp_receive")
        {
            tracing::warn!(%error, held_back, "reading datagrams failed");
        }
        if filling.batch.is_some() && hand_over.is_batch_wanted() {
            filling.hand_over();
        } else {
            // After waiting, too: others follow the first one.
            thread::sleep(GATHERING);
        }
    }
}

/// Reads the datagrams that are there; gives how many.
fn read_all(receiver: &mut Receiver, filling: &mut Filling<'_>) -> io::Result<usize> {
    let mut count = 0;
    for _ in 0..MOST_CALLS {
        let datagrams = receiver.receive()?;
        datagrams.iter().for_each(|datagram| filling.add(datagram));
        count += datagrams.len();
        if datagrams.len() < MOST_DATAGRAMS {
            break;
        }
    }
    Ok(count)
}

/// The batch that is filled, once there is something to put into it.
struct Filling<'a> {
    hand_over: &'a HandOver,
    batch: Option<Batch>,
}

impl Filling<'_> {
    fn add(&mut self, datagram: &[u8]) {
        if self.batch.as_ref().is_some_and(Batch::is_full) {
            self.hand_over();
        }
        self.batch.get_or_insert_with(|| self.hand_over.empty_batch()).add(datagram);
    }

    fn hand_over(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.hand_over.hand_over(batch);
        }
    }
}

impl Worker {
    fn run(&self, hand_over: &HandOver) {
        let mut next_check = self.clock.instant();
        while let Some(batch) = hand_over.full_batch() {
            let take = |datagram: &[u8], arrival: &mut Arrival| self.take(datagram, arrival);
            // Without the threads that work there would be no batches to receive into.
            if catch_unwind(AssertUnwindSafe(|| self.take_batch(&batch, take))).is_err() {
                tracing::error!(datagrams = batch.len(), "a batch of datagrams led to a panic");
            }
            hand_over.give_back(batch);
            self.check_drops(&mut next_check);
        }
    }

    /// Checks the documents of a batch and hands them to the store.
    fn take_batch(&self, batch: &Batch, take: impl Fn(&[u8], &mut Arrival)) {
        // Neither counted nor told, as with the official daemon.
        let datagrams = || batch.datagrams().filter(|datagram| !datagram.is_empty());
        self.counters.datagrams.add(datagrams().count() as u64);
        let mut arrival = self.intake.arrival(Source::Udp);
        for datagram in datagrams() {
            // Should one datagram bring a fault of ours to light, the next ones still count. What
            // it may leave half done are counts.
            if catch_unwind(AssertUnwindSafe(|| take(datagram, &mut arrival))).is_err() {
                self.counters.count_rejected(Loss::Panic.reason(), 1);
                if let Some(held_back) = self.intake.warning_due(Loss::Panic.reason()) {
                    let length = datagram.len();
                    tracing::error!(length, held_back, "a datagram led to a panic");
                }
            }
        }
        self.store(arrival);
    }

    fn take(&self, datagram: &[u8], arrival: &mut Arrival) {
        match split_datagram(datagram) {
            Ok(document) => self.intake.check(Bytes::copy_from_slice(document), arrival),
            Err(fault) => {
                self.counters.count_rejected(fault.reason(), 1);
                if let Some(held_back) = self.intake.warning_due(fault.reason()) {
                    let bytes = datagram.len();
                    tracing::warn!(reason = fault.reason(), bytes, held_back, "{fault}");
                }
            }
        }
    }

    fn store(&self, arrival: Arrival) {
        let documents = self.intake.finish(arrival).accepted;
        let Some(first) = documents.first() else { return };
        let (trace_id, dropped) = (first.trace_id(), documents.len());
        let warn = {
            let intake = Arc::clone(&self.intake);
            move |error: &StoreError| {
                if let Some(held_back) = intake.warning_due("udp_dropped") {
                    let example = trace_id;
                    tracing::warn!(%error, dropped, %example, held_back, "segment documents dropped");
                }
            }
        };
        let outcome = self.intake.store_blocking(documents, Source::Udp, {
            let warn = warn.clone();
            move |outcome| {
                if let Err(error) = &outcome {
                    warn(error);
                }
            }
        });
        if let Err(error) = &outcome {
            warn(error);
        }
    }

    /// Tells what the kernel dropped, when it is time to look.
    fn check_drops(&self, next_check: &mut Instant) {
        let now = self.clock.instant();
        if now < *next_check {
            return;
        }
        *next_check = now + DROPS_CHECK_PERIOD;
        let dropped = self.drops.news();
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "the kernel dropped datagrams, since its buffer for segments was full; allow a                  larger one with net.core.rmem_max"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use roentgen_ops::{Metrics, SystemClock};

    use super::*;
    use crate::intake::OverloadLimits;
    use crate::test_store::TestStore;

    fn worker() -> Worker {
        let counters = Arc::new(Counters::new(Arc::new(Metrics::default())));
        let (store, clock) = (Arc::new(TestStore::new()), Arc::new(SystemClock));
        let intake =
            Intake::new(store, clock.clone(), Arc::clone(&counters), OverloadLimits::default());
        let drops = Arc::new(KernelDrops::of(&UdpSocket::bind("127.0.0.1:0").unwrap()));
        Worker { intake: Arc::new(intake), counters, drops, clock }
    }

    /// The batches that a receiver makes which is told to stop from the start: it reads what is
    /// there and ends.
    fn received(datagrams: &[&[u8]]) -> Vec<Batch> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in datagrams {
            sender.send_to(datagram, socket.local_addr().unwrap()).unwrap();
        }
        let hand_over = HandOver::default();
        let (_waker, alarm) = alarm().unwrap();
        receive(socket, alarm, &hand_over, &worker().intake, &AtomicBool::new(true));
        hand_over.close();
        std::iter::from_fn(|| hand_over.full_batch()).collect()
    }

    #[test]
    fn all_that_is_there_is_read_in_order() {
        let largest = vec![7; 65_507];
        let datagrams: [&[u8]; 6] = [b"one", b"", &largest, b"two", &largest, b"three"];
        let batches = received(&datagrams);
        let read: Vec<&[u8]> = batches.iter().flat_map(Batch::datagrams).collect();
        assert_eq!(read, datagrams);
    }

    #[test]
    fn a_panic_costs_one_datagram_only() {
        let worker = worker();
        let taken = Mutex::new(Vec::new());
        let take = |datagram: &[u8], _: &mut Arrival| {
            assert_ne!(datagram, b"bad", "on purpose");
            taken.lock().unwrap().push(datagram.to_vec());
        };
        for batch in received(&[b"one", b"bad", b"two"]) {
            worker.take_batch(&batch, take);
        }
        assert_eq!(*taken.lock().unwrap(), [b"one", b"two"]);
        assert_eq!(worker.counters.rejected().collect::<Vec<_>>(), [("panic", 1)]);
    }
}
