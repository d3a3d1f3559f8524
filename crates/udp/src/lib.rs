//! Receiving datagrams in batches, for the server and the daemon: sockets that take both address
//! families and hold bursts ([`bind`]), many datagrams for one system call ([`Receiver`]), how long
//! to let them gather ([`Gathering`]), and what the kernel dropped all the same ([`KernelDrops`]).
//!
//! A leaf: it knows nothing of segments, and reads no clock.

mod bind;
mod gathering;
mod kernel_drops;
mod receiver;
mod slots;
mod waker;

pub use bind::{bind, buffer_bytes, take_both_families};
pub use gathering::{Gathering, Next};
pub use kernel_drops::KernelDrops;
pub use receiver::{Datagrams, MAX_DATAGRAM_BYTES, MOST_DATAGRAMS, Receiver};
pub use waker::{Alarm, Waker, alarm};
