//! How Go reads and writes single values. The official daemon is written in Go, and what it takes
//! for a number, and how it quotes a wrong one, is part of its command line.

/// Why a text is no integer, in the words of Go's `flag` package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IntegerError {
    #[error("parse error")]
    Syntax,
    #[error("value out of range")]
    Range,
}

/// A text is no boolean, in the words of Go's `flag` package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parse error")]
pub(super) struct BooleanError;

/// Reads an integer as `strconv.ParseInt(text, 0, 64)` does: `0x`, `0o`, `0b` and a leading `0` say
/// the base, underscores may stand between digits.
///
/// # Errors
/// The first offence from the left.
pub(super) fn integer(text: &str) -> Result<i64, IntegerError> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, text.get(1..).unwrap_or_default()),
        [b'+', ..] => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let magnitude = i128::from(unsigned(digits)?);
    let value = if negative { -magnitude } else { magnitude };
    i64::try_from(value).map_err(|_| IntegerError::Range)
}

/// Reads digits with the prefix of their base but without sign.
fn unsigned(text: &str) -> Result<u64, IntegerError> {
    let (radix, digits) = match text.as_bytes() {
        [] => return Err(IntegerError::Syntax),
        [b'0', b'x' | b'X', _, ..] => (16, text.get(2..)),
        [b'0', b'o' | b'O', _, ..] => (8, text.get(2..)),
        [b'0', b'b' | b'B', _, ..] => (2, text.get(2..)),
        [b'0', ..] => (8, text.get(1..)),
        _ => (10, Some(text)),
    };
    let mut value: u64 = 0;
    for character in digits.unwrap_or_default().chars().filter(|c| *c != '_') {
        let digit = character.to_digit(radix).ok_or(IntegerError::Syntax)?;
        value = value
            .checked_mul(u64::from(radix))
            .and_then(|value| value.checked_add(u64::from(digit)))
            .ok_or(IntegerError::Range)?;
    }
    if underscores_separate_digits(text) { Ok(value) } else { Err(IntegerError::Syntax) }
}

/// Whether each underscore stands between two digits, the prefix of a base counting as one.
fn underscores_separate_digits(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let digits = match text.as_bytes() {
        // The prefix counts as a digit, so one stands in for it.
        [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', rest @ ..] => [b"0", rest].concat(),
        bytes => bytes.to_vec(),
    };
    digits.split(|byte| *byte == b'_').all(|run| !run.is_empty())
}

/// Reads a boolean as `strconv.ParseBool` does.
///
/// # Errors
/// For any other text.
pub(super) fn boolean(text: &str) -> Result<bool, BooleanError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(BooleanError),
    }
}

/// A text between quotation marks as `%q` prints it.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\'' => quoted.push('\''),
            // Rust's own notion of what prints is that of Go, but for marks that join a letter.
            c if c.escape_debug().len() == 1 => quoted.push(c),
            c if u32::from(c) < 0x80 => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) <= 0xffff => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let check = |text: &str, expect: Result<i64, IntegerError>| {
            assert_eq!(integer(text), expect, "{text:?}");
        };
        check("0", Ok(0));
        check("42", Ok(42));
        check("+42", Ok(42));
        check("-42", Ok(-42));
        check("0x10", Ok(16));
        check("-0XfF", Ok(-255));
        check("0b101", Ok(5));
        check("0o17", Ok(15));
        check("017", Ok(15));
        check("0x_1_0", Ok(16));
        check("0_7", Ok(7));
        check("1_000", Ok(1000));
        check("9223372036854775807", Ok(i64::MAX));
        check("-9223372036854775808", Ok(i64::MIN));
        check("9223372036854775808", Err(IntegerError::Range));
        check("99999999999999999999", Err(IntegerError::Range));
        check("99999999999999999999x", Err(IntegerError::Range));
        for wrong in
            ["", "-", "abc", "1.5", "08", "0x", "1__0", "0x1_", "_1", " 1", "1 ", "--1", "٣"]
        {
            check(wrong, Err(IntegerError::Syntax));
        }
    }

    #[test]
    fn booleans() {
        for yes in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(boolean(yes), Ok(true), "{yes}");
        }
        for no in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(boolean(no), Ok(false), "{no}");
        }
        for neither in ["", "yes", "tRUE", "on", " true"] {
            assert_eq!(boolean(neither), Err(BooleanError), "{neither}");
        }
    }

    #[test]
    fn quotation() {
        let check = |text: &str, expect: &str| assert_eq!(quote(text), expect);
        check("abc", r#""abc""#);
        check("a\"b\\c'", r#""a\"b\\c'""#);
        check("\n\t\x07\0\x7f", r#""\n\t\a\x00\x7f""#);
        check("é\u{200b}\u{e0001}", "\"é\\u200b\\U000e0001\"");
    }
}
