//! Traces that take long to assemble do not hold up the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use roentgen_model::{TraceId, TraceSummary};
use roentgen_ops::{Clock, ManualClock};
use roentgen_store::{
    EmbeddedStore, ReceivedDocument, StoreOptions, SummaryQuery, TimeRangeType, TraceStore as _,
};
use tempfile::TempDir;

use crate::harness::{BEGIN, Segment, all_time, append, assembled, counts, trace_id};

/// A clock that goes on by a step whenever it is read, so that work seems to take time.
#[derive(Debug)]
struct SteppingClock {
    clock: ManualClock,
    step_millis: AtomicU64,
}

impl Clock for SteppingClock {
    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn instant(&self) -> Instant {
        self.clock.advance(Duration::from_millis(self.step_millis.load(Ordering::SeqCst)));
        self.clock.instant()
    }
}

struct Fixture {
    directory: TempDir,
    clock: Arc<SteppingClock>,
    store: EmbeddedStore,
    large: TraceId,
    documents: Vec<ReceivedDocument>,
}

impl Fixture {
    /// A store with a trace of 1.2 MB.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let begin = UNIX_EPOCH + Duration::from_secs(u64::try_from(BEGIN).unwrap());
        let clock = ManualClock::starting_at(begin);
        let clock = Arc::new(SteppingClock { clock, step_millis: AtomicU64::new(0) });
        let store =
            EmbeddedStore::open(StoreOptions::new(directory.path()), clock.clone()).unwrap();
        let large = trace_id(1, 1);
        let mut fixture = Self { directory, clock, store, large, documents: Vec::new() };
        (0..20).for_each(|_| fixture.grow());
        assert_eq!(fixture.revision(), 20);
        fixture
    }

    fn grow(&mut self) {
        let id = self.documents.len() as u64 + 1;
        let document = Segment { padding: 60_000, ..Segment::new(self.large, id, 1.0) }.document();
        append(&self.store, vec![document.clone()]).unwrap();
        self.documents.push(document);
    }

    /// Lets the large trace grow by a document that is taken in, which takes 10 ms or more.
    fn grow_at_cost(&mut self) {
        self.clock.step_millis.store(10, Ordering::SeqCst);
        self.grow();
        assert_eq!(self.revision(), self.documents.len());
        self.clock.step_millis.store(0, Ordering::SeqCst);
    }

    fn summaries(&self) -> Vec<Arc<TraceSummary>> {
        let query = SummaryQuery {
            range: all_time(),
            range_type: TimeRangeType::TraceId,
            after: None,
            limit: 100,
            scan_limit: 100,
            conditions: &[],
            matches: &|_| true,
        };
        self.store.summaries(&query).unwrap().summaries
    }

    /// The revision of the large trace in summaries.
    fn revision(&self) -> usize {
        self.summaries().iter().find(|summary| summary.id == self.large).unwrap().revision
    }

    /// Summaries and graph are those of all documents.
    fn check_whole(&self) {
        let trace = assembled(self.large, &self.documents).unwrap();
        let mut graph = roentgen_model::ServiceGraph::default();
        graph.add(&trace.graph);
        assert_eq!(counts(&self.store.service_graph(all_time()).unwrap()), counts(&graph));
        assert_eq!(self.summaries().first().map(|summary| &**summary), Some(&trace.summary));
        assert_eq!(self.store.status().resting_documents, 0);
    }
}

#[test]
fn a_large_trace_waits_in_proportion_to_its_cost_and_nothing_waits_for_it() {
    let mut fixture = Fixture::new();
    fixture.grow_at_cost();
    fixture.grow();
    fixture.grow();
    assert_eq!(fixture.revision(), 21);
    assert_eq!(fixture.store.status().resting_documents, 2);
    // By its id it is shown whole, and other traces are shown at once.
    let trace = fixture.store.documents(fixture.large).unwrap().unwrap();
    assert_eq!(trace.assemble().unwrap().summary.revision, 23);
    assert_eq!(trace.documents.len(), 23);
    let small = Segment::new(trace_id(2, 2), 1, 2.0).document();
    append(&fixture.store, vec![small]).unwrap();
    assert_eq!(fixture.summaries()[0].id, trace_id(2, 2));
    assert_eq!(fixture.store.status().resting_documents, 2);
    // However long it took, five seconds are enough.
    fixture.clock.clock.advance(Duration::from_secs(5));
    assert_eq!(fixture.revision(), 23);
    assert_eq!(fixture.store.status().resting_documents, 0);
}

#[test]
fn a_trace_that_waited_is_shown_whole_when_its_time_has_come() {
    let mut fixture = Fixture::new();
    fixture.grow_at_cost();
    fixture.grow();
    assert_eq!(fixture.revision(), 21);
    fixture.clock.clock.advance(Duration::from_secs(5));
    fixture.check_whole();
}

#[test]
fn a_large_trace_that_settles_is_shown_whole_at_once() {
    let mut fixture = Fixture::new();
    fixture.grow_at_cost();
    fixture.grow();
    assert_eq!(fixture.revision(), 21);
    fixture.store.settle().unwrap();
    fixture.check_whole();
    fixture.grow();
    fixture.check_whole();
}

#[test]
fn traces_that_wait_take_turns() {
    let mut fixture = Fixture::new();
    let second = trace_id(2, 2);
    let document = |id| Segment { padding: 60_000, ..Segment::new(second, id, 2.0) }.document();
    append(&fixture.store, (1..=20).map(document).collect()).unwrap();
    let revisions = |fixture: &Fixture| -> Vec<usize> {
        fixture.summaries().iter().map(|summary| summary.revision).collect()
    };
    assert_eq!(revisions(&fixture), [20, 20]);
    fixture.grow_at_cost();
    append(&fixture.store, vec![document(21)]).unwrap();
    assert_eq!(revisions(&fixture), [20, 21]);
    fixture.grow();
    assert_eq!(revisions(&fixture), [20, 21]);
    fixture.clock.step_millis.store(10, Ordering::SeqCst);
    fixture.clock.clock.advance(Duration::from_secs(5));
    assert_eq!(revisions(&fixture), [21, 21], "one at a time, the one that waited longer");
    fixture.clock.step_millis.store(0, Ordering::SeqCst);
    fixture.clock.clock.advance(Duration::from_secs(5));
    assert_eq!(revisions(&fixture), [21, 22]);
}

#[test]
fn a_trace_that_waits_outlives_closing() {
    let mut fixture = Fixture::new();
    fixture.grow_at_cost();
    fixture.grow();
    assert_eq!(fixture.revision(), 21);
    fixture.store.close();
    let options = StoreOptions::new(fixture.directory.path());
    fixture.store = EmbeddedStore::open(options, fixture.clock.clone()).unwrap();
    fixture.check_whole();
}
