//! The files of one destination's spool. All of this blocks.
//!
//! A directory holds one file per batch, `<number>-<documents>-<hash>.json`: a number of 16 digits
//! that grows (so names sort by age), how many documents are in it, and the first 16 digits of the
//! SHA-256 of the content. The content is the ready body of PutTraceSegments, so that
//! `curl -d @<file> http://host:2000/TraceSegments` sends it. A file is written under the name
//! `….tmp`, made durable and then renamed: what has a proper name is whole, also after a crash. One
//! whose content does not fit its name all the same is renamed to `….damaged` and left to a person.
//! `lock` is held by the one daemon that uses the directory.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::batch::Batch;

/// Digits of a file's number.
const NUMBER_DIGITS: usize = 16;

/// Digits of the hash in a file's name: 64 bits tell every accident apart.
const HASH_DIGITS: usize = 16;

/// Files of damaged batches that are kept. More of them show nothing new.
const MOST_DAMAGED: usize = 16;

/// The files of one destination.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    most_bytes: u64,
    state: Mutex<State>,
    /// Locked as long as it is open.
    _lock: File,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    files: VecDeque<Stored>,
    /// Of all files, those taken out to be sent included.
    bytes: u64,
    next_number: u64,
    /// The oldest first.
    damaged: VecDeque<PathBuf>,
    /// Documents that had to go since [`Spool::take_dropped`].
    dropped: usize,
    /// Nothing is written or dropped any more.
    is_abandoned: bool,
}

/// A file of the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) documents: usize,
    pub(super) bytes: u64,
}

/// What [`Spool::put`] did.
#[derive(Debug, Default)]
pub(super) struct Put {
    /// Documents that are on disk now.
    pub(super) documents: usize,
    /// Documents that could not be written, and why.
    pub(super) failed: usize,
    pub(super) error: Option<io::Error>,
}

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("spool directory {}: {error}", directory.display())]
    Directory { directory: PathBuf, error: io::Error },
    #[error(
        "spool directory {} is in use by another daemon; give each its own --spool-dir",
        directory.display()
    )]
    InUse { directory: PathBuf },
}

/// Why a file cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("content is not what was written: {0}")]
    Damaged(String),
}

