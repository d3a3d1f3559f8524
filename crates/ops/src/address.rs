//! Addresses as people write them, and as clients on this machine reach them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

/// Why a text is no address.
#[derive(Debug, thiserror::Error)]
#[error(
    "address {text:?}: {cause}; expected host:port with a host that has an address, e.g. 127.0.0.1:2000"
)]
pub struct AddressError {
    /// As it was given.
    pub text: String,
    /// What the resolver said.
    pub cause: io::Error,
}

/// The first address of `host:port`. Asks the resolver, so it may block.
///
/// # Errors
/// When there is none.
pub fn resolve(text: &str) -> Result<SocketAddr, AddressError> {
    let first = text.to_socket_addrs().and_then(|mut addresses| {
        let none = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        addresses.next().ok_or_else(none)
    });
    first.map_err(|cause| AddressError { text: text.to_owned(), cause })
}

/// The address at which a server on this machine is reached; one that listens everywhere is
/// reached by loopback.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_listen_everywhere_are_reached_by_loopback() {
        let check = |address: &str, expect: &str| {
            assert_eq!(reachable(resolve(address).unwrap()), expect.parse().unwrap(), "{address}");
        };
        check("0.0.0.0:2000", "127.0.0.1:2000");
        check("[::]:2000", "[::1]:2000");
        check("192.0.2.7:2000", "192.0.2.7:2000");
    }

    #[test]
    fn what_is_no_address_is_told_with_what_was_expected() {
        let message = resolve("nowhere").unwrap_err().to_string();
        assert!(message.starts_with("address \"nowhere\": "), "{message}");
        assert!(message.ends_with(", e.g. 127.0.0.1:2000"), "{message}");
    }
}
