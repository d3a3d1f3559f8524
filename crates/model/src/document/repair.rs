//! Mending what real SDKs send though JSON forbids it.
//!
//! The Python SDK writes the tokens `NaN`, `Infinity` and `-Infinity` into metadata. Refusing
//! the document would lose the segment for one number, so they are read as `null`.

/// The text with those tokens replaced by `null`; `None` when there is none outside strings.
pub(super) fn null_non_finite(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut in_string = false;
    let mut rest = text.char_indices();
    while let Some((at, character)) = rest.next() {
        match character {
            '"' => in_string = !in_string,
            '\\' if in_string => {
                rest.next();
            }
            '-' | 'N' | 'I' if !in_string => {
                let tail = text.get(at..).unwrap_or_default();
                let token = ["NaN", "Infinity", "-Infinity"].iter().find(|t| tail.starts_with(**t));
                if let Some(token) = token {
                    out.push_str(text.get(copied..at).unwrap_or_default());
                    out.push_str("null");
                    copied = at + token.len();
                    if token.starts_with('-') {
                        rest.next(); // Not to find "Infinity" in "-Infinity" again.
                    }
                }
            }
            _ => {}
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_outside_strings_are_replaced() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(null_non_finite(text).as_deref(), expect, "{text}");
        };
        check(r#"{"a": NaN}"#, Some(r#"{"a": null}"#));
        check(r#"[Infinity, -Infinity,-1]"#, Some("[null, null,-1]"));
        check(r#"{"a":"NaN"}"#, None);
        check(r#"{"a":"\"NaN","b":NaN}"#, Some(r#"{"a":"\"NaN","b":null}"#));
        check(r#"{"é":NaN,"b":"Infinity"}"#, Some(r#"{"é":null,"b":"Infinity"}"#));
        check("{}", None);
        check("-", None);
    }
}