impl Spool {
    /// Opens a directory, and makes it if there is none. What an earlier process left is there
    /// again.
    pub(super) fn open(directory: PathBuf, most_bytes: u64) -> Result<Self, SpoolError> {
        let failed = |error| SpoolError::Directory { directory: directory.clone(), error };
        // Documents may hold what only the daemon's user should read.
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&directory).map_err(failed)?;
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600);
        let lock = lock.open(directory.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::InUse { directory }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let state = State::read(&directory).map_err(failed)?;
        Ok(Self { directory, most_bytes, state: Mutex::new(state), _lock: lock })
    }

    /// Writes batches; the oldest files give way to them.
    pub(super) fn put(&self, batches: &[Arc<Batch>]) -> Put {
        let mut put = Put::default();
        for batch in batches {
            let documents = batch.document_count();
            let bytes = u64::try_from(batch.body().len()).unwrap_or(u64::MAX);
            if bytes > self.most_bytes {
                self.lock().dropped += documents;
                continue;
            }
            let written = self.make_room(bytes).and_then(|()| self.write(batch, bytes));
            match written {
                Ok(()) => put.documents += documents,
                Err(error) => {
                    put.failed += documents;
                    put.error = Some(error);
                }
            }
        }
        // The new names must last, too. When this fails the files are there all the same, unless
        // the machine stops just now.
        if let Err(error) = File::open(&self.directory).and_then(|directory| directory.sync_all()) {
            put.error = Some(error);
        }
        put
    }

    /// Documents that had to go since the last time: those of the oldest files, and of batches larger
    /// than the whole spool.
    pub(super) fn take_dropped(&self) -> usize {
        std::mem::take(&mut self.lock().dropped)
    }

    /// From now on no file has to go, though a [`Spool::put`] be under way that nobody waits for.
    pub(super) fn abandon(&self) {
        self.lock().is_abandoned = true;
    }

    /// Takes out the oldest file: it is not dropped meanwhile. Must be followed by
    /// [`Spool::remove`], [`Spool::put_back`], [`Spool::put_last`] or [`Spool::set_aside`].
    pub(super) fn take_oldest(&self) -> Option<Stored> {
        self.lock().files.pop_front()
    }

    /// Whether there is something to send.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().files.is_empty()
    }

    /// Of all files that can be sent.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// In all files that can be sent.
    pub(super) fn documents(&self) -> usize {
        self.lock().files.iter().map(|stored| stored.documents).sum()
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn read(&self, stored: &Stored) -> Result<Batch, ReadError> {
        let content = fs::read(self.directory.join(&stored.name))?;
        let hash = hash_digits(&Sha256::digest(&content).into());
        if !stored.name.ends_with(&format!("-{hash}.json")) {
            return Err(ReadError::Damaged(format!("its SHA-256 begins with {hash}")));
        }
        let batch = Batch::from_body(Bytes::from(content));
        batch.map_err(|fault| ReadError::Damaged(fault.to_string()))
    }

    /// Deletes a file that was taken out.
    pub(super) fn remove(&self, stored: &Stored) -> io::Result<()> {
        self.forget(stored);
        fs::remove_file(self.directory.join(&stored.name))
    }

    /// A file that was taken out is not there any more.
    pub(super) fn forget(&self, stored: &Stored) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(stored.bytes);
    }

    /// A file that was taken out waits again.
    pub(super) fn put_back(&self, stored: Stored) {
        self.lock().files.push_front(stored);
    }

    /// A file that was taken out waits again, behind all others.
    pub(super) fn put_last(&self, stored: Stored) {
        self.lock().files.push_back(stored);
    }

    /// Renames a file that was taken out so that it is not sent again; gives its new path.
    pub(super) fn set_aside(&self, stored: &Stored) -> io::Result<PathBuf> {
        let path = self.directory.join(&stored.name);
        let damaged = self.directory.join(format!("{}.damaged", stored.name));
        self.forget(stored);
        fs::rename(path, &damaged)?;
        let mut state = self.lock();
        state.damaged.push_back(damaged.clone());
        let too_many =
            if state.damaged.len() > MOST_DAMAGED { state.damaged.pop_front() } else { None };
        drop(state);
        if let Some(oldest) = too_many {
            fs::remove_file(oldest)?;
        }
        Ok(damaged)
    }

    /// Deletes the oldest files until so many bytes have room.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut dropped = Vec::new();
        let mut state = self.lock();
        if state.is_abandoned {
            return Err(io::Error::other("the daemon has ended"));
        }
        while state.bytes.saturating_add(bytes) > self.most_bytes {
            let Some(oldest) = state.files.pop_front() else { break };
            state.bytes = state.bytes.saturating_sub(oldest.bytes);
            state.dropped += oldest.documents;
            dropped.push(oldest);
        }
        // Whoever sends needs the lock as well, and must not wait for a slow disk.
        drop(state);
        for oldest in &dropped {
            // One that cannot be deleted is found again by the next process.
            let _ = fs::remove_file(self.directory.join(&oldest.name));
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, bytes: u64) -> io::Result<()> {
        let documents = batch.document_count();
        let number = {
            let mut state = self.lock();
            state.next_number += 1;
            state.next_number - 1
        };
        let hash = hash_digits(&batch.sha256());
        let name = format!("{number:0NUMBER_DIGITS$}-{documents}-{hash}.json");
        let temporary = self.directory.join(format!("{name}.tmp"));
        let written = self.write_durably(&temporary, &batch.body());
        if let Err(error) =
            written.and_then(|()| fs::rename(&temporary, self.directory.join(&name)))
        {
            let _ = fs::remove_file(&temporary); // There may be none.
            return Err(error);
        }
        let mut state = self.lock();
        state.bytes += bytes;
        state.files.push_back(Stored { name, documents, bytes });
        Ok(())
    }

    fn write_durably(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Numbers and names; at worst a file is found again by the next process.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is in the directory. Unfinished files are deleted, others than ours left alone.
    fn read(directory: &Path) -> io::Result<Self> {
        let mut state = Self::default();
        let mut numbered = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if let Some(number) = name.split('-').next().and_then(|text| text.parse::<u64>().ok()) {
                state.next_number = state.next_number.max(number.saturating_add(1));
            }
            if name.ends_with(".json.tmp") {
                fs::remove_file(entry.path())?;
            } else if name.ends_with(".json.damaged") {
                state.damaged.push_back(entry.path());
            } else if let Some(documents) = documents_of(&name) {
                let bytes = entry.metadata()?.len();
                state.bytes += bytes;
                numbered.push(Stored { name, documents, bytes });
            }
        }
        numbered.sort_by(|one, other| one.name.cmp(&other.name));
        state.files = numbered.into();
        state.damaged.make_contiguous().sort();
        Ok(state)
    }
}

