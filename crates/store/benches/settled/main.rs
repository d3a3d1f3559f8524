//! What settled files cost: `cargo bench -p roentgen-store --bench settled`.
//!
//! 3.3 million made-up traces of six hours in 30 files, of about three documents each, with texts
//! that compress as badly as real ones: an id in every address and annotation, and random trace
//! ids. Prints one line for each figure; nothing is asserted but that the answers are right.
//! With `-- small` only batches as they settle, and merging.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "of made-up traces all is known; the report goes to the terminal"
)]

use std::collections::HashSet;
use std::fs::File;
use std::num::NonZero;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roentgen_model::{Micros, Outcome, Timestamp, TraceId, TraceSummary};
use roentgen_store::settled::{
    ColumnCache, FilteredRows, NoOpenTraces, QueriedFile, ScanThreads, Sequence, SettledBatch,
    SettledFile, SettledTrace, SettledWriter, Steps, filtered_graphs, find_page, merge_settled,
    service_graphs,
};
use roentgen_store::{
    AnnotationMatch, Condition, Limits, Logic, RequestTest, ServiceMatch, SummaryQuery, TextField,
    TextMatch, TimeRange, TimeRangeType,
};

mod traffic;

use traffic::Traffic;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of the cache of columns: the store's default.
const CACHE_BYTES: u64 = 64 << 20;
const FILES: u64 = 30;
const TRACES_PER_FILE: usize = 110_000;

/// Measures the time that passes, and the time that this thread runs: on a machine that does
/// other things too, only the second one means something.
#[derive(Clone, Copy)]
struct Stopwatch {
    started: Instant,
    ran: Duration,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures what really passed")]
    fn start() -> Self {
        Self { started: Instant::now(), ran: time_run() }
    }

    fn elapsed(self) -> Duration {
        self.started.elapsed()
    }

    /// The time that this thread has run.
    fn ran(self) -> Duration {
        time_run().saturating_sub(self.ran)
    }
}

/// How long this thread has run, by Linux' account.
fn time_run() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = account.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// How long all threads of this process have run, to a hundredth of a second.
fn time_run_by_all() -> Duration {
    let account = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = account.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

fn report(name: &str, figure: f64, unit: &str) {
    println!("{name:<56} {figure:>10.2} {unit}");
}

fn micros_per(duration: Duration, count: usize) -> f64 {
    duration.as_secs_f64() * 1e6 / count as f64
}

/// The best and the median of some runs, and what they took of the processors on the average.
fn measure(name: &str, runs: usize, mut run: impl FnMut()) {
    let all = time_run_by_all();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let stopwatch = Stopwatch::start();
            run();
            stopwatch.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let all = time_run_by_all().saturating_sub(all).as_secs_f64() * 1e3 / runs as f64;
    println!(
        "{name:<40} best {:>8.2}  median {:>8.2}  CPU {all:>8.1} ms",
        times[0],
        times[runs / 2]
    );
}

struct Written {
    paths: Vec<PathBuf>,
    /// Some traces that are in the files.
    known: Vec<TraceSummary>,
    documents: u64,
}

fn write_files(directory: &Path, traffic: &mut Traffic) -> Written {
    let mut written = Written { paths: Vec::new(), known: Vec::new(), documents: 0 };
    let (mut spent, mut bytes) = (Duration::ZERO, 0);
    for number in 1..=FILES {
        let (settled, rest) = traffic.batch(Sequence(number), TRACES_PER_FILE);
        let path = directory.join(format!("{number}.settled"));
        let mut contents = Vec::new();
        let stopwatch = Stopwatch::start();
        bytes += write(&settled, &rest, &mut contents).expect("memory takes everything");
        spent += stopwatch.ran();
        std::fs::write(&path, contents).expect("the file can be written");
        written.documents += settled.iter().map(|t| t.positions.len() as u64).sum::<u64>();
        written.known.extend(settled.iter().step_by(1000).map(|t| t.summary.clone()));
        written.paths.push(path);
    }
    let traces = FILES as usize * TRACES_PER_FILE;
    report("write, per trace", micros_per(spent, traces), "µs");
    report("size, per trace", bytes as f64 / traces as f64, "B");
    report("size, per document", bytes as f64 / written.documents as f64, "B");
    written
}

fn open_files(paths: &[PathBuf]) -> Vec<Arc<SettledFile>> {
    let cache = Arc::new(ColumnCache::new(CACHE_BYTES));
    let open = |path: &PathBuf| SettledFile::open(path, cache.clone()).expect("the file is sound");
    paths.iter().map(|path| Arc::new(open(path))).collect()
}

fn find_traces(files: &[Arc<SettledFile>], known: &[TraceSummary], traffic: &mut Traffic) {
    for _ in 0..2 {
        let stopwatch = Stopwatch::start();
        for summary in known {
            let found = files.iter().find_map(|file| file.find(summary.id).expect("sound"));
            assert!(found.is_some_and(|entry| !entry.positions.is_empty()));
        }
        report("find a trace in 30 files", micros_per(stopwatch.ran(), known.len()), "µs");
    }
    let mut absent = |epoch: Option<u32>| -> Vec<TraceId> {
        (0..10_000).map(|_| traffic.absent_id(epoch)).collect()
    };
    let (random, of_now) = (absent(None), absent(Some(traffic::EPOCH + 1000)));
    for (name, ids) in [("random", random), ("of the time of a file", of_now)] {
        let stopwatch = Stopwatch::start();
        let found: usize = ids
            .iter()
            .map(|id| files.iter().filter(|file| file.find(*id).expect("sound").is_some()).count())
            .sum();
        assert_eq!(found, 0);
        let each = micros_per(stopwatch.ran(), ids.len() * files.len());
        report(&format!("absent id, {name}, per file"), each, "µs");
    }
}

fn query<'a>(conditions: &'a [Condition]) -> SummaryQuery<'a> {
    let time = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
    SummaryQuery {
        range: TimeRange { start: time(0), end: time(4_000_000_000) },
        range_type: TimeRangeType::TraceId,
        after: None,
        limit: 100,
        scan_limit: usize::MAX,
        conditions,
        matches: &|_| true,
    }
}

