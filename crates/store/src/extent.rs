//! What is known of the log without reading it: where it ends, and how many documents of what age
//! are in each of its files.

use std::collections::BTreeMap;
use std::sync::Mutex;

use roentgen_model::Timestamp;

use crate::locking::lock;
use crate::log::{FileNumber, Position};
use crate::manifest::LogFacts;

/// The extent of the log, as far as its documents were entered in the open set.
#[derive(Debug)]
pub(crate) struct Extent(Mutex<Known>);

/// The extent at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Every document before this place was entered, or had settled.
    pub(crate) end: Position,
    /// By file; those without documents are missing.
    pub(crate) files: BTreeMap<FileNumber, LogFacts>,
}

impl Extent {
    /// What is known before the log is read.
    pub(crate) fn new(files: BTreeMap<FileNumber, LogFacts>) -> Self {
        Self(Mutex::new(Known { end: Position::MIN, files }))
    }

    /// Counts documents that were entered, after which everything before `end` is.
    pub(crate) fn grow(
        &self,
        documents: impl Iterator<Item = (Position, Timestamp)>,
        end: Position,
    ) {
        let mut known = lock(&self.0);
        for (position, received) in documents {
            let file = known.files.entry(position.file());
            file.and_modify(|facts| facts.count(received)).or_insert(LogFacts::of(received));
        }
        known.end = known.end.max(end);
    }

    /// Forgets a file that is gone; returns how many documents it had.
    pub(crate) fn remove(&self, number: FileNumber) -> u64 {
        lock(&self.0).files.remove(&number).map_or(0, |facts| facts.documents)
    }

    /// What is known of a file.
    pub(crate) fn of_file(&self, number: FileNumber) -> Option<LogFacts> {
        lock(&self.0).files.get(&number).copied()
    }

    /// The extent now.
    pub(crate) fn known(&self) -> Known {
        lock(&self.0).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_counted_by_file_whatever_the_order_of_their_times() {
        let extent = Extent::new(BTreeMap::new());
        let document =
            |file, time| (Position::new(file, 16, 0).unwrap(), Timestamp::from_micros(time));
        let end = Position::new(2, 99, 0).unwrap();
        let first = [document(1, 50), document(1, 20), document(2, 70)];
        extent.grow(first.into_iter(), end);
        extent.grow([document(1, 90)].into_iter(), Position::MIN);
        let facts = |documents, oldest, newest| LogFacts {
            documents,
            oldest: Timestamp::from_micros(oldest),
            newest: Timestamp::from_micros(newest),
        };
        assert_eq!(extent.of_file(1), Some(facts(3, 20, 90)));
        assert_eq!((extent.remove(1), extent.remove(1)), (3, 0));
        let files = BTreeMap::from([(2, facts(1, 70, 70))]);
        assert_eq!(extent.known(), Known { end, files });
    }
}
