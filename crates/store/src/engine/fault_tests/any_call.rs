//! One call to the disk fails, or all from one on, whichever it is: nothing that was acknowledged
//! is lost, nothing is doubled, and queries tell the truth before and after opening again.

use std::collections::BTreeMap;

use super::*;
use crate::failing_disk::FailingDisk;

/// What was acknowledged, and what may have been stored although it was not.
#[derive(Default)]
struct Sent {
    acknowledged: BTreeMap<u8, Vec<u8>>,
    in_doubt: Vec<(u8, u8)>,
}

impl Sent {
    fn append(&mut self, store: &EmbeddedStore, documents: &[(u8, u8)]) {
        let parsed = documents.iter().map(|&(trace, segment)| document(trace, segment));
        match append(store, parsed.collect()) {
            Ok(()) => {
                for &(trace, segment) in documents {
                    self.acknowledged.entry(trace).or_default().push(segment);
                }
            }
            Err(_) => self.in_doubt.extend(documents),
        }
    }

    /// The store has what was acknowledged; when `may_have_more`, perhaps also the rest.
    fn check(&mut self, store: &EmbeddedStore, may_have_more: bool, context: &str) {
        if may_have_more {
            for (trace, segment) in std::mem::take(&mut self.in_doubt) {
                let document = received(trace, segment);
                let found = originals(store, id(trace));
                let count = found.iter().filter(|found| **found == document).count();
                let segments = self.acknowledged.entry(trace).or_default();
                if count > segments.iter().filter(|known| **known == segment).count() {
                    segments.push(segment);
                }
            }
            self.acknowledged.retain(|_, segments| !segments.is_empty());
        }
        let mut expect: Vec<TraceId> = self.acknowledged.keys().map(|&trace| id(trace)).collect();
        expect.sort();
        assert_eq!(traces(store), expect, "{context}");
        let mut seen = 0;
        for (&trace, segments) in &self.acknowledged {
            let documents: Vec<_> = segments.iter().map(|&s| received(trace, s)).collect();
            assert_eq!(originals(store, id(trace)), documents, "{context}");
            let mut distinct = segments.clone();
            distinct.sort_unstable();
            distinct.dedup();
            seen += i64::try_from(distinct.len()).unwrap();
        }
        assert_eq!(counted(store), (seen, seen), "{context}");
    }
}

/// Stores, settles, goes on with what has settled, merges, and begins new log files.
fn run(store: &EmbeddedStore, sent: &mut Sent) {
    for round in 0..4 {
        let traces = [1, 2, 10 + round, 20 + round];
        let documents: Vec<_> = traces.iter().map(|&trace| (trace, 1 + round / 2)).collect();
        sent.append(store, &documents);
        // A store that cannot write its settled files takes documents all the same.
        let _ = store.settle();
        crate::merging::merge_all(&store.state);
    }
    sent.append(store, &[(1, 9), (30, 1)]);
}

fn check_failures(fail: impl Fn(&FailingDisk, usize)) -> usize {
    for calls in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(directory.path());
        options.retention_bytes = u64::MAX;
        options.tuning.log_file_bytes = Some(600);
        options.tuning.merge_files = 2;
        let (clock, disk) = (clock(), Arc::new(FailingDisk::default()));
        fail(&disk, calls);
        let mut sent = Sent::default();
        let context = format!("failure at call {calls}");
        if let Ok(store) = open(&options, &clock, disk.clone()) {
            run(&store, &mut sent);
            sent.check(&store, false, &context);
            disk.heal();
            // What is derived recovers; the log does not before it is opened anew.
            store.settle().unwrap();
            sent.check(&store, false, &context);
            store.close();
        }
        let has_failed = disk.has_failed();
        let store = open(&options, &clock, Arc::new(RealDisk)).unwrap();
        sent.check(&store, true, &context);
        sent.append(&store, &[(1, 10), (40, 1)]);
        store.settle().unwrap();
        sent.check(&store, false, &context);
        assert_eq!(store.status().panics_total, 0);
        store.close();
        if !has_failed {
            return calls;
        }
    }
    unreachable!("there are not so many calls");
}

#[test]
fn one_call_fails() {
    let calls = check_failures(|disk, calls| disk.fail_at(calls));
    assert!(calls > 60, "{calls} calls");
}

#[test]
fn all_calls_fail_from_one_on() {
    let calls = check_failures(|disk, calls| disk.fail_from(calls));
    assert!(calls > 60, "{calls} calls");
}
