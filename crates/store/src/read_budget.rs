//! How many traces queries may read whole.
//!
//! What columns do not tell, whole traces must, a thousand times as dearly. Who asks several
//! queries for one answer gives them one budget, so that the answer has an end.

use std::cell::Cell;
use std::num::NonZero;
use std::sync::Weak;
use std::time::Duration;

use crate::StoreError;

/// Most traces. To read and assemble them takes some two seconds.
const MOST_TRACES: usize = 20_000;

/// Most bytes of their documents: some four seconds of assembly.
const MOST_BYTES: usize = 256 << 20;

/// Longest that may take. A filter of hundreds of terms may need many times as long for a trace
/// as to read it does. The others wait for their turn half a minute at most.
const MOST_TIME: Duration = Duration::from_secs(15);

/// Traces that may be read whole, bytes of their documents, and time for that and for what is asked
/// of them. Queries that succeed take from it.
#[derive(Debug)]
pub struct ReadBudget {
    most: Amount,
    left: Cell<Amount>,
    caller: Option<Weak<()>>,
}

/// Traces, bytes of documents, and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) traces: usize,
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
}

impl Default for ReadBudget {
    /// 20,000 traces and 256 MiB, which usually take a few seconds, and 15 seconds.
    fn default() -> Self {
        Self::share_of(NonZero::<usize>::MIN)
    }
}

impl ReadBudget {
    /// One of so many equal parts of the default budget.
    pub fn share_of(parts: NonZero<usize>) -> Self {
        let divisor = u32::try_from(parts.get()).unwrap_or(u32::MAX);
        Self::of(Amount {
            traces: MOST_TRACES / parts,
            bytes: MOST_BYTES / parts,
            time: MOST_TIME / divisor,
        })
    }

    /// So much.
    pub(crate) fn of(most: Amount) -> Self {
        Self { most, left: Cell::new(most), caller: None }
    }

    /// The same as long as there is the other end of this; nothing may be read any more when it is
    /// gone, as a caller is who has hung up.
    #[must_use]
    pub fn while_there_is(self, caller: Weak<()>) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// What may still be read.
    pub(crate) fn left(&self) -> Amount {
        self.left.get()
    }

    /// What is gone when there is nobody any more to read for.
    pub(crate) fn caller(&self) -> Option<&Weak<()>> {
        self.caller.as_ref()
    }

    /// Takes note of what was read.
    pub(crate) fn take(&self, read: Amount) {
        let left = self.left.get();
        self.left.set(Amount {
            traces: left.traces.saturating_sub(read.traces),
            bytes: left.bytes.saturating_sub(read.bytes),
            time: left.time.saturating_sub(read.time),
        });
    }

    /// What is told when it does not suffice.
    pub(crate) fn exceeded(&self) -> StoreError {
        StoreError::FilterTooBroad {
            most_traces: self.most.traces,
            most_mebibytes: self.most.bytes >> 20,
            most_seconds: self.most.time.as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_taken_from_it() {
        let budget = ReadBudget::share_of(NonZero::new(5).unwrap());
        let mebibyte = 1 << 20;
        let check = |traces: usize, mebibytes: usize, seconds: u64| {
            let left = budget.left();
            assert_eq!((left.traces, left.bytes / mebibyte), (traces, mebibytes));
            assert_eq!(left.time, Duration::from_secs(seconds));
        };
        check(4000, 51, 3);
        budget.take(Amount { traces: 3000, bytes: mebibyte, time: Duration::from_secs(1) });
        check(1000, 50, 2);
        budget.take(Amount { traces: 1001, bytes: 64 * mebibyte, time: Duration::from_secs(9) });
        check(0, 0, 0);
        let message = budget.exceeded().to_string();
        assert!(message.contains("more than 4000 traces or 51 MiB"), "{message}");
        assert!(message.contains("more than 3 seconds"), "{message}");
    }
}
