//! The steps that a range of minutes is cut into, each with a service graph of its own.

use std::num::NonZero;
use std::ops::RangeInclusive;

/// A range of minutes, whole or cut into steps of so many minutes. Steps begin at multiples of
/// their length since the Unix epoch, whatever the range: of the first and the last one, only the
/// minutes count that lie in the range.
#[derive(Clone, Debug)]
pub struct Steps {
    minutes: RangeInclusive<i64>,
    length: Option<NonZero<u32>>,
}

impl Steps {
    /// The steps of a range; without a length, it is one step.
    pub fn new(minutes: RangeInclusive<i64>, length: Option<NonZero<u32>>) -> Self {
        Self { minutes, length }
    }

    /// The whole range.
    pub(crate) fn minutes(&self) -> RangeInclusive<i64> {
        self.minutes.clone()
    }

    /// Whether some of these minutes are in the range.
    pub(crate) fn touches(&self, minutes: &RangeInclusive<i64>) -> bool {
        minutes.start() <= self.minutes.end() && self.minutes.start() <= minutes.end()
    }

    /// Whether the range is one step, however long it is.
    pub(crate) fn is_whole(&self) -> bool {
        self.length.is_none()
    }

    /// The first minute of the step that a minute is in, which names the step; that of the range
    /// if it is not cut. `None` outside of the range.
    pub(crate) fn of(&self, minute: i64) -> Option<i64> {
        let start = || match self.length {
            Some(length) => minute.saturating_sub(minute.rem_euclid(i64::from(length.get()))),
            None => *self.minutes.start(),
        };
        self.minutes.contains(&minute).then(start)
    }

    /// The minutes of a step that lie in the range.
    pub(crate) fn minutes_of(&self, step: i64) -> RangeInclusive<i64> {
        let (first, last) = (*self.minutes.start(), *self.minutes.end());
        match self.length {
            Some(length) => {
                let end = step.saturating_add(i64::from(length.get()) - 1);
                step.max(first)..=end.min(last)
            }
            None => first..=last,
        }
    }

    /// The range in two at the beginning of the step that a minute is in, so that no step is in
    /// both; `None` when there is nothing on one side of it.
    pub(super) fn split(&self, minute: i64) -> Option<[Self; 2]> {
        let (first, last) = (*self.minutes.start(), *self.minutes.end());
        let step = self.of(minute).filter(|step| *step > first)?;
        let part = |minutes| Self { minutes, length: self.length };
        Some([part(first..=step - 1), part(step..=last)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(minutes: RangeInclusive<i64>, length: u32) -> Steps {
        Steps::new(minutes, NonZero::new(length))
    }

    #[test]
    fn steps_begin_at_multiples_of_their_length() {
        let check = |minute: i64, expect: Option<i64>| {
            assert_eq!(steps(-7..=23, 5).of(minute), expect, "{minute}");
        };
        check(-8, None);
        check(-7, Some(-10));
        check(-5, Some(-5));
        check(-1, Some(-5));
        check(0, Some(0));
        check(4, Some(0));
        check(23, Some(20));
        check(24, None);
    }

    #[test]
    fn the_first_and_the_last_step_end_with_the_range() {
        let check = |step: i64, expect: RangeInclusive<i64>| {
            assert_eq!(steps(-7..=23, 5).minutes_of(step), expect, "{step}");
        };
        check(-10, -7..=-6);
        check(-5, -5..=-1);
        check(20, 20..=23);
    }

    #[test]
    fn minutes_touch_a_range_that_has_one_of_them() {
        let check = |minutes: RangeInclusive<i64>, expect: bool| {
            assert_eq!(steps(3..=9, 5).touches(&minutes), expect, "{minutes:?}");
        };
        check(0..=2, false);
        check(0..=3, true);
        check(5..=6, true);
        check(0..=99, true);
        check(9..=12, true);
        check(10..=12, false);
    }

    #[test]
    fn a_range_that_is_not_cut_is_one_step() {
        let steps = steps(3..=9, 0);
        assert!(steps.is_whole());
        assert_eq!((steps.of(2), steps.of(3), steps.of(9)), (None, Some(3), Some(3)));
        assert_eq!(steps.minutes_of(3), 3..=9);
        assert!(steps.split(6).is_none());
    }

    #[test]
    fn a_range_is_divided_between_steps() {
        let check = |minute: i64, expect: Option<[RangeInclusive<i64>; 2]>| {
            let parts = steps(-7..=23, 5).split(minute);
            assert_eq!(parts.map(|parts| parts.map(|part| part.minutes())), expect, "{minute}");
        };
        check(-7, None);
        check(-5, Some([-7..=-6, -5..=23]));
        check(9, Some([-7..=4, 5..=23]));
        check(24, None);
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let all = steps(i64::MIN..=i64::MAX, 7);
        for minute in [i64::MIN, i64::MIN + 6, 0, i64::MAX] {
            let step = all.of(minute).unwrap();
            assert!(all.minutes_of(step).contains(&minute), "{minute}");
        }
    }
}
