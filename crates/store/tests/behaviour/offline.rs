//! Reading, checking and copying a data directory from outside.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use roentgen_model::Document;
use roentgen_store::{
    CheckReport, EmbeddedStore, LogReader, ReceivedDocument, StoreError, StoreOptions, TimeRange,
    TraceCount, TraceStore as _, check, rebuild, snapshot,
};

use crate::harness::{Harness, Segment, all_time, append, at, trace_id};

/// A store of small files: traces of two segments each, some of them settled.
fn filled(traces: u64) -> Harness {
    let harness = Harness::with(|options| {
        options.tuning.log_file_bytes = Some(4 << 10);
        options.retention_bytes = 60 << 10;
        options.is_retention_paused = true;
    });
    for number in 0..traces {
        harness.append(documents(number));
        if number % 30 == 29 {
            harness.store.settle().unwrap();
        }
    }
    harness
}

fn documents(number: u64) -> Vec<ReceivedDocument> {
    let id = trace_id(0, number);
    let root = Segment::new(id, 1, number as f64);
    let child = Segment { parent: Some(1), name: "callee", ..Segment::new(id, 2, number as f64) };
    vec![root.document(), child.document()]
}

fn data(harness: &Harness) -> PathBuf {
    harness.options.directory.clone()
}

fn checked(directory: &Path) -> CheckReport {
    check(directory, &AtomicU64::new(0)).unwrap()
}

