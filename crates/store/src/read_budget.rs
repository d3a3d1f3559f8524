//! How many traces queries may read whole.
//!
//! What columns do not tell, whole traces must, a thousand times as dearly. Who asks several
//! queries for one answer gives them one budget, so that the answer has an end.

use std::cell::Cell;
use std::num::NonZero;

use crate::StoreError;

/// Most traces. To read and assemble them takes some two seconds.
const MOST_TRACES: usize = 20_000;

/// Most bytes of their documents: some four seconds of assembly.
const MOST_BYTES: usize = 256 << 20;

/// Traces that may be read whole, and bytes of their documents. Queries that succeed take from it.
#[derive(Debug)]
pub struct ReadBudget {
    most: Amount,
    left: Cell<Amount>,
}

/// Traces and bytes of documents.
#[derive(Clone, Copy, Debug)]
struct Amount {
    traces: usize,
    bytes: usize,
}

impl Default for ReadBudget {
    /// 20,000 traces and 256 MiB, which take a few seconds.
    fn default() -> Self {
        Self::share_of(NonZero::<usize>::MIN)
    }
}

impl ReadBudget {
    /// One of so many equal parts of the default budget.
    pub fn share_of(parts: NonZero<usize>) -> Self {
        let most = Amount { traces: MOST_TRACES / parts, bytes: MOST_BYTES / parts };
        Self { most, left: Cell::new(most) }
    }

    /// So many traces and bytes.
    #[cfg(test)]
    pub(crate) fn of(traces: usize, bytes: usize) -> Self {
        let most = Amount { traces, bytes };
        Self { most, left: Cell::new(most) }
    }

    /// Traces that may still be read.
    pub(crate) fn traces(&self) -> usize {
        self.left.get().traces
    }

    /// Bytes that may still be read.
    pub(crate) fn bytes(&self) -> usize {
        self.left.get().bytes
    }

    /// Takes note of what was read.
    pub(crate) fn take(&self, traces: usize, bytes: usize) {
        let left = self.left.get();
        let (traces, bytes) =
            (left.traces.saturating_sub(traces), left.bytes.saturating_sub(bytes));
        self.left.set(Amount { traces, bytes });
    }

    /// What is told when it does not suffice.
    pub(crate) fn exceeded(&self) -> StoreError {
        StoreError::FilterTooBroad {
            most_traces: self.most.traces,
            most_mebibytes: self.most.bytes >> 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_taken_from_it() {
        let budget = ReadBudget::share_of(NonZero::new(4).unwrap());
        assert_eq!((budget.traces(), budget.bytes()), (5000, 64 << 20));
        budget.take(4000, 1 << 20);
        assert_eq!((budget.traces(), budget.bytes()), (1000, 63 << 20));
        budget.take(1001, 64 << 20);
        assert_eq!((budget.traces(), budget.bytes()), (0, 0));
        let message = budget.exceeded().to_string();
        assert!(message.contains("more than 5000 traces or 64 MiB"), "{message}");
    }
}
