//! What the open set keeps, hides, tells and forgets.

use std::sync::Arc;
use std::time::Duration;

use roentgen_model::{SegmentId, Timestamp};
use roentgen_ops::{Clock as _, SystemClock};

use super::*;
use crate::new_document::Times;

const TRACE: TraceId = TraceId::from_bytes([7; 16]);

fn position(file: FileNumber, offset: u32) -> Position {
    Position::new(file, offset, 0).unwrap()
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// A document of so many bytes whose segment starts and ends at these seconds.
fn document(
    id: TraceId,
    position: Position,
    bytes: u32,
    segment: u64,
    start: i64,
) -> StoredDocument {
    let times = Times {
        first_start: time(start),
        last_start: time(start),
        last: time(start + 1),
        segment: Some((SegmentId::from_u64(segment), time(start))),
    };
    let outlined = Outlined { trace_id: id, times, outline: Arc::from([0; 100].as_slice()) };
    StoredDocument { position, bytes, outlined }
}

fn positions(open: &OpenSet, id: TraceId) -> Vec<Position> {
    let trace = open.get(id);
    trace.iter().flat_map(|trace| trace.documents().iter()).map(|d| d.position).collect()
}

#[test]
fn documents_come_stay_once_and_go() {
    let now = SystemClock.instant();
    let open = OpenSet::new(1000);
    assert_eq!((open.size(), open.list().count()), (Size::default(), 0));
    for offset in [20, 40, 60, 40, 30] {
        assert!(open.enter(document(TRACE, position(1, offset), 10, 1, 5), now));
    }
    let all = [20, 30, 40, 60].map(|offset| position(1, offset));
    assert_eq!(positions(&open, TRACE), all);
    let size = open.size();
    assert_eq!((size.traces, size.documents), (1, 4));
    assert!(size.bytes > 4 * 100, "{size:?}");
    open.remove_up_to(TRACE, position(1, 30));
    assert_eq!(positions(&open, TRACE), all[2..]);
    assert_eq!(open.size().documents, 2);
    open.remove_up_to(TRACE, position(1, 60));
    assert_eq!((open.size(), open.get(TRACE).is_none()), (Size::default(), true));
    open.remove_up_to(TRACE, position(1, 60));
}

#[test]
fn what_is_behind_the_largest_size_is_hidden_and_has_no_outline() {
    let now = SystemClock.instant();
    let open = OpenSet::new(1000);
    let check = |offset, bytes, expect| {
        let id = TraceId::from_bytes([8; 16]);
        assert_eq!(open.enter(document(id, position(1, offset), bytes, 1, 5), now), expect);
        let trace = open.get(id).unwrap();
        assert_eq!(trace.documents().last().unwrap().outline.is_some(), expect);
    };
    check(1, 1500, true); // The first is always shown.
    check(2, 1, false);
    let open = OpenSet::new(1000);
    for (offset, bytes, expect) in [(1, 400, true), (2, 600, true), (3, 1, false), (4, 1, false)] {
        let is_shown = open.enter(document(TRACE, position(1, offset), bytes, 1, 5), now);
        assert_eq!(is_shown, expect, "{offset}");
    }
}

#[test]
fn files_that_are_gone_take_their_documents() {
    let now = SystemClock.instant();
    let open = OpenSet::new(u64::MAX);
    let ids: Vec<TraceId> = (0..200).map(|n| TraceId::from_bytes([n; 16])).collect();
    for (number, &id) in (0..).zip(&ids) {
        for file in 1..=1 + number % 3 {
            open.enter(document(id, position(file, 20 + number), 10, 1, 5), now);
        }
    }
    let count = |open: &OpenSet| usize::try_from(open.size().documents).unwrap();
    let before = count(&open);
    assert_eq!(open.remove_files(1), 200);
    assert_eq!((count(&open), open.list().count()), (before - 200, 133));
    assert!(open.list().all(|trace| trace.first.file() > 1));
    open.remove_files(3);
    assert_eq!(open.size(), Size::default());
}

#[test]
fn the_start_is_certain_while_one_version_of_the_first_segment_is_there() {
    let check = |documents: &[(u64, i64)], expect: Option<i64>| {
        let (now, open) = (SystemClock.instant(), OpenSet::new(u64::MAX));
        for (offset, &(segment, start)) in (1..).zip(documents) {
            open.enter(document(TRACE, position(1, offset), 10, segment, start), now);
        }
        let times = open.get(TRACE).unwrap().times();
        let found = times.is_start_certain().then_some(times.first_start);
        assert_eq!(found, expect.map(time), "{documents:?}");
        let starts = || documents.iter().map(|(_, start)| time(*start));
        assert_eq!(
            (Some(times.first_start), Some(times.last_start)),
            (starts().min(), starts().max())
        );
    };
    check(&[(1, 5)], Some(5));
    check(&[(1, 5), (2, 7), (3, 4)], Some(4));
    check(&[(1, 5), (1, 5)], Some(5));
    check(&[(1, 5), (1, 6)], None);
    check(&[(1, 5), (2, 7), (2, 8)], Some(5));
    check(&[(1, 5), (2, 7), (2, 4)], None);
    check(&[(1, 5), (1, 6), (2, 4)], Some(4));
    check(&[(1, 5), (1, 6), (2, 5)], Some(5));
}

#[test]
fn what_is_found_of_the_past_counts_for_what_was_looked_at() {
    let (now, open) = (SystemClock.instant(), OpenSet::new(u64::MAX));
    let enter = |offset| open.enter(document(TRACE, position(1, offset), 10, 1, 5), now);
    let past = || open.get(TRACE).unwrap().past();
    enter(1);
    let before = open.get(TRACE).unwrap().incarnation();
    assert_eq!(past(), Past::Unknown);
    enter(2);
    open.set_pasts(&[(TRACE, before, Past::Nothing)]);
    assert_eq!(past(), Past::Nothing);
    open.begin_settling(TRACE);
    open.set_pasts(&[(TRACE, before, Past::Nothing)]);
    assert_eq!(past(), Past::Something);
    enter(3);
    open.remove_up_to(TRACE, position(1, 2));
    open.set_pasts(&[(TRACE, before, Past::Nothing)]);
    assert_eq!(past(), Past::Unknown, "that was found of an earlier one");
    open.remove_up_to(TRACE, position(1, 3));
    enter(4);
    open.set_pasts(&[(TRACE, before, Past::Nothing)]);
    assert_eq!(past(), Past::Unknown);
}

#[test]
fn a_trace_is_listed_with_when_it_was_opened_and_touched() {
    let (begin, open) = (SystemClock.instant(), OpenSet::new(u64::MAX));
    let later = begin + Duration::from_secs(3);
    open.enter(document(TRACE, position(1, 1), 10, 1, 5), begin);
    open.enter(document(TRACE, position(2, 1), 10, 2, 5), later);
    let listed: Vec<Listed> = open.list().collect();
    let Listed { id, first, last, documents, memory, opened, touched } = listed[0];
    assert_eq!((id, first, last, documents), (TRACE, position(1, 1), position(2, 1), 2));
    assert_eq!((opened, touched, memory), (begin, later, open.size().bytes));
}

#[test]
fn how_many_traces_there_are_and_when_the_last_changed_tells_what_there_is() {
    let (now, open) = (SystemClock.instant(), OpenSet::new(u64::MAX));
    // All in one shard.
    let id = |number: u8| {
        TraceId::from_bytes([[number; 12].as_slice(), &[0; 4]].concat().try_into().unwrap())
    };
    let enter = |number, file, offset| {
        open.enter(document(id(number), position(file, offset), 10, 1, 5), now);
    };
    let seen = || {
        let shard = lock(open.shards().next().unwrap());
        let changed = shard.traces().map(|(_, trace)| trace.changed()).max();
        assert!(changed.unwrap_or_default() <= shard.version());
        (shard.traces().len(), changed)
    };
    let mut known = vec![seen()];
    let mut check = |what: &str| {
        assert!(!known.contains(&seen()), "{what}");
        known.push(seen());
    };
    enter(1, 1, 1);
    check("a trace came");
    enter(2, 1, 2);
    check("another came");
    enter(1, 2, 3);
    check("a document came");
    open.begin_settling(id(2));
    check("one begins to settle");
    open.remove_up_to(id(2), position(1, 2));
    check("it has settled");
    enter(2, 2, 4);
    check("and comes again");
    open.remove_files(1);
    check("a document went with its file");
    open.set_pasts(&[(id(2), open.get(id(2)).unwrap().incarnation(), Past::Nothing)]);
    assert_eq!(known.last(), Some(&seen()), "what is known of a past does not count");
}
