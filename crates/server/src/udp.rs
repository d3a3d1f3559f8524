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

use roentgen_ops::Clock;
use roentgen_protocol::split_datagram;
use roentgen_store::StoreError;
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;

use crate::counters::{Counters, Loss, Source};
use crate::intake::{Arrival, Intake};

mod batch;
mod hand_over;
mod kernel_drops;

pub(crate) use kernel_drops::KernelDrops;

use batch::Batch;
use hand_over::HandOver;

/// How often a receiver that gets nothing looks whether it shall stop.
const STOP_CHECK_PERIOD: Duration = Duration::from_millis(100);

/// How long datagrams gather in the kernel after the first of a batch, so that the threads are not
/// woken for each of them. A millisecond of 50,000 a second takes a seventieth of a buffer of 8 MB.
const GATHERING: Duration = Duration::from_millis(1);

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
    /// When the operating system refuses a thread or a time limit for reading.
    pub(crate) fn start(
        socket: UdpSocket,
        drops: Arc<KernelDrops>,
        intake: Arc<Intake>,
        counters: Arc<Counters>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        socket.set_read_timeout(Some(STOP_CHECK_PERIOD))?;
        // What the kernel gave may be much less than was asked; twice of it on Linux, as it counts.
        let buffer_bytes = SockRef::from(&socket).recv_buffer_size()?;
        tracing::info!(buffer_bytes, "receiving segments");
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
                .spawn(move || receive(&socket, &hand_over, &worker.intake, &stop))?
        };
        Ok(Self { stop, hand_over, receiver, workers })
    }

    /// Reads what the kernel still holds, hands it to the store, then ends. Blocks for a moment.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
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
fn receive(socket: &UdpSocket, hand_over: &HandOver, intake: &Intake, stop: &AtomicBool) {
    let mut last_datagrams = LAST_DATAGRAMS;
    while last_datagrams > 0 {
        let is_stopping = stop.load(Ordering::Relaxed);
        let mut batch = hand_over.empty_batch();
        let filled = fill(socket, &mut batch, || is_stopping || hand_over.is_batch_wanted());
        let count = batch.len();
        if is_stopping {
            last_datagrams = last_datagrams.saturating_sub(count.max(1));
        }
        if count > 0 {
            hand_over.hand_over(batch);
        } else {
            hand_over.give_back(batch);
        }
        match filled {
            Ok(()) => {}
            Err(error) if is_timeout(&error) => {
                // Nothing for a while, so after the wish to stop nothing is left behind.
                if is_stopping {
                    return;
                }
            }
            Err(error) => {
                // Such as a port-unreachable message for another socket's datagram.
                if let Some(held_back) = intake.warning_due("udp_receive") {
                    tracing::warn!(%error, held_back, "reading a datagram failed");
                }
            }
        }
    }
}

/// Waits for a datagram, lets more gather, and reads all there are, until the batch is full or
/// wanted.
///
/// # Errors
/// When there was none for a while, or one could not be read; what was read before is in the batch.
fn fill(socket: &UdpSocket, batch: &mut Batch, is_wanted: impl Fn() -> bool) -> io::Result<()> {
    let length = socket.recv(batch.room())?;
    batch.add(length);
    loop {
        thread::sleep(GATHERING);
        read_all(socket, batch)?;
        if batch.is_full() || is_wanted() {
            return Ok(());
        }
    }
}

/// Reads all datagrams there are, as long as there is room.
fn read_all(socket: &UdpSocket, batch: &mut Batch) -> io::Result<()> {
    while !batch.is_full() {
        match recv(socket, batch.room(), RecvFlags::DONTWAIT).map_err(io::Error::from) {
            Ok((length, _)) => batch.add(length),
            Err(error) if is_timeout(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
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
            Ok(document) => self.intake.check(document.to_vec(), arrival),
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
        socket.set_read_timeout(Some(STOP_CHECK_PERIOD)).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in datagrams {
            sender.send_to(datagram, socket.local_addr().unwrap()).unwrap();
        }
        let hand_over = HandOver::default();
        receive(&socket, &hand_over, &worker().intake, &AtomicBool::new(true));
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
