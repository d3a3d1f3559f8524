//! A store in a directory of its own, and documents to put in.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use roentgen_model::{
    Document, EdgeStatistics, Histogram, LinkStatistics, LinkedEdges, Names, RequestStatistics,
    ServiceGraph, ServiceId, Timestamp, Trace, TraceId, TraceSummary, assemble,
};
use roentgen_ops::ManualClock;
use roentgen_store::{
    Condition, Cursor, EmbeddedStore, NewDocument, ReceivedDocument, StoreError, StoreOptions,
    StoreStatus, SummaryPage, SummaryQuery, TimeRange, TimeRangeType, TraceDocuments,
    TraceStore as _,
};
use tempfile::TempDir;

/// The second at which every test begins.
pub(crate) const BEGIN: i64 = 1_795_000_000;

/// A store that can be closed and opened again.
pub(crate) struct Harness {
    directory: TempDir,
    kills: u32,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: StoreOptions,
    pub(crate) store: EmbeddedStore,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        Self::in_directory(tempfile::tempdir().unwrap(), change)
    }

    /// A store that goes on with a copy of a data directory.
    pub(crate) fn on_copy_of(from: &Path, change: impl FnOnce(&mut StoreOptions)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for part in ["log", "settled"].map(Path::new) {
            let to = directory.path().join("data").join(part);
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(from.join(part)).into_iter().flatten() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        Self::in_directory(directory, change)
    }

    fn in_directory(directory: TempDir, change: impl FnOnce(&mut StoreOptions)) -> Self {
        let mut options = StoreOptions::new(directory.path().join("data"));
        change(&mut options);
        let seconds = u64::try_from(BEGIN).unwrap();
        let begin = UNIX_EPOCH + Duration::from_secs(seconds);
        let clock = Arc::new(ManualClock::starting_at(begin));
        let store = EmbeddedStore::open(options.clone(), clock.clone()).unwrap();
        Self { directory, kills: 0, clock, options, store }
    }

    pub(crate) fn reopen(&mut self) {
        self.store.close();
        self.store = self.open().unwrap();
    }

    pub(crate) fn open(&self) -> Result<EmbeddedStore, StoreError> {
        EmbeddedStore::open(self.options.clone(), self.clock.clone())
    }

    /// The log files, oldest first.
    pub(crate) fn log_files(&self) -> Vec<PathBuf> {
        self.files("log")
    }

    /// The manifest and the settled files.
    pub(crate) fn derived_files(&self) -> Vec<PathBuf> {
        self.files("settled")
    }

    /// Deletes everything that is derived from the log. For a store that is closed.
    pub(crate) fn delete_derived(&self) {
        std::fs::remove_dir_all(self.options.directory.join("settled")).unwrap();
    }

    /// Writes over a file in its place, as a failing disk does: who has it open sees it.
    pub(crate) fn overwrite(&self, path: &Path, bytes: &[u8]) {
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Goes on with what is on the disk at this moment, as after a crash.
    pub(crate) fn kill(&mut self) {
        self.kills += 1;
        let killed = std::mem::replace(
            &mut self.options.directory,
            self.directory.path().join(format!("data-{}", self.kills)),
        );
        for part in ["log", "settled"] {
            let (from, to) = (killed.join(part), self.options.directory.join(part));
            std::fs::create_dir_all(&to).unwrap();
            // The manifest last: it is what has been published, the files it names are there or
            // have been replaced by others, and a later one than the log is never on a disk.
            let mut names: Vec<_> =
                std::fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            for name in names {
                // A file that a merge or retention has just removed was not on the disk then.
                let copied = std::fs::copy(from.join(&name), to.join(&name));
                assert!(copied.is_ok() || !from.join(&name).exists(), "{name:?}");
            }
        }
        self.store = self.open().unwrap();
    }

    fn files(&self, directory: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.options.directory.join(directory)).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Stores documents and waits until they are acknowledged.
    pub(crate) fn append(&self, documents: Vec<ReceivedDocument>) {
        append(&self.store, documents).unwrap();
    }

    pub(crate) fn summaries(&self) -> Vec<Arc<TraceSummary>> {
        let query = SummaryQuery {
            range: all_time(),
            range_type: TimeRangeType::TraceId,
            after: None,
            limit: usize::MAX,
            scan_limit: usize::MAX,
            conditions: &[],
            matches: &|_| true,
        };
        let page = self.store.summaries(&query).unwrap();
        assert_eq!(page.next, None);
        page.summaries
    }

    pub(crate) fn page(
        &self,
        range: TimeRange,
        range_type: TimeRangeType,
        after: Option<Cursor>,
        (limit, scan_limit): (usize, usize),
        conditions: &[Condition],
    ) -> SummaryPage {
        let matches = &|_: &TraceSummary| true;
        let query =
            SummaryQuery { range, range_type, after, limit, scan_limit, conditions, matches };
        self.store.summaries(&query).unwrap()
    }

    pub(crate) fn counts(&self, range: TimeRange) -> Counts {
        counts(&self.store.service_graph(range).unwrap())
    }

    /// The edges between traces of a range.
    pub(crate) fn links(&self, range: TimeRange) -> LinkCounts {
        link_counts(&self.store.linked_edges(range, None).unwrap())
    }

    pub(crate) fn status(&self) -> StoreStatus {
        self.store.status()
    }

    pub(crate) fn documents(&self, id: TraceId) -> Option<TraceDocuments> {
        self.store.documents(id).unwrap()
    }

    /// The documents of a trace as they came; none of an unknown one.
    pub(crate) fn originals(&self, id: TraceId) -> Vec<ReceivedDocument> {
        self.documents(id).map(|trace| trace.documents).unwrap_or_default()
    }

    /// The summary of a trace put together from its documents.
    pub(crate) fn assembled(&self, id: TraceId) -> Option<TraceSummary> {
        Some(self.documents(id)?.assemble()?.summary)
    }

    /// Everything that a query can tell, in a form that can be compared.
    pub(crate) fn everything(&self) -> Everything {
        let summaries = self.summaries();
        let originals =
            summaries.iter().map(|summary| (summary.id, self.originals(summary.id))).collect();
        let graph = counts(&self.store.service_graph(all_time()).unwrap());
        let links = self.links(all_time());
        Everything { summaries, originals, graph, links }
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Everything {
    pub(crate) summaries: Vec<Arc<TraceSummary>>,
    pub(crate) originals: BTreeMap<TraceId, Vec<ReceivedDocument>>,
    pub(crate) graph: Counts,
    pub(crate) links: LinkCounts,
}

/// What a service graph counts. Its first and last times are left out: they only ever widen.
pub(crate) type Counts =
    BTreeMap<(ServiceId, Option<ServiceId>), (i64, i64, i64, RequestStatistics)>;

pub(crate) fn counts(graph: &ServiceGraph) -> Counts {
    let nodes = graph.nodes.iter().map(|(id, node)| {
        let counts = (node.seen, node.seen_real, node.seen_root, node.requests.clone());
        ((id.clone(), None), counts)
    });
    let edges = graph.edges.iter().map(|((from, to), edge)| {
        ((from.clone(), Some(to.clone())), (edge.seen, 0, 0, edge.requests.clone()))
    });
    nodes.chain(edges).collect()
}

/// What edges between traces count: receipts, ages of events. The receivers' traces are left out.
pub(crate) type LinkCounts = BTreeMap<(ServiceId, ServiceId), (EdgeStatistics, Histogram)>;

pub(crate) fn link_counts(linked: &LinkedEdges) -> LinkCounts {
    let counts = |edge: &LinkStatistics| (edge.receipts.clone(), edge.event_ages.clone());
    linked.edges().iter().map(|(ends, edge)| (ends.clone(), counts(edge))).collect()
}

/// The trace that documents make, without any store.
pub(crate) fn assembled(id: TraceId, documents: &[ReceivedDocument]) -> Option<Trace<'_>> {
    let documents = documents.iter().map(|document| Document::parse(&document.bytes).unwrap());
    assemble(id, documents.collect(), &mut Names::default())
}

pub(crate) fn append(
    store: &EmbeddedStore,
    documents: Vec<ReceivedDocument>,
) -> Result<(), StoreError> {
    let (sender, receiver) = mpsc::channel();
    let documents = documents.into_iter().map(new_document).collect();
    let done = Box::new(move |result| sender.send(result).unwrap());
    store.append(documents, done).map_err(|refused| refused.error)?;
    // A broken store must fail its test, not hang it.
    receiver.recv_timeout(Duration::from_secs(60)).unwrap()
}

/// A document as the store takes it.
pub(crate) fn new_document(document: ReceivedDocument) -> NewDocument {
    NewDocument::parse(document.bytes, document.received).unwrap()
}

pub(crate) fn all_time() -> TimeRange {
    TimeRange { start: Timestamp::default(), end: Timestamp::MAX }
}

/// Seconds after the beginning.
pub(crate) fn at(seconds: f64) -> Timestamp {
    let begin = u32::try_from(BEGIN).unwrap();
    Timestamp::from_seconds(f64::from(begin) + seconds).unwrap()
}

/// The id of a trace that began so many seconds after the beginning.
pub(crate) fn trace_id(second: i64, unique: u64) -> TraceId {
    let epoch = u32::try_from(BEGIN + second).unwrap();
    let mut id = [0; 16];
    id[..4].copy_from_slice(&epoch.to_be_bytes());
    id[8..].copy_from_slice(&unique.to_be_bytes());
    TraceId::from_bytes(id)
}

/// A segment document.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) trace_id: TraceId,
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) parent: Option<u64>,
    pub(crate) is_subsegment: bool,
    pub(crate) start: f64,
    pub(crate) length: Option<f64>,
    pub(crate) is_fault: bool,
    pub(crate) padding: usize,
    /// A (sub)segment of another trace that it links to.
    pub(crate) link: Option<(TraceId, u64)>,
}