/// How many documents a file of this name holds; nothing if it is none of ours.
fn documents_of(name: &str) -> Option<usize> {
    let mut parts = name.strip_suffix(".json")?.split('-');
    let (number, documents, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let is_ours = parts.next().is_none()
        && number.len() == NUMBER_DIGITS
        && number.parse::<u64>().is_ok()
        && hash.len() == HASH_DIGITS;
    is_ours.then(|| documents.parse().ok()).flatten()
}

fn hash_digits(sha256: &[u8; 32]) -> String {
    sha256.iter().take(HASH_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(text: &str) -> Arc<Batch> {
        Arc::new(Batch::of(&[text, "second"]))
    }

    fn names(spool: &Spool) -> Vec<String> {
        spool.lock().files.iter().map(|stored| stored.name.clone()).collect()
    }

    fn open(directory: &tempfile::TempDir, most_bytes: u64) -> Spool {
        Spool::open(directory.path().join("aws"), most_bytes).unwrap()
    }

    #[test]
    fn what_was_put_is_there_for_the_next_process() {
        let directory = tempfile::tempdir().unwrap();
        let spool = open(&directory, 1 << 20);
        let put = spool.put(&[batch("one"), batch("two")]);
        assert_eq!((put.documents, spool.take_dropped(), put.failed), (4, 0, 0));
        assert!(put.error.is_none());
        drop(spool);

        let spool = open(&directory, 1 << 20);
        assert_eq!((spool.documents(), names(&spool).len()), (4, 2));
        let one = spool.take_oldest().unwrap();
        assert_eq!(spool.read(&one).unwrap().body(), batch("one").body());
        spool.put_back(one);
        let one = spool.take_oldest().unwrap();
        spool.remove(&one).unwrap();
        spool.put(&[batch("three")]);
        drop(spool);

        let spool = open(&directory, 1 << 20);
        let contents = std::iter::from_fn(|| spool.take_oldest())
            .map(|stored| spool.read(&stored).unwrap().documents().next().unwrap().into_owned());
        assert_eq!(contents.collect::<Vec<_>>(), ["two", "three"]);
    }

    #[test]
    fn the_oldest_file_gives_way() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = u64::try_from(batch("one").body().len()).unwrap();
        let spool = open(&directory, 2 * bytes + 1);
        spool.put(&[batch("one"), batch("two")]);
        assert_eq!(spool.take_dropped(), 0);
        spool.put(&[batch("six")]);
        assert_eq!(spool.take_dropped(), 2);
        assert_eq!(spool.bytes(), 2 * bytes);
        let oldest = spool.take_oldest().unwrap();
        assert_eq!(spool.read(&oldest).unwrap().documents().next().unwrap(), "two");
        // One that is being sent stays.
        spool.put(&[batch("ten")]);
        assert_eq!(spool.take_dropped(), 2);
        assert!(spool.read(&oldest).is_ok());
        let too_large = Arc::new(Batch::of(&["x".repeat(1_000).as_str()]));
        spool.put(&[too_large]);
        assert_eq!(spool.take_dropped(), 1);
    }

    #[test]
    fn damaged_files_are_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let spool = open(&directory, 1 << 20);
        spool.put(&[batch("one")]);
        let path = spool.directory().join(&names(&spool)[0]);
        fs::write(&path, "{\"TraceSegmentDocuments\":[\"on").unwrap();
        let stored = spool.take_oldest().unwrap();
        assert!(matches!(spool.read(&stored), Err(ReadError::Damaged(_))));
        let aside = spool.set_aside(&stored).unwrap();
        assert!(aside.exists() && !path.exists());
        assert_eq!((spool.bytes(), spool.is_empty()), (0, true));
        drop(spool);
        assert!(open(&directory, 1 << 20).is_empty());
    }

    #[test]
    fn foreign_and_unfinished_files() {
        let directory = tempfile::tempdir().unwrap();
        drop(open(&directory, 1 << 20));
        let place = directory.path().join("aws");
        let unfinished = "0000000000000007-1-0123456789abcdef.json.tmp";
        for name in [unfinished, "notes.txt", "1-1-0123456789abcdef.json", "a-b-c.json"] {
            fs::write(place.join(name), "x").unwrap();
        }
        let spool = open(&directory, 1 << 20);
        assert!(spool.is_empty());
        assert!(!place.join(unfinished).exists() && place.join("notes.txt").exists());
        spool.put(&[batch("one")]);
        assert!(names(&spool)[0].starts_with("0000000000000008-2-"), "{:?}", names(&spool));
    }

    #[test]
    fn two_daemons_cannot_share_it() {
        let directory = tempfile::tempdir().unwrap();
        let _first = open(&directory, 1 << 20);
        let second = Spool::open(directory.path().join("aws"), 1 << 20);
        assert!(matches!(second, Err(SpoolError::InUse { .. })), "{second:?}");
    }

    #[test]
    fn a_disk_that_refuses_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let spool = open(&directory, 1 << 20);
        fs::remove_dir_all(directory.path().join("aws")).unwrap();
        let put = spool.put(&[batch("one")]);
        assert_eq!((put.documents, put.failed), (0, 2));
        assert!(put.error.is_some());
    }
}
