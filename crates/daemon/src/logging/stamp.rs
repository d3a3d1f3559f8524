//! The time as log lines begin with it: RFC 3339, local, whole seconds.

use std::fmt::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// The text of a second, kept because lines come in bunches.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<i64>,
    text: String,
}

impl Stamp {
    /// The text of a time in the time zone of the system, e.g. `2026-11-22T08:21:31Z` or
    /// `2026-11-22T09:21:31+01:00`.
    pub(super) fn of(&mut self, now: SystemTime) -> &str {
        // A clock outside the years 1 to 9999 is wrong; it is shown as its beginning.
        let now = Timestamp::try_from(now).unwrap_or_default();
        if self.second != Some(now.as_second()) {
            self.second = Some(now.as_second());
            self.text.clear();
            write_local(&mut self.text, now, TimeZone::system().to_offset(now));
        }
        &self.text
    }
}

/// Writes a time in a time zone that is `offset` from UTC then.
fn write_local(text: &mut String, time: Timestamp, offset: Offset) {
    let local = offset.to_datetime(time);
    // Writing to memory does not fail.
    let _ = write!(
        text,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        local.year(),
        local.month(),
        local.day(),
        local.hour(),
        local.minute(),
        local.second()
    );
    let minutes = offset.seconds() / 60;
    let _ = match minutes {
        0 => write!(text, "Z"),
        _ => {
            let sign = if minutes < 0 { '-' } else { '+' };
            write!(text, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones() {
        let time = Timestamp::from_second(1_795_335_691).unwrap();
        let check = |seconds: i32, expect: &str| {
            let mut text = String::new();
            write_local(&mut text, time, Offset::from_seconds(seconds).unwrap());
            assert_eq!(text, expect);
        };
        check(0, "2026-11-22T08:21:31Z");
        check(3600, "2026-11-22T09:21:31+01:00");
        check(-(9 * 3600 + 1800), "2026-11-21T22:51:31-09:30");
    }

    #[test]
    fn the_text_follows_the_time() {
        let mut stamp = Stamp::default();
        let second = |n| SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(n);
        let first = stamp.of(second(1_795_335_691_000)).to_owned();
        assert_eq!(stamp.of(second(1_795_335_691_999)), first);
        assert_ne!(stamp.of(second(1_795_335_692_000)), first);
        assert_eq!(stamp.of(second(1_795_335_691_000)), first);
    }
}
