//! When things are sent: at a rate whatever the server does (open loop), or as fast as it takes them
//! (closed loop).
//!
//! In an open loop the moment of each sending is fixed beforehand, and latency counts from there. A
//! server that stalls for a second then shows a second's worth of late answers, as its clients
//! would see, and not one (coordinated omission).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Moments for all threads of a run.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Seconds from one sending to the next; `None` in a closed loop.
    interval: Option<f64>,
    /// Nothing is begun from then on.
    ends: Option<Duration>,
    next: AtomicU64,
}

impl Schedule {
    /// `per_second` sendings per second, or as many as can be.
    pub(crate) fn new(per_second: Option<f64>, ends: Option<Duration>) -> Self {
        let interval = per_second.map(|per_second| 1.0 / per_second);
        Self { interval, ends, next: AtomicU64::new(0) }
    }

    /// The moment of the caller's next sending, which may lie in the past; `None` when the time is
    /// over. Each moment is given once.
    pub(crate) fn claim(&self, elapsed: Duration) -> Option<Duration> {
        let moment = match self.interval {
            // Exact to a microsecond for days: 2^53 intervals fit in a float.
            Some(interval) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                Duration::from_secs_f64(number as f64 * interval)
            }
            None => elapsed,
        };
        let is_over = self.ends.is_some_and(|ends| moment >= ends);
        (!is_over).then_some(moment)
    }

    /// How many sendings are due by now beyond those that were claimed; for senders that send in
    /// bursts. In a closed loop always one.
    pub(crate) fn due(&self, elapsed: Duration) -> u64 {
        let Some(interval) = self.interval else { return 1 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and far below 2^64"
        )]
        let due = (elapsed.as_secs_f64() / interval) as u64 + 1;
        due.saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

/// Pauses before trying again: twice as long each time, up to a bound.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// The pause before the next try.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = pause * 2;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn an_open_loop_has_its_moments_whatever_the_time_is() {
        let schedule = Schedule::new(Some(250.0), Some(ms(16)));
        // Asked late, early and late again.
        let moments: Vec<_> = [900, 0, 7, 3, 2].map(|now| schedule.claim(ms(now))).into();
        assert_eq!(moments, [Some(ms(0)), Some(ms(4)), Some(ms(8)), Some(ms(12)), None]);
    }

    #[test]
    fn moments_do_not_drift() {
        let schedule = Schedule::new(Some(33_333.0), None);
        let last = (0..333_330).filter_map(|_| schedule.claim(ms(0))).last().unwrap();
        let expect = Duration::from_secs_f64(333_329.0 / 33_333.0);
        assert_eq!(last.as_micros(), expect.as_micros());
    }

    #[test]
    fn bursts_are_as_long_as_what_is_due() {
        let schedule = Schedule::new(Some(1_000.0), None);
        assert_eq!(schedule.due(ms(0)), 1);
        assert_eq!(schedule.due(ms(10)), 11);
        schedule.claim(ms(10));
        assert_eq!(schedule.due(ms(10)), 10);
        (0..10).for_each(|_| assert!(schedule.claim(ms(10)).is_some()));
        assert_eq!(schedule.due(ms(10)), 0);
    }

    #[test]
    fn a_closed_loop_sends_at_once_until_it_ends() {
        let schedule = Schedule::new(None, Some(ms(50)));
        assert_eq!(schedule.claim(ms(7)), Some(ms(7)));
        assert_eq!(schedule.due(ms(7)), 1);
        assert_eq!(schedule.claim(ms(50)), None);
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let mut backoff = Backoff::new(ms(50), ms(300));
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause()).collect();
        assert_eq!(pauses, [50, 100, 200, 300, 300].map(ms));
    }
}
