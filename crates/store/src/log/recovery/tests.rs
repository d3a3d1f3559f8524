//! Logs that were written, damaged and opened again.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::log::dictionary::{Dictionary, train};
use crate::log::frame;
use crate::log::test_log::{Recovered, TestLog, document_of, documents, received};

fn no_damage() -> Damage {
    Damage::default()
}

fn path(log: &TestLog, number: u32) -> PathBuf {
    log.directory.path().join(format!("{number:08}.log"))
}

fn dictionary(log: &Recovered) -> Arc<Dictionary> {
    let samples: Vec<_> = documents(1).take(1000).collect();
    log.files.dictionary(&train(&samples).unwrap()).unwrap()
}

/// All documents of the log, and that nothing is wrong with it.
fn assert_holds(log: &TestLog, expect: &[(Position, roentgen_model::Timestamp, Vec<u8>)]) {
    let recovered = log.recover();
    assert_eq!(recovered.damage, no_damage());
    assert_eq!(recovered.documents, expect);
}

#[test]
fn documents_come_back_in_the_order_of_storage() {
    let log = TestLog::new();
    let mut all = Vec::new();
    for round in 0..3 {
        let mut opened = log.recover();
        assert_eq!(opened.documents, all, "{round}");
        assert_eq!(opened.damage, no_damage());
        let batch: Vec<_> = documents(round).take(1000).collect();
        all.extend(opened.append(&batch[..1]));
        all.extend(opened.append(&batch[1..6]));
        let trained = (round > 0).then(|| dictionary(&opened));
        opened.writer.rotate(&opened.files, trained).unwrap();
        all.extend(opened.append(&batch[6..]));
        all.extend(opened.append(&[document_of(64 << 10), document_of(0), document_of(20_000)]));
        all.extend(opened.append(&[]));
        assert!(all.is_sorted_by(|one, next| one.0 < next.0));
        let newest = all.last().unwrap().0;
        assert!(newest < opened.writer.end() && newest.file() == opened.writer.number());
    }
    assert_holds(&log, &all);
    assert_eq!(log.recover().files.list().len(), 4);
}

#[test]
fn the_log_is_read_from_a_position_on() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let batch: Vec<_> = documents(1).take(300).collect();
    let mut all = opened.append(&batch[..100]);
    opened.writer.rotate(&opened.files, None).unwrap();
    all.extend(opened.append(&batch[100..200]));
    all.extend(opened.append(&batch[200..]));
    let end = opened.writer.end();
    drop(opened);
    for from in [0, 1, 99, 100, 150, 299] {
        let told = log.recover_from(all[from].0, all[299].0).unwrap();
        assert_eq!(told.documents, all[from..], "{from}");
        assert_eq!(told.writer.end(), end);
    }
    let told = log.recover_from(end, all[299].0).unwrap();
    assert_eq!(told.documents, []);
    assert_eq!((told.writer.end(), told.damage), (end, no_damage()));
}

#[test]
fn a_torn_write_is_cut_off_at_every_length() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let first = dictionary(&opened);
    opened.writer.rotate(&opened.files, Some(first)).unwrap();
    let batch: Vec<_> = documents(1).take(45).collect();
    let kept = opened.append(&batch[..3]);
    let end = opened.writer.bytes();
    opened.append(&batch[3..5]);
    let path = path(&log, 2);
    let bytes = fs::read(&path).unwrap();
    for length in usize::try_from(end).unwrap()..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let mut opened = log.recover();
        assert_eq!(opened.documents, kept, "{length}");
        let torn_bytes = length as u64 - end;
        assert_eq!(opened.damage, Damage { torn_bytes, ..no_damage() });
        assert_eq!(fs::metadata(&path).unwrap().len(), end);
        let more = opened.append(&batch[5..7]);
        assert_holds(&log, &[&kept[..], &more].concat());
    }
}

#[test]
fn damage_costs_only_the_block_it_hits() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let batch: Vec<_> = documents(1).take(400).collect();
    let all = opened.append(&batch);
    let bytes = fs::read(path(&log, 1)).unwrap();
    let mut offsets: Vec<_> = all.iter().map(|(position, ..)| position.offset()).collect();
    offsets.dedup();
    assert!(offsets.len() > 3, "{offsets:?}");
    for (hit, next) in offsets.iter().zip(&offsets[1..]) {
        let mut bytes = bytes.clone();
        bytes[usize::try_from(hit + next).unwrap() / 2] ^= 1;
        fs::write(path(&log, 1), &bytes).unwrap();
        let opened = log.recover();
        let kept: Vec<_> =
            all.iter().filter(|(position, ..)| position.offset() != *hit).cloned().collect();
        assert_eq!(opened.documents, kept);
        let lost = u64::from(next - hit);
        assert_eq!(opened.damage, Damage { stretches: 1, bytes: lost, torn_bytes: 0 });
        assert_eq!(fs::read(path(&log, 1)).unwrap(), bytes, "left as it is");
    }
}

