//! The UDP receiver: one thread that reads datagrams and hands their documents on. It never waits
//! for the disk: when the store's queue is full the document is dropped and counted.

use std::io;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use roentgen_protocol::{MAX_DATAGRAM_BYTES, split_datagram};
use roentgen_store::StoreError;

use crate::counters::{Counters, Loss, Source};
use crate::intake::Intake;

/// How often a receiver that gets nothing looks whether it shall stop.
const STOP_CHECK_PERIOD: Duration = Duration::from_millis(100);

/// Most datagrams that are still read once the receiver shall stop: what the kernel may hold, but
/// not what goes on coming.
const LAST_DATAGRAMS: usize = 16_384;

/// The running receiver.
#[derive(Debug)]
pub(crate) struct UdpReceiver {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl UdpReceiver {
    /// Starts to receive.
    ///
    /// # Errors
    /// When the operating system refuses a thread or a time limit for reading.
    pub(crate) fn start(
        socket: UdpSocket,
        intake: Arc<Intake>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        socket.set_read_timeout(Some(STOP_CHECK_PERIOD))?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread =
            std::thread::Builder::new().name("udp-receiver".to_owned()).spawn(move || {
                let take = |datagram: &[u8]| take(datagram, &intake, &counters);
                receive(&socket, &intake, &counters, &is_stopped, take);
            })?;
        Ok(Self { stop, thread })
    }

    /// Reads what the kernel still holds, then ends. Blocks for a moment.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("the UDP receiver had ended in a panic");
        }
    }
}

fn receive(
    socket: &UdpSocket,
    intake: &Intake,
    counters: &Counters,
    stop: &AtomicBool,
    take: impl Fn(&[u8]),
) {
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    let mut last_datagrams = LAST_DATAGRAMS;
    while last_datagrams > 0 {
        let is_stopping = stop.load(Ordering::Relaxed);
        last_datagrams -= usize::from(is_stopping);
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let datagram = buffer.get(..length).unwrap_or_default();
                // Should one datagram bring a fault of ours to light, the next ones still count.
                // What it may leave half done are counts.
                if catch_unwind(AssertUnwindSafe(|| take(datagram))).is_err() {
                    counters.count_rejected(Loss::Panic.reason(), 1);
                    if let Some(held_back) = intake.warning_due(Loss::Panic.reason()) {
                        tracing::error!(length, held_back, "a datagram led to a panic");
                    }
                }
            }
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

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn take(datagram: &[u8], intake: &Arc<Intake>, counters: &Counters) {
    // Neither counted nor told, as with the official daemon.
    if datagram.is_empty() {
        return;
    }
    counters.datagrams.increment();
    match split_datagram(datagram) {
        Ok(document) => store(document, intake),
        Err(fault) => {
            counters.count_rejected(fault.reason(), 1);
            if let Some(held_back) = intake.warning_due(fault.reason()) {
                let bytes = datagram.len();
                tracing::warn!(reason = fault.reason(), bytes, held_back, "{fault}");
            }
        }
    }
}

fn store(document: &[u8], intake: &Arc<Intake>) {
    let checked = intake.check(document.to_vec(), Source::Udp);
    let Some(first) = checked.accepted.first() else { return };
    let trace_id = first.trace_id;
    let warn = {
        let intake = Arc::clone(intake);
        move |error: &StoreError| {
            if let Some(held_back) = intake.warning_due("udp_dropped") {
                tracing::warn!(%error, %trace_id, held_back, "segment document dropped");
            }
        }
    };
    let outcome = intake.store(checked.accepted, Source::Udp, {
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use roentgen_ops::{Metrics, SystemClock};

    use super::*;
    use crate::test_store::TestStore;

    #[test]
    fn a_panic_costs_one_datagram_only() {
        let counters = Arc::new(Counters::new(Arc::new(Metrics::default())));
        let store = Arc::new(TestStore::new());
        let intake = Intake::new(store, Arc::new(SystemClock), Arc::clone(&counters));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(STOP_CHECK_PERIOD)).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for datagram in ["one", "bad", "two"] {
            sender.send_to(datagram.as_bytes(), socket.local_addr().unwrap()).unwrap();
        }
        let taken = Mutex::new(Vec::new());
        let take = |datagram: &[u8]| {
            assert_ne!(datagram, b"bad", "on purpose");
            taken.lock().unwrap().push(datagram.to_vec());
        };
        // Told to stop from the start, it reads what is there and ends.
        receive(&socket, &intake, &counters, &AtomicBool::new(true), take);
        assert_eq!(*taken.lock().unwrap(), [b"one", b"two"]);
        assert_eq!(counters.rejected().collect::<Vec<_>>(), [("panic", 1)]);
    }
}
