//! What is acknowledged is stored, whatever happens to the files afterwards.

use std::fs;
use std::io::Write as _;
use std::sync::Barrier;

use roentgen_store::{StoreError, TraceStore as _};

use crate::harness::{Harness, Segment, all_time, append, new_document, trace_id};

fn some_traces(harness: &Harness) {
    for unique in 1..=20 {
        let second = i64::try_from(unique).unwrap();
        let id = trace_id(second, unique);
        let start = f64::from(u32::try_from(unique).unwrap());
        let segment = Segment::new(id, unique, start);
        let called =
            Segment { name: "database", parent: Some(unique), ..Segment::new(id, 100, start) };
        harness.append(vec![segment.document()]);
        harness.append(vec![called.document(), called.document()]);
    }
}

#[test]
fn everything_is_there_after_opening_again() {
    let mut harness = Harness::new();
    some_traces(&harness);
    let before = harness.everything();
    assert_eq!(before.summaries.len(), 20);
    assert_eq!(before.summaries[0].revision, 3);
    for is_settled in [false, true, true] {
        harness.reopen();
        assert_eq!(harness.everything(), before);
        let status = harness.status();
        assert_eq!((status.traces, status.documents, status.log_files), (20, 60, 1));
        assert_eq!((status.damaged_stretches_total, status.torn_bytes_total), (0, 0));
        assert_eq!(status.log_bytes, fs::metadata(&harness.log_files()[0]).unwrap().len());
        let replayed = if is_settled { 0 } else { 60 };
        assert_eq!(status.replayed_documents_total, replayed, "{status:?}");
        harness.store.settle().unwrap();
        assert_eq!(harness.everything(), before);
    }
}

#[test]
fn a_torn_write_is_cut_off_and_writing_goes_on_behind() {
    let mut harness = Harness::new();
    harness.append(vec![Segment::new(trace_id(49, 49), 49, 49.0).document()]);
    let before = harness.everything();
    let kept = fs::metadata(&harness.log_files()[0]).unwrap().len();
    let last = Segment::new(trace_id(50, 50), 50, 50.0);
    harness.append(vec![last.document()]);
    harness.store.close();
    // A crash leaves nothing that tells where the log ended.
    harness.delete_derived();
    let file = harness.log_files().remove(0);
    let whole = fs::read(&file).unwrap();
    let frame = whole.len() - usize::try_from(kept).unwrap();
    for cut in 1..=frame {
        fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        harness.store = harness.open().unwrap();
        let torn = u64::try_from(frame - cut).unwrap();
        assert_eq!(harness.status().torn_bytes_total, torn);
        assert_eq!(harness.status().damaged_bytes_total, 0);
        assert_eq!(harness.everything(), before, "{cut} bytes cut");
        harness.store.close();
        assert_eq!(fs::read(&file).unwrap(), whole[..whole.len() - frame], "{cut} bytes cut");
    }
    harness.store = harness.open().unwrap();
    harness.append(vec![last.document()]);
    harness.store.close();
    assert!(fs::read(&file).unwrap() == whole, "the file is as if nothing had happened");
}

#[test]
fn damage_to_the_end_of_a_store_that_was_closed_is_no_torn_write() {
    let mut harness = Harness::new();
    harness.append(vec![Segment::new(trace_id(49, 49), 49, 49.0).document()]);
    let before = harness.everything();
    let file = harness.log_files().remove(0);
    let kept = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
    harness.append(vec![Segment::new(trace_id(50, 50), 50, 50.0).document()]);
    harness.store.close();
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, damaged) in [(&flipped[..], whole.len() - kept), (&whole[..kept], 0)] {
        fs::write(&file, bytes).unwrap();
        harness.store = harness.open().unwrap();
        let status = harness.status();
        assert_eq!((status.damaged_bytes_total, status.torn_bytes_total), (damaged as u64, 0));
        assert_eq!(harness.everything(), before);
        harness.store.close();
        assert_eq!(fs::read(&file).unwrap(), bytes, "it does not grow");
        assert_eq!(harness.log_files().len(), 2);
        fs::remove_file(harness.log_files().remove(1)).unwrap();
    }
}

