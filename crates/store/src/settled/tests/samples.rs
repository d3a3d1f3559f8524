//! Made-up traces, and settled files of them.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use roentgen_model::{
    AnnotationSummary, AnnotationValue, EdgeObservation, HttpSummary, LinkObservation, Micros,
    NodeObservation, Outcome, Rollups, SegmentId, ServiceGraph, ServiceId, Timestamp, TraceGraph,
    TraceId, TraceSummary, UserSummary,
};
use tempfile::TempDir;

use super::super::columns::{
    AnnotationValues, Annotations, ColumnData, Counts, Durations, EntryPoints, Flags, Ids,
    Integers, Links, OptionalIntegers, RequestNumbers, ResponseTimes, ServiceLists, ServiceTable,
    Shapes, TextColumn, TextLists, Users, ValueKind,
};
use super::super::encoding::Input;
use super::super::observed::read_requests;
use super::super::parallel::ScanThreads;
use super::super::rollups::RollupBlock;
use super::super::trace_index::IndexBlock;
use super::super::{
    ColumnCache, FilteredRows, Kinds, Position, QueriedFile, Sequence, SettledBatch, SettledError,
    SettledFile, SettledTrace, SettledWriter, Steps, received_links,
};

/// A short text out of few, so that values repeat.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[abé]{0,3}", Just("https://shop.example.com/orders/1".to_owned())]
}

fn service() -> impl Strategy<Value = ServiceId> {
    let part = || prop::option::of("[ab]{0,2}");
    ("[ab]{0,2}", part(), part()).prop_map(|(name, kind, account)| {
        ServiceId::new(&name, kind.as_deref(), account.as_deref())
    })
}

fn services() -> impl Strategy<Value = Vec<ServiceId>> {
    prop::collection::vec(service(), 0..4)
}

fn value() -> impl Strategy<Value = AnnotationValue<'static>> {
    prop_oneof![
        text().prop_map(|text| AnnotationValue::String(text.into())),
        prop_oneof![-3_i32..3, any::<i32>()].prop_map(|n| AnnotationValue::Number(f64::from(n))),
        any::<f64>()
            .prop_filter("JSON has no NaN", |n| !n.is_nan())
            .prop_map(AnnotationValue::Number),
        any::<bool>().prop_map(AnnotationValue::Boolean),
    ]
}

fn annotation() -> impl Strategy<Value = AnnotationSummary> {
    ("[ab]{1}", value(), services()).prop_map(|(key, value, services)| AnnotationSummary {
        key,
        value,
        services,
    })
}

fn user() -> impl Strategy<Value = UserSummary> {
    (text(), services()).prop_map(|(name, services)| UserSummary { name, services })
}

fn http() -> impl Strategy<Value = HttpSummary> {
    let text = || prop::option::of(text());
    let status = prop::option::of(prop_oneof![199_i64..203, any::<i64>()]);
    (text(), status, text(), text(), text()).prop_map(
        |(url, status, method, user_agent, client_ip)| HttpSummary {
            url,
            status,
            method,
            user_agent,
            client_ip,
        },
    )
}

fn time() -> impl Strategy<Value = Timestamp> {
    let micros =
        prop_oneof![0_i64..9, 1_000_000_000_i64..1_000_000_100, 0..Timestamp::MAX.as_micros()];
    micros.prop_map(Timestamp::from_micros)
}

/// Any summary of a trace, this its id.
fn summary_of(id: TraceId) -> impl Strategy<Value = TraceSummary> {
    let outcome =
        prop::sample::select(vec![Outcome::Ok, Outcome::Error, Outcome::Throttle, Outcome::Fault]);
    let response_time = prop::option::of(prop_oneof![0_i64..5, any::<i64>()]);
    let times = (time(), time(), time(), response_time);
    let flags = (outcome, any::<[bool; 4]>());
    let texts = || prop::collection::vec(text(), 0..3);
    let lists = (prop::collection::vec(annotation(), 0..4), prop::collection::vec(user(), 0..3));
    let resources = (texts(), texts(), texts());
    let nodes = (services(), prop::option::of(service()));
    let counts = (0_usize..20_000, 0_usize..20_000);
    (times, flags, http(), lists, resources, nodes, counts).prop_map(
        move |(times, flags, http, lists, resources, nodes, counts)| {
            let ((time, a, b, response_time), (outcome, [fault, error, throttle, partial])) =
                (times, flags);
            let (start, end) = (a.min(b), a.max(b));
            TraceSummary {
                id,
                time,
                start,
                end,
                duration: end - start,
                response_time: response_time.map(Micros::new),
                outcome,
                has_fault: fault,
                has_error: error,
                has_throttle: throttle,
                is_partial: partial,
                http,
                annotations: lists.0,
                users: lists.1,
                services: nodes.0,
                resource_arns: resources.0,
                instance_ids: resources.1,
                availability_zones: resources.2,
                entry_point: nodes.1,
                segment_count: counts.0,
                revision: counts.1,
            }
        },
    )
}

