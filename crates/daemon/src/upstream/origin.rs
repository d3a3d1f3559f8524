//! Addresses as people write them: the endpoint, and the proxy in front of it.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::{Authority, InvalidUri, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

/// Scheme, host and port of a server, and what every path on it begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether it speaks TLS.
    pub(super) secure: bool,
    /// A name or an address; IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as in the `Host` header: the port only where it is not the scheme's own.
    pub(super) authority: String,
    /// Empty, or a path without a slash at its end.
    pub(super) prefix: String,
}

/// The proxy all requests go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(super) origin: Origin,
    /// `Proxy-Authorization`, when the address names a user.
    pub(super) authorization: Option<HeaderValue>,
}

/// Text that is no address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse {address:?}: {fault}")]
pub(crate) struct AddressFault {
    address: String,
    fault: String,
}

impl FromStr for Origin {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (origin, user) = parse(text)?;
        match user {
            None => Ok(origin),
            // It would show in the log, and nothing is done with it.
            Some(_) => Err(fault(&origin.to_string(), "user and password have no meaning here")),
        }
    }
}

impl FromStr for Proxy {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (origin, user) = parse(text)?;
        let authorization = user.map(|user| {
            let user = percent_decode_str(&user).collect::<Vec<u8>>();
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(user)))
                .map_err(|_| fault(&origin.to_string(), "user and password cannot be sent"))?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self { authorization: authorization.transpose()?, origin })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

impl Origin {
    /// A name or an address; IPv6 without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Host and port as in the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Host and port for a dialler and for CONNECT.
    pub(crate) fn host_and_port(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// The address, and `user:password` as it was written.
fn parse(text: &str) -> Result<(Origin, Option<String>), AddressFault> {
    let text = text.trim();
    let uri: Uri = text.parse().map_err(|e| fault(text, &spoiler(text, &e)))?;
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(other) => return Err(fault(text, &format!("{other} is not spoken"))),
        None => return Err(fault(text, "no scheme")),
    };
    let authority = uri.authority().ok_or_else(|| fault(text, "no host"))?;
    if uri.query().is_some() {
        return Err(fault(text, "a query has no meaning here"));
    }
    let user = authority.as_str().rsplit_once('@').map(|(user, _)| user.to_owned());
    Ok((origin(secure, authority, uri.path()), user))
}

/// What keeps a text from being an address; the character in the words of Go, if it is one.
fn spoiler(text: &str, error: &InvalidUri) -> String {
    let is_wrong = |c: &char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(*c);
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    match host.chars().find(is_wrong) {
        Some(character) => format!("invalid character \"{character}\" in host name"),
        None => format!("{error}; expected http://host[:port] or https://host[:port]"),
    }
}

fn origin(secure: bool, authority: &Authority, path: &str) -> Origin {
    let own_port = if secure { 443 } else { 80 };
    let port = authority.port_u16().unwrap_or(own_port);
    let bracketed = authority.host();
    let host = bracketed.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Origin {
        secure,
        host: host.unwrap_or(bracketed).to_owned(),
        port,
        authority: match port == own_port {
            true => bracketed.to_owned(),
            false => format!("{bracketed}:{port}"),
        },
        prefix: path.trim_end_matches('/').to_owned(),
    }
}

fn fault(address: &str, fault: &str) -> AddressFault {
    // A password must not get into the log with the rest of the address.
    let shown = match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let (before, after) = (address.get(..scheme + 3), address.get(at..));
            format!("{}…{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => address.to_owned(),
    };
    AddressFault { address: shown, fault: fault.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let check = |text: &str, expect: Option<(&str, &str, u16, &str)>| {
            let origin = text.parse::<Origin>().ok();
            let got = origin.as_ref().map(|o| (o.host.as_str(), o.authority.as_str(), o.port));
            assert_eq!(got, expect.map(|e| (e.0, e.1, e.2)), "{text}");
            assert_eq!(origin.map(|o| o.to_string()), expect.map(|e| e.3.to_owned()), "{text}");
        };
        check("http://sink", Some(("sink", "sink", 80, "http://sink")));
        check("http://sink:80/", Some(("sink", "sink", 80, "http://sink")));
        check("https://sink:80", Some(("sink", "sink:80", 80, "https://sink:80")));
        check("https://sink:443", Some(("sink", "sink", 443, "https://sink")));
        check(" http://[::1]:2000 ", Some(("::1", "[::1]:2000", 2000, "http://[::1]:2000")));
        check("http://gate/xray/", Some(("gate", "gate", 80, "http://gate/xray")));
        check("sink:2000", None);
        check("", None);
        check("udp://sink", None);
        check("http://user:secret@sink", None);
        check("http://sink?a=b", None);
        check("http://a b", None);
    }

    #[test]
    fn proxies_with_users() {
        let proxy: Proxy = "http://me%40home:p%3Ass@gate:3128".parse().unwrap();
        assert_eq!(proxy.origin.host_and_port(), "gate:3128");
        let expect = format!("Basic {}", STANDARD.encode("me@home:p:ss"));
        assert_eq!(proxy.authorization.unwrap(), expect.as_str());
        assert_eq!("http://gate".parse::<Proxy>().unwrap().authorization, None);
    }

    #[test]
    fn passwords_are_not_told() {
        for text in ["ftp://me:secret@gate", "http://me:secret@gate?x", "http://me:secret@ga te"] {
            let fault = text.parse::<Proxy>().unwrap_err().to_string();
            assert!(!fault.contains("secret"), "{fault}");
        }
        let fault = "http://me:secret@sink".parse::<Origin>().unwrap_err().to_string();
        assert!(!fault.contains("secret"), "{fault}");
    }
}
