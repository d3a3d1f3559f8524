//! What is published is found again, whatever happens to the file.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use roentgen_model::Timestamp;

use super::*;
use crate::failing_disk::FailingDisk;
use crate::log::{Position, RealDisk};
use crate::settled::{Sequence, Sequences};

fn file(number: u64) -> ListedFile {
    let (number, place) = (Sequence(number), |offset| Position::new(3, offset, 1).unwrap());
    let sequences = Sequences::of(number);
    ListedFile { number, sequences, home: 3, least: place(16), greatest: place(99) }
}

fn numbers(listing: &Listing) -> Vec<u64> {
    listing.files.keys().map(|number| number.0).collect()
}

/// The change that adds a file of this sequence.
fn adding(listing: &Listing, sequence: u64) -> Change {
    Change {
        added: vec![file(sequence)],
        replay_from: Position::new(3, u32::try_from(sequence).unwrap(), 0).unwrap(),
        next_sequence: Sequence(sequence + 1),
        ..listing.unchanged()
    }
}

fn opened(directory: &Path) -> Manifest {
    Manifest::new(Arc::new(RealDisk), directory, read(directory).unwrap().listing)
}

fn position() -> impl Strategy<Value = Position> {
    any::<u64>().prop_map(Position::from_u64)
}

fn change() -> impl Strategy<Value = Change> {
    let listed = (1_u64..9, 0_u64..3, 1_u32..9, position(), position()).prop_map(
        |(number, more, home, least, greatest)| ListedFile {
            number: Sequence(number),
            sequences: Sequences::from_runs(vec![(number, number + more), (50, 60)]).unwrap(),
            home,
            least,
            greatest,
        },
    );
    let facts = (any::<u64>(), any::<i64>(), any::<i64>()).prop_map(|(documents, a, b)| {
        let (oldest, newest) = (Timestamp::from_micros(a), Timestamp::from_micros(b));
        LogFacts { documents, oldest, newest }
    });
    (
        prop::collection::vec(listed, 0..4),
        prop::collection::vec((1_u64..9).prop_map(Sequence), 0..4),
        (position(), position(), (0_u64..20).prop_map(Sequence)),
        prop::collection::vec((0_u32..9, facts), 0..4),
        0_u32..9,
    )
        .prop_map(|(added, removed, (replay_from, counted_to, next_sequence), log, first)| {
            let first_log_file = first;
            Change { added, removed, replay_from, next_sequence, log, first_log_file, counted_to }
        })
}

proptest! {
    #[test]
    fn changes_come_back_and_any_beginning_of_the_file_is_a_state_that_was(
        changes in prop::collection::vec(change(), 0..6),
        flipped in any::<(prop::sample::Index, u8)>(),
    ) {
        let mut bytes = record::header(VERSION).to_vec();
        let mut states = vec![(bytes.len(), Listing::default())];
        for change in changes {
            bytes.extend(record::encode(&change));
            let mut listing = states[states.len() - 1].1.clone();
            listing.apply(change);
            states.push((bytes.len(), listing));
        }
        let state_at = |length: usize| {
            states.iter().rfind(|(end, _)| *end <= length).map_or_else(Listing::default, |s| s.1.clone())
        };
        for length in 0..=bytes.len() {
            let found = parse(&bytes[..length]);
            prop_assert_eq!(&found.listing, &state_at(length));
            let is_end = states.iter().any(|(end, _)| *end == length);
            prop_assert_eq!(found.condition == Condition::Whole, is_end);
        }
        // A damaged bit takes the record that has it and those behind, and no other.
        let (index, bit) = (flipped.0.index(bytes.len()), flipped.1 % 8);
        bytes[index] ^= 1 << bit;
        let found = parse(&bytes);
        prop_assert_eq!(found.listing, state_at(index));
        prop_assert!(found.condition != Condition::Whole);
        // Whole listings come back, too.
        let (_, last) = &states[states.len() - 1];
        let mut again = Listing::default();
        let whole = record::encode(&last.as_change());
        again.apply(record::parse(&whole).unwrap().0);
        prop_assert_eq!(&again, last);
    }
}

