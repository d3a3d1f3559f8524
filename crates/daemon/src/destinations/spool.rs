//! The files of one destination's spool. All of this blocks.
//!
//! A directory holds one file per batch, `<number>-<documents>-<hash>.json`: a number of 16 digits
//! that grows (so names sort by age), how many documents are in it, and the first 16 digits of the
//! SHA-256 of the content. The content is the ready body of PutTraceSegments, so that
//! `curl -d @<file> http://host:2000/TraceSegments` sends it. A file is written under the name
//! `….tmp`, made durable and then renamed: what has a proper name is whole, also after a crash. One
//! whose content does not fit its name all the same is renamed to `….damaged` and left to a person.
//! `lock` is held by the one daemon that uses the directory.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::batch::Batch;

/// Digits of a file's number.
const NUMBER_DIGITS: usize = 16;

/// Digits of the hash in a file's name: 64 bits tell every accident apart.
const HASH_DIGITS: usize = 16;

/// Disks give out space in blocks: 4 KiB with every usual file system of Linux.
const BLOCK_BYTES: u64 = 4 << 10;

/// What a file takes besides its content: an inode (256 bytes with ext4, 512 with XFS) and its names
/// in the directory.
const ENTRY_BYTES: u64 = 640;

/// Most files of all destinations together. What is kept in memory about each has 64 bytes, so this
/// bounds it to 4 MiB; at a batch a second it is 18 hours.
pub(super) const MOST_FILES: usize = 65_536;

/// Files that are open at the same time while they are made durable together.
const MOST_TOGETHER: usize = 16;

/// Files of damaged batches that are kept. More of them show nothing new.
const MOST_DAMAGED: usize = 16;

/// The files of one destination.
#[derive(Debug)]
pub(super) struct Spool {
    directory: PathBuf,
    most_bytes: u64,
    most_files: usize,
    state: Mutex<State>,
    /// Locked as long as it is open.
    _lock: File,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    files: VecDeque<Stored>,
    /// On disk, of all files, those taken out to be sent and those being written included.
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
    number: u64,
    pub(super) documents: usize,
    /// The beginning of the SHA-256 of its content.
    hash: u64,
    /// On disk.
    bytes: u64,
    /// How often this process tried to send it in vain.
    pub(super) attempts: u32,
    /// When it may be tried again.
    not_before: Option<Instant>,
}

/// A file that has no proper name yet.
#[derive(Debug)]
struct Unfinished {
    stored: Stored,
    file: File,
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
    #[error("spool directory {}: {error}{}", directory.display(), remedy(error))]
    Directory { directory: PathBuf, error: io::Error },
    #[error(
        "spool directory {} is in use by another daemon; give each its own --spool-dir",
        directory.display()
    )]
    InUse { directory: PathBuf },
}

