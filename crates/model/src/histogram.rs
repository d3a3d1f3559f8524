//! A histogram of response times that merges and subtracts exactly.
//!
//! Buckets are log-linear over microseconds, as in HdrHistogram: each power of two is cut into
//! [`SUB_BUCKETS`] equal parts, so a bucket's middle differs from any value in it by at most
//! 1/256 (0.4 %), and values below 256 µs are exact. Integer arithmetic only: the same values
//! give the same buckets everywhere, two histograms merge by adding counts, and a correction
//! subtracts what was added before. (Sketches of the usual libraries, DDSketch among them, do
//! not subtract, which late segments need.)

use std::fmt;

use crate::Micros;

/// Linear parts per power of two.
const SUB_BUCKETS: u64 = 128;
/// log2 of [`SUB_BUCKETS`].
const SUB_BITS: u32 = SUB_BUCKETS.trailing_zeros();
/// No bucket has this number or a higher one: 55 powers of two above the exact values.
const BUCKETS: usize = 58 * 128;
/// So many response times are counted in a table of the buckets between the least and the greatest;
/// for fewer it takes longer to make one.
const MANY: usize = 64;

/// Counts of response times by bucket.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Buckets in use with their counts, by bucket. A sorted list: rollups hold very many
    /// histograms, most of them of few buckets.
    counts: Vec<Count>,
}

/// A bucket in the upper 16 bits and its count, which may be negative on the way, in the lower
/// 48: reading many histograms takes the time that their bytes take. (Three years of a million
/// requests a second, all in one bucket, do not fill them.)
#[derive(Clone, Copy, PartialEq, Eq)]
struct Count(u64);

impl Count {
    const BITS: u32 = 48;

    const fn new(bucket: u16, count: i64) -> Self {
        Self((bucket as u64) << Self::BITS | count.cast_unsigned() << 16 >> 16)
    }

    fn bucket(self) -> u16 {
        let [.., low, high] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    fn count(self) -> i64 {
        (self.0 << 16).cast_signed() >> 16
    }
}

impl Histogram {
    /// The histogram with these counts by bucket, as [`Histogram::buckets`] gives them, in any
    /// order.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (u16, i64)>) -> Self {
        let mut histogram = Self::default();
        buckets.into_iter().for_each(|(bucket, count)| histogram.add(bucket, count));
        histogram
    }

    /// Counts one more response time; negative lengths count as zero.
    pub fn record(&mut self, length: Micros) {
        self.add(bucket_of(length), 1);
    }

    /// Counts more response times; much faster than one by one if they are many.
    pub(crate) fn record_all(&mut self, lengths: impl ExactSizeIterator<Item = Micros>) {
        if lengths.len() < MANY {
            lengths.for_each(|length| self.record(length));
            return;
        }
        let buckets: Vec<u16> = lengths.map(bucket_of).collect();
        let ends = buckets.iter().min().zip(buckets.iter().max());
        let Some((&first, &last)) = ends else { return };
        let mut table = vec![0_u32; usize::from(last - first) + 1];
        for bucket in buckets {
            let count = table.get_mut(usize::from(bucket - first));
            count.into_iter().for_each(|count| *count += 1);
        }
        let used = (first..=last).zip(table).filter(|(_, count)| *count > 0);
        let counts = used.map(|(bucket, count)| Count::new(bucket, count.into())).collect();
        self.merge(&Histogram { counts });
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Histogram) {
        self.apply(other, 1);
    }

    /// Takes back all counts of `other`, which must have been added before.
    pub fn subtract(&mut self, other: &Histogram) {
        self.apply(other, -1);
    }

    /// How many response times were recorded.
    pub fn total(&self) -> i64 {
        self.counts.iter().map(|count| count.count()).sum()
    }

