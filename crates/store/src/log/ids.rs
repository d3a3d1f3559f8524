//! Ids apart from the text around them.
//!
//! Two fifths of what segment documents compress to are ids: random hexadecimal digits, of which
//! every two carry one byte that nothing makes smaller. Among the text, they are looked through for
//! what they repeat, and coded with the other letters at more than five bits a digit. Taken out,
//! two digits a byte, they leave a text that is compressed faster and better: of documents of
//! 1,088 bytes with 99 such digits 137 bytes are left, not 154, in four fifths of the time.

use std::ops::Range;

/// Stands in the text for lower-case digits. The next byte says how many bytes they make.
const LOWER_CASE: u8 = 1;
/// Stands for upper-case digits in the same way.
const UPPER_CASE: u8 = 2;
/// Stands for an id that stood before. The next byte is its number among the different ones.
const REPEATED: u8 = 3;
/// The next byte is one of the text, although it is one of these four. No JSON has them.
const ESCAPE: u8 = 4;

/// Digits of the shortest id: that of a segment. Shorter runs of digits are mostly words.
const MIN_DIGITS: usize = 16;
/// Digits of the longest; more are several.
const MAX_DIGITS: usize = 64;
/// How many ids of a block can be said to be repeated.
const MAX_KNOWN: usize = 256;
/// Places of the table that finds ids again: four times as many as ids, so that few collide.
const SLOTS: usize = 4 * MAX_KNOWN;

/// Takes ids out.
#[derive(Debug)]
pub(crate) struct IdPacker {
    /// What is left.
    pub(crate) text: Vec<u8>,
    /// The bytes of the ids.
    pub(crate) ids: Vec<u8>,
    /// The different ids: their case and where their bytes are.
    known: Vec<(u8, Range<usize>)>,
    /// By a hash of an id, one more than its number; 0 is free.
    slots: Vec<u16>,
}

impl IdPacker {
    /// A packer for any number of blocks.
    pub(crate) fn new() -> Self {
        let (text, ids, known) = (Vec::new(), Vec::new(), Vec::with_capacity(MAX_KNOWN));
        Self { text, ids, known, slots: vec![0; SLOTS] }
    }

    /// Takes the ids out of the content of a block.
    pub(crate) fn pack(&mut self, content: &[u8]) {
        self.text.clear();
        self.ids.clear();
        self.known.clear();
        self.slots.fill(0);
        let has_tokens = has_token(content);
        let mut taken = 0;
        while let Some((case, run)) = next_run(content, taken) {
            self.push_text(content.get(taken..run.start).unwrap_or_default(), has_tokens);
            self.push_id(content.get(run.clone()).unwrap_or_default(), case);
            taken = run.end;
        }
        self.push_text(content.get(taken..).unwrap_or_default(), has_tokens);
    }

    fn push_text(&mut self, text: &[u8], has_tokens: bool) {
        if !has_tokens {
            return self.text.extend_from_slice(text);
        }
        for &byte in text {
            if is_token(byte) {
                self.text.push(ESCAPE);
            }
            self.text.push(byte);
        }
    }

    fn push_id(&mut self, digits: &[u8], case: u8) {
        let start = self.ids.len();
        let (pairs, _) = digits.as_chunks::<2>();
        self.ids.extend(pairs.iter().map(|&[high, low]| value(high) << 4 | value(low)));
        let id = self.ids.get(start..).unwrap_or_default();
        let Ok(length) = u8::try_from(id.len()) else { return };
        let Some(slot) = self.slots.get_mut(slot_of(id)) else { return };
        let number = usize::from(*slot).wrapping_sub(1);
        let is_known = self.known.get(number).is_some_and(|(known_case, bytes)| {
            *known_case == case && self.ids.get(bytes.clone()) == Some(id)
        });
        if let (true, Ok(number)) = (is_known, u8::try_from(number)) {
            self.ids.truncate(start);
            return self.text.extend_from_slice(&[REPEATED, number]);
        }
        self.text.extend_from_slice(&[case, length]);
        if self.known.len() < MAX_KNOWN {
            self.known.push((case, start..self.ids.len()));
            *slot = u16::try_from(self.known.len()).unwrap_or(0);
        }
    }
}

