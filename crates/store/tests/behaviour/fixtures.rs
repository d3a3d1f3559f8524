//! Data directories that earlier versions wrote; the README beside them says what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use roentgen_model::{Document, Timestamp};
use roentgen_store::ReceivedDocument;

use crate::harness::{Harness, Segment, trace_id};
use crate::reference::Reference;

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The documents of a fixture in the order of storage; `None` for one that the model refuses.
fn documents(name: &str) -> Vec<Option<ReceivedDocument>> {
    let lines = fs::read(path_of(name).join("documents")).unwrap();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let space = line.iter().position(|byte| *byte == b' ').unwrap();
            let (received, bytes) = line.split_at(space);
            let received = std::str::from_utf8(received).unwrap().parse().unwrap();
            let bytes = bytes.get(1..).unwrap().to_vec();
            let trace_id = Document::parse(&bytes).ok()?.trace_id;
            let received = Timestamp::from_micros(received);
            Some(ReceivedDocument { trace_id, received, bytes })
        })
        .collect()
}

/// A fixture is opened and tells what is in it; so it does after settling, growing and opening
/// again. `replayed` documents have not settled.
fn check(name: &str, replayed: u64, settled_files: usize) {
    let mut harness = Harness::on_copy_of(&path_of(name), |options| {
        options.retention_bytes = u64::MAX;
        options.retention_age = std::time::Duration::from_secs(1 << 32);
    });
    let mut reference = Reference::new(harness.options.trace_bytes);
    let stored = documents(name);
    reference.unusable = stored.iter().filter(|document| document.is_none()).count() as u64;
    let stored: Vec<_> = stored.into_iter().flatten().collect();
    reference.append(&stored);
    reference.check_everything(&harness);
    let status = harness.status();
    assert_eq!(status.replayed_documents_total, replayed, "{name}");
    assert_eq!(status.settled_files, settled_files, "{name}");
    assert_eq!((status.damaged_stretches_total, status.torn_bytes_total), (0, 0));
    assert_eq!((status.damaged_settled_files_total, status.damaged_manifests_total), (0, 0));
    let late = Segment::new(stored.first().unwrap().trace_id, 0xFE, 1.0).document();
    let more = vec![late, Segment::new(trace_id(3, 0xFEED), 1, 3.0).document()];
    reference.append(&more);
    harness.append(more);
    reference.check_everything(&harness);
    harness.store.settle().unwrap();
    reference.check_everything(&harness);
    harness.reopen();
    reference.check_everything(&harness);
    assert_eq!(harness.status().replayed_documents_total, 0, "{name}");
}

#[test]
fn every_version_is_read_and_goes_on() {
    check("v1", 16, 0);
    check("v2", 76, 0); // One is not a document, but bytes that the format must stand.
}

#[test]
fn what_has_settled_is_not_read_from_the_log() {
    check("v2-settled", 4, 3);
}