impl Segment {
    /// A segment of 0.1 s.
    pub(crate) fn new(trace_id: TraceId, id: u64, start: f64) -> Self {
        Self {
            trace_id,
            id,
            name: "app",
            parent: None,
            is_subsegment: false,
            start,
            length: Some(0.1),
            is_fault: false,
            padding: 0,
            link: None,
        }
    }

    /// The padding: text that takes nearly as much room in the log as it has bytes.
    fn noise(&self) -> String {
        let [.., seed] = self.trace_id.to_bytes().map(u64::from);
        let mut state = (seed << 32 ^ self.id).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut letter = || {
            // Xorshift (Marsaglia, 2003): good enough to defeat compression.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'0' + u8::try_from(state >> 58).unwrap())
        };
        (0..self.padding).map(|_| letter()).map(|c| if c == '\\' { '~' } else { c }).collect()
    }

    /// The document as it is received when the segment ends.
    pub(crate) fn document(&self) -> ReceivedDocument {
        let Self { trace_id, id, name, is_fault, .. } = self;
        let start = at(self.start).as_seconds();
        let end = self.length.map_or(r#""in_progress":true"#.to_owned(), |length| {
            format!(r#""end_time":{}"#, at(self.start + length).as_seconds())
        });
        let parent = self.parent.map_or(String::new(), |id| format!(r#","parent_id":"{id:016x}""#));
        let kind =
            if self.is_subsegment { r#","type":"subsegment","namespace":"remote""# } else { "" };
        let link = self.link.map_or(String::new(), |(trace, id)| {
            format!(r#","links":[{{"trace_id":"{trace}","id":"{id:016x}"}}]"#)
        });
        let size = if self.padding > 200 { "large" } else { "small" };
        let text = format!(
            r#"{{"trace_id":"{trace_id}","id":"{id:016x}","name":"{name}","start_time":{start},{end},"fault":{is_fault}{parent}{kind}{link},"annotations":{{"kind":"{size}"}},"metadata":{{"padding":"{}"}}}}"#,
            self.noise()
        );
        let received = at(self.start + self.length.unwrap_or(0.0));
        ReceivedDocument { trace_id: *trace_id, received, bytes: text.into_bytes() }
    }
}