#[test]
fn a_file_without_a_finished_header_is_begun_anew() {
    for length in 0..16 {
        let mut harness = Harness::new();
        harness.store.close();
        let file = harness.log_files().remove(0);
        let header = fs::read(&file).unwrap();
        fs::write(&file, &header[..length]).unwrap();
        harness.reopen();
        some_traces(&harness);
        harness.reopen();
        assert_eq!(harness.status().documents, 60);
        assert_eq!(harness.log_files().len(), 1);
    }
}

#[test]
fn damage_costs_one_block_and_is_told() {
    let mut harness = Harness::new();
    some_traces(&harness);
    let before = harness.everything();
    let (id, extra) =
        (trace_id(30, 30), |segment| Segment::new(trace_id(30, 30), segment, 30.0).document());
    let file = harness.log_files().remove(0);
    let begin = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
    harness.append(vec![extra(1), extra(2)]);
    let end = usize::try_from(fs::metadata(&file).unwrap().len()).unwrap();
    harness.append(vec![extra(3)]);
    harness.store.close();
    let whole = fs::read(&file).unwrap();
    for (byte, bit) in [(begin, 0), (begin + 9, 3), (begin.midpoint(end), 7), (end - 1, 5)] {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1 << bit;
        fs::write(&file, &bytes).unwrap();
        harness.delete_derived();
        harness.store = harness.open().unwrap();
        let status = harness.status();
        assert_eq!((status.documents, status.damaged_stretches_total), (61, 1));
        assert_eq!(status.damaged_bytes_total, u64::try_from(end - begin).unwrap());
        let after = harness.everything();
        assert_eq!(after.originals[&id], [extra(3)]);
        assert_eq!(after.summaries[1..], before.summaries);
        // The rollups are those of what is left.
        assert_ne!(after.graph, before.graph);
        harness.store.close();
        assert_eq!(fs::read(&file).unwrap(), bytes, "damage is left where it is");
    }
}

#[test]
fn a_damaged_header_loses_nothing_and_a_new_file_is_begun() {
    let mut harness = Harness::new();
    some_traces(&harness);
    let before = harness.everything();
    harness.store.close();
    let file = harness.log_files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[3] = 0;
    fs::write(&file, &bytes).unwrap();
    harness.reopen();
    assert_eq!(harness.everything(), before);
    assert_eq!(harness.status().damaged_stretches_total, 1);
    some_traces(&harness);
    harness.store.close();
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(harness.log_files().len(), 2);
}

#[test]
fn garbage_behind_the_frames_of_an_older_file_is_damage() {
    let mut harness = Harness::with(|options| options.retention_bytes = 256 << 10);
    for unique in 0..40 {
        let segment = Segment { padding: 1000, ..Segment::new(trace_id(1, unique), 1, 1.0) };
        harness.append(vec![segment.document()]);
    }
    let before = harness.everything();
    harness.store.close();
    let files = harness.log_files();
    assert!(files.len() > 1);
    let mut file = fs::OpenOptions::new().append(true).open(&files[0]).unwrap();
    file.write_all(b"garbage").unwrap();
    let length = fs::metadata(&files[0]).unwrap().len();
    harness.reopen();
    let status = harness.status();
    assert_eq!((status.damaged_stretches_total, status.damaged_bytes_total), (1, 7));
    assert_eq!(harness.everything(), before);
    assert_eq!(fs::metadata(&files[0]).unwrap().len(), length);
}

