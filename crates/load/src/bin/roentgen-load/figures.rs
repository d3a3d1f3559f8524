//! What all threads of a run count, and how long acknowledgements take.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Threads share this many histograms; more would take memory, fewer would make them wait.
const SHARDS: usize = 16;

/// The longest latency that is told from longer ones.
const LONGEST: Duration = Duration::from_secs(600);

/// Digits to which latencies are exact.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Most kinds of errors that are kept apart, and most characters of one.
const MAX_ERRORS: usize = 20;
const MAX_ERROR_CHARACTERS: usize = 300;

/// Counters of a run.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) requests: Counter,
    pub(crate) traces: Counter,
    /// Documents handed to the sink; those that are tried again count once.
    pub(crate) sent: Counter,
    /// Their bytes, as they stand in a datagram without its header.
    pub(crate) bytes: Counter,
    /// Documents that the server said it has stored.
    pub(crate) acknowledged: Counter,
    /// Documents in `UnprocessedTraceSegments`.
    pub(crate) refused: Counter,
    /// Calls, each try by itself.
    pub(crate) calls: Counter,
    pub(crate) throttled_calls: Counter,
    /// Calls that were answered by an error other than throttling, or not at all.
    pub(crate) failed_calls: Counter,
    /// Calls that were made again.
    pub(crate) retried_calls: Counter,
    /// Calls that came to nothing in the end, for another reason than throttling.
    pub(crate) lost_calls: Counter,
    /// Datagrams that the system could not send.
    pub(crate) send_errors: Counter,
    pub(crate) latencies: Latencies,
    errors: Mutex<BTreeMap<String, u64>>,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

/// How long acknowledgements took, in microseconds.
#[derive(Debug)]
pub(crate) struct Latencies {
    shards: Vec<Mutex<Histogram<u64>>>,
    total: Mutex<Histogram<u64>>,
}

impl Counter {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Figures {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            requests: Counter::default(),
            traces: Counter::default(),
            sent: Counter::default(),
            bytes: Counter::default(),
            acknowledged: Counter::default(),
            refused: Counter::default(),
            calls: Counter::default(),
            throttled_calls: Counter::default(),
            failed_calls: Counter::default(),
            retried_calls: Counter::default(),
            lost_calls: Counter::default(),
            send_errors: Counter::default(),
            latencies: Latencies::new()?,
            errors: Mutex::default(),
        })
    }

    /// Counts an error by its message.
    pub(crate) fn error(&self, message: &str) {
        let message: String = message.chars().take(MAX_ERROR_CHARACTERS).collect();
        let mut errors = lock(&self.errors);
        if errors.len() < MAX_ERRORS || errors.contains_key(&message) {
            *errors.entry(message).or_default() += 1;
        } else {
            *errors.entry("other errors".to_owned()).or_default() += 1;
        }
    }

    /// All errors with how often they came.
    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        lock(&self.errors).clone()
    }
}

impl Latencies {
    fn new() -> anyhow::Result<Self> {
        let histogram = || -> anyhow::Result<Mutex<Histogram<u64>>> {
            let longest = u64::try_from(LONGEST.as_micros())?;
            Ok(Mutex::new(Histogram::new_with_bounds(1, longest, SIGNIFICANT_DIGITS)?))
        };
        let shards = (0..SHARDS).map(|_| histogram()).collect::<anyhow::Result<_>>()?;
        Ok(Self { shards, total: histogram()? })
    }

    /// Records one; `thread` is any number that differs from thread to thread.
    pub(crate) fn record(&self, thread: usize, latency: Duration) {
        if let Some(shard) = self.shards.get(thread % SHARDS) {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            lock(shard).saturating_record(micros.max(1));
        }
    }

    /// What was recorded since the last look; added to the total.
    pub(crate) fn interval(&self) -> Histogram<u64> {
        let mut total = lock(&self.total);
        let mut interval = Histogram::new_from(&total);
        for shard in &self.shards {
            let mut shard = lock(shard);
            // All have the same bounds, so nothing can be too large for another.
            let added = interval.add(&*shard).and_then(|()| total.add(&*shard));
            debug_assert!(added.is_ok(), "{added:?}");
            shard.reset();
        }
        interval
    }

    /// Everything that was recorded.
    pub(crate) fn total(&self) -> Histogram<u64> {
        self.interval();
        lock(&self.total).clone()
    }
}

/// Counters and histograms are whole whatever happened to a thread that held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_of_all_threads_add_up() {
        let latencies = Latencies::new().unwrap();
        for micros in 1..=1_000_u64 {
            let thread = usize::try_from(micros).unwrap();
            latencies.record(thread, Duration::from_micros(micros));
        }
        let interval = latencies.interval();
        assert_eq!((interval.len(), interval.max()), (1_000, 1_000));
        assert!((495..=505).contains(&interval.value_at_quantile(0.5)));
        assert_eq!(latencies.interval().len(), 0);
        latencies.record(3, Duration::from_secs(3_600));
        let total = latencies.total();
        assert_eq!(total.len(), 1_001);
        assert!(total.max() >= 599_000_000, "{}", total.max());
        assert!((985..=995).contains(&total.value_at_quantile(0.99)));
    }

    #[test]
    fn errors_are_kept_by_kind_up_to_a_bound() {
        let figures = Figures::new().unwrap();
        for number in 0..100 {
            figures.error(&format!("error {number}"));
            figures.error("error 0");
        }
        let errors = figures.errors();
        assert_eq!(errors.len(), MAX_ERRORS + 1);
        assert_eq!((errors["error 0"], errors["other errors"]), (101, 80));
    }
}
