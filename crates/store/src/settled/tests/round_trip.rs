//! What is written comes back.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZero;

use roentgen_model::{LinkObservation, Micros, Rollups, ServiceGraph, TraceId};

use super::super::service_graph::add_up;
use super::super::{Position, ScanThreads, Sequence, SettledFile, Steps};
use super::samples::{
    Files, batch_of, bytes_in_parts, bytes_of, graph_of, links_of, plain_summary, rows_of,
    summaries, whole_graph,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn summaries_come_back_in_the_order_of_time(summaries in summaries(12)) {
        let mut files = Files::new();
        let file = files.open(&bytes_of(&batch_of(1, &summaries)));
        let mut expect = summaries;
        expect.sort_by_key(|summary| (summary.time, summary.id));
        prop_assert_eq!(rows_of(&file), expect);
        prop_assert!(file.verify().is_ok());
    }

    #[test]
    fn traces_that_are_added_in_parts_stand_in_groups_of_their_own(
        summaries in summaries(12),
        part in 1_usize..5,
    ) {
        let mut files = Files::new();
        let file = files.open(&bytes_in_parts(&batch_of(1, &summaries), part));
        let mut expect = summaries;
        expect.chunks_mut(part).for_each(|part| part.sort_by_key(|row| (row.time, row.id)));
        prop_assert_eq!(file.groups().count(), expect.len().div_ceil(part));
        prop_assert_eq!(rows_of(&file), expect);
        prop_assert!(file.verify().is_ok());
    }

    #[test]
    fn positions_are_found_by_id(
        summaries in summaries(12),
        absent: [u8; 16],
        part in 1_usize..13,
    ) {
        let mut files = Files::new();
        let batch = batch_of(3, &summaries);
        let file = files.open(&bytes_in_parts(&batch, part));
        for trace in &batch.traces {
            let found = file.find(trace.summary.id).unwrap().unwrap();
            prop_assert_eq!(found.id, trace.summary.id);
            prop_assert_eq!((&found.positions, found.bytes), (&trace.positions, trace.bytes));
        }
        prop_assert_eq!(file.find(TraceId::from_bytes(absent)).unwrap(), None);
        let mut ids = Vec::new();
        file.for_each_entry(|entry| ids.push(entry.id)).unwrap();
        let mut expect: Vec<_> = summaries.iter().map(|summary| summary.id).collect();
        expect.sort();
        prop_assert_eq!(ids, expect);
    }
}

#[test]
fn a_file_knows_what_it_holds() {
    let mut files = Files::new();
    let summaries: Vec<_> = (0..10_000).map(|n| plain_summary(n, 1000 + n as i64 / 50)).collect();
    let mut batch = batch_of(5, &summaries);
    batch.rest.superseded = vec![(Sequence(2), summaries[3].id)];
    batch.rest.corrections = vec![(Sequence(2), batch.rest.rollups.clone())];
    let bytes = bytes_of(&batch);
    let file = files.open(&bytes);
    assert_eq!((file.bytes(), file.home()), (bytes.len() as u64, 7));
    assert_eq!((file.traces(), file.documents()), (10_000, 20_000));
    assert_eq!(file.document_bytes(), (0..10_000).map(|n| 1000 + n).sum::<u64>());
    assert_eq!(file.groups().map(|group| group.group.rows).collect::<Vec<_>>(), [4096, 4096, 1808]);
    let (first, last) = file.times().unwrap();
    assert_eq!((first.as_seconds(), last.as_seconds()), (1000.0, 1199.0));
    assert_eq!(file.rollup_minutes(), Some(16..=19));
    assert_eq!(file.superseded(), [(Sequence(2), summaries[3].id)]);
    assert_eq!(file.correction_targets().collect::<Vec<_>>(), [Sequence(2)]);
    let (least, greatest) = file.positions().unwrap();
    assert_eq!(least, Position::from_u64(5 << 40));
    assert_eq!(greatest, Position::from_u64(5 << 40 | 10_099 << 8 | 3));
    assert!(file.memory() < 60_000, "{}", file.memory());
}

