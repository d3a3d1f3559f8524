//! The bounded queue between the thread that receives and those that work. Batches go round: full
//! ones one way, empty ones back.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::batch::Batch;

/// Most batches there are: 16 MB, a quarter of a second of 50,000 usual datagrams a second, for a
/// machine that has no time for the threads that work. When all are full the receiver waits, and
/// the kernel's buffer is where datagrams wait and, in the end, are dropped: that costs no work of
/// ours.
const MOST_BATCHES: usize = 64;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct HandOver {
    state: Mutex<State>,
    /// A full batch came, or none will come any more.
    filled: Condvar,
    /// An empty batch came back.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct State {
    full: VecDeque<Batch>,
    empty: Vec<Batch>,
    /// Batches made so far; no more than were ever needed at a time.
    made: usize,
    /// Threads that wait for a full batch.
    idle: usize,
    is_closed: bool,
}

impl HandOver {
    /// An empty batch to fill; waits until there is one.
    pub(super) fn empty_batch(&self) -> Batch {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.empty.pop() {
                return batch;
            }
            if state.made < MOST_BATCHES {
                state.made += 1;
                return Batch::new();
            }
            state = wait(&self.emptied, state);
        }
    }

    /// Whether a thread waits for a batch. As long as all are busy there is no hurry: a batch that
    /// is filled up first leaves more room for what comes.
    pub(super) fn is_batch_wanted(&self) -> bool {
        let state = self.lock();
        // Of those who wait, some have been woken for the full ones.
        state.idle > state.full.len()
    }

    /// Hands a batch to whoever works.
    pub(super) fn hand_over(&self, batch: Batch) {
        self.lock().full.push_back(batch);
        self.filled.notify_one();
    }

    /// The oldest full batch; waits for one. `None` when it is closed and all have been taken.
    pub(super) fn full_batch(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.full.pop_front() {
                return Some(batch);
            }
            if state.is_closed {
                return None;
            }
            state.idle += 1;
            state = wait(&self.filled, state);
            state.idle -= 1;
        }
    }

    /// Gives a batch back that has been worked on.
    pub(super) fn give_back(&self, mut batch: Batch) {
        batch.clear();
        self.lock().empty.push(batch);
        self.emptied.notify_one();
    }

    /// No more batches come.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of it is whole whatever happens to the thread afterwards.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(changed: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    changed.wait(state).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch_of(datagram: u8, hand_over: &HandOver) -> Batch {
        let mut batch = hand_over.empty_batch();
        batch.add(&[datagram]);
        batch
    }

    fn content(batch: &Batch) -> Vec<u8> {
        batch.datagrams().flatten().copied().collect()
    }

    #[test]
    fn batches_go_round_in_order_and_the_receiver_waits_for_the_last() {
        let hand_over = HandOver::default();
        let most = u8::try_from(MOST_BATCHES).unwrap();
        for number in 0..most {
            let batch = batch_of(number, &hand_over);
            hand_over.hand_over(batch);
        }
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| batch_of(most, &hand_over));
            let first = hand_over.full_batch().unwrap();
            assert_eq!(content(&first), [0]);
            hand_over.give_back(first);
            // One more than there are: it is the first one again.
            let batch = waiting.join().unwrap();
            assert_eq!(content(&batch), [most]);
            hand_over.hand_over(batch);
        });
        assert_eq!(hand_over.lock().made, MOST_BATCHES);
        hand_over.close();
        let rest = std::iter::from_fn(|| hand_over.full_batch());
        let rest: Vec<u8> = rest.flat_map(|batch| content(&batch)).collect();
        assert_eq!(rest, (1..=most).collect::<Vec<_>>());
    }

    #[test]
    fn a_batch_is_wanted_while_a_thread_waits_that_has_none() {
        let hand_over = HandOver::default();
        assert!(!hand_over.is_batch_wanted());
        std::thread::scope(|scope| {
            let working = scope.spawn(|| {
                let first = hand_over.full_batch().unwrap();
                assert!(!hand_over.is_batch_wanted());
                hand_over.give_back(first);
                assert!(hand_over.full_batch().is_none());
            });
            while !hand_over.is_batch_wanted() {
                std::thread::yield_now();
            }
            hand_over.hand_over(batch_of(1, &hand_over));
            // Again once it has come back for more.
            while !hand_over.is_batch_wanted() {
                std::thread::yield_now();
            }
            hand_over.close();
            working.join().unwrap();
        });
    }

    #[test]
    fn who_waits_for_work_learns_of_the_end() {
        let hand_over = HandOver::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| hand_over.full_batch().is_none());
            hand_over.close();
            assert!(waiting.join().unwrap());
        });
    }
}
