//! The bytes of a log file: its header, and one frame for each document.

use roentgen_model::{MAX_DOCUMENT_BYTES, Timestamp, TraceId};

use crate::ReceivedDocument;

/// The version of the format that is written and read.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a file's header.
pub(crate) const FILE_HEADER_BYTES: usize = 16;
/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 12;
/// Bytes of a frame's payload before the document.
const PAYLOAD_HEADER_BYTES: usize = 24;
/// Bytes of the largest frame.
pub(crate) const MAX_FRAME_BYTES: usize =
    FRAME_HEADER_BYTES + PAYLOAD_HEADER_BYTES + MAX_DOCUMENT_BYTES;

const MAGIC: [u8; 8] = *b"ROENTGEN";
/// Every frame begins with this.
///
/// The search for the next frame after damage may meet the marker inside a document: one with
/// invalid UTF-8 is kept byte for byte. It takes no frame for one there: the length behind the
/// marker is below 2^24, so its last byte is NUL, which JSON allows nowhere, and which parsing
/// refuses before a document is stored. By accident, the checksum would have to be right too.
///
/// A trace id may be any 16 bytes. Somebody could make one that holds marker, length and
/// checksum of a frame within his own document. It is met only when the frame around it is
/// damaged, and shows nothing that its maker could not have sent as it is.
pub(crate) const MARKER: [u8; 4] = [0xFF, b'X', b'R', 0xFE];

/// One document as it stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) trace_id: TraceId,
    pub(crate) received: Timestamp,
    pub(crate) document: &'a [u8],
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A frame of so many bytes, its checksum right.
    Frame(Frame<'a>, usize),
    /// The beginning of a frame, as far as can be told.
    Incomplete,
    /// No frame.
    Damaged,
}

/// What a file's header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileHeader {
    /// A file of this version.
    Version(u32),
    /// No header of ours, or a damaged one.
    Damaged,
}

/// The header of a new file.
pub(crate) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    let version = VERSION.to_le_bytes();
    let crc = checksum(&[&MAGIC, &version]).to_le_bytes();
    let bytes = MAGIC.into_iter().chain(version).chain(crc);
    header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    header
}

/// Reads a file's header.
pub(crate) fn parse_file_header(header: &[u8; FILE_HEADER_BYTES]) -> FileHeader {
    let Some((magic, rest)) = header.split_first_chunk::<8>() else { return FileHeader::Damaged };
    let Some((version, rest)) = rest.split_first_chunk::<4>() else { return FileHeader::Damaged };
    let crc = checksum(&[magic, version]).to_le_bytes();
    if *magic != MAGIC || rest != crc {
        return FileHeader::Damaged;
    }
    FileHeader::Version(u32::from_le_bytes(*version))
}

/// Appends a document's frame to a buffer; returns the frame's length, or `None`, with the
/// buffer as it was, when the document is too large.
pub(crate) fn encode(document: &ReceivedDocument, buffer: &mut Vec<u8>) -> Option<u32> {
    if document.bytes.len() > MAX_DOCUMENT_BYTES {
        return None;
    }
    let payload_bytes = u32::try_from(PAYLOAD_HEADER_BYTES + document.bytes.len()).ok()?;
    let length = payload_bytes.to_le_bytes();
    let received = document.received.as_micros().to_le_bytes();
    let id = document.trace_id.to_bytes();
    let crc = checksum(&[&length, &received, &id, &document.bytes]).to_le_bytes();
    for part in [&MARKER, &length, &crc, &received[..], &id, &document.bytes] {
        buffer.extend_from_slice(part);
    }
    u32::try_from(FRAME_HEADER_BYTES).ok()?.checked_add(payload_bytes)
}

