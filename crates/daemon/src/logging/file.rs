//! The log file: begun anew when it has grown, with one old file beside it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Bytes after which the file begins anew; the official daemon's number.
pub(super) const MOST_BYTES: u64 = 50 * 1024 * 1024;

/// An open log file.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    bytes: u64,
    /// Where it is begun anew; without rotation never.
    most_bytes: Option<u64>,
}

impl LogFile {
    /// Opens or creates the file, to write behind what it holds.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(super) fn open(path: &Path, most_bytes: Option<u64>) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, path: path.to_owned(), bytes, most_bytes })
    }

    /// Writes a line. One that no longer fits begins a new file, and the old one gets `.1` behind
    /// its name, in place of the one before.
    ///
    /// # Errors
    /// When the line could not be written, or only to the old file. Then the next try to begin a
    /// new one is when as much again was written.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let is_full =
            self.most_bytes.is_some_and(|most| self.bytes > 0 && self.bytes + length > most);
        let rotated = if is_full { self.rotate() } else { Ok(()) };
        self.bytes = self.bytes.saturating_add(length);
        self.file.write_all(line).and(rotated)
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.bytes = 0;
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        std::fs::rename(&self.path, old)?;
        self.file = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_old_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        std::fs::write(&path, "before\n").unwrap();
        let check = |now: &str, old: Option<&str>| {
            assert_eq!(std::fs::read_to_string(&path).unwrap(), now);
            let old_text = std::fs::read_to_string(folder.path().join("x.log.1")).ok();
            assert_eq!(old_text.as_deref(), old);
        };
        let mut file = LogFile::open(&path, Some(20)).unwrap();
        file.write(b"line one\n").unwrap();
        check("before\nline one\n", None);
        file.write(b"four\n").unwrap();
        check("four\n", Some("before\nline one\n"));
        file.write(b"longer than all of it is\n").unwrap();
        check("longer than all of it is\n", Some("four\n"));
        file.write(b"5\n").unwrap();
        check("5\n", Some("longer than all of it is\n"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn without_rotation_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let mut file = LogFile::open(&path, None).unwrap();
        for _ in 0..100 {
            file.write(b"0123456789").unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 1000);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_line_is_written_even_when_no_new_file_can_be_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        std::fs::create_dir(folder.path().join("x.log.1")).unwrap();
        let mut file = LogFile::open(&path, Some(8)).unwrap();
        file.write(b"1234567\n").unwrap();
        file.write(b"89\n").unwrap_err();
        file.write(b"ab\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1234567\n89\nab\n");
    }
}
