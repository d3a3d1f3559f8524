//! The engine on a disk that fails, fills up or is slow.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use roentgen_model::Timestamp;
use roentgen_ops::ManualClock;
use tempfile::TempDir;

use super::*;
use crate::locking::wait_while;
use crate::log::AppendFile;
use crate::{Cursor, ReceivedDocument, TimeRange, TimeRangeType};

mod any_call;
mod queries;
mod settled_files;

/// How long a broken store is waited for, so that its test fails and does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The real disk with switches.
#[derive(Debug, Default)]
struct Switches {
    fails_next_sync: AtomicBool,
    is_full: AtomicBool,
    fails_create: AtomicBool,
    fails_remove: AtomicBool,
    gate: Mutex<Gate>,
    gate_changed: Condvar,
    removed: Mutex<Option<mpsc::Sender<()>>>,
}

#[derive(Debug, Default)]
struct Gate {
    is_shut: bool,
    waiting: usize,
}

#[derive(Debug)]
struct FaultyDisk(Arc<Switches>);

#[derive(Debug)]
struct FaultyFile(Box<dyn AppendFile>, Arc<Switches>);

fn fail_if(switch: &AtomicBool, message: &str) -> io::Result<()> {
    if switch.load(Ordering::SeqCst) { Err(io::Error::other(message)) } else { Ok(()) }
}

impl Switches {
    fn shut_gate(&self) {
        lock(&self.gate).is_shut = true;
    }

    fn open_gate(&self) {
        lock(&self.gate).is_shut = false;
        self.gate_changed.notify_all();
    }

    /// Waits before the gate while it is shut.
    fn pass_gate(&self) {
        let mut gate = lock(&self.gate);
        gate.waiting += 1;
        self.gate_changed.notify_all();
        gate = wait_while(&self.gate_changed, gate, |gate| gate.is_shut);
        gate.waiting -= 1;
    }

    /// Waits until somebody stands before the gate.
    fn wait_at_gate(&self) {
        drop(wait_while(&self.gate_changed, lock(&self.gate), |gate| gate.waiting == 0));
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        fail_if(&self.0.fails_create, "no more files")?;
        Ok(Box::new(FaultyFile(RealDisk.create(path)?, self.0.clone())))
    }

    fn reopen(&self, path: &Path, length: u64) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(FaultyFile(RealDisk.reopen(path, length)?, self.0.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fail_if(&self.0.fails_remove, "not permitted")?;
        RealDisk.remove(path)?;
        if let Some(removed) = &*lock(&self.0.removed) {
            removed.send(()).unwrap();
        }
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }
}

impl AppendFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.1.is_full.load(Ordering::SeqCst) {
            self.0.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.pass_gate();
        if self.1.fails_next_sync.swap(false, Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync()
    }
}

struct Fixture {
    _directory: TempDir,
    options: StoreOptions,
    clock: Arc<ManualClock>,
    switches: Arc<Switches>,
    store: EmbeddedStore,
}

fn clock() -> Arc<ManualClock> {
    let begin = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    Arc::new(ManualClock::starting_at(begin))
}

fn open(
    options: &StoreOptions,
    clock: &Arc<ManualClock>,
    disk: Arc<dyn Disk>,
) -> Result<EmbeddedStore, StoreError> {
    let directory = DataDirectory::open(&options.directory)?;
    EmbeddedStore::open_in(directory, options.clone(), clock.clone(), disk)
}

impl Fixture {
    fn new(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new(directory.path());
        change(&mut options);
        let (clock, switches) = (clock(), Arc::new(Switches::default()));
        let disk = Arc::new(FaultyDisk(switches.clone()));
        let store = open(&options, &clock, disk).unwrap();
        Self { _directory: directory, options, clock, switches, store }
    }

    fn append(&self, trace: u8) -> Result<(), StoreError> {
        append(&self.store, vec![document(trace, 1)])
    }

    /// Appends without waiting.
    fn queue(&self, trace: u8) -> Result<mpsc::Receiver<Result<(), StoreError>>, StoreError> {
        queue(&self.store, vec![document(trace, 1)])
    }

    fn traces(&self) -> Vec<TraceId> {
        traces(&self.store)
    }

