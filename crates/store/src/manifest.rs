//! The manifest: which settled files count, and up to where the log is covered by them.
//!
//! It is a file of records, each a change of the [`Listing`]. A change is in force when its record
//! is on stable storage; what it adds is there before. So at every moment the directory opens to
//! one state that was in force, the last one or the one that was just being published.
//!
//! Any beginning of the records is a state that was in force once. So what stands behind a record
//! that cannot be read is left out, and nothing is lost: the documents that later records covered
//! are settled anew from the log. The manifest is then written anew, as it is when its records
//! have become many, and after a write that failed: what the file then holds is unknown.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StoreError;
use crate::log::{AppendFile, Disk};

mod listing;
mod record;

pub(crate) use listing::{Change, ListedFile, Listing, LogFacts};

/// The name of the manifest in its directory.
const NAME: &str = "manifest";
/// The name it has while it is written.
const NEW_NAME: &str = "manifest.new";
/// The version of the form of the records.
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"RTGNMANI";
/// Bytes of the header: magic, version, and the checksum of both.
const HEADER_BYTES: usize = 16;
/// The manifest is written anew when it has grown to this many times what it was when it was
/// last written whole…
const MOST_GROWTH: u64 = 8;
/// … and has this many bytes: some hundred records, read in well under a millisecond.
const LEAST_REWRITTEN_BYTES: u64 = 64 << 10;

/// What was found in the place of the manifest.
#[derive(Debug)]
pub(crate) struct Found {
    /// The state of the longest beginning that can be read; empty when nothing can.
    pub(crate) listing: Listing,
    /// Whether all of it could be read.
    pub(crate) condition: Condition,
}

/// How much of the manifest could be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is none: a new directory, or one whose derived files were deleted.
    Missing,
    /// All of it.
    Whole,
    /// Up to this byte. What stands there is a record that was not finished, or damage.
    Cut {
        /// Where the first unreadable byte is.
        offset: u64,
    },
    /// It is of a version that this program does not know.
    UnknownVersion(u32),
}

/// The manifest of an open store. Its owner is the one that may change what is derived.
#[derive(Debug)]
pub(crate) struct Manifest {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    listing: Listing,
    /// The file that grows; `None` when it must be written anew first.
    file: Option<Box<dyn AppendFile>>,
    bytes: u64,
    whole_bytes: u64,
}

/// Reads the manifest of a directory and changes nothing.
pub(crate) fn read(directory: &Path) -> Result<Found, StoreError> {
    let path = path_in(directory);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Found { listing: Listing::default(), condition: Condition::Missing });
        }
        Err(error) => return Err(StoreError::io("read manifest", &path, error)),
    };
    Ok(parse(&bytes))
}

/// Where the manifest of a directory is.
pub(crate) fn path_in(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

fn parse(bytes: &[u8]) -> Found {
    let mut listing = Listing::default();
    let cut = |listing, offset: usize| Found {
        listing,
        condition: Condition::Cut { offset: offset as u64 },
    };
    let Some((found_header, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return cut(listing, 0);
    };
    match record::parse_header(found_header) {
        Some(VERSION) => {}
        Some(version) => {
            return Found { listing, condition: Condition::UnknownVersion(version) };
        }
        None => return cut(listing, 0),
    }
    while !rest.is_empty() {
        let Some((change, behind)) = record::parse(rest) else {
            return cut(listing, bytes.len() - rest.len());
        };
        listing.apply(change);
        rest = behind;
    }
    Found { listing, condition: Condition::Whole }
}

impl Manifest {
    /// Goes on from a listing; the file is written anew with the first change.
    pub(crate) fn new(disk: Arc<dyn Disk>, directory: &Path, listing: Listing) -> Self {
        let directory = directory.to_owned();
        Self { disk, directory, listing, file: None, bytes: 0, whole_bytes: 0 }
    }

    /// What is in force.
    pub(crate) fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Brings a change into force.
    ///
    /// # Errors
    /// When it could not be written. What this value tells is then as before; whether the change
    /// is found at the next opening is unknown until the next one succeeds, so a settled file that
    /// it added must never be written again under the same sequence.
    pub(crate) fn publish(&mut self, change: Change) -> Result<(), StoreError> {
        let is_long =
            self.bytes >= LEAST_REWRITTEN_BYTES && self.bytes / MOST_GROWTH >= self.whole_bytes;
        match self.file.take().filter(|_| !is_long) {
            Some(mut file) => {
                let record = record::encode(&change);
                let write = file.append(&record).and_then(|()| file.sync());
                write.map_err(|error| self.failed("write manifest", error))?;
                self.bytes += record.len() as u64;
                self.file = Some(file);
                self.listing.apply(change);
            }
            None => {
                let mut listing = self.listing.clone();
                listing.apply(change);
                let (file, bytes) = self
                    .write_whole(&listing)
                    .map_err(|error| self.failed("write manifest", error))?;
                (self.bytes, self.whole_bytes) = (bytes, bytes);
                self.file = Some(file);
                self.listing = listing;
            }
        }
        Ok(())
    }

    /// Lets something be in force that holds whatever the manifest says: a settled file whose log
    /// file is gone is dropped at opening. The next change writes it down.
    pub(crate) fn assume(&mut self, change: Change) {
        self.listing.apply(change);
        self.file = None;
    }

    /// Writes the listing as the only record of a new file and puts it in the place of the old.
    fn write_whole(&self, listing: &Listing) -> io::Result<(Box<dyn AppendFile>, u64)> {
        let (new, path) = (self.directory.join(NEW_NAME), path_in(&self.directory));
        match self.disk.remove(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut bytes = record::header(VERSION).to_vec();
        bytes.extend(record::encode(&listing.as_change()));
        let mut file = self.disk.create(&new)?;
        file.append(&bytes)?;
        file.sync()?;
        self.disk.rename(&new, &path)?;
        self.disk.sync_directory(&self.directory)?;
        Ok((file, bytes.len() as u64))
    }

    fn failed(&self, action: &'static str, error: io::Error) -> StoreError {
        StoreError::io(action, &path_in(&self.directory), error)
    }
}

#[cfg(test)]
mod tests;
