//! Settled files and the manifest cannot be written, or are damaged.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::failing_disk::FailingDisk;

/// A store whose settled files cannot be written while the disk is told so.
fn store_with_failing_settled(
    change: impl FnOnce(&mut StoreOptions),
) -> (TempDir, StoreOptions, Arc<FailingDisk>, EmbeddedStore) {
    let directory = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::new(directory.path());
    change(&mut options);
    let disk = Arc::new(FailingDisk::only_in("settled"));
    let store = open(&options, &clock(), disk.clone()).unwrap();
    (directory, options, disk, store)
}

#[test]
fn settled_files_that_cannot_be_written_stop_nothing_and_are_tried_again() {
    let (_directory, _, disk, store) = store_with_failing_settled(|options| {
        options.tuning.settle_documents = 10;
        options.tuning.settle_quiet = Duration::ZERO;
    });
    disk.fail_from(0);
    (1..=50).for_each(|trace| append(&store, vec![document(trace, 1)]).unwrap());
    while store.status().failed_settles_total == 0 {
        thread::yield_now();
    }
    let status = store.status();
    assert_eq!((status.open_documents, status.settled_files, status.failure), (50, 0, None));
    assert_eq!((traces(&store).len(), counted(&store)), (50, (50, 50)));
    disk.heal();
    // Nobody tells the settler: it tries again by itself.
    let patience = roentgen_ops::SystemClock.instant() + PATIENCE;
    while store.status().settled_files == 0 {
        assert!(roentgen_ops::SystemClock.instant() < patience, "it is not tried again");
        thread::yield_now();
    }
    assert_eq!((traces(&store).len(), counted(&store)), (50, (50, 50)));
}

#[test]
fn memory_is_bounded_while_nothing_can_settle() {
    let (_directory, _, disk, store) = store_with_failing_settled(|options| {
        options.open_bytes = 8 << 10;
        options.queue_documents = 4;
    });
    disk.fail_from(0);
    let mut waiting = Vec::new();
    let refused = (0_u8..=255).find_map(|trace| match queue(&store, vec![document(trace, 1)]) {
        Ok(receiver) => {
            waiting.push(receiver);
            // Until the writer waits for room, each is stored at once.
            let _ = waiting.last().map(|last| last.recv_timeout(Duration::from_millis(20)));
            None
        }
        Err(error) => Some(error),
    });
    assert!(matches!(refused, Some(StoreError::Overloaded { documents: 4, .. })), "{refused:?}");
    let status = store.status();
    assert!(status.open_bytes <= (16 << 10) + 2048, "{status:?}");
    assert!(status.failed_settles_total > 0, "{status:?}");
    // When traces can settle again, what waits is stored.
    disk.heal();
    store.settle().unwrap();
    let count = waiting.len();
    let stored = || traces(&store).len();
    let patience = roentgen_ops::SystemClock.instant() + PATIENCE;
    while stored() < count {
        assert!(roentgen_ops::SystemClock.instant() < patience, "{} of {count}", stored());
        thread::yield_now();
    }
    append(&store, vec![document(255, 9)]).unwrap();
}

#[test]
fn closing_stores_what_waits_for_room() {
    let (_directory, options, disk, store) =
        store_with_failing_settled(|options| options.open_bytes = 8 << 10);
    disk.fail_from(0);
    let waiting: Vec<_> =
        (0..=255).map(|trace| queue(&store, vec![document(trace, 1)]).unwrap()).collect();
    store.close();
    waiting.iter().for_each(|receiver| receiver.recv_timeout(PATIENCE).unwrap().unwrap());
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    assert_eq!((traces(&store).len(), counted(&store)), (256, (256, 256)));
}

