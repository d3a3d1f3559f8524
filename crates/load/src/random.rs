//! Chance, from a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use roentgen_model::{Micros, SegmentId, Timestamp, TraceId};

use crate::topology::Latency;

/// The longest that anything takes: half a minute, after which most clients have given up.
const LONGEST_MS: f64 = 30_000.0;
/// The shortest: what a clock of microseconds can still tell from nothing.
const SHORTEST_MS: f64 = 0.05;

/// A source of everything that is left to chance. The same seed gives the same again.
#[derive(Debug)]
pub(crate) struct Random(StdRng);

impl Random {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Whether something of this probability comes to pass.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random::<f64>() < probability
    }

    /// A number from 0 (included) to 1 (excluded).
    pub(crate) fn fraction(&mut self) -> f64 {
        self.0.random()
    }

    /// A number from `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: u32, most: u32) -> u32 {
        self.0.random_range(least..=most.max(least))
    }

    /// One of the items; the default when there is none.
    pub(crate) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let index = self.0.random_range(0..items.len().max(1));
        items.get(index).copied().unwrap_or_default()
    }

    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.random()
    }

    /// `digits` lower-case hexadecimal digits, up to 16.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        let mut text = format!("{:016x}", self.bits());
        text.truncate(digits);
        text
    }

    pub(crate) fn segment_id(&mut self) -> SegmentId {
        SegmentId::from_u64(self.bits())
    }

    /// A trace id as X-Ray SDKs make them: the second in which the trace begins, then 96 random
    /// bits.
    pub(crate) fn trace_id(&mut self, begin: Timestamp) -> TraceId {
        let seconds = u32::try_from(begin.as_micros() / 1_000_000).unwrap_or(0);
        let mut bytes: [u8; 16] = self.0.random();
        let [a, b, c, d, ..] = &mut bytes;
        [*a, *b, *c, *d] = seconds.to_be_bytes();
        TraceId::from_bytes(bytes)
    }

    /// How long it takes this time.
    pub(crate) fn duration(&mut self, latency: Latency) -> Micros {
        // Box and Muller's transform of two even numbers into a normal one.
        let radius = (-2.0 * (1.0 - self.fraction()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.fraction()).cos();
        let factor = if self.chance(latency.slow) { latency.slow_factor } else { 1.0 };
        let milliseconds = latency.median_ms * (latency.spread * normal).exp() * factor;
        micros(milliseconds.clamp(SHORTEST_MS, LONGEST_MS))
    }

    /// A length of time from `least_ms` to `most_ms`, evenly.
    pub(crate) fn pause(&mut self, least_ms: f64, most_ms: f64) -> Micros {
        micros(least_ms + (most_ms - least_ms) * self.fraction())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most a few minutes")]
fn micros(milliseconds: f64) -> Micros {
    Micros::new((milliseconds * 1_000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_chance() {
        let draw = |seed| {
            let mut random = Random::from_seed(seed);
            (random.bits(), random.hex(8), random.between(1, 1000))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn trace_ids_begin_with_the_second() {
        let begin = Timestamp::from_micros(0x6b02_a347_i64 * 1_000_000 + 5);
        let id = Random::from_seed(1).trace_id(begin).to_string();
        assert!(id.starts_with("1-6b02a347-"), "{id}");
    }

    #[test]
    fn durations_are_log_normal_with_outliers() {
        let mut random = Random::from_seed(3);
        let latency = Latency::of(20.0, 0.5).with_slow(0.05, 20.0);
        let mut all: Vec<i64> = (0..20_001).map(|_| random.duration(latency).get()).collect();
        all.sort_unstable();
        let percentile = |percent: usize| all[all.len() * percent / 100] as f64 / 1000.0;
        assert!((19.0..23.0).contains(&percentile(50)), "{}", percentile(50));
        // One standard deviation up, a little more for the outliers.
        assert!((31.0..39.0).contains(&percentile(84)), "{}", percentile(84));
        assert!(percentile(98) > 200.0, "{}", percentile(98));
        assert!(all[0] >= 50);
    }

    #[test]
    fn a_pick_from_nothing_is_the_default() {
        assert_eq!(Random::from_seed(1).pick::<u32>(&[]), 0);
        assert_eq!(Random::from_seed(1).pick(&[5u32]), 5);
    }
}
