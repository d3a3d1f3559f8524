//! Sockets to receive on.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// A socket bound to `address` with a receive buffer of up to `buffer_bytes`, which is a wish: the
/// kernel gives what its limit (`net.core.rmem_max`) allows, or all of it to a process that may
/// administer the network. What came of it tells [`buffer_bytes`].
///
/// # Errors
/// What the operating system says, foremost that the port is taken.
pub fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    take_both_families(&socket, address)?;
    enlarge_buffer(&socket, buffer_bytes);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The size of the kernel's buffer, in the kernel's own count: a datagram of 1 KB takes over 2 KB
/// of it.
///
/// # Errors
/// When the operating system does not tell.
pub fn buffer_bytes(socket: &UdpSocket) -> io::Result<usize> {
    SockRef::from(socket).recv_buffer_size()
}

/// Makes `[::]` take IPv4 as well, whatever the system's default: the SDKs for Python, Node and
/// Ruby know nothing else. Other addresses stay as they are.
///
/// # Errors
/// When the operating system cannot.
pub fn take_both_families(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    Ok(())
}

/// A smaller buffer than wished for is no reason not to receive, so nothing comes of a refusal.
fn enlarge_buffer(socket: &Socket, bytes: usize) {
    #[cfg(target_os = "linux")]
    if nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::RcvBufForce, &bytes).is_ok()
    {
        return;
    }
    let _ = socket.set_recv_buffer_size(bytes);
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn the_address_of_everything_takes_both_families() {
        // A machine may have no IPv6.
        let Ok(socket) = bind((Ipv6Addr::UNSPECIFIED, 0).into(), 1 << 20) else { return };
        let port = socket.local_addr().unwrap().port();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"by IPv4", (Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 7);
        let sender = UdpSocket::bind("[::1]:0").unwrap();
        sender.send_to(b"by IPv6!", (Ipv6Addr::LOCALHOST, port)).unwrap();
        assert_eq!(socket.recv(&mut buffer).unwrap(), 8);
    }

    #[test]
    fn the_buffer_grows_as_far_as_the_kernel_allows() {
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        let large = bind("127.0.0.1:0".parse().unwrap(), 8 << 20).unwrap();
        let (plain, large) = (buffer_bytes(&plain).unwrap(), buffer_bytes(&large).unwrap());
        assert!(large >= plain, "{large} < {plain}");
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap();
        let error = bind(first.local_addr().unwrap(), 1 << 20).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
