//! A merged file answers as those it was made of.

use std::sync::Arc;

use proptest::prelude::*;
use roentgen_model::{Micros, ServiceGraph, Timestamp, TraceSummary};

use super::super::{IndexEntry, Sequence, SettledFile, merge_settled};
use super::super::{NoOpenTraces, ScanThreads, find_page};
use super::samples::{Files, batch_of, bytes_of, links_of, plain_summary, rows_of, summaries};
use crate::{SummaryQuery, TimeRange, TimeRangeType};

fn merged(files: &mut Files, parts: &[Arc<SettledFile>]) -> Arc<SettledFile> {
    let mut bytes = Vec::new();
    let length = merge_settled(parts, &mut bytes).unwrap();
    assert_eq!(length, bytes.len() as u64);
    files.open(&bytes)
}

fn page(files: &Files) -> Vec<TraceSummary> {
    let query = SummaryQuery {
        range: TimeRange { start: Timestamp::from_micros(i64::MIN), end: Timestamp::MAX },
        range_type: TimeRangeType::TraceId,
        after: None,
        limit: usize::MAX,
        scan_limit: usize::MAX,
        conditions: &[],
        matches: &|_| true,
    };
    let superseded = files.superseded();
    let page = find_page(&files.queried(&superseded), &query, &NoOpenTraces, &ScanThreads::new(2))
        .unwrap();
    page.summaries.into_iter().map(Arc::unwrap_or_clone).collect()
}

/// What counts of a graph: windows only widen, so they may differ.
fn counts(graph: &ServiceGraph) -> impl PartialEq + std::fmt::Debug + use<> {
    let nodes = graph.nodes.iter();
    let nodes =
        nodes.map(|(id, n)| (id.clone(), n.seen, n.seen_real, n.seen_root, n.requests.clone()));
    let edges = graph.edges.iter().map(|(id, e)| (id.clone(), e.seen, e.requests.clone()));
    (nodes.collect::<Vec<_>>(), edges.collect::<Vec<_>>())
}

/// All entries of several files, those of one trace together.
fn entries(files: &Files) -> Vec<IndexEntry> {
    let mut entries: Vec<IndexEntry> = Vec::new();
    files.files.iter().for_each(|file| file.for_each_entry(|entry| entries.push(entry)).unwrap());
    entries.sort_by_key(|entry| entry.id);
    let mut together: Vec<IndexEntry> = Vec::new();
    for entry in entries {
        match together.last_mut().filter(|last| last.id == entry.id) {
            Some(last) => {
                last.positions.extend(entry.positions);
                last.positions.sort();
                last.bytes += entry.bytes;
            }
            None => together.push(entry),
        }
    }
    together
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn merging_neighbours_changes_no_answer(
        all in summaries(12),
        settled in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..6), 2..7),
        merges in prop::collection::vec((any::<prop::sample::Index>(), 2_usize..4), 1..4),
    ) {
        let mut files = Files::new();
        let mut now = all;
        for (sequence, indexes) in (1..).zip(&settled) {
            let mut chosen: Vec<usize> = indexes.iter().filter(|_| !now.is_empty()).map(|i| i.index(now.len())).collect();
            chosen.sort();
            chosen.dedup();
            // Each time a trace settles it has become another one.
            let batch: Vec<TraceSummary> = chosen.into_iter().map(|index| {
                let summary = &mut now[index];
                summary.revision += 1;
                summary.end = summary.end.plus(Micros::new(1000));
                summary.duration = summary.end - summary.start;
                summary.clone()
            }).collect();
            files.settle(sequence, &batch);
        }
        let before = (page(&files), entries(&files), files.graph());
        let links = links_of(&files, i64::MIN..=i64::MAX);
        for (at, count) in merges {
            if files.files.len() < count {
                break;
            }
            let at = at.index(files.files.len() - count + 1);
            let parts: Vec<_> = files.files[at..at + count].to_vec();
            let merged = merged(&mut files, &parts);
            prop_assert!(merged.verify().is_ok());
            for part in &parts {
                prop_assert!(merged.sequences().contains(part.sequences().last()));
            }
            files.files.splice(at..at + count, [merged]);
            prop_assert_eq!(page(&files), before.0.clone());
            prop_assert_eq!(entries(&files), before.1.clone());
            prop_assert_eq!(counts(&files.graph()), counts(&before.2));
            prop_assert_eq!(links_of(&files, i64::MIN..=i64::MAX), links.clone());
        }
    }
}

#[test]
fn large_groups_are_copied_and_small_ones_written_together() {
    let mut files = Files::new();
    let traces = |first: u64, count: u64| -> Vec<TraceSummary> {
        (first..first + count).map(|n| plain_summary(n, 1000 + n as i64 / 100)).collect()
    };
    let sizes = [5000, 100, 4096, 2000, 3000];
    for (sequence, size) in (1..).zip(sizes) {
        files.settle(sequence, &traces(10_000 * sequence, size));
    }
    let before = (page(&files), links_of(&files, 17..=18));
    assert!(before.1.len() > 500, "{}", before.1.len());
    let parts = files.files.clone();
    let merged = merged(&mut files, &parts);
    let mut groups: Vec<usize> = merged.groups().map(|group| group.group.rows).collect();
    groups.sort();
    assert_eq!(groups, [3000, 904 + 100 + 2000, 4096, 4096]);
    assert_eq!((merged.home(), merged.traces(), merged.documents()), (7, 14_196, 28_392));
    files.files = vec![merged];
    assert_eq!((page(&files), links_of(&files, 17..=18)), before);
}

#[test]
fn what_merging_resolves_is_gone_and_the_rest_stays() {
    let mut files = Files::new();
    let traces: Vec<_> = (0..5000).map(|n| plain_summary(n, 1000)).collect();
    files.settle(1, &traces);
    files.settle(2, &traces[..10]);
    files.settle(3, &traces[5..8]);
    let [first, second, third] = [0, 1, 2].map(|number| files.files[number].clone());
    let merged_pair = merged(&mut files, &[first, second.clone()]);
    assert_eq!(merged_pair.superseded(), []);
    assert_eq!(merged_pair.correction_targets().count(), 0);
    assert_eq!(merged_pair.traces(), 5000, "each trace once");
    assert_eq!(rows_of(&merged_pair).len(), 5010, "superseded rows were copied with the others");
    let merged_tail = merged(&mut files, &[second, third]);
    let targets: Vec<_> = merged_tail.superseded().iter().map(|(target, _)| *target).collect();
    assert_eq!(targets, [Sequence(1); 10]);
    assert!(merged_tail.correction_targets().all(|target| target == Sequence(1)));
    assert_eq!(merged_tail.traces(), 10);
}

#[test]
fn a_group_of_which_much_is_superseded_is_written_anew() {
    let mut files = Files::new();
    let traces: Vec<_> = (0..4096).map(|n| plain_summary(n, 1000)).collect();
    files.settle(1, &traces);
    files.settle(2, &traces[..1000]);
    let parts = files.files.clone();
    let merged = merged(&mut files, &parts);
    assert_eq!(rows_of(&merged).len(), 4096, "no superseded row is left");
}

#[test]
fn a_damaged_column_is_not_copied() {
    let mut files = Files::new();
    let traces: Vec<_> = (0..4096).map(|n| plain_summary(n, 1000)).collect();
    let mut bytes = bytes_of(&batch_of(1, &traces));
    bytes[200] ^= 1;
    let damaged = files.open(&bytes);
    let error = merge_settled(&[damaged.clone(), damaged], &mut Vec::new()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("is damaged: column") && message.contains("of row group 0"),
        "{message}"
    );
}