#[test]
fn a_document_damaged_while_the_store_is_open_is_left_out() {
    let harness = Harness::new();
    some_traces(&harness);
    let file = harness.log_files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[16 + 40] ^= 1; // In the first block, that of the first document of trace 1.
    let id = trace_id(1, 1);
    let graph = harness.counts(all_time());
    harness.overwrite(&file, &bytes);
    assert_eq!(harness.originals(id).len(), 2);
    assert_eq!(harness.assembled(id).unwrap().revision, 2);
    assert_eq!(harness.status().unreadable_documents_total, 2);
    assert_eq!(harness.counts(all_time()), graph, "lists and graphs are made of what is in memory");
}

#[test]
fn a_newer_format_is_refused_and_nothing_touched() {
    let harness = Harness::new();
    some_traces(&harness);
    harness.store.close();
    let file = harness.log_files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 3;
    let crc = crc32fast::hash(&bytes[..12]).to_le_bytes();
    bytes[12..16].copy_from_slice(&crc);
    bytes.extend_from_slice(b"what a newer version may write");
    fs::write(&file, &bytes).unwrap();
    let error = harness.open().unwrap_err();
    assert!(matches!(error, StoreError::UnknownVersion { found: 3, .. }), "{error}");
    let told = "00000001.log has format version 3, but this program reads versions 1 to 2; start";
    assert!(error.to_string().contains(told), "{error}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_second_store_in_the_directory_is_refused_until_the_first_is_closed() {
    let harness = Harness::new();
    let error = harness.open().unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    harness.store.close();
    harness.store.close();
    harness.open().unwrap();
    let document = Segment::new(trace_id(1, 1), 1, 1.0).document();
    assert!(matches!(append(&harness.store, vec![document]), Err(StoreError::Closed)));
    assert!(matches!(harness.store.documents(trace_id(1, 1)), Err(StoreError::Closed)));
    assert!(matches!(harness.store.settle(), Err(StoreError::Closed)));
}

#[test]
fn closing_stores_and_acknowledges_what_is_queued() {
    let mut harness = Harness::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    for unique in 1..=200 {
        let sender = sender.clone();
        let document = Segment::new(trace_id(1, unique), 1, 1.0).document();
        let done = Box::new(move |result: Result<(), _>| sender.send(result.is_ok()).unwrap());
        harness.store.append(vec![new_document(document)], done).unwrap();
    }
    harness.store.close();
    assert_eq!(receiver.try_iter().filter(|ok| *ok).count(), 200);
    harness.reopen();
    assert_eq!(harness.status().documents, 200);
}

#[test]
fn every_writer_reads_what_was_acknowledged() {
    // Traces settle while they are written and read.
    let harness = Harness::with(|options| {
        options.tuning.settle_documents = 20;
        options.tuning.settle_quiet = std::time::Duration::ZERO;
        options.tuning.merge_files = 2;
    });
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (harness, start) = (&harness, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..25_u64 {
                    let second = i64::try_from(number).unwrap();
                    let id = trace_id(second, thread << 32 | number);
                    let shared = trace_id(1000, 7);
                    let unique = thread << 32 | number | 1 << 60;
                    let documents = vec![
                        Segment::new(id, 1, 1.0).document(),
                        Segment::new(shared, unique, 1000.0).document(),
                    ];
                    harness.append(documents.clone());
                    assert_eq!(harness.originals(id), documents[..1]);
                    assert!(harness.assembled(id).is_some());
                    assert!(harness.originals(shared).contains(&documents[1]));
                    let summaries = harness.summaries();
                    assert!(summaries.iter().any(|summary| summary.id == id));
                    let of_shared: Vec<_> =
                        summaries.iter().filter(|summary| summary.id == shared).collect();
                    assert_eq!(of_shared.len(), 1, "it is listed once, open or settled");
                    assert!(of_shared[0].revision > usize::try_from(number).unwrap());
                }
            });
        }
    });
    let status = harness.status();
    assert_eq!((status.documents, status.pending_documents), (400, 0));
    assert!(status.groups_total <= 200, "{status:?}");
    assert_eq!((status.panics_total, status.damaged_settled_files_total), (0, 0));
    harness.store.settle().unwrap();
    assert_eq!(harness.status().traces, 201);
}
