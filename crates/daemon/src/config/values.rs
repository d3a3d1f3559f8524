//! Values of the options that the official daemon does not have: what they may look like and what
//! they mean.

use std::time::Duration;

use crate::destinations::name;
use crate::settings::Destination;

/// What was expected instead of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub(super) struct ValueError(&'static str);

/// Most destinations of a daemon: each has a queue and connections of its own.
const MOST_DESTINATIONS: usize = 8;

/// Seconds of the end of the process; orchestrators kill long before ten minutes are over.
///
/// # Errors
/// For anything but a number from 0 to 600.
pub(super) fn shutdown_seconds(text: &str) -> Result<Duration, ValueError> {
    seconds(text, 0.0, 600.0).ok_or(ValueError("a number of seconds from 0 to 600"))
}

/// Seconds of one request.
///
/// # Errors
/// For anything but a number from 0.1 to 120.
pub(super) fn request_seconds(text: &str) -> Result<Duration, ValueError> {
    seconds(text, 0.1, 120.0).ok_or(ValueError("a number of seconds from 0.1 to 120"))
}

fn seconds(text: &str, least: f64, most: f64) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    (least..=most).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// How often a batch is tried.
///
/// # Errors
/// For anything but a whole number from 1 to 100.
pub(super) fn attempts(text: &str) -> Result<u32, ValueError> {
    let attempts = text.parse().ok().filter(|attempts| (1..=100).contains(attempts));
    attempts.ok_or(ValueError("a whole number from 1 to 100"))
}

/// A number of bytes, `K`, `M` and `G` standing for powers of 1024.
///
/// # Errors
/// For anything but a whole number of bytes, and for less than 1 MiB.
pub(super) fn spool_bytes(text: &str) -> Result<u64, ValueError> {
    const LEAST: u64 = 1024 * 1024; // Below, one full batch might not find room.
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 1024),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 1024 * 1024),
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 1024 * 1024 * 1024),
        _ => (Some(text), 1),
    };
    let bytes = digits.and_then(|digits| digits.parse::<u64>().ok()?.checked_mul(unit));
    let bytes = bytes.filter(|bytes| *bytes >= LEAST);
    bytes.ok_or(ValueError("a number of bytes such as 100M or 2G, at least 1M"))
}

/// The share of traces that is kept.
///
/// # Errors
/// For anything but a number from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, ValueError> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or(ValueError("a number from 0 to 1"))
}

/// Parts between commas, without the white space around them; empty ones are left out.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// Paths of requests.
///
/// # Errors
/// When one does not begin with `/` or `*`, so that it would never be that of a request.
pub(super) fn paths(text: &str) -> Result<Vec<String>, ValueError> {
    let paths: Vec<String> = list(text).map(str::to_owned).collect();
    if paths.iter().all(|path| path.starts_with(['/', '*'])) {
        Ok(paths)
    } else {
        Err(ValueError("paths such as /health,/internal/*, each beginning with / or *"))
    }
}

/// The address of a server.
///
/// # Errors
/// For what is no URL with scheme `http` or `https` and a host.
pub(super) fn endpoint(text: &str) -> Result<String, ValueError> {
    const EXPECTED: ValueError = ValueError("a URL such as https://vpce-1.xray.example:443");
    let parts = text.parse::<http::Uri>().map_err(|_| EXPECTED)?.into_parts();
    let scheme_fits = parts.scheme.is_some_and(|s| matches!(s.as_str(), "http" | "https"));
    let has_host = parts.authority.is_some_and(|authority| !authority.host().is_empty());
    let has_query = parts.path_and_query.is_some_and(|path| path.query().is_some());
    if scheme_fits && has_host && !has_query { Ok(text.to_owned()) } else { Err(EXPECTED) }
}

/// Where batches go.
///
/// # Errors
/// When there is none, one twice, too many, or one that is neither `aws` nor a URL.
pub(super) fn destinations(text: &str) -> Result<Vec<Destination>, ValueError> {
    const EXPECTED: ValueError = ValueError(
        "one to 8 different ones of aws, http(s)://host:port (a Roentgen server) and signed+http(s)://host:port, between commas",
    );
    const TWICE: ValueError = ValueError(
        "every destination once; the same host and port with another scheme, or with and without signed+, is the same",
    );
    let (mut destinations, mut names) = (Vec::new(), Vec::new());
    for part in list(text) {
        let destination = if part == "aws" {
            Destination::Aws { endpoint: None }
        } else {
            let (url, signed) = match part.strip_prefix("signed+") {
                Some(url) => (url, true),
                None => (part, false),
            };
            let endpoint = endpoint(url).map_err(|_| EXPECTED)?;
            Destination::Roentgen { endpoint, signed }
        };
        // Whatever the scheme and the signature: the name is what the log, the counts and the spool
        // tell destinations apart by.
        let name = name(&destination).to_ascii_lowercase();
        if names.contains(&name) {
            return Err(TWICE);
        }
        names.push(name);
        destinations.push(destination);
    }
    if (1..=MOST_DESTINATIONS).contains(&destinations.len()) {
        Ok(destinations)
    } else {
        Err(EXPECTED)
    }
}

