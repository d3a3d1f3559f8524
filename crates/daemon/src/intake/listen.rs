//! The socket that segments come to. Addresses mean what they mean to the official daemon, a Go
//! program, and what is wrong with them is told in its words.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

use crate::go_words::go_words;

/// Segments come in bursts; 4 MiB, which the kernel doubles, hold some thousand usual datagrams. The
/// official daemon leaves it at the system's default, where it is 92.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The address is not written as one.
    #[error("address {text}: {reason}")]
    Address {
        /// As it was given.
        text: String,
        /// Go's words for it.
        reason: &'static str,
    },
    /// The host has no address.
    #[error("lookup {host}: {cause}")]
    Host {
        /// The name.
        host: String,
        /// What the resolver said.
        cause: io::Error,
    },
    /// The port is no number.
    #[error("lookup udp/{0}: unknown port")]
    Port(String),
    /// The operating system refuses.
    #[error("listen udp {address}: bind: {}", go_words(cause))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What it said.
        cause: io::Error,
    },
}

/// Binds the socket that segments come to.
///
/// # Errors
/// When the address is none, or is taken.
pub(crate) fn bind_udp(text: &str) -> Result<UdpSocket, ListenError> {
    let address = resolve(text)?;
    // Where the kernel has no IPv6, everything is what IPv4 has.
    let only_ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    roentgen_udp::bind(address, RECEIVE_BUFFER_BYTES)
        .or_else(|cause| match address.ip() {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) if cause.kind() != io::ErrorKind::AddrInUse => {
                roentgen_udp::bind(only_ipv4, RECEIVE_BUFFER_BYTES)
            }
            _ => Err(cause),
        })
        .map_err(|cause| ListenError::Bind { address, cause })
        .inspect(|socket| match socket.local_addr() {
            // Nobody could know it otherwise.
            Ok(chosen) if address.port() == 0 => tracing::info!("Listening on UDP {chosen}"),
            _ => tracing::debug!("Listening on UDP {text}"),
        })
}

/// The address of `host:port`. Asks the resolver for names, so it may block.
///
/// As in Go, no host and `0.0.0.0` mean everything by IPv4 and IPv6, which is `[::]` here.
///
/// # Errors
/// When it is not written as one, or the host has no address.
pub(crate) fn resolve(text: &str) -> Result<SocketAddr, ListenError> {
    let (host, port) = split(text)?;
    // Go takes the names of services as well, but nobody has one for this port.
    let port = port.parse().map_err(|_| ListenError::Port(port.to_owned()))?;
    let ip = match host.parse() {
        _ if host.is_empty() => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Ok(ip) => ip,
        Err(_) => return look_up(host, port),
    };
    Ok((ip, port).into())
}

fn look_up(host: &str, port: u16) -> Result<SocketAddr, ListenError> {
    let failed = |cause| ListenError::Host { host: host.to_owned(), cause };
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(failed)?.collect();
    // Go prefers IPv4.
    let address = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    let none = || failed(io::Error::new(io::ErrorKind::NotFound, "no such host"));
    address.copied().ok_or_else(none)
}

/// Host and port, as Go's `net.SplitHostPort` tells them apart.
fn split(text: &str) -> Result<(&str, &str), ListenError> {
    let fault = |reason| ListenError::Address { text: text.to_owned(), reason };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| fault("missing port in address"))?;
    let Some(bracketed) = host.strip_prefix('[') else {
        return if host.contains(':') {
            Err(fault("too many colons in address"))
        } else {
            Ok((host, port))
        };
    };
    match bracketed.strip_suffix(']') {
        Some(host) => Ok((host, port)),
        None if port.ends_with(']') => Err(fault("missing port in address")),
        None => Err(fault("missing ']' in address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        let check = |text: &str, expect: &str| {
            let got = resolve(text);
            let got = got.map_or_else(|error| error.to_string(), |address| address.to_string());
            assert_eq!(got, expect, "{text}");
        };
        check("127.0.0.1:2000", "127.0.0.1:2000");
        check("[::1]:2000", "[::1]:2000");
        check(":2000", "[::]:2000");
        check("0.0.0.0:2000", "[::]:2000");
        check("[::]:2000", "[::]:2000");
        check("localhost:2000", "127.0.0.1:2000");
        check("nonsense", "address nonsense: missing port in address");
        check("", "address : missing port in address");
        check("::1:2000", "address ::1:2000: too many colons in address");
        check("[::1]", "address [::1]: missing port in address");
        check("[::1:2000", "address [::1:2000: missing ']' in address");
        check("127.0.0.1:x", "lookup udp/x: unknown port");
        check("127.0.0.1:65536", "lookup udp/65536: unknown port");
    }

    #[test]
    fn a_taken_port_is_told_as_the_official_daemon_does() {
        let first = bind_udp("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let error = bind_udp(&address.to_string()).unwrap_err().to_string();
        assert_eq!(error, format!("listen udp {address}: bind: address already in use"));
    }

    #[test]
    fn everything_is_both_families() {
        let socket = bind_udp(":0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"x", ("127.0.0.1", port)).unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 1);
        // A machine may have no IPv6.
        if let Ok(sender) = UdpSocket::bind("[::1]:0") {
            sender.send_to(b"xy", ("::1", port)).unwrap();
            assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 2);
        }
    }
}
