//! The wildcard matcher of sampling rules.

use std::str::Chars;

/// Whether `pattern` matches the whole of `text`, ignoring case: `*` stands for any number of
/// characters, `?` for exactly one, everything else for itself. There is no escape.
///
/// A mismatch only ever moves the most recent `*` on by one character; earlier ones never need
/// another try, because the shortest match of what lies between two stars leaves the most text to
/// what follows. So the time is bounded by the product of both lengths, whatever the pattern, and
/// nothing is allocated.
pub fn wildcard_match(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.chars();
    let mut text = text.chars();
    // What follows the most recent star, and where in the text it was last tried.
    let mut retry: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let mut pattern_rest = pattern.clone();
        match pattern_rest.next() {
            Some('*') => {
                retry = Some((pattern_rest.clone(), text.clone()));
                pattern = pattern_rest;
                continue;
            }
            Some(wanted) => {
                let Some(found) = text.next() else { return false };
                if wanted == '?' || same_letter(wanted, found) {
                    pattern = pattern_rest;
                    continue;
                }
            }
            None if text.as_str().is_empty() => return true,
            None => {}
        }
        let Some((after_star, tried)) = &mut retry else { return false };
        if tried.next().is_none() {
            return false;
        }
        pattern = after_star.clone();
        text = tried.clone();
    }
}

fn same_letter(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(wildcard_match(pattern, text), expect, "{pattern:?} against {text:?}");
        };
        check("*", "", true);
        check("*", "anything at all", true);
        check("", "", true);
        check("", "a", false);
        check("a", "", false);
        check("?", "", false);
        check("?", "é", true);
        check("??", "é", false);
        check("GET", "get", true);
        check("É*", "étage", true);
        check("/api/*", "/api/", true);
        check("/api/*", "/API/v1/items", true);
        check("/api/*", "/ap", false);
        check("*.example.com", "www.example.com", true);
        check("*.example.com", "www.example.com.", false);
        check("a*b*c", "aXbYbZc", true);
        check("a*b*c", "aXbYbZ", false);
        check("a**?c", "abc", true);
        check("a*?c", "ac", false);
        check("*aab", "aaaaab", true);
        check("shop", "shop-frontend", false);
        check("hop", "shop", false);
    }

    #[test]
    fn hostile_pattern_is_quick() {
        // A backtracking matcher would need more steps than there are atoms; this takes about
        // 60 * 100,000.
        let pattern = format!("{}b", "a*".repeat(30));
        assert!(!wildcard_match(&pattern, &"a".repeat(100_000)));
    }

    /// The definition, word for word and exponential.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some((wanted, rest)) => text.split_first().is_some_and(|(found, text_rest)| {
                (*wanted == '?' || wanted.to_lowercase().eq(found.to_lowercase()))
                    && naive(rest, text_rest)
            }),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[abAé*?]{0,8}", text in "[abBÉ*]{0,10}") {
            let pattern_chars: Vec<char> = pattern.chars().collect();
            let text_chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(
                wildcard_match(&pattern, &text),
                naive(&pattern_chars, &text_chars)
            );
        }

        #[test]
        fn a_text_matches_its_own_blurred_copy(
            text in "[a-zA-Z/.é]{0,40}",
            blur in prop::collection::vec(0..4u8, 40),
        ) {
            let pattern: String = text
                .chars()
                .zip(blur)
                .flat_map(|(letter, how)| match how {
                    0 => vec!['?'],
                    1 => vec!['*'],
                    2 => letter.to_uppercase().collect(),
                    _ => vec![letter],
                })
                .collect();
            prop_assert!(wildcard_match(&pattern, &text), "{pattern:?} against {text:?}");
        }
    }
}
