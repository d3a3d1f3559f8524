//! Log files for reading: names, positions, one document at a time.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use roentgen_model::{Timestamp, TraceId};

use super::frame::{self, Parsed};
use crate::ReceivedDocument;

/// The number in a log file's name; later files have higher numbers.
pub(crate) type FileNumber = u32;

/// Where a document stands in the log. Positions sort in the order of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The file.
    pub(crate) file: FileNumber,
    /// Bytes of the frame.
    pub(crate) length: u32,
    /// Where the frame begins.
    pub(crate) offset: u64,
}

/// Why a document could not be read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The operating system failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What stands there is not what was written.
    #[error("the frame is damaged")]
    Damaged,
}

/// A log file, open for reading. It can be read on even after its name is gone.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) number: FileNumber,
    pub(crate) path: PathBuf,
    /// The size of the file when it was opened.
    pub(crate) bytes: u64,
    file: File,
}

impl LogFile {
    /// Opens a file.
    pub(crate) fn open(directory: &Path, number: FileNumber) -> io::Result<Self> {
        let path = path_of(directory, number);
        let file = File::open(&path)?;
        Ok(Self { number, bytes: file.metadata()?.len(), path, file })
    }

    /// All log files of a directory, oldest first. Other files are left alone.
    pub(crate) fn list(directory: &Path) -> io::Result<Vec<FileNumber>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(directory)? {
            numbers.extend(entry?.file_name().to_str().and_then(number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The file's bytes from the beginning.
    pub(crate) fn reader(&self) -> &File {
        &self.file
    }

    /// Reads back the document of a trace.
    pub(crate) fn read(
        &self,
        position: Position,
        trace_id: TraceId,
    ) -> Result<ReceivedDocument, ReadError> {
        let length = usize::try_from(position.length).map_err(|_| ReadError::Damaged)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, position.offset)?;
        let received: Timestamp = match frame::parse(&bytes) {
            Parsed::Frame(frame, found) if found == length && frame.trace_id == trace_id => {
                let document_start = length - frame.document.len();
                let received = frame.received;
                bytes.drain(..document_start);
                received
            }
            _ => return Err(ReadError::Damaged),
        };
        Ok(ReceivedDocument { trace_id, received, bytes })
    }
}

/// The path of a log file.
pub(crate) fn path_of(directory: &Path, number: FileNumber) -> PathBuf {
    directory.join(format!("{number:08}.log"))
}

fn number_of(name: &str) -> Option<FileNumber> {
    let digits = name.strip_suffix(".log")?;
    let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok()?;
    (is_number && path_of(Path::new(""), number) == Path::new(name)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_of_eight_digits() {
        let check = |name: &str, expect: Option<u32>| assert_eq!(number_of(name), expect, "{name}");
        check("00000001.log", Some(1));
        check("12345678.log", Some(12_345_678));
        check("123456789.log", Some(123_456_789));
        check("1.log", None);
        check("000000001.log", None);
        check("0000001a.log", None);
        check("+0000001.log", None);
        check("00000001.log.old", None);
        check("99999999999.log", None);
    }
}
