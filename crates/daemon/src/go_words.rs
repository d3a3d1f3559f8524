//! What Go says of an error of the operating system, which the official daemon's messages end with.

use std::io;

/// The same text in lower case and without its number: `address already in use`, not
/// `Address already in use (os error 98)`.
pub(crate) fn go_words(error: &io::Error) -> String {
    if error.raw_os_error().is_some()
        && let Some(words) = words_of(error.kind())
    {
        return words.to_owned();
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// What not every C library says as Go and glibc do: the static binary is built with musl, which has
/// `Address in use`.
fn words_of(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::AddrInUse => Some("address already in use"),
        io::ErrorKind::AddrNotAvailable => Some("cannot assign requested address"),
        io::ErrorKind::NetworkUnreachable => Some("network is unreachable"),
        io::ErrorKind::HostUnreachable => Some("no route to host"),
        io::ErrorKind::TimedOut => Some("connection timed out"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let check = |number: i32, expect: &str| {
            assert_eq!(go_words(&io::Error::from_raw_os_error(number)), expect);
        };
        check(2, "no such file or directory");
        check(13, "permission denied");
        check(98, "address already in use");
        check(99, "cannot assign requested address");
        check(101, "network is unreachable");
        check(110, "connection timed out");
        check(113, "no route to host");
        assert_eq!(go_words(&io::Error::other("Odd")), "odd");
        assert_eq!(go_words(&io::Error::other("")), "");
    }
}