/// Reads the frame at the beginning of some bytes.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((marker, rest)) = bytes.split_first_chunk::<4>() else {
        return if MARKER.starts_with(bytes) { Parsed::Incomplete } else { Parsed::Damaged };
    };
    if *marker != MARKER {
        return Parsed::Damaged;
    }
    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Parsed::Incomplete };
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else { return Parsed::Incomplete };
    let Ok(payload_bytes) = usize::try_from(u32::from_le_bytes(*length)) else {
        return Parsed::Damaged;
    };
    let frame_bytes = FRAME_HEADER_BYTES.saturating_add(payload_bytes);
    if payload_bytes < PAYLOAD_HEADER_BYTES || frame_bytes > MAX_FRAME_BYTES {
        return Parsed::Damaged;
    }
    let Some(payload) = rest.get(..payload_bytes) else { return Parsed::Incomplete };
    if checksum(&[length, payload]).to_le_bytes() != *crc {
        return Parsed::Damaged;
    }
    let Some((received, rest)) = payload.split_first_chunk::<8>() else { return Parsed::Damaged };
    let Some((id, document)) = rest.split_first_chunk::<16>() else { return Parsed::Damaged };
    let frame = Frame {
        trace_id: TraceId::from_bytes(*id),
        received: Timestamp::from_micros(i64::from_le_bytes(*received)),
        document,
    };
    Parsed::Frame(frame, frame_bytes)
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(bytes: &[u8]) -> ReceivedDocument {
        ReceivedDocument {
            trace_id: TraceId::from_bytes(*b"0123456789abcdef"),
            received: Timestamp::from_micros(1_795_334_983_877_574),
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_format_description() {
        assert_eq!(
            file_header(),
            *b"ROENTGEN\x01\x00\x00\x00\xfd\x57\xcc\xd0",
            "{:02x?}",
            file_header()
        );
        let mut bytes = Vec::new();
        assert_eq!(encode(&document(b"{}"), &mut bytes), Some(38));
        assert_eq!(bytes[..8], *b"\xffXR\xfe\x1a\x00\x00\x00");
        assert_eq!(
            bytes[8..12],
            crc32fast::hash(&[&bytes[4..8], &bytes[12..]].concat()).to_le_bytes()
        );
        assert_eq!(bytes[12..20], 1_795_334_983_877_574_i64.to_le_bytes());
        assert_eq!(bytes[20..], *b"0123456789abcdef{}");
    }

    #[test]
    fn a_document_over_the_limit_makes_no_frame() {
        let mut bytes = vec![1];
        assert_eq!(encode(&document(&vec![b' '; MAX_DOCUMENT_BYTES + 1]), &mut bytes), None);
        assert_eq!(bytes, [1]);
        assert!(encode(&document(&vec![b' '; MAX_DOCUMENT_BYTES]), &mut bytes).is_some());
        assert!(matches!(parse(&bytes[1..]), Parsed::Frame(_, MAX_FRAME_BYTES)), "largest frame");
    }

    #[test]
    fn headers_tell_version_and_damage() {
        assert_eq!(parse_file_header(&file_header()), FileHeader::Version(1));
        for bit in 0..FILE_HEADER_BYTES * 8 {
            let mut header = file_header();
            header[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse_file_header(&header), FileHeader::Damaged, "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn frames_come_back(id: [u8; 16], received: i64, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let document = ReceivedDocument {
                trace_id: TraceId::from_bytes(id),
                received: Timestamp::from_micros(received),
                bytes,
            };
            let mut frame = Vec::new();
            let length = encode(&document, &mut frame).unwrap();
            prop_assert_eq!(frame.len(), length as usize);
            for end in 0..frame.len() {
                prop_assert_eq!(parse(&frame[..end]), Parsed::Incomplete);
            }
            frame.extend_from_slice(b"more");
            let expect = Frame { trace_id: document.trace_id, received: document.received, document: &document.bytes };
            prop_assert_eq!(parse(&frame), Parsed::Frame(expect, length as usize));
        }

        #[test]
        fn no_flipped_bit_goes_unseen(bytes in prop::collection::vec(any::<u8>(), 0..100), bit: prop::sample::Index) {
            let mut frame = Vec::new();
            encode(&document(&bytes), &mut frame).unwrap();
            let bit = bit.index(frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            let is_frame = matches!(parse(&frame), Parsed::Frame(..));
            prop_assert!(!is_frame);
        }

        #[test]
        fn garbage_is_no_frame_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let with_marker = [&MARKER[..], &bytes].concat();
            let is_frame = |bytes| matches!(parse(bytes), Parsed::Frame(..));
            prop_assert!(!is_frame(&bytes) && !is_frame(&with_marker));
        }
    }
}
