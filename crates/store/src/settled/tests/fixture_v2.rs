//! Requests and calls in files of version 2 of the format, as it was written at first.
//!
//! `tests/fixtures/settled-v2` has two files: eight traces, and these merged with others and with
//! files of version 1. What is expected is written out here, so that a writer and a reader that
//! change together are found out. Traces are told by the last byte of their ids: 0 to 5 are those
//! of version 1, which [`super::fixture`] has; 11 to 19 began half a minute into the minutes from
//! [`FIRST_MINUTE`] on.

use std::path::Path;
use std::sync::Arc;

use roentgen_model::{ServiceId, TraceId};

use super::super::{ColumnCache, SettledFile};
use super::fixture::summary;
use super::requests::{Seen, rows, rows_of_groups};
use super::samples::rows_of;

mod queries;

/// In which trace 11 began; each of the next ones began a minute later.
const FIRST_MINUTE: i64 = 29_916_670;

/// Requests and calls of a trace, in order: the node, or caller and called node; what holds, where
/// a call that is not `real` is inferred; the minutes from that in which the trace began, unless it
/// is the same; the length in microseconds, if it has ended.
type Lines = &'static [&'static str];

const USUAL: Lines = &[
    "shop real root 250000",
    "shop:client 250000",
    "cart real 40000",
    "orders:AWS::DynamoDB::Table@123456789012 40000",
    "shop:client>shop real 250000",
    "shop>cart real 41000",
    "cart>orders:AWS::DynamoDB::Table@123456789012 40000",
];

const FAILED: Lines = &[
    "shop real root fault 300000",
    "shop:client fault 300000",
    "cart real error 20000",
    "stock real error throttle 10000",
    "orders:AWS::DynamoDB::Table@123456789012 throttle 5000",
    "shop:client>shop real fault 300000",
    "shop>cart real error 20000",
    "cart>stock real error throttle 11000",
    "cart>orders:AWS::DynamoDB::Table@123456789012 fault 6000",
];

/// [`FAILED`] after one more document came.
const FAILED_LATE: Lines = &[
    "shop real root fault 300000",
    "cart real error 20000",
    "stock real error throttle outlived 10000",
    "mail real 700000",
    "shop>cart real error 20000",
    "cart>stock real error throttle outlived 11000",
    "stock>mail real 700001",
];

const OUTLIVED: Lines =
    &["shop real root outlived 100000", "mail real 2000000", "shop>mail real outlived 50000"];

const IN_PROGRESS: Lines = &[
    "shop real root",
    "shop:client",
    "cart real 30000",
    "orders:AWS::DynamoDB::Table@123456789012",
    "shop:client>shop real",
    "shop>cart real 31000",
    "cart>orders:AWS::DynamoDB::Table@123456789012",
];

/// The called node of the second call is the sixteenth behind that of the first; that of the fourth
/// is the seventeenth behind that of the third.
const MANY_CALLEES: Lines = &[
    "shop real root 900000",
    "stock real 1000",
    "stock real 1100",
    "stock real 1200",
    "stock real 1300",
    "stock real 1400",
    "stock real 1500",
    "stock real 1600",
    "stock real 1700",
    "stock real 1800",
    "stock real 1900",
    "stock real 2000",
    "stock real 2100",
    "stock real 2200",
    "stock real 2300",
    "stock real 2400",
    "stock real 2500",
    "price real 77000",
    "mail real 5000",
    "mail real 5100",
    "mail real 5200",
    "mail real 5300",
    "mail real 5400",
    "mail real 5500",
    "mail real 5600",
    "mail real 5700",
    "mail real 5800",
    "mail real 5900",
    "mail real 6000",
    "mail real 6100",
    "mail real 6200",
    "mail real 6300",
    "mail real 6400",
    "mail real 6500",
    "mail real 6600",
    "bill real 88000",
    "shop>stock real 30000",
    "shop>price real 78000",
    "shop>mail real 5000",
    "shop>bill real 89000",
    "shop>mail real 5150",
];

const OTHER_MINUTES: Lines = &[
    "shop real root 150000000",
    "cart real +1 60000",
    "cart real +2 60000",
    "shop>cart real +1 61000",
    "shop>cart real error +2 60000",
];

/// Two services began requests. The last call finds no node behind that of the call before.
const TWO_FIRST: Lines = &[
    "shop real root 10000",
    "cart real root 20000",
    "orders:AWS::DynamoDB::Table@123456789012 3000",
    "cart>orders:AWS::DynamoDB::Table@123456789012 3000",
    "shop>orders:AWS::DynamoDB::Table@123456789012 7000",
];

