//! Blocks: some documents compressed together, and when each of them was received.

use std::fmt;
use std::io;

use roentgen_model::{MAX_DOCUMENT_BYTES, Timestamp};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{self, CParameter, DCtx};

use super::dictionary::Dictionary;
use super::frame::{self, Version};
use super::ids::{self, IdPacker};
use super::{varint, version_1};

/// Bytes of documents in a block, before compression. With a dictionary larger blocks bring less
/// and less: of documents of 1,088 bytes 147 are left at 4 KiB, 142 at 8, 137 at 16, 135 at 32 and
/// 132 at 64, and writing takes a tenth less time at 32 than at 16 KiB, since zstd copies the tables
/// of the dictionary for each block. Reading one of them takes time in proportion, 20 µs at 32 KiB.
/// Without one, until there is one, they bring more: 349, 252, 200, 167 and 148 bytes.
/// (`benches/log`)
const BLOCK_BYTES: usize = 32 << 10;
/// Most documents of a block: a position has 8 bits for the place.
const MAX_BLOCK_DOCUMENTS: u8 = u8::MAX;
/// Bytes of documents in the largest block: one of the largest size.
const MAX_CONTENT_BYTES: usize = 64 << 10;
/// Bytes of the text of the largest block: when every byte of it is escaped.
const MAX_TEXT_BYTES: usize = 2 * MAX_CONTENT_BYTES;
/// Level 1 of zstd, 137 bytes a document. Levels 2 and 3 take longer and leave no less, 141 and 138,
/// for a dictionary and short blocks; level -1 leaves 166. Level 9 would leave 122 in eight times
/// the time.
const LEVEL: i32 = 1;
/// With a dictionary, zstd looks only for repetitions of so many bytes, and not from 6 on as level 1
/// does: what documents share is longer, and the short ones between are said in fewer bytes by their
/// letters. That leaves 2 % less, for each kind of documents that `roentgen-load` makes.
const DICTIONARY_MIN_MATCH: u32 = 7;
/// With a dictionary, places of the table that finds repetitions, as a power of two: half as many as
/// level 1 has. The table of the dictionary is copied for each block, and this one stays in the first
/// cache: a tenth to a quarter less time. It leaves 1 to 2 % more, what the longer repetitions save.
/// To attach the dictionary without copying (an experimental parameter) saves as much time, and
/// leaves as much.
const DICTIONARY_HASH_LOG: u32 = 12;

const _: () = assert!(MAX_DOCUMENT_BYTES <= MAX_CONTENT_BYTES && BLOCK_BYTES <= MAX_CONTENT_BYTES);

/// The payload is a dictionary, as zstd has it.
const DICTIONARY: u8 = 1;
/// The payload is documents…
const RAW: u8 = 2;
/// … without their ids, and compressed…
const COMPRESSED: u8 = 3;
/// … with the dictionary of the file.
const COMPRESSED_WITH_DICTIONARY: u8 = 4;

/// A document to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogDocument<'a> {
    /// When it was received.
    pub(crate) received: Timestamp,
    /// The document as it came.
    pub(crate) bytes: &'a [u8],
}

/// Gathers documents and appends them as a block. Everything it needs is made once for a file.
pub(super) struct BlockWriter {
    compressor: Compressor<'static>,
    compressed_kind: u8,
    packer: IdPacker,
    compressed: Vec<u8>,
    /// The block that is being gathered: how many documents, when they were received and how
    /// long they are, and they themselves.
    count: u8,
    last_received: Timestamp,
    table: Vec<u8>,
    content: Vec<u8>,
}