/// Puts the ids back into a text and appends it to the content of a block. `None` when the two do
/// not belong together, or make more than `limit` bytes.
pub(super) fn unpack(
    text: &[u8],
    mut ids: &[u8],
    limit: usize,
    content: &mut Vec<u8>,
) -> Option<()> {
    let mut known = [(LOWER_CASE, &[][..]); MAX_KNOWN];
    let mut known_count = 0;
    let mut rest = text;
    loop {
        let (plain, behind) = rest.split_at_checked(plain_length(rest))?;
        if content.len() + plain.len() > limit {
            return None;
        }
        content.extend_from_slice(plain);
        let &[token, argument, ref behind @ ..] = behind else {
            return (behind.is_empty() && ids.is_empty()).then_some(());
        };
        rest = behind;
        let (case, id) = match token {
            ESCAPE => {
                content.push(argument);
                continue;
            }
            REPEATED => *known.get(..known_count)?.get(usize::from(argument))?,
            case => {
                let (id, others) = ids.split_at_checked(usize::from(argument))?;
                ids = others;
                if let Some(place) = known.get_mut(known_count) {
                    *place = (case, id);
                    known_count += 1;
                }
                (case, id)
            }
        };
        let mut digits = [0; MAX_DIGITS];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(id) {
            *pair = [digit(byte >> 4, case), digit(byte & 0x0F, case)];
        }
        content.extend_from_slice(digits.get(..2 * id.len())?);
    }
}

/// The case of the next run of digits that is an id, and where it stands.
fn next_run(content: &[u8], mut from: usize) -> Option<(u8, Range<usize>)> {
    loop {
        let rest = content.get(from..)?;
        if !may_begin_id(rest) {
            from += MIN_DIGITS;
            continue;
        }
        let (before, behind) = rest.split_at_checked(MIN_DIGITS - 1)?;
        let mut case = LOWER_CASE | UPPER_CASE;
        let behind = count_digits(behind.iter(), &mut case);
        let start = from + MIN_DIGITS - 1 - count_digits(before.iter().rev(), &mut case);
        let end = from + MIN_DIGITS - 1 + behind;
        // Digits that are all decimal are a number, which has more in common with others.
        if end - start >= MIN_DIGITS && case != LOWER_CASE | UPPER_CASE {
            let digits = (end - start).min(MAX_DIGITS) & !1;
            return Some((case, start..start + digits));
        }
        from = end.max(from + 1);
    }
}

/// Whether an id may begin within the first [`MIN_DIGITS`] bytes. It has the last of them, and
/// either an earlier or a later one of each pair that is so far apart: few words do.
fn may_begin_id(bytes: &[u8]) -> bool {
    let Some(bytes) = bytes.first_chunk::<{ MIN_DIGITS + MIN_DIGITS / 2 }>() else { return true };
    let [_, _, _, _, _, _, _, a, _, _, _, b, _, _, _, last, _, _, _, c, _, _, _, d] = *bytes;
    let is_digit = |byte| cases(byte) != 0;
    is_digit(last) && (is_digit(a) | is_digit(d)) && (is_digit(b) | is_digit(c))
}

/// How many bytes are digits of one case; `case` has those that are possible.
fn count_digits<'a>(bytes: impl Iterator<Item = &'a u8>, case: &mut u8) -> usize {
    let is_digit = |byte: &&u8| {
        let possible = *case & cases(**byte);
        if possible != 0 {
            *case = possible;
        }
        possible != 0
    };
    bytes.take_while(is_digit).count()
}

/// In which case a byte is a hexadecimal digit: none, lower, upper or both.
fn cases(byte: u8) -> u8 {
    CASES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// For each byte, since comparing takes twice as long.
static CASES: [u8; 256] = {
    let mut cases = [0; 256];
    let mut rest = cases.as_mut_slice();
    let mut byte = 0_u8;
    while let Some((first, behind)) = rest.split_first_mut() {
        *first = match byte {
            b'0'..=b'9' => LOWER_CASE | UPPER_CASE,
            b'a'..=b'f' => LOWER_CASE,
            b'A'..=b'F' => UPPER_CASE,
            _ => 0,
        };
        byte = byte.wrapping_add(1);
        rest = behind;
    }
    cases
};

/// The value of a digit.
fn value(digit: u8) -> u8 {
    (digit & 0x0F) + 9 * (digit >> 6)
}

/// The digit of a value.
fn digit(value: u8, case: u8) -> u8 {
    let first_letter = if case == LOWER_CASE { b'a' } else { b'A' };
    if value < 10 { b'0' + value } else { first_letter + value - 10 }
}

fn slot_of(id: &[u8]) -> usize {
    let first = id.first_chunk().copied().map_or(0, u64::from_le_bytes);
    // Fibonacci hashing: the upper bits of a product with 2^64 divided by the golden ratio.
    let hash = first.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOTS.ilog2());
    usize::try_from(hash).unwrap_or(0)
}

fn is_token(byte: u8) -> bool {
    (LOWER_CASE..=ESCAPE).contains(&byte)
}

/// Looks at all bytes: without an early end this is done many at a time.
fn has_token(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |has, &byte| has | is_token(byte))
}

