//! How long to wait before the next attempt.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::fmt::rfc2822;

use crate::settings::Retry;

/// Most of a pause that a destination may ask for. What is longer is waited out in steps, so that
/// a wrong value cannot silence the daemon.
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// The wait after so many failures: between nothing and a bound that doubles each time ("full
/// jitter"), so that a thousand daemons do not come back at the same moment.
pub(super) fn backoff(retry: &Retry, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let bound = retry.first_backoff.saturating_mul(1 << doublings).min(retry.longest_backoff);
    bound.mul_f64(rand::random_range(0.0..=1.0))
}

/// The pause a destination asks for: seconds, or a time as HTTP writes them.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let time = rfc2822::parse(text).ok()?.timestamp();
            SystemTime::from(time).duration_since(now).unwrap_or_default()
        }
    };
    Some(pause.min(MOST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let retry = Retry {
            attempts: 5,
            timeout: Duration::from_secs(1),
            first_backoff: Duration::from_millis(200),
            longest_backoff: Duration::from_secs(5),
        };
        let check = |failures: u32, bound: u64| {
            let waits: Vec<_> = (0..200).map(|_| backoff(&retry, failures)).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*most <= Duration::from_millis(bound), "{failures}: {most:?}");
            // Of 200 draws all lie in one half with a probability of 2^-200.
            assert!(*most > Duration::from_millis(bound / 2), "{failures}: {most:?}");
            assert!(*least < Duration::from_millis(bound / 2), "{failures}: {least:?}");
        };
        check(0, 200);
        check(1, 200);
        check(2, 400);
        check(5, 3_200);
        check(6, 5_000);
        check(u32::MAX, 5_000);
    }

    #[test]
    fn pauses_asked_for() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_335_457);
        let check = |text: &str, expect: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now).map(|pause| pause.as_secs()), expect, "{text}");
        };
        check("0", Some(0));
        check(" 7 ", Some(7));
        check("86400", Some(30));
        check("99999999999999999999999", None);
        check("Sun, 22 Nov 2026 08:17:42 GMT", Some(5));
        check("Sun, 22 Nov 2026 08:17:00 GMT", Some(0));
        check("soon", None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