/// So many microseconds, or more.
fn above(micros: i64) -> Limits<Micros> {
    (Bound::Included(Micros::new(micros)), Bound::Unbounded)
}

fn search(files: &[Arc<SettledFile>], known: &[TraceSummary]) {
    let none = HashSet::new();
    let queried: Vec<_> =
        files.iter().map(|file| QueriedFile { file, superseded: &none }).collect();
    let threads = ScanThreads::of_machine();
    let page = |query: &SummaryQuery<'_>| {
        find_page(&queried, query, &NoOpenTraces, &threads).expect("sound")
    };
    let rare = &known[known.len() / 3];
    let annotation = |value: TextMatch| Condition::Annotation {
        key: "order_id".to_owned(),
        value: AnnotationMatch::Text(value),
    };
    let order_id = rare
        .annotations
        .iter()
        .find(|annotation| annotation.key == "order_id")
        .map(|annotation| annotation.value.to_string())
        .expect("every trace has one");
    let url = rare.http.url.clone().expect("every trace has one");
    let name = |name: &str| {
        let name = Some(TextMatch::Equals(name.to_owned()));
        ServiceMatch { name, ..ServiceMatch::default() }
    };
    let common = [
        ("page without conditions", vec![]),
        ("page of faults", vec![Condition::Fault(true)]),
        ("page of a service", vec![Condition::Service(name("payments"))]),
        (
            "page of slow requests to a service",
            vec![Condition::Service(name("payments")), Condition::ResponseTime(above(200_000))],
        ),
    ];
    for (name, conditions) in common {
        assert_eq!(page(&query(&conditions)).summaries.len(), 100);
        measure(name, 15, || drop(page(&query(&conditions))));
    }
    let rare = [
        ("rare annotation", annotation(TextMatch::Equals(order_id.clone()))),
        ("rare annotation, by its end", annotation(TextMatch::EndsWith(order_id[6..].to_owned()))),
        (
            "rare url, by a part",
            Condition::Text(TextField::Url, TextMatch::Contains(url[30..].to_owned())),
        ),
        ("no such user", Condition::User(TextMatch::Equals("nobody".to_owned()))),
        ("no such service", Condition::Service(name("nobody"))),
        (
            "no such slow request",
            Condition::Request {
                who: ServiceMatch::default(),
                tests: Logic::Is(RequestTest::ResponseTime(above(3_600_000_000))),
            },
        ),
        (
            "no such slow call that failed",
            Condition::Call {
                from: ServiceMatch::default(),
                to: ServiceMatch::default(),
                tests: Logic::All(vec![
                    Logic::Is(RequestTest::Fault(true)),
                    Logic::Is(RequestTest::Duration(above(3_600_000_000))),
                ]),
            },
        ),
        ("slowest", Condition::Duration(above(60_000_000))),
    ];
    for (name, condition) in rare {
        let conditions = [condition];
        let stopwatch = Stopwatch::start();
        let found = page(&query(&conditions));
        report(
            &format!("{name} in all, the first time"),
            stopwatch.elapsed().as_secs_f64() * 1e3,
            "ms",
        );
        assert_eq!(found.scanned, FILES as usize * TRACES_PER_FILE);
        assert!(found.summaries.len() < 100, "{name}");
        // By now what was read is kept in mind, as far as there is room for it.
        measure(&format!("{name} in all"), 7, || drop(page(&query(&conditions))));
    }
}

