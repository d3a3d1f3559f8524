//! The envelope of everything in a log file: the file's header, and frames with a checksum.
//!
//! In files of version 2 the marker stands at the beginning of frames and nowhere else, whatever
//! the documents are and however they are compressed. So the search for the next frame after
//! damage never takes a part of a frame for one. Why that is so:
//!
//! * The marker begins with its only `FF`, so no two markers overlap, and none begins in one
//!   frame and ends in the next.
//! * It has no NUL, and the length behind it is below 2^24, so that its highest byte is one: no
//!   marker begins in the length.
//! * None begins in the checksum and ends in the first byte of the payload, whose values are not
//!   among the marker's. A checksum that is the marker itself is avoided by a bit of the payload
//!   that is there for nothing else: the checksums of two payloads that differ in one bit differ.
//! * A payload with a marker in it is *escaped*: a NUL is put behind each of the marker's first
//!   three bytes.

use std::ops::RangeInclusive;

use super::version_1;

/// The oldest version of the format that is read.
pub(crate) const OLDEST_VERSION: u32 = 1;
/// The newest one: the one that is written.
pub(crate) const NEWEST_VERSION: u32 = 2;
/// Bytes of a file's header.
pub(crate) const FILE_HEADER_BYTES: usize = 16;
/// Bytes of a frame before its payload.
pub(super) const FRAME_HEADER_BYTES: usize = 12;
/// Bytes of the largest payload: what version 2 needs for a document of the largest size that
/// does not compress, every third byte of it escaped. Version 1 needs less.
pub(super) const MAX_PAYLOAD_BYTES: usize = 96 << 10;
/// Bytes of the largest frame.
pub(super) const MAX_FRAME_BYTES: usize = FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES;

/// How every log file begins.
const MAGIC: [u8; 8] = *b"ROENTGEN";
/// Bytes of a marker.
pub(super) const MARKER_BYTES: usize = 4;
/// The first byte of a payload has its kind in the lower bits…
const KIND_BITS: u8 = 0x07;
/// … a bit without a meaning, to have another checksum…
const ALTERED: u8 = 0x40;
/// … and whether the rest is escaped.
const ESCAPED: u8 = 0x80;

/// A version of the format that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A frame for each document.
    One,
    /// Documents compressed in blocks.
    Two,
}

impl Version {
    /// All of them, the newest first.
    pub(super) const ALL: [Self; 2] = [Self::Two, Self::One];

    /// The version of a header's number.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }

    pub(super) fn number(self) -> u32 {
        match self {
            Self::One => OLDEST_VERSION,
            Self::Two => NEWEST_VERSION,
        }
    }

    /// The sizes that a payload can have.
    fn payload_sizes(self) -> RangeInclusive<usize> {
        match self {
            Self::One => version_1::PAYLOAD_HEADER_BYTES..=version_1::MAX_PAYLOAD_BYTES,
            Self::Two => 1..=MAX_PAYLOAD_BYTES,
        }
    }

    /// What every frame begins with. Each version has its own, so that no frame is taken for one
    /// of another version.
    pub(super) const fn marker(self) -> [u8; MARKER_BYTES] {
        match self {
            Self::One => [0xFF, b'X', b'R', 0xFE],
            Self::Two => [0xFF, b'L', b'2', 0xFE],
        }
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// The payload of a frame of so many bytes, its checksum right.
    Frame(&'a [u8], usize),
    /// The beginning of a frame that would have so many bytes, or at least that many.
    Incomplete(usize),
    /// No frame.
    Damaged,
}

/// What a file's header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileHeader {
    /// A file of this version.
    Version(u32),
    /// No header of ours, or a damaged one.
    Damaged,
}

/// The header of a new file.
pub(super) fn file_header(version: Version) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    let version = version.number().to_le_bytes();
    let crc = checksum(&[&MAGIC, &version]).to_le_bytes();
    let bytes = MAGIC.into_iter().chain(version).chain(crc);
    header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    header
}