fn read(directory: &Path, range: TimeRange) -> Vec<ReceivedDocument> {
    let mut documents = Vec::new();
    let reader = LogReader::new(directory).unwrap();
    let reading = reader
        .read(range, &AtomicU64::new(0), |document| {
            let trace_id = Document::parse(document.bytes).unwrap().trace_id;
            let (received, bytes) = (document.received, document.bytes.to_vec());
            documents.push(ReceivedDocument { trace_id, received, bytes });
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(reading.documents, documents.len() as u64);
    documents
}

#[test]
fn everything_is_read_in_the_order_of_storage() {
    let harness = filled(100);
    assert!(harness.log_files().len() > 2);
    let stored: Vec<_> = (0..100).flat_map(documents).collect();
    assert_eq!(read(&data(&harness), all_time()), stored);

    let range = TimeRange { start: at(10.0), end: at(20.1) };
    let expect: Vec<_> = stored.into_iter().filter(|d| range.contains(d.received)).collect();
    assert_eq!(expect.len(), 20);
    assert_eq!(read(&data(&harness), range), expect);
}

#[test]
fn progress_ends_with_the_bytes_of_the_log() {
    let harness = filled(50);
    let reader = LogReader::new(&data(&harness)).unwrap();
    let bytes = reader.bytes().unwrap();
    let done = AtomicU64::new(0);
    reader.read(all_time(), &done, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(done.load(Ordering::Relaxed), bytes);
    check(&data(&harness), &done).unwrap();
    assert_eq!(done.load(Ordering::Relaxed), 2 * bytes);
}

#[test]
fn reading_ends_when_it_is_told_to() {
    let harness = filled(10);
    let mut told = 0;
    let reader = LogReader::new(&data(&harness)).unwrap();
    let reading = reader.read(all_time(), &AtomicU64::new(0), |_| {
        told += 1;
        if told == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((told, reading.unwrap().documents), (3, 3));
}

#[test]
fn a_directory_without_a_store_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let messages = [
        check(directory.path(), &AtomicU64::new(0)).unwrap_err().to_string(),
        LogReader::new(directory.path()).unwrap_err().to_string(),
        snapshot(directory.path(), &directory.path().join("copy")).unwrap_err().to_string(),
    ];
    for message in messages {
        assert!(message.starts_with("cannot find a store in "), "{message}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "something was written");
}

#[test]
fn a_sound_store_has_no_faults_while_it_runs_and_after() {
    let mut harness = filled(100);
    for _ in 0..2 {
        let report = checked(&data(&harness));
        assert_eq!(report.faults, []);
        assert_eq!((report.documents(), report.traces), (200, TraceCount::Exactly(100)));
        assert_eq!(report.files.len(), harness.log_files().len());
        let stored = (0..100).flat_map(documents).map(|document| document.bytes.len() as u64);
        assert_eq!(report.document_bytes(), stored.sum::<u64>());
        assert_eq!(report.log_bytes(), harness.store.status().log_bytes);
        let settled = report.settled;
        assert_eq!((settled.documents, settled.open_documents), (180, 20));
        assert_eq!(settled.files, harness.store.status().settled_files as u64);
        harness.reopen();
    }
}

#[test]
fn a_snapshot_is_a_store_of_its_own() {
    let mut harness = filled(100);
    let rules = harness.options.directory.join("settings");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("sampling-rules.json"), b"{}").unwrap();
    fs::write(rules.join("sampling-rules.json.new"), b"half").unwrap();
    let everything = harness.everything();
    let target = tempfile::tempdir().unwrap();
    let target = target.path().join("deep/copy");
    let report = snapshot(&data(&harness), &target).unwrap();
    assert_eq!(report.log_files, harness.log_files().len() as u64);
    assert_eq!((report.linked_files, report.settings), (report.log_files - 1, 1));
    assert_eq!(report.settled_files, harness.store.status().settled_files as u64);
    let names = |path: &Path| {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names(&target.join("settings")), ["sampling-rules.json"]);
    assert_eq!(names(target.parent().unwrap()), ["copy"]);

    // Both go on without the other.
    harness.append(documents(100));
    let copy = open(&harness, &target);
    append(&copy, documents(200)).unwrap();
    copy.close();
    harness.reopen();
    assert_eq!(harness.summaries().len(), 101);
    let copied = checked(&target);
    assert_eq!((copied.faults.as_slice(), copied.documents()), (&[][..], 202));
    assert_eq!(checked(&data(&harness)).faults, []);

    // And what they share is the same.
    let (copied, original) = (read(&target, all_time()), read(&data(&harness), all_time()));
    assert_eq!(copied[..200], original[..200]);
    harness.store.close();
    harness.options.directory = target;
    harness.store = harness.open().unwrap();
    let mut now = harness.everything();
    now.summaries.retain(|summary| summary.id != trace_id(0, 200));
    now.originals.remove(&trace_id(0, 200));
    assert_eq!((now.summaries, now.originals), (everything.summaries, everything.originals));
}

fn open(harness: &Harness, directory: &Path) -> EmbeddedStore {
    let options = StoreOptions { directory: directory.to_owned(), ..harness.options.clone() };
    EmbeddedStore::open(options, harness.clock.clone()).unwrap()
}

#[test]
fn a_snapshot_takes_no_directory_that_is_in_use() {
    let harness = filled(1);
    let target = tempfile::tempdir().unwrap();
    fs::write(target.path().join("file"), b"").unwrap();
    let message = snapshot(&data(&harness), target.path()).unwrap_err().to_string();
    assert!(message.contains("the directory is not empty"), "{message}");
    fs::remove_file(target.path().join("file")).unwrap();
    snapshot(&data(&harness), target.path()).unwrap();
    assert_eq!(checked(target.path()).documents(), 2);
}

/// A snapshot that was cut short has names of the original's files, which must not be written to.
#[test]
fn what_an_earlier_snapshot_left_is_not_touched() {
    let harness = filled(60);
    let before = read(&data(&harness), all_time());
    let target = tempfile::tempdir().unwrap();
    let left = target.path().join(format!("copy.{}.partial", std::process::id()));
    fs::create_dir_all(left.join("log")).unwrap();
    let first = harness.log_files().remove(0);
    fs::hard_link(&first, left.join("log").join(first.file_name().unwrap())).unwrap();
    let message = snapshot(&data(&harness), &target.path().join("copy")).unwrap_err().to_string();
    assert!(message.contains("partial: "), "{message}");
    assert_eq!(read(&data(&harness), all_time()), before);
    assert!(left.is_dir(), "it is somebody else's");
}

/// What is cut off at the next opening is not in a snapshot, and the file before is not shared with
/// one that will be written to.
#[test]
fn a_snapshot_of_what_a_crash_left_shares_no_file_that_grows() {
    let harness = filled(61);
    while fs::metadata(harness.log_files().pop().unwrap()).unwrap().len() < 1000 {
        harness.append(documents(61));
    }
    harness.store.close();
    let newest = harness.log_files().pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    for left in [0, 7, bytes.len() - 1] {
        fs::write(&newest, &bytes[..left]).unwrap();
        let target = tempfile::tempdir().unwrap();
        let target = target.path().join("copy");
        let before = read(&data(&harness), all_time());
        snapshot(&data(&harness), &target).unwrap();
        let copy = open(&harness, &target);
        append(&copy, documents(100)).unwrap();
        copy.close();
        assert_eq!(read(&data(&harness), all_time()), before, "{left} bytes left");
        assert_eq!(read(&target, all_time()).len(), before.len() + 2, "{left} bytes left");
    }
}

#[test]
fn a_rebuilt_store_is_the_same() {
    let mut harness = filled(100);
    let everything = harness.everything();
    let error = rebuild(harness.options.clone(), harness.clock.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    harness.store.close();
    let before = harness.derived_files();
    let report = rebuild(harness.options.clone(), harness.clock.clone()).unwrap();
    assert_eq!((report.before.traces, report.before.documents), (100, 200));
    assert_eq!(report.before, report.after);
    assert_ne!(harness.derived_files(), before);
    let settled = checked(&data(&harness)).settled;
    assert_eq!((settled.documents, settled.open_documents), (200, 0));
    harness.store = harness.open().unwrap();
    assert_eq!(harness.everything(), everything);
}

/// What was whole when traces settled is no unfinished write.
#[test]
fn a_newest_file_that_lost_its_end_is_told() {
    let harness = filled(60);
    harness.store.close();
    let newest = harness.log_files().pop().unwrap();
    let sound = fs::read(&newest).unwrap();
    let faults = || {
        let report = checked(&data(&harness));
        assert_eq!(report.files.last().unwrap().unfinished_bytes, 0);
        report.faults.iter().map(|fault| fault.to_string()).collect::<Vec<_>>()
    };
    fs::write(&newest, &sound[..sound.len() - 5]).unwrap();
    let [damaged, shortened] = &faults()[..] else { panic!("{:?}", faults()) };
    assert!(damaged.contains("damaged bytes"), "{damaged}");
    assert!(shortened.ends_with(": 5 bytes from here on are gone"), "{shortened}");
    let mut bytes = sound;
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&newest, &bytes).unwrap();
    let [damaged] = &faults()[..] else { panic!("{:?}", faults()) };
    assert!(damaged.contains("damaged bytes"), "{damaged}");
}

/// Every settled file and the manifest is damaged in turn, and told.
#[test]
fn damage_of_what_is_made_from_the_log_is_told_and_rebuilt() {
    let mut harness = filled(100);
    let everything = harness.everything();
    harness.store.close();
    for path in harness.derived_files() {
        let sound = fs::read(&path).unwrap();
        for place in (0..sound.len()).step_by(101) {
            let mut bytes = sound.clone();
            bytes[place] ^= 0x40;
            fs::write(&path, bytes).unwrap();
            let report = checked(&data(&harness));
            let named = report.faults.iter().filter(|fault| fault.path == path).count();
            assert_eq!(named, 1, "{path:?} {place}: {:?}", report.faults);
        }
        fs::remove_file(&path).unwrap();
        let report = checked(&data(&harness));
        let is_manifest = path.ends_with("manifest");
        assert_eq!(report.faults.iter().any(|fault| fault.path == path), !is_manifest);
        fs::write(&path, sound).unwrap();
    }
    for path in harness.derived_files() {
        fs::write(&path, b"not what was written").unwrap();
    }
    rebuild(harness.options.clone(), harness.clock.clone()).unwrap();
    assert_eq!(checked(&data(&harness)).faults, []);
    harness.store = harness.open().unwrap();
    assert_eq!(harness.everything(), everything);
}

/// Lets the writer end, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Documents come in, files are completed and dropped; every snapshot has what was acknowledged
/// before it began and is still there after it.
#[test]
fn snapshots_beside_a_writer_lose_nothing() {
    let mut harness = filled(0);
    harness.store.close();
    harness.options.is_retention_paused = false;
    harness.options.tuning.settle_documents = 64;
    harness.options.tuning.settle_quiet = Duration::ZERO;
    harness.options.tuning.merge_files = 3;
    harness.store = harness.open().unwrap();
    let acknowledged = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let copies = tempfile::tempdir().unwrap();
    let mut copied_settled_files = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                harness.append(documents(number));
                acknowledged.store(number + 1, Ordering::Release);
            }
        });
        let over = Over(&is_over);
        for round in 0..20 {
            // Some files were completed and the first ones dropped when the last rounds begin.
            while acknowledged.load(Ordering::Acquire) < round * 40 {
                thread::yield_now();
            }
            let before = acknowledged.load(Ordering::Acquire);
            let target = copies.path().join(round.to_string());
            snapshot(&data(&harness), &target).unwrap();
            harness.store.enforce_retention();
            let oldest_left = read(&data(&harness), all_time()).first().map(|d| d.received);
            let mut copied = BTreeMap::new();
            for document in read(&target, all_time()) {
                *copied.entry(document.trace_id).or_insert(0) += 1;
            }
            for number in 0..before {
                let was_dropped = oldest_left.is_some_and(|oldest| at(number as f64) < oldest);
                let count = copied.get(&trace_id(0, number));
                assert!(count == Some(&2) || was_dropped, "{number} of {before}: {count:?}");
            }
            assert_eq!(checked(&target).faults, []);
            // What is made from the log came along, and fits it.
            let copy = open(&harness, &target);
            copied_settled_files += copy.status().settled_files;
            assert_eq!(copy.status().damaged_settled_files_total, 0);
        }
        drop(over);
    });
    assert!(copied_settled_files > 20, "{copied_settled_files}");
    assert!(harness.log_files()[0].file_name().unwrap() != "00000001.log", "nothing was dropped");
}
