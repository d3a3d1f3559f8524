//! What the manifest says: the settled files that count, and what is known of the log.

use std::collections::BTreeMap;

use roentgen_model::Timestamp;

use crate::log::{FileNumber, Position};
use crate::settled::{Sequence, Sequences};

/// The state that the records of a manifest make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The settled files by the number in their name.
    pub(crate) files: BTreeMap<Sequence, ListedFile>,
    /// Every document before this place of the log is in one of the files, or gone, or damaged.
    pub(crate) replay_from: Position,
    /// The number of the next settled file. Never one that was used before, published or not.
    pub(crate) next_sequence: Sequence,
    /// What is known of the log files, counting the documents before [`Listing::counted_to`].
    pub(crate) log: BTreeMap<FileNumber, LogFacts>,
    /// Up to where documents are counted in [`Listing::log`].
    pub(crate) counted_to: Position,
}

/// A settled file that counts. Enough to know what must be settled anew when it is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedFile {
    /// The number in its name.
    pub(crate) number: Sequence,
    /// The files that it stands for: itself, or those it was merged from.
    pub(crate) sequences: Sequences,
    /// The log file with whose end it goes.
    pub(crate) home: FileNumber,
    /// The place of its first document in the log.
    pub(crate) least: Position,
    /// The place of its last document.
    pub(crate) greatest: Position,
}

/// What is known of the documents in a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogFacts {
    /// How many there are.
    pub(crate) documents: u64,
    /// When the oldest was received.
    pub(crate) oldest: Timestamp,
    /// When the newest was received.
    pub(crate) newest: Timestamp,
}

/// A change of the listing, in force as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Files that count from now on.
    pub(crate) added: Vec<ListedFile>,
    /// Files that no longer do.
    pub(crate) removed: Vec<Sequence>,
    pub(crate) replay_from: Position,
    pub(crate) next_sequence: Sequence,
    /// Log files of which something else is known than before.
    pub(crate) log: Vec<(FileNumber, LogFacts)>,
    /// Log files before this one are gone.
    pub(crate) first_log_file: FileNumber,
    pub(crate) counted_to: Position,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            files: BTreeMap::new(),
            replay_from: Position::MIN,
            next_sequence: Sequence(1),
            log: BTreeMap::new(),
            counted_to: Position::MIN,
        }
    }
}

impl LogFacts {
    /// Of one document.
    pub(crate) fn of(received: Timestamp) -> Self {
        Self { documents: 1, oldest: received, newest: received }
    }

    /// Counts another document.
    pub(crate) fn count(&mut self, received: Timestamp) {
        self.documents += 1;
        self.oldest = self.oldest.min(received);
        self.newest = self.newest.max(received);
    }
}

impl Listing {
    /// Brings a change into force.
    pub(crate) fn apply(&mut self, change: Change) {
        for number in &change.removed {
            self.files.remove(number);
        }
        self.files.extend(change.added.into_iter().map(|file| (file.number, file)));
        self.replay_from = change.replay_from;
        self.next_sequence = self.next_sequence.max(change.next_sequence);
        self.log.extend(change.log);
        self.log = self.log.split_off(&change.first_log_file);
        self.counted_to = change.counted_to;
    }

    /// A change that changes nothing, to be filled in.
    pub(crate) fn unchanged(&self) -> Change {
        Change {
            added: Vec::new(),
            removed: Vec::new(),
            replay_from: self.replay_from,
            next_sequence: self.next_sequence,
            log: Vec::new(),
            first_log_file: 0,
            counted_to: self.counted_to,
        }
    }

    /// The change that makes this of an empty listing.
    pub(super) fn as_change(&self) -> Change {
        Change {
            added: self.files.values().cloned().collect(),
            log: self.log.iter().map(|(&number, &facts)| (number, facts)).collect(),
            ..self.unchanged()
        }
    }
}
