//! Binding the TCP port, told in the words of the official daemon.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::go_words::go_words;
use crate::intake::listen::{self as datagrams, resolve};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 512;

/// Why the port is not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// What was given is no address: the daemon ends.
    #[error(transparent)]
    Address(#[from] datagrams::ListenError),
    /// The system refuses, e.g. since the port is taken: the daemon goes on without, unless told
    /// otherwise.
    #[error("proxy http server failed to listen: listen tcp {address}: {step}: {}", go_words(.cause))]
    Refused {
        /// As Go prints it.
        address: String,
        /// The system's call.
        step: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

/// Opens `host:port`. Asks the resolver, so it may block.
///
/// # Errors
/// When it is no address, or the system refuses.
pub(crate) fn listen(text: &str) -> Result<TcpListener, ListenError> {
    let address = resolve(text)?;
    let is_everything = address.ip().is_unspecified();
    let listener = bind(address).or_else(|refusal| match refusal.1.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(refusal),
        // A machine may have no IPv6.
        _ if is_everything => bind((Ipv4Addr::UNSPECIFIED, address.port()).into()),
        _ => Err(refusal),
    });
    listener.map_err(|(step, cause)| {
        let address = if is_everything { text.to_owned() } else { address.to_string() };
        ListenError::Refused { address, step, cause }
    })
}

fn bind(address: SocketAddr) -> Result<TcpListener, (&'static str, io::Error)> {
    let step = |name| move |cause| (name, cause);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .map_err(step("socket"))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false).map_err(step("setsockopt"))?;
    }
    // So that a restart need not wait for the connections of the process before.
    socket.set_reuse_address(true).map_err(step("setsockopt"))?;
    socket.bind(&address.into()).map_err(step("bind"))?;
    socket.listen(BACKLOG).map_err(step("listen"))?;
    socket.set_nonblocking(true).map_err(step("setsockopt"))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn what_is_no_address_is_told_as_go_tells_it() {
        let error = listen("nonsense").unwrap_err();
        assert!(matches!(error, ListenError::Address(_)), "{error:?}");
        assert_eq!(error.to_string(), "address nonsense: missing port in address");
    }

    #[test]
    fn a_taken_port_is_told_as_the_official_daemon_tells_it() {
        let first = listen("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let check = |text: &str, told: &str| {
            let expect = format!(
                "proxy http server failed to listen: listen tcp {told}: bind: address already in use"
            );
            assert_eq!(listen(text).unwrap_err().to_string(), expect);
        };
        check(&address.to_string(), &address.to_string());
        check(&format!("localhost:{}", address.port()), &address.to_string());
        let refused = listen("192.0.2.1:0").unwrap_err().to_string();
        assert_eq!(
            refused,
            "proxy http server failed to listen: listen tcp 192.0.2.1:0: bind: cannot assign \
             requested address"
        );
    }

    #[test]
    fn all_addresses_are_of_both_families() {
        let listener = listen(":0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            std::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
        let error = listen(&format!(":{port}")).unwrap_err().to_string();
        assert!(error.contains(&format!("listen tcp :{port}: bind: address already")), "{error}");
    }
}
