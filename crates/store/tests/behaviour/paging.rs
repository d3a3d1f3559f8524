//! Pages of summaries.

use std::collections::BTreeSet;

use roentgen_model::{TraceId, TraceSummary};
use roentgen_store::{Cursor, SummaryPage, SummaryQuery, TimeRangeType, TraceStore as _};

use crate::harness::{Harness, Segment, all_time, trace_id};

fn page(
    harness: &Harness,
    after: Option<Cursor>,
    (limit, scan_limit): (usize, usize),
    matches: &(dyn Fn(&TraceSummary) -> bool + Sync),
) -> SummaryPage {
    let query = SummaryQuery {
        range: all_time(),
        range_type: TimeRangeType::TraceId,
        after,
        limit,
        scan_limit,
        conditions: &[],
        matches,
    };
    harness.store.summaries(&query).unwrap()
}

/// Thirty traces, three in each second.
fn thirty(harness: &Harness) -> Vec<TraceId> {
    let mut ids: Vec<_> = (0..30).map(|n| trace_id(i64::try_from(n / 3).unwrap(), n)).collect();
    let documents =
        ids.iter().map(|&id| Segment::new(id, 1, f64::from(id.epoch_seconds() % 10)).document());
    harness.append(documents.collect());
    ids.reverse();
    ids
}

#[test]
fn pages_of_any_size_tell_everything_once_newest_first() {
    let harness = Harness::new();
    let ids = thirty(&harness);
    for limits in [(1, 100), (7, 100), (30, 100), (31, 100), (100, 1), (100, 7), (0, 0), (4, 5)] {
        let (mut after, mut found, mut scanned) = (None, Vec::new(), 0);
        loop {
            let page = page(&harness, after, limits, &|_| true);
            assert!(page.summaries.len() <= limits.0.max(1) && page.scanned <= limits.1.max(1));
            found.extend(page.summaries.iter().map(|summary| summary.id));
            scanned += page.scanned;
            after = page.next;
            if after.is_none() {
                assert!(!page.summaries.is_empty(), "no empty page at the end");
                break;
            }
        }
        assert_eq!((&found, scanned), (&ids, 30), "{limits:?}");
    }
}

#[test]
fn a_rare_match_is_looked_for_within_the_scan_limit() {
    let harness = Harness::new();
    let ids = thirty(&harness);
    let wanted = ids[17];
    let matches = |summary: &TraceSummary| summary.id == wanted;
    let first = page(&harness, None, (10, 10), &matches);
    assert_eq!((first.summaries.len(), first.scanned), (0, 10));
    let second = page(&harness, first.next, (10, 10), &matches);
    assert_eq!((second.summaries.len(), second.scanned), (1, 10));
    let third = page(&harness, second.next, (10, 10), &matches);
    assert_eq!((third.summaries.len(), third.scanned, third.next), (0, 10, None));
}

#[test]
fn paging_while_data_arrives_leaves_nothing_out_and_tells_nothing_twice() {
    let mut harness = Harness::new();
    let ids = thirty(&harness);
    let (mut after, mut found) = (None, Vec::new());
    for number in 0_u64.. {
        let page = page(&harness, after, (4, 100), &|_| true);
        found.extend(page.summaries.iter().map(|summary| summary.id));
        after = page.next;
        if after.is_none() {
            break;
        }
        // Newer traces, an older one, and more of every trace that was there.
        let newer = trace_id(100 + i64::try_from(number).unwrap(), 1000 + number);
        let older = trace_id(-1, 1000 + number);
        let more = ids.iter().map(|&id| Segment::new(id, 2 + number, 40.0).document());
        let new = [(newer, 100.0), (older, -1.0)]
            .map(|(id, start)| Segment::new(id, 1, start).document());
        harness.append(more.chain(new).collect());
        if number == 3 {
            harness.reopen();
        }
    }
    assert_eq!(found[..30], ids);
    let distinct: BTreeSet<_> = found.iter().collect();
    assert_eq!(distinct.len(), found.len());
}