#[test]
fn positions_from_a_place_on_are_told() {
    let mut files = Files::new();
    let summaries: Vec<_> = (0..500).map(|n| plain_summary(n, 1000)).collect();
    let file = files.open(&bytes_of(&batch_of(5, &summaries)));
    let check = |first: u64, expect: usize| {
        let found = file.positions_from(Position::from_u64(first)).unwrap();
        assert_eq!(found.len(), expect, "{first:x}");
        assert!(found.iter().all(|position| *position >= Position::from_u64(first)));
    };
    check(0, 1000);
    check(5 << 40 | 500 << 8, 100);
    check(5 << 40 | 599 << 8 | 3, 1);
    check(6 << 40, 0);
}

#[test]
fn links_of_a_range_are_those_whose_segments_began_in_it() {
    let mut files = Files::new();
    let summaries: Vec<_> = (0..900).map(|n| plain_summary(n, 60 * (n as i64 % 90))).collect();
    files.settle(1, &summaries);
    let check = |files: &Files, first: i64, last: i64| {
        let links = summaries.iter().flat_map(|summary| graph_of(summary).links);
        let is_in_range = |link: &LinkObservation| (first..=last).contains(&link.start.minute());
        let mut expect: Vec<_> = links.filter(is_in_range).collect();
        expect.sort_by_key(|link| (link.to_trace, link.to, link.start, link.end));
        assert_eq!(links_of(files, first..=last), expect, "{first}..={last}");
        expect.len()
    };
    assert!(check(&files, i64::MIN, i64::MAX) > 300);
    assert!(check(&files, 90, 91) > 0, "behind the last of the requests");
    assert_eq!(check(&files, 92, i64::MAX), 0);
    check(&files, 17, 17);
    // What settles again has its links once.
    files.settle(2, &summaries[..300]);
    check(&files, 0, 50);
}