/// By trace, in the file that was written first. Trace 18 has one request more than are kept.
const WRITTEN: [(u8, Option<Lines>); 8] = [
    (11, Some(USUAL)),
    (12, Some(FAILED)),
    (13, Some(OUTLIVED)),
    (14, Some(IN_PROGRESS)),
    (15, Some(MANY_CALLEES)),
    (16, Some(OTHER_MINUTES)),
    (17, Some(TWO_FIRST)),
    (18, None),
];

/// The same in the merged file, by id, the least of which trace 5 has. Of trace 12 both rows are
/// there.
const MERGED: [(u8, Option<Lines>); 16] = [
    (5, None),
    (0, None),
    (1, None),
    (2, None),
    (3, None),
    (4, None),
    (11, Some(USUAL)),
    (12, Some(FAILED)),
    (12, Some(FAILED_LATE)),
    (13, Some(OUTLIVED)),
    (14, Some(IN_PROGRESS)),
    (15, Some(MANY_CALLEES)),
    (16, Some(OTHER_MINUTES)),
    (17, Some(TWO_FIRST)),
    (18, None),
    (19, Some(USUAL)),
];

fn open(name: &str) -> SettledFile {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settled-v2");
    SettledFile::open(&directory.join(name), Arc::new(ColumnCache::new(1 << 20))).unwrap()
}

fn written() -> SettledFile {
    open("00000003.settled")
}

fn merged() -> SettledFile {
    open("00000005.settled")
}

fn number_of(id: TraceId) -> u8 {
    id.to_bytes()[15]
}

fn text_of_service(service: &ServiceId) -> String {
    let kind = service.kind.as_deref().map(|kind| format!(":{kind}")).unwrap_or_default();
    let account = service.account_id.as_deref().map(|account| format!("@{account}"));
    format!("{}{kind}{}", service.name, account.unwrap_or_default())
}

/// A request or call of this trace as [`Lines`] have it.
fn text_of(number: u8, seen: &Seen) -> String {
    let (from, to, [is_real, is_root, is_outlived], [error, throttle, fault], minute, length) =
        seen;
    let mut text = from.iter().map(|from| text_of_service(from) + ">").collect::<String>();
    text += &text_of_service(to);
    let facts = [
        (is_real, " real"),
        (is_root, " root"),
        (error, " error"),
        (throttle, " throttle"),
        (fault, " fault"),
        (is_outlived, " outlived"),
    ];
    facts.into_iter().filter(|(is_so, _)| **is_so).for_each(|(_, word)| text += word);
    let minutes = minute - (FIRST_MINUTE + i64::from(number) - 11);
    if minutes != 0 {
        text += &format!(" {minutes:+}");
    }
    text + &length.map(|length| format!(" {length}")).unwrap_or_default()
}

fn check_rows(file: &SettledFile, expect: &[(u8, Option<Lines>)]) {
    file.verify().unwrap();
    let mut ids: Vec<_> = rows_of(file).into_iter().map(|row| row.id).collect();
    ids.sort_unstable();
    let rows = rows(file);
    assert_eq!((ids.len(), rows.len()), (expect.len(), expect.len()));
    for ((id, found), (number, expect)) in ids.into_iter().zip(rows).zip(expect) {
        assert_eq!(number_of(id), *number);
        let text = |found: Vec<Seen>| -> Vec<String> {
            found.iter().map(|seen| text_of(*number, seen)).collect()
        };
        let found = found.map(text);
        let expect = expect.map(|lines| lines.iter().map(ToString::to_string).collect());
        assert_eq!(found, expect, "trace {number}");
    }
}

#[test]
fn requests_of_version_2_are_read() {
    let file = written();
    check_rows(&file, &WRITTEN);
    let minutes: Vec<_> = file.groups().map(|group| group.minutes()).collect();
    assert_eq!(minutes, [FIRST_MINUTE..=FIRST_MINUTE + 7]);
}

#[test]
fn row_groups_of_versions_1_and_2_are_read_in_one_file() {
    let file = merged();
    check_rows(&file, &MERGED);
    assert_eq!(rows_of_groups(&file), [2, 8, 2, 4]);
    let has_shapes: Vec<_> = file.groups().map(|group| group.shapes().unwrap().is_some()).collect();
    assert_eq!(has_shapes, [false, true, true, true], "the first one was copied from version 1");
    let dead: Vec<_> = file.groups().map(|group| group.group.dead.clone()).collect();
    assert_eq!(dead, [vec![], vec![1], vec![], vec![]]);
    let of_version_1: Vec<_> =
        rows_of(&file).into_iter().filter(|row| number_of(row.id) <= 5).collect();
    let late = [0, 4].map(|number| summary(number, true));
    let others = [1, 2, 3, 5].map(|number| summary(number, false));
    assert_eq!(of_version_1, [&late[..], &others].concat());
}
