//! A consistent copy of a data directory, also while a server writes to it.
//!
//! Complete log files never change again, so a second name for each (a hard link) is a copy that
//! costs nothing; on another file system their bytes are copied. The newest log file grows. It is
//! copied up to the end of its last whole frame, so that the copy shares no file with the original
//! that either of them writes to.
//!
//! Acknowledged documents are in the log before they are acknowledged, so those acknowledged before
//! the snapshot began are in the files that are listed then.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::walk::{self, Log};
use crate::StoreError;
use crate::data_directory::{Directories, create_directory, sync_directory};
use crate::derived;
use crate::log::{FileNumber, Found, HeaderState, LogFile, RealDisk};
use crate::manifest::{self, Listing, Manifest};

/// How often the settled files are tried to be had: each time, one of them was merged away between
/// the reading of the manifest and its turn. Merging a file takes far longer than that.
const MAX_TRIES: usize = 10;

/// What a snapshot consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Log files in it.
    pub log_files: u64,
    /// Those of them whose bytes are shared with the original.
    pub linked_files: u64,
    /// Bytes of all log files in it.
    pub log_bytes: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// Whole documents in the newest log file, which was read.
    pub newest_documents: u64,
    /// Settled files in it. With none, what is made from the log is made anew when it is opened.
    pub settled_files: u64,
    /// Kinds of settings in it.
    pub settings: u64,
}

/// Copies a data directory to `target`, which must not exist or be an empty directory. It appears
/// under its name when it is whole and on stable storage; a store can be opened on it.
///
/// # Errors
/// [`StoreError::Io`] when something cannot be read or written; what was begun is removed.
pub fn snapshot(data_directory: &Path, target: &Path) -> Result<SnapshotReport, StoreError> {
    let log = Log::of(data_directory)?;
    check_target(target).map_err(|error| StoreError::io("make snapshot", target, error))?;
    let building = Building::begin(target)?;
    let mut report = SnapshotReport::default();
    let from = Directories::of(data_directory);
    let to = Directories::of(&building.path);
    for directory in [&to.log, &to.settled] {
        create_directory(directory)
            .map_err(|error| StoreError::io("make directory", directory, error))?;
    }
    // What is made from the log comes first, so that the log holds all that it was made from.
    copy_settled(&from.settled, &to.settled, &mut report)?;
    copy_log(&log, &Log::of(&building.path)?, &to.log, &mut report)?;
    copy_settings(data_directory, &building.path, &mut report)?;
    building.finish(target)?;
    Ok(report)
}

/// A directory that is removed again unless it was finished.
struct Building {
    path: PathBuf,
    is_finished: bool,
}

impl Building {
    /// Makes a directory beside the target.
    fn begin(target: &Path) -> Result<Self, StoreError> {
        let mut name = target.file_name().unwrap_or(OsStr::new("snapshot")).to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let path = target.with_file_name(name);
        let make = || {
            if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
                create_directory(parent)?;
            }
            // One that is there is somebody else's, and may hold names of the files to be copied.
            fs::create_dir(&path)
        };
        make().map_err(|error| StoreError::io("make directory", &path, error))?;
        Ok(Self { path, is_finished: false })
    }

    /// Gives the directory its name.
    fn finish(mut self, target: &Path) -> Result<(), StoreError> {
        let parent = self.path.parent().filter(|parent| *parent != Path::new(""));
        sync_directory(&self.path)
            .and_then(|()| fs::rename(&self.path, target))
            .and_then(|()| sync_directory(parent.unwrap_or(Path::new("."))))
            .map_err(|error| StoreError::io("complete snapshot", target, error))?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !self.is_finished {
            // What is left is named as partial, so nobody takes it for a snapshot.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn check_target(target: &Path) -> io::Result<()> {
    let error = |kind, reason: &str| Err(io::Error::new(kind, reason));
    match fs::read_dir(target) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => error(io::ErrorKind::DirectoryNotEmpty, "the directory is not empty"),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => match target.file_name() {
            Some(_) => Ok(()),
            None => error(io::ErrorKind::InvalidInput, "it has no name"),
        },
        Err(cause) => Err(cause),
    }
}

/// Copies the settled files that the manifest lists, and the manifest. They never change, so a
/// second name will do.
fn copy_settled(from: &Path, to: &Path, report: &mut SnapshotReport) -> Result<(), StoreError> {
    for _ in 0..MAX_TRIES {
        // Where the manifest is cut short, what can be read of it held at some time, and holds
        // still if all its files are there.
        let listing = manifest::read(from)?.listing;
        if listing.files.is_empty() {
            break;
        }
        if link_settled(&listing, from, to)? {
            report.settled_files = listing.files.len() as u64;
            sync_directory(to).map_err(|error| StoreError::io("sync directory", to, error))?;
            let change = listing.unchanged();
            return Manifest::new(Arc::new(RealDisk), to, listing).publish(change);
        }
    }
    // Without them the snapshot is whole too; they are made anew when it is opened.
    Ok(())
}

