//! Reading a log file from end to end, past whatever damage is in it.

use std::io::{self, Read};

use super::frame::{self, Frame, MARKER, MAX_FRAME_BYTES, Parsed};

/// Bytes read at once; any frame fits.
const CHUNK_BYTES: usize = 4 * MAX_FRAME_BYTES;

/// Something found in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A whole frame.
    Frame {
        /// Where it begins.
        offset: u64,
        /// Its length.
        length: u32,
        /// What it says.
        frame: Frame<'a>,
    },
    /// Bytes between frames that are no frame.
    Damage {
        /// Where they begin.
        offset: u64,
        /// How many there are.
        bytes: u64,
    },
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The end of the last whole frame.
    pub(crate) frames_end: u64,
    /// The end of the file. Bytes between the two are no frame: an unfinished write, or damage.
    pub(crate) file_end: u64,
}

/// Finds all frames of a file whose reader stands at `offset`.
pub(crate) fn scan(
    reader: impl Read,
    offset: u64,
    mut found: impl FnMut(Found<'_>),
) -> io::Result<Ending> {
    let mut window = Window { reader, bytes: Vec::new(), start: 0, offset, is_at_end: false };
    let mut frames_end = offset;
    loop {
        let offset = window.offset;
        let skip = match frame::parse(window.rest()) {
            Parsed::Frame(frame, bytes) => {
                if frames_end < offset {
                    found(Found::Damage { offset: frames_end, bytes: offset - frames_end });
                }
                let length = u32::try_from(bytes).map_err(io::Error::other)?;
                found(Found::Frame { offset, length, frame });
                frames_end = offset + u64::from(length);
                bytes
            }
            Parsed::Incomplete if !window.is_at_end => {
                window.fill()?;
                continue;
            }
            Parsed::Incomplete | Parsed::Damaged => window.to_next_marker(),
        };
        if skip == 0 {
            return Ok(Ending { frames_end, file_end: offset });
        }
        window.skip(skip);
    }
}

/// A stretch of the file that slides along.
struct Window<R> {
    reader: R,
    bytes: Vec<u8>,
    /// Where the part that was not looked at begins in `bytes`…
    start: usize,
    /// … and in the file.
    offset: u64,
    is_at_end: bool,
}

impl<R: Read> Window<R> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn fill(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.start.min(self.bytes.len()));
        self.start = 0;
        let limit = CHUNK_BYTES as u64;
        let read = self.reader.by_ref().take(limit).read_to_end(&mut self.bytes)?;
        self.is_at_end = read == 0;
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// How far it is from here to the next place where a frame may begin; 0 at the end.
    fn to_next_marker(&self) -> usize {
        let rest = self.rest();
        let behind_this = rest.get(1..).unwrap_or_default();
        match behind_this.windows(MARKER.len()).position(|bytes| bytes == MARKER) {
            Some(index) => index + 1,
            None if self.is_at_end => rest.len(),
            // The last bytes may begin a marker.
            None => rest.len().saturating_sub(MARKER.len() - 1).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReceivedDocument;
    use crate::log::frame::FRAME_HEADER_BYTES;
    use roentgen_model::{Timestamp, TraceId};

    /// Frames of several sizes, one of them of the largest, and where each begins.
    fn frames() -> (Vec<u8>, Vec<usize>) {
        let sizes = [5, 0, 700, MAX_FRAME_BYTES - 36, 20, 1, 3000];
        let mut bytes = Vec::new();
        let mut begins = Vec::new();
        for (number, size) in (0..).zip(sizes) {
            begins.push(bytes.len());
            let document = ReceivedDocument {
                trace_id: TraceId::from_bytes([number; 16]),
                received: Timestamp::from_micros(i64::from(number)),
                bytes: vec![b'x'; size],
            };
            frame::encode(&document, &mut bytes).unwrap();
        }
        (bytes, begins)
    }

    /// Offsets of frames, stretches of damage, and the ending.
    fn scanned(bytes: &[u8]) -> (Vec<usize>, Vec<(u64, u64)>, Ending) {
        let (mut frames, mut damage) = (Vec::new(), Vec::new());
        // A reader that gives a prime number of bytes makes the chunks end everywhere.
        let reader = OddReader(bytes);
        let ending = scan(reader, 0, |found| match found {
            Found::Frame { offset, length, frame } => {
                assert_eq!(length as usize, frame.document.len() + 36);
                frames.push(usize::try_from(offset).unwrap());
            }
            Found::Damage { offset, bytes } => damage.push((offset, bytes)),
        })
        .unwrap();
        (frames, damage, ending)
    }

    struct OddReader<'a>(&'a [u8]);

    impl Read for OddReader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(4099);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn a_whole_file_is_all_frames() {
        let (bytes, begins) = frames();
        let end = bytes.len() as u64;
        let ending = Ending { frames_end: end, file_end: end };
        assert_eq!(scanned(&bytes), (begins, vec![], ending));
        assert_eq!(scanned(&[]).2, Ending { frames_end: 0, file_end: 0 });
    }

    #[test]
    fn a_torn_tail_is_told_at_every_length() {
        let (bytes, begins) = frames();
        let last = begins[begins.len() - 1];
        for end in last..bytes.len() {
            let ending = Ending { frames_end: last as u64, file_end: end as u64 };
            assert_eq!(scanned(&bytes[..end]), (begins[..6].to_vec(), vec![], ending));
        }
    }

    #[test]
    fn damage_costs_only_the_frames_it_hits() {
        let (bytes, begins) = frames();
        for hit in [0, 2, 3, 4] {
            for inside in [0, 3, 4, 5, 7, 8, 11, 12, 25, 37] {
                let mut bytes = bytes.clone();
                bytes[begins[hit] + inside] ^= 0x10;
                let mut expect = begins.clone();
                expect.remove(hit);
                let stretch = (begins[hit] as u64, (begins[hit + 1] - begins[hit]) as u64);
                let (frames, damage, ending) = scanned(&bytes);
                assert_eq!((frames, damage), (expect, vec![stretch]), "{hit} {inside}");
                assert_eq!(ending.frames_end, ending.file_end);
            }
        }
    }

    #[test]
    fn a_length_that_reaches_past_the_end_hides_no_frame_behind_it() {
        let (mut bytes, begins) = frames();
        let hit = begins[5];
        bytes[hit + 5] = 0x40; // 16 kB more than there is.
        let (frames, damage, _) = scanned(&bytes);
        assert_eq!(frames, [&begins[..5], &begins[6..]].concat());
        assert_eq!(damage, [(hit as u64, 37)]);
    }

    #[test]
    fn no_frame_is_found_in_a_document_that_holds_a_marker() {
        let id = TraceId::from_bytes([0xEE; 16]);
        let document = |forged: &[u8]| {
            let head = format!(
                r#"{{"trace_id":"{id}","id":"00000000000000aa","name":"app","start_time":1,"end_time":2,"metadata":{{"forged":""#
            );
            [head.as_bytes(), forged, br#""}}"#].concat()
        };
        // A frame as it would stand in the log, its checksum right, and any frame's length: the
        // last byte alone keeps it from being stored.
        let inner = ReceivedDocument {
            trace_id: id,
            received: Timestamp::from_micros(0x2020_2020_2020_2020),
            bytes: br#"{'x':1}"#.to_vec(),
        };
        let mut forged = Vec::new();
        frame::encode(&inner, &mut forged).unwrap();
        assert!(roentgen_model::Document::parse(&document(&forged)).is_err());
        for length in (24..=24 + 65_536_u32).step_by(61) {
            let [.., high] = length.to_le_bytes();
            assert_eq!(high, 0);
            let marked = document(&[&MARKER[..], b"aaa", &[high]].concat());
            assert!(roentgen_model::Document::parse(&marked).is_err(), "{length}");
        }
        assert!(
            roentgen_model::Document::parse(&document(&[&MARKER[..], b"aaaa"].concat())).is_ok()
        );
        // What a document can hold: the marker, and bytes that JSON and its repair let through.
        let mut stored = 0;
        for length in [[0x20; 4], [0xFF; 4], [0x1F, 0x20, 0x80, 0xC0], [0x09, 0x0A, 0x0D, 0x20]] {
            let plausible = [&MARKER[..], &length, &forged[8..12], &[b' '; 200]].concat();
            let outer = ReceivedDocument { bytes: document(&plausible), ..inner.clone() };
            let is_stored = roentgen_model::Document::parse(&outer.bytes).is_ok();
            stored += usize::from(is_stored);
            let mut bytes = Vec::new();
            let first = frame::encode(&outer, &mut bytes).unwrap() as usize;
            frame::encode(&outer, &mut bytes).unwrap();
            for hit in 0..FRAME_HEADER_BYTES {
                let mut bytes = bytes.clone();
                bytes[hit] ^= 0x10;
                let (frames, damage, _) = scanned(&bytes);
                assert_eq!((frames, damage), (vec![first], vec![(0, first as u64)]), "{length:?}");
            }
        }
        assert!(stored >= 2, "{stored} of the documents could be stored");
    }

    #[test]
    fn garbage_in_between_is_skipped() {
        let (bytes, begins) = frames();
        let garbage = [&MARKER[..], &[0xFF; 300_000], &MARKER[..3], &[0; 100], &MARKER].concat();
        let at = begins[4];
        let mixed = [&bytes[..at], &garbage, &bytes[at..]].concat();
        let (frames, damage, _) = scanned(&mixed);
        let moved: Vec<_> = begins[4..].iter().map(|begin| begin + garbage.len()).collect();
        assert_eq!(frames, [&begins[..4], &moved].concat());
        assert_eq!(damage, [(at as u64, garbage.len() as u64)]);
    }
}
