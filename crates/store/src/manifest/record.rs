//! The bytes of the manifest: a header, and one record for each change.
//!
//! A record is its length, the CRC-32 of length and content, and the content: numbers of eight
//! bytes, little-endian, with a count before each list. Records are few and small, so that plain
//! beats compact. `docs/format.md` describes them.

use roentgen_model::Timestamp;

use super::listing::{Change, ListedFile, LogFacts};
use super::{HEADER_BYTES, MAGIC};
use crate::log::{FileNumber, Position};
use crate::settled::{Sequence, Sequences};

/// The header of a manifest.
pub(super) fn header(version: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let version = version.to_le_bytes();
    let crc = checksum(&MAGIC, &version).to_le_bytes();
    let bytes = MAGIC.into_iter().chain(version).chain(crc);
    header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    header
}

/// The version that a header tells; `None` when it is damaged or no header.
pub(super) fn parse_header(found: &[u8; HEADER_BYTES]) -> Option<u32> {
    let version = u32::from_le_bytes(*found.get(8..)?.first_chunk()?);
    (header(version) == *found).then_some(version)
}

/// The record of a change.
pub(super) fn encode(change: &Change) -> Vec<u8> {
    let mut content = Writer(Vec::new());
    content.position(change.replay_from);
    content.position(change.counted_to);
    content.number(change.next_sequence.0);
    content.number(u64::from(change.first_log_file));
    content.number(change.added.len() as u64);
    for file in &change.added {
        content.number(file.number.0);
        content.number(file.sequences.runs().len() as u64);
        for (first, last) in file.sequences.runs() {
            content.number(*first);
            content.number(*last);
        }
        content.number(u64::from(file.home));
        content.position(file.least);
        content.position(file.greatest);
    }
    content.number(change.removed.len() as u64);
    change.removed.iter().for_each(|number| content.number(number.0));
    content.number(change.log.len() as u64);
    for (number, facts) in &change.log {
        content.number(u64::from(*number));
        content.number(facts.documents);
        content.time(facts.oldest);
        content.time(facts.newest);
    }
    let content = content.0;
    let length = (content.len() as u64).to_le_bytes();
    let crc = checksum(&length, &content).to_le_bytes();
    [&length[..], &crc, &content].concat()
}

/// The change at the beginning of some bytes and what stands behind it; `None` when there is
/// no whole record.
pub(super) fn parse(bytes: &[u8]) -> Option<(Change, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let content_bytes = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (content, behind) = rest.split_at_checked(content_bytes)?;
    if checksum(length, content) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut content = Reader(content);
    let (replay_from, counted_to) = (content.position()?, content.position()?);
    let next_sequence = content.sequence()?;
    let first_log_file = content.file()?;
    let added = content.list(|content| {
        Some(ListedFile {
            number: content.sequence()?,
            sequences: Sequences::from_runs(
                content.list(|content| Some((content.number()?, content.number()?)))?,
            )?,
            home: content.file()?,
            least: content.position()?,
            greatest: content.position()?,
        })
    })?;
    let removed = content.list(Reader::sequence)?;
    let log = content.list(|content| {
        let number = content.file()?;
        let documents = content.number()?;
        Some((number, LogFacts { documents, oldest: content.time()?, newest: content.time()? }))
    })?;
    let change =
        Change { added, removed, replay_from, next_sequence, log, first_log_file, counted_to };
    content.0.is_empty().then_some((change, behind))
}

fn checksum(head: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(content);
    hasher.finalize()
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn position(&mut self, position: Position) {
        self.number(position.as_u64());
    }

    fn time(&mut self, time: Timestamp) {
        self.0.extend_from_slice(&time.as_micros().to_le_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes(&mut self) -> Option<[u8; 8]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes()?))
    }

    fn sequence(&mut self) -> Option<Sequence> {
        self.number().map(Sequence)
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position::from_u64(self.number()?))
    }

    fn file(&mut self) -> Option<FileNumber> {
        FileNumber::try_from(self.number()?).ok()
    }

    fn time(&mut self) -> Option<Timestamp> {
        Some(Timestamp::from_micros(i64::from_le_bytes(self.bytes()?)))
    }

    /// Reads a count and so many of something. The count allocates nothing: it may be anything.
    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| read(self)).collect()
    }
}