fn map(files: &[Arc<SettledFile>]) {
    let files: Vec<&SettledFile> = files.iter().map(|file| &**file).collect();
    let first = i64::from(traffic::EPOCH) / 60;
    let threads = ScanThreads::of_machine();
    let graphs = |minutes, step| {
        service_graphs(&files, &Steps::new(minutes, NonZero::new(step)), &threads).expect("sound")
    };
    for graph in graphs(first..=first + 359, 0).values() {
        println!("map: {} nodes, {} edges", graph.nodes.len(), graph.edges.len());
    }
    measure("service map of 360 minutes in 30 files", 15, || {
        drop(graphs(first..=first + 359, 0));
    });
    measure("service map of 5 minutes", 15, || {
        drop(graphs(first + 180..=first + 184, 0));
    });
    measure("service maps of 360 minutes, one by one", 15, || {
        drop(graphs(first..=first + 359, 1));
    });
}

/// The maps of some of the traces.
fn filtered_maps(files: &[Arc<SettledFile>]) {
    let none = HashSet::new();
    let queried: Vec<_> =
        files.iter().map(|file| QueriedFile { file, superseded: &none }).collect();
    let first = i64::from(traffic::EPOCH) / 60;
    let steps = Steps::new(first..=first + 359, None);
    let threads = ScanThreads::of_machine();
    let failed = Condition::Request {
        who: ServiceMatch::default(),
        tests: Logic::Is(RequestTest::Fault(true)),
    };
    for (name, conditions) in [
        ("map of what went well", vec![Condition::Outcomes(vec![Outcome::Ok])]),
        ("map of what failed somewhere", vec![failed]),
    ] {
        let rows = FilteredRows { conditions: &conditions, hidden: &none, most_undecided: 0 };
        measure(name, 5, || {
            let found = filtered_graphs(&queried, &rows, &steps, &threads).expect("sound");
            assert!(!found.graphs.is_empty() && found.undecided.is_empty(), "{name}");
        });
    }
}

/// Writes a settled file a row group at a time, as the engine does; gives its length.
fn write(traces: &[SettledTrace], rest: &SettledBatch, sink: &mut Vec<u8>) -> std::io::Result<u64> {
    let mut writer = SettledWriter::new(sink, traces.len())?;
    for group in traces.chunks(SettledWriter::GROUP_TRACES) {
        writer.add(group, &rest.kinds)?;
    }
    writer.finish(rest)
}

/// Batches as they settle, merged eight into one, twice.
fn settle_and_merge(directory: &Path, traffic: &mut Traffic) {
    const TRACES: usize = 11_000;
    let mut spent = Duration::ZERO;
    let (mut paths, mut traces) = (Vec::new(), 0);
    for number in 0..64 {
        let (settled, rest) = traffic.batch(Sequence(100 + number), TRACES);
        traces += settled.len();
        let path = directory.join(format!("small-{number}.settled"));
        let mut contents = Vec::new();
        let stopwatch = Stopwatch::start();
        write(&settled, &rest, &mut contents).expect("memory takes everything");
        spent += stopwatch.ran();
        std::fs::write(&path, contents).expect("the file can be written");
        paths.push(path);
    }
    report("write batches of 11,000, per trace", micros_per(spent, traces), "µs");
    for level in 1..=2 {
        let files = open_files(&paths);
        let stopwatch = Stopwatch::start();
        let merged = files.chunks(8).enumerate().map(|(number, parts)| {
            let path = directory.join(format!("merged-{level}-{number}.settled"));
            let mut file = File::create(&path).expect("the file can be made");
            merge_settled(parts, &mut file).expect("the files are sound");
            path
        });
        paths = merged.collect();
        let each = micros_per(stopwatch.ran(), traces);
        report(&format!("merge 8 into 1, level {level}, per trace"), each, "µs");
    }
}

fn main() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut traffic = Traffic::new(FILES * TRACES_PER_FILE as u64);
    settle_and_merge(directory.path(), &mut traffic);
    if std::env::args().any(|argument| argument == "small") {
        return;
    }
    let mut traffic = Traffic::new(FILES * TRACES_PER_FILE as u64);
    let written = write_files(directory.path(), &mut traffic);
    measure("open 30 files", 5, || drop(open_files(&written.paths)));
    let files = open_files(&written.paths);
    let memory: usize = files.iter().map(|file| file.memory()).sum();
    let traces = (FILES as usize * TRACES_PER_FILE) as f64;
    report("memory of open files, per trace", memory as f64 / traces, "B");
    find_traces(&files, &written.known, &mut traffic);
    search(&files, &written.known);
    map(&files);
    filtered_maps(&files);
}
