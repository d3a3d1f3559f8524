//! Which hosts are reached without the proxy: the rules of `NO_PROXY`.
//!
//! A list, separated by commas or white space, of
//! * `*`: no host goes through the proxy;
//! * `example.com`: this name and all below it; `.example.com` or `*.example.com`: only those below;
//! * `10.1.2.3`, `fd00::1`, `[fd00::1]`: this address; `10.0.0.0/8`, `fd00::/8`: these addresses;
//! * any of them but networks with `:port`: only that port.
//!
//! Names are not looked up: `10.0.0.0/8` does not hold for a name with such an address. These are
//! the rules of Go's HTTP client, without its exception for loopback addresses: what the official
//! daemon sends through the proxy is sent there unless the list says otherwise. Entries that are
//! nothing of this match nothing.

use std::net::IpAddr;

use super::origin::Origin;

/// The rules of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NoProxy(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    hosts: Hosts,
    /// Every port when there is none.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// In lower case; the name itself only `with_itself`.
    Domain {
        name: String,
        with_itself: bool,
    },
    Address(IpAddr),
    /// The addresses that begin like this one for so many bits.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Reads a list.
    pub(crate) fn parse(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter_map(Rule::parse).collect())
    }

    /// Whether the server is reached without the proxy.
    pub(super) fn matches(&self, origin: &Origin) -> bool {
        let host = origin.host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        let port_matches = |rule: &&Rule| rule.port.is_none_or(|port| port == origin.port);
        self.0.iter().filter(port_matches).any(|rule| rule.hosts.contain(&host, address))
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        let every_port = |hosts| Some(Self { hosts, port: None });
        if entry.is_empty() {
            return None;
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
            let most_bits = if address.is_ipv4() { 32 } else { 128 };
            return (bits <= most_bits).then(|| every_port(Hosts::Network(address, bits)))?;
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return every_port(Hosts::Address(address));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !entry.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
            _ => (entry, None),
        };
        let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = unbracketed.unwrap_or(host).to_ascii_lowercase();
        let hosts = match host.parse::<IpAddr>() {
            Ok(address) => Hosts::Address(address),
            Err(_) if host == "*" => Hosts::All,
            Err(_) => Hosts::domain(&host)?,
        };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn domain(text: &str) -> Option<Self> {
        let below = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
        let name = below.unwrap_or(text).trim_end_matches('.').to_owned();
        (!name.is_empty()).then_some(Self::Domain { name, with_itself: below.is_none() })
    }

    fn contain(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) => true,
            (Self::Domain { name, with_itself }, None) => match host.strip_suffix(name.as_str()) {
                Some("") => *with_itself,
                Some(before) => before.ends_with('.'),
                None => false,
            },
            (Self::Address(own), Some(address)) => *own == address,
            (Self::Network(own, bits), Some(address)) => begin_alike(*own, address, *bits),
            _ => false,
        }
    }
}

fn begin_alike(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differing = u32::from(one) ^ u32::from(other);
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differing = u128::from(one) ^ u128::from(other);
            differing.leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let check = |list: &str, endpoint: &str, expect: bool| {
            let origin: Origin = endpoint.parse().unwrap();
            assert_eq!(NoProxy::parse(list).matches(&origin), expect, "{list:?} {endpoint}");
        };
        check("", "http://a", false);
        check(" , ,", "http://a", false);
        check("*", "http://a", true);
        check("*", "https://10.0.0.1", true);
        check("a.b,*", "http://c", true);
        check("example.com", "https://example.com", true);
        check("example.com", "https://xray.Example.com:8443", true);
        check("Example.COM", "https://xray.example.com.", true);
        check("example.com", "https://notexample.com", false);
        check(".example.com", "https://xray.example.com", true);
        check(".example.com", "https://example.com", false);
        check("*.example.com", "https://xray.example.com", true);
        check("*.example.com", "https://example.com", false);
        check("a b\texample.com", "https://example.com", true);
        check("example.com:8443", "https://example.com:8443", true);
        check("example.com:8443", "https://example.com", false);
        check("example.com:443", "https://example.com", true);
        check("example.com:x", "https://example.com", false);
        check("10.1.2.3", "http://10.1.2.3:2000", true);
        check("10.1.2.3:2000", "http://10.1.2.3:2000", true);
        check("10.1.2.3:2001", "http://10.1.2.3:2000", false);
        check("10.1.2.3", "http://10.1.2.30", false);
        check("2.3", "http://10.1.2.3", false);
        check("10.0.0.0/8", "http://10.1.2.3", true);
        check("10.0.0.0/8", "http://11.1.2.3", false);
        check("10.0.0.0/0", "http://11.1.2.3", true);
        check("10.0.0.0/33", "http://10.0.0.0", false);
        check("10.0.0.0/8", "http://[fd00::1]", false);
        check("fd00::/8", "http://[fd12::1]", true);
        check("fd00::1", "http://[fd00::1]:2000", true);
        check("[fd00::1]", "http://[fd00::1]:2000", true);
        check("[fd00::1]:2000", "http://[fd00::1]:2000", true);
        check("[fd00::1]:2001", "http://[fd00::1]:2000", false);
        check("localhost", "http://127.0.0.1", false);
        check(".", "http://a", false);
    }
}
