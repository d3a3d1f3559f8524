//! Files of format version 1: a frame for each document, as it came. They are read, and never
//! written.
//!
//! In them a document may hold the marker: one with invalid UTF-8 is kept byte for byte. The
//! search for the next frame after damage takes no frame for one there: the length behind the
//! marker is below 2^24, so its last byte is NUL, which JSON allows nowhere, and which parsing
//! refuses before a document is stored. By accident, the checksum would have to be right too.
//!
//! The trace id of a frame, which version 2 leaves to the document, may be any 16 bytes. Somebody
//! could make one that holds marker, length and checksum of a frame within his own document. It is
//! met only when the frame around it is damaged, and shows nothing that its maker could not have
//! sent as it is.

use roentgen_model::Timestamp;

/// Bytes of a payload before the document: when it was received, and its trace id.
pub(super) const PAYLOAD_HEADER_BYTES: usize = 8 + 16;
/// Bytes of the largest payload: its document had at most 64 KiB.
pub(super) const MAX_PAYLOAD_BYTES: usize = PAYLOAD_HEADER_BYTES + (64 << 10);

/// When the document of a payload was received, and the document.
pub(super) fn open(payload: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (received, rest) = payload.split_first_chunk::<8>()?;
    let (_trace_id, document) = rest.split_first_chunk::<16>()?;
    Some((Timestamp::from_micros(i64::from_le_bytes(*received)), document))
}

/// Appends the frame of a document, as version 1 did.
#[cfg(test)]
pub(super) fn append(received: Timestamp, document: &[u8], buffer: &mut Vec<u8>) {
    use super::frame::{Version, checksum};

    let length = u32::try_from(PAYLOAD_HEADER_BYTES + document.len()).unwrap().to_le_bytes();
    let received = received.as_micros().to_le_bytes();
    let id = [1; 16];
    let crc = checksum(&[&length, &received, &id, document]).to_le_bytes();
    for part in [&Version::One.marker(), &length, &crc, &received[..], &id, document] {
        buffer.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use roentgen_model::{Document, TraceId};

    use super::*;
    use crate::log::frame::{FRAME_HEADER_BYTES, Parsed, Version, parse};
    use crate::log::scan::{Piece, Pieces};

    #[test]
    fn a_payload_is_a_time_an_id_and_a_document() {
        let received = Timestamp::from_micros(1_795_334_983_877_574);
        let mut frame = Vec::new();
        append(received, b"{}", &mut frame);
        assert_eq!(frame[..8], *b"\xffXR\xfe\x1a\x00\x00\x00");
        let Parsed::Frame(payload, 38) = parse(Version::One, &frame) else { panic!("{frame:x?}") };
        assert_eq!(open(payload), Some((received, &b"{}"[..])));
        assert_eq!(open(&payload[..23]), None);
    }

    #[test]
    fn no_frame_is_found_in_a_document_that_holds_a_marker() {
        let marker = Version::One.marker();
        let id = TraceId::from_bytes([0xEE; 16]);
        let document = |forged: &[u8]| {
            let head = format!(
                r#"{{"trace_id":"{id}","id":"00000000000000aa","name":"app","start_time":1,"end_time":2,"metadata":{{"forged":""#
            );
            [head.as_bytes(), forged, br#""}}"#].concat()
        };
        let is_stored = |forged: &[u8]| Document::parse(&document(forged)).is_ok();
        // A frame as it would stand in the log, its checksum right, and any frame's length: the
        // last byte alone keeps it from being stored.
        let mut forged = Vec::new();
        append(Timestamp::from_micros(0x2020_2020_2020_2020), br#"{'x':1}"#, &mut forged);
        assert!(!is_stored(&forged));
        for length in (24..=24 + 65_536_u32).step_by(61) {
            let [.., high] = length.to_le_bytes();
            assert_eq!(high, 0);
            assert!(!is_stored(&[&marker[..], b"aaa", &[high]].concat()), "{length}");
        }
        assert!(is_stored(&[&marker[..], b"aaaa"].concat()));
        // What a document can hold: the marker, and bytes that JSON and its repair let through.
        let mut stored = 0;
        for length in [[0x20; 4], [0xFF; 4], [0x1F, 0x20, 0x80, 0xC0], [0x09, 0x0A, 0x0D, 0x20]] {
            let plausible = [&marker[..], &length, &forged[8..12], &[b' '; 200]].concat();
            stored += usize::from(is_stored(&plausible));
            let mut bytes = Vec::new();
            append(Timestamp::default(), &document(&plausible), &mut bytes);
            let first = bytes.len() as u64;
            append(Timestamp::default(), &document(&plausible), &mut bytes);
            for hit in 0..FRAME_HEADER_BYTES {
                let mut bytes = bytes.clone();
                bytes[hit] ^= 0x10;
                let mut pieces = Pieces::new(&bytes[..], Version::One, 0);
                let damage = Piece::Damage { offset: 0, bytes: first };
                assert_eq!(pieces.next().unwrap(), Some(damage), "{length:?} {hit}");
                let found = pieces.next().unwrap();
                let is_second =
                    matches!(found, Some(Piece::Frame { offset, .. }) if offset == first);
                assert!(is_second, "{length:?} {hit} {found:?}");
                assert_eq!(pieces.next().unwrap(), None);
            }
        }
        assert!(stored >= 2, "{stored} of the documents could be stored");
    }
}
