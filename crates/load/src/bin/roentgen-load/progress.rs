//! One line per second on standard error while a run lasts.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::figures::Figures;

/// What the checker has done so far.
#[derive(Debug, Default)]
pub(crate) struct CheckProgress {
    requests: AtomicU64,
    faults: AtomicU64,
}

/// Writes the lines.
#[derive(Debug)]
pub(crate) struct ProgressLines {
    is_quiet: bool,
    last_sent: u64,
    last_at: Duration,
}

impl CheckProgress {
    pub(crate) fn set(&self, requests: u64, faults: u64) {
        self.requests.store(requests, Ordering::Relaxed);
        self.faults.store(faults, Ordering::Relaxed);
    }
}

impl ProgressLines {
    pub(crate) fn new(is_quiet: bool) -> Self {
        Self { is_quiet, last_sent: 0, last_at: Duration::ZERO }
    }

    /// Writes the line of one second. A terminal that is gone must not end the run.
    pub(crate) fn write(&mut self, now: Duration, figures: &Figures, checks: &CheckProgress) {
        let interval = figures.latencies.interval();
        let sent = figures.sent.get();
        let seconds = now.saturating_sub(self.last_at).as_secs_f64();
        let rate = (sent - self.last_sent) as f64 / seconds.max(1e-9);
        (self.last_sent, self.last_at) = (sent, now);
        if self.is_quiet {
            return;
        }
        let p99 = match interval.len() {
            0 => "–".to_owned(),
            _ => format!("{:.1} ms", interval.value_at_quantile(0.99) as f64 / 1e3),
        };
        // Nobody acknowledges a datagram or a line of a file.
        let acknowledged = match figures.calls.get() {
            0 => "–".to_owned(),
            _ => grouped(figures.acknowledged.get()),
        };
        let errors = figures.failed_calls.get() + figures.refused.get() + figures.send_errors.get();
        let _ = writeln!(
            std::io::stderr().lock(),
            "{:>5.0} s   sent {}   acknowledged {}   {}/s   throttled {}   errors {}   p99 {}   \
             read back {}, faults {}",
            now.as_secs_f64(),
            grouped(sent),
            acknowledged,
            grouped_float(rate),
            grouped(figures.throttled_calls.get()),
            grouped(errors),
            p99,
            grouped(checks.requests.load(Ordering::Relaxed)),
            grouped(checks.faults.load(Ordering::Relaxed)),
        );
    }
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The same for what is no count, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are not negative, and one too large becomes the largest integer"
)]
pub(crate) fn grouped_float(number: f64) -> String {
    grouped(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let check = |number: u64, expect: &str| assert_eq!(grouped(number), expect);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(123_456, "123,456");
        check(1_234_567, "1,234,567");
        assert_eq!(grouped_float(99_999.6), "100,000");
    }
}
