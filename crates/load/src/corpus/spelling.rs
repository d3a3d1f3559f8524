//! How ids, numbers and times are written into a prepared document: always as wide as what they
//! replace, and without branches, for this is most of the cost of a document.

use roentgen_model::Timestamp;

/// Bytes of a time written with microseconds: `1795334983.877574`.
pub(super) const MICROSECONDS_WIDTH: usize = 17;
/// Bytes of a time written with milliseconds: `1795334983.877`.
pub(super) const MILLISECONDS_WIDTH: usize = 14;
/// Bytes of a time as Java writes it: `1.795334983877E9`.
pub(super) const SCIENTIFIC_WIDTH: usize = 16;

/// 2001-09-09: the first second with ten digits. Earlier times would be narrower than their place.
const FIRST_TIME: i64 = 1_000_000_000_000_000;
/// 2286-11-20: the last microsecond whose second has ten digits.
const LAST_TIME: i64 = 9_999_999_999_999_999;

/// Eight lower-case hexadecimal digits.
pub(super) fn hex_8(value: u32) -> [u8; 8] {
    // One nibble into each byte, then all eight to digits at once.
    let mut nibbles = u64::from(value);
    nibbles = ((nibbles & 0xffff_0000) << 16) | (nibbles & 0xffff);
    nibbles = ((nibbles & 0x0000_ff00_0000_ff00) << 8) | (nibbles & 0x0000_00ff_0000_00ff);
    nibbles = ((nibbles & 0x00f0_00f0_00f0_00f0) << 4) | (nibbles & 0x000f_000f_000f_000f);
    let is_letter = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (nibbles + 0x3030_3030_3030_3030 + is_letter * 0x27).to_be_bytes()
}

/// Sixteen lower-case hexadecimal digits.
pub(super) fn hex_16(value: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let (high, low) = halves(value);
    put(&mut digits, 0, &hex_8(high));
    put(&mut digits, 8, &hex_8(low));
    digits
}

/// A UUID of these bits; the fixed ones of version 4 are set.
pub(super) fn uuid(high: u64, low: u64) -> [u8; 36] {
    let first = hex_16((high & 0xffff_ffff_ffff_0fff) | 0x4000);
    let last = hex_16((low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000);
    let mut text = [b'-'; 36];
    let groups = [
        (0, &first, 0..8),
        (9, &first, 8..12),
        (14, &first, 12..16),
        (19, &last, 0..4),
        (24, &last, 4..16),
    ];
    for (at, digits, range) in groups {
        if let (Some(place), Some(group)) = (text.get_mut(at..at + range.len()), digits.get(range))
        {
            place.copy_from_slice(group);
        }
    }
    text
}

/// Six decimal digits, the first of them not 0, so that they stand for a number as well.
pub(super) fn six_digits(bits: u64) -> [u8; 6] {
    let (_, low) = halves(bits);
    let [_, _, digits @ ..] = decimal_8(100_000 + low % 900_000);
    digits
}

/// `1795334983.877574`
pub(super) fn microseconds(time: i64) -> [u8; MICROSECONDS_WIDTH] {
    let mut text = [b'.'; MICROSECONDS_WIDTH];
    let [seconds @ .., a, b, c, d, e, f] = decimal_16(time);
    put(&mut text, 0, &seconds);
    put(&mut text, 11, &[a, b, c, d, e, f]);
    text
}

/// `1795334983.877`
pub(super) fn milliseconds(time: i64) -> [u8; MILLISECONDS_WIDTH] {
    let mut text = [b'.'; MILLISECONDS_WIDTH];
    let [seconds @ .., a, b, c, _, _, _] = decimal_16(time);
    put(&mut text, 0, &seconds);
    put(&mut text, 11, &[a, b, c]);
    text
}

/// `1.795334983877E9`
pub(super) fn scientific(time: i64) -> [u8; SCIENTIFIC_WIDTH] {
    let mut text = *b"0.000000000000E9";
    let [first, rest @ .., _, _, _] = decimal_16(time);
    put(&mut text, 0, &[first]);
    put(&mut text, 2, &rest);
    text
}

/// The whole second of a time, as in a trace id.
pub(super) fn epoch_second(time: i64) -> u32 {
    let seconds = Timestamp::from_micros(time).as_micros().div_euclid(1_000_000);
    u32::try_from(seconds).unwrap_or(0)
}

/// Overwrites part of a text; the place is within it by construction.
pub(super) fn put<const N: usize>(text: &mut [u8], at: usize, value: &[u8; N]) {
    if let Some(place) = text.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<N>) {
        *place = *value;
    }
}

/// Microseconds since the epoch with all sixteen digits: ten of the second and six behind.
fn decimal_16(time: i64) -> [u8; 16] {
    let time = time.clamp(FIRST_TIME, LAST_TIME);
    let half = |value: i64| u32::try_from(value).unwrap_or(0);
    let mut digits = [0; 16];
    put(&mut digits, 0, &decimal_8(half(time / 100_000_000)));
    put(&mut digits, 8, &decimal_8(half(time % 100_000_000)));
    digits
}

/// Eight decimal digits of a number below 10⁸: two halves, four quarters, eight digits, each step
/// for all parts at once by multiplication with a reciprocal.
fn decimal_8(value: u32) -> [u8; 8] {
    let (high, low) = (u64::from(value / 10_000), u64::from(value % 10_000));
    let halves = high | (low << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | ((halves - hundreds * 100) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    let digits = tens | ((quarters - tens * 10) << 8);
    (digits + 0x3030_3030_3030_3030).to_le_bytes()
}

fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(bits: u64, number in 0_u32..100_000_000) {
            assert_eq!(text(&hex_16(bits)), format!("{bits:016x}"));
            assert_eq!(text(&decimal_8(number)), format!("{number:08}"));
            let six: u32 = text(&six_digits(bits)).parse().unwrap();
            assert!((100_000..1_000_000).contains(&six));
        }

        #[test]
        fn times_are_read_back_as_written(time in FIRST_TIME..=4_102_444_800_000_000) {
            let micros = |bytes: &[u8]| {
                Timestamp::from_seconds(text(bytes).parse().unwrap()).unwrap().as_micros()
            };
            assert_eq!(micros(&microseconds(time)), time);
            assert_eq!(micros(&milliseconds(time)), time - time % 1_000);
            assert_eq!(micros(&scientific(time)), time - time % 1_000);
            assert_eq!(i64::from(epoch_second(time)), time / 1_000_000);
        }
    }

    #[test]
    fn spellings() {
        let time = 1_795_334_983_877_574;
        assert_eq!(text(&microseconds(time)), "1795334983.877574");
        assert_eq!(text(&milliseconds(time)), "1795334983.877");
        assert_eq!(text(&scientific(time)), "1.795334983877E9");
        assert_eq!(text(&microseconds(5)), "1000000000.000000");
        assert_eq!(text(&uuid(u64::MAX, 0)), "ffffffff-ffff-4fff-8000-000000000000");
        assert_eq!(
            text(&uuid(0x0123_4567_89ab_cdef, u64::MAX)),
            "01234567-89ab-4def-bfff-ffffffffffff"
        );
    }
}
