//! Reads JSON front to back, without deciding twice what comes next.
//!
//! For documents that come in, which are all read once ([`super::bare`]). It knows what JSON allows,
//! and gives up (`None`) on everything else, and on what is rare: numbers and escapes that take more
//! than a few lines are left to serde_json, nesting deeper than [`MOST_NESTING`] to nobody.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// How deep a value that is passed over may nest: a level is a bit of a word.
const MOST_NESTING: u32 = u64::BITS;

/// Whole numbers up to here are exact as floating point (2⁵³).
const MOST_EXACT: u64 = 1 << 53;

/// Digits of a number that certainly fits in 63 bits.
const MOST_DIGITS: usize = 18;

/// Powers of ten, all exact as floating point. A whole number that is exact divided by one of them is
/// rounded once, and so the number that is nearest to the decimal.
const POWERS: [f64; MOST_DIGITS] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17,
];

/// A JSON text, read up to some place.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

/// A number as it is written.
#[derive(Clone, Copy, Debug)]
struct Decimal {
    is_negative: bool,
    digits: u64,
    /// How many of the digits stand behind the point; none when there is no point.
    scale: usize,
    /// Whether that is all: there is no exponent, and there are not too many digits.
    is_plain: bool,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0 }
    }

    /// Nothing but white space is left.
    pub(super) fn end(mut self) -> Option<()> {
        self.skip_white_space();
        (self.position == self.text.len()).then_some(())
    }

    /// The first byte of what comes next.
    pub(super) fn peek(&mut self) -> Option<u8> {
        match self.here() {
            Some(byte) if byte > b' ' => Some(byte),
            _ => {
                self.skip_white_space();
                self.here()
            }
        }
    }

    /// Reads an object. `member` is called behind each key, and must read its value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Option<()>,
    ) -> Option<()> {
        self.token(b'{')?;
        if self.peek()? == b'}' {
            self.position += 1;
            return Some(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads an array. `element` must read a value.
    pub(super) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.token(b'[')?;
        if self.peek()? == b']' {
            self.position += 1;
            return Some(());
        }
        loop {
            element(self)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Goes past `null`, if that comes next.
    pub(super) fn null(&mut self) -> Option<bool> {
        if self.peek()? != b'n' {
            return Some(false);
        }
        self.literal("null")?;
        Some(true)
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self) -> Option<bool> {
        let is_true = self.peek()? == b't';
        self.literal(if is_true { "true" } else { "false" })?;
        Some(is_true)
    }

    /// Reads a string; borrowed where it has no escapes.
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        self.token(b'"')?;
        let start = self.position;
        let has_escapes = self.skip_string()?;
        if has_escapes {
            return self.decode(start - 1).map(Cow::Owned);
        }
        self.text.get(start..self.position - 1).map(Cow::Borrowed)
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Option<f64> {
        self.peek()?;
        let start = self.position;
        let Decimal { is_negative, digits, scale, is_plain } = self.skip_number()?;
        match POWERS.get(scale) {
            Some(power) if is_plain && digits <= MOST_EXACT => {
                let number = digits as f64 / power;
                Some(if is_negative { -number } else { number })
            }
            _ => self.decode(start),
        }
    }

    /// Reads a whole number that is written as one.
    pub(super) fn integer(&mut self) -> Option<i64> {
        self.peek()?;
        let start = self.position;
        let Decimal { is_negative, digits, scale, is_plain } = self.skip_number()?;
        match i64::try_from(digits) {
            Ok(number) if is_plain && scale == 0 => {
                Some(if is_negative { -number } else { number })
            }
            _ => self.decode(start),
        }
    }

    /// Goes past any value, and gives it as it stands there.
    pub(super) fn value(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.position;
        // Which of the levels around are objects, the innermost in the lowest bit.
        let (mut objects, mut depth) = (0_u64, 0_u32);
        loop {
            match self.next()? {
                b'"' => {
                    self.skip_string()?;
                }
                b'{' if self.peek()? == b'}' => self.position += 1,
                b'[' if self.peek()? == b']' => self.position += 1,
                opening @ (b'{' | b'[') => {
                    if depth == MOST_NESTING {
                        return None;
                    }
                    depth += 1;
                    objects = objects << 1 | u64::from(opening == b'{');
                    if opening == b'{' {
                        self.skip_key()?;
                    }
                    continue;
                }
                first => {
                    self.position -= 1;
                    match first {
                        b't' => self.literal("true")?,
                        b'f' => self.literal("false")?,
                        b'n' => self.literal("null")?,
                        _ => drop(self.skip_number()?),
                    }
                }
            }
            loop {
                if depth == 0 {
                    return self.text.get(start..self.position);
                }
                let is_object = objects & 1 != 0;
                match self.next()? {
                    b',' if is_object => break self.skip_key()?,
                    b',' => break,
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return None,
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn key(&mut self) -> Option<Cow<'a, str>> {
        let key = self.string()?;
        self.token(b':')?;
        Some(key)
    }

    fn skip_key(&mut self) -> Option<()> {
        self.token(b'"')?;
        self.skip_string()?;
        self.token(b':')
    }

    /// Goes past the rest of a string, whose quote was read; tells whether it has escapes. Whether
    /// two surrogates are a pair matters to those only who decode it.
    fn skip_string(&mut self) -> Option<bool> {
        let mut has_escapes = false;
        loop {
            let rest = self.text.as_bytes().get(self.position..)?;
            self.position += plain_length(rest);
            match self.text.as_bytes().get(self.position..)? {
                [b'"', ..] => {
                    self.position += 1;
                    return Some(has_escapes);
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => {
                    self.position += 2;
                }
                [b'\\', b'u', digits @ ..] => {
                    let digits = digits.first_chunk::<4>()?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    self.position += 6;
                }
                _ => return None,
            }
            has_escapes = true;
        }
    }

    /// Goes past a number.
    fn skip_number(&mut self) -> Option<Decimal> {
        let is_negative = self.here()? == b'-';
        self.position += usize::from(is_negative);
        let mut digits = 0;
        let start = self.position;
        let whole = self.skip_digits(&mut digits)?;
        if whole > 1 && self.text.as_bytes().get(start) == Some(&b'0') {
            return None;
        }
        let mut scale = 0;
        if self.here() == Some(b'.') {
            self.position += 1;
            scale = self.skip_digits(&mut digits)?;
        }
        let has_exponent = matches!(self.here(), Some(b'e' | b'E'));
        if has_exponent {
            self.position += 1;
            self.position += usize::from(matches!(self.here(), Some(b'+' | b'-')));
            self.skip_digits(&mut 0)?;
        }
        let is_plain = !has_exponent && whole + scale <= MOST_DIGITS;
        Some(Decimal { is_negative, digits, scale, is_plain })
    }

    /// Goes past digits, one at least, and appends them to a number. Gives how many there are.
    fn skip_digits(&mut self, number: &mut u64) -> Option<usize> {
        let start = self.position;
        while let Some(byte @ b'0'..=b'9') = self.here() {
            *number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.position += 1;
        }
        (self.position > start).then(|| self.position - start)
    }

    /// Reads what stands from a place up to here the long way.
    fn decode<T: DeserializeOwned>(&self, from: usize) -> Option<T> {
        serde_json::from_str(self.text.get(from..self.position)?).ok()
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        let is_there = self.text.as_bytes().get(self.position..)?.starts_with(literal.as_bytes());
        is_there.then(|| self.position += literal.len())
    }

    fn token(&mut self, token: u8) -> Option<()> {
        (self.next()? == token).then_some(())
    }

    /// Goes past the first byte of what comes next.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }

    fn here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.here() {
            self.position += 1;
        }
    }
}

/// How many bytes stand before the first that ends a string, begins an escape or must not be there.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return length + usize::try_from(special.trailing_zeros() / u8::BITS).unwrap_or(0);
        }
        length += word.len();
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | ..b' ');
    length + rest.iter().take_while(is_plain).count()
}

/// Sets the highest bit of quotes, backslashes and control characters. Above the lowest of them,
/// other bytes may be marked as well, since differences borrow.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, b' ') | equal(b'"') | equal(b'\\')) & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    /// What is read of a whole text.
    fn read<'a, T>(text: &'a str, read: impl FnOnce(&mut Scanner<'a>) -> Option<T>) -> Option<T> {
        let mut scanner = Scanner::new(text);
        let read = read(&mut scanner)?;
        scanner.end()?;
        Some(read)
    }

    #[test]
    fn values_are_those_that_json_knows() {
        let check = |text: &str, expect: bool| {
            assert_eq!(read(text, Scanner::value).is_some(), expect, "{text}");
            let known = serde_json::from_str::<&RawValue>(text);
            assert_eq!(known.is_ok(), expect, "serde_json, {text}");
        };
        for right in [
            "0",
            "-0",
            "10",
            "-1.50",
            "1e400",
            "2E-07",
            "0.0e+0",
            "true",
            "false",
            "null",
            "{}",
            "[]",
            " [ { } , [ ] ] ",
            r#"{"a":[1,"b"],"c":{"d":null}}"#,
            "\t\n\r 1",
            r#""""#,
            r#""\"\\\/\b\f\n\r\t\u00e9\ud800""#,
            "\"long é text that is plain\"",
        ] {
            check(right, true);
        }
        for wrong in [
            "",
            " ",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "0x1",
            "tru",
            "nulls",
            "NaN",
            "Infinity",
            "{",
            "[",
            "}",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1]"#,
            r#"["a":1]"#,
            "[1}",
            "1 2",
            r#"""#,
            r#""a"#,
            r#""\""#,
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u12"#,
            "\"\t\"",
            "\"0123456\u{1f}\"",
            "\u{c}1",
        ] {
            check(wrong, false);
        }
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(65), Scanner::value).is_some(), "the innermost is empty");
        assert!(read(&nested(66), Scanner::value).is_none());
    }

    #[test]
    fn what_is_passed_over_is_given_as_it_stands() {
        let check = |text: &str, expect: &str| {
            assert_eq!(read(text, Scanner::value), Some(expect), "{text}");
        };
        check(r#" {"a" : [1, 2] } "#, r#"{"a" : [1, 2] }"#);
        check("-1.5e3\n", "-1.5e3");
    }

    #[test]
    fn members_and_elements_come_in_their_order() {
        let check = |text: &str, expect: Option<&[&str]>| {
            let mut seen = Vec::new();
            let all = read(text, |scanner| {
                scanner.object(|scanner, key| {
                    seen.push(key.into_owned());
                    scanner.array(|scanner| {
                        seen.push(scanner.value()?.to_owned());
                        Some(())
                    })
                })
            });
            let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
            assert_eq!(all.map(|()| &seen[..]), expect, "{text}");
        };
        check("{}", Some(&[]));
        check(r#"{"a":[],"b":[1,{}],"a":[ "x" ] }"#, Some(&["a", "b", "1", "{}", "a", "\"x\""]));
        check(r#"{"\u0061":[]}"#, Some(&["a"]));
        for wrong in
            ["[]", "{", r#"{"a":1}"#, r#"{"a":[]"#, r#"{"a":[],}"#, r#"{"a":[1}"#, r#"{"a" []}"#]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn scalars_are_of_one_type_each() {
        assert_eq!(read("true", Scanner::boolean), Some(true));
        assert_eq!(read(" false", Scanner::boolean), Some(false));
        assert_eq!(read("1", Scanner::boolean), None);
        assert_eq!(read("null", Scanner::null), Some(true));
        assert_eq!(read("nul", Scanner::null), None);
        assert_eq!(
            read("1", |scanner| Some((scanner.null()?, scanner.integer()?))),
            Some((false, 1))
        );
        assert_eq!(read("-429", Scanner::integer), Some(-429));
        assert_eq!(read("9223372036854775807", Scanner::integer), Some(i64::MAX));
        assert_eq!(read("-9223372036854775808", Scanner::integer), Some(i64::MIN));
        for other in ["9223372036854775808", "1.0", "1e2", "\"1\"", "null"] {
            assert_eq!(read(other, Scanner::integer), None, "{other}");
        }
        assert_eq!(read("\"a\"", Scanner::number), None);
        assert_eq!(read("-0", Scanner::number).map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!(read("1e400", Scanner::number), None);
        assert_eq!(read(r#""\ud83d\ude00 \n""#, Scanner::string).as_deref(), Some("😀 \n"));
        assert_eq!(read(r#""\ud83d""#, Scanner::string), None);
    }

    proptest! {
        #[test]
        fn strings_are_those_of_serde_json(text in "[\u{1}-\u{7f}é☃]{0,40}", quoted: bool) {
            let json = if quoted { serde_json::to_string(&text).unwrap() } else { format!("\"{text}\"") };
            let expect: Option<String> = serde_json::from_str(&json).ok();
            let text = read(&json, Scanner::string);
            prop_assert_eq!(text.as_deref(), expect.as_deref());
        }

        #[test]
        fn numbers_are_those_of_serde_json(json in "-?[0-9]{1,20}(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            let expect: Option<f64> = serde_json::from_str(&json).ok();
            prop_assert_eq!(read(&json, Scanner::number).map(f64::to_bits), expect.map(f64::to_bits));
            let expect: Option<i64> = serde_json::from_str(&json).ok();
            let integer = read(&json, Scanner::integer);
            prop_assert!(integer == expect || json == "-0" && integer == Some(0));
        }

        #[test]
        fn any_text_is_a_value_where_serde_json_says_so(text in r#"[\[\]{}:,"\\u0-9a-f.eE+\- tnrl]{0,12}"#) {
            let expect = serde_json::from_str::<&RawValue>(&text).ok().map(RawValue::get);
            prop_assert_eq!(read(&text, Scanner::value), expect);
        }

        #[test]
        fn what_is_special_is_found_wherever_it_stands(bytes: Vec<u8>) {
            let is_special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < b' ';
            let expect = bytes.iter().position(is_special).unwrap_or(bytes.len());
            prop_assert_eq!(plain_length(&bytes), expect);
        }
    }
}
