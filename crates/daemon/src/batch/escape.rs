//! Documents as JSON strings.
//!
//! What comes of a document is what the official daemon's encoder makes of it: quotes, backslashes
//! and control characters are escaped, each byte that is not UTF-8 becomes U+FFFD, and everything
//! else stays as it is. In two cases the bytes differ while the string is the same: U+FFFD, U+2028
//! and U+2029 are not escaped here, as no reader of JSON asks for it.
//!
//! Every eighth byte of a usual document is a quote, so copying from one to the next is no option:
//! the search alone would take longer than what is found is worth. Instead 32 bytes are looked at
//! together without a branch; then, for each quote, as much as can be left of them is copied behind
//! it, over what the copy for the quote before put there.

/// Bytes that are looked at together. With 64, each quote copies more than what is left until the
/// next one makes good: a document of 1 KB took 324 ns instead of 266.
const BLOCK: usize = 32;

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
    let is_text = !seen.is_unusual && (!seen.is_beyond_ascii || str::from_utf8(document).is_ok());
    is_text.then_some(written)
}

/// What was seen beside what is as usual.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// A control character that takes more than a letter to escape.
    is_unusual: bool,
    /// A byte that is no ASCII.
    is_beyond_ascii: bool,
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
    let Some(block) = source.first_chunk() else { return 0 };
    let Looked { escapes, has_controls } = look_at(block, seen);
    copy(block, room, 0);
    let count = each(escapes, |position, target| {
        if let Some(place) = room.get_mut(target) {
            *place = b'\\';
        }
        // The character itself, and what is behind it.
        if let Some(run) = source.get(position..position + BLOCK) {
            copy(run, room, target + 1);
        }
    });
    if has_controls {
        put_letters(block, escapes, room, seen);
    }
    BLOCK + count
}

/// Goes through what is escaped: where it is in the block, and where its backslash goes. Gives how
/// many there are.
#[inline]
fn each(mut escapes: u32, mut escape: impl FnMut(usize, usize)) -> usize {
    let mut count = 0;
    while escapes != 0 {
        // Below 32, both of them, which the compiler sees: none of the accesses needs a check.
        let position = (escapes.trailing_zeros() & 31) as usize;
        escape(position, position + (count & 31));
        escapes &= escapes - 1;
        count += 1;
    }
    count
}

/// Puts letters in the place of control characters, which documents of one line have none of.
#[cold]
fn put_letters(block: &[u8; BLOCK], escapes: u32, room: &mut [u8; SPILL], seen: &mut Seen) {
    each(escapes, |position, target| {
        let letter = block.get(position).map_or(0, |byte| letter(*byte));
        seen.is_unusual |= letter == 0;
        if let Some(place) = room.get_mut(target + 1) {
            *place = letter;
        }
    });
}

#[inline]
fn copy(run: &[u8], room: &mut [u8; SPILL], target: usize) {
    if let Some(target) = room.get_mut(target..target + BLOCK) {
        target.copy_from_slice(run);
    }
}

/// What is to be escaped in a block.
#[derive(Clone, Copy, Debug)]
struct Looked {
    /// Where quotes, backslashes and control characters are, as a bit for each byte.
    escapes: u32,
    /// Whether control characters are among them.
    has_controls: bool,
}

/// Looks at a block, byte by byte so that the compiler makes vectors of them.
#[inline]
fn look_at(block: &[u8; BLOCK], seen: &mut Seen) -> Looked {
    let (mut is_escaped, mut all, mut least) = ([0_u8; BLOCK], 0, u8::MAX);
    for (is_escaped, byte) in is_escaped.iter_mut().zip(block) {
        *is_escaped = u8::from((*byte == b'"') | (*byte == b'\\') | (*byte < b' '));
        all |= *byte;
        least = least.min(*byte);
    }
    seen.is_beyond_ascii |= !all.is_ascii();
    let mut escapes = [0; BLOCK / 8];
    for (escapes, word) in escapes.iter_mut().zip(is_escaped.as_chunks().0) {
        // Gathers the lowest bit of each byte in the highest byte.
        let gathered = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080);
        [.., *escapes] = gathered.to_le_bytes();
    }
    let escapes = u32::from_le_bytes(escapes);
    Looked { escapes, has_controls: least < b' ' }
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
            for position in [0, 1, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 150, 191] {
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
