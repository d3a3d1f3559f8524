//! One call for each datagram, where the system has none for many.

use std::io;
use std::net::UdpSocket;

use rustix::net::{RecvFlags, recv};

use super::MOST_DATAGRAMS;
use crate::slots::Slots;

/// Nothing to prepare.
#[derive(Debug)]
pub(super) struct Call;

impl Call {
    pub(super) fn new() -> Self {
        Self
    }

    /// Fills slots from the first on, notes how far, and gives how many; waits for none.
    pub(super) fn fill(
        &mut self,
        socket: &UdpSocket,
        slots: &mut Slots,
        lengths: &mut [usize; MOST_DATAGRAMS],
    ) -> io::Result<usize> {
        let mut count = 0;
        for (slot, length) in slots.iter_mut().zip(lengths) {
            match recv(socket, slot, RecvFlags::DONTWAIT) {
                Ok((received, _)) => *length = received,
                // What came before the trouble counts; the next call meets it again.
                Err(_) if count > 0 => break,
                Err(error) => return Err(error.into()),
            }
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_receives_as_the_one_call_does() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut slots, mut lengths) = (Slots::new(MOST_DATAGRAMS), [0; MOST_DATAGRAMS]);
        let mut call = Call::new();
        let error = call.fill(&socket, &mut slots, &mut lengths).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        for datagram in [&b"one"[..], b"", b"three"] {
            sender.send_to(datagram, socket.local_addr().unwrap()).unwrap();
        }
        assert_eq!(call.fill(&socket, &mut slots, &mut lengths).unwrap(), 3);
        assert_eq!(lengths[..3], [3, 0, 5]);
        let received: Vec<&[u8]> = slots.iter().zip(lengths).map(|(slot, n)| &slot[..n]).collect();
        assert_eq!(received[..3], [&b"one"[..], b"", b"three"]);
    }
}
