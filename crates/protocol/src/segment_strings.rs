//! Reading the body of PutTraceSegments as clients write it: fast, in steps, and only that.
//!
//! The body is JSON in JSON: each document is a string, and every quote in it has a backslash before
//! it. Taking those out again is most of what the outer JSON costs, so it is done here by the block,
//! into memory that is used again for every document. Whatever is not plainly an object with one
//! list of strings, right or wrong, is left to serde, which reads it ([`PutTraceSegmentsRequest`]) or
//! says what is wrong with it.
//!
//! [`PutTraceSegmentsRequest`]: crate::PutTraceSegmentsRequest

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::PutTraceSegmentsRequest;

/// The one member.
const MEMBER: &[u8] = b"\"TraceSegmentDocuments\"";

/// Longest stretch of white space that is plain, so that every step takes little time. Indented
/// JSON has some ten bytes between two strings.
const MOST_WHITE_SPACE: usize = 1_024;

/// Longest document that is plain. X-Ray takes 64 KiB; longer ones are refused in any case, and
/// some more bytes make sure that it is not done here.
const MOST_DOCUMENT_BYTES: usize = 96 << 10;

/// What the memory for a document has at first: most documents are smaller.
const FIRST_BUFFER_BYTES: usize = 4 << 10;

/// Memory that documents share: it holds those of a usual call. To allocate for each document, and to
/// free that on another thread, took several times as long as copying it.
const SHARED_BYTES: usize = 64 << 10;

/// Longer documents have memory of their own, so that little is left over where one more does not
/// fit.
const MOST_SHARED_BYTES: usize = SHARED_BYTES / 8;

/// Bytes looked at together: as many as a `u64` has bits.
const BLOCK: usize = 64;

/// Bytes copied together.
const RUN: usize = 16;

/// The strings of a plain body, one after the other.
#[derive(Debug)]
pub struct SegmentStrings<'a> {
    body: &'a [u8],
    position: usize,
    taken: usize,
    /// Where a document is put together; as long as it may become without asking again.
    buffer: Vec<u8>,
    /// Where the next document will stand, behind those that were read.
    documents: BytesMut,
}

/// What comes next in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextString {
    /// A document; valid UTF-8. Documents of one body share memory, which is free when none of them
    /// is left.
    Document(Bytes),
    /// Nothing: this was the whole body.
    End,
    /// Something else than another string or the proper end, or more than
    /// [`PutTraceSegmentsRequest::MAX_DOCUMENTS`]. Nothing that was read before counts.
    NotPlain,
}

/// Why a string is left to serde; it may be in order all the same.
#[derive(Debug)]
struct NotPlain;

impl<'a> SegmentStrings<'a> {
    /// Begins to read a body; `None` when its beginning is not plain.
    pub fn open(body: &'a [u8]) -> Option<Self> {
        let (buffer, documents) = (Vec::new(), BytesMut::new());
        let mut strings = Self { body, position: 0, taken: 0, buffer, documents };
        for token in [b"{", MEMBER, b":", b"["] {
            strings.skip(token)?;
        }
        Some(strings)
    }

    /// How many bytes of the body have been read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Reads on. The time this takes is bounded, whatever the length of the body.
    pub fn next_string(&mut self) -> NextString {
        match self.read_next() {
            Ok(Some(document)) => NextString::Document(document),
            Ok(None) => NextString::End,
            Err(NotPlain) => NextString::NotPlain,
        }
    }