#[test]
fn what_is_published_is_found_and_a_torn_record_is_not() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(read(directory.path()).unwrap().condition, Condition::Missing);
    let mut manifest = opened(directory.path());
    for sequence in 1..=3 {
        manifest.publish(adding(manifest.listing(), sequence)).unwrap();
        let found = read(directory.path()).unwrap();
        assert_eq!((&found.listing, found.condition), (manifest.listing(), Condition::Whole));
    }
    let path = path_in(directory.path());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let found = read(directory.path()).unwrap();
    assert!(matches!(found.condition, Condition::Cut { offset } if offset < bytes.len() as u64));
    assert_eq!(numbers(&found.listing), [1, 2]);
    // The next change writes the file anew, without what was torn.
    let mut manifest = opened(directory.path());
    manifest.publish(adding(manifest.listing(), 4)).unwrap();
    let found = read(directory.path()).unwrap();
    assert_eq!(found.condition, Condition::Whole);
    assert_eq!(numbers(&found.listing), [1, 2, 4]);
}

#[test]
fn a_manifest_of_another_version_is_told_from_a_damaged_one() {
    let check = |bytes: &[u8], expect: Condition| {
        let found = parse(bytes);
        assert_eq!((found.listing, found.condition), (Listing::default(), expect));
    };
    check(&record::header(2), Condition::UnknownVersion(2));
    check(b"", Condition::Cut { offset: 0 });
    check(&[0; 40], Condition::Cut { offset: 0 });
    let mut header = record::header(1);
    header[9] ^= 1;
    check(&header, Condition::Cut { offset: 0 });
    check(&record::header(1), Condition::Whole);
}

#[test]
fn it_is_written_anew_when_it_has_grown() {
    let directory = tempfile::tempdir().unwrap();
    let mut manifest = opened(directory.path());
    let mut longest = 0;
    for sequence in 1..2_000 {
        let mut change = adding(manifest.listing(), sequence);
        change.removed = vec![Sequence(sequence - 1)];
        manifest.publish(change).unwrap();
        longest = longest.max(fs::metadata(path_in(directory.path())).unwrap().len());
    }
    assert!((LEAST_REWRITTEN_BYTES..LEAST_REWRITTEN_BYTES + 1000).contains(&longest), "{longest}");
    assert_eq!(read(directory.path()).unwrap().listing, *manifest.listing());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_failed_change_is_in_force_or_not_and_the_next_one_is() {
    let calls = AtomicUsize::new(usize::MAX);
    for fails_at in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(FailingDisk::default());
        let mut manifest = Manifest::new(disk.clone(), directory.path(), Listing::default());
        disk.fail_at(fails_at);
        let mut states = vec![manifest.listing().clone()];
        let mut failures = 0;
        for sequence in 1..=3 {
            let change = adding(manifest.listing(), sequence);
            let mut attempted = manifest.listing().clone();
            attempted.apply(change.clone());
            let result = manifest.publish(change);
            failures += usize::from(result.is_err());
            let expect = if result.is_ok() {
                vec![attempted]
            } else {
                assert_eq!(manifest.listing(), &states[states.len() - 1], "nothing has changed");
                vec![states[states.len() - 1].clone(), attempted]
            };
            let found = read(directory.path()).unwrap().listing;
            assert!(expect.contains(&found), "{fails_at}: {found:?}");
            states.push(manifest.listing().clone());
        }
        if failures == 0 {
            calls.store(fails_at, Ordering::SeqCst);
            break;
        }
        assert_eq!(failures, 1);
    }
    // Remove, create, append, sync, rename and directory, then twice append and sync.
    assert_eq!(calls.load(Ordering::SeqCst), 10);
}
