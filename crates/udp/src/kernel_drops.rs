//! What the kernel drops before we see it, since a socket's buffer is full. It counts this for
//! every socket, and tells it in `/proc/net/udp`.
//!
//! The socket option for the same count (`SO_RXQ_OVFL`) tells it only along with a later datagram,
//! so it would say nothing about the end of a burst.

use std::net::UdpSocket;
use std::sync::{Mutex, PoisonError};

/// Where the kernel lists the sockets of both families.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// The columns of the inode and of the drops in both tables (proc(5), and the kernel's
/// `udp4_format_sock`).
const INODE_COLUMN: usize = 9;
const DROPS_COLUMN: usize = 12;

/// The drops of one socket.
#[derive(Debug)]
pub struct KernelDrops {
    /// What the kernel lists the socket by; `None` where it does not.
    inode: Option<u64>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The kernel's count, which begins anew after 2^32.
    last: u32,
    total: u64,
    /// Of the total, what has been told.
    told: u64,
}

impl KernelDrops {
    /// The drops of this socket since it was made.
    pub fn of(socket: &UdpSocket) -> Self {
        Self { inode: inode(socket), seen: Mutex::default() }
    }

    /// How many datagrams were dropped up to now; 0 where the kernel does not tell.
    pub fn total(&self) -> u64 {
        let now = self.inode.and_then(read_drops);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = now {
            seen.take(now);
        }
        seen.total
    }

    /// How many of them were not told by an earlier call of this.
    pub fn news(&self) -> u64 {
        let total = self.total();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let news = total.saturating_sub(seen.told);
        seen.told = seen.told.max(total);
        news
    }
}

impl Seen {
    fn take(&mut self, now: u32) {
        self.total += u64::from(now.wrapping_sub(self.last));
        self.last = now;
    }
}

#[cfg(target_os = "linux")]
fn inode(socket: &UdpSocket) -> Option<u64> {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt as _;

    let socket = std::fs::File::from(OwnedFd::from(socket.try_clone().ok()?));
    socket.metadata().ok().map(|metadata| metadata.ino())
}

#[cfg(not(target_os = "linux"))]
fn inode(_: &UdpSocket) -> Option<u64> {
    None
}

fn read_drops(inode: u64) -> Option<u32> {
    TABLES.iter().find_map(|table| drops_in(&std::fs::read_to_string(table).ok()?, inode))
}

/// The drops of the socket with this inode.
fn drops_in(table: &str, inode: u64) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let column = |number| line.split_ascii_whitespace().nth(number);
        let is_it = column(INODE_COLUMN)?.parse() == Ok(inode);
        if is_it { column(DROPS_COLUMN)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_by_inode() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n\
            \x20 335: 00000000:07D0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9876 2 0000000000000000 42        \n\
            \x20 336: 0100007F:07D1 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9877 2 0000000000000000 4294967295\n\
            \x20 337: broken\n";
        let check = |inode: u64, expect: Option<u32>| assert_eq!(drops_in(table, inode), expect);
        check(9876, Some(42));
        check(9877, Some(u32::MAX));
        check(42, None);
        assert_eq!(drops_in("", 1), None);
    }

    #[test]
    fn the_count_goes_on_where_the_kernels_begins_anew() {
        let mut seen = Seen::default();
        for (now, expect) in [(0, 0), (5, 5), (5, 5), (u32::MAX, 4_294_967_295), (2, 4_294_967_298)]
        {
            seen.take(now);
            assert_eq!(seen.total, expect);
        }
    }

    #[cfg(target_os = "linux")]
    /// Those of a socket that nobody reads; gives how many there are.
    fn of_full_socket(address: &str) -> std::io::Result<(KernelDrops, u64)> {
        let (socket, other) = (UdpSocket::bind(address)?, UdpSocket::bind(address)?);
        socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 10)?;
        socket.set_nonblocking(true)?;
        let drops = KernelDrops::of(&socket);
        assert_eq!((drops.total(), drops.news()), (0, 0));
        // Loopback puts a datagram into the buffer, or drops it, before sending returns.
        for _ in 0..100 {
            other.send_to(&[0; 1_000], socket.local_addr()?)?;
        }
        assert!(drops.total() > 0);
        let received = std::iter::from_fn(|| socket.recv(&mut [0; 1_000]).ok()).count();
        assert!(received > 0);
        // The kernel forgets the count with the socket; ours stays.
        Ok((drops, 100 - received as u64))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_full_buffer_loses_is_counted() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // A machine may have no IPv6.
            let Ok((drops, expect)) = of_full_socket(address) else { continue };
            assert_eq!((drops.total(), drops.news(), drops.news()), (expect, expect, 0));
        }
        assert!(of_full_socket("127.0.0.1:0").is_ok());
    }
}
