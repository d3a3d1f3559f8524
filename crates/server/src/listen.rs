//! The two sockets of the one port.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use roentgen_ops::{AddressError, resolve};
use roentgen_udp::take_both_families;
use socket2::{Domain, Protocol, Socket, Type};

/// Segments come in bursts; 8 MiB hold some thousand datagrams. The kernel gives what its own
/// limit (`net.core.rmem_max`) allows.
const UDP_RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// Connections that wait to be accepted.
const TCP_BACKLOG: i32 = 1024;

/// How often a free port is looked for: one that is free for TCP may be taken for UDP.
const FREE_PORT_ATTEMPTS: usize = 32;

/// UDP and TCP on the same address and port.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) address: SocketAddr,
    pub(crate) tcp: TcpListener,
    pub(crate) udp: UdpSocket,
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The host has no address.
    #[error("cannot listen: {0}")]
    Address(#[from] AddressError),
    /// Someone else listens there.
    #[error(
        "port {} of {} is in use ({protocol}): another Roentgen or X-Ray daemon may be running; \
         stop it or choose another address with --bind",
        address.port(), address.ip()
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// UDP or TCP.
        protocol: &'static str,
    },
    /// The operating system refuses for another reason.
    #[error("cannot listen on {address} ({protocol}): {cause}{}", remedy(cause))]
    Refused {
        /// The address.
        address: SocketAddr,
        /// UDP or TCP.
        protocol: &'static str,
        /// What it said.
        cause: io::Error,
    },
}

/// What to do about an address that is not to be had.
fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrNotAvailable => {
            "; no interface of this machine has that address: choose one with --bind"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for root and CAP_NET_BIND_SERVICE: choose one with --bind"
        }
        _ => "",
    }
}

impl Sockets {
    /// Binds both sockets; port 0 picks one that is free for both.
    ///
    /// # Errors
    /// When one of them is not to be had.
    pub(crate) fn bind(bind: &str) -> Result<Self, ListenError> {
        let asked = resolve(bind)?;
        let mut attempts = if asked.port() == 0 { FREE_PORT_ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            match Self::bind_both(asked) {
                Err(ListenError::InUse { .. }) if attempts > 0 => {}
                outcome => return outcome,
            }
        }
    }

    fn bind_both(asked: SocketAddr) -> Result<Self, ListenError> {
        let failed = |protocol, address| {
            move |cause: io::Error| match cause.kind() {
                io::ErrorKind::AddrInUse => ListenError::InUse { address, protocol },
                _ => ListenError::Refused { address, protocol, cause },
            }
        };
        let tcp = bind_tcp(asked).map_err(failed("TCP", asked))?;
        let address = tcp.local_addr().map_err(failed("TCP", asked))?;
        let udp = roentgen_udp::bind(address, UDP_RECEIVE_BUFFER_BYTES)
            .map_err(failed("UDP", address))?;
        Ok(Self { address, tcp, udp })
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    take_both_families(&socket, address)?;
    // So that a restart need not wait for the connections of the process before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(TCP_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_another_machine_is_refused_with_the_way_out() {
        // An address for documentation (RFC 5737), which no interface has.
        let error = Sockets::bind("203.0.113.7:2000").unwrap_err().to_string();
        assert!(error.starts_with("cannot listen on 203.0.113.7:2000 (TCP): "), "{error}");
        assert!(error.ends_with("has that address: choose one with --bind"), "{error}");
    }

    #[test]
    fn one_free_port_for_both() {
        let sockets = Sockets::bind("127.0.0.1:0").unwrap();
        assert_ne!(sockets.address.port(), 0);
        assert_eq!(sockets.tcp.local_addr().unwrap(), sockets.address);
        assert_eq!(sockets.udp.local_addr().unwrap(), sockets.address);
    }

    #[test]
    fn a_busy_port_is_told_plainly() {
        let first = Sockets::bind("127.0.0.1:0").unwrap();
        let error = Sockets::bind(&first.address.to_string()).unwrap_err().to_string();
        let expect = format!("port {} of 127.0.0.1 is in use (TCP): ", first.address.port());
        assert!(error.starts_with(&expect), "{error}");
        // Somebody else may hold the TCP port that goes with a free UDP port: then another is tried.
        let error = (0..FREE_PORT_ATTEMPTS)
            .map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
                Sockets::bind(&udp.local_addr().unwrap().to_string()).unwrap_err().to_string()
            })
            .find(|error| !error.contains("is in use (TCP)"))
            .expect("a port that is free for TCP");
        assert!(error.contains("is in use (UDP)"), "{error}");
    }
}