/// Reads a file's header.
pub(super) fn parse_file_header(header: &[u8; FILE_HEADER_BYTES]) -> FileHeader {
    let Some((magic, rest)) = header.split_first_chunk::<8>() else { return FileHeader::Damaged };
    let Some((version, rest)) = rest.split_first_chunk::<4>() else { return FileHeader::Damaged };
    let crc = checksum(&[magic, version]).to_le_bytes();
    if *magic != MAGIC || rest != crc {
        return FileHeader::Damaged;
    }
    FileHeader::Version(u32::from_le_bytes(*version))
}

/// Appends a frame of version 2 to a buffer. Its payload is the kind, at most 7, and these parts.
/// `None`, with the buffer as it was, when that is more than a frame holds.
pub(super) fn append(kind: u8, parts: &[&[u8]], buffer: &mut Vec<u8>) -> Option<()> {
    let marker = Version::Two.marker();
    let start = buffer.len();
    buffer.extend_from_slice(&marker);
    buffer.extend_from_slice(&[0; FRAME_HEADER_BYTES - MARKER_BYTES]);
    buffer.push(kind & KIND_BITS);
    let content_start = buffer.len();
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
    if find(marker, buffer.get(content_start..)?).is_some() {
        let content = buffer.split_off(content_start);
        buffer.pop();
        buffer.push(kind & KIND_BITS | ESCAPED);
        escape(&content, buffer);
    }
    let sealed = seal(buffer.get_mut(start..)?);
    if sealed.is_none() {
        buffer.truncate(start);
    }
    sealed
}

/// Enters length and checksum in a frame.
fn seal(frame: &mut [u8]) -> Option<()> {
    let (marker, rest) = frame.split_first_chunk_mut::<4>()?;
    let (length, rest) = rest.split_first_chunk_mut::<4>()?;
    let (crc, payload) = rest.split_first_chunk_mut::<4>()?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        return None;
    }
    *length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    *crc = checksum(&[length, payload]).to_le_bytes();
    if crc == marker {
        *payload.first_mut()? |= ALTERED;
        *crc = checksum(&[length, payload]).to_le_bytes();
    }
    Some(())
}

/// Reads the frame at the beginning of some bytes.
pub(super) fn parse(version: Version, bytes: &[u8]) -> Parsed<'_> {
    let expected = version.marker();
    let Some((marker, rest)) = bytes.split_first_chunk::<4>() else {
        let is_beginning = expected.starts_with(bytes);
        return if is_beginning { Parsed::Incomplete(FRAME_HEADER_BYTES) } else { Parsed::Damaged };
    };
    if *marker != expected {
        return Parsed::Damaged;
    }
    let Some((length, rest)) = rest.split_first_chunk::<4>() else {
        return Parsed::Incomplete(FRAME_HEADER_BYTES);
    };
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else {
        return Parsed::Incomplete(FRAME_HEADER_BYTES);
    };
    let Ok(payload_bytes) = usize::try_from(u32::from_le_bytes(*length)) else {
        return Parsed::Damaged;
    };
    if !version.payload_sizes().contains(&payload_bytes) {
        return Parsed::Damaged;
    }
    let frame_bytes = FRAME_HEADER_BYTES + payload_bytes;
    let Some(payload) = rest.get(..payload_bytes) else { return Parsed::Incomplete(frame_bytes) };
    if checksum(&[length, payload]).to_le_bytes() != *crc {
        return Parsed::Damaged;
    }
    Parsed::Frame(payload, frame_bytes)
}

/// The kind and the content of a payload of version 2. Uses the buffer when it was escaped.
pub(super) fn open<'a>(payload: &'a [u8], buffer: &'a mut Vec<u8>) -> Option<(u8, &'a [u8])> {
    let (&first, content) = payload.split_first()?;
    let kind = first & !(ESCAPED | ALTERED);
    if first & ESCAPED == 0 {
        return Some((kind, content));
    }
    buffer.clear();
    unescape(content, buffer);
    Some((kind, buffer))
}