/// Any traces with different ids, at most so many.
pub(super) fn summaries(most: usize) -> impl Strategy<Value = Vec<TraceSummary>> {
    let ids = prop_oneof![any::<[u8; 16]>(), (0_u8..4).prop_map(|n| [n; 16])];
    let ids = prop::collection::hash_set(ids.prop_map(TraceId::from_bytes), 0..=most);
    ids.prop_flat_map(|ids| ids.into_iter().map(summary_of).collect::<Vec<_>>())
}

/// A summary with these times in seconds and little else.
pub(super) fn plain_summary(id: u64, second: i64) -> TraceSummary {
    let time = Timestamp::from_micros(second * 1_000_000);
    let epoch = u128::from(second.unsigned_abs()) << 96;
    TraceSummary {
        id: TraceId::from_bytes((epoch | u128::from(id)).to_be_bytes()),
        time,
        start: time,
        end: time.plus(Micros::new(250_000)),
        duration: Micros::new(250_000),
        response_time: Some(Micros::new(250_000)),
        outcome: Outcome::Ok,
        has_fault: false,
        has_error: false,
        has_throttle: false,
        is_partial: false,
        http: HttpSummary { url: Some(format!("/orders/{id}")), ..HttpSummary::default() },
        annotations: vec![AnnotationSummary {
            key: "order".to_owned(),
            value: AnnotationValue::String(format!("order-{id}").into()),
            services: vec![ServiceId::new("shop", None, None)],
        }],
        users: Vec::new(),
        services: vec![ServiceId::new("shop", None, None)],
        resource_arns: Vec::new(),
        instance_ids: Vec::new(),
        availability_zones: Vec::new(),
        entry_point: Some(ServiceId::new("shop", None, None)),
        segment_count: 1,
        revision: 1,
    }
}

/// What a trace contributes to the graph.
pub(super) fn graph_of(summary: &TraceSummary) -> TraceGraph {
    let service = |name| ServiceId::new(name, None, None);
    let names = ["shop", "cart", "stock"];
    let unique = summary.id.to_bytes()[15];
    let callee = service(names[usize::from(unique) % 3]);
    let (start, end) = (summary.start, Some(summary.end));
    let is = |outcome| summary.outcome == outcome;
    let flags = roentgen_model::Flags {
        error: is(Outcome::Error),
        throttle: is(Outcome::Throttle),
        fault: is(Outcome::Fault),
    };
    let is_outlived = unique.is_multiple_of(5);
    let edge = EdgeObservation {
        from: service("shop"),
        to: callee.clone(),
        is_inferred: false,
        start,
        end,
        is_outlived,
        flags,
    };
    // Two of seven traces have links, most one, some two.
    let link = |number: u8| LinkObservation {
        receiver: service(names[usize::from(number) % 3]),
        start: start.plus(Micros::new(i64::from(number) * 90_000_000)),
        end,
        flags,
        to_trace: TraceId::from_bytes([unique; 16]),
        to: SegmentId::from_u64(u64::from(number) + 1),
    };
    TraceGraph {
        nodes: vec![NodeObservation {
            node: callee,
            is_real: true,
            is_root: unique.is_multiple_of(2),
            start,
            end,
            is_outlived,
            flags,
        }],
        edges: vec![edge],
        links: (0..(unique % 7).saturating_sub(4)).map(link).collect(),
    }
}

/// Settled files in a directory of their own.
#[derive(Debug)]
pub(super) struct Files {
    directory: TempDir,
    cache: Arc<ColumnCache>,
    pub(super) files: Vec<Arc<SettledFile>>,
    written: usize,
}

