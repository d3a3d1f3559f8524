//! Opening a data directory: what has settled is listed by the manifest, what has not is read from
//! the log and opened.
//!
//! Whatever of the derived files is missing or damaged, the result is the same, only later: the
//! documents that no settled file covers are read from the log, all of it in the worst case, and
//! settle again while it is read, so that the memory this takes is bounded. A settled file that is
//! found damaged while this is under way lets it begin anew without that file.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use roentgen_model::Timestamp;
use roentgen_ops::Clock;

use crate::data_directory::Directories;
use crate::derived::{self, Derived};
use crate::live::{Live, LiveFile};
use crate::locking::lock;
use crate::log::{Disk, LogDocument, LogFiles, LogWriter, Position, Replay, recover};
use crate::manifest::{self, Condition, ListedFile, Manifest};
use crate::new_document::Outlined;
use crate::open::StoredDocument;
use crate::replacing::{self, Trouble};
use crate::settled::{SettledError, SettledFile};
use crate::settling::RoomWhileReading;
use crate::state::State;
use crate::writer::Hidden;
use crate::{StoreError, StoreOptions, settling};

/// Most threads that read the log; more only wait for the one that takes in what they read.
const MOST_THREADS: usize = 8;

/// Settled files that were found damaged, by path.
type Damaged = BTreeMap<PathBuf, SettledError>;

/// What is read of a document that may not have settled.
enum Read {
    /// A document to open.
    New(StoredDocument, Timestamp),
    /// One that has settled, or that does not parse.
    Counted(Position, Timestamp),
}

/// Opens everything.
pub(crate) fn open(
    options: &StoreOptions,
    directories: &Directories,
    clock: &Arc<dyn Clock>,
    disk: &Arc<dyn Disk>,
) -> Result<(State, LogWriter), StoreError> {
    let mut damaged = Damaged::new();
    loop {
        let log = LogFiles::open(&directories.log)?;
        let found = manifest::read(&directories.settled)?;
        let highest = derived::list(&directories.settled)
            .map_err(|error| StoreError::io("list directory", &directories.settled, error))?
            .into_iter()
            .map(|(number, _)| number)
            .max();
        let manifest = Manifest::new(disk.clone(), &directories.settled, found.listing);
        let derived = Derived::new(manifest, highest);
        let (options, clock, disk) = (options.clone(), clock.clone(), disk.clone());
        let state = State::new(options, directories.clone(), clock, disk, log, derived);
        report_manifest(&state, &found.condition);
        match fill(&state, &damaged) {
            Ok(writer) => return Ok((state, writer)),
            Err(Trouble::Failed(error)) => return Err(error),
            Err(Trouble::Damaged(error)) => {
                let path = error.path().to_owned();
                if damaged.insert(path, error.clone()).is_some() {
                    return Err(StoreError::settled(error));
                }
            }
        }
    }
}

/// Reads what is missing in a state.
fn fill(state: &State, damaged: &Damaged) -> Result<LogWriter, Trouble> {
    let mut derived = lock(&state.derived);
    let derived = &mut *derived;
    let listing = derived.manifest.listing();
    let (replay_from, counted_to) = (listing.replay_from, listing.counted_to);
    let newest_known = newest_known(listing);
    state.extent.grow(std::iter::empty(), replay_from);
    open_listed(state, derived, damaged);
    let had_lost = !derived.lost.is_empty();
    replacing::read_lost_at_opening(state, derived)?;
    let covered = covered_from(&state.live(), replay_from)?;
    let read = |position: Position, document: LogDocument<'_>| {
        let counted =
            || (position >= counted_to).then_some(Read::Counted(position, document.received));
        if covered.binary_search(&position).is_ok() {
            return counted();
        }
        match Outlined::parse(document.bytes, &mut Vec::new()) {
            Ok(outlined) => {
                let bytes = u32::try_from(document.bytes.len()).unwrap_or(u32::MAX);
                let stored = StoredDocument { position, bytes, outlined };
                Some(Read::New(stored, document.received))
            }
            Err(_) => {
                state.counters.unreadable_documents.add(1);
                counted()
            }
        }
    };
    let now = state.clock.instant();
    let (mut hidden, mut room) = (Hidden::default(), RoomWhileReading::default());
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let replay = Replay { from: replay_from, newest_known, threads };
    let recovered = recover(&state.disk, &state.log, replay, read, |read| {
        let (position, received) = match read {
            Read::Counted(position, received) => (position, received),
            Read::New(stored, received) => {
                let (id, position) = (stored.outlined.trace_id, stored.position);
                state.counters.replayed_documents.add(1);
                hidden.count(id, state.open.enter(stored, now));
                (position, received)
            }
        };
        let counted = (position >= counted_to).then_some((position, received));
        state.extent.grow(counted.into_iter(), position.next());
        room.after_document(state, derived)
    });
    let (writer, damage) = room.finish(recovered)?;
    hidden.report(state);
    state.extent.grow(std::iter::empty(), writer.end());
    state.counters.count_damage(damage);
    if had_lost {
        settling::checkpoint(state, derived);
    }
    remove_unlisted(state, derived);
    Ok(writer)
}

