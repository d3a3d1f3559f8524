//! A histogram of response times that merges and subtracts exactly.
//!
//! Buckets are log-linear over microseconds, as in HdrHistogram: each power of two is cut into
//! [`SUB_BUCKETS`] equal parts, so a bucket's middle differs from any value in it by at most
//! 1/256 (0.4 %), and values below 256 µs are exact. Integer arithmetic only: the same values
//! give the same buckets everywhere, two histograms merge by adding counts, and a correction
//! subtracts what was added before. (Sketches of the usual libraries, DDSketch among them, do
//! not subtract, which late segments need.)

use std::collections::BTreeMap;

use crate::Micros;

/// Linear parts per power of two.
const SUB_BUCKETS: u64 = 128;
/// log2 of [`SUB_BUCKETS`].
const SUB_BITS: u32 = SUB_BUCKETS.trailing_zeros();

/// Counts of response times by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<u16, i64>,
}

impl Histogram {
    /// Counts one more response time; negative lengths count as zero.
    pub fn record(&mut self, length: Micros) {
        self.add(bucket_of(length), 1);
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        for (&bucket, &count) in &other.counts {
            self.add(bucket, count);
        }
    }

    /// Takes back all counts of `other`, which must have been added before.
    pub fn subtract(&mut self, other: &Histogram) {
        for (&bucket, &count) in &other.counts {
            self.add(bucket, -count);
        }
    }

    /// How many response times were recorded.
    pub fn total(&self) -> i64 {
        self.counts.values().sum()
    }

    /// Nothing recorded, or everything taken back.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// `(response time, count)` of every used bucket, shortest first.
    pub fn entries(&self) -> impl Iterator<Item = (Micros, i64)> + '_ {
        self.counts.iter().map(|(&bucket, &count)| (value_of(bucket), count))
    }

    fn add(&mut self, bucket: u16, count: i64) {
        let sum = self.counts.entry(bucket).or_insert(0);
        *sum += count;
        if *sum == 0 {
            self.counts.remove(&bucket);
        }
    }
}

/// The bucket of a value: the value itself below 2 × [`SUB_BUCKETS`], above it the power of two
/// and the part of it.
fn bucket_of(length: Micros) -> u16 {
    let value = length.clamped().get().unsigned_abs();
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let bucket = u64::from(shift) * SUB_BUCKETS + (value >> shift);
    u16::try_from(bucket).unwrap_or(u16::MAX) // 63 powers × 128 parts: always fits.
}

/// The middle of a bucket.
fn value_of(bucket: u16) -> Micros {
    let bucket = u64::from(bucket);
    let shift = (bucket / SUB_BUCKETS).saturating_sub(1);
    let low = (bucket - shift * SUB_BUCKETS) << shift;
    let middle = low + ((1_u64 << shift) >> 1);
    Micros::new(i64::try_from(middle).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[i64]) -> Histogram {
        let mut histogram = Histogram::default();
        for &value in values {
            histogram.record(Micros::new(value));
        }
        histogram
    }

    #[test]
    fn small_values_are_exact() {
        for value in 0..256 {
            assert_eq!(value_of(bucket_of(Micros::new(value))).get(), value);
        }
        assert_eq!(bucket_of(Micros::new(-5)), 0);
    }

    proptest! {
        #[test]
        fn every_value_is_near_its_bucket(value in 0_i64..=i64::MAX) {
            let near = value_of(bucket_of(Micros::new(value))).get();
            prop_assert!((near - value).unsigned_abs() <= value.unsigned_abs() / 256);
        }

        #[test]
        fn buckets_keep_the_order(a in 0_i64..=i64::MAX, b in 0_i64..=i64::MAX) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(bucket_of(Micros::new(low)) <= bucket_of(Micros::new(high)));
        }

        #[test]
        fn merging_adds_and_subtracting_takes_back(
            a in prop::collection::vec(0_i64..10_000_000, 0..50),
            b in prop::collection::vec(0_i64..10_000_000, 0..50),
        ) {
            let both = of(&[a.clone(), b.clone()].concat());
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(&merged, &both);
            merged.subtract(&of(&b));
            prop_assert_eq!(&merged, &of(&a));
            merged.subtract(&of(&a));
            prop_assert!(merged.is_empty());
        }
    }
}
