//! Keeps web pages out. A page that somebody on this machine merely visits can have the browser
//! call `localhost`, and calls leave from here with the daemon's credentials. Applications do not
//! run in browsers, so nothing that a page asks for is taken, and no page is answered.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Endings of names that public DNS does not hold: RFC 6761 (localhost), RFC 6762 (local, also
/// clusters' own names), ICANN resolution 2024.07.29.06 (internal, also Docker's own names).
const PRIVATE_ENDINGS: [&str; 3] = [".localhost", ".local", ".internal"];

/// The rules of one port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    /// Whether only this machine can reach the port, so that people have no names for it.
    is_loopback: bool,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Requests of web pages are refused: this port is for applications")]
    WebPage,
    #[error(
        "The Host header has a name that anybody may give to this address; ask by IP address or \
         as localhost"
    )]
    PublicName,
}

impl Guard {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { is_loopback: address.ip().to_canonical().is_loopback() }
    }

    /// Looks at a request. `is_own_page` is whether it asks for health or metrics, which are shown
    /// in a browser too, and fetched by Prometheus under whatever name the daemon has.
    pub(super) fn check(
        self,
        method: &Method,
        headers: &HeaderMap,
        is_own_page: bool,
    ) -> Result<(), Refusal> {
        // Browsers tell the page behind every request that is not a mere GET.
        if headers.contains_key(ORIGIN) {
            return Err(Refusal::WebPage);
        }
        // And, where they trust the address, of all requests; a person who asks is no page.
        if let Some(site) = headers.get(SEC_FETCH_SITE) {
            let is_person = site == "none" || site == "same-origin";
            if !(is_person && is_own_page) {
                return Err(Refusal::WebPage);
            }
        }
        // What is left is a GET of a page whose own name has been made to lead here (DNS
        // rebinding): it could read the answer. An SDK's POST may well come by any name.
        let is_open = method == Method::POST || is_own_page && !self.is_loopback;
        match headers.get(HOST) {
            Some(host) if !is_open && !is_private(host) => Err(Refusal::PublicName),
            _ => Ok(()), // All browsers send a Host header.
        }
    }
}

/// Whether a host cannot be a stranger's name: it is an address, or no name of public DNS.
fn is_private(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().to_ascii_lowercase();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || PRIVATE_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn guard(address: &str) -> Guard {
        Guard::new(address.parse().unwrap())
    }

    #[test]
    fn nothing_is_taken_from_web_pages() {
        let check = |list: &[(&'static str, &'static str)], own_page: bool, others: bool| {
            let headers = headers(list);
            for address in ["127.0.0.1:2000", "0.0.0.0:2000", "[::1]:2000", "192.0.2.7:2000"] {
                let allows = |method: &Method, is_own_page| {
                    guard(address).check(method, &headers, is_own_page) != Err(Refusal::WebPage)
                };
                assert_eq!(allows(&Method::GET, true), own_page, "{address} {list:?}");
                assert_eq!(allows(&Method::GET, false), others, "{address} {list:?}");
                assert_eq!(allows(&Method::POST, false), others, "{address} {list:?}");
                assert_eq!(allows(&Method::OPTIONS, false), others, "{address} {list:?}");
            }
        };
        let host = ("host", "localhost:2000");
        check(&[], true, true);
        check(&[host], true, true);
        // What Node's own fetch sends.
        check(&[host, ("sec-fetch-mode", "cors"), ("accept-language", "*")], true, true);
        check(&[host, ("origin", "http://evil.example")], false, false);
        check(&[host, ("origin", "http://localhost:2000")], false, false);
        check(&[host, ("origin", "null")], false, false);
        check(&[host, ("sec-fetch-site", "cross-site")], false, false);
        check(&[host, ("sec-fetch-site", "same-site")], false, false);
        check(&[host, ("sec-fetch-site", "same-origin")], true, false);
        check(&[host, ("sec-fetch-site", "none")], true, false);
    }

    #[test]
    fn names_of_strangers_lead_nowhere() {
        // Of a GET: own page on loopback, own page on the network, anything else.
        let check = |host: &str, on_loopback: bool, on_network: bool, others: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            let allows = |address: &str, is_own_page| {
                guard(address).check(&Method::GET, &headers, is_own_page).is_ok()
            };
            for loopback in ["127.0.0.1:2000", "127.9.9.9:1", "[::1]:2000", "[::ffff:127.0.0.1]:1"]
            {
                assert_eq!(allows(loopback, true), on_loopback, "{loopback} {host}");
                assert_eq!(allows(loopback, false), others, "{loopback} {host}");
            }
            for network in ["0.0.0.0:2000", "[::]:2000", "192.0.2.7:2000"] {
                assert_eq!(allows(network, true), on_network, "{network} {host}");
                assert_eq!(allows(network, false), others, "{network} {host}");
            }
            let posted = guard("127.0.0.1:2000").check(&Method::POST, &headers, false);
            assert_eq!(posted, Ok(()), "{host}");
        };
        for host in [
            "localhost",
            "LOCALHOST:2000",
            "app.localhost:2000",
            "127.0.0.1:2000",
            "192.0.2.7",
            "[::1]:2000",
            "xray-daemon:2000",
            "xray.tracing.svc.cluster.local:2000",
            "host.docker.internal:2000",
        ] {
            check(host, true, true, true);
        }
        for host in [
            "evil.example:2000",
            "127.0.0.1.evil.example",
            "localhost.evil.example:2000",
            "ec2-192-0-2-7.compute-1.amazonaws.com:2000",
            "1.2.3.4.5",
            "a b",
            "",
        ] {
            check(host, false, true, false);
        }
        let bare = guard("127.0.0.1:2000").check(&Method::GET, &HeaderMap::new(), false);
        assert_eq!(bare, Ok(()));
    }
}
