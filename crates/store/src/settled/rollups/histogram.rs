//! Histograms as bytes: in a busy minute most buckets take one byte.
//!
//! The high half of a byte is the number of empty buckets before this one, the low half its
//! count. A high half of 15 is followed by how many more than 15 there are, a low half of 0 by
//! the count, which may be negative.

use roentgen_model::Histogram;

use super::super::encoding::{Input, Malformed, write_number, write_signed};

const MOST: u16 = 15;

/// Appends a histogram.
pub(super) fn write_histogram(histogram: &Histogram, out: &mut Vec<u8>) {
    let mut next = 0;
    for (bucket, count) in histogram.buckets() {
        let gap = bucket - next;
        let short_count = u8::try_from(count).ok().filter(|count| u16::from(*count) <= MOST);
        let short_gap = u8::try_from(gap.min(MOST)).unwrap_or_default();
        out.push(short_gap << 4 | short_count.unwrap_or(0));
        if gap >= MOST {
            write_number(out, u64::from(gap - MOST));
        }
        if matches!(short_count, None | Some(0)) {
            write_signed(out, count);
        }
        next = bucket.saturating_add(1);
    }
}

/// Hands each bucket and its count to `found`, in the order of buckets.
pub(super) fn read_histogram(
    bytes: &[u8],
    mut found: impl FnMut(u16, i64),
) -> Result<(), Malformed> {
    let mut input = Input::new(bytes);
    let mut next = 0_u32;
    while input.len() > 0 {
        let [byte] = input.array()?;
        let mut gap = u32::from(byte >> 4);
        if gap == u32::from(MOST) {
            gap = gap.checked_add(input.small()?).ok_or(Malformed)?;
        }
        let count = match byte & 0xF {
            0 => input.signed()?,
            count => i64::from(count),
        };
        let bucket = next.checked_add(gap).ok_or(Malformed)?;
        found(u16::try_from(bucket).map_err(|_| Malformed)?, count);
        next = bucket + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes_of(buckets: &[(u16, i64)]) -> Vec<u8> {
        let mut out = Vec::new();
        write_histogram(&Histogram::from_buckets(buckets.iter().copied()), &mut out);
        out
    }

    #[test]
    fn the_bytes_are_those_of_the_format_description() {
        let check = |buckets: &[(u16, i64)], expect: &[u8]| assert_eq!(bytes_of(buckets), expect);
        check(&[], &[]);
        check(&[(0, 1), (1, 15), (16, 2)], &[0x01, 0x0F, 0xE2]);
        check(&[(15, 3)], &[0xF3, 0]);
        check(&[(20, 16)], &[0xF0, 5, 32]);
        check(&[(2, -1)], &[0x20, 1]);
    }

    #[test]
    fn buckets_beyond_the_last_are_malformed() {
        let read = |bytes: &[u8]| read_histogram(bytes, |_, _| {});
        assert_eq!(read(&bytes_of(&[(u16::MAX, 1)])), Ok(()));
        assert_eq!(read(&[0xF1, 0xF1, 0xFF, 0x03]), Err(Malformed));
        assert_eq!(read(&[0xF1]), Err(Malformed));
        let last = bytes_of(&[(u16::MAX, 1)]);
        assert_eq!(read(&[last, vec![0x01]].concat()), Err(Malformed));
    }

    proptest! {
        #[test]
        fn histograms_come_back(
            // What a count of the model can be.
            buckets in prop::collection::btree_map(0_u16..300, -(1_i64 << 47)..1 << 47, 0..60),
        ) {
            let buckets: Vec<(u16, i64)> = buckets.into_iter().filter(|(_, count)| *count != 0).collect();
            let mut found = Vec::new();
            read_histogram(&bytes_of(&buckets), |bucket, count| found.push((bucket, count))).unwrap();
            prop_assert_eq!(found, buckets);
        }
    }
}
