//! What the indexer has yet to take in. The writer waits when it is too much, the indexer when
//! there is nothing.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::locking::{lock, wait_at_most, wait_while};

/// The writer stores nothing more while so much is not taken in. Bounds how long a query may have
/// to wait for the indexer: some 0.4 s at the 20 µs of one core that a document of 1 KB was
/// measured to take, nearly all of it parsing and assembly, whose time goes with the bytes.
const MOST: Work = Work { documents: 20_000, bytes: 20 << 20 };
/// How long the indexer lets changes of a trace gather, so that a trace whose segments come one
/// by one is not assembled anew for each. Queries do not wait for this; they index themselves.
const GATHERING: Duration = Duration::from_millis(100);

/// An amount of indexing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Documents that are not taken in.
    pub(crate) documents: usize,
    /// Bytes of all documents of the traces they belong to: those are assembled as a whole.
    pub(crate) bytes: u64,
}

impl Work {
    /// Whether it reaches a part of [`MOST`].
    fn fills(self, part: usize) -> bool {
        self.documents >= MOST.documents / part || self.bytes >= MOST.bytes / part as u64
    }
}

/// The work, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    work: Work,
    has_deferred: bool,
    is_closed: bool,
}

impl Backlog {
    /// What there is to do now. Set under the lock of the index, which counts it.
    pub(crate) fn set(&self, work: Work) {
        let mut state = lock(&self.state);
        if state.work != work {
            state.work = work;
            self.changed.notify_all();
        }
    }

    /// Lets the indexer look when the traces that wait are due.
    pub(crate) fn announce_deferred(&self) {
        lock(&self.state).has_deferred = true;
        self.changed.notify_all();
    }

    /// Waits until there is room for more. For the writer.
    pub(crate) fn wait_for_room(&self) {
        let is_full = |state: &mut State| state.work.fills(1) && !state.is_closed;
        drop(wait_while(&self.changed, lock(&self.state), is_full));
    }

    /// Waits until there is something to take in and some time to gather more has passed, or
    /// until traces were let wait, or until `pause` is over; `false` when the backlog was closed.
    /// For the indexer.
    pub(crate) fn wait_for_work(&self, pause: Option<Duration>) -> bool {
        let is_idle = |state: &mut State| {
            state.work.documents == 0 && !state.has_deferred && !state.is_closed
        };
        let state = lock(&self.state);
        let mut state = match pause {
            Some(pause) => wait_at_most(&self.changed, state, pause, is_idle),
            None => wait_while(&self.changed, state, is_idle),
        };
        state.has_deferred = false;
        let may_gather = |state: &mut State| {
            state.work.documents > 0 && !state.work.fills(2) && !state.is_closed
        };
        let state = wait_at_most(&self.changed, state, GATHERING, may_gather);
        !state.is_closed
    }

    /// Wakes everyone who waits, for good.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    /// Whether the backlog was closed.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn documents_fill_the_backlog_and_so_do_bytes() {
        let Work { documents: most_documents, bytes: most_bytes } = MOST;
        let check = |documents, bytes, part, expect| {
            assert_eq!(Work { documents, bytes }.fills(part), expect, "{documents} {bytes} {part}");
        };
        check(0, 0, 1, false);
        check(most_documents - 1, most_bytes - 1, 1, false);
        check(most_documents, 0, 1, true);
        check(1, most_bytes, 1, true);
        check(most_documents / 2, 0, 2, true);
        check(1, most_bytes / 2, 2, true);
        check(1, most_bytes / 2 - 1, 2, false);
    }

    #[test]
    fn the_writer_waits_for_room() {
        let check = |room: Work, full: Work| {
            let backlog = Backlog::default();
            backlog.set(room);
            backlog.wait_for_room();
            backlog.set(full);
            let (sender, receiver) = mpsc::channel();
            thread::scope(|scope| {
                scope.spawn(|| {
                    backlog.wait_for_room();
                    sender.send(lock(&backlog.state).work).unwrap();
                });
                assert!(receiver.try_recv().is_err());
                backlog.set(room);
                assert_eq!(receiver.recv().unwrap(), room);
            });
        };
        let Work { documents, bytes } = MOST;
        check(Work { documents: documents - 1, bytes: 0 }, Work { documents, bytes: 0 });
        check(Work { documents: 1, bytes: bytes - 1 }, Work { documents: 1, bytes });
    }

    #[test]
    fn the_indexer_works_while_there_is_work_and_ends_when_closed() {
        let backlog = Backlog::default();
        thread::scope(|scope| {
            let indexer = scope.spawn(|| {
                let mut rounds = 0;
                while backlog.wait_for_work(None) {
                    rounds += 1;
                    backlog.set(Work::default());
                    backlog.close();
                }
                rounds
            });
            backlog.set(MOST);
            assert_eq!(indexer.join().unwrap(), 1);
        });
        backlog.set(Work { documents: MOST.documents * 2, bytes: 0 });
        backlog.wait_for_room(); // Nobody waits for a closed backlog.
    }

    #[test]
    fn the_indexer_wakes_for_what_waits_and_when_it_is_due() {
        let backlog = Backlog::default();
        assert!(backlog.wait_for_work(Some(Duration::ZERO)));
        backlog.announce_deferred();
        assert!(backlog.wait_for_work(None));
        assert!(!lock(&backlog.state).has_deferred, "once, so that it does not spin");
    }
}