    fn read_next(&mut self) -> Result<Option<Bytes>, NotPlain> {
        if self.skip(b"]").is_some() {
            self.skip(b"}").ok_or(NotPlain)?;
            self.skip_white_space();
            return if self.position == self.body.len() { Ok(None) } else { Err(NotPlain) };
        }
        if self.taken > 0 {
            self.skip(b",").ok_or(NotPlain)?;
        }
        self.skip(b"\"").ok_or(NotPlain)?;
        if self.taken == PutTraceSegmentsRequest::MAX_DOCUMENTS {
            return Err(NotPlain);
        }
        self.taken += 1;
        let length = self.read_string()?;
        let document = self.buffer.get(..length).ok_or(NotPlain)?;
        // Most documents are ASCII, and to see that takes a fifth of the time.
        if !document.is_ascii() {
            std::str::from_utf8(document).map_err(|_| NotPlain)?;
        }
        if length > MOST_SHARED_BYTES {
            return Ok(Some(Bytes::copy_from_slice(document)));
        }
        if length > self.documents.capacity() {
            // What is left of the body is longer than the documents in it.
            let left = self.body.len().saturating_sub(self.position);
            self.documents = BytesMut::with_capacity((length + left).min(SHARED_BYTES));
        }
        self.documents.extend_from_slice(document);
        Ok(Some(self.documents.split().freeze()))
    }

    /// Puts the rest of a string, whose quote was read, into the buffer; gives its length there.
    fn read_string(&mut self) -> Result<usize, NotPlain> {
        let mut length = 0;
        loop {
            let rest = self.body.get(self.position..).ok_or(NotPlain)?;
            let room = self.buffer.get_mut(length..).ok_or(NotPlain)?;
            let copied = copy_plain(rest, room);
            self.position += copied.read;
            length += copied.written;
            match copied.stopped_at {
                StoppedAt::Quote => return Ok(length),
                StoppedAt::Escape => length += self.read_escape(length)?,
                StoppedAt::EndOfRoom => self.grow_buffer()?,
                // A string does not end with the body; two brackets do, at least.
                StoppedAt::EndOfBody => return self.read_string_end(length),
                StoppedAt::Control => return Err(NotPlain),
            }
        }
    }

    /// [`SegmentStrings::read_string`] for the last bytes of a body, one by one.
    fn read_string_end(&mut self, mut length: usize) -> Result<usize, NotPlain> {
        loop {
            match self.body.get(self.position).ok_or(NotPlain)? {
                b'"' => {
                    self.position += 1;
                    return Ok(length);
                }
                b'\\' => length += self.read_escape(length)?,
                byte => {
                    if *byte < b' ' {
                        return Err(NotPlain);
                    }
                    *self.buffer.get_mut(length).ok_or(NotPlain)? = *byte;
                    length += 1;
                    self.position += 1;
                }
            }
        }
    }

    /// Reads a backslash and what belongs to it; gives how many bytes it stands for.
    fn read_escape(&mut self, length: usize) -> Result<usize, NotPlain> {
        let rest = self.body.get(self.position..).ok_or(NotPlain)?;
        let [b'\\', escaped, ..] = rest else { return Err(NotPlain) };
        let byte = match escaped {
            b'"' | b'\\' | b'/' => *escaped,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x08,
            b'f' => 0x0c,
            b'u' => return self.read_unicode_escape(length),
            _ => return Err(NotPlain),
        };
        *self.buffer.get_mut(length).ok_or(NotPlain)? = byte;
        self.position += 2;
        Ok(1)
    }

    fn read_unicode_escape(&mut self, length: usize) -> Result<usize, NotPlain> {
        let rest = self.body.get(self.position..).ok_or(NotPlain)?;
        let first = utf16_unit(rest).ok_or(NotPlain)?;
        let (character, read) = match char::from_u32(u32::from(first)) {
            Some(character) => (character, UNICODE_ESCAPE_BYTES),
            None => {
                let second = rest.get(UNICODE_ESCAPE_BYTES..).and_then(utf16_unit);
                let pair = [first, second.ok_or(NotPlain)?];
                let character = char::decode_utf16(pair).next().and_then(Result::ok);
                (character.ok_or(NotPlain)?, 2 * UNICODE_ESCAPE_BYTES)
            }
        };
        let room = self.buffer.get_mut(length..).filter(|room| room.len() >= 4);
        let written = character.encode_utf8(room.ok_or(NotPlain)?).len();
        self.position += read;
        Ok(written)
    }

    fn grow_buffer(&mut self) -> Result<(), NotPlain> {
        if self.buffer.len() >= MOST_DOCUMENT_BYTES {
            return Err(NotPlain);
        }
        let longer = (2 * self.buffer.len()).clamp(FIRST_BUFFER_BYTES, MOST_DOCUMENT_BYTES);
        self.buffer.resize(longer, 0);
        Ok(())
    }

