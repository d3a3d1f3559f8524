//! A file that appears under its name only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that is written under a temporary name beside its own. [`PendingFile::finish`] gives it
/// its name; dropped before that, it is removed.
#[derive(Debug)]
pub struct PendingFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    is_finished: bool,
}

impl PendingFile {
    /// Begins a file.
    ///
    /// # Errors
    /// When there is a file of that name already, or none can be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path.try_exists()? {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is one already; choose another name, or remove it first",
            ));
        }
        let mut name = OsString::from(path.file_name().unwrap_or_default());
        name.push(format!(".{}.partial", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary)?;
        Ok(Self { file, temporary, path: path.to_owned(), is_finished: false })
    }

    /// Brings the file to stable storage and gives it its name.
    ///
    /// # Errors
    /// When that failed; the file is then removed.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.is_finished = true;
        let directory = self.path.parent().filter(|parent| *parent != Path::new(""));
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // What is left behind is named as unfinished, so nothing is lost when this fails too.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let names = || -> Vec<String> {
            let entries = fs::read_dir(directory.path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let path = directory.path().join("out.jsonl");
        let mut file = PendingFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(names()[0].ends_with(".partial"), "{:?}", names());
        drop(file);
        assert!(names().is_empty());

        let mut file = PendingFile::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(names(), ["out.jsonl"]);
        assert_eq!(fs::read(&path).unwrap(), b"whole");

        let error = PendingFile::create(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