/// Whether log lines are JSON.
///
/// # Errors
/// For anything but the two formats there are.
pub(super) fn log_format(text: &str) -> Result<bool, ValueError> {
    match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err(ValueError("text or json")),
    }
}

/// Whether all paths of the TCP port are sent on.
///
/// # Errors
/// For anything but the two sets there are.
pub(super) fn proxy_paths(text: &str) -> Result<bool, ValueError> {
    match text {
        "sdk" => Ok(false),
        "all" => Ok(true),
        _ => Err(ValueError("sdk (only what SDKs call) or all")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let check = |text: &str, expect: Option<Duration>| {
            assert_eq!(shutdown_seconds(text).ok(), expect, "{text:?}");
        };
        check("8", Some(Duration::from_secs(8)));
        check("0.25", Some(Duration::from_millis(250)));
        check("0", Some(Duration::ZERO));
        check("600", Some(Duration::from_secs(600)));
        for wrong in ["600.1", "-1", "", "8s", "NaN", "inf", "-0.1"] {
            check(wrong, None);
        }
        assert_eq!(request_seconds("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(
            request_seconds("0.05").map_err(|e| e.to_string()).unwrap_err(),
            "expected a number of seconds from 0.1 to 120"
        );
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(spool_bytes(text).ok(), expect, "{text:?}");
        };
        check("1048576", Some(1 << 20));
        check("1024k", Some(1 << 20));
        check("3M", Some(3 << 20));
        check("2G", Some(2 << 30));
        for wrong in ["", "M", "1.5G", "-1M", "1023k", "99999999999G", "1T", "1é"] {
            check(wrong, None);
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(attempts("1"), Ok(1));
        assert_eq!(attempts("100"), Ok(100));
        for wrong in ["0", "101", "-1", "x", ""] {
            assert!(attempts(wrong).is_err(), "{wrong}");
        }
        assert_eq!(share("0"), Ok(0.0));
        assert_eq!(share("1"), Ok(1.0));
        assert_eq!(share("0.05"), Ok(0.05));
        for wrong in ["1.01", "-0.1", "NaN", "5%", ""] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn endpoints() {
        for right in ["http://a", "https://a.b:1", "http://[::1]:2000/base"] {
            assert_eq!(endpoint(right).as_deref(), Ok(right));
        }
        for wrong in ["", "a", "a:1", "ftp://a", "http://", "http://a b", "http://a/?q=1", "/x"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_of_destinations() {
        let aws = Destination::Aws { endpoint: None };
        let roentgen =
            |signed| Destination::Roentgen { endpoint: "http://r:2000".to_owned(), signed };
        let check = |text: &str, expect: Option<Vec<Destination>>| {
            assert_eq!(destinations(text).ok(), expect, "{text:?}");
        };
        check("aws", Some(vec![aws.clone()]));
        check("aws, http://r:2000", Some(vec![aws.clone(), roentgen(false)]));
        check("signed+http://r:2000,", Some(vec![roentgen(true)]));
        for wrong in ["", ",", "AWS", "aws,aws", "http://r:2000,http://r:2000", "roentgen:2000"] {
            check(wrong, None);
        }
        for other in ["http://r:2000/", "https://r:2000", "signed+http://r:2000", "http://R:2000"] {
            let fault = destinations(&format!("http://r:2000,{other}")).unwrap_err();
            assert!(fault.to_string().starts_with("expected every destination once"), "{fault}");
        }
        let nine: Vec<String> = (1..=9).map(|host| format!("http://h{host}")).collect();
        check(&nine.join(","), None);
    }

    #[test]
    fn lists_of_paths() {
        assert_eq!(paths(" /health , *.png,").unwrap(), ["/health", "*.png"]);
        assert_eq!(paths("").unwrap(), [""; 0]);
        assert!(paths("health").is_err());
    }
}
