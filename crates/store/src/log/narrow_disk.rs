//! A disk that is full after so many bytes, so that tests of the whole program can fill it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{AppendFile, Disk, RealDisk};

/// The file system, with room for so many bytes more. What is removed makes no room again.
#[derive(Debug)]
pub(crate) struct NarrowDisk {
    bytes_left: Arc<AtomicU64>,
}

#[derive(Debug)]
struct NarrowFile {
    file: Box<dyn AppendFile>,
    bytes_left: Arc<AtomicU64>,
}

impl NarrowDisk {
    /// A disk with this much room.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes_left: Arc::new(AtomicU64::new(bytes)) }
    }

    fn file(&self, file: Box<dyn AppendFile>) -> Box<dyn AppendFile> {
        Box::new(NarrowFile { file, bytes_left: self.bytes_left.clone() })
    }
}

impl Disk for NarrowDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(self.file(RealDisk.create(path)?))
    }

    fn reopen(&self, path: &Path, length: u64) -> io::Result<Box<dyn AppendFile>> {
        Ok(self.file(RealDisk.reopen(path, length)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}

impl AppendFile for NarrowFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wanted = bytes.len() as u64;
        let take = |left: u64| Some(left.saturating_sub(wanted));
        let left = self.bytes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        let room = usize::try_from(left.unwrap_or_default()).unwrap_or(usize::MAX);
        // As on a disk, what there is room for is written.
        let fitting = bytes.get(..room).unwrap_or(bytes);
        self.file.append(fitting)?;
        if fitting.len() < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_room_for_is_written_and_no_more() {
        let directory = tempfile::TempDir::new().unwrap();
        let disk = NarrowDisk::new(10);
        let paths = ["a", "b"].map(|name| directory.path().join(name));
        let mut files = paths.each_ref().map(|path| disk.create(path).unwrap());
        let check = |file: &mut Box<dyn AppendFile>, bytes: &[u8], expect: Result<(), &str>| {
            let outcome = file.append(bytes).map_err(|error| error.to_string());
            assert_eq!(outcome, expect.map_err(str::to_owned));
        };
        check(&mut files[0], b"1234", Ok(()));
        check(&mut files[1], b"56", Ok(()));
        check(&mut files[0], b"789012", Err("no storage space"));
        check(&mut files[1], b"x", Err("no storage space"));
        check(&mut files[1], b"", Ok(()));
        files[0].sync().unwrap();
        assert_eq!(std::fs::read(&paths[0]).unwrap(), b"12347890");
        assert_eq!(std::fs::read(&paths[1]).unwrap(), b"56");
    }
}