/// Opens the settled files that count. Those that cannot be used are noted as lost with all that
/// rest on them; those whose part of the log is gone are left out.
fn open_listed(state: &State, derived: &mut Derived, damaged: &Damaged) {
    let first_log_file = state.log.list().first().map(|file| file.number);
    let (mut usable, mut lost, mut expired) = (Vec::new(), Vec::new(), Vec::new());
    for listed in derived.manifest.listing().files.values() {
        if first_log_file.is_none_or(|first| listed.home < first) {
            expired.push(listed.number);
            continue;
        }
        let path = derived::path_of(&state.directories.settled, listed.number);
        let opened = match damaged.get(&path) {
            Some(error) => Err(error.clone()),
            None => SettledFile::open(&path, state.cache.clone()),
        };
        let is_home_there = state.log.get(listed.home).is_some();
        match opened {
            Ok(file) if is_home_there => usable.push(LiveFile::new(listed.clone(), Arc::new(file))),
            Ok(_) => lost.push(listed.clone()),
            Err(error) => {
                replacing::report(state, &error);
                lost.push(listed.clone());
            }
        }
    }
    if !expired.is_empty() {
        let removed = expired;
        let change = manifest::Change { removed, ..derived.manifest.listing().unchanged() };
        derived.manifest.assume(change);
    }
    let live = Live::new(usable, 1);
    let lost: Vec<ListedFile> = live.resting_on(&lost);
    let numbers = lost.iter().map(|file| file.number).collect();
    state.set_live(live.replacing(&numbers, Vec::new()));
    if !lost.is_empty() {
        replacing::drop_from_listing(state, derived, &lost);
    }
}

/// The newest position that anything derived refers to.
fn newest_known(listing: &manifest::Listing) -> Position {
    let before = |end: Position| Position::from_u64(end.as_u64().saturating_sub(1));
    let ends = [before(listing.replay_from), before(listing.counted_to)];
    listing.files.values().map(|file| file.greatest).chain(ends).max().unwrap_or(Position::MIN)
}

/// The places from a position on that settled files know, in order.
fn covered_from(live: &Live, first: Position) -> Result<Vec<Position>, SettledError> {
    let mut covered = Vec::new();
    for live in live.files() {
        covered.extend(live.file.positions_from(first)?);
    }
    covered.sort_unstable();
    Ok(covered)
}

/// Removes settled files that do not count: a crash came before they were published, or before
/// they were removed.
fn remove_unlisted(state: &State, derived: &Derived) {
    let directory = &state.directories.settled;
    let listing = derived.manifest.listing();
    for (number, _) in derived::list(directory).unwrap_or_default() {
        if !listing.files.contains_key(&number) {
            derived::remove_file(&*state.disk, directory, number);
        }
    }
}

fn report_manifest(state: &State, condition: &Condition) {
    let file = manifest::path_in(&state.directories.settled);
    let file = file.display();
    match condition {
        Condition::Missing | Condition::Whole => {}
        Condition::Cut { offset } => {
            state.counters.damaged_manifests.add(1);
            tracing::warn!(
                %file,
                offset,
                "the manifest is damaged or was not finished; what it told from there on is made \
                 anew from the log"
            );
        }
        Condition::UnknownVersion(version) => {
            state.counters.damaged_manifests.add(1);
            tracing::warn!(
                %file,
                version,
                "the manifest has a version that this program does not know; everything derived \
                 is made anew from the log"
            );
        }
    }
}
