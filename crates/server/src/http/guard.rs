//! Who may ask. The server has no users to tell apart, so what is left is to keep foreign web
//! pages out: a page the user merely visits must neither change nor read anything here through
//! the user's browser.

use std::net::SocketAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Method};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules for a server on one address.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// The names under which the server may be asked; `None` for any.
    hosts: Option<Vec<String>>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "The Host header names another server; ask for localhost or 127.0.0.1, or start Roentgen \
         with --allowed-host and this name"
    )]
    ForeignHost,
    #[error("Requests that a web page of another site makes are refused")]
    CrossSite,
}

impl Guard {
    /// A server on a loopback address answers to the names of this machine only: with DNS
    /// rebinding, a foreign page could otherwise have the browser ask here and read the answer. A
    /// server on any other address is meant to be reached, by names we do not know unless they
    /// are given.
    pub(crate) fn new(address: SocketAddr, allowed_hosts: &[String]) -> Self {
        let is_closed = address.ip().is_loopback() || !allowed_hosts.is_empty();
        let hosts = is_closed.then(|| {
            let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
            let bound = host_of(&address.to_string()).to_owned();
            own.into_iter().chain([bound]).chain(allowed_hosts.iter().cloned()).collect()
        });
        Self { hosts }
    }

    /// Looks at a request.
    pub(crate) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        // Browsers tell the page behind each POST. An SDK does not, and may well reach us by a
        // name that we do not know, such as host.docker.internal.
        let is_sdk = method == Method::POST
            && !headers.contains_key(ORIGIN)
            && !headers.contains_key(SEC_FETCH_SITE);
        if is_sdk {
            return Ok(());
        }
        // All browsers send a Host header; who sends none is no browser.
        let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        if let (Some(hosts), Some(host)) = (&self.hosts, host) {
            let name = host_of(host).to_ascii_lowercase();
            let is_own = hosts.contains(&name) || name.ends_with(".localhost");
            if !is_own {
                return Err(Refusal::ForeignHost);
            }
        }
        if method != Method::GET && method != Method::HEAD && is_cross_site(headers, host) {
            return Err(Refusal::CrossSite);
        }
        Ok(())
    }
}

/// What a browser says about the page that makes the request. `Sec-Fetch-Site` comes only to
/// hosts that browsers trust (HTTPS, loopback); `Origin` comes with every POST of a foreign page.
/// Ports do not count: a developer's web server beside ours is no stranger.
fn is_cross_site(headers: &HeaderMap, host: Option<&str>) -> bool {
    if headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site") {
        return true;
    }
    headers.get(ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let origin_host = origin.split_once("://").map(|(_, host)| host_of(host));
        match (origin_host, host.map(host_of)) {
            (Some(origin), Some(host)) => !origin.eq_ignore_ascii_case(host),
            _ => true, // `Origin: null`, as sandboxed pages have it.
        }
    })
}

/// The host of `host:port`; brackets of an IPv6 address stay.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn loopback_servers_answer_to_their_own_names() {
        let guard = Guard::new("127.0.0.2:2000".parse().unwrap(), &["traces.example".to_owned()]);
        let check = |host: &'static str, expect: Result<(), Refusal>| {
            assert_eq!(guard.check(&Method::GET, &headers(&[("host", host)])), expect, "{host}");
        };
        check("localhost:2000", Ok(()));
        check("LOCALHOST", Ok(()));
        check("app.localhost:2000", Ok(()));
        check("127.0.0.1:2000", Ok(()));
        check("127.0.0.2:2000", Ok(()));
        check("[::1]:2000", Ok(()));
        check("traces.example:80", Ok(()));
        check("evil.example:2000", Err(Refusal::ForeignHost));
        check("127.0.0.1.evil.example", Err(Refusal::ForeignHost));
        check("", Err(Refusal::ForeignHost));
        assert_eq!(guard.check(&Method::GET, &headers(&[])), Ok(()));
    }

    #[test]
    fn servers_of_the_network_answer_to_any_name_unless_names_are_given() {
        let check = |allowed: &[String], host: &'static str, expect: Result<(), Refusal>| {
            for bind in ["0.0.0.0:2000", "192.0.2.7:2000"] {
                let guard = Guard::new(bind.parse().unwrap(), allowed);
                let outcome = guard.check(&Method::GET, &headers(&[("host", host)]));
                assert_eq!(outcome, expect, "{bind} {allowed:?} {host}");
            }
        };
        check(&[], "anything", Ok(()));
        let allowed = ["traces.example".to_owned()];
        check(&allowed, "traces.example:2000", Ok(()));
        check(&allowed, "localhost:2000", Ok(()));
        check(&allowed, "127.0.0.1", Ok(()));
        check(&allowed, "anything", Err(Refusal::ForeignHost));
        let guard = Guard::new("192.0.2.7:2000".parse().unwrap(), &allowed);
        assert_eq!(guard.check(&Method::GET, &headers(&[("host", "192.0.2.7:2000")])), Ok(()));
    }

    #[test]
    fn sdks_may_post_under_any_name_and_pages_may_not() {
        let guard = Guard::new("127.0.0.1:2000".parse().unwrap(), &[]);
        let host = ("host", "host.docker.internal:2000");
        let check = |method: Method, list: &[(&'static str, &'static str)], ok: bool| {
            let outcome = guard.check(&method, &headers(list));
            let expect = if ok { Ok(()) } else { Err(Refusal::ForeignHost) };
            assert_eq!(outcome, expect, "{method} {list:?}");
        };
        check(Method::POST, &[host], true);
        check(Method::GET, &[host], false);
        check(Method::PUT, &[host], false);
        check(Method::POST, &[host, ("origin", "http://host.docker.internal:2000")], false);
        check(Method::POST, &[host, ("sec-fetch-site", "same-origin")], false);
        check(Method::POST, &[host, ("sec-fetch-site", "none")], false);
    }

    #[test]
    fn pages_of_other_sites_may_not_post() {
        let guard = Guard::new("0.0.0.0:2000".parse().unwrap(), &[]);
        let check = |list: &[(&'static str, &'static str)], expect: Result<(), Refusal>| {
            assert_eq!(guard.check(&Method::POST, &headers(list)), expect, "{list:?}");
            assert_eq!(guard.check(&Method::GET, &headers(list)), Ok(()), "{list:?}");
        };
        check(&[], Ok(()));
        check(&[("host", "traces:2000")], Ok(()));
        check(&[("sec-fetch-site", "same-origin"), ("host", "traces:2000")], Ok(()));
        check(&[("origin", "http://traces:2000"), ("host", "traces:2000")], Ok(()));
        check(&[("origin", "http://localhost:5173"), ("host", "localhost:2000")], Ok(()));
        check(&[("sec-fetch-site", "cross-site")], Err(Refusal::CrossSite));
        check(
            &[("origin", "http://evil.example"), ("host", "traces:2000")],
            Err(Refusal::CrossSite),
        );
        check(&[("origin", "null"), ("host", "traces:2000")], Err(Refusal::CrossSite));
    }
}
