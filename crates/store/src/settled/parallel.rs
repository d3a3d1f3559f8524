//! Work that is shared by two threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does some work for each item; the results come in the order of the items. A second thread
/// helps when there is more than one item: items should be worth more than the 30 µs it takes to
/// start it. More threads would take the processor from those who store.
pub(super) fn map_in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    if items.len() < 2 {
        return run().into_iter().map(|(_, result)| result).collect();
    }
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
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_items() {
        for length in [0, 1, 2, 1000] {
            let items: Vec<usize> = (0..length).collect();
            let results = map_in_parallel(&items, |item| item * 2);
            assert_eq!(results, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
