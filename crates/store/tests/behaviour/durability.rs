//! What is acknowledged is stored, whatever happens to the file afterwards.

use std::fs;
use std::io::Write as _;
use std::sync::Barrier;

use roentgen_store::{StoreError, TraceStore as _};

use crate::harness::{Harness, Segment, append, trace_id};

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
    harness.reopen();
    assert_eq!(harness.everything(), before);
    let status = harness.store.status();
    assert_eq!((status.traces, status.documents, status.log_files), (20, 60, 1));
    assert_eq!((status.damaged_stretches_total, status.torn_bytes_total), (0, 0));
    assert_eq!(status.log_bytes, fs::metadata(&harness.log_files()[0]).unwrap().len());
}

#[test]
fn a_torn_write_is_cut_off_and_writing_goes_on_behind() {
    let mut harness = Harness::new();
    harness.append(vec![Segment::new(trace_id(49, 49), 49, 49.0).document()]);
    let before = harness.everything();
    let last = Segment::new(trace_id(50, 50), 50, 50.0);
    harness.append(vec![last.document()]);
    harness.store.close();
    let file = harness.log_files().remove(0);
    let whole = fs::read(&file).unwrap();
    let frame = last.document().bytes.len() + 36;
    for cut in 1..=frame {
        fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        harness.reopen();
        let torn = u64::try_from(frame - cut).unwrap();
        assert_eq!(harness.store.status().torn_bytes_total, torn);
        assert_eq!(harness.store.status().damaged_bytes_total, 0);
        assert_eq!(harness.everything(), before, "{cut} bytes cut");
        harness.store.close();
        assert_eq!(fs::read(&file).unwrap(), whole[..whole.len() - frame], "{cut} bytes cut");
    }
    harness.reopen();
    harness.append(vec![last.document()]);
    harness.store.close();
    assert!(fs::read(&file).unwrap() == whole, "the file is as if nothing had happened");
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
        assert_eq!(harness.store.status().documents, 60);
        assert_eq!(harness.log_files().len(), 1);
    }
}

#[test]
fn damage_costs_one_document_and_is_told() {
    let mut harness = Harness::new();
    some_traces(&harness);
    let before = harness.everything();
    harness.store.close();
    let file = harness.log_files().remove(0);
    let whole = fs::read(&file).unwrap();
    let victim = before.summaries[10].id;
    let needle = format!("\"{victim}\"");
    let found = whole.windows(needle.len()).position(|bytes| bytes == needle.as_bytes()).unwrap();
    for bit in [0, 3, 7] {
        let mut bytes = whole.clone();
        bytes[found + 5] ^= 1 << bit;
        fs::write(&file, &bytes).unwrap();
        harness.reopen();
        let status = harness.store.status();
        assert_eq!((status.documents, status.damaged_stretches_total), (59, 1));
        let after = harness.everything();
        assert_eq!(after.originals[&victim], before.originals[&victim][1..]);
        for summary in before.summaries.iter().filter(|summary| summary.id != victim) {
            assert!(after.summaries.contains(summary));
        }
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
    assert_eq!(harness.store.status().damaged_stretches_total, 1);
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
    let status = harness.store.status();
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
    bytes[16 + 40] ^= 1; // In the first document, that of trace 1.
    let id = trace_id(1, 1);
    let graph = harness.everything().graph;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(harness.originals(id).len(), 2);
    assert_eq!(harness.assembled(id).unwrap().revision, 2);
    assert_eq!(harness.store.status().unreadable_documents_total, 2);
    assert_eq!(harness.everything().graph, graph);
}

#[test]
fn a_newer_format_is_refused_and_nothing_touched() {
    let harness = Harness::new();
    some_traces(&harness);
    harness.store.close();
    let file = harness.log_files().remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..12]).to_le_bytes();
    bytes[12..16].copy_from_slice(&crc);
    bytes.extend_from_slice(b"what a newer version may write");
    fs::write(&file, &bytes).unwrap();
    let error = harness.open().unwrap_err();
    assert!(matches!(error, StoreError::UnknownVersion { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("00000001.log has format version 2"), "{error}");
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
}

#[test]
fn closing_stores_and_acknowledges_what_is_queued() {
    let mut harness = Harness::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    for unique in 1..=200 {
        let sender = sender.clone();
        let document = Segment::new(trace_id(1, unique), 1, 1.0).document();
        let done = Box::new(move |result: Result<(), _>| sender.send(result.is_ok()).unwrap());
        harness.store.append(vec![document], done).unwrap();
    }
    harness.store.close();
    assert_eq!(receiver.try_iter().filter(|ok| *ok).count(), 200);
    harness.reopen();
    assert_eq!(harness.store.status().documents, 200);
}

#[test]
fn every_writer_reads_what_was_acknowledged() {
    let harness = Harness::new();
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
                    let originals = harness.originals(shared);
                    assert!(originals.contains(&documents[1]));
                    let summaries = harness.summaries();
                    assert!(summaries.iter().any(|summary| summary.id == id));
                    let shared = summaries.iter().find(|summary| summary.id == shared).unwrap();
                    assert!(shared.revision > usize::try_from(number).unwrap());
                }
            });
        }
    });
    let status = harness.store.status();
    assert_eq!((status.traces, status.documents, status.pending_documents), (201, 400, 0));
    assert!(status.groups_total <= 200, "{status:?}");
}
