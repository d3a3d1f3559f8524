//! What is derived from the log and on disk: settled files, and the manifest that tells which of
//! them count.
//!
//! A settled file is written under a name of its own that no other ever had, synced, and only then
//! named by the manifest. What the manifest does not name is nobody's and is removed at opening.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roentgen_model::Names;

use crate::StoreError;
use crate::extent::Known;
use crate::live::LiveFile;
use crate::log::{AppendFile, Disk, Position};
use crate::manifest::{Change, Manifest};
use crate::replacing::Stretch;
use crate::settled::{ColumnCache, Sequence, SettledFile};
use crate::state::State;

/// Bytes that are collected before they are written to a settled file: a tenth of one that has just
/// settled, so that writing is few calls of the kernel, and the memory stays in the cache.
const BUFFER_BYTES: usize = 256 << 10;
/// How the names of settled files end.
const EXTENSION: &str = "settled";

/// What its owner may change of the derived files.
#[derive(Debug)]
pub(crate) struct Derived {
    pub(crate) manifest: Manifest,
    /// Of services, so that traces that settle share them.
    pub(crate) names: Names,
    /// Parts of the log that were covered by settled files which have been lost, and must be read
    /// again; in order, none overlapping another.
    pub(crate) lost: Vec<Stretch>,
    /// The number of the next settled file.
    next_number: Sequence,
    /// Whether the store was closed: the directory may be another process's now.
    is_closed: bool,
}

impl Derived {
    /// Goes on from a manifest; numbers of the files that are there are not used again.
    pub(crate) fn new(manifest: Manifest, highest_found: Option<Sequence>) -> Self {
        let next = manifest.listing().next_sequence;
        let behind = highest_found.map_or(next, |Sequence(found)| Sequence(found + 1));
        let next_number = next.max(behind);
        Self { manifest, names: Names::default(), lost: Vec::new(), next_number, is_closed: false }
    }

    /// Lets nothing be changed any more.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Fails when the store was closed.
    pub(crate) fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Where documents may be that are in no settled file and not open; they are being read.
    pub(crate) fn unread_from(&self) -> Option<Position> {
        self.lost.first().map(|stretch| stretch.first)
    }

    /// Notes how far the first lost part was read.
    pub(crate) fn read_up_to(&mut self, position: Position) {
        if let Some(stretch) = self.lost.first_mut() {
            stretch.first = position;
        }
    }

    /// A number for a settled file. It is used up even if the file is never published.
    pub(crate) fn take_number(&mut self) -> Sequence {
        let number = self.next_number;
        self.next_number = Sequence(number.0 + 1);
        number
    }

    /// The number that the next settled file will have.
    pub(crate) fn next_number(&self) -> Sequence {
        self.next_number
    }

    /// A change to be published, which so far changes nothing but what is known of the log.
    pub(crate) fn change(&self, known: &Known) -> Change {
        let listing = self.manifest.listing();
        let log =
            known.files.iter().filter(|(number, facts)| listing.log.get(number) != Some(facts));
        Change {
            next_sequence: self.next_number,
            log: log.map(|(&number, &facts)| (number, facts)).collect(),
            first_log_file: known.files.keys().next().copied().unwrap_or(0),
            counted_to: known.end.max(listing.counted_to),
            ..listing.unchanged()
        }
    }
}

/// The path of a settled file.
pub(crate) fn path_of(directory: &Path, Sequence(number): Sequence) -> PathBuf {
    directory.join(format!("{number:08}.{EXTENSION}"))
}

/// The settled files of a directory, whether they count or not.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<(Sequence, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_settled = path.extension().is_some_and(|extension| extension == EXTENSION);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let number = stem.and_then(|stem| stem.parse().ok()).filter(|_| is_settled);
        files.extend(number.map(|number| (Sequence(number), path)));
    }
    Ok(files)
}

/// Writes a settled file, makes it durable and opens it. What is left of one that failed is
/// removed as far as the disk allows.
pub(crate) fn write_file(
    disk: &dyn Disk,
    directory: &Path,
    number: Sequence,
    cache: &Arc<ColumnCache>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<Arc<SettledFile>, StoreError> {
    let path = path_of(directory, number);
    let written = || {
        let mut sink = Sink { file: disk.create(&path)?, buffer: Vec::with_capacity(BUFFER_BYTES) };
        write(&mut sink)?;
        sink.finish()?;
        disk.sync_directory(directory)
    };
    let opened = written()
        .map_err(|error| StoreError::io("write settled file", &path, error))
        .and_then(|()| SettledFile::open(&path, cache.clone()).map_err(StoreError::settled));
    opened.map(Arc::new).inspect_err(|_| remove_file(disk, directory, number))
}

/// Removes a settled file that does not count, as far as the disk allows: at the next opening, it
/// is tried again.
pub(crate) fn remove_file(disk: &dyn Disk, directory: &Path, number: Sequence) {
    let path = path_of(directory, number);
    match disk.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %error, "a settled file could not be removed");
        }
        _ => {}
    }
}

/// Removes settled files that were not published after all.
pub(crate) fn remove_unpublished(state: &State, added: &[LiveFile]) {
    for live in added {
        remove_file(&*state.disk, &state.directories.settled, live.listed.number);
    }
}

/// Publishes that some files count in the place of others, and lets queries see it. The files that
/// no longer count are removed.
pub(crate) fn publish(
    state: &State,
    derived: &mut Derived,
    mut change: Change,
    added: Vec<LiveFile>,
) -> Result<(), StoreError> {
    change.added = added.iter().map(|live| live.listed.clone()).collect();
    let removed: BTreeSet<Sequence> = change.removed.iter().copied().collect();
    if let Err(error) = derived.manifest.publish(change) {
        remove_unpublished(state, &added);
        return Err(error);
    }
    let live = state.live();
    state.set_live(if removed.is_empty() {
        live.with(added)
    } else {
        live.replacing(&removed, added)
    });
    let (disk, directory) = (&*state.disk, &state.directories.settled);
    removed.into_iter().for_each(|number| remove_file(disk, directory, number));
    Ok(())
}

/// What a settled file is written through.
struct Sink {
    file: Box<dyn AppendFile>,
    buffer: Vec<u8>,
}

impl Sink {
    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            self.file.append(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}