#[test]
fn a_group_without_links_has_no_column_of_them() {
    let mut files = Files::new();
    let (none, one) = (plain_summary(0, 60), plain_summary(5, 60));
    let places = |files: &mut Files, summaries: &[_]| {
        let file = files.open(&bytes_of(&batch_of(1, summaries)));
        file.groups().map(|group| group.group.links.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(places(&mut files, std::slice::from_ref(&none)), [false]);
    assert_eq!(places(&mut files, &[none, one]), [true]);
}

#[test]
fn a_batch_without_traces_is_a_file() {
    let mut files = Files::new();
    let file = files.open(&bytes_of(&batch_of(1, &[])));
    assert_eq!((file.traces(), file.times(), file.positions()), (0, None, None));
    assert_eq!(file.find(plain_summary(1, 1).id).unwrap(), None);
    file.verify().unwrap();
}

#[test]
fn a_huge_summary_makes_a_row_group_of_its_own() {
    let mut files = Files::new();
    let mut huge = plain_summary(1, 1000);
    huge.resource_arns = (0..100).map(|n| format!("{n}{}", "x".repeat(50_000))).collect();
    let summaries = [plain_summary(0, 1000), huge, plain_summary(2, 1000)];
    let file = files.open(&bytes_of(&batch_of(1, &summaries)));
    assert_eq!(file.groups().map(|group| group.group.rows).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(rows_of(&file), summaries);
}

#[test]
fn the_graph_of_a_range_is_that_of_its_minutes() {
    let mut files = Files::new();
    let summaries: Vec<_> = (0..900).map(|n| plain_summary(n, 60 * (n as i64 % 90))).collect();
    let file = files.open(&bytes_of(&batch_of(1, &summaries)));
    let mut rollups = Rollups::default();
    summaries.iter().for_each(|summary| rollups.add(&graph_of(summary)));
    let check = |first: i64, last: i64| {
        assert_eq!(
            whole_graph(&[&file], first..=last),
            rollups.range(first..=last),
            "{first}..={last}"
        );
    };
    check(i64::MIN, i64::MAX);
    check(0, 0);
    check(17, 61);
    check(89, 200);
    check(90, 200);
}

#[test]
fn the_graphs_of_steps_are_those_of_their_minutes() {
    let mut files = Files::new();
    // Some minutes are in all files; the third one corrects the second. Hardly two requests take
    // as long, so that there are rollups of some blocks.
    let length = |n: u64| Micros::new(1 + (n as i64).pow(2) % 50_000_000);
    let summary = |n: u64, minutes: u64| {
        let mut summary = plain_summary(n, 60 * (n % minutes) as i64);
        summary.end = summary.start.plus(length(n));
        summary
    };
    let mut summaries: Vec<Vec<_>> = vec![
        (0..4_000).map(|n| summary(n, 90)).collect(),
        (4_000..11_000).map(|n| summary(n, 300)).collect(),
    ];
    let again: Vec<_> = summaries[1].iter().step_by(3).cloned().collect();
    files.settle(1, &summaries[0]);
    files.settle(2, &summaries[1]);
    let mut changed = again;
    changed.iter_mut().for_each(|summary| summary.end = summary.start.plus(Micros::new(5)));
    files.settle(3, &changed);
    let mut rollups = Rollups::default();
    for (place, summary) in summaries[1].iter_mut().enumerate().filter(|(n, _)| n % 3 == 0) {
        *summary = changed[place / 3].clone();
    }
    summaries.iter().flatten().for_each(|summary| rollups.add(&graph_of(summary)));
    let files: Vec<&SettledFile> = files.files.iter().map(|file| &**file).collect();
    let requests = |graph: &ServiceGraph| -> Vec<_> {
        graph.nodes.iter().map(|(id, node)| (id.clone(), node.requests.clone())).collect()
    };
    let check = |range: std::ops::RangeInclusive<i64>, length: u32| {
        let steps = Steps::new(range.clone(), NonZero::new(length));
        let mut expect = BTreeMap::new();
        for minute in range.clone().filter(|minute| (0..300).contains(minute)) {
            let step = minute - minute % i64::from(length);
            let minutes =
                step.max(*range.start())..=(step + i64::from(length) - 1).min(*range.end());
            expect.insert(step, requests(&rollups.range(minutes)));
        }
        for parallel_bytes in [0, u64::MAX] {
            let found = add_up(&files, &steps, &ScanThreads::new(2), parallel_bytes).unwrap();
            let found: BTreeMap<_, _> =
                found.iter().map(|(step, graph)| (*step, requests(graph))).collect();
            assert_eq!(found, expect, "{range:?} {length}");
        }
    };
    check(0..=400, 1);
    check(-9..=299, 5);
    check(17..=203, 7);
    check(88..=91, 60);
    check(400..=500, 1);
}

#[test]
fn corrections_count_only_while_their_target_does() {
    let mut files = Files::new();
    let mut first: Vec<_> = (0..6).map(|n| plain_summary(n, 60 * n as i64)).collect();
    files.settle(1, &first);
    // The third trace becomes one of another length.
    first[2].end = first[2].start.plus(roentgen_model::Micros::new(77));
    files.settle(2, &first[2..3]);
    let mut rollups = Rollups::default();
    first.iter().for_each(|summary| rollups.add(&graph_of(summary)));
    let counts = |graph: &ServiceGraph| {
        let nodes =
            graph.nodes.iter().map(|(id, node)| (id.clone(), node.seen, node.requests.clone()));
        nodes.collect::<Vec<_>>()
    };
    assert_eq!(counts(&files.graph()), counts(&rollups.range(..)));
    // Without the first file, its correction is void.
    let second = &*files.files[1];
    let mut alone = Rollups::default();
    alone.add(&graph_of(&first[2]));
    assert_eq!(whole_graph(&[second], i64::MIN..=i64::MAX), alone.range(..));
}