#[test]
fn damage_behind_the_last_frame_of_an_older_file_is_left() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let batch: Vec<_> = documents(1).take(2).collect();
    let all = opened.append(&batch);
    opened.writer.rotate(&opened.files, None).unwrap();
    let mut bytes = fs::read(path(&log, 1)).unwrap();
    bytes.extend_from_slice(b"garbage");
    fs::write(path(&log, 1), &bytes).unwrap();
    for _ in 0..2 {
        let opened = log.recover();
        assert_eq!(opened.documents, all);
        assert_eq!(opened.damage, Damage { stretches: 1, bytes: 7, torn_bytes: 0 });
    }
}

#[test]
fn a_file_outlives_the_loss_of_one_copy_of_its_dictionary() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let trained = dictionary(&opened);
    opened.writer.rotate(&opened.files, Some(trained.clone())).unwrap();
    let empty = opened.writer.bytes();
    assert!(opened.writer.is_empty());
    let all = opened.append(&documents(1).skip(2000).take(100).collect::<Vec<_>>());
    let bytes = fs::read(path(&log, 2)).unwrap();
    let copy = (usize::try_from(empty).unwrap() - FILE_HEADER_BYTES) / 2;
    let (first, second) = (FILE_HEADER_BYTES + copy / 2, FILE_HEADER_BYTES + copy * 3 / 2);
    for hit in [first, second] {
        let mut damaged = bytes.clone();
        damaged[hit] ^= 1;
        fs::write(path(&log, 2), &damaged).unwrap();
        let opened = log.recover();
        assert_eq!(opened.documents, all);
        let copy = copy as u64;
        assert_eq!(opened.damage, Damage { stretches: 1, bytes: copy, torn_bytes: 0 });
        assert_eq!(opened.writer.dictionary().unwrap().bytes(), trained.bytes());
    }
    let mut damaged = bytes.clone();
    damaged[first] ^= 1;
    damaged[second] ^= 1;
    fs::write(path(&log, 2), &damaged).unwrap();
    let mut opened = log.recover();
    assert_eq!(opened.documents, []);
    let Damage { bytes: damaged_bytes, torn_bytes, .. } = opened.damage;
    assert_eq!((damaged_bytes, torn_bytes), (bytes.len() as u64 - 16, 0), "nothing is cut off");
    assert!(opened.writer.dictionary().is_none());
    let more = opened.append(&documents(3).take(100).collect::<Vec<_>>());
    assert_eq!(log.recover().documents, more, "written without a dictionary");
}

#[test]
fn an_unknown_version_is_refused_before_anything_is_changed() {
    let log = TestLog::new();
    let mut opened = log.recover();
    opened.append(&documents(1).take(5).collect::<Vec<_>>());
    opened.writer.rotate(&opened.files, None).unwrap();
    opened.append(&documents(1).take(5).collect::<Vec<_>>());
    drop(opened);
    for number in [1, 2] {
        let whole = fs::read(path(&log, number)).unwrap();
        let mut header = *b"ROENTGEN\x03\x00\x00\x00....";
        let crc = crc32fast::hash(&header[..12]).to_le_bytes();
        header[12..].copy_from_slice(&crc);
        fs::write(path(&log, number), [&header[..], &whole[16..]].concat()).unwrap();
        let newest = fs::read(path(&log, 2)).unwrap();
        fs::write(path(&log, 2), &newest[..newest.len() - 1]).unwrap();
        let read_all = || [1, 2].map(|number| fs::read(path(&log, number)).unwrap());
        let before = read_all();
        let error = log.recover_from(Position::MIN, Position::MIN).unwrap_err();
        let expect =
            format!("{number:08}.log has format version 3, but this program reads version");
        assert!(error.to_string().contains(&expect), "{error}");
        assert_eq!(read_all(), before);
        assert_eq!(fs::read_dir(log.directory.path()).unwrap().count(), 2);
        fs::write(path(&log, 2), newest).unwrap();
        fs::write(path(&log, number), whole).unwrap();
    }
    assert_eq!(log.recover().documents.len(), 10);
}