impl Files {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Arc::new(ColumnCache::new(1 << 20));
        Self { directory, cache, files: Vec::new(), written: 0 }
    }

    /// Opens a file of these bytes.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Arc<SettledFile> {
        let path = self.save(bytes);
        Arc::new(SettledFile::open(&path, self.cache.clone()).unwrap())
    }

    /// Makes a file of these bytes.
    pub(super) fn save(&mut self, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(self.written.to_string());
        std::fs::write(&path, bytes).unwrap();
        self.written += 1;
        path
    }

    /// The file made last.
    pub(super) fn path_of_last(&self) -> PathBuf {
        self.directory.path().join((self.written - 1).to_string())
    }

    pub(super) fn cache(&self) -> Arc<ColumnCache> {
        self.cache.clone()
    }

    /// Settles traces, some of them perhaps for another time.
    pub(super) fn settle(&mut self, sequence: u64, summaries: &[TraceSummary]) {
        let batch = self.batch(sequence, summaries);
        let file = self.open(&bytes_of(&batch));
        self.files.push(file);
    }

    /// What settling these traces makes, as the engine does it: a trace that is in an earlier
    /// file supersedes its row there and takes back what it contributed.
    pub(super) fn batch(&self, sequence: u64, summaries: &[TraceSummary]) -> Batch {
        let mut batch = batch_of(sequence, summaries);
        let mut corrections: BTreeMap<Sequence, Rollups> = BTreeMap::new();
        let mut rows: BTreeMap<Sequence, BTreeMap<TraceId, TraceSummary>> = BTreeMap::new();
        for summary in summaries {
            let in_file = |file: &&Arc<SettledFile>| file.find(summary.id).unwrap().is_some();
            let Some(earlier) = self.files.iter().rfind(in_file) else { continue };
            let target = earlier.sequences().last();
            batch.rest.superseded.push((target, summary.id));
            let rows = rows
                .entry(target)
                .or_insert_with(|| rows_of(earlier).into_iter().map(|row| (row.id, row)).collect());
            corrections.entry(target).or_default().add(&graph_of(&rows[&summary.id]));
        }
        batch.rest.corrections = corrections.into_iter().collect();
        batch
    }

    /// The traces whose rows do not count, for each file.
    pub(super) fn superseded(&self) -> Vec<HashSet<TraceId>> {
        let all = || self.files.iter().flat_map(|file| file.superseded());
        let of_file = |file: &Arc<SettledFile>| {
            let of_file = all().filter(|(target, _)| file.sequences().contains(*target));
            of_file.map(|(_, id)| *id).collect()
        };
        self.files.iter().map(of_file).collect()
    }

    /// What a query looks in.
    pub(super) fn queried<'a>(
        &'a self,
        superseded: &'a [HashSet<TraceId>],
    ) -> Vec<QueriedFile<'a>> {
        let files = self.files.iter().zip(superseded);
        files.map(|(file, superseded)| QueriedFile { file, superseded }).collect()
    }

    /// The graph of all minutes.
    pub(super) fn graph(&self) -> ServiceGraph {
        let files: Vec<&SettledFile> = self.files.iter().map(|file| &**file).collect();
        whole_graph(&files, i64::MIN..=i64::MAX)
    }
}

/// The links of all traces that begin in these minutes, in any order.
pub(super) fn links_of(files: &Files, minutes: RangeInclusive<i64>) -> Vec<LinkObservation> {
    let (superseded, mut links) = (files.superseded(), Vec::new());
    let rows = FilteredRows { conditions: &[], hidden: &HashSet::new(), most_undecided: 0 };
    let (steps, threads) = (Steps::new(minutes, None), ScanThreads::new(2));
    received_links(&files.queried(&superseded), &rows, &steps, &threads, |received| {
        assert_eq!(received.undecided, []);
        links.extend(received.links);
        Ok::<(), SettledError>(())
    })
    .unwrap();
    links.sort_by_key(|link| (link.to_trace, link.to, link.start, link.end));
    links
}