/// Takes all listed files into the snapshot; `false`, and none of them, when one is gone.
fn link_settled(listing: &Listing, from: &Path, to: &Path) -> Result<bool, StoreError> {
    for &number in listing.files.keys() {
        let (from, target) = (derived::path_of(from, number), derived::path_of(to, number));
        let linked = link(&from, &target)
            .map_err(|error| StoreError::io("copy settled file to", &target, error))?;
        if linked.is_none() {
            // What an opening finds and the manifest does not list, it would remove as well.
            let removed = fs::remove_dir_all(to).and_then(|()| fs::create_dir(to));
            removed.map_err(|error| StoreError::io("empty directory", to, error))?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn copy_log(
    log: &Log,
    target: &Log,
    directory: &Path,
    report: &mut SnapshotReport,
) -> Result<(), StoreError> {
    let mut numbers = log.numbers()?;
    // The newest file that has a header is the one that may grow: one without is removed and made
    // anew by the next opening. Whatever the state of the original, the file that a store opened on
    // the snapshot goes on with must be a copy.
    while let Some(number) = numbers.pop() {
        let Some(file) = log.open(number)? else { continue };
        if file.header != HeaderState::Unfinished {
            copy_newest(&file, target, report)?;
            break;
        }
    }
    // Oldest first: those are the ones that retention drops.
    for number in numbers {
        link_or_copy(log, number, target, report)?;
    }
    sync_directory(directory).map_err(|error| StoreError::io("sync directory", directory, error))
}

/// Copies a log file up to the end of its last whole frame.
fn copy_newest(
    file: &LogFile,
    target: &Log,
    report: &mut SnapshotReport,
) -> Result<(), StoreError> {
    let mut documents = 0;
    let ending = walk::walk(file, walk::bytes_of(file)?, |found| {
        documents += u64::from(matches!(found, Found::Document(..)));
        ControlFlow::Continue(())
    })?;
    let bytes = ending.map_or(0, |ending| ending.frames_end);
    let target = target.path_of(file.number);
    // From the file that was walked through: its name may be gone by now.
    let copy = || -> io::Result<()> {
        let mut copied = File::create_new(&target)?;
        io::copy(&mut file.reader(0..bytes), &mut copied)?;
        copied.sync_all()
    };
    copy().map_err(|error| StoreError::io("copy log file to", &target, error))?;
    report.log_files += 1;
    report.log_bytes += bytes;
    report.copied_bytes += bytes;
    report.newest_documents = documents;
    Ok(())
}

/// Takes a complete log file into the snapshot, unless retention has dropped it meanwhile.
fn link_or_copy(
    log: &Log,
    number: FileNumber,
    target: &Log,
    report: &mut SnapshotReport,
) -> Result<(), StoreError> {
    let to = target.path_of(number);
    let linked = link(&log.path_of(number), &to)
        .map_err(|error| StoreError::io("copy log file to", &to, error))?;
    let Some(Linked { bytes, is_shared }) = linked else { return Ok(()) };
    report.log_files += 1;
    report.log_bytes += bytes;
    match is_shared {
        true => report.linked_files += 1,
        false => report.copied_bytes += bytes,
    }
    Ok(())
}

/// A file that was taken in.
struct Linked {
    bytes: u64,
    /// Whether it has two names now, rather than a copy.
    is_shared: bool,
}

/// Gives a file that does not change a second name or, where that cannot be, copies it. `None` when
/// it is gone.
fn link(from: &Path, to: &Path) -> io::Result<Option<Linked>> {
    let linked = match fs::hard_link(from, to) {
        Ok(()) => to.metadata().map(|file| Linked { bytes: file.len(), is_shared: true }),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists => Err(error),
            // Another file system, one without hard links, or a file of another owner.
            _ => copy_synced(from, to).map(|bytes| Linked { bytes, is_shared: false }),
        },
    };
    match linked {
        Ok(linked) => Ok(Some(linked)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !from.try_exists()? => Ok(None),
        Err(error) => Err(error),
    }
}

/// Copies a file to one that must not be there: it might be another name of the same file, which
/// would be emptied.
fn copy_synced(from: &Path, to: &Path) -> io::Result<u64> {
    let mut original = File::open(from)?;
    let mut copy = File::create_new(to)?;
    let bytes = io::copy(&mut original, &mut copy)?;
    copy.sync_all()?;
    Ok(bytes)
}

/// Copies the settings. Each file is replaced whole when it changes, so each copy is whole too.
fn copy_settings(
    data_directory: &Path,
    target: &Path,
    report: &mut SnapshotReport,
) -> Result<(), StoreError> {
    let (settings, target) = (data_directory.join("settings"), target.join("settings"));
    let fail = |error| StoreError::io("copy settings to", &target, error);
    let entries = match fs::read_dir(&settings) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(error)),
    };
    create_directory(&target).map_err(fail)?;
    for entry in entries {
        let from = entry.map_err(fail)?.path();
        // A file `<kind>.json.new` is one that is being written.
        if from.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        if let Some(name) = from.file_name() {
            copy_synced(&from, &target.join(name)).map_err(fail)?;
            report.settings += 1;
        }
    }
    sync_directory(&target).map_err(fail)
}