impl BlockWriter {
    /// For a file with this dictionary.
    pub(super) fn new(dictionary: Option<&Dictionary>) -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        // The frame around a block has all of this.
        compressor.include_contentsize(false)?;
        compressor.include_checksum(false)?;
        compressor.include_dictid(false)?;
        if let Some(dictionary) = dictionary {
            compressor.set_parameter(CParameter::MinMatch(DICTIONARY_MIN_MATCH))?;
            compressor.set_parameter(CParameter::HashLog(DICTIONARY_HASH_LOG))?;
            compressor.set_dictionary(LEVEL, dictionary.bytes())?;
        }
        Ok(Self {
            compressor,
            compressed_kind: dictionary.map_or(COMPRESSED, |_| COMPRESSED_WITH_DICTIONARY),
            packer: IdPacker::new(),
            compressed: Vec::with_capacity(zstd_safe::compress_bound(MAX_TEXT_BYTES)),
            count: 0,
            last_received: Timestamp::default(),
            table: Vec::new(),
            content: Vec::with_capacity(MAX_CONTENT_BYTES),
        })
    }

    /// How many documents the block has.
    pub(super) fn count(&self) -> u8 {
        self.count
    }

    /// Whether the block should have one more document of this length.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.count == 0
            || self.count < MAX_BLOCK_DOCUMENTS && self.content.len() + length <= BLOCK_BYTES
    }

    /// Adds a document for which there is room.
    pub(super) fn push(&mut self, document: LogDocument<'_>) {
        let (received, last) = (document.received.as_micros(), self.last_received.as_micros());
        varint::write(document.bytes.len() as u64, &mut self.table);
        varint::write_signed(received.wrapping_sub(last), &mut self.table);
        self.content.extend_from_slice(document.bytes);
        self.last_received = document.received;
        self.count += 1;
    }

    /// Appends the frame of the block to a buffer, and begins the next block.
    pub(super) fn finish(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.packer.pack(&self.content);
        let IdPacker { text, ids, .. } = &self.packer;
        self.compressor.compress_to_buffer(text, &mut self.compressed)?;
        let count = &[self.count][..];
        let is_smaller = ids.len() + self.compressed.len() < self.content.len();
        let framed = if is_smaller {
            varint::write(ids.len() as u64, &mut self.table);
            frame::append(
                self.compressed_kind,
                &[count, &self.table, ids, &self.compressed],
                buffer,
            )
        } else {
            frame::append(RAW, &[count, &self.table, &self.content], buffer)
        };
        framed.ok_or_else(|| io::Error::other("a document is too large for a block"))?;
        self.count = 0;
        self.last_received = Timestamp::default();
        self.table.clear();
        self.content.clear();
        Ok(())
    }
}

impl fmt::Debug for BlockWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BlockWriter").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Appends the frame of a dictionary to a buffer.
pub(super) fn append_dictionary(dictionary: &Dictionary, buffer: &mut Vec<u8>) -> io::Result<()> {
    frame::append(DICTIONARY, &[dictionary.bytes()], buffer)
        .ok_or_else(|| io::Error::other("the dictionary is too large for a frame"))
}

/// The dictionary of a payload; `None` when it is something else.
pub(super) fn open_dictionary(payload: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    match frame::open(payload, &mut buffer)? {
        (DICTIONARY, bytes) => Some(bytes.to_vec()),
        _ => None,
    }
}

/// The documents of a block, decompressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// When each was received and where it ends in the content.
    table: Vec<(Timestamp, usize)>,
    content: Vec<u8>,
}

impl Block {
    /// All documents in their order.
    pub(super) fn documents(&self) -> impl Iterator<Item = LogDocument<'_>> {
        let starts = [0].into_iter().chain(self.table.iter().map(|&(_, end)| end));
        self.table.iter().zip(starts).map(|(&(received, end), start)| LogDocument {
            received,
            bytes: self.content.get(start..end).unwrap_or_default(),
        })
    }

    /// The document at a place.
    pub(super) fn document(&self, place: u8) -> Option<LogDocument<'_>> {
        self.documents().nth(usize::from(place))
    }

    /// Bytes of memory, for the bound of a cache.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.content.capacity()
            + self.table.capacity() * size_of::<(Timestamp, usize)>()
    }
}

