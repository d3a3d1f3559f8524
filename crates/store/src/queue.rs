//! The bounded queue between callers and the writer thread.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex};

use crate::locking::{lock, wait_while};
use crate::{Acknowledge, NewDocument, Refused, StoreError};

/// A group takes no more documents once it has this many bytes: 1 MB takes the disk about 4 ms,
/// and larger writes bring little more throughput and much more waiting (measured).
const GROUP_BYTES: usize = 1 << 20;

/// Documents of one caller, and how to answer.
pub(crate) struct Append {
    pub(crate) documents: Vec<NewDocument>,
    pub(crate) done: Acknowledge,
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum Work {
    /// Store these together.
    Group(Vec<Append>),
    /// Begin a new file.
    Rotate,
    /// Everything is stored and nothing more comes.
    End,
}

/// The queue. What a group under way holds counts as waiting until it is done, so that the
/// bounds are bounds on memory.
#[derive(Debug)]
pub(crate) struct Queue {
    most_documents: usize,
    most_bytes: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    appends: VecDeque<Append>,
    documents: usize,
    bytes: usize,
    is_rotation_wanted: bool,
    is_closed: bool,
}

impl Queue {
    /// An empty queue with these bounds.
    pub(crate) fn new(most_documents: usize, most_bytes: usize) -> Self {
        Self { most_documents, most_bytes, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Queues documents, or gives them back at once. Whatever its size, an append finds room in
    /// an empty queue: its memory is the caller's already.
    pub(crate) fn push(&self, append: Append) -> Result<(), Refused> {
        let append_bytes = append.bytes();
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(append.refuse(StoreError::Closed));
        }
        let documents = state.documents.saturating_add(append.documents.len());
        let bytes = state.bytes.saturating_add(append_bytes);
        let is_too_much = documents > self.most_documents || bytes > self.most_bytes;
        if is_too_much && state.documents > 0 {
            let State { documents, bytes, .. } = *state;
            return Err(append.refuse(StoreError::Overloaded { documents, bytes }));
        }
        (state.documents, state.bytes) = (documents, bytes);
        state.appends.push_back(append);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for work.
    pub(crate) fn next(&self) -> Work {
        let is_idle = |state: &mut State| {
            state.appends.is_empty() && !state.is_rotation_wanted && !state.is_closed
        };
        let mut state = wait_while(&self.changed, lock(&self.state), is_idle);
        if std::mem::take(&mut state.is_rotation_wanted) {
            return Work::Rotate;
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        while bytes < GROUP_BYTES
            && let Some(append) = state.appends.pop_front()
        {
            bytes += append.bytes();
            group.push(append);
        }
        if group.is_empty() { Work::End } else { Work::Group(group) }
    }

    /// Makes room again for what a group held.
    pub(crate) fn release(&self, documents: usize, bytes: usize) {
        let mut state = lock(&self.state);
        state.documents = state.documents.saturating_sub(documents);
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Lets the writer begin a new file.
    pub(crate) fn request_rotation(&self) {
        lock(&self.state).is_rotation_wanted = true;
        self.changed.notify_one();
    }

    /// Refuses what comes from now on; what is queued is still handed out.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_one();
    }

    /// Whether the queue was closed.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Documents and bytes waiting.
    pub(crate) fn pending(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.documents, state.bytes)
    }
}

impl Append {
    /// Memory of the documents.
    pub(crate) fn bytes(&self) -> usize {
        self.documents.iter().map(NewDocument::memory).sum()
    }

    /// Gives everything back to the caller.
    pub(crate) fn refuse(self, error: StoreError) -> Refused {
        Refused { error, documents: self.documents, done: self.done }
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append").field("documents", &self.documents.len()).finish_non_exhaustive()
    }
}