/// How many bytes stand before the first token.
fn plain_length(text: &[u8]) -> usize {
    let (chunks, _) = text.as_chunks::<32>();
    let whole = 32 * chunks.iter().take_while(|chunk| !has_token(*chunk)).count();
    let rest = text.get(whole..).unwrap_or_default();
    whole + rest.iter().take_while(|&&byte| !is_token(byte)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(content: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut packer = IdPacker::new();
        // What was packed before leaves no traces.
        packer.pack(b"0123456789abcdef0123456789abcdee");
        packer.pack(content);
        (packer.text, packer.ids)
    }

    fn unpacked(text: &[u8], ids: &[u8], limit: usize) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        unpack(text, ids, limit, &mut content).map(|()| content)
    }

    #[test]
    fn ids_are_taken_out_of_the_text() {
        let check = |content: &str, text: &[u8], ids: &[u8]| {
            assert_eq!(packed(content.as_bytes()), (text.to_vec(), ids.to_vec()), "{content}");
            assert_eq!(unpacked(text, ids, content.len()).as_deref(), Some(content.as_bytes()));
        };
        let bytes = b"\x01\x23\x45\x67\x89\xab\xcd\xef";
        check("", b"", b"");
        check("0123456789abcdef", b"\x01\x08", bytes);
        check("0123456789ABCDEF", b"\x02\x08", bytes);
        check("\"id\":\"0123456789abcdef\"}", b"\"id\":\"\x01\x08\"}", bytes);
        check("0123456789abcde", b"0123456789abcde", b"");
        check("0123456789012345", b"0123456789012345", b"");
        check("0123456789abcdef0", b"\x01\x080", bytes);
        check("x0123456789abcdef01x", b"x\x01\x09x", &[&bytes[..], b"\x01"].concat());
        check("0123456789abcdeF", b"0123456789abcdeF", b"");
        check("ABC0123456789abcdef", b"ABC\x01\x08", bytes);
        check("1-5f84c7a1-0123456789abcdef", b"1-5f84c7a1-\x01\x08", bytes);
        check("0123456789abcdef 0123456789abcdef", b"\x01\x08 \x03\x00", bytes);
        check("0123456789abcdef 0123456789ABCDEF", b"\x01\x08 \x02\x08", &bytes.repeat(2));
        check(&"0123456789abcdef".repeat(5), b"\x01\x20\x01\x08", &bytes.repeat(5));
        check("\x01\x02\x03\x04\x05", b"\x04\x01\x04\x02\x04\x03\x04\x04\x05", b"");
    }

    #[test]
    fn ids_that_are_too_many_to_be_known_come_back() {
        let id = |number: usize| format!("{:016x} ", 0xabcd_ef00_0000_0000 + number);
        let content: String = (0..2).flat_map(|_| (0..1000).map(id)).collect();
        let (text, ids) = packed(content.as_bytes());
        assert!(ids.len() < 2 * 1000 * 8 && ids.len() >= (2 * 1000 - MAX_KNOWN) * 8);
        assert_eq!(unpacked(&text, &ids, content.len()).unwrap(), content.as_bytes());
    }

    #[test]
    fn what_was_never_packed_is_told() {
        let check =
            |text: &[u8], ids: &[u8]| assert_eq!(unpacked(text, ids, 100), None, "{text:?}");
        check(b"\x01", b"");
        check(b"\x01\x08", b"1234567");
        check(b"\x01\x08", b"123456789");
        check(b"\x01\x21", &[1; 0x21]);
        check(b"\x03\x00", b"");
        check(b"\x01\x08\x03\x01", b"12345678");
        check(b"\x04", b"");
        check(&[b'x'; 101], b"");
        check(&[1, 32, 1, 32], &[1; 64]);
    }

    proptest! {
        #[test]
        fn contents_come_back(pieces in prop::collection::vec(
            prop_oneof![
                "[0-9a-f]{0,40}", "[0-9A-F]{0,40}", "[0-9]{0,40}", "[ -~]{0,10}", "[\x01-\x06]{0,3}",
                Just("0123456789abcdef".to_owned()), Just("fedcba98765432100123456789ABCDEF".to_owned()),
            ],
            0..40,
        )) {
            let content = pieces.concat().into_bytes();
            let (text, ids) = packed(&content);
            prop_assert_eq!(unpacked(&text, &ids, content.len()), Some(content));
        }

        #[test]
        fn any_bytes_come_back(content: Vec<u8>) {
            let (text, ids) = packed(&content);
            prop_assert!(text.len() <= 2 * content.len());
            prop_assert_eq!(unpacked(&text, &ids, content.len()), Some(content));
        }

        #[test]
        fn any_text_is_no_panic(text: Vec<u8>, ids: Vec<u8>) {
            let content = unpacked(&text, &ids, 1000);
            prop_assert!(content.is_none_or(|content| content.len() <= 1000));
        }
    }
}