#[test]
fn a_newest_file_without_a_whole_header_is_removed() {
    let log = TestLog::new();
    let all = log.recover().append(&documents(1).take(5).collect::<Vec<_>>());
    for length in 0..FILE_HEADER_BYTES {
        fs::write(path(&log, 2), &b"ROENTGEN\x02\x00\x00\x00...."[..length]).unwrap();
        let opened = log.recover();
        assert_eq!((opened.writer.number(), opened.writer.bytes()), (3, 16), "{length}");
        fs::remove_file(path(&log, 3)).unwrap();
        assert_eq!((opened.documents, opened.damage), (all.clone(), no_damage()));
        assert_eq!(opened.files.list().len(), 2);
    }
    // In the middle it is damage: the file was whole once.
    fs::write(path(&log, 2), b"ROENTG").unwrap();
    fs::copy(path(&log, 1), path(&log, 3)).unwrap();
    let opened = log.recover();
    assert_eq!(opened.documents.len(), 10);
    assert_eq!(opened.damage, Damage { stretches: 1, bytes: 6, torn_bytes: 0 });
}

#[test]
fn a_file_with_a_damaged_header_is_read_but_does_not_grow() {
    for dictionary_wanted in [false, true] {
        let log = TestLog::new();
        let mut opened = log.recover();
        let trained = dictionary_wanted.then(|| dictionary(&opened));
        opened.writer.rotate(&opened.files, trained).unwrap();
        let mut all = opened.append(&documents(1).take(5).collect::<Vec<_>>());
        let mut bytes = fs::read(path(&log, 2)).unwrap();
        bytes[9] ^= 1;
        fs::write(path(&log, 2), &bytes).unwrap();
        let mut opened = log.recover();
        assert_eq!(opened.documents, all);
        assert_eq!(opened.damage, Damage { stretches: 1, bytes: 16, torn_bytes: 0 });
        assert_eq!(opened.writer.number(), 3);
        assert_eq!(opened.writer.dictionary().is_some(), dictionary_wanted);
        all.extend(opened.append(&documents(2).take(5).collect::<Vec<_>>()));
        assert_eq!(log.recover().documents, all);
        assert_eq!(fs::read(path(&log, 2)).unwrap(), bytes);
    }
}

#[test]
fn a_log_that_lost_its_end_grows_in_a_new_file() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let mut all = opened.append(&documents(1).take(5).collect::<Vec<_>>());
    let kept_bytes = opened.writer.bytes();
    let lost = opened.append(&documents(2).take(5).collect::<Vec<_>>());
    let (from, newest_known) = (lost[0].0, lost[4].0);
    fs::OpenOptions::new().write(true).open(path(&log, 1)).unwrap().set_len(kept_bytes).unwrap();
    let mut opened = log.recover_from(from, newest_known).unwrap();
    assert_eq!((&opened.documents[..], opened.writer.number()), (&[][..], 2));
    all.extend(opened.append(&documents(3).take(5).collect::<Vec<_>>()));
    assert_holds(&log, &all);
    for number in [1, 2] {
        fs::remove_file(path(&log, number)).unwrap();
    }
    let opened = log.recover_from(from, newest_known).unwrap();
    assert_eq!((&opened.documents[..], opened.writer.number()), (&[][..], 2));
}

#[test]
fn damage_to_an_end_that_is_known_is_no_unfinished_write() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let mut all = opened.append(&documents(1).take(5).collect::<Vec<_>>());
    let kept_bytes = opened.writer.bytes();
    let lost = opened.append(&documents(2).take(5).collect::<Vec<_>>());
    let mut bytes = fs::read(path(&log, 1)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path(&log, 1), &bytes).unwrap();
    let mut opened = log.recover_from(Position::MIN, lost[0].0).unwrap();
    assert_eq!((&opened.documents[..], opened.writer.number()), (&all[..], 2));
    let damage = Damage { stretches: 1, bytes: bytes.len() as u64 - kept_bytes, torn_bytes: 0 };
    assert_eq!(opened.damage, damage);
    all.extend(opened.append(&documents(3).take(5).collect::<Vec<_>>()));
    let opened = log.recover();
    assert_eq!((opened.documents, opened.damage), (all, damage));
    assert_eq!(fs::read(path(&log, 1)).unwrap(), bytes, "left as it is");
}

#[test]
fn numbers_of_files_may_be_missing() {
    let log = TestLog::new();
    let mut opened = log.recover();
    let mut all = Vec::new();
    for seed in 0..3 {
        all.push(opened.append(&documents(seed).take(5).collect::<Vec<_>>()));
        opened.writer.rotate(&opened.files, None).unwrap();
    }
    fs::remove_file(path(&log, 2)).unwrap();
    assert_holds(&log, &[&all[0][..], &all[2]].concat());
    fs::remove_file(path(&log, 1)).unwrap();
    assert_holds(&log, &all[2]);
}

