//! Documents as JSON strings.
//!
//! What comes of a document is what the official daemon's encoder makes of it: quotes, backslashes
//! and control characters are escaped, each byte that is not UTF-8 becomes U+FFFD, and everything
//! else stays as it is. In two cases the bytes differ while the string is the same: U+FFFD, U+2028
//! and U+2029 are not escaped here, as no reader of JSON asks for it.
//!
//! Every eighth byte of a usual document is a quote, so copying from one to the next is no option:
//! the search alone would take longer than what is found is worth. Instead 64 bytes are looked at
//! together without a branch; then, for each quote, as much as can be left of them is copied behind
//! it, over what the copy for the quote before put there.

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Room beyond the text itself that [`escape_plain`] may write to: a block of quotes, and the copy
/// behind the last of them.
const SPILL: usize = 3 * BLOCK;

/// Bytes of room that [`escape_plain`] needs for a document.
pub(super) fn room_for(document: &[u8]) -> usize {
    /// Up to here it costs more to count than memory is worth: twice the document is always enough.
    const SHORT: usize = 4 << 10;
    let length = document.len();
    if length <= SHORT {
        return 2 * length + SPILL;
    }
    let escapes = document.iter().map(|byte| usize::from(needs_escape(*byte)));
    length + escapes.sum::<usize>() + SPILL
}

/// Writes a document to the beginning of `room` and gives the length of what it wrote. `None` if the
/// document is no UTF-8, has control characters other than line feeds, carriage returns and tabs, or
/// needs more room; what is in the room then means nothing.
pub(super) fn escape_plain(document: &[u8], room: &mut [u8]) -> Option<usize> {
    let (mut read, mut written, mut seen) = (0, 0, Seen::default());
    while let Some(source) = document.get(read..).and_then(<[u8]>::first_chunk) {
        let room = room.get_mut(written..)?.first_chunk_mut()?;
        written += escape_block(source, room, &mut seen);
        read += BLOCK;
    }
    // The rest, up to two blocks of it, with spaces behind.
    let rest = document.get(read..)?;
    let mut source = [b' '; 3 * BLOCK];
    source.get_mut(..rest.len())?.copy_from_slice(rest);
    let mut left = rest.len();
    while left > 0 {
        let block = source.get(rest.len() - left..)?.first_chunk()?;
        let room = room.get_mut(written..)?.first_chunk_mut()?;
        let of_document = left.min(BLOCK);
        written += escape_block(block, room, &mut seen) - (BLOCK - of_document);
        left -= of_document;
    }
    let is_text = !seen.is_unusual && (seen.beyond_ascii == 0 || str::from_utf8(document).is_ok());
    is_text.then_some(written)
}

/// What was seen beside what is as usual.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// A control character that takes more than a letter to escape.
    is_unusual: bool,
    /// Not 0 if there were such bytes.
    beyond_ascii: u64,
}

/// What comes behind the backslash, for what is escaped by a single character; else 0.
fn letter(byte: u8) -> u8 {
    match byte {
        // Quotes and backslashes stand for themselves. Nothing else from here on is asked for.
        b' '.. => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => 0,
    }
}

/// Writes the first block of the source, and gives the length of what it became.
///
/// The source has another block behind the first, since copies are always of a whole block.
#[inline]
fn escape_block(source: &[u8; 2 * BLOCK], room: &mut [u8; SPILL], seen: &mut Seen) -> usize {
    let mut escapes = source.first_chunk().map_or(0, |block| look_at(block, seen));
    if let Some(block) = source.get(..BLOCK) {
        copy(block, room, 0);
    }
    let mut count = 0;
    while escapes != 0 {
        // Below 64, both of them, which the compiler sees: none of the accesses needs a check.
        let position = (escapes.trailing_zeros() & 63) as usize;
        let target = position + (count & 63);
        let letter = source.get(position).map_or(0, |byte| letter(*byte));
        seen.is_unusual |= letter == 0;
        if let Some(place) = room.get_mut(target..target + 2) {
            place.copy_from_slice(&[b'\\', letter]);
        }
        if let Some(behind) = source.get(position + 1..position + 1 + BLOCK) {
            copy(behind, room, target + 2);
        }
        escapes &= escapes - 1;
        count += 1;
    }
    BLOCK + count
}

#[inline]
fn copy(run: &[u8], room: &mut [u8; SPILL], target: usize) {
    if let Some(target) = room.get_mut(target..target + BLOCK) {
        target.copy_from_slice(run);
    }
}

/// Where in a block quotes, backslashes and control characters are, as a bit for each byte.
#[inline]
fn look_at(block: &[u8; BLOCK], seen: &mut Seen) -> u64 {
    // Eight bytes in a word at a time. Sums of bytes below 128 do not carry into the next byte, so
    // each byte's highest bit tells about that byte alone.
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHEST: u64 = ONES * 0x80;
    const LOWER: u64 = !HIGHEST;
    let mut escapes = 0;
    for (number, word) in block.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let low = word & LOWER;
        // 0x7f + x reaches the highest bit unless x is 0.
        let is_no_quote = (low ^ (ONES * u64::from(b'"'))) + LOWER;
        let is_no_backslash = (low ^ (ONES * u64::from(b'\\'))) + LOWER;
        // Below the space 0x60 + x does not reach it.
        let is_no_control = low + ONES * 0x60;
        let is_usual = (is_no_quote & is_no_backslash & is_no_control) | word;
        let found = (!is_usual & HIGHEST) >> 7;
        seen.beyond_ascii |= word & HIGHEST;
        // Gathers the lowest bit of each byte in the highest byte.
        escapes |= (found.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * number);
    }
    escapes
}