    fn reopen(&mut self) {
        self.store.close();
        self.store = open(&self.options, &self.clock, Arc::new(RealDisk)).unwrap();
    }
}

fn append(store: &EmbeddedStore, documents: Vec<NewDocument>) -> Result<(), StoreError> {
    queue(store, documents)?.recv_timeout(PATIENCE).unwrap()
}

fn queue(
    store: &EmbeddedStore,
    documents: Vec<NewDocument>,
) -> Result<mpsc::Receiver<Result<(), StoreError>>, StoreError> {
    let (sender, receiver) = mpsc::channel();
    let done = Box::new(move |result| sender.send(result).unwrap());
    store.append(documents, done).map_err(|refused| {
        assert!(!refused.documents.is_empty(), "what is refused is given back");
        refused.error
    })?;
    Ok(receiver)
}

/// The traces that are listed, oldest first.
fn traces(store: &EmbeddedStore) -> Vec<TraceId> {
    let query = SummaryQuery {
        range: all_time(),
        range_type: TimeRangeType::TraceId,
        after: None::<Cursor>,
        limit: 1000,
        scan_limit: 1000,
        conditions: &[],
        matches: &|_| true,
    };
    let page = store.summaries(&query).unwrap();
    page.summaries.iter().map(|summary| summary.id).rev().collect()
}

fn originals(store: &EmbeddedStore, id: TraceId) -> Vec<ReceivedDocument> {
    store.documents(id).unwrap().map(|trace| trace.documents).unwrap_or_default()
}

/// The seen and the completed requests of the node `app`.
fn counted(store: &EmbeddedStore) -> (i64, i64) {
    let graph = store.service_graph(all_time()).unwrap();
    let apps = graph.nodes.iter().filter(|(id, _)| !id.is_client());
    apps.map(|(_, node)| (node.seen, node.requests.total())).next().unwrap_or_default()
}

fn all_time() -> TimeRange {
    TimeRange { start: Timestamp::default(), end: Timestamp::MAX }
}

fn id(trace: u8) -> TraceId {
    let mut id = [trace; 16];
    id[..4].copy_from_slice(&1_795_000_000_u32.to_be_bytes());
    TraceId::from_bytes(id)
}

fn received(trace: u8, segment: u8) -> ReceivedDocument {
    let trace_id = id(trace);
    let text = format!(
        r#"{{"trace_id":"{trace_id}","id":"00000000000000{segment:02x}","name":"app","start_time":1795000000,"end_time":1795000001}}"#
    );
    let received = Timestamp::from_seconds(1_795_000_001.0).unwrap();
    ReceivedDocument { trace_id, received, bytes: text.into_bytes() }
}

fn document(trace: u8, segment: u8) -> NewDocument {
    let ReceivedDocument { received, bytes, .. } = received(trace, segment);
    NewDocument::parse(bytes, received).unwrap()
}

#[test]
fn a_failed_sync_ends_writing_but_not_reading() {
    let mut fixture = Fixture::new(|_| {});
    fixture.append(1).unwrap();
    fixture.switches.fails_next_sync.store(true, Ordering::SeqCst);
    let error = fixture.append(2).unwrap_err();
    assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
    assert!(error.to_string().contains("00000001.log failed: the disk is gone"), "{error}");
    // A disk that claims to be well again is not believed.
    assert!(matches!(fixture.queue(3), Err(StoreError::Poisoned { .. })));
    assert_eq!(fixture.traces(), [id(1)]);
    assert_eq!(originals(&fixture.store, id(1)), [received(1, 1)]);
    assert_eq!(fixture.store.status().failure, Some(error.to_string()));
    // What was acknowledged can settle all the same.
    fixture.store.settle().unwrap();
    assert_eq!(fixture.traces(), [id(1)]);
    fixture.reopen();
    assert!(fixture.traces().contains(&id(1)));
    fixture.append(3).unwrap();
    assert_eq!(fixture.store.status().failure, None);
}

#[test]
fn everyone_in_the_queue_learns_of_the_failure() {
    let fixture = Fixture::new(|_| {});
    fixture.switches.shut_gate();
    let first = fixture.queue(1).unwrap();
    fixture.switches.wait_at_gate();
    let rest: Vec<_> = (2..20).map(|trace| fixture.queue(trace).unwrap()).collect();
    fixture.switches.fails_next_sync.store(true, Ordering::SeqCst);
    fixture.switches.open_gate();
    for receiver in std::iter::once(first).chain(rest) {
        assert!(matches!(
            receiver.recv_timeout(PATIENCE).unwrap(),
            Err(StoreError::Poisoned { .. })
        ));
    }
    assert_eq!(fixture.store.status().pending_documents, 0);
    assert_eq!(fixture.traces(), []);
}

#[test]
fn a_full_disk_ends_writing_and_leaves_a_log_that_opens() {
    let mut fixture = Fixture::new(|_| {});
    fixture.append(1).unwrap();
    let whole = fixture.store.status().log_bytes;
    fixture.switches.is_full.store(true, Ordering::SeqCst);
    assert!(matches!(fixture.append(2), Err(StoreError::Poisoned { .. })));
    let torn = fixture.store.status().log_bytes - whole;
    assert!(torn > 0);
    fixture.reopen();
    assert_eq!(fixture.store.status().torn_bytes_total, torn);
    assert_eq!(fixture.traces(), [id(1)]);
    fixture.append(3).unwrap();
    assert_eq!(originals(&fixture.store, id(3)), [received(3, 1)]);
}

#[test]
fn a_file_that_cannot_be_made_ends_writing() {
    let mut fixture = Fixture::new(|options| options.retention_bytes = 16 << 10);
    fixture.switches.fails_create.store(true, Ordering::SeqCst);
    let stored = (1..=100).take_while(|&trace| fixture.append(trace).is_ok()).count();
    assert!((1..20).contains(&stored), "{stored}");
    let failure = fixture.store.status().failure.unwrap();
    assert!(failure.contains("00000002.log failed: no more files"), "{failure}");
    fixture.reopen();
    assert_eq!(fixture.traces().len(), stored);
}

#[test]
fn a_full_queue_refuses_and_a_slow_disk_holds_up_no_reader() {
    let fixture = Fixture::new(|options| options.queue_documents = 3);
    fixture.append(1).unwrap();
    fixture.switches.shut_gate();
    let mut waiting = vec![fixture.queue(2).unwrap()];
    fixture.switches.wait_at_gate();
    waiting.extend([3, 4].map(|trace| fixture.queue(trace).unwrap()));
    let error = fixture.queue(5).unwrap_err();
    assert!(matches!(error, StoreError::Overloaded { documents: 3, .. }), "{error}");
    // What was not acknowledged is not shown; what was is, while the disk is busy.
    assert_eq!(fixture.traces(), [id(1)]);
    assert_eq!(originals(&fixture.store, id(1)), [received(1, 1)]);
    let status = fixture.store.status();
    assert_eq!((status.pending_documents, status.overloaded_documents_total), (3, 1));
    fixture.switches.open_gate();
    waiting.iter().for_each(|receiver| receiver.recv_timeout(PATIENCE).unwrap().unwrap());
    fixture.append(5).unwrap();
    assert_eq!(fixture.traces(), [1, 2, 3, 4, 5].map(id));
    // 1, 2, then 3 and 4 together, 5.
    assert_eq!(fixture.store.status().groups_total, 4);
}

#[test]
fn the_queue_is_bounded_by_bytes_but_takes_one_append_of_any_size() {
    let fixture = Fixture::new(|options| options.queue_bytes = 100);
    fixture.switches.shut_gate();
    let first = fixture.queue(1).unwrap();
    assert!(matches!(fixture.queue(2), Err(StoreError::Overloaded { documents: 1, .. })));
    fixture.switches.open_gate();
    first.recv().unwrap().unwrap();
    fixture.append(2).unwrap();
}

#[test]
fn a_callback_that_panics_harms_nobody_else() {
    let fixture = Fixture::new(|_| {});
    let done = Box::new(|_: Result<(), StoreError>| panic!("this caller is broken"));
    fixture.store.append(vec![document(1, 1)], done).unwrap();
    fixture.append(2).unwrap();
    assert_eq!(fixture.traces(), [id(1), id(2)]);
}

#[test]
fn a_store_dropped_by_its_own_callback_ends() {
    let Fixture { _directory, switches, store, .. } = Fixture::new(|_| {});
    let store = Arc::new(store);
    let last = store.clone();
    let (sender, receiver) = mpsc::channel();
    switches.shut_gate();
    let done = Box::new(move |_| {
        drop(last);
        sender.send(()).unwrap();
    });
    store.append(vec![document(1, 1)], done).unwrap();
    drop(store);
    switches.open_gate();
    receiver.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn retention_acts_by_itself() {
    let fixture = Fixture::new(|options| options.retention_bytes = 16 << 10);
    let (sender, removed) = mpsc::channel();
    *lock(&fixture.switches.removed) = Some(sender);
    (0..=255).for_each(|trace| fixture.append(trace).unwrap());
    removed.recv_timeout(PATIENCE).unwrap();
    // Age: nothing is written, yet the growing file is completed and dropped.
    fixture.clock.advance(fixture.options.retention_age * 2);
    while fixture.store.status().documents > 0 {
        fixture.store.state.upkeep.wake();
        removed.recv_timeout(PATIENCE).unwrap();
        fixture.store.enforce_retention();
    }
    assert_eq!(fixture.traces(), []);
}

#[test]
fn a_file_that_cannot_be_removed_stays_shown() {
    let fixture = Fixture::new(|options| options.retention_bytes = 16 << 10);
    fixture.switches.fails_remove.store(true, Ordering::SeqCst);
    (0..=255).for_each(|trace| fixture.append(trace).unwrap());
    fixture.store.enforce_retention();
    assert_eq!(fixture.traces().len(), 256);
    fixture.switches.fails_remove.store(false, Ordering::SeqCst);
    fixture.store.enforce_retention();
    assert!(fixture.traces().len() < 256);
}