    /// Goes past white space and this token; `None`, and nothing past the white space is read,
    /// when something else stands there.
    fn skip(&mut self, token: &[u8]) -> Option<()> {
        self.skip_white_space();
        let is_there = self.body.get(self.position..)?.starts_with(token);
        is_there.then(|| self.position += token.len())
    }

    fn skip_white_space(&mut self) {
        let rest = self.body.get(self.position..).unwrap_or_default();
        let is_other = |byte: &u8| !matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
        let white = rest.iter().take(MOST_WHITE_SPACE).position(is_other);
        self.position += white.unwrap_or(rest.len().min(MOST_WHITE_SPACE));
    }
}

/// What [`copy_plain`] did.
struct Copied {
    read: usize,
    written: usize,
    stopped_at: StoppedAt,
}

enum StoppedAt {
    /// The end of the string, which was read as well.
    Quote,
    /// A backslash, which was not read.
    Escape,
    /// There is too little room left.
    EndOfRoom,
    /// There are too few bytes left for a whole word.
    EndOfBody,
    /// A character that must not stand in a string.
    Control,
}

/// Copies a string as far as it is plain or has the one escape that every document is full of, a
/// quote.
///
/// All bytes of all documents go through here. Per block, first the places of all special bytes
/// are found, without a branch, and then the runs between them are copied, sixteen bytes at a time
/// whatever their length: most are shorter, and what is too much is written over by the next run.
fn copy_plain(body: &[u8], room: &mut [u8]) -> Copied {
    let (mut read, mut written) = (0, 0);
    loop {
        let stopped = |stopped_at| Copied { read, written, stopped_at };
        let Some(target) = room.get_mut(written..).and_then(<[u8]>::first_chunk_mut) else {
            return stopped(StoppedAt::EndOfRoom);
        };
        let Some(block) = body.get(read..).and_then(<[u8]>::first_chunk) else {
            return stopped(StoppedAt::EndOfBody);
        };
        let (read_here, written_here, stopped_at) = copy_block(block, target);
        read += read_here;
        written += written_here;
        if let Some(stopped_at) = stopped_at {
            return Copied { read, written, stopped_at };
        }
    }
}

/// A block of [`BLOCK`] bytes, and some more that may be looked at or written over.
type Block = [u8; BLOCK + RUN];

/// Copies one block; gives how much was read and written, and why not all was.
fn copy_block(block: &Block, target: &mut Block) -> (usize, usize, Option<StoppedAt>) {
    let mut special = special_bytes(block);
    let (mut read, mut written) = (0, 0);
    while special != 0 {
        let place = usize::try_from(special.trailing_zeros()).unwrap_or(BLOCK);
        copy_run(block, read..place, target, written);
        written += place - read;
        read = place;
        let stopped_at = match (block.get(place), block.get(place + 1)) {
            (Some(b'\\'), Some(b'"')) => {
                if let Some(byte) = target.get_mut(written) {
                    *byte = b'"';
                }
                written += 1;
                read += 2;
                // The backslash, and the quote where it is in this block as well.
                special &= special - 1;
                special &=
                    !(1_u64.checked_shl(u32::try_from(place + 1).unwrap_or(u32::MAX)).unwrap_or(0));
                continue;
            }
            (Some(b'"'), _) => {
                read += 1;
                StoppedAt::Quote
            }
            (Some(b'\\'), _) => StoppedAt::Escape,
            _ => StoppedAt::Control,
        };
        return (read, written, Some(stopped_at));
    }
    if read < BLOCK {
        copy_run(block, read..BLOCK, target, written);
        written += BLOCK - read;
        read = BLOCK;
    }
    (read, written, None)
}

