//! Where a server is.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

/// The port of `http://` without one.
const HTTP_PORT: u16 = 80;

/// Host and port of a server that speaks HTTP, or takes datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("{0}:// is not spoken; use http://, through a proxy if need be")]
    Scheme(String),
    #[error("a path {0:?} in the address; expected http://HOST:PORT")]
    Path(String),
    #[error("no host; expected HOST:PORT such as 127.0.0.1:2000")]
    Host,
    #[error("no port; expected HOST:PORT such as 127.0.0.1:2000")]
    NoPort,
    #[error("port {0:?} is not a number from 1 to 65535")]
    Port(String),
}

impl Address {
    /// Reads `http://HOST[:PORT]`, or `HOST:PORT`.
    pub(crate) fn parse_url(text: &str) -> Result<Self, AddressError> {
        let Some((scheme, rest)) = text.split_once("://") else { return text.parse() };
        if scheme != "http" {
            return Err(AddressError::Scheme(scheme.to_owned()));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !matches!(path, "" | "/") {
            return Err(AddressError::Path(path.to_owned()));
        }
        match authority.parse() {
            Err(AddressError::NoPort) => format!("{authority}:{HTTP_PORT}").parse(),
            parsed => parsed,
        }
    }

    /// All socket addresses of the host.
    ///
    /// # Errors
    /// When the host has none.
    pub(crate) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        Ok((host, self.port).to_socket_addrs()?.collect())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `HOST:PORT`; an IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let after_host = match text.strip_prefix('[') {
            Some(rest) => rest.find(']').map_or(0, |end| end + 2),
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(after_host);
        if host.is_empty() || host == "[]" {
            return Err(AddressError::Host);
        }
        let port = port.strip_prefix(':').ok_or(AddressError::NoPort)?;
        match port.parse() {
            Ok(number) if number > 0 => Ok(Self { host: host.to_owned(), port: number }),
            _ => Err(AddressError::Port(port.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expect: Result<&str, AddressError>| {
            let got = Address::parse_url(text).map(|address| address.to_string());
            assert_eq!(got, expect.map(str::to_owned), "{text}");
        };
        check("http://127.0.0.1:2000", Ok("127.0.0.1:2000"));
        check("http://localhost:2000/", Ok("localhost:2000"));
        check("http://xray.example", Ok("xray.example:80"));
        check("http://[::1]", Ok("[::1]:80"));
        check("[::1]:2000", Ok("[::1]:2000"));
        check("localhost:2000", Ok("localhost:2000"));
        check("localhost", Err(AddressError::NoPort));
        check("https://localhost", Err(AddressError::Scheme("https".to_owned())));
        check("http://localhost/x", Err(AddressError::Path("/x".to_owned())));
        check("http://:2000", Err(AddressError::Host));
        check("localhost:x", Err(AddressError::Port("x".to_owned())));
        check("localhost:0", Err(AddressError::Port("0".to_owned())));
        check("localhost:65536", Err(AddressError::Port("65536".to_owned())));
        check("", Err(AddressError::Host));
    }

    #[test]
    fn addresses_of_both_families_resolve() {
        let resolved = |text: &str| Address::parse_url(text).unwrap().resolve().unwrap();
        assert_eq!(resolved("127.0.0.1:7"), [SocketAddr::from(([127, 0, 0, 1], 7))]);
        assert_eq!(resolved("http://[::1]:7"), ["[::1]:7".parse::<SocketAddr>().unwrap()]);
    }
}
