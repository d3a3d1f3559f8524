//! The one unit of time of this crate.

/// A moment as microseconds since 1970-01-01T00:00:00Z.
///
/// Microseconds, because SDKs compare `LastRuleModification` with the time of their last fetch: in
/// whole seconds a rule changed in the second of the fetch would go unnoticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochMicros(pub u64);

const MICROS_PER_SECOND: u64 = 1_000_000;

impl EpochMicros {
    /// The moment at the start of this second; the end of time when there is no such moment.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / MICROS_PER_SECOND
    }

    /// Seconds with a fraction, as X-Ray writes times in JSON.
    pub fn as_seconds_f64(self) -> f64 {
        // Exact until the year 2255: an f64 holds integers up to 2^53.
        self.0 as f64 / MICROS_PER_SECOND as f64
    }

    /// Whole seconds from `earlier` to this moment; 0 when `earlier` is later, as after the clock
    /// was set back.
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / MICROS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_fractions() {
        let moment = EpochMicros(1_795_334_983_877_574);
        assert_eq!(moment.seconds(), 1_795_334_983);
        assert_eq!(moment.as_seconds_f64(), 1_795_334_983.877_574);
        assert_eq!(EpochMicros::from_seconds(7), EpochMicros(7_000_000));
        assert_eq!(EpochMicros::from_seconds(u64::MAX), EpochMicros(u64::MAX));
    }

    #[test]
    fn time_that_runs_backwards_counts_as_none() {
        let later = EpochMicros::from_seconds(20);
        let earlier = EpochMicros::from_seconds(9);
        assert_eq!(later.seconds_since(earlier), 11);
        assert_eq!(earlier.seconds_since(later), 0);
    }
}
