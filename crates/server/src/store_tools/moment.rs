//! Points in time as people write and read them, in UTC.

use std::time::Duration;

use roentgen_model::{Micros, Timestamp};

use crate::config::parse_duration;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 24 * 3600;

/// Reads `2026-11-22`, `2026-11-22T13:00:00Z` (also with a space and without `Z`), epoch seconds,
/// or `12h`: so long before now.
pub(super) fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    let time = parse_date(text)
        .or_else(|| text.parse().ok().and_then(Timestamp::from_seconds))
        .or_else(|| parse_duration(text).ok().map(|ago| now.minus(micros(ago))));
    time.ok_or_else(|| {
        format!(
            "{text:?} is not a time; expected 2026-11-22, 2026-11-22T13:00:00Z, epoch seconds, or \
             how long ago, e.g. 12h or 7d"
        )
    })
}

fn micros(length: Duration) -> Micros {
    Micros::new(i64::try_from(length.as_micros()).unwrap_or(i64::MAX))
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time.strip_suffix('Z').unwrap_or(time), ':', [2, 2, 2])?;
    let days = days_of(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some(Timestamp::from_micros(seconds * MICROS_PER_SECOND))
}

/// Three numbers of so many digits each.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut read = |digits: usize| {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok())?
    };
    let [first, second, third] = digits;
    let numbers = [read(first)?, read(second)?, read(third)?];
    parts.next().is_none().then_some(numbers)
}

/// Days from the Unix epoch to a date; `None` for one that does not exist.
///
/// Years begin in March here, so that the leap day comes last, and eras of 400 years (146,097 days)
/// repeat: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    // A day that its month has not is one of another month.
    (is_date && date_of(days) == (year, month, day)).then_some(days)
}

/// The year, month and day of a number of days after the Unix epoch; the way back of [`days_of`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// `2026-11-22T13:41:02Z`.
pub(super) fn display(time: Timestamp) -> String {
    let seconds = time.as_micros().div_euclid(MICROS_PER_SECOND);
    let (year, month, day) = date_of(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_every_form() {
        let now = Timestamp::from_micros(1_795_334_983_877_574);
        let check = |text: &str, expect: Option<f64>| {
            let parsed = parse(text, now);
            assert_eq!(parsed.as_ref().ok().map(|time| time.as_seconds()), expect, "{text}");
            if let Err(message) = parsed {
                assert!(message.contains(&format!("{text:?} is not a time")), "{message}");
            }
        };
        check("2026-11-22", Some(1_795_305_600.0));
        check("2026-11-22T08:49:43Z", Some(1_795_337_383.0));
        check("2026-11-22 08:49:43", Some(1_795_337_383.0));
        check("1970-01-01", Some(0.0));
        check("2000-02-29", Some(951_782_400.0));
        check("1795334983.5", Some(1_795_334_983.5));
        check("0", Some(0.0));
        check("12h", Some(1_795_334_983.877_574 - 43_200.0));
        check("2100-02-29", None);
        check("2026-04-31", None);
        check("2026-13-01", None);
        check("2026-00-10", None);
        check("2026-01-00", None);
        check("1969-12-31", None);
        check("2026-11-22T24:00:00Z", None);
        check("2026-11-22T08:49Z", None);
        check("2026-11", None);
        check("2026-11-22-01", None);
        check("yesterday", None);
        check("", None);
        check("-5", None);
    }

    #[test]
    fn every_day_comes_back() {
        let mut date = (1970, 1, 1);
        for days in 0..60_000 {
            let next = date_of(days);
            assert!(days == 0 || next > date, "{date:?} {next:?}");
            assert_eq!(days_of(next.0, next.1, next.2), Some(days));
            date = next;
        }
        assert_eq!(date, (2134, 4, 10));
        assert_eq!(display(Timestamp::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(display(Timestamp::from_micros(951_782_399_999_999)), "2000-02-28T23:59:59Z");
    }
}
