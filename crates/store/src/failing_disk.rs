//! A disk that fails when told to, for tests.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::log::{AppendFile, Disk, RealDisk};

/// The real disk, one call of which fails, or all from one on.
#[derive(Debug, Default)]
pub(crate) struct FailingDisk(Arc<Countdown>, Option<&'static str>);

#[derive(Debug)]
struct Countdown {
    calls_left: AtomicUsize,
    fails_on: AtomicBool,
    has_failed: AtomicBool,
    panics: AtomicBool,
}

#[derive(Debug)]
struct FailingFile(Box<dyn AppendFile>, Arc<Countdown>);

impl Default for Countdown {
    fn default() -> Self {
        Self {
            calls_left: AtomicUsize::new(usize::MAX),
            fails_on: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            panics: AtomicBool::new(false),
        }
    }
}

impl FailingDisk {
    /// A disk of which only calls for a directory, or what is in it, count and fail.
    pub(crate) fn only_in(directory: &'static str) -> Self {
        Self(Arc::default(), Some(directory))
    }

    fn call(&self, path: &Path) -> io::Result<()> {
        if self.counts(path) { self.0.call() } else { Ok(()) }
    }

    fn counts(&self, path: &Path) -> bool {
        self.1.is_none_or(|only| path.components().any(|part| part.as_os_str() == only))
    }

    fn file(&self, file: Box<dyn AppendFile>, path: &Path) -> Box<dyn AppendFile> {
        if self.counts(path) { Box::new(FailingFile(file, self.0.clone())) } else { file }
    }

    /// Lets the call after so many others fail, and no other.
    pub(crate) fn fail_at(&self, calls: usize) {
        self.0.fails_on.store(false, Ordering::SeqCst);
        self.0.calls_left.store(calls, Ordering::SeqCst);
    }

    /// Lets all calls fail after so many others.
    pub(crate) fn fail_from(&self, calls: usize) {
        self.0.calls_left.store(calls, Ordering::SeqCst);
        self.0.fails_on.store(true, Ordering::SeqCst);
    }

    /// Lets a call that fails panic instead, as a defect would.
    pub(crate) fn panic_instead(&self) {
        self.0.panics.store(true, Ordering::SeqCst);
    }

    /// Lets no call fail any more.
    pub(crate) fn heal(&self) {
        self.fail_at(usize::MAX);
    }

    /// Whether a call has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::SeqCst)
    }
}

impl Countdown {
    fn call(&self) -> io::Result<()> {
        let fails_on = self.fails_on.load(Ordering::SeqCst);
        let next = |left: usize| match left {
            usize::MAX => None,
            0 if fails_on => None,
            0 => Some(usize::MAX),
            left => Some(left - 1),
        };
        let before = self.calls_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        match before {
            Ok(0) | Err(0) => {
                self.has_failed.store(true, Ordering::SeqCst);
                assert!(!self.panics.load(Ordering::SeqCst), "a defect, on purpose");
                Err(io::Error::other("the disk was told to fail"))
            }
            _ => Ok(()),
        }
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        self.call(path)?;
        Ok(self.file(RealDisk.create(path)?, path))
    }

    fn reopen(&self, path: &Path, length: u64) -> io::Result<Box<dyn AppendFile>> {
        self.call(path)?;
        Ok(self.file(RealDisk.reopen(path, length)?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(from)?;
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(path)?;
        RealDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.call(path)?;
        RealDisk.sync_directory(path)
    }
}

impl AppendFile for FailingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.1.call() {
            // Some of it may have reached the file.
            self.0.append(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            return Err(error);
        }
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.call()?;
        self.0.sync()
    }
}