    /// Nothing recorded, or everything taken back.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// `(response time, count)` of every used bucket, shortest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (Micros, i64)> + '_ {
        self.counts.iter().map(|count| (value_of(count.bucket()), count.count()))
    }

    /// `(number of the bucket, count)` of every used bucket, shortest first: what is stored.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (u16, i64)> + '_ {
        self.counts.iter().map(|count| (count.bucket(), count.count()))
    }

    fn add(&mut self, bucket: u16, more: i64) {
        match self.counts.binary_search_by_key(&bucket, |count| count.bucket()) {
            Ok(place) => {
                let Some(count) = self.counts.get_mut(place) else { return };
                *count = Count::new(bucket, count.count() + more);
                if count.count() == 0 {
                    self.counts.remove(place);
                }
            }
            Err(_) if more == 0 => {}
            Err(place) => self.counts.insert(place, Count::new(bucket, more)),
        }
    }

    /// Adds counts of another, times `factor`.
    fn apply(&mut self, other: &Histogram, factor: i64) {
        // A few into many: searching is cheaper than a walk through all.
        if other.counts.len() < self.counts.len() / 8 {
            other.buckets().for_each(|(bucket, count)| self.add(bucket, factor * count));
            return;
        }
        let ours = std::mem::take(&mut self.counts);
        self.counts.reserve_exact(ours.len() + other.counts.len());
        let (mut ours, mut theirs) = (ours.into_iter().peekable(), other.counts.iter().peekable());
        loop {
            let bucket = match (ours.peek(), theirs.peek()) {
                (Some(ours), Some(theirs)) => ours.bucket().min(theirs.bucket()),
                (Some(count), None) | (None, Some(&count)) => count.bucket(),
                (None, None) => break,
            };
            let kept = ours.next_if(|count| count.bucket() == bucket).map_or(0, Count::count);
            let change = theirs.next_if(|count| count.bucket() == bucket);
            let sum = kept + change.map_or(0, |count| factor * count.count());
            if sum != 0 {
                self.counts.push(Count::new(bucket, sum));
            }
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

/// Adds very many histograms up: a place for each bucket, which costs nothing to find.
#[derive(Debug)]
pub(crate) struct HistogramSum {
    counts: Vec<i64>,
}

impl HistogramSum {
    /// Room for one sum at a time.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS] }
    }

    /// The sum of histograms, each times its factor.
    pub(crate) fn of<'h>(
        &mut self,
        histograms: impl Iterator<Item = (&'h Histogram, i64)>,
    ) -> Histogram {
        let (mut first, mut last) = (usize::MAX, 0);
        for (histogram, factor) in histograms {
            let ends = histogram.counts.first().zip(histogram.counts.last());
            let Some((least, most)) = ends else { continue };
            first = first.min(usize::from(least.bucket()));
            last = last.max(usize::from(most.bucket()));
            for count in &histogram.counts {
                if let Some(sum) = self.counts.get_mut(usize::from(count.bucket())) {
                    *sum += factor * count.count();
                }
            }
        }
        let mut counts = Vec::new();
        let used = self.counts.iter_mut().enumerate().take(last + 1).skip(first);
        for (bucket, sum) in used.filter(|(_, sum)| **sum != 0) {
            counts.push(Count::new(u16::try_from(bucket).unwrap_or(u16::MAX), *sum));
            *sum = 0;
        }
        Histogram { counts }
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
        assert!(usize::from(bucket_of(Micros::new(i64::MAX))) < BUCKETS);
    }

    #[test]
    fn buckets_come_back_in_any_order() {
        let histogram = of(&[5, 5, 1_000, 70_000, 3]);
        let mut buckets: Vec<_> = histogram.buckets().collect();
        assert!(buckets.is_sorted());
        buckets.reverse();
        assert_eq!(Histogram::from_buckets(buckets), histogram);
        assert!(Histogram::from_buckets([(7, 2), (7, -2), (8, 0)]).is_empty());
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
        fn many_are_counted_as_one_by_one(
            before in prop::collection::vec(-5_i64..2_000, 0..20),
            values in prop::collection::vec(prop_oneof![-5_i64..2_000, any::<i64>()], 0..3 * MANY),
        ) {
            let mut at_once = of(&before);
            at_once.record_all(values.iter().map(|value| Micros::new(*value)));
            prop_assert_eq!(at_once, of(&[before, values].concat()));
        }

        #[test]
        fn many_are_added_at_once(
            parts in prop::collection::vec(
                (prop::collection::vec(0_i64..=i64::MAX, 0..50), -2_i64..3), 0..10),
        ) {
            let mut expect = Histogram::default();
            for (values, factor) in &parts {
                expect.apply(&of(values), *factor);
            }
            let parts: Vec<_> = parts.iter().map(|(values, factor)| (of(values), *factor)).collect();
            let mut sum = HistogramSum::new();
            for _ in 0..2 {
                let parts = parts.iter().map(|(histogram, factor)| (histogram, *factor));
                prop_assert_eq!(&sum.of(parts), &expect);
            }
        }

        #[test]
        fn merging_adds_and_subtracting_takes_back(
            a in prop::collection::vec(0_i64..10_000_000, 0..50),
            b in prop::collection::vec(0_i64..10_000_000, 0..400),
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