/// Where the marker first stands in some bytes.
pub(super) fn find(marker: [u8; MARKER_BYTES], bytes: &[u8]) -> Option<usize> {
    bytes.windows(MARKER_BYTES).position(|window| window == marker)
}

/// Appends bytes to others with a NUL behind the marker's first three bytes wherever they stand.
fn escape(bytes: &[u8], escaped: &mut Vec<u8>) {
    let [beginning @ .., _] = Version::Two.marker();
    for &byte in bytes {
        escaped.push(byte);
        // What stood in the buffer before does not end like a beginning of the marker.
        if escaped.ends_with(&beginning) {
            escaped.push(0);
        }
    }
}

fn unescape(escaped: &[u8], bytes: &mut Vec<u8>) {
    let [beginning @ .., _] = Version::Two.marker();
    let mut is_escape = false;
    for &byte in escaped {
        if !is_escape {
            bytes.push(byte);
        }
        is_escape = !is_escape && bytes.ends_with(&beginning);
    }
}

/// The CRC-32 of parts that follow each other.
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARKER: [u8; 4] = Version::Two.marker();

    fn framed(content: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        append(2, &[content], &mut frame).unwrap();
        frame
    }

    fn opened(payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let mut buffer = vec![1, 2, 3];
        open(payload, &mut buffer).map(|(kind, content)| (kind, content.to_vec()))
    }

    #[test]
    fn the_bytes_are_those_of_the_format_description() {
        let header = |version| file_header(version);
        assert_eq!(header(Version::One), *b"ROENTGEN\x01\x00\x00\x00\xfd\x57\xcc\xd0");
        assert_eq!(header(Version::Two)[..12], *b"ROENTGEN\x02\x00\x00\x00");
        assert_eq!(
            header(Version::Two)[12..],
            crc32fast::hash(&header(Version::Two)[..12]).to_le_bytes()
        );
        let frame = framed(b"content");
        assert_eq!(frame[..8], *b"\xffL2\xfe\x08\x00\x00\x00");
        assert_eq!(
            frame[8..12],
            crc32fast::hash(&[&frame[4..8], &frame[12..]].concat()).to_le_bytes()
        );
        assert_eq!(frame[12..], *b"\x02content");
        assert_eq!(framed(b"ab\xffL2\xfe")[12..], *b"\x82ab\xffL2\x00\xfe");
    }

    #[test]
    fn headers_tell_version_and_damage() {
        for version in Version::ALL {
            let number = version.number();
            assert_eq!(parse_file_header(&file_header(version)), FileHeader::Version(number));
            assert_eq!(Version::from_number(number), Some(version));
            for bit in 0..FILE_HEADER_BYTES * 8 {
                let mut header = file_header(version);
                header[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(parse_file_header(&header), FileHeader::Damaged, "bit {bit}");
            }
        }
        assert_eq!(Version::from_number(0), None);
        assert_eq!(Version::from_number(NEWEST_VERSION + 1), None);
    }

    #[test]
    fn what_is_too_large_makes_no_frame() {
        let mut buffer = vec![1];
        assert_eq!(append(2, &[&[0; MAX_PAYLOAD_BYTES]], &mut buffer), None);
        assert_eq!(buffer, [1]);
        append(2, &[&[0; MAX_PAYLOAD_BYTES - 1]], &mut buffer).unwrap();
        assert!(
            matches!(parse(Version::Two, &buffer[1..]), Parsed::Frame(_, MAX_FRAME_BYTES)),
            "largest frame"
        );
    }

    #[test]
    fn no_marker_overlaps_another() {
        for version in Version::ALL {
            let [first, rest @ ..] = version.marker();
            assert!(!rest.contains(&first) && !version.marker().contains(&0));
            let first_bytes = (0..=KIND_BITS)
                .flat_map(|kind| [kind, kind | ALTERED, kind | ESCAPED, kind | ALTERED | ESCAPED]);
            for first in first_bytes {
                assert!(!version.marker().contains(&first), "{first:x}");
            }
        }
    }

    /// Four bytes that give the checksum of what stands before and of them this value.
    fn forge(before: &[u8], value: u32) -> [u8; 4] {
        // The register is turned back through the bits of four NULs, which leaves what must be
        // exclusive-ored on it before them.
        let mut register = !value;
        for _ in 0..32 {
            let low = register >> 31;
            register = (register ^ (low * 0xEDB8_8320)) << 1 | low;
        }
        (register ^ !crc32fast::hash(before)).to_le_bytes()
    }

    #[test]
    fn a_checksum_is_never_the_marker() {
        let length = 12_u32.to_le_bytes();
        let content = b"1234567";
        let tail = forge(&[&length[..], &[2], content].concat(), u32::from_le_bytes(MARKER));
        assert_eq!(checksum(&[&length, &[2], content, &tail]).to_le_bytes(), MARKER, "forged");
        let content = [&content[..], &tail].concat();
        let frame = framed(&content);
        assert_ne!(frame[8..12], MARKER);
        assert_eq!(frame[12], 2 | ALTERED);
        let Parsed::Frame(payload, _) = parse(Version::Two, &frame) else { panic!("{frame:x?}") };
        assert_eq!(opened(payload), Some((2, content)));
    }

    /// Bytes among which markers and their beginnings are frequent.
    fn marker_like() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            Just(MARKER.to_vec()),
            (1..4_usize).prop_map(|length| MARKER[..length].to_vec()),
            Just(vec![0]),
            prop::collection::vec(any::<u8>(), 0..20),
        ];
        prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn frames_come_back(kind in 0..=KIND_BITS, content in marker_like(), before: Vec<u8>) {
            let mut bytes = before.clone();
            append(kind, &[&content[..content.len() / 2], &content[content.len() / 2..]], &mut bytes).unwrap();
            prop_assert!(bytes.starts_with(&before));
            let mut frame = bytes.split_off(before.len());
            let length = frame.len();
            for end in 0..length {
                let is_incomplete = matches!(
                    parse(Version::Two, &frame[..end]),
                    Parsed::Incomplete(needed) if needed > end && needed <= length
                );
                prop_assert!(is_incomplete, "{}", end);
            }
            frame.extend_from_slice(b"more");
            let Parsed::Frame(payload, bytes) = parse(Version::Two, &frame) else { panic!("{frame:x?}") };
            prop_assert_eq!(bytes, length);
            prop_assert_eq!(opened(payload), Some((kind, content)));
        }

        #[test]
        fn the_marker_stands_only_where_frames_begin(contents in prop::collection::vec(marker_like(), 1..5)) {
            let mut bytes = file_header(Version::Two).to_vec();
            let mut begins = Vec::new();
            for content in &contents {
                begins.push(bytes.len());
                append(2, &[content], &mut bytes).unwrap();
            }
            let found: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&MARKER)).collect();
            prop_assert_eq!(found, begins);
        }

        #[test]
        fn no_flipped_bit_goes_unseen(content in marker_like(), bit: prop::sample::Index) {
            let mut frame = framed(&content);
            let bit = bit.index(frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            let is_frame = matches!(parse(Version::Two, &frame), Parsed::Frame(..));
            prop_assert!(!is_frame);
        }

        #[test]
        fn garbage_is_no_frame_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for version in Version::ALL {
                let with_marker = [&version.marker()[..], &bytes].concat();
                let is_frame = |bytes| matches!(parse(version, bytes), Parsed::Frame(..));
                prop_assert!(!is_frame(&bytes) && !is_frame(&with_marker));
            }
            opened(&bytes);
        }
    }
}
