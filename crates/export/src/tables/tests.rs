//! Tables come back as they were written, read by an independent path of the Parquet crate. That
//! other programs read them as well is for `conformance/tests/test_export_tables.py`.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use roentgen_model::{
    Document, EdgeStatistics, Micros, Names, ServiceId, Timestamp, TraceSummary, assemble,
};
use tempfile::TempDir;

use super::Tables;

const TRACE: &str = r#""trace_id":"1-581cf771-a006649127e371903a2de979""#;

fn documents() -> [String; 3] {
    [
        format!(
            r#"{{{TRACE},"id":"00000000000000a1","name":"shop","origin":"AWS::ECS::Container","start_time":10.5,"end_time":12,"fault":true,"user":"ann","annotations":{{"n":1.5,"t":"é","b":true}},"http":{{"request":{{"method":"GET","url":"/x"}},"response":{{"status":500}}}},"subsegments":[{{"id":"00000000000000a2","name":"db","start_time":11,"end_time":11.25,"namespace":"remote"}}]}}"#
        ),
        format!(r#"{{{TRACE},"id":"00000000000000b1","name":"worker","start_time":11}}"#),
        format!(
            r#"{{{TRACE},"id":"00000000000000c1","type":"subsegment","parent_id":"00000000000000b1","name":"step","start_time":11,"end_time":10,"annotations":{{}}}}"#
        ),
    ]
}

fn summary() -> TraceSummary {
    let texts = documents();
    let documents: Vec<_> =
        texts.iter().map(|text| Document::parse(text.as_bytes()).unwrap()).collect();
    let id = documents[0].trace_id;
    assemble(id, documents, &mut Names::default()).unwrap().summary
}

/// Each row of a table as text, and how many row groups there are.
fn read(directory: &Path, table: &str) -> (Vec<String>, usize) {
    let file = File::open(directory.join(format!("{table}.parquet"))).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    (rows, reader.num_row_groups())
}

#[test]
fn rows_come_back_with_their_lists_maps_and_missing_values() {
    let directory = TempDir::new().unwrap();
    let mut tables = Tables::create(directory.path()).unwrap();
    let received = Timestamp::from_micros(13_000_001);
    for text in documents() {
        let document = Document::parse(text.as_bytes()).unwrap();
        tables.add_document(&document, received, text.as_bytes()).unwrap();
    }
    tables.add_trace(&summary()).unwrap();
    let rows = tables.finish().unwrap();
    assert_eq!((rows.segments, rows.traces, rows.edges), (3, 1, 0));

    let (segments, groups) = read(directory.path(), "segments");
    assert_eq!(groups, 1);
    let check = |row: &str, parts: &[&str]| {
        parts.iter().for_each(|part| assert!(row.contains(part), "{part} is not in {row}"));
    };
    check(
        &segments[0],
        &[
            r#"trace_id: "1-581cf771-a006649127e371903a2de979", id: "00000000000000a1", parent_id: null"#,
            r#"type: "segment", name: "shop", origin: "AWS::ECS::Container", namespace: null"#,
            "duration: 1.5, fault: true, error: false, throttle: false",
            r#"http_method: "GET", http_url: "/x", http_status: 500, http_user_agent: null"#,
            r#"annotations: {"n" -> "1.5", "t" -> "é", "b" -> "true"}"#,
            r#"annotation_numbers: {"n" -> 1.5}"#,
            "subsegments: 1, received: 1970-01-01 00:00:13.000001 +00:00",
        ],
    );
    check(&segments[1], &["end_time: null, duration: null", "annotations: {}"]);
    check(
        &segments[2],
        &[
            r#"parent_id: "00000000000000b1", type: "subsegment""#,
            "duration: 0E0", // Clocks that ran backwards.
            "annotations: {}, annotation_numbers: {}, subsegments: 0",
        ],
    );
    segments.iter().zip(&documents()).for_each(|(row, text)| check(row, &[text]));

    let (traces, _) = read(directory.path(), "traces");
    check(
        &traces[0],
        &[
            r#"response_time: 1.5, outcome: "fault", has_fault: true"#,
            "is_partial: true",
            r#"entry_point: "shop", entry_point_type: "AWS::ECS::Container""#,
            r#"{name: "db", type: "remote", account_id: null}"#,
            r#"{name: "worker", type: null, account_id: null}"#,
            r#"{key: "n", value: "1.5", number: 1.5}"#,
            r#"{key: "t", value: "é", number: null}"#,
            r#"users: ["ann"], resource_arns: [], instance_ids: [], availability_zones: []"#,
            "segments: 2, revision: 3",
        ],
    );
    assert_eq!(read(directory.path(), "edges"), (vec![], 0));
}

/// Memory is bounded by row groups, by their rows and by their bytes.
#[test]
fn many_rows_are_several_groups() {
    let directory = TempDir::new().unwrap();
    let mut tables = Tables::create(directory.path()).unwrap();
    let (caller, callee) = (ServiceId::new("a", None, None), ServiceId::new("b", None, None));
    let minute = Micros::from_whole_seconds(60);
    let mut start = Timestamp::default();
    for _ in 0..122_881 {
        tables.add_edge(start, &caller, &callee, &EdgeStatistics::default()).unwrap();
        start = start.plus(minute);
    }
    let long = documents()[1].replace("}", &format!(r#","metadata":"{}"}}"#, "x".repeat(60_000)));
    let document = Document::parse(long.as_bytes()).unwrap();
    for _ in 0..1000 {
        tables.add_document(&document, start, long.as_bytes()).unwrap();
    }
    tables.finish().unwrap();
    let (edges, groups) = read(directory.path(), "edges");
    assert_eq!((edges.len(), groups), (122_881, 2));
    assert!(
        edges[122_880]
            .starts_with("{minute: 1970-03-27 08:00:00.000000 +00:00, caller_name: \"a\"")
    );
    let (segments, groups) = read(directory.path(), "segments");
    assert_eq!((segments.len(), groups), (1000, 2));
}

#[test]
fn an_unfinished_export_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let mut tables = Tables::create(directory.path()).unwrap();
    tables.add_trace(&summary()).unwrap();
    drop(tables);
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}