#[test]
fn a_defect_in_background_work_is_counted_and_the_work_goes_on() {
    let (_directory, _, disk, store) = store_with_failing_settled(|options| {
        options.tuning.merge_files = 2;
    });
    disk.panic_instead();
    append(&store, vec![document(1, 1)]).unwrap();
    for calls in 0..12 {
        disk.fail_at(calls);
        let before = store.status().panics_total;
        append(&store, vec![document(2, 1)]).unwrap();
        // The defect may be met by settling or, behind it, by merging.
        let _ = store.settle();
        crate::merging::merge_all(&store.state);
        assert!(calls > 3 || store.status().panics_total > before, "{calls}");
        assert_eq!((traces(&store), counted(&store)), (vec![id(1), id(2)], (2, 2)), "{calls}");
    }
    disk.heal();
    store.settle().unwrap();
    assert_eq!((traces(&store), counted(&store)), (vec![id(1), id(2)], (2, 2)));
    assert_eq!(store.status().failure, None);
}

#[test]
fn a_defect_in_the_writer_ends_writing_and_answers_everyone() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(directory.path());
    let disk = Arc::new(FailingDisk::only_in("log"));
    disk.panic_instead();
    let store = open(&options, &clock(), disk.clone()).unwrap();
    append(&store, vec![document(1, 1)]).unwrap();
    disk.fail_at(0);
    assert!(matches!(append(&store, vec![document(2, 1)]), Err(StoreError::Poisoned { .. })));
    assert!(matches!(append(&store, vec![document(3, 1)]), Err(StoreError::Poisoned { .. })));
    assert_eq!((traces(&store), store.status().panics_total), (vec![id(1)], 1));
    store.close();
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    append(&store, vec![document(3, 1)]).unwrap();
    assert_eq!(traces(&store), [id(1), id(3)]);
}

/// Three settled files, the second of which goes on with a trace of the first, the third with one
/// of the second; and something open. All in one log file.
fn with_three_files() -> (TempDir, StoreOptions) {
    let directory = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::new(directory.path());
    options.tuning.merge_files = 100;
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    for (traces, segment) in [([1, 2], 1), ([2, 3], 2), ([3, 4], 3)] {
        append(&store, traces.map(|trace| document(trace, segment)).to_vec()).unwrap();
        store.settle().unwrap();
    }
    append(&store, [4, 5].map(|trace| document(trace, 4)).to_vec()).unwrap();
    check_three_files(&store);
    assert_eq!(store.status().settled_files, 3);
    store.close();
    (directory, options)
}

fn check_three_files(store: &EmbeddedStore) {
    assert_eq!(traces(store), [1, 2, 3, 4, 5].map(id));
    assert_eq!(counted(store), (8, 8));
    let segments: [(u8, &[u8]); 5] =
        [(1, &[1]), (2, &[1, 2]), (3, &[2, 3]), (4, &[3, 4]), (5, &[4])];
    for (trace, segments) in segments {
        let expect: Vec<_> = segments.iter().map(|&segment| received(trace, segment)).collect();
        assert_eq!(originals(store, id(trace)), expect);
    }
}

fn settled_files(options: &StoreOptions) -> Vec<PathBuf> {
    let entries = fs::read_dir(options.directory.join("settled")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some());
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    files
}

#[test]
fn every_byte_of_a_settled_file_may_be_damaged() {
    let (_directory, options) = with_three_files();
    let copy = |to: &Path| {
        for part in ["log", "settled"] {
            fs::create_dir_all(to.join(part)).unwrap();
            for entry in fs::read_dir(options.directory.join(part)).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), to.join(part).join(entry.file_name())).unwrap();
            }
        }
    };
    let mut found = 0;
    for path in settled_files(&options) {
        let bytes = fs::read(&path).unwrap();
        // Every eleventh byte, and each with another bit.
        for byte in (0..bytes.len()).step_by(11) {
            let directory = tempfile::tempdir().unwrap();
            copy(directory.path());
            let options =
                StoreOptions { directory: directory.path().to_owned(), ..options.clone() };
            let damaged = options.directory.join("settled").join(path.file_name().unwrap());
            let mut bytes = bytes.clone();
            bytes[byte] ^= 1 << (byte % 8);
            fs::write(&damaged, &bytes).unwrap();
            let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
            check_three_files(&store);
            found += store.status().damaged_settled_files_total;
            store.settle().unwrap();
            check_three_files(&store);
            store.close();
            let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
            check_three_files(&store);
        }
    }
    assert!(found > 100, "damage was found {found} times");
}

