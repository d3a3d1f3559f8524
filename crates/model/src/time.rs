//! Points in time and lengths of time, both in microseconds, the resolution that X-Ray
//! recommends for `start_time` and `end_time`.

use std::ops::Sub;

const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// A point in time: microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A length of time in microseconds; negative when clocks disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(i64);

impl Timestamp {
    /// The latest time a document may carry: the end of the year 9999. Later numbers are
    /// milliseconds or garbage taken for seconds.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999_999);

    /// The time `micros` after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time at this many epoch seconds, rounded to the microsecond; `None` when it is not
    /// a number, before 1970 or after [`Timestamp::MAX`].
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        let micros = (seconds * MICROS_PER_SECOND).round();
        let in_range = (0.0..=Self::MAX.0 as f64).contains(&micros);
        in_range.then(|| Self(to_i64(micros)))
    }

    /// Epoch seconds with a fraction, the form of every time on X-Ray's wire.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND
    }

    /// Minutes since the Unix epoch, rounded down: the key of the graph's rollups.
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(60_000_000)
    }

    /// The beginning of a [`Timestamp::minute`].
    pub const fn from_minute(minute: i64) -> Self {
        Self(minute.saturating_mul(60_000_000))
    }

    /// The time `length` later.
    pub const fn plus(self, length: Micros) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// The time `length` earlier.
    pub const fn minus(self, length: Micros) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

impl Sub for Timestamp {
    type Output = Micros;

    fn sub(self, earlier: Self) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

impl Micros {
    /// No time at all.
    pub const ZERO: Micros = Micros(0);

    /// A length of so many microseconds.
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// A length of so many whole seconds.
    pub const fn from_whole_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// The length in microseconds.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The length in seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / MICROS_PER_SECOND
    }

    /// The length, or zero if it is negative (a clock that ran backwards between start and end).
    pub fn clamped(self) -> Self {
        Self(self.0.max(0))
    }

    /// The sum; lengths this long do not overflow in practice, and saturate if they do.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Converts a rounded, range-checked float.
#[expect(clippy::cast_possible_truncation, reason = "the caller has rounded and checked the range")]
const fn to_i64(value: f64) -> i64 {
    value as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_microseconds_and_back() {
        let check = |seconds: f64, expect: Option<i64>| {
            assert_eq!(Timestamp::from_seconds(seconds).map(Timestamp::as_micros), expect);
        };
        check(1_795_334_983.877_574, Some(1_795_334_983_877_574));
        check(1.795_336_495_448E9, Some(1_795_336_495_448_000));
        check(0.0, Some(0));
        check(-1.0, None);
        check(f64::NAN, None);
        check(f64::INFINITY, None);
        check(1.795e12, None); // Milliseconds sent as seconds.
        assert_eq!(Timestamp::from_micros(1_500_000).as_seconds(), 1.5);
    }

    proptest::proptest! {
        #[test]
        fn the_wires_seconds_keep_every_microsecond(micros in 0_i64..4_102_444_800_000_000) {
            let time = Timestamp::from_micros(micros);
            proptest::prop_assert_eq!(Timestamp::from_seconds(time.as_seconds()), Some(time));
        }
    }

    #[test]
    fn minutes_round_down() {
        assert_eq!(Timestamp::from_micros(59_999_999).minute(), 0);
        assert_eq!(Timestamp::from_micros(60_000_000).minute(), 1);
        assert_eq!(Timestamp::from_micros(-1).minute(), -1);
    }

    #[test]
    fn skewed_clocks_give_no_negative_length() {
        let length = Timestamp::from_micros(5) - Timestamp::from_micros(9);
        assert_eq!(length.get(), -4);
        assert_eq!(length.clamped(), Micros::ZERO);
    }
}
