//! Work that is shared by two threads, while there are processors for both.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many threads scan at a time, over all queries of a store.
///
/// A query that is alone on the machine is answered sooner by two threads. Of many at a time none
/// is: then a second thread each would only take the processors from those who store.
#[derive(Debug)]
pub struct ScanThreads {
    most: usize,
    running: AtomicUsize,
}

/// A thread that scans, as long as this lives.
#[derive(Debug)]
pub struct Scanning<'a>(&'a ScanThreads);

impl ScanThreads {
    /// Second threads start as long as no more than `most` run with them.
    pub fn new(most: usize) -> Self {
        Self { most, running: AtomicUsize::new(0) }
    }

    /// As many as there are processors.
    pub fn of_machine() -> Self {
        Self::new(thread::available_parallelism().map_or(1, NonZero::get))
    }

    /// Counts the thread of a query. It is never refused: how many queries there are at a time is
    /// bounded by who asks.
    pub fn enter(&self) -> Scanning<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Scanning(self)
    }

    /// How many there are now.
    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Counts a second thread, if there is a processor for it.
    fn try_enter(&self) -> Option<Scanning<'_>> {
        let add = |running| (running < self.most).then_some(running + 1);
        let entered = self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        entered.ok().map(|_| Scanning(self))
    }
}

impl Drop for Scanning<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does some work for each item; the results come in the order of the items. A second thread
/// helps when there is more than one item and a processor for it: items should be worth more than
/// the 30 µs it takes to start it.
pub(crate) fn map_in_parallel<T: Sync, R: Send>(
    threads: &ScanThreads,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let second = if items.len() < 2 { None } else { threads.try_enter() };
    let Some(second) = second else { return items.iter().map(work).collect() };
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut done = thread::scope(|scope| {
        let helper = thread::Builder::new().name("store-query".to_owned()).spawn_scoped(scope, run);
        let mut done = run();
        // Without a helper, or if it panicked before it took an item, all is done here.
        if let Ok(helper) = helper {
            match helper.join() {
                Ok(helped) => done.extend(helped),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    drop(second);
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Barrier, Mutex};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_items() {
        let threads = ScanThreads::new(2);
        let _query = threads.enter();
        for length in [0, 1, 2, 1000] {
            let items: Vec<usize> = (0..length).collect();
            let results = map_in_parallel(&threads, &items, |item| item * 2);
            assert_eq!(results, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_second_thread_helps_while_there_is_a_processor_for_it() {
        let check = |most: usize, queries: usize, expect: usize| {
            let threads = ScanThreads::new(most);
            let _queries: Vec<_> = (0..queries).map(|_| threads.enter()).collect();
            // Each of the two items is taken by a thread of its own only if there are two.
            let barrier = Barrier::new(expect);
            let used = Mutex::new(HashSet::new());
            map_in_parallel(&threads, &[1, 2], |_| {
                used.lock().unwrap().insert(thread::current().id());
                barrier.wait();
            });
            assert_eq!(used.into_inner().unwrap().len(), expect, "{most} {queries}");
            assert_eq!(threads.running.load(Ordering::Relaxed), queries);
        };
        check(1, 1, 1);
        check(2, 1, 2);
        check(2, 2, 1);
        check(2, 9, 1);
        check(8, 7, 2);
        check(8, 8, 1);
    }

    #[test]
    fn a_panic_frees_the_place_of_the_second_thread() {
        let threads = ScanThreads::new(2);
        let outcome = std::panic::catch_unwind(|| {
            let _query = threads.enter();
            map_in_parallel(&threads, &[1, 2], |_| panic!("on purpose"));
        });
        assert!(outcome.is_err());
        assert_eq!(threads.running.load(Ordering::Relaxed), 0);
    }
}