/// The graph of a range.
pub(super) fn whole_graph(files: &[&SettledFile], minutes: RangeInclusive<i64>) -> ServiceGraph {
    let steps = Steps::new(minutes, None);
    let graphs = super::super::service_graphs(files, &steps, &ScanThreads::new(2)).unwrap();
    assert!(graphs.len() <= 1);
    graphs.into_values().next().unwrap_or_default()
}

/// Reads some bytes as everything that may stand in a chunk.
pub(super) fn read_anything(bytes: &[u8], rows: usize) {
    fn read<T: ColumnData>(bytes: &[u8], rows: usize) {
        let _unpredictable = T::read(&mut Input::new(bytes), rows).map(|column| column.memory());
    }
    read::<Ids>(bytes, rows);
    read::<Integers>(bytes, rows);
    read::<Durations>(bytes, rows);
    read::<ResponseTimes>(bytes, rows);
    read::<Flags>(bytes, rows);
    read::<OptionalIntegers>(bytes, rows);
    read::<Counts>(bytes, rows);
    read::<TextColumn>(bytes, rows);
    read::<TextLists>(bytes, rows);
    read::<ServiceLists>(bytes, rows);
    read::<EntryPoints>(bytes, rows);
    read::<Users>(bytes, rows);
    read::<Annotations>(bytes, rows);
    read::<ServiceTable>(bytes, rows);
    read::<Links>(bytes, rows);
    if let Ok(shapes) = Shapes::read(&mut Input::new(bytes), rows) {
        let _unpredictable = RequestNumbers::read(&mut Input::new(bytes), &shapes);
        let lists = shapes.lists.iter().next();
        let read = |list| read_requests(&shapes.kinds, list, bytes, 0, &mut Vec::new(), |_| {});
        let _unpredictable = lists.map(read);
    }
    let kinds = [ValueKind::Text, ValueKind::Number, ValueKind::Boolean];
    let _unpredictable = AnnotationValues::read(&mut Input::new(bytes), kinds.into_iter());
    if let Ok(mut block) = IndexBlock::new(bytes) {
        while let Ok(Some(_)) = block.next() {}
    }
    if let Ok(mut block) = RollupBlock::new(bytes) {
        while let Ok(Some(_)) = block.next_graph() {}
    }
}

/// What a settled file is made of.
pub(super) struct Batch {
    pub(super) traces: Vec<SettledTrace>,
    pub(super) rest: SettledBatch,
}

/// Traces that were in no earlier file.
pub(super) fn batch_of(sequence: u64, summaries: &[TraceSummary]) -> Batch {
    let (mut rollups, mut kinds) = (Rollups::default(), Kinds::default());
    summaries.iter().for_each(|summary| rollups.add(&graph_of(summary)));
    let trace = |(place, summary): (u64, &TraceSummary)| SettledTrace {
        summary: summary.clone(),
        observed: kinds.observe(summary, &graph_of(summary)),
        positions: vec![
            Position::from_u64(sequence << 40 | place << 8),
            Position::from_u64(sequence << 40 | (place + 100) << 8 | 3),
        ],
        bytes: 1000 + place,
    };
    let traces = (0..).zip(summaries).map(trace).collect();
    let (sequence, home) = (Sequence(sequence), 7);
    let (corrections, superseded) = (Vec::new(), Vec::new());
    let rest = SettledBatch { sequence, home, kinds, rollups, corrections, superseded };
    Batch { traces, rest }
}

/// The bytes of a file.
pub(super) fn bytes_of(batch: &Batch) -> Vec<u8> {
    bytes_in_parts(batch, usize::MAX)
}

/// The bytes of a file to which so many traces were added at a time.
pub(super) fn bytes_in_parts(batch: &Batch, part: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = SettledWriter::new(&mut bytes, batch.traces.len()).unwrap();
    for traces in batch.traces.chunks(part) {
        writer.add(traces, &batch.rest.kinds).unwrap();
    }
    let length = writer.finish(&batch.rest).unwrap();
    assert_eq!(length, bytes.len() as u64);
    bytes
}

/// All rows of a file, group by group, those that do not count among them.
pub(super) fn rows_of(file: &SettledFile) -> Vec<TraceSummary> {
    let mut rows = Vec::new();
    for group in file.groups() {
        let reader = group.rows().unwrap();
        rows.extend((0..group.group.rows).map(|row| reader.summary(row).unwrap()));
    }
    rows
}
