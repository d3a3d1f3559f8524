//! Files of every version of the format that was ever released are read.
//!
//! `tests/fixtures/settled-v1` has two files: six traces that settled, and two of them that settled
//! again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use roentgen_model::{
    AnnotationSummary, AnnotationValue, HttpSummary, Micros, Outcome, ServiceId, Timestamp,
    TraceId, TraceSummary, UserSummary,
};

use super::super::{ColumnCache, IndexEntry, Position, Sequence, SettledFile};
use super::samples::{rows_of, whole_graph};

/// A trace of the fixture; `late` as it is after more documents have come.
pub(super) fn summary(number: u8, late: bool) -> TraceSummary {
    let second = 1_795_000_000 + i64::from(number) * 20;
    let mut id = [number; 16];
    if number != 5 {
        // The fifth has an id from W3C trace context, whose beginning is no time.
        id[..4].copy_from_slice(&u32::try_from(second).unwrap().to_be_bytes());
    }
    let time = Timestamp::from_micros(second * 1_000_000);
    let (shop, table) = (
        ServiceId::new("shop", Some("AWS::ECS::Container"), Some("123456789012")),
        ServiceId::new("orders", Some("AWS::DynamoDB::Table"), None),
    );
    let has_end = number != 3;
    let is_fault = number == 1 || late;
    let length = Micros::new(if late { 900_000 } else { 250_000 });
    TraceSummary {
        id: TraceId::from_bytes(id),
        time,
        start: time.plus(Micros::new(123_456)),
        end: time.plus(Micros::new(123_456)).plus(length),
        duration: length,
        response_time: has_end.then(|| Micros::new(length.get() - i64::from(number))),
        outcome: if is_fault { Outcome::Fault } else { Outcome::Ok },
        has_fault: is_fault,
        has_error: number == 2,
        has_throttle: number == 2,
        is_partial: !has_end,
        http: HttpSummary {
            url: Some(format!("https://shop.example.com/orders/{number}")),
            status: has_end.then_some(if is_fault { 500 } else { 200 }),
            method: Some("GET".to_owned()),
            user_agent: (number != 4).then(|| "Bücherwurm/1.0".to_owned()),
            client_ip: Some(format!("192.0.2.{number}")),
        },
        annotations: vec![
            AnnotationSummary {
                key: "gift".to_owned(),
                value: AnnotationValue::Boolean(number.is_multiple_of(2)),
                services: vec![shop.clone()],
            },
            AnnotationSummary {
                key: "price".to_owned(),
                value: AnnotationValue::Number(f64::from(number) * 1.25),
                services: vec![shop.clone(), table.clone()],
            },
            AnnotationSummary {
                key: "order".to_owned(),
                value: AnnotationValue::String(format!("order-{number}").into()),
                services: vec![],
            },
        ],
        users: vec![UserSummary {
            name: format!("user-{}", number % 2),
            services: vec![shop.clone()],
        }],
        services: vec![table, shop.clone()],
        resource_arns: vec!["arn:aws:ecs:eu-central-1:123456789012:task/a".to_owned()],
        instance_ids: (number == 2).then(|| "i-0123456789abcdef0".to_owned()).into_iter().collect(),
        availability_zones: vec!["eu-central-1a".to_owned(), "eu-central-1b".to_owned()],
        entry_point: has_end.then_some(shop),
        segment_count: 1 + usize::from(number),
        revision: 1 + usize::from(number) + usize::from(late),
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settled-v1")
}

fn files() -> [SettledFile; 2] {
    let cache = Arc::new(ColumnCache::new(1 << 20));
    ["00000001.settled", "00000002.settled"]
        .map(|name| SettledFile::open(&directory().join(name), cache.clone()).unwrap())
}

#[test]
fn files_of_version_1_are_read() {
    let [first, second] = files();
    [&first, &second].into_iter().for_each(|file| file.verify().unwrap());
    assert_eq!(rows_of(&first), [0, 1, 2, 3, 4, 5].map(|number| summary(number, false)));
    assert_eq!(rows_of(&second), [0, 4].map(|number| summary(number, true)));
    assert_eq!((first.home(), first.sequences().last()), (3, Sequence(1)));
    assert_eq!((second.home(), second.sequences().last()), (4, Sequence(2)));
    let superseded = [0, 4].map(|number| (Sequence(1), summary(number, false).id));
    assert_eq!(second.superseded(), superseded);
    assert!(second.correction_targets().all(|target| target == Sequence(1)));
    for number in 0..6 {
        let id = summary(number, false).id;
        let position = |file, offset, place| Position::new(file, offset, place).unwrap();
        let offset = 16 + u32::from(number) * 3000;
        let positions = vec![position(3, offset, number), position(3, offset + 9000, 0)];
        let bytes = 2000 + u64::from(number);
        assert_eq!(first.find(id).unwrap(), Some(IndexEntry { id, positions, bytes }));
        let positions = vec![position(4, 16, number)];
        let later = matches!(number, 0 | 4).then_some(IndexEntry { id, positions, bytes: 700 });
        assert_eq!(second.find(id).unwrap(), later);
    }
}

#[test]
fn rollups_of_version_1_are_read() {
    let [first, second] = files();
    let requests = |files: &[&SettledFile]| -> Vec<(String, i64, i64, i64, i64)> {
        let graph = whole_graph(files, i64::MIN..=i64::MAX);
        let nodes = graph.nodes.iter().map(|(id, node)| {
            let requests = &node.requests;
            let total = requests.total_response_time.get();
            (id.name.to_string(), node.seen, requests.ok, requests.fault, total)
        });
        nodes.collect()
    };
    let node = |name: &str, seen, ok, fault, total| (name.to_owned(), seen, ok, fault, total);
    let expect = [node("orders", 6, 5, 1, 1_500_000), node("shop", 6, 5, 1, 1_500_000)];
    assert_eq!(requests(&[&first]), expect);
    let expect = [node("orders", 2, 0, 2, 1_800_000), node("shop", 2, 0, 2, 1_800_000)];
    assert_eq!(requests(&[&second]), expect, "what it corrects is not there");
    let expect = [node("orders", 6, 3, 3, 2_800_000), node("shop", 6, 3, 3, 2_800_000)];
    assert_eq!(requests(&[&first, &second]), expect);
}
