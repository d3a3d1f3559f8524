//! Links in files of version 3 of the format, as it was written at first.
//!
//! `tests/fixtures/settled-v3` has two files: four traces, three of which have links, and these merged
//! with the file of version 2 that was written first. What is expected is written out here, so that a
//! writer and a reader that change together are found out. Traces are told by the last byte of their
//! ids: 11 to 18 are those of version 2.

use std::path::Path;
use std::sync::Arc;

use roentgen_model::{LinkObservation, Timestamp};

use super::super::{ColumnCache, SettledFile};
use super::samples::rows_of;

/// In which all segments with links began, or in the next one.
const SECOND: i64 = 1_795_000_300;

/// For each trace with links, each link: who received; what holds, as far as it does; microseconds
/// since [`SECOND`]; the length, if it has ended; the trace and the (sub)segment that it leads to.
const LINKS: [(u8, &[&str]); 3] = [
    (21, &["worker +0 250000 > 1-6afd4000-00000000000000000000000b 00000000000000a2"]),
    (
        22,
        &[
            "worker fault +1500000 1000 > 1-6afd4001-00000000000000000000000c 00000000000000b1",
            "worker fault +1500000 1000 > 1-6afd4001-00000000000000000000000c ffffffffffffffff",
            "mail:AWS::Lambda::Function@123456789012 +2000000 > \
             1-90909090-909090909090909090909090 0000000000000001",
        ],
    ),
    (
        24,
        &["worker error throttle +60000001 -5 > 1-6afd4000-00000000000000000000000b \
           00000000000000a2"],
    ),
];

fn open(name: &str) -> SettledFile {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settled-v3");
    SettledFile::open(&directory.join(name), Arc::new(ColumnCache::new(1 << 20))).unwrap()
}

/// A link as [`LINKS`] has it.
fn text_of(link: &LinkObservation) -> String {
    let LinkObservation { receiver, start, end, flags, to_trace, to } = link;
    let kind = receiver.kind.as_deref().map(|kind| format!(":{kind}")).unwrap_or_default();
    let account = receiver.account_id.as_deref().map(|account| format!("@{account}"));
    let mut text = format!("{}{kind}{}", receiver.name, account.unwrap_or_default());
    let facts = [(flags.fault, " fault"), (flags.error, " error"), (flags.throttle, " throttle")];
    facts.into_iter().filter(|(is_so, _)| *is_so).for_each(|(_, word)| text += word);
    let since = (*start - Timestamp::from_micros(SECOND * 1_000_000)).get();
    let length = end.map(|end| format!(" {}", (end - *start).get())).unwrap_or_default();
    format!("{text} {since:+}{length} > {to_trace} {to}")
}

fn check(name: &str, traces: &[u8]) {
    let file = open(name);
    file.verify().unwrap();
    let mut ids: Vec<u8> = rows_of(&file).iter().map(|row| row.id.to_bytes()[15]).collect();
    ids.sort_unstable();
    assert_eq!(ids, traces);
    let mut found: Vec<(u8, Vec<String>)> = Vec::new();
    for group in file.groups() {
        let (rows, links) = (group.rows().unwrap(), group.links().unwrap().unwrap());
        for row in 0..group.group.rows {
            let texts: Vec<String> = links.of_row(row).map(text_of).collect();
            if !texts.is_empty() {
                found.push((rows.summary(row).unwrap().id.to_bytes()[15], texts));
            }
        }
    }
    found.sort();
    let expect = LINKS.map(|(id, links)| (id, links.iter().map(ToString::to_string).collect()));
    assert_eq!(found, expect, "{name}");
}

#[test]
fn links_of_version_3_are_read() {
    check("00000006.settled", &[21, 22, 23, 24]);
}

#[test]
fn rows_of_versions_2_and_3_are_read_in_one_group() {
    check("00000007.settled", &[11, 12, 13, 14, 15, 16, 17, 18, 21, 22, 23, 24]);
}
