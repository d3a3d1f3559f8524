//! What Go says of an error of the operating system, which the official daemon's messages end with.

use std::io;

/// The same text in lower case and without its number: `address already in use`, not
/// `Address already in use (os error 98)`.
pub(crate) fn go_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
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
        assert_eq!(go_words(&io::Error::other("Odd")), "odd");
        assert_eq!(go_words(&io::Error::other("")), "");
    }
}