/// What to do about an error of the system, where that is known: the end of a message.
pub(super) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give the directory to the user this daemon runs as, or choose another --spool-dir"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it for writing, or choose another --spool-dir"
        }
        io::ErrorKind::StorageFull => "; make room there, or set a lower --spool-bytes",
        _ => "",
    }
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
    pub(super) fn open(
        directory: PathBuf,
        most_bytes: u64,
        most_files: usize,
    ) -> Result<Self, SpoolError> {
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
        Ok(Self { directory, most_bytes, most_files, state: Mutex::new(state), _lock: lock })
    }

    /// Writes batches; the oldest files give way to them. All are written before the first is made
    /// durable, so that the disk can do it in one go, as far as they may be open at the same time.
    pub(super) fn put(&self, batches: &[Arc<Batch>]) -> Put {
        let mut put = Put::default();
        let mut unfinished = Vec::with_capacity(batches.len().min(MOST_TOGETHER));
        let mut unfinished_bytes = 0;
        for batch in batches {
            let (documents, bytes) = (batch.document_count(), bytes_on_disk(batch.body().len()));
            if bytes > self.most_bytes {
                self.lock().dropped += documents;
                continue;
            }
            // Only what is finished can give way.
            let most_together = MOST_TOGETHER.min(self.most_files);
            if unfinished.len() >= most_together || unfinished_bytes + bytes > self.most_bytes {
                self.finish(&mut unfinished, &mut put);
                unfinished_bytes = 0;
            }
            match self.make_room(bytes, unfinished.len()).and_then(|()| self.write(batch, bytes)) {
                Ok(one) => {
                    unfinished_bytes += bytes;
                    unfinished.push(one);
                }
                Err(error) => {
                    put.failed += documents;
                    put.error = Some(error);
                }
            }
        }
        self.finish(&mut unfinished, &mut put);
        // The new names must last, too. When this fails the files are there all the same, unless
        // the machine stops just now.
        if let Err(error) = File::open(&self.directory).and_then(|directory| directory.sync_all()) {
            put.error = Some(error);
        }
        put
    }

    /// Makes files durable and gives them their names.
    fn finish(&self, unfinished: &mut Vec<Unfinished>, put: &mut Put) {
        let synced: Vec<(Stored, io::Result<()>)> = unfinished
            .drain(..)
            .map(|Unfinished { stored, file }| (stored, file.sync_all()))
            .collect();
        for (stored, synced) in synced {
            let (temporary, path) = (self.temporary(&stored), self.path(&stored));
            match synced.and_then(|()| fs::rename(&temporary, path)) {
                Ok(()) => {
                    put.documents += stored.documents;
                    self.lock().files.push_back(stored);
                }
                Err(error) => {
                    let _ = fs::remove_file(&temporary); // Then there is room for another one.
                    self.forget(&stored);
                    put.failed += stored.documents;
                    put.error = Some(error);
                }
            }
        }
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

    /// When there is a file to be tried, nothing when there is no file.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        let state = self.lock();
        let mut earliest = None;
        for stored in &state.files {
            let due = stored.not_before.filter(|time| now < *time);
            let Some(time) = due else { return Some(now) };
            earliest = Some(earliest.map_or(time, |earliest: Instant| earliest.min(time)));
        }
        earliest
    }

    /// Takes out a file that may be tried: it is not dropped meanwhile. Of those that failed least it
    /// is the oldest, so none keeps the others from being sent. Must be followed by
    /// [`Spool::remove`], [`Spool::forget`], [`Spool::put_back`] or [`Spool::set_aside`].
    pub(super) fn take_due(&self, now: Instant) -> Option<Stored> {
        let mut state = self.lock();
        let mut best: Option<(usize, u32)> = None;
        for (position, stored) in state.files.iter().enumerate() {
            let is_due = stored.not_before.is_none_or(|time| time <= now);
            if is_due && best.is_none_or(|(_, attempts)| stored.attempts < attempts) {
                best = Some((position, stored.attempts));
                if stored.attempts == 0 {
                    break;
                }
            }
        }
        let (position, _) = best?;
        state.files.remove(position)
    }

    /// Whether there is something to send.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().files.is_empty()
    }

    /// On disk, of all files that can be sent.
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
        let content = fs::read(self.path(stored))?;
        let hash = beginning(&Sha256::digest(&content).into());
        if hash != stored.hash {
            let hash = format!("its SHA-256 begins with {hash:0HASH_DIGITS$x}");
            return Err(ReadError::Damaged(hash));
        }
        let batch = Batch::from_body(Bytes::from(content));
        batch.map_err(|fault| ReadError::Damaged(fault.to_string()))
    }

    /// Deletes a file that was taken out.
    pub(super) fn remove(&self, stored: &Stored) -> io::Result<()> {
        self.forget(stored);
        fs::remove_file(self.path(stored))
    }

    /// A file that was taken out is not there any more.
    pub(super) fn forget(&self, stored: &Stored) {
        let mut state = self.lock();
        state.bytes = state.bytes.saturating_sub(stored.bytes);
    }

    /// A file that was taken out waits again, in its place by age. It failed when there is a time for
    /// the next attempt.
    pub(super) fn put_back(&self, mut stored: Stored, not_before: Option<Instant>) {
        stored.attempts = stored.attempts.saturating_add(u32::from(not_before.is_some()));
        stored.not_before = not_before;
        let mut state = self.lock();
        let place = state.files.partition_point(|other| other.number < stored.number);
        state.files.insert(place, stored);
    }

    /// Renames a file that was taken out so that it is not sent again; gives its new path.
    pub(super) fn set_aside(&self, stored: &Stored) -> io::Result<PathBuf> {
        let path = self.path(stored);
        let damaged = self.directory.join(format!("{}.damaged", stored.name()));
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

    /// Deletes the oldest files until one more, of so many bytes, has room beside those `unfinished`.
    fn make_room(&self, bytes: u64, unfinished: usize) -> io::Result<()> {
        let mut dropped = Vec::new();
        let mut state = self.lock();
        if state.is_abandoned {
            return Err(io::Error::other("the daemon has ended"));
        }
        while state.bytes.saturating_add(bytes) > self.most_bytes
            || state.files.len() + unfinished >= self.most_files
        {
            let Some(oldest) = state.files.pop_front() else { break };
            state.bytes = state.bytes.saturating_sub(oldest.bytes);
            state.dropped += oldest.documents;
            dropped.push(oldest);
        }
        // Whoever sends needs the lock as well, and must not wait for a slow disk.
        drop(state);
        for oldest in &dropped {
            // One that cannot be deleted is found again by the next process.
            let _ = fs::remove_file(self.path(oldest));
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, bytes: u64) -> io::Result<Unfinished> {
        let number = {
            let mut state = self.lock();
            state.bytes += bytes;
            state.next_number += 1;
            state.next_number - 1
        };
        let (documents, hash) = (batch.document_count(), beginning(&batch.sha256()));
        let stored = Stored { number, documents, hash, bytes, attempts: 0, not_before: None };
        let temporary = self.temporary(&stored);
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&temporary);
        let written = opened.and_then(|mut file| file.write_all(&batch.body()).map(|()| file));
        match written {
            Ok(file) => Ok(Unfinished { stored, file }),
            Err(error) => {
                let _ = fs::remove_file(&temporary); // There may be none.
                self.forget(&stored);
                Err(error)
            }
        }
    }

    fn path(&self, stored: &Stored) -> PathBuf {
        self.directory.join(stored.name())
    }

    fn temporary(&self, stored: &Stored) -> PathBuf {
        self.directory.join(format!("{}.tmp", stored.name()))
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
            } else if let Some(mut stored) = Stored::named(&name) {
                let length = usize::try_from(entry.metadata()?.len()).unwrap_or(usize::MAX);
                stored.bytes = bytes_on_disk(length);
                state.bytes += stored.bytes;
                numbered.push(stored);
            }
        }
        numbered.sort_unstable_by_key(|stored| stored.number);
        state.files = numbered.into();
        state.damaged.make_contiguous().sort();
        Ok(state)
    }
}

impl Stored {
    pub(super) fn name(&self) -> String {
        let Self { number, documents, hash, .. } = self;
        format!("{number:0NUMBER_DIGITS$}-{documents}-{hash:0HASH_DIGITS$x}.json")
    }

    /// The file of this name; nothing if it is none of ours.
    fn named(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".json")?.split('-');
        let (number, documents, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let (number, documents) = (number.parse().ok()?, documents.parse().ok()?);
        let hash = u64::from_str_radix(hash, 16).ok()?;
        let stored = Self { number, documents, hash, bytes: 0, attempts: 0, not_before: None };
        (stored.name() == name).then_some(stored)
    }
}

/// What a file with so much content takes of the disk.
fn bytes_on_disk(length: usize) -> u64 {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    length.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES).saturating_add(ENTRY_BYTES)
}

/// The part of a hash that is in a file's name.
fn beginning(sha256: &[u8; 32]) -> u64 {
    let first = sha256.first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or_default())
}
