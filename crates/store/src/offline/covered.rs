//! Which documents of one log file are in settled files. Each must be in one, once, unless it
//! stands behind the place from which the log is read at opening.

use std::ops::Range;

use super::faults::FaultKind;
use crate::log::Position;

/// The documents of a log file, and which of them settled files were found to hold.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// Where each block begins, and the number of its first document; in the order of the file.
    blocks: Vec<(u32, usize)>,
    documents: Vec<State>,
    damage: Vec<Range<u64>>,
    /// Places that settled files name and where no document is: how many, and the first.
    nowhere: Option<(u64, u64)>,
    /// Whether a settled file that may hold documents of this file could not be read.
    is_partly_known: bool,
}

/// What is known of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In no settled file so far.
    Uncovered,
    Covered,
    CoveredTwice,
    /// Bytes that are no document; whether settled files hold them does not matter.
    PassedOver,
}

/// What covers and does not cover.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is wrong, and where it begins.
    pub(super) faults: Vec<(u64, FaultKind)>,
    /// Documents in no settled file that need not be in one.
    pub(super) open_documents: u64,
}

impl Covered {
    /// Adds a document; they come in the order of the file.
    pub(super) fn expect(&mut self, position: Position) {
        self.add(position, State::Uncovered);
    }

    /// Adds bytes that stand where a document should.
    pub(super) fn pass_over(&mut self, position: Position) {
        self.add(position, State::PassedOver);
    }

    fn add(&mut self, position: Position, state: State) {
        if self.blocks.last().is_none_or(|(offset, _)| *offset != position.offset()) {
            self.blocks.push((position.offset(), self.documents.len()));
        }
        self.documents.push(state);
    }

    /// Adds a stretch of the file where nothing can be read.
    pub(super) fn damage(&mut self, offsets: Range<u64>) {
        self.damage.push(offsets);
    }

    /// Notes that a settled file could not be read, so that what is in none may be in that one.
    pub(super) fn read_in_part(&mut self) {
        self.is_partly_known = true;
    }

    /// Notes that a settled file holds the document at a place of this file.
    pub(super) fn cover(&mut self, position: Position) {
        let offset = u64::from(position.offset());
        if let Some(state) = self.document(position) {
            *state = match state {
                State::Uncovered => State::Covered,
                State::Covered | State::CoveredTwice => State::CoveredTwice,
                State::PassedOver => State::PassedOver,
            };
        } else if !self.damage.iter().any(|damage| damage.contains(&offset)) {
            let (count, first) = self.nowhere.unwrap_or((0, offset));
            self.nowhere = Some((count + 1, first.min(offset)));
        }
    }

    fn document(&mut self, position: Position) -> Option<&mut State> {
        let place = self.blocks.binary_search_by_key(&position.offset(), |(offset, _)| *offset);
        let place = place.ok()?;
        let (_, first) = *self.blocks.get(place)?;
        let end = self.blocks.get(place + 1).map_or(self.documents.len(), |(_, next)| *next);
        let number = first + usize::from(position.place());
        self.documents.get_mut(number).filter(|_| number < end)
    }

    /// Tells what is wrong, when documents from `replay_from` on may be in no settled file.
    pub(super) fn outcome(&self, replay_from: Option<ReplayFrom>) -> Outcome {
        let mut outcome = Outcome::default();
        let (mut uncovered, mut twice) = (None, None);
        for (idx, &(offset, first)) in self.blocks.iter().enumerate() {
            let end = self.blocks.get(idx + 1).map_or(self.documents.len(), |(_, next)| *next);
            let documents = self.documents.get(first..end).unwrap_or_default();
            for (place, state) in (0_u64..).zip(documents) {
                match state {
                    State::Covered | State::PassedOver => {}
                    State::CoveredTwice => count(&mut twice, offset),
                    State::Uncovered => match replay_from {
                        _ if self.is_partly_known => {}
                        Some(from) if !from.reaches(offset, place) => count(&mut uncovered, offset),
                        _ => outcome.open_documents += 1,
                    },
                }
            }
        }
        let fault = |found: Option<(u64, u64)>, kind: fn(u64) -> FaultKind| {
            found.map(|(count, first)| (first, kind(count)))
        };
        outcome.faults.extend(fault(uncovered, FaultKind::Uncovered));
        outcome.faults.extend(fault(twice, FaultKind::CoveredTwice));
        outcome.faults.extend(fault(self.nowhere, FaultKind::NoDocument));
        outcome
    }
}

/// The place in this file from which the log is read at opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplayFrom {
    /// Behind this file.
    Behind,
    /// At this document of it.
    At(Position),
}

impl ReplayFrom {
    fn reaches(self, offset: u32, place: u64) -> bool {
        match self {
            ReplayFrom::Behind => false,
            ReplayFrom::At(from) => (offset, place) >= (from.offset(), u64::from(from.place())),
        }
    }
}

fn count(found: &mut Option<(u64, u64)>, offset: u32) {
    let (count, first) = found.unwrap_or((0, u64::from(offset)));
    *found = Some((count + 1, first));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u32, place: u8) -> Position {
        Position::new(1, offset, place).unwrap()
    }

    /// Three blocks of two documents at 100, 200 and 300, damage from 400 to 450.
    fn covered(by: &[(u32, u8)]) -> Covered {
        let mut covered = Covered::default();
        for offset in [100, 200, 300] {
            covered.expect(at(offset, 0));
            covered.expect(at(offset, 1));
        }
        covered.damage(400..450);
        by.iter().for_each(|&(offset, place)| covered.cover(at(offset, place)));
        covered
    }

    #[test]
    fn every_document_is_in_one_settled_file_or_open() {
        let check =
            |by: &[(u32, u8)], from: Option<ReplayFrom>, expect: &[(u64, FaultKind)], open| {
                let outcome = covered(by).outcome(from);
                assert_eq!((outcome.faults.as_slice(), outcome.open_documents), (expect, open));
            };
        let all = [(100, 0), (100, 1), (200, 0), (200, 1), (300, 0), (300, 1)];
        check(&all, Some(ReplayFrom::Behind), &[], 0);
        check(&all, None, &[], 0);
        check(&[], None, &[], 6);
        let from = Some(ReplayFrom::At(at(200, 1)));
        check(&all[..3], from, &[], 3);
        check(&all[..2], from, &[(200, FaultKind::Uncovered(1))], 3);
        check(&all[1..], Some(ReplayFrom::Behind), &[(100, FaultKind::Uncovered(1))], 0);
        let twice = [&all[..], &all[3..5]].concat();
        check(&twice, None, &[(200, FaultKind::CoveredTwice(2))], 0);
        // Behind the block, between blocks, and in damage, which explains it.
        let nowhere = [&all[..], &[(300, 2), (250, 0), (420, 0)]].concat();
        check(&nowhere, None, &[(250, FaultKind::NoDocument(2))], 0);
    }

    #[test]
    fn nothing_is_missing_where_not_all_could_be_read() {
        let mut covered = covered(&[(100, 0)]);
        covered.read_in_part();
        assert_eq!(covered.outcome(Some(ReplayFrom::Behind)).faults, []);
    }

    #[test]
    fn what_is_no_document_need_not_be_covered() {
        let mut covered = Covered::default();
        covered.pass_over(at(16, 0));
        covered.expect(at(16, 1));
        covered.cover(at(16, 1));
        let outcome = covered.outcome(Some(ReplayFrom::Behind));
        assert_eq!((outcome.faults.as_slice(), outcome.open_documents), (&[][..], 0));
    }
}
