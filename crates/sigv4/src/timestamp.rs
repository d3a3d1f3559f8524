//! The time of a signature, in the one form SigV4 knows: `20150830T123600Z`.

use std::fmt;
use std::time::{Duration, SystemTime};

const SECONDS_PER_DAY: u64 = 86_400;

/// 9999-12-31T23:59:59Z: the year has four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_EPOCH: u64 = 719_468;

/// Days in the 400 years after which the calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;

/// A moment in whole seconds, between 1970 and the end of 9999.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Timestamp {
    epoch_seconds: u64,
}

impl Timestamp {
    /// The second `time` is in, `None` when it is before 1970 or after 9999.
    pub fn from_system_time(time: SystemTime) -> Option<Self> {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let epoch_seconds = since_epoch.as_secs();
        (epoch_seconds <= LAST_SECOND).then_some(Self { epoch_seconds })
    }

    /// Reads the value of `X-Amz-Date`, `None` when it is anything but an existing second in exactly
    /// this form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('Z')?;
        let (date, time) = digits.split_once('T')?;
        if date.len() != 8 || time.len() != 6 {
            return None;
        }
        let number = |text: &str, from: usize, to: usize| -> Option<u64> {
            let part = text.get(from..to)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
        };
        let (year, month, day) = (number(date, 0, 4)?, number(date, 4, 6)?, number(date, 6, 8)?);
        let (hour, minute, second) =
            (number(time, 0, 2)?, number(time, 2, 4)?, number(time, 4, 6)?);
        if year < 1970 || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let epoch_seconds =
            days_of(year, month, day)? * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
        let read = Self { epoch_seconds };
        // A day the month does not have lands in the next month, so it is written otherwise.
        (read.to_string() == text).then_some(read)
    }

    /// The time between the two moments, whichever is earlier.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_secs(self.epoch_seconds.abs_diff(other.epoch_seconds))
    }

    /// The day, as scopes name it: `20150830`.
    pub fn date(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}{month:02}{day:02}")
    }

    /// Year, month and day in the Gregorian calendar. Years are counted from March, so that the
    /// leap day is the last of its year and no month needs a table.
    fn civil(self) -> (u64, u64, u64) {
        let days = self.epoch_seconds / SECONDS_PER_DAY + DAYS_BEFORE_EPOCH;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        (year, month, day)
    }
}

/// Days from 1970-01-01, for a year from 1970 on and a month from 1 to 12; the reverse of
/// [`Timestamp::civil`].
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year_from_march = year - u64::from(month <= 2);
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * DAYS_PER_ERA + day_of_era).checked_sub(DAYS_BEFORE_EPOCH)
}

/// As in `X-Amz-Date`: `20150830T123600Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        let second_of_day = self.epoch_seconds % SECONDS_PER_DAY;
        let (hour, minute, second) =
            (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Option<u64>) {
        let read = Timestamp::parse(text);
        assert_eq!(read.map(|read| read.epoch_seconds), expect, "{text}");
    }

    #[test]
    fn reads_only_the_one_form() {
        check("19700101T000000Z", Some(0));
        check("20150830T123600Z", Some(1_440_938_160));
        check("20000229T235959Z", Some(951_868_799));
        check("20240301T000000Z", Some(1_709_251_200));
        check("99991231T235959Z", Some(LAST_SECOND));
        check("19691231T235959Z", None);
        check("20150229T000000Z", None);
        check("20150431T000000Z", None);
        check("20151301T000000Z", None);
        check("20150001T000000Z", None);
        check("20150100T000000Z", None);
        check("20150830T240000Z", None);
        check("20150830T126000Z", None);
        check("20150830T123660Z", None);
        check("20150830T123600", None);
        check("20150830 123600Z", None);
        check("2015-08-30T12:36:00Z", None);
        check("+2015830T123600Z", None);
        check("2015083éT123600Z", None);
        check("", None);
    }

    #[test]
    fn only_times_with_four_digits_of_year_are_taken() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(Timestamp::from_system_time(at(LAST_SECOND)).is_some());
        assert_eq!(Timestamp::from_system_time(at(LAST_SECOND + 1)), None);
        assert_eq!(Timestamp::from_system_time(at(0) - Duration::from_secs(1)), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(epoch_seconds in 0..=LAST_SECOND) {
            let written = Timestamp { epoch_seconds };
            let text = written.to_string();
            prop_assert_eq!(Timestamp::parse(&text), Some(written));
            let date = written.date();
            prop_assert_eq!(text.get(..8), Some(date.as_str()));
        }
    }
}
