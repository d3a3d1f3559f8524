//! Stores for tests: a real one, which closes when it is told to, one that has little room, and one
//! of which little can be told at a time.

use std::sync::{Arc, Mutex, mpsc};

use roentgen_model::{LinkedEdges, TraceId};
use roentgen_ops::{Clock as _, SystemClock};
use roentgen_store::{
    Acknowledge, EmbeddedStore, GraphQuery, NewDocument, Refused, StoreError, StoreOptions,
    StoreStatus, SummaryPage, SummaryQuery, TimeRange, TimedGraph, TraceDocuments, TraceFilter,
    TraceStore,
};
use serde_json::{Value, json};

use crate::intake::epoch_time;

mod broad;
mod narrow;

pub(crate) use broad::BroadStore;
pub(crate) use narrow::NarrowStore;

/// The second in the ids of [`trace_id`], and the start of each [`document`].
pub(crate) const START: u32 = 1_500_000_000;

/// A store in a directory of its own.
#[derive(Debug)]
pub(crate) struct TestStore {
    inner: EmbeddedStore,
    /// Closing waits until the other end of this says so, or goes away.
    closing: Mutex<Option<mpsc::Receiver<()>>>,
    _directory: tempfile::TempDir,
}

/// The id of a trace, higher for higher numbers.
pub(crate) fn trace_id(number: u32) -> TraceId {
    format!("1-{START:08x}-{number:024x}").parse().unwrap()
}

/// A segment of one second, alone in its trace, with these members besides.
pub(crate) fn document(number: u32, members: Value) -> Value {
    let mut document = json!({
        "trace_id": trace_id(number).to_string(), "id": "53995c3f42cd8ad8", "name": "shop",
        "start_time": START, "end_time": START + 1,
    });
    document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    document
}

/// The segment of a trace, as it is handed to a store.
pub(crate) fn new_document(number: u32) -> NewDocument {
    let bytes = document(number, json!({})).to_string().into_bytes();
    NewDocument::parse(bytes, epoch_time(SystemClock.now())).unwrap()
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        let mut options = StoreOptions::new(directory.path());
        // What is merged is to be seen in tests.
        options.tuning.merge_files = 2;
        Self {
            inner: EmbeddedStore::open(options, Arc::new(SystemClock)).unwrap(),
            closing: Mutex::new(None),
            _directory: directory,
        }
    }

    /// Stores documents and waits for it.
    pub(crate) fn append_all(&self, documents: impl IntoIterator<Item = Value>) {
        let received = epoch_time(SystemClock.now());
        let documents = documents
            .into_iter()
            .map(|document| {
                NewDocument::parse(document.to_string().into_bytes(), received).unwrap()
            })
            .collect();
        let (done, is_stored) = mpsc::channel();
        let acknowledge = Box::new(move |outcome| done.send(outcome).unwrap());
        self.inner.append(documents, acknowledge).unwrap();
        is_stored.recv().unwrap().unwrap();
    }

    /// Lets everything settle that is open.
    pub(crate) fn settle(&self) {
        self.inner.settle().unwrap();
    }

    /// Lets closing wait for a word, or the end, of the sender.
    pub(crate) fn hold_closing(&self) -> mpsc::Sender<()> {
        let (release, is_released) = mpsc::channel();
        *self.closing.lock().unwrap() = Some(is_released);
        release
    }
}

impl TraceStore for TestStore {
    fn append(&self, documents: Vec<NewDocument>, done: Acknowledge) -> Result<(), Refused> {
        self.inner.append(documents, done)
    }

    fn documents(&self, id: TraceId) -> Result<Option<TraceDocuments>, StoreError> {
        self.inner.documents(id)
    }

    fn summaries(&self, query: &SummaryQuery<'_>) -> Result<SummaryPage, StoreError> {
        self.inner.summaries(query)
    }

    fn service_graphs(&self, query: &GraphQuery<'_>) -> Result<Vec<TimedGraph>, StoreError> {
        self.inner.service_graphs(query)
    }

    fn linked_edges(
        &self,
        range: TimeRange,
        traces: Option<&TraceFilter<'_>>,
    ) -> Result<LinkedEdges, StoreError> {
        self.inner.linked_edges(range, traces)
    }

    fn status(&self) -> StoreStatus {
        self.inner.status()
    }

    fn close(&self) {
        if let Some(is_released) = self.closing.lock().unwrap().take() {
            let _ = is_released.recv();
        }
        self.inner.close();
    }
}
