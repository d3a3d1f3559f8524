//! A log file for reading.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::block::{self, Block, BlockReader};
use super::dictionary::{Dictionaries, Dictionary};
use super::frame::{
    self, FILE_HEADER_BYTES, FileHeader, MAX_FRAME_BYTES, NEWEST_VERSION, OLDEST_VERSION, Parsed,
    Version,
};
use super::position::{FileNumber, MAX_FILE_NUMBER};
use super::scan::{Piece, Pieces};
use crate::StoreError;

/// Bytes read at a block's position before its length is known: most blocks fit.
const READ_BYTES: usize = 4 << 10;
/// How far the dictionary's two copies reach, at most.
const DICTIONARIES_END: u64 = (FILE_HEADER_BYTES + 2 * MAX_FRAME_BYTES) as u64;

/// Why a document could not be read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Its file was dropped by retention.
    #[error("the log file is gone")]
    Gone,
    /// What stands there is not what was written.
    #[error("the block is damaged")]
    Damaged,
    /// The operating system failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Whether a file's header is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderState {
    /// It is.
    Sound,
    /// The file ends within it.
    Unfinished,
    /// It is not.
    Damaged,
}

/// A log file, open for reading. It can be read on even after its name is gone.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) number: FileNumber,
    pub(crate) path: PathBuf,
    pub(crate) header: HeaderState,
    version: Version,
    file: File,
    dictionaries: Arc<Dictionaries>,
    /// Found when the first block wants it.
    dictionary: OnceLock<Option<Arc<Dictionary>>>,
}

impl LogFile {
    /// Opens a file. Fails when its version is unknown.
    pub(super) fn open(
        directory: &Path,
        number: FileNumber,
        dictionaries: Arc<Dictionaries>,
    ) -> Result<Self, StoreError> {
        let path = path_of(directory, number);
        let fail = |error| StoreError::io("open log file", &path, error);
        let file = File::open(&path).map_err(fail)?;
        let mut header = [0; FILE_HEADER_BYTES];
        let read = read_at(&file, &mut header, 0).map_err(fail)?;
        let (header, version) = if read < FILE_HEADER_BYTES {
            (HeaderState::Unfinished, Version::Two)
        } else {
            match frame::parse_file_header(&header) {
                FileHeader::Version(found) => match Version::from_number(found) {
                    Some(version) => (HeaderState::Sound, version),
                    None => {
                        return Err(StoreError::UnknownVersion {
                            path,
                            found,
                            oldest: OLDEST_VERSION,
                            newest: NEWEST_VERSION,
                        });
                    }
                },
                FileHeader::Damaged => {
                    (HeaderState::Damaged, version_of_frames(&file).map_err(fail)?)
                }
            }
        };
        let dictionary = OnceLock::new();
        Ok(Self { number, path, header, version, file, dictionaries, dictionary })
    }

    /// How many bytes it has now.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The version of its format.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// The version that its header tells; `None` when that is damaged or unfinished.
    pub(crate) fn told_version(&self) -> Option<u32> {
        (self.header == HeaderState::Sound).then(|| self.version.number())
    }

    /// The file's bytes of a range, as far as there are any.
    pub(crate) fn reader(&self, offsets: Range<u64>) -> impl Read {
        FileReader { file: &self.file, offsets }
    }

    /// The dictionary of the file's blocks, when it has one that can be read.
    pub(crate) fn dictionary(&self) -> Option<&Arc<Dictionary>> {
        if let Some(dictionary) = self.dictionary.get() {
            return dictionary.as_ref();
        }
        match self.find_dictionary() {
            Ok(found) => self.dictionary.get_or_init(|| found).as_ref(),
            Err(error) => {
                let path = self.path.display();
                tracing::error!(file = %path, %error, "the dictionary of a log file cannot be read");
                None
            }
        }
    }

    /// The first copy that is as it was written: it is before the first block.
    fn find_dictionary(&self) -> io::Result<Option<Arc<Dictionary>>> {
        if self.version == Version::One {
            return Ok(None);
        }
        let begin = FILE_HEADER_BYTES as u64;
        let mut pieces = Pieces::new(self.reader(begin..DICTIONARIES_END), self.version, begin);
        while let Some(piece) = pieces.next()? {
            if let Piece::Frame { payload, .. } = piece {
                let Some(bytes) = block::open_dictionary(payload) else { break };
                return self.dictionaries.get(&bytes).map(Some);
            }
        }
        Ok(None)
    }

    /// Reads the block at an offset.
    pub(super) fn read_block(
        &self,
        offset: u32,
        reader: &mut BlockReader,
        buffer: &mut Vec<u8>,
        block: &mut Block,
    ) -> Result<(), ReadError> {
        let mut wanted = READ_BYTES;
        let payload = loop {
            buffer.resize(wanted, 0);
            let read = read_at(&self.file, buffer, u64::from(offset))?;
            match frame::parse(self.version, buffer.get(..read).unwrap_or_default()) {
                Parsed::Frame(payload, _) => break payload,
                // The file ends within the frame when no more was read than before.
                Parsed::Incomplete(bytes) if bytes > wanted && read == wanted => wanted = bytes,
                Parsed::Incomplete(_) | Parsed::Damaged => return Err(ReadError::Damaged),
            }
        };
        let dictionary = || self.dictionary().map(|dictionary| &**dictionary);
        reader.read(self.version, payload, dictionary, block).map_err(|_| ReadError::Damaged)
    }
}

/// Of a file whose header does not tell, the version of its first frame.
fn version_of_frames(file: &File) -> io::Result<Version> {
    let mut first = None;
    for version in Version::ALL {
        let begin = FILE_HEADER_BYTES as u64;
        let mut pieces = Pieces::new(FileReader { file, offsets: begin..u64::MAX }, version, begin);
        while let Some(piece) = pieces.next()? {
            if let Piece::Frame { offset, .. } = piece {
                first = [first, Some((offset, version))]
                    .into_iter()
                    .flatten()
                    .min_by_key(|&(offset, _)| offset);
                break;
            }
        }
    }
    Ok(first.map_or(Version::Two, |(_, version)| version))
}

/// Fills a buffer from an offset on, as far as the file goes; returns the bytes read.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads a range of a file, independent of other readers.
struct FileReader<'a> {
    file: &'a File,
    offsets: Range<u64>,
}

impl Read for FileReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.offsets.end.saturating_sub(self.offsets.start);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let read = self.file.read_at(buffer, self.offsets.start)?;
        self.offsets.start += read as u64;
        Ok(read)
    }
}

/// The path of a log file.
pub(super) fn path_of(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("{number:08}.log"))
}

/// The number of a log file's name; `None` for other files.
pub(super) fn number_of(name: &str) -> Option<FileNumber> {
    let number =
        name.strip_suffix(".log")?.parse().ok().filter(|&number| number <= MAX_FILE_NUMBER)?;
    (path_of(Path::new(""), number) == Path::new(name)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_of_eight_digits() {
        let check = |name: &str, expect: Option<u32>| assert_eq!(number_of(name), expect, "{name}");
        check("00000001.log", Some(1));
        check("12345678.log", Some(12_345_678));
        check("16777215.log", Some(MAX_FILE_NUMBER));
        check("16777216.log", None);
        check("1.log", None);
        check("000000001.log", None);
        check("0000001a.log", None);
        check("+0000001.log", None);
        check("00000001.log.old", None);
        check("99999999999.log", None);
    }
}