/// Decompresses blocks. It takes some 100 KiB, so it is used for many.
pub(super) struct BlockReader {
    context: DCtx<'static>,
    unescaped: Vec<u8>,
    text: Vec<u8>,
}

/// Why a payload with a right checksum gave no documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoBlock {
    /// It is a dictionary.
    Dictionary,
    /// It is nothing that this program could have written, or its dictionary is lost.
    Unreadable,
}

impl BlockReader {
    /// A reader for any file.
    pub(super) fn new() -> Self {
        Self { context: DCtx::create(), unescaped: Vec::new(), text: Vec::new() }
    }

    /// Reads the block of a payload. The dictionary of the file is asked for when it is needed.
    pub(super) fn read<'d>(
        &mut self,
        version: Version,
        payload: &[u8],
        dictionary: impl FnOnce() -> Option<&'d Dictionary>,
        block: &mut Block,
    ) -> Result<(), NoBlock> {
        block.table.clear();
        block.content.clear();
        match version {
            Version::One => read_version_1(payload, block),
            Version::Two => {
                let (kind, content) =
                    frame::open(payload, &mut self.unescaped).ok_or(NoBlock::Unreadable)?;
                if kind == DICTIONARY {
                    return Err(NoBlock::Dictionary);
                }
                let (context, text) = (&mut self.context, &mut self.text);
                read_documents(context, text, kind, content, dictionary, block)
            }
        }
        .ok_or(NoBlock::Unreadable)
    }
}

impl fmt::Debug for BlockReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BlockReader").finish_non_exhaustive()
    }
}

fn read_version_1(payload: &[u8], block: &mut Block) -> Option<()> {
    let (received, document) = version_1::open(payload)?;
    block.content.extend_from_slice(document);
    block.table.push((received, document.len()));
    Some(())
}