/// Appends any document.
pub(super) fn escape_any(document: &[u8], text: &mut Vec<u8>) {
    for chunk in document.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while let Some(position) = rest.iter().position(|byte| needs_escape(*byte)) {
            let (run, from) = rest.split_at(position);
            text.extend_from_slice(run);
            if let Some((byte, behind)) = from.split_first() {
                push_escape(*byte, text);
                rest = behind;
            }
        }
        text.extend_from_slice(rest);
        // As Go decodes UTF-8: where it fails, it goes on one byte further.
        for _ in chunk.invalid() {
            text.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

fn push_escape(byte: u8, text: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => {
            text.extend_from_slice(&[b'\\', letter(byte)]);
        }
        _ => {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
            text.extend_from_slice(b"\\u00");
            text.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(document: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        escape_any(document, &mut text);
        text
    }

    fn plain(document: &[u8]) -> Option<Vec<u8>> {
        let mut room = vec![0; room_for(document)];
        let length = escape_plain(document, &mut room)?;
        room.truncate(length);
        Some(room)
    }

    /// What Go's `utf8.DecodeRune` makes of bytes, found the slow way: a whole character where
    /// there is one, else U+FFFD for one byte.
    fn as_go_reads(mut bytes: &[u8]) -> String {
        let mut text = String::new();
        while !bytes.is_empty() {
            let character = (1..=bytes.len().min(4))
                .find_map(|length| str::from_utf8(&bytes[..length]).ok())
                .unwrap_or_default();
            text.push_str(if character.is_empty() { "\u{fffd}" } else { character });
            bytes = &bytes[character.len().max(1)..];
        }
        text
    }

    fn check_any(document: &[u8]) {
        let text = escaped(document);
        let quoted = [b"\"", &text[..], b"\""].concat();
        let read: String = serde_json::from_slice(&quoted).unwrap();
        assert_eq!(read, as_go_reads(document), "{document:?}");
        let is_usual = |byte: &u8| *byte >= b' ' || b"\n\r\t".contains(byte);
        let is_plain = str::from_utf8(document).is_ok() && document.iter().all(is_usual);
        assert_eq!(plain(document), is_plain.then_some(text), "{document:?}");
    }

    #[test]
    fn escapes_are_the_official_daemons() {
        let check = |document: &[u8], expect: &str| {
            assert_eq!(String::from_utf8(escaped(document)).unwrap(), expect);
            check_any(document);
        };
        check(b"", "");
        check(b"{\"a\": \"b\"}", "{\\\"a\\\": \\\"b\\\"}");
        check(b"\\ / < > &", "\\\\ / < > &");
        check(b"\n\r\t\0\x08\x0c\x1f\x7f", "\\n\\r\\t\\u0000\\u0008\\u000c\\u001f\x7f");
        check("é 漢 🦀 \u{2028}".as_bytes(), "é 漢 🦀 \u{2028}");
        // The recorded one: each bad byte for itself.
        check(b"\xff\xfe\0binary", "\u{fffd}\u{fffd}\\u0000binary");
        // A character cut off, a surrogate, an overlong form, beyond the last character.
        check(b"\xe2\x82A", "\u{fffd}\u{fffd}A");
        check(b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}");
        check(b"\xc0\x80", "\u{fffd}\u{fffd}");
        check(b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn every_byte_at_every_place_of_blocks() {
        for length in (0..3 * BLOCK + 2).chain([4095, 4096, 4097, 65_507]) {
            check_any(&vec![b'"'; length]);
            check_any(&vec![b'x'; length]);
        }
        for byte in 0..=u8::MAX {
            for position in [0, 1, 7, 8, 63, 64, 65, 127, 128, 150, 191] {
                let mut document = [b'a'; 192];
                document[position] = byte;
                check_any(&document);
            }
        }
    }

    #[test]
    fn too_little_room_is_refused() {
        let document = [b'"'; 300];
        for length in 0..600 {
            assert_eq!(escape_plain(&document, &mut vec![0; length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_read_back_as_go_reads_them(document: Vec<u8>) {
            check_any(&document);
        }

        #[test]
        fn printable_text_reads_back(document in "[ -\\x7fé漢\n\t]{0,400}", quotes in "[\"\\\\\na]{0,300}") {
            check_any(document.as_bytes());
            check_any(quotes.as_bytes());
            check_any((document + &quotes).as_bytes());
        }

        #[test]
        fn any_text_reads_back(document: String) {
            check_any(document.as_bytes());
        }
    }
}