/// Copies a run, and perhaps some bytes more.
fn copy_run(block: &Block, run: Range<usize>, target: &mut Block, at: usize) {
    let from = block.get(run.start..).and_then(<[u8]>::first_chunk::<RUN>);
    let to = target.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<RUN>);
    if let (Some(from), Some(to)) = (from, to) {
        *to = *from;
    }
    if run.len() > RUN {
        let to = target.get_mut(at..at + run.len());
        if let (Some(from), Some(to)) = (block.get(run), to) {
            to.copy_from_slice(from);
        }
    }
}

/// Where in a block quotes, backslashes and control characters are: one bit for each byte, the
/// lowest for the first.
fn special_bytes(block: &Block) -> u64 {
    // Bytes of ones and zeros at first: that the compiler does for many bytes at a time.
    let mut flags = [0; BLOCK];
    for (flag, byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(*byte == b'"' || *byte == b'\\' || *byte < b' ');
    }
    // The product brings the eight ones of a word together in its highest byte: the one of byte
    // `n` is at bit `8 n`, the factor has bits at `56 - 7 n`, and no two sums meet.
    let (words, _) = flags.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        let together = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits << 8 | together
    })
}

/// An escape of UTF-16: a backslash, `u` and four digits.
const UNICODE_ESCAPE_BYTES: usize = 6;

