//! What is exported and imported again answers as what it came from. The documents are those that
//! real SDKs sent.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in tests, but not beside them")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use roentgen_export::{ImportEvent, ImportReport, export_lines, import, write_line};
use roentgen_model::{Document, Micros, ServiceGraph, Timestamp, TraceSummary, split_documents};
use roentgen_ops::SystemClock;
use roentgen_store::{
    EmbeddedStore, StoreOptions, SummaryQuery, TimeRange, TimeRangeType, TraceStore as _,
};
use serde_json::Value;
use tempfile::TempDir;

const FIRST_RECEIVED: Timestamp = Timestamp::from_micros(1_795_334_983_877_574);

fn now() -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000)
}

/// Every document of every recorded packet, in the order of the files.
fn documents() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/captures");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut documents = Vec::new();
    for path in files {
        let capture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for packet in capture.get("packets").and_then(Value::as_array).into_iter().flatten() {
            let Some((_, body)) = packet.as_str().and_then(|packet| packet.split_once('\n')) else {
                continue;
            };
            let payload = split_documents(body.as_bytes()).unwrap();
            documents.extend(payload.into_iter().map(|document| document.into_owned()));
        }
    }
    assert!(documents.len() > 150, "only {} documents", documents.len());
    documents
}

/// The documents as lines, each received a second after the one before.
fn lines() -> String {
    let mut lines = Vec::new();
    for (place, document) in (0..).zip(documents()) {
        let received = FIRST_RECEIVED.plus(Micros::from_whole_seconds(place));
        write_line(received, &document, &mut lines);
    }
    String::from_utf8(lines).unwrap()
}

struct Stored {
    directory: TempDir,
    store: EmbeddedStore,
}

impl Stored {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let options =
            StoreOptions { is_retention_paused: true, ..StoreOptions::new(directory.path()) };
        let store = EmbeddedStore::open(options, Arc::new(SystemClock)).unwrap();
        Self { directory, store }
    }

    /// Imports lines, none of which may be wrong.
    fn import(&self, lines: &str) -> ImportReport {
        let mut tell = |event: ImportEvent<'_>| {
            if let ImportEvent::Refused { line, reason, .. } = event {
                panic!("line {line}: {reason}");
            }
        };
        import(lines.as_bytes(), &self.store, now(), &mut tell).unwrap()
    }

    fn export(&self, received_in: TimeRange) -> String {
        let mut out = Vec::new();
        let bytes_read = AtomicU64::new(0);
        let report =
            export_lines(self.directory.path(), received_in, &mut out, &bytes_read).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(report.documents, text.lines().count() as u64);
        assert_eq!(report.damaged_stretches, 0);
        text
    }

    fn answers(&self) -> (Vec<TraceSummary>, ServiceGraph) {
        let page = self.store.summaries(&SummaryQuery {
            range: all_time(),
            range_type: TimeRangeType::TraceId,
            after: None,
            limit: usize::MAX,
            scan_limit: usize::MAX,
            conditions: &[],
            matches: &|_| true,
        });
        let summaries = page.unwrap().summaries.iter().map(|summary| (**summary).clone()).collect();
        (summaries, self.store.service_graph(all_time()).unwrap())
    }
}

fn all_time() -> TimeRange {
    TimeRange { start: Timestamp::default(), end: Timestamp::MAX }
}

#[test]
fn what_is_exported_and_imported_answers_alike() {
    let lines = lines();
    let plain = lines.lines().filter(|line| line.contains(r#""document":{"#)).count();
    assert!(plain < lines.lines().count(), "no document that is no JSON");
    let original = Stored::new();
    let report = original.import(&lines);
    let count = lines.lines().count() as u64;
    assert_eq!((report.lines, report.documents, report.refused), (count, count, 0));
    assert_eq!(report.bytes, lines.len() as u64);

    let exported = original.export(all_time());
    assert!(exported == lines, "what comes out is not what went in");

    let copy = Stored::new();
    copy.import(&exported);
    let answers = copy.answers();
    assert!(answers.0.len() > 50 && answers.1.edges.len() > 20);
    assert_eq!(answers, original.answers());
    copy.store.settle().unwrap();
    assert_eq!(copy.answers(), answers);
    assert!(copy.export(all_time()) == lines);
}

#[test]
fn importing_twice_shows_nothing_twice() {
    let lines = lines();
    let stored = Stored::new();
    stored.import(&lines);
    let once = stored.answers();
    stored.import(&lines);
    let mut twice = stored.answers();
    // The documents are there twice, and are counted.
    twice.0.iter_mut().for_each(|summary| summary.revision /= 2);
    assert_eq!(twice, once);
}

#[test]
fn a_range_of_time_is_exported() {
    let lines = lines();
    let stored = Stored::new();
    stored.import(&lines);
    let at = |seconds: i64| FIRST_RECEIVED.plus(Micros::from_whole_seconds(seconds));
    let exported = stored.export(TimeRange { start: at(10), end: at(25) });
    let expect: Vec<_> = lines.lines().skip(10).take(15).collect();
    assert_eq!(exported.lines().collect::<Vec<_>>(), expect);
}

#[test]
fn lines_that_hold_no_document_are_told_and_the_rest_goes_in() {
    let stored = Stored::new();
    let good = lines();
    let good: Vec<_> = good.lines().take(3).collect();
    let too_long = format!(r#"{{"document":"{}"}}"#, "x".repeat(600_000));
    let inferred = r#"{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"53995c3f42cd8ad8","name":"x","start_time":1,"end_time":2,"inferred":true}"#;
    let text = [
        good[0],
        "garbage",
        "",
        good[1],
        r#"{"received":"soon","document":{}}"#,
        r#"{"received":1,"document":{"id":"x"}}"#,
        &too_long,
        inferred,
        good[2],
    ]
    .join("\r\n");
    let mut told = Vec::new();
    let mut tell = |event: ImportEvent<'_>| {
        if let ImportEvent::Refused { line, reason, refused } = event {
            told.push((line, refused, reason.to_string()));
        }
    };
    let report = import(text.as_bytes(), &stored.store, now(), &mut tell).unwrap();
    let expect =
        ImportReport { lines: 9, bytes: text.len() as u64, documents: 3, refused: 4, inferred: 1 };
    assert_eq!(report, expect);
    let lines: Vec<_> = told.iter().map(|(line, refused, _)| (*line, *refused)).collect();
    assert_eq!(lines, [(2, 1), (5, 2), (6, 3), (7, 4)]);
    let reasons = ["not JSON", "received \"soon\" is not a time", "InvalidId", "longer than"];
    for ((_, _, told), reason) in told.iter().zip(reasons) {
        assert!(told.contains(reason), "{told}");
    }
    assert_eq!(stored.export(all_time()).lines().collect::<Vec<_>>(), good);
}

#[test]
fn plain_documents_are_received_when_they_are_imported() {
    let documents: Vec<_> =
        documents().into_iter().filter(|bytes| !bytes.contains(&b'\n')).collect();
    let ids: BTreeSet<_> =
        documents.iter().map(|bytes| Document::parse(bytes).unwrap().trace_id).collect();
    let stored = Stored::new();
    let text = documents.join(&b'\n');
    let text = String::from_utf8(text).unwrap();
    assert_eq!(stored.import(&text).documents, documents.len() as u64);
    let answers = stored.answers();
    assert_eq!(answers.0.iter().map(|summary| summary.id).collect::<BTreeSet<_>>(), ids);
    let exported = stored.export(TimeRange { start: now(), end: now().plus(Micros::new(1)) });
    assert_eq!(exported.lines().count(), documents.len());
}