fn read_documents<'d>(
    context: &mut DCtx<'static>,
    text: &mut Vec<u8>,
    kind: u8,
    content: &[u8],
    dictionary: impl FnOnce() -> Option<&'d Dictionary>,
    block: &mut Block,
) -> Option<()> {
    let (&count, mut rest) = content.split_first()?;
    let (mut end, mut received) = (0, 0_i64);
    for _ in 0..count {
        let length = usize::try_from(varint::read(&mut rest)?).ok()?;
        end = length.checked_add(end).filter(|&end| end <= MAX_CONTENT_BYTES)?;
        received = received.wrapping_add(varint::read_signed(&mut rest)?);
        block.table.push((Timestamp::from_micros(received), end));
    }
    block.content.reserve_exact(end);
    if kind == RAW {
        block.content.extend_from_slice(rest);
    } else {
        let ids_length = usize::try_from(varint::read(&mut rest)?).ok()?;
        let (ids, compressed) = rest.split_at_checked(ids_length)?;
        text.clear();
        text.reserve(2 * end);
        let decompressed = match kind {
            COMPRESSED => context.decompress(text, compressed),
            COMPRESSED_WITH_DICTIONARY => {
                context.decompress_using_ddict(text, compressed, dictionary()?.decoder().as_ddict())
            }
            _ => return None,
        };
        decompressed.ok()?;
        ids::unpack(text, ids, end, &mut block.content)?;
    }
    (count > 0 && block.content.len() == end).then_some(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use proptest::prelude::*;

    use super::*;
    use crate::log::dictionary::{Dictionaries, train};
    use crate::log::frame::Parsed;
    use crate::log::scan::{Piece, Pieces};
    use crate::log::test_log::documents;

    fn dictionary() -> Arc<Dictionary> {
        static TRAINED: LazyLock<Arc<Dictionary>> = LazyLock::new(|| {
            let samples: Vec<_> = documents(1).take(1000).collect();
            Dictionaries::default().get(&train(&samples).unwrap()).unwrap()
        });
        TRAINED.clone()
    }

    fn write(documents: &[(i64, Vec<u8>)], dictionary: Option<&Dictionary>) -> Vec<u8> {
        let mut writer = BlockWriter::new(dictionary).unwrap();
        for (received, bytes) in documents {
            let received = Timestamp::from_micros(*received);
            writer.push(LogDocument { received, bytes });
        }
        let mut frame = Vec::new();
        writer.finish(&mut frame).unwrap();
        assert_eq!(writer.count(), 0);
        frame
    }

    fn read(frame: &[u8], dictionary: Option<&Dictionary>) -> Result<Vec<(i64, Vec<u8>)>, NoBlock> {
        let Parsed::Frame(payload, bytes) = frame::parse(Version::Two, frame) else { panic!() };
        assert_eq!(bytes, frame.len());
        let mut block = Block { table: vec![(Timestamp::default(), 3)], content: vec![7; 9] };
        BlockReader::new().read(Version::Two, payload, || dictionary, &mut block)?;
        let documents = block.documents();
        Ok(documents.map(|read| (read.received.as_micros(), read.bytes.to_vec())).collect())
    }

    fn kind(frame: &[u8]) -> u8 {
        frame[frame::FRAME_HEADER_BYTES]
    }

    #[test]
    fn the_bytes_are_those_of_the_format_description() {
        let frame = write(&[(1_000_000, b"{}".to_vec()), (999_999, b"{1}".to_vec())], None);
        // 2,000,000 is what 1,000,000 is as a signed number, and 1 what -1 is.
        assert_eq!(frame[12..], *b"\x02\x02\x02\x80\x89\x7a\x03\x01{}{1}");
    }

    #[test]
    fn documents_are_compressed_when_that_makes_them_smaller() {
        let dictionary = dictionary();
        let one: Vec<_> = documents(1).skip(5000).take(1).map(|bytes| (1, bytes)).collect();
        let many: Vec<_> = documents(1).skip(5000).take(40).map(|bytes| (1, bytes)).collect();
        let check = |documents: &[_], dictionary: Option<&Dictionary>, expect, most| {
            let frame = write(documents, dictionary);
            assert_eq!(kind(&frame), expect);
            assert!(frame.len() <= most, "{} bytes", frame.len());
            assert_eq!(read(&frame, dictionary).unwrap(), documents);
        };
        let bytes: usize = many.iter().map(|(_, bytes)| bytes.len()).sum();
        check(&many, None, COMPRESSED, bytes / 2);
        check(&many, Some(&dictionary), COMPRESSED_WITH_DICTIONARY, bytes / 3);
        check(&one, Some(&dictionary), COMPRESSED_WITH_DICTIONARY, one[0].1.len() / 2);
        check(&[(1, b"short".to_vec())], Some(&dictionary), RAW, 40);
        check(&[(1, Vec::new())], None, RAW, 40);
    }

    #[test]
    fn a_block_without_its_dictionary_is_unreadable() {
        let dictionary = dictionary();
        let documents: Vec<_> = documents(1).take(40).map(|bytes| (1, bytes)).collect();
        let frame = write(&documents, Some(&dictionary));
        assert_eq!(read(&frame, None), Err(NoBlock::Unreadable));
        let mut frame = Vec::new();
        append_dictionary(&dictionary, &mut frame).unwrap();
        assert_eq!(read(&frame, None), Err(NoBlock::Dictionary));
    }

    #[test]
    fn a_block_ends_where_it_is_full() {
        let mut writer = BlockWriter::new(None).unwrap();
        let mut push = |bytes: usize| {
            let has_room = writer.has_room(bytes);
            if !has_room {
                writer.finish(&mut Vec::new()).unwrap();
            }
            let bytes = &vec![b' '; bytes];
            writer.push(LogDocument { received: Timestamp::default(), bytes });
            has_room
        };
        assert!(push(MAX_CONTENT_BYTES), "the first always has room");
        assert!(!push(BLOCK_BYTES) && !push(1));
        assert!(push(BLOCK_BYTES - 1) && !push(1));
        assert!((1..MAX_BLOCK_DOCUMENTS).all(|_| push(1)) && !push(1));
    }

    #[test]
    fn the_largest_block_fits_in_a_frame_however_it_is_escaped() {
        let [beginning @ .., _] = Version::Two.marker();
        let length = MAX_CONTENT_BYTES - 254;
        let mut bytes = beginning.repeat(length.div_ceil(3));
        bytes.truncate(length);
        let mut writer = BlockWriter::new(None).unwrap();
        for number in 0..MAX_BLOCK_DOCUMENTS {
            let received = Timestamp::from_micros(if number % 2 == 0 { i64::MIN } else { 0 });
            let bytes = if number == 0 { &bytes[..] } else { b"x" };
            writer.push(LogDocument { received, bytes });
        }
        let content = [&[writer.count], &writer.table[..], &writer.content].concat();
        let marked = [&content[..], &Version::Two.marker()].concat();
        frame::append(RAW, &[&marked], &mut Vec::new()).unwrap();
        writer.finish(&mut Vec::new()).unwrap();
    }

    #[test]
    fn what_was_never_written_is_unreadable_and_no_panic() {
        let check = |kind, content: &[u8]| {
            let mut frame = Vec::new();
            frame::append(kind, &[content], &mut frame).unwrap();
            assert_eq!(read(&frame, None), Err(NoBlock::Unreadable), "{kind} {content:?}");
        };
        check(RAW, b"");
        check(RAW, b"\x00");
        check(RAW, b"\x01\x02");
        check(RAW, b"\x01\x02\x00{");
        check(RAW, b"\x01\x02\x00{}}");
        check(RAW, b"\x01\xff\xff\xff\x7f\x00");
        check(RAW, b"\x02\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00");
        check(COMPRESSED, b"\x01\x02\x00{}");
        check(0, b"\x01\x02\x00{}");
        check(7, b"\x01\x02\x00{}");
    }

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn no_frame_is_found_in_a_document_that_holds_frames() {
        // A document may be anything but NUL. Those of this test are frames through and through,
        // which version 2 must keep apart even then: as they are, compressed, and between noise,
        // which zstd copies as it is.
        let inner = write(&[(1, b"{'x':1}".to_vec())], None);
        let mut older = Vec::new();
        crate::log::version_1::append(Timestamp::default(), b"{'x':1}", &mut older);
        let documents =
            [inner.clone(), inner.repeat(50), [noise(5000), inner, noise(5000)].concat(), older];
        for document in documents {
            let first = write(&[(1, document.clone())], None);
            let bytes = [&first[..], &write(&[(2, b"second".to_vec())], None)].concat();
            for hit in 0..frame::FRAME_HEADER_BYTES {
                let mut bytes = bytes.clone();
                bytes[hit] ^= 0x10;
                let mut pieces = Pieces::new(&bytes[..], Version::Two, 0);
                let stretch = Piece::Damage { offset: 0, bytes: first.len() as u64 };
                assert_eq!(pieces.next().unwrap(), Some(stretch), "{hit}");
                let found = pieces.next().unwrap();
                let is_second = matches!(found, Some(Piece::Frame { offset, .. }) if offset == first.len() as u64);
                assert!(is_second, "{found:?}");
                assert_eq!(pieces.next().unwrap(), None);
            }
        }
    }

    proptest! {
        #[test]
        fn documents_come_back(
            documents in prop::collection::vec((any::<i64>(), prop::collection::vec(any::<u8>(), 0..200)), 1..255),
            with_dictionary: bool,
        ) {
            let dictionary = with_dictionary.then(dictionary);
            let dictionary = dictionary.as_deref();
            prop_assert_eq!(read(&write(&documents, dictionary), dictionary).unwrap(), documents);
        }
    }
}
