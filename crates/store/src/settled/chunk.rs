//! Chunks: the pieces of a settled file that are compressed, checked and read each alone.

use std::cell::RefCell;
use std::io::{self, Write};

use super::encoding::{Input, Malformed, write_number};

/// Of zstd. Level 3 makes files 2 % smaller and takes a third more time to write.
const COMPRESSION_LEVEL: i32 = 1;
/// Shorter chunks are not worth a try: zstd's own header takes a dozen bytes.
const LEAST_COMPRESSED_BYTES: usize = 32;
/// A larger chunk is none that was written here: row groups and blocks are cut far below.
const MOST_RAW_BYTES: u32 = 1 << 29;

/// Where a chunk stands in its file, and how to tell that it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where it begins.
    pub(super) offset: u64,
    /// Its bytes in the file.
    pub(super) stored: u32,
    /// Its bytes before compression; as many as are stored if it is not compressed.
    pub(super) raw: u32,
    /// CRC-32 of the bytes in the file.
    pub(super) crc: u32,
}

impl Place {
    /// Appends the place. `end` is where the chunk before it ends, and then where this one does.
    pub(super) fn write(&self, out: &mut Vec<u8>, end: &mut u64) {
        write_number(out, self.offset - *end);
        write_number(out, u64::from(self.stored));
        write_number(out, u64::from(self.raw - self.stored));
        out.extend_from_slice(&self.crc.to_le_bytes());
        *end = self.offset + u64::from(self.stored);
    }

    /// Reads what [`Place::write`] wrote.
    pub(super) fn read(input: &mut Input<'_>, end: &mut u64) -> Result<Self, Malformed> {
        let offset = end.checked_add(input.number()?).ok_or(Malformed)?;
        let stored: u32 = input.small()?;
        let raw = stored.checked_add(input.small()?).ok_or(Malformed)?;
        let crc = u32::from_le_bytes(input.array()?);
        if raw > MOST_RAW_BYTES {
            return Err(Malformed);
        }
        *end = offset.checked_add(u64::from(stored)).ok_or(Malformed)?;
        Ok(Self { offset, stored, raw, crc })
    }

    /// The chunk as it was before compression, from its bytes in the file.
    pub(super) fn unpack(&self, stored: Vec<u8>) -> Result<Vec<u8>, Malformed> {
        if crc32fast::hash(&stored) != self.crc {
            return Err(Malformed);
        }
        if self.raw == self.stored {
            return Ok(stored);
        }
        let length = usize::try_from(self.raw).map_err(|_| Malformed)?;
        let raw = decompress(&stored, length)?;
        if raw.len() == length { Ok(raw) } else { Err(Malformed) }
    }
}

thread_local! {
    /// Making one takes as long as decompressing some kilobytes.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { RefCell::new(None) };
}

fn decompress(stored: &[u8], length: usize) -> Result<Vec<u8>, Malformed> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(zstd::bulk::Decompressor::new().map_err(|_| Malformed)?),
        };
        decompressor.decompress(stored, length).map_err(|_| Malformed)
    })
}

/// A file being written: knows where it stands and compresses chunks.
pub(super) struct Output<'w> {
    sink: &'w mut dyn Write,
    offset: u64,
    compressor: zstd::bulk::Compressor<'static>,
    /// Reused for compressed chunks.
    compressed: Vec<u8>,
}

impl<'w> Output<'w> {
    /// Writes to `sink` from its beginning.
    pub(super) fn new(sink: &'w mut dyn Write) -> io::Result<Self> {
        let compressor = zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?;
        Ok(Self { sink, offset: 0, compressor, compressed: Vec::new() })
    }

    /// Bytes written.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Writes bytes as they are.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Writes a chunk without compression: one that is read in a hurry or would not get smaller.
    pub(super) fn write_plain(&mut self, raw: &[u8]) -> io::Result<Place> {
        let length = length_of(raw)?;
        let place =
            Place { offset: self.offset, stored: length, raw: length, crc: crc32fast::hash(raw) };
        self.write(raw)?;
        Ok(place)
    }

    /// Writes a chunk, compressed if that makes it smaller.
    pub(super) fn write_chunk(&mut self, raw: &[u8]) -> io::Result<Place> {
        if raw.len() < LEAST_COMPRESSED_BYTES {
            return self.write_plain(raw);
        }
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        compressed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        self.compressor.compress_to_buffer(raw, &mut compressed)?;
        let place = if compressed.len() < raw.len() {
            Place { raw: length_of(raw)?, ..self.write_plain(&compressed)? }
        } else {
            self.write_plain(raw)?
        };
        self.compressed = compressed;
        Ok(place)
    }

    /// Copies a chunk of another file as it is stored there.
    pub(super) fn copy_chunk(&mut self, place: Place, stored: &[u8]) -> io::Result<Place> {
        let copied = Place { offset: self.offset, ..place };
        self.write(stored)?;
        Ok(copied)
    }
}

/// The length of a chunk; an error for one that could not be read again.
fn length_of(raw: &[u8]) -> io::Result<u32> {
    u32::try_from(raw.len()).ok().filter(|length| *length <= MOST_RAW_BYTES).ok_or_else(|| {
        let bytes = raw.len();
        io::Error::other(format!("a chunk of {bytes} bytes is larger than {MOST_RAW_BYTES}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(raw: &[u8]) -> (Place, Vec<u8>) {
        let mut file = vec![];
        let mut output = Output::new(&mut file).unwrap();
        output.write(b"before").unwrap();
        let place = output.write_chunk(raw).unwrap();
        (place, file)
    }

    #[test]
    fn chunks_are_compressed_where_that_pays() {
        let check = |raw: &[u8], is_compressed: bool| {
            let (place, file) = round_trip(raw);
            assert_eq!(place.stored < place.raw, is_compressed);
            assert_eq!(place.offset + u64::from(place.stored), file.len() as u64);
        };
        check(b"", false);
        check(&[7; 31], false);
        check(&[7; 1000], true);
        check(b"0123456789abcdefghijklmnopqrstuvwxyz", false);
    }

    proptest! {
        #[test]
        fn chunks_and_places_come_back(raw in prop::collection::vec(0_u8..4, 0..300), bit: prop::sample::Index) {
            let (place, file) = round_trip(&raw);
            let mut stored = file[6..].to_vec();
            prop_assert_eq!(place.unpack(stored.clone()), Ok(raw));
            let (mut bytes, mut end) = (Vec::new(), 2);
            place.write(&mut bytes, &mut end);
            prop_assert_eq!(end, file.len() as u64);
            let read = Place::read(&mut Input::new(&bytes), &mut 2);
            prop_assert_eq!(read, Ok(place));
            if !stored.is_empty() {
                let bit = bit.index(stored.len() * 8);
                stored[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(place.unpack(stored), Err(Malformed));
            }
        }
    }
}