#[test]
fn reading_ends_when_the_caller_fails() {
    let log = TestLog::new();
    log.recover().append(&documents(1).take(30_000).collect::<Vec<_>>());
    let files = LogFiles::open(log.directory.path()).unwrap();
    let replay = Replay { from: Position::MIN, newest_known: Position::MIN, threads: 2 };
    let mut told = 0;
    let read = |_, document: LogDocument<'_>| Some(document.received);
    let result = recover(&log.disk, &files, replay, read, |at| {
        assert_eq!(at, received(told));
        told += 1;
        if told == 100 { Err(StoreError::Closed) } else { Ok(()) }
    });
    assert!(matches!(result, Err(StoreError::Closed)), "{result:?}");
    assert_eq!(told, 100);
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_reader_that_panics_is_not_waited_for() {
    let log = TestLog::new();
    log.recover().append(&documents(1).take(30_000).collect::<Vec<_>>());
    let files = LogFiles::open(log.directory.path()).unwrap();
    let replay = Replay { from: Position::MIN, newest_known: Position::MIN, threads: 2 };
    let read = |_, _: LogDocument<'_>| -> Option<()> { panic!("as this test wants it") };
    let _ = recover(&log.disk, &files, replay, read, |()| Ok(()));
}

/// What can happen to the bytes of a file.
#[derive(Clone, Debug)]
enum Mishap {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Lose(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Zero(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
}

impl Mishap {
    fn befall(&self, bytes: &mut Vec<u8>) {
        let place = |index: &prop::sample::Index| index.index(bytes.len() + 1);
        let range = |index, length: usize| place(index)..(place(index) + length).min(bytes.len());
        match self {
            Self::Flip(at, bit) => {
                let at = place(at);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            Self::Cut(at) => bytes.truncate(place(at)),
            Self::Lose(at, length) => drop(bytes.drain(range(at, *length))),
            Self::Insert(at, more) => drop(bytes.splice(range(at, 0), more.iter().copied())),
            Self::Zero(at, length) => {
                let range = range(at, *length);
                bytes[range].fill(0);
            }
            Self::Repeat(at, length) => {
                let part = bytes[range(at, *length)].to_vec();
                bytes.splice(range(at, 0), part);
            }
        }
    }
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), 0..8_u8).prop_map(|(at, bit)| Mishap::Flip(at, bit)),
        place().prop_map(Mishap::Cut),
        (place(), 0..5000_usize).prop_map(|(at, length)| Mishap::Lose(at, length)),
        (place(), prop::collection::vec(any::<u8>(), 0..50))
            .prop_map(|(at, more)| Mishap::Insert(at, more)),
        (place(), 0..5000_usize).prop_map(|(at, length)| Mishap::Zero(at, length)),
        (place(), 0..5000_usize).prop_map(|(at, length)| Mishap::Repeat(at, length)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_to_a_file_nothing_is_told_that_was_not_written(
        mishaps in prop::collection::vec(mishap(), 1..5),
        is_newest: bool,
    ) {
        static WRITTEN: LazyLock<(Vec<u8>, Vec<Vec<u8>>)> = LazyLock::new(|| {
            let log = TestLog::new();
            let mut opened = log.recover();
            let trained = dictionary(&opened);
            opened.writer.rotate(&opened.files, Some(trained)).unwrap();
            let batch: Vec<_> = documents(1).take(200).collect();
            batch.chunks(30).for_each(|group| drop(opened.append(group)));
            (fs::read(path(&log, 2)).unwrap(), batch)
        });
        let (bytes, batch) = &*WRITTEN;
        let mut bytes = bytes.clone();
        mishaps.iter().for_each(|mishap| mishap.befall(&mut bytes));
        let log = TestLog::new();
        let mut kept = Vec::new();
        fs::write(path(&log, 1), &bytes).unwrap();
        if !is_newest {
            fs::write(path(&log, 2), frame::file_header(Version::Two)).unwrap();
        }
        // A version that is not known is an answer as well.
        if let Ok(mut opened) = log.recover_from(Position::MIN, Position::MIN) {
            let told = || opened.documents.iter().map(|(.., bytes)| bytes);
            prop_assert!(told().all(|told| batch.contains(told)));
            kept.extend(opened.documents.clone());
            kept.extend(opened.append(&batch[..3]));
            let again = log.recover();
            prop_assert_eq!(again.documents, kept);
            prop_assert_eq!(again.damage.torn_bytes, 0);
        }
    }
}