#[test]
fn any_settled_file_and_the_manifest_may_be_missing() {
    let names = ["manifest", "00000001.settled", "00000002.settled", "00000003.settled"];
    for chosen in 1_u8..16 {
        let (_directory, options) = with_three_files();
        let chosen: Vec<_> = (0..)
            .zip(names)
            .filter(|(bit, _)| chosen & 1 << bit != 0)
            .map(|(_, name)| name)
            .collect();
        for name in &chosen {
            fs::remove_file(options.directory.join("settled").join(name)).unwrap();
        }
        for _ in 0..2 {
            let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
            check_three_files(&store);
            store.close();
        }
        let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
        store.settle().unwrap();
        check_three_files(&store);
    }
}

#[test]
fn a_file_that_the_damaged_one_rested_on_stays() {
    let (_directory, options) = with_three_files();
    let files = settled_files(&options);
    fs::write(&files[2], b"no settled file").unwrap();
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    check_three_files(&store);
    let status = store.status();
    // The third stood for traces 3 and 4; what rests on the first is the second, and so the third.
    assert_eq!((status.settled_files, status.damaged_settled_files_total), (2, 1));
    assert_eq!(status.open_traces, 3);
    store.close();
    drop(store);
    let (_directory, options) = with_three_files();
    fs::write(&settled_files(&options)[0], b"no settled file").unwrap();
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    check_three_files(&store);
    let status = store.status();
    assert_eq!((status.settled_files, status.damaged_settled_files_total), (0, 1));
}

#[test]
fn the_manifest_may_be_cut_anywhere() {
    let (_directory, options) = with_three_files();
    let path = options.directory.join("settled/manifest");
    let whole = fs::read(&path).unwrap();
    let files = settled_files(&options);
    let contents: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        for (file, contents) in files.iter().zip(&contents) {
            fs::write(file, contents).unwrap();
        }
        let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
        check_three_files(&store);
        // A manifest that ends where a record does is one that was.
        assert!(store.status().damaged_manifests_total <= 1);
    }
}

#[test]
fn what_cannot_be_read_back_is_counted_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(directory.path());
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    let log = options.directory.join("log/00000001.log");
    append(&store, vec![document(1, 1)]).unwrap();
    let first_end = fs::metadata(&log).unwrap().len();
    append(&store, vec![document(2, 1)]).unwrap();
    store.settle().unwrap();
    store.close();
    let mut bytes = fs::read(&log).unwrap();
    let byte = usize::try_from(first_end).unwrap() - 3;
    bytes[byte] ^= 1; // In the first document.
    fs::write(&log, &bytes).unwrap();
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    for segment in 2..4 {
        // What trace 1 contributed first can neither be taken back nor found again.
        append(&store, vec![document(1, segment)]).unwrap();
        let expect = i64::from(segment) + 1;
        assert_eq!(counted(&store), (expect, expect));
        store.settle().unwrap();
        assert_eq!(counted(&store), (expect, expect));
        assert_eq!(traces(&store), [id(1), id(2)]);
    }
    assert!(store.status().unreadable_documents_total > 0);
    store.close();
    // Made anew from what is left of the log, it does not count.
    fs::remove_dir_all(options.directory.join("settled")).unwrap();
    let store = open(&options, &clock(), Arc::new(RealDisk)).unwrap();
    assert_eq!(counted(&store), (3, 3));
    assert_eq!(store.status().damaged_stretches_total, 1);
}