/// The four digits of `\u0123` at the beginning.
fn utf16_unit(rest: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = rest else { return None };
    let digits = digits.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit: u16, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All documents, `None` when the body is not plain.
    fn read(body: &[u8]) -> Option<Vec<String>> {
        let mut strings = SegmentStrings::open(body)?;
        let mut documents = Vec::new();
        loop {
            match strings.next_string() {
                NextString::Document(document) => {
                    documents.push(String::from_utf8(document.to_vec()).expect("checked"));
                }
                NextString::End => return Some(documents),
                NextString::NotPlain => return None,
            }
        }
    }

    fn read_by_serde(body: &[u8]) -> Option<Vec<String>> {
        let request: PutTraceSegmentsRequest = serde_json::from_slice(body).ok()?;
        request.trace_segment_documents
    }

    fn check(list: &str, expect: Option<&[&str]>) {
        let body = format!("{{\"TraceSegmentDocuments\":{list}}}");
        let got = read(body.as_bytes());
        let expect = expect.map(|texts| texts.iter().map(ToString::to_string).collect());
        assert_eq!(got, expect, "{list}");
        if got.is_some() {
            assert_eq!(got, read_by_serde(body.as_bytes()), "{list}");
        }
    }

    #[test]
    fn strings_are_read_as_serde_reads_them() {
        check("[]", Some(&[]));
        check(" [ \n\t\r ] ", Some(&[]));
        check(r#"["a"]"#, Some(&["a"]));
        check(
            r#"["", "1234567", "12345678","123456789"  , "ä€𝄞"]"#,
            Some(&["", "1234567", "12345678", "123456789", "ä€𝄞"]),
        );
        check(r#"["{\"a\":\"\\\"b\\\"\"}"]"#, Some(&[r#"{"a":"\"b\""}"#]));
        check(r#"["\"\\\/\b\f\n\r\t"]"#, Some(&["\"\\/\u{8}\u{c}\n\r\t"]));
        check(r#"["\u0041\u00e4\u20AC\ud834\udd1e\u0000"]"#, Some(&["Aä€𝄞\0"]));
        check("[\"\u{7f}\u{80}\"]", Some(&["\u{7f}\u{80}"]));
    }

    #[test]
    fn what_is_not_plain_is_left_to_serde() {
        check("null", None);
        check("[1]", None);
        check(r#"["a",]"#, None);
        check(r#"["a" "b"]"#, None);
        check(r#"[,"a"]"#, None);
        check(r#"["a"#, None);
        check(r#"["a\"#, None);
        check(r#"["\x"]"#, None);
        check(r#"["\ud834"]"#, None);
        check(r#"["\ud834\u0041"]"#, None);
        check(r#"["\udd1e"]"#, None);
        check(r#"["\u12"]"#, None);
        check(r#"["\u12g4"]"#, None);
        check("[\"a\nb\"]", None);
        check("[\"long enough for a word\u{1f}\"]", None);
        check(r#"["a"], "Extra": 1"#, None);
        check(r#"["a"]} x"#, None);
        check(&format!("[{}\"a\"]", " ".repeat(4 * MOST_WHITE_SPACE)), None);
        assert_eq!(read(b"{\"TraceSegmentDocuments\":[\"\xff\"]}"), None);
        assert_eq!(read(b""), None);
        assert_eq!(read(br#"["a"]"#), None);
        assert_eq!(read(br#"{"Extra":1}"#), None);
    }

    #[test]
    fn bounds() {
        let list = |count: usize| format!("[{}]", vec!["\"x\""; count].join(","));
        check(&list(50), Some(&["x"; 50]));
        check(&list(51), None);
        for length in
            [FIRST_BUFFER_BYTES, MOST_SHARED_BYTES, 64 << 10, MOST_DOCUMENT_BYTES - BLOCK - RUN]
        {
            let document = "\\".repeat(length);
            check(&format!("[\"{}\"]", document.replace('\\', "\\\\")), Some(&[&document]));
        }
        check(&format!("[\"{}\"]", "x".repeat(MOST_DOCUMENT_BYTES)), None);
    }

    #[test]
    fn short_documents_share_memory_and_take_no_more_than_the_body() {
        let lengths = [100, MOST_SHARED_BYTES, 1, MOST_SHARED_BYTES + 1, 0, 2_000];
        let texts: Vec<String> =
            lengths.iter().cycle().take(50).map(|length| "x".repeat(*length)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let list = serde_json::to_string(&texts).expect("JSON");
        check(&list, Some(&texts));
        let body = format!("{{\"TraceSegmentDocuments\":{list}}}");
        let mut strings = SegmentStrings::open(body.as_bytes()).expect("a plain body");
        let NextString::Document(first) = strings.next_string() else { panic!("a document") };
        assert!(!first.is_unique() && strings.documents.capacity() <= SHARED_BYTES - 100);
        let mut alone =
            SegmentStrings::open(br#"{"TraceSegmentDocuments":["abc"]}"#).expect("plain");
        let NextString::Document(_) = alone.next_string() else { panic!("a document") };
        assert!(alone.documents.capacity() < 8);
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK {
                let mut block = [b'x'; BLOCK + RUN];
                block[place] = byte;
                let is_special = matches!(byte, b'"' | b'\\' | 0..0x20);
                let expect = u64::from(is_special) << place;
                assert_eq!(special_bytes(&block), expect, "{byte} at {place}");
            }
        }
        assert_eq!(special_bytes(&[b'"'; BLOCK + RUN]), u64::MAX);
    }

    #[test]
    fn escapes_may_stand_anywhere() {
        for before in 0..2 * BLOCK {
            let document =
                format!("{}\"{}\\{}\n", "x".repeat(before), "y".repeat(40), "z".repeat(90));
            let list = serde_json::to_string(&[&document, &document]).expect("JSON");
            check(&list, Some(&[&document, &document]));
        }
    }

    proptest! {
        /// What serde writes and what it reads is the measure; pieces of JSON make trouble likely.
        #[test]
        fn agrees_with_serde(
            texts in prop::collection::vec("(\\PC|[\"\\\\{}\n\t\u{0}-\u{1f}]|[a-z]{1,20}){0,40}", 0..6),
            is_pretty in any::<bool>(),
            (at, piece) in (any::<prop::sample::Index>(), "(|\\\\|\"|\\\\u|\\\\ud8|,|\\]|\\}|x|\u{1})"),
        ) {
            let body = serde_json::json!({"TraceSegmentDocuments": texts});
            let mut body = if is_pretty {
                serde_json::to_string_pretty(&body).expect("JSON")
            } else {
                body.to_string()
            };
            prop_assert_eq!(read(body.as_bytes()), Some(texts));
            let mut place = at.index(body.len());
            while !body.is_char_boundary(place) {
                place -= 1;
            }
            body.insert_str(place, &piece);
            if let Some(got) = read(body.as_bytes()) {
                prop_assert_eq!(Some(got), read_by_serde(body.as_bytes()));
            }
        }
    }
}
