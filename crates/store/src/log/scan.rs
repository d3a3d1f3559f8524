//! Reading a log file from end to end, past whatever damage is in it.

use std::io::{self, Read};
use std::ops::Range;

use super::block::{Block, BlockReader, LogDocument, NoBlock};
use super::file::LogFile;
use super::frame::{
    self, FILE_HEADER_BYTES, FRAME_HEADER_BYTES, MARKER_BYTES, MAX_FRAME_BYTES, Parsed, Version,
};
use super::position::Position;
use crate::StoreError;

/// Bytes read at once; any frame fits.
const CHUNK_BYTES: usize = 4 * MAX_FRAME_BYTES;

/// Something found in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A document.
    Document(Position, LogDocument<'a>),
    /// Bytes that are nothing that was written, or a block that cannot be decompressed.
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

/// Finds all documents in a range of a file, which begins where a frame does or anywhere before.
pub(crate) fn scan(
    file: &LogFile,
    offsets: Range<u64>,
    mut found: impl FnMut(Found<'_>) -> Result<(), StoreError>,
) -> Result<Ending, StoreError> {
    let fail = |error| StoreError::io("read log file", &file.path, error);
    let mut pieces = Pieces::of(file, offsets);
    let mut reader = BlockReader::new();
    let mut block = Block::default();
    while let Some(piece) = pieces.next().map_err(fail)? {
        match piece {
            Piece::Frame { offset, payload } => {
                read_piece(file, offset, payload, &mut reader, &mut block, &mut found)?;
            }
            Piece::Damage { offset, bytes } => found(Found::Damage { offset, bytes })?,
        }
    }
    Ok(pieces.ending())
}

/// Tells the documents of a frame.
pub(super) fn read_piece<E>(
    file: &LogFile,
    offset: u64,
    payload: &[u8],
    reader: &mut BlockReader,
    block: &mut Block,
    mut found: impl FnMut(Found<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let dictionary = || file.dictionary().map(|dictionary| &**dictionary);
    let at = u32::try_from(offset).ok().and_then(|offset| Position::new(file.number, offset, 0));
    match (reader.read(file.version(), payload, dictionary, block), at) {
        (Ok(()), Some(at)) => {
            for (place, document) in (0..).zip(block.documents()) {
                found(Found::Document(Position::from_u64(at.as_u64() + place), document))?;
            }
            Ok(())
        }
        (Err(NoBlock::Dictionary), _) => Ok(()),
        (Err(NoBlock::Unreadable), _) | (_, None) => {
            let bytes = (FRAME_HEADER_BYTES + payload.len()) as u64;
            found(Found::Damage { offset, bytes })
        }
    }
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole frame.
    Frame { offset: u64, payload: &'a [u8] },
    /// Bytes before a frame that are none.
    Damage { offset: u64, bytes: u64 },
}

/// Finds the frames of a file.
pub(super) struct Pieces<R> {
    reader: R,
    version: Version,
    /// A stretch of the file that slides along.
    bytes: Vec<u8>,
    /// Where the part that was not looked at begins in `bytes`…
    start: usize,
    /// … and in the file.
    offset: u64,
    is_at_end: bool,
    frames_end: u64,
}

impl<'a> Pieces<Box<dyn Read + 'a>> {
    /// Those of a range of a file.
    pub(super) fn of(file: &'a LogFile, offsets: Range<u64>) -> Self {
        let begin = offsets.start.max(FILE_HEADER_BYTES as u64);
        Self::new(Box::new(file.reader(begin..offsets.end)), file.version(), begin)
    }
}

impl<R: Read> Pieces<R> {
    /// Those of a reader that stands at `offset`.
    pub(super) fn new(reader: R, version: Version, offset: u64) -> Self {
        let (bytes, start, is_at_end, frames_end) = (Vec::new(), 0, false, offset);
        Self { reader, version, bytes, start, offset, is_at_end, frames_end }
    }

    /// The next piece. What is behind the last frame is told by [`Self::ending`].
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        loop {
            let (offset, start) = (self.offset, self.start);
            let skip = match frame::parse(self.version, self.rest()) {
                Parsed::Frame(..) if self.frames_end < offset => {
                    let damage_begin = std::mem::replace(&mut self.frames_end, offset);
                    let bytes = offset - damage_begin;
                    return Ok(Some(Piece::Damage { offset: damage_begin, bytes }));
                }
                Parsed::Frame(_, bytes) => {
                    self.skip(bytes);
                    self.frames_end = self.offset;
                    let payload = start + FRAME_HEADER_BYTES..start + bytes;
                    let payload = self.bytes.get(payload).unwrap_or_default();
                    return Ok(Some(Piece::Frame { offset, payload }));
                }
                Parsed::Incomplete(_) if !self.is_at_end => {
                    self.fill()?;
                    continue;
                }
                Parsed::Incomplete(_) | Parsed::Damaged => self.to_next_marker(),
            };
            if skip == 0 {
                return Ok(None);
            }
            self.skip(skip);
        }
    }

    /// How the file ends, once there are no more pieces.
    pub(super) fn ending(&self) -> Ending {
        Ending { frames_end: self.frames_end, file_end: self.offset }
    }

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
        match frame::find(self.version.marker(), rest.get(1..).unwrap_or_default()) {
            Some(index) => index + 1,
            None if self.is_at_end => rest.len(),
            // The last bytes may begin a marker.
            None => rest.len().saturating_sub(MARKER_BYTES - 1).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::version_1;
    use roentgen_model::Timestamp;

    /// Frames of several sizes, one of them of the largest, and where each begins.
    fn frames(version: Version) -> (Vec<u8>, Vec<usize>) {
        let largest = match version {
            Version::One => 64 << 10,
            Version::Two => frame::MAX_PAYLOAD_BYTES - 1,
        };
        let mut bytes = Vec::new();
        let mut begins = Vec::new();
        for (number, size) in (0_u8..).zip([5, 0, 700, largest, 20, 1, 3000]) {
            begins.push(bytes.len());
            let content = vec![b'a' + number; size];
            match version {
                Version::One => version_1::append(Timestamp::default(), &content, &mut bytes),
                Version::Two => frame::append(number, &[&content], &mut bytes).unwrap(),
            }
        }
        (bytes, begins)
    }

    /// Offsets of frames, stretches of damage, and the ending.
    type Pieced = (Vec<usize>, Vec<(u64, u64)>, Ending);

    fn pieces(version: Version, bytes: &[u8]) -> Pieced {
        let (mut frames, mut damage) = (Vec::new(), Vec::new());
        // A reader that gives a prime number of bytes makes the chunks end everywhere.
        let mut pieces = Pieces::new(OddReader(bytes), version, 0);
        while let Some(piece) = pieces.next().unwrap() {
            match piece {
                Piece::Frame { offset, payload } => {
                    let offset = usize::try_from(offset).unwrap();
                    assert!(bytes[offset + FRAME_HEADER_BYTES..].starts_with(payload));
                    frames.push(offset);
                }
                Piece::Damage { offset, bytes } => damage.push((offset, bytes)),
            }
        }
        (frames, damage, pieces.ending())
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
        for version in Version::ALL {
            let (bytes, begins) = frames(version);
            let end = bytes.len() as u64;
            let ending = Ending { frames_end: end, file_end: end };
            assert_eq!(pieces(version, &bytes), (begins, vec![], ending));
            assert_eq!(pieces(version, &[]).2, Ending { frames_end: 0, file_end: 0 });
        }
    }

    #[test]
    fn a_torn_tail_is_told_at_every_length() {
        for version in Version::ALL {
            let (bytes, begins) = frames(version);
            let last = begins[begins.len() - 1];
            for end in last..bytes.len() {
                let ending = Ending { frames_end: last as u64, file_end: end as u64 };
                let expect = (begins[..6].to_vec(), vec![], ending);
                assert_eq!(pieces(version, &bytes[..end]), expect);
            }
        }
    }

    #[test]
    fn damage_costs_only_the_frames_it_hits() {
        for version in Version::ALL {
            let (bytes, begins) = frames(version);
            for hit in [0, 2, 3, 4] {
                for inside in [0, 3, 4, 5, 7, 8, 11, 12, 15, 17] {
                    let mut bytes = bytes.clone();
                    bytes[begins[hit] + inside] ^= 0x10;
                    let mut expect = begins.clone();
                    expect.remove(hit);
                    let stretch = (begins[hit] as u64, (begins[hit + 1] - begins[hit]) as u64);
                    let (frames, damage, ending) = pieces(version, &bytes);
                    assert_eq!((frames, damage), (expect, vec![stretch]), "{hit} {inside}");
                    assert_eq!(ending.frames_end, ending.file_end);
                }
            }
        }
    }

    #[test]
    fn a_length_that_reaches_past_the_end_hides_no_frame_behind_it() {
        for version in Version::ALL {
            let (mut bytes, begins) = frames(version);
            let hit = begins[5];
            bytes[hit + 5] = 0x40; // 16 kB more than there is.
            let (frames, damage, _) = pieces(version, &bytes);
            assert_eq!(frames, [&begins[..5], &begins[6..]].concat());
            assert_eq!(damage, [(hit as u64, (begins[6] - hit) as u64)]);
        }
    }

    #[test]
    fn garbage_in_between_is_skipped() {
        for version in Version::ALL {
            let (bytes, begins) = frames(version);
            let marker = version.marker();
            let garbage =
                [&marker[..], &[0xFF; 400_000], &marker[..3], &[0; 100], &marker].concat();
            let at = begins[4];
            let mixed = [&bytes[..at], &garbage, &bytes[at..]].concat();
            let (frames, damage, _) = pieces(version, &mixed);
            let moved: Vec<_> = begins[4..].iter().map(|begin| begin + garbage.len()).collect();
            assert_eq!(frames, [&begins[..4], &moved].concat());
            assert_eq!(damage, [(at as u64, garbage.len() as u64)]);
        }
    }
}
