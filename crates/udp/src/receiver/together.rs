//! All slots by one `recvmmsg(2)`.

use std::array;
use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};

use super::MOST_DATAGRAMS;
use crate::slots::Slots;

/// What the call needs besides the slots, prepared once. Addresses of senders are not asked for.
#[derive(Debug)]
pub(super) struct Call(MultiHeaders<()>);

impl Call {
    pub(super) fn new() -> Self {
        Self(MultiHeaders::preallocate(MOST_DATAGRAMS, None))
    }

    /// Fills slots from the first on, notes how far, and gives how many; waits for none.
    pub(super) fn fill(
        &mut self,
        socket: &UdpSocket,
        slots: &mut Slots,
        lengths: &mut [usize; MOST_DATAGRAMS],
    ) -> io::Result<usize> {
        let mut slots = slots.iter_mut();
        let mut parts: [[IoSliceMut<'_>; 1]; MOST_DATAGRAMS] =
            array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let messages = recvmmsg(socket.as_raw_fd(), &mut self.0, parts.iter_mut(), flags, None)?;
        let received = messages.zip(lengths.iter_mut());
        Ok(received.map(|(message, length)| *length = message.bytes).count())
    }
}
