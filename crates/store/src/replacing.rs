//! Replacing settled files that are damaged or missing: what they told is settled anew from the
//! log.
//!
//! Such a file stops counting, together with those that rest on it. Then the stretch of log they
//! stand for is read, and documents in it that no other file covers are opened, to settle again as
//! if they had just come. While that goes on queries wait: settled and open do not add up.

use crate::StoreError;
use crate::derived::Derived;
use crate::locking::write;
use crate::log::{FileNumber, Found, LogFile, Position, scan};
use crate::manifest::ListedFile;
use crate::new_document::Outlined;
use crate::open::StoredDocument;
use crate::settled::SettledError;
use crate::settling;
use crate::settling::RoomWhileReading;
use crate::state::State;
use crate::writer::Hidden;

/// More than a block of the log can have: a stretch ends with the block that has its last
/// document.
const MOST_BLOCK_BYTES: u64 = 1 << 20;

/// Why work with settled files did not succeed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A settled file cannot be used. When it was replaced, the work can be tried again.
    Damaged(SettledError),
    /// Something else.
    Failed(StoreError),
}

/// A part of the log whose documents may be in no settled file and not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stretch {
    pub(crate) first: Position,
    pub(crate) last: Position,
}

impl From<SettledError> for Trouble {
    fn from(error: SettledError) -> Self {
        Trouble::Damaged(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Failed(error)
    }
}

/// Replaces a file that cannot be used, unless that has been done already.
///
/// # Errors
/// When it could not be done now. Queries fail until it can.
pub(crate) fn replace(
    state: &State,
    derived: &mut Derived,
    damage: &SettledError,
) -> Result<(), StoreError> {
    derived.check_open()?;
    let _alone = write(&state.gate);
    lose(state, derived, damage);
    read_lost(state, derived)
}

/// Goes on where reading a lost stretch of the log has failed.
///
/// # Errors
/// When it fails again.
pub(crate) fn finish_reading(state: &State, derived: &mut Derived) -> Result<(), StoreError> {
    derived.check_open()?;
    if derived.lost.is_empty() {
        return Ok(());
    }
    let _alone = write(&state.gate);
    read_lost(state, derived)
}

/// Lets a file that cannot be used, and those that rest on it, not count any more.
pub(crate) fn lose(state: &State, derived: &mut Derived, damage: &SettledError) {
    let live = state.live();
    let Some(damaged) = live.at(damage.path()) else { return };
    report(state, damage);
    let lost = live.resting_on(std::slice::from_ref(&damaged.listed));
    drop_from_listing(state, derived, &lost);
    let numbers = lost.iter().map(|file| file.number).collect();
    state.set_live(live.replacing(&numbers, Vec::new()));
    state.forget_queries();
}

/// Counts and reports a file that cannot be used.
pub(crate) fn report(state: &State, damage: &SettledError) {
    state.counters.damaged_settled_files.add(1);
    tracing::error!(
        file = %damage.path().display(),
        error = %damage,
        "a settled file cannot be used; what it told is settled anew from the log"
    );
}

/// Notes that these files do not count, and what must be read for it. That holds whether or not it
/// can be published: a manifest that still names them leads to the same when it is opened.
pub(crate) fn drop_from_listing(state: &State, derived: &mut Derived, lost: &[ListedFile]) {
    let mut change = derived.change(&state.extent.known());
    let least = lost.iter().map(|file| file.least);
    change.replay_from = least.chain([change.replay_from]).min().unwrap_or(Position::MIN);
    change.removed = lost.iter().map(|file| file.number).collect();
    derived.manifest.assume(change);
    let stretch = |file: &ListedFile| Stretch { first: file.least, last: file.greatest };
    derived.lost.extend(lost.iter().map(stretch));
    merge_stretches(&mut derived.lost);
    state.set_incomplete(true);
}

/// Opens the documents in the lost stretches that no settled file covers.
///
/// # Errors
/// When the log cannot be read, or the documents cannot settle while they take too much memory.
/// What is left is noted.
pub(crate) fn read_lost(state: &State, derived: &mut Derived) -> Result<(), StoreError> {
    while let Some(&stretch) = derived.lost.first() {
        match read_stretch(state, derived, stretch) {
            Ok(()) => {
                derived.lost.remove(0);
            }
            Err(Trouble::Damaged(damage)) => lose(state, derived, &damage),
            Err(Trouble::Failed(error)) => return Err(error),
        }
    }
    state.set_incomplete(false);
    settling::checkpoint(state, derived);
    Ok(())
}

/// As [`read_lost`], at opening: a file that is found damaged lets opening begin anew.
pub(crate) fn read_lost_at_opening(state: &State, derived: &mut Derived) -> Result<(), Trouble> {
    while let Some(&stretch) = derived.lost.first() {
        read_stretch(state, derived, stretch)?;
        derived.lost.remove(0);
    }
    state.set_incomplete(false);
    Ok(())
}

fn read_stretch(state: &State, derived: &mut Derived, stretch: Stretch) -> Result<(), Trouble> {
    let numbers = stretch.first.file()..=stretch.last.file();
    for file in state.log.list() {
        if numbers.contains(&file.number) {
            read_file(state, derived, &file, stretch)?;
        }
    }
    Ok(())
}

/// Opens the documents of a stretch that are in one log file.
fn read_file(
    state: &State,
    derived: &mut Derived,
    file: &LogFile,
    Stretch { first, last }: Stretch,
) -> Result<(), Trouble> {
    let covered = covered_positions(state, file.number)?;
    // What stands behind this place is entered by others.
    let end = state.extent.known().end;
    let begin = if first.file() == file.number { u64::from(first.offset()) } else { 0 };
    let behind = match last.file() == file.number {
        true => u64::from(last.offset()) + MOST_BLOCK_BYTES,
        false => u64::MAX,
    };
    let now = state.clock.instant();
    let (mut hidden, mut buffer) = (Hidden::default(), Vec::new());
    let mut room = RoomWhileReading::default();
    let scanned = scan(file, begin..behind, |found| {
        let Found::Document(position, document) = found else { return Ok(()) };
        let is_lost = (first..=last).contains(&position) && position < end;
        if !is_lost || covered.binary_search(&position).is_ok() {
            return Ok(());
        }
        match Outlined::parse(document.bytes, &mut buffer) {
            Ok(outlined) => {
                let bytes = u32::try_from(document.bytes.len()).unwrap_or(u32::MAX);
                let id = outlined.trace_id;
                let stored = StoredDocument { position, bytes, outlined };
                hidden.count(id, state.open.enter(stored, now));
            }
            Err(_) => state.counters.unreadable_documents.add(1),
        }
        derived.read_up_to(position);
        room.after_document(state, derived)
    });
    room.finish(scanned)?;
    hidden.report(state);
    Ok(())
}

/// The places in a log file that settled files know, in order.
fn covered_positions(state: &State, number: FileNumber) -> Result<Vec<Position>, SettledError> {
    let mut covered = Vec::new();
    let first = Position::new(number, 0, 0).unwrap_or(Position::MAX);
    for live in state.live().files() {
        let numbers = live.listed.least.file()..=live.listed.greatest.file();
        if numbers.contains(&number) {
            let positions = live.file.positions_from(first)?;
            covered.extend(positions.into_iter().filter(|position| position.file() == number));
        }
    }
    covered.sort_unstable();
    Ok(covered)
}

/// Sorts stretches and makes one of those that overlap.
fn merge_stretches(stretches: &mut Vec<Stretch>) {
    stretches.sort_unstable();
    stretches.dedup_by(|next, before| {
        let overlaps = next.first <= before.last;
        if overlaps {
            before.last = before.last.max(next.last);
        }
        overlaps
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_that_overlap_become_one() {
        let check = |stretches: &[(u64, u64)], expect: &[(u64, u64)]| {
            let of = |&(first, last): &(u64, u64)| Stretch {
                first: Position::from_u64(first),
                last: Position::from_u64(last),
            };
            let mut found: Vec<_> = stretches.iter().map(of).collect();
            merge_stretches(&mut found);
            assert_eq!(found, expect.iter().map(of).collect::<Vec<_>>());
        };
        check(&[], &[]);
        check(&[(5, 9), (1, 3)], &[(1, 3), (5, 9)]);
        check(&[(5, 9), (1, 5), (2, 3)], &[(1, 9)]);
        check(&[(1, 9), (2, 3), (10, 12)], &[(1, 9), (10, 12)]);
    }
}
