//! The parts of a settled file that are read when it is opened.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use roentgen_model::TraceId;

use super::chunk::Place;
use super::encoding::{Input, Malformed};
use super::file_writer::{END_MAGIC, HEADER_BYTES, MAGIC, TRAILER_BYTES, VERSION, VERSION_1};
use super::footer::Footer;
use super::{Section, Sequence, SettledError};

/// The file must begin with a header of a version that is known, and have room for a trailer. Gives
/// the version.
pub(super) fn check_header(path: &Path, file: &File, bytes: u64) -> Result<u32, SettledError> {
    let damaged =
        || SettledError::Damaged { path: path.to_owned(), section: Section::Header, offset: 0 };
    if bytes < HEADER_BYTES + TRAILER_BYTES {
        return Err(damaged());
    }
    let mut header = [0; 16];
    file.read_exact_at(&mut header, 0)
        .map_err(|cause| SettledError::io("read settled file", path, cause))?;
    let mut input = Input::new(&header);
    let mut read = || Ok((input.array()?, input.array()?, input.array()?));
    let (magic, version, crc): ([u8; 8], [u8; 4], [u8; 4]) =
        read().map_err(|Malformed| damaged())?;
    let expect = crc32fast::hash(header.split_at(12).0);
    if magic != MAGIC || u32::from_le_bytes(crc) != expect {
        return Err(damaged());
    }
    let found = u32::from_le_bytes(version);
    if !(VERSION_1..=VERSION).contains(&found) {
        return Err(SettledError::UnknownVersion { path: path.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

/// The footer, and where it begins: all chunks end before.
pub(super) fn read_footer(
    path: &Path,
    file: &File,
    bytes: u64,
    version: u32,
) -> Result<(Footer, u64), SettledError> {
    let damaged =
        |section, offset| SettledError::Damaged { path: path.to_owned(), section, offset };
    let trailer_at = bytes.saturating_sub(TRAILER_BYTES);
    let mut trailer = [0; 16];
    file.read_exact_at(&mut trailer, trailer_at)
        .map_err(|cause| SettledError::io("read settled file", path, cause))?;
    let mut input = Input::new(&trailer);
    let mut read = || Ok((input.array()?, input.array()?, input.array()?));
    let (length, crc, magic): ([u8; 4], [u8; 4], [u8; 8]) =
        read().map_err(|Malformed| damaged(Section::Trailer, trailer_at))?;
    let length = u32::from_le_bytes(length);
    let offset = trailer_at.checked_sub(u64::from(length)).filter(|at| *at >= HEADER_BYTES);
    let (Some(offset), true) = (offset, magic == END_MAGIC) else {
        return Err(damaged(Section::Trailer, trailer_at));
    };
    let place = Place { offset, stored: length, raw: length, crc: u32::from_le_bytes(crc) };
    let reader = SectionReader { path, file, end: trailer_at };
    let footer = reader.read(place, Section::Footer, |input| Footer::read(input, version))?;
    Ok((footer, offset))
}

/// Rows of earlier files that no longer count.
pub(super) fn read_superseded(
    input: &mut Input<'_>,
) -> Result<Vec<(Sequence, TraceId)>, Malformed> {
    let count = input.count()?;
    let mut entry = || Ok((Sequence(input.number()?), TraceId::from_bytes(input.array()?)));
    (0..count).map(|_| entry()).collect()
}

/// Reads sections of a file.
pub(super) struct SectionReader<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a File,
    /// Where all chunks end.
    pub(super) end: u64,
}

impl SectionReader<'_> {
    /// Reads a section whole.
    pub(super) fn read<T>(
        &self,
        place: Place,
        section: Section,
        read: impl FnOnce(&mut Input<'_>) -> Result<T, Malformed>,
    ) -> Result<T, SettledError> {
        let stored = self.read_stored(place, section)?;
        let read = |raw: Vec<u8>| {
            let mut input = Input::new(&raw);
            let value = read(&mut input)?;
            input.finish().map(|()| value)
        };
        place.unpack(stored).and_then(read).map_err(|Malformed| self.damaged(place, section))
    }

    /// The bytes of a section as they are stored.
    pub(super) fn read_stored(
        &self,
        place: Place,
        section: Section,
    ) -> Result<Vec<u8>, SettledError> {
        let end = place.offset.checked_add(u64::from(place.stored));
        if end.is_none_or(|end| end > self.end) {
            return Err(self.damaged(place, section));
        }
        let mut stored = vec![0; place.stored as usize];
        self.file
            .read_exact_at(&mut stored, place.offset)
            .map_err(|cause| SettledError::io("read settled file", self.path, cause))?;
        Ok(stored)
    }

    fn damaged(&self, place: Place, section: Section) -> SettledError {
        SettledError::Damaged { path: self.path.to_owned(), section, offset: place.offset }
    }
}
