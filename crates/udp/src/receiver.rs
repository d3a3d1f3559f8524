//! Many datagrams for one system call.
//!
//! The kernel copies datagrams into slots that are used again and again, so receiving allocates
//! nothing. On Linux one call of `recvmmsg(2)` fills all of them; elsewhere each takes a call.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::slots::{SLOT_BYTES, Slots};
use crate::waker::Alarm;

#[cfg(any(not(target_os = "linux"), test))]
mod one_by_one;
#[cfg(target_os = "linux")]
mod together;

#[cfg(not(target_os = "linux"))]
use one_by_one::Call;
#[cfg(target_os = "linux")]
use together::Call;

/// Most datagrams that come with one call. Enough that a datagram's share of the call itself is
/// some hundredths of a microsecond, and few enough that they are still in the processor's near
/// caches when it is their turn.
pub const MOST_DATAGRAMS: usize = 32;

/// No datagram is longer, so none is cut off.
pub const MAX_DATAGRAM_BYTES: usize = SLOT_BYTES;

/// Receives from one socket, on one thread.
#[derive(Debug)]
pub struct Receiver {
    socket: UdpSocket,
    slots: Slots,
    lengths: [usize; MOST_DATAGRAMS],
    call: Call,
    alarm: Alarm,
}

/// Datagrams that came together, in the order of their coming; empty ones are among them.
#[derive(Clone, Copy, Debug)]
pub struct Datagrams<'a> {
    slots: &'a Slots,
    lengths: &'a [usize],
}

impl Receiver {
    /// A receiver for this socket, which an alarm ends the waiting of. It stays on the thread that
    /// made it, as what it prepares for the kernel may not move between threads.
    pub fn new(socket: UdpSocket, alarm: Alarm) -> Self {
        Self {
            socket,
            slots: Slots::new(MOST_DATAGRAMS),
            lengths: [0; MOST_DATAGRAMS],
            call: Call::new(),
            alarm,
        }
    }

    /// The datagrams that are there, up to [`MOST_DATAGRAMS`]; waits for none.
    ///
    /// # Errors
    /// When the operating system refuses. The next call may succeed.
    pub fn receive(&mut self) -> io::Result<Datagrams<'_>> {
        self.slots.give_back(false);
        let count = match self.call.fill(&self.socket, &mut self.slots, &mut self.lengths) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            count => count?,
        };
        let lengths = self.lengths.get(..count).unwrap_or_default();
        self.slots.note(lengths);
        Ok(Datagrams { slots: &self.slots, lengths })
    }

    /// Waits until there are datagrams, somebody uses the waker, or the time is over.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.slots.give_back(true);
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut fds = [
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::from_borrowed_fd(self.alarm.fd(), PollFlags::IN),
        ];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [_, alarm] = fds;
        if alarm.revents().contains(PollFlags::IN) {
            self.alarm.reset();
        }
        Ok(())
    }
}

impl<'a> Datagrams<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Bytes of the longest; 0 when there are none.
    pub fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or_default()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let slots = self.slots.iter().zip(self.lengths);
        slots.map(|(slot, length)| slot.get(..*length).unwrap_or(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waker::{Waker, alarm};

    fn pair_of_sockets() -> (UdpSocket, Receiver, Waker) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        let (waker, alarm) = alarm().unwrap();
        (sender, Receiver::new(receiver, alarm), waker)
    }

    #[test]
    fn all_that_is_there_comes_in_order() {
        let (sender, mut receiver, _) = pair_of_sockets();
        for round in 0..3_u8 {
            assert!(receiver.receive().unwrap().is_empty());
            let largest = vec![round; 65_507];
            let datagrams: [&[u8]; 5] = [b"one", b"", &largest, b"two\0", b"three"];
            datagrams.iter().for_each(|datagram| assert!(sender.send(datagram).is_ok()));
            receiver.wait(None).unwrap();
            let received = receiver.receive().unwrap();
            assert_eq!(received.len(), datagrams.len());
            assert_eq!(received.iter().collect::<Vec<_>>(), datagrams);
        }
    }

    #[test]
    fn more_than_the_slots_come_in_turns() {
        let (sender, mut receiver, _) = pair_of_sockets();
        let numbers = || 0..u8::try_from(2 * MOST_DATAGRAMS + 1).unwrap();
        numbers().for_each(|number| assert!(sender.send(&[number]).is_ok()));
        let mut received = Vec::new();
        for expect in [MOST_DATAGRAMS, MOST_DATAGRAMS, 1, 0] {
            let datagrams = receiver.receive().unwrap();
            assert_eq!(datagrams.len(), expect);
            received.extend(datagrams.iter().flatten().copied());
        }
        assert_eq!(received, numbers().collect::<Vec<_>>());
    }

    #[test]
    fn waiting_ends_by_datagram_waker_and_time() {
        let (sender, mut receiver, waker) = pair_of_sockets();
        receiver.wait(Some(Duration::ZERO)).unwrap();
        // Each of these would block for ever if it did not work.
        for _ in 0..3 {
            waker.wake();
            waker.wake();
            receiver.wait(None).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            receiver.wait(None).unwrap();
        });
        sender.send(b"x").unwrap();
        receiver.wait(None).unwrap();
        assert_eq!(receiver.receive().unwrap().len(), 1);
    }
}
