//! How many stored documents the indexer has yet to take in. The writer waits when they are too
//! many, the indexer when there are none.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::locking::{lock, wait_at_most, wait_while};

/// The writer stores nothing more while so many documents are not taken in. Bounds how long a
/// query may have to wait for the indexer: some 0.4 s at the 20 µs of one core that a document of
/// 1 KB was measured to take, nearly all of it parsing and assembly.
const MOST_DOCUMENTS: usize = 20_000;
/// How long the indexer lets changes of a trace gather, so that a trace whose segments come one
/// by one is not assembled anew for each. Queries do not wait for this; they index themselves.
const GATHERING: Duration = Duration::from_millis(100);

/// The count, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    documents: usize,
    is_closed: bool,
}

impl Backlog {
    /// More documents are stored.
    pub(crate) fn add(&self, documents: usize) {
        lock(&self.state).documents += documents;
        self.changed.notify_all();
    }

    /// Documents were taken in, or are gone.
    pub(crate) fn remove(&self, documents: usize) {
        let mut state = lock(&self.state);
        state.documents = state.documents.saturating_sub(documents);
        self.changed.notify_all();
    }

    /// Documents not taken in.
    pub(crate) fn documents(&self) -> usize {
        lock(&self.state).documents
    }

    /// Waits until there is room for more. For the writer.
    pub(crate) fn wait_for_room(&self) {
        let is_full = |state: &mut State| state.documents >= MOST_DOCUMENTS && !state.is_closed;
        drop(wait_while(&self.changed, lock(&self.state), is_full));
    }

    /// Waits until there is something to take in and some time to gather more has passed;
    /// `false` when the backlog was closed. For the indexer.
    pub(crate) fn wait_for_work(&self) -> bool {
        let is_idle = |state: &mut State| state.documents == 0 && !state.is_closed;
        let state = wait_while(&self.changed, lock(&self.state), is_idle);
        let may_gather = |state: &mut State| {
            (1..MOST_DOCUMENTS / 2).contains(&state.documents) && !state.is_closed
        };
        let state = wait_at_most(&self.changed, state, GATHERING, may_gather);
        !state.is_closed
    }

    /// Wakes everyone who waits, for good.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn the_writer_waits_for_room() {
        let backlog = Backlog::default();
        backlog.add(MOST_DOCUMENTS - 1);
        backlog.wait_for_room();
        backlog.add(1);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                backlog.wait_for_room();
                sender.send(backlog.documents()).unwrap();
            });
            assert!(receiver.try_recv().is_err());
            backlog.remove(MOST_DOCUMENTS / 4);
            assert_eq!(receiver.recv().unwrap(), MOST_DOCUMENTS - MOST_DOCUMENTS / 4);
        });
    }

    #[test]
    fn the_indexer_works_while_there_is_work_and_ends_when_closed() {
        let backlog = Backlog::default();
        thread::scope(|scope| {
            let indexer = scope.spawn(|| {
                let mut rounds = 0;
                while backlog.wait_for_work() {
                    rounds += 1;
                    backlog.remove(backlog.documents());
                    backlog.close();
                }
                rounds
            });
            backlog.add(MOST_DOCUMENTS);
            assert_eq!(indexer.join().unwrap(), 1);
        });
        backlog.add(MOST_DOCUMENTS * 2);
        backlog.wait_for_room(); // Nobody waits for a closed backlog.
    }
}
