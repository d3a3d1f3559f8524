//! Counting traces in bounded memory: exactly as long as they are few, then by an estimate.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use roentgen_model::TraceId;

/// Traces that are counted exactly: some 40 MB of memory.
const MAX_EXACT: usize = 1 << 20;

/// Bits of a hash that choose a register. With 2^14 registers the estimate is 0.8 % off, as one
/// standard deviation (Flajolet and others 2007, HyperLogLog: 1.04 / √m).
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// A number of traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceCount {
    /// So many.
    Exactly(u64),
    /// So many, some percent more or less: there are too many to remember each.
    About(u64),
}

/// The traces seen so far.
#[derive(Debug)]
pub(super) struct DistinctTraces {
    // A keyed hasher: senders choose the ids.
    hasher: RandomState,
    max_exact: usize,
    exact: HashSet<TraceId>,
    /// For each register the longest run of leading zeros seen in a hash, plus one. Empty as long
    /// as the count is exact.
    registers: Vec<u8>,
}

impl DistinctTraces {
    pub(super) fn new() -> Self {
        Self::with_exact(MAX_EXACT)
    }

    fn with_exact(max_exact: usize) -> Self {
        let hasher = RandomState::new();
        Self { hasher, max_exact, exact: HashSet::new(), registers: Vec::new() }
    }

    pub(super) fn add(&mut self, id: TraceId) {
        if !self.registers.is_empty() {
            self.register(id);
            return;
        }
        self.exact.insert(id);
        if self.exact.len() > self.max_exact {
            self.registers = vec![0; REGISTERS];
            for id in std::mem::take(&mut self.exact) {
                self.register(id);
            }
        }
    }

    fn register(&mut self, id: TraceId) {
        let hash = self.hasher.hash_one(id);
        let rest = hash << REGISTER_BITS;
        let run = rest.leading_zeros().min(u64::BITS - REGISTER_BITS) + 1;
        let index = usize::try_from(hash >> (u64::BITS - REGISTER_BITS)).unwrap_or_default();
        if let Some(register) = self.registers.get_mut(index) {
            *register = (*register).max(u8::try_from(run).unwrap_or(u8::MAX));
        }
    }

    pub(super) fn count(&self) -> TraceCount {
        if self.registers.is_empty() {
            return TraceCount::Exactly(self.exact.len() as u64);
        }
        // The estimator for more than 2.5 m; `max_exact` is far more.
        let registers = REGISTERS as f64;
        let sum: f64 = self.registers.iter().map(|run| 0.5_f64.powi(i32::from(*run))).sum();
        let alpha = 0.7213 / (1.0 + 1.079 / registers);
        let estimate = (alpha * registers * registers / sum).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive estimate of a number that was counted in u64"
        )]
        TraceCount::About(estimate as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_counted_exactly_and_many_about() {
        let mut traces = DistinctTraces::with_exact(100_000);
        let add = |traces: &mut DistinctTraces, numbers: std::ops::Range<u128>| {
            for number in numbers {
                traces.add(TraceId::from_bytes(number.to_be_bytes()));
                traces.add(TraceId::from_bytes((number / 2).to_be_bytes()));
            }
        };
        assert_eq!(traces.count(), TraceCount::Exactly(0));
        add(&mut traces, 0..100_000);
        assert_eq!(traces.count(), TraceCount::Exactly(100_000));
        add(&mut traces, 0..300_000);
        let TraceCount::About(about) = traces.count() else { panic!("not an estimate") };
        // Six standard deviations: the hasher's key is another one each time.
        assert!((285_000..=315_000).contains(&about), "{about}");
    }
}
