//! Checking what is made from the log: the manifest, the settled files, and whether they hold the
//! documents of the log.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::covered::{Covered, ReplayFrom};
use super::faults::{Fault, FaultKind, Faults};
use super::report::CheckedSettled;
use crate::StoreError;
use crate::derived;
use crate::log::{FileNumber, Position};
use crate::manifest::{self, Condition, Found};
use crate::settled::{ColumnCache, SettledError, SettledFile};

/// How often the manifest is read anew, since a file that it lists is gone or its end is no whole
/// record: beside a running store, the file was merged away and the record is just being written.
/// Both take far longer than what is tried here.
const MAX_TRIES: usize = 10;

/// Decoded columns that are kept. A check reads each once.
const CACHE_BYTES: u64 = 1 << 20;

/// The settled files that count.
#[derive(Debug)]
pub(super) struct SettledCheck {
    files: Vec<SettledFile>,
    replay_from: Position,
    /// Up to where the log was whole when the manifest was written.
    counted_to: Position,
    /// Whether all files are there, so that what they do not hold is missing.
    is_whole: bool,
    faults: Faults,
}

/// The manifest, or what it lists, is being changed.
struct Changing;

impl SettledCheck {
    /// Reads the manifest and opens what it lists.
    pub(super) fn open(directory: &Path) -> Result<Self, StoreError> {
        let cache = Arc::new(ColumnCache::new(CACHE_BYTES));
        let mut tries = 0;
        loop {
            tries += 1;
            let found = manifest::read(directory)?;
            if let Ok(check) = Self::of(directory, found, &cache, tries == MAX_TRIES) {
                return Ok(check);
            }
        }
    }

    /// Opens what a manifest lists. What looks like a change under way is a fault the last time.
    fn of(
        directory: &Path,
        found: Found,
        cache: &Arc<ColumnCache>,
        is_last_try: bool,
    ) -> Result<Self, Changing> {
        let Found { listing, condition } = found;
        if matches!(condition, Condition::Cut { .. }) && !is_last_try {
            return Err(Changing);
        }
        let mut check = Self {
            files: Vec::new(),
            replay_from: listing.replay_from,
            counted_to: listing.counted_to,
            is_whole: true,
            faults: Faults::default(),
        };
        let fault = |offset, kind| Fault { path: manifest::path_in(directory), offset, kind };
        match condition {
            Condition::Whole | Condition::Missing => {}
            Condition::Cut { offset } => {
                check.faults.add(fault(Some(offset), FaultKind::Manifest));
            }
            Condition::UnknownVersion(version) => {
                check.faults.add(fault(None, FaultKind::UnknownVersion(version)));
            }
        }
        for &number in listing.files.keys() {
            let path = derived::path_of(directory, number);
            match SettledFile::open(&path, cache.clone()) {
                Ok(file) => check.files.push(file),
                Err(SettledError::Io { cause, .. }) if is_gone(&cause) && !is_last_try => {
                    return Err(Changing);
                }
                Err(error) => {
                    check.is_whole = false;
                    check.faults.add(fault_of(&error));
                }
            }
        }
        Ok(check)
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Reads all of a file; `None` when there are not so many.
    pub(super) fn verify(&self, place: usize) -> Option<Faults> {
        let file = self.files.get(place)?;
        let mut faults = Faults::default();
        if let Err(error) = file.verify() {
            faults.add(fault_of(&error));
        }
        Some(faults)
    }

    /// From where on a log file may have documents that are in no settled file; `None` when it may
    /// be anywhere, since settled files are damaged.
    pub(super) fn replay_from(&self, number: FileNumber) -> Option<ReplayFrom> {
        if !self.is_whole || self.replay_from.file() < number {
            return None;
        }
        let is_here = self.replay_from.file() == number;
        Some(if is_here { ReplayFrom::At(self.replay_from) } else { ReplayFrom::Behind })
    }

    /// Up to where a log file was whole at some time, as far as is known.
    pub(super) fn was_whole_to(&self, number: FileNumber) -> u64 {
        let is_here = self.counted_to.file() == number;
        if is_here { u64::from(self.counted_to.offset()) } else { 0 }
    }

    /// Notes which documents of a log file the settled files hold. What cannot be read of them is
    /// told by [`SettledCheck::verify`].
    pub(super) fn cover(&self, number: FileNumber, covered: &mut Covered) {
        let holds = |file: &&SettledFile| {
            let range = file.positions();
            range
                .is_some_and(|(least, greatest)| (least.file()..=greatest.file()).contains(&number))
        };
        for file in self.files.iter().filter(holds) {
            let read = file.for_each_entry(|entry| {
                let here = entry.positions.iter().filter(|position| position.file() == number);
                here.for_each(|position| covered.cover(*position));
            });
            if read.is_err() {
                covered.read_in_part();
            }
        }
    }

    pub(super) fn summary(&self, open_documents: u64) -> CheckedSettled {
        CheckedSettled {
            files: self.files.len() as u64,
            bytes: self.files.iter().map(SettledFile::bytes).sum(),
            documents: self.files.iter().map(SettledFile::documents).sum(),
            open_documents,
        }
    }

    /// What was wrong when it was opened.
    pub(super) fn into_faults(self) -> Faults {
        self.faults
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn fault_of(error: &SettledError) -> Fault {
    let path = error.path().to_owned();
    match error {
        SettledError::Io { cause, .. } if is_gone(cause) => {
            Fault { path, offset: None, kind: FaultKind::Missing }
        }
        SettledError::Io { cause, .. } => {
            Fault { path, offset: None, kind: FaultKind::Unreadable(cause.to_string()) }
        }
        SettledError::Damaged { section, offset, .. } => {
            let kind = FaultKind::Section(section.to_string());
            Fault { path, offset: Some(*offset), kind }
        }
        SettledError::UnknownVersion { found, .. } => {
            Fault { path, offset: None, kind: FaultKind::UnknownVersion(*found) }
        }
    }
}
