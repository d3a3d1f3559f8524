//! The only place that reads the time, so that tests can turn the clock instead of sleeping.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Where a process gets the time from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The wall clock: for times that are stored or sent. It may jump, also backwards.
    fn now(&self) -> SystemTime;

    /// The monotonic clock: for measuring and for deadlines. It never goes back.
    fn instant(&self) -> Instant;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place the lint points to")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place the lint points to")]
    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that stands still until it is turned; for tests.
#[derive(Debug)]
pub struct ManualClock {
    times: Mutex<(SystemTime, Instant)>,
}

impl ManualClock {
    /// A clock whose wall time is `now`.
    pub fn starting_at(now: SystemTime) -> Self {
        Self { times: Mutex::new((now, SystemClock.instant())) }
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let (now, instant) = &mut *self.lock();
        *now += by;
        *instant += by;
    }

    /// Sets the wall clock alone, as an administrator or a time server does.
    pub fn set_wall(&self, now: SystemTime) {
        self.lock().0 = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (SystemTime, Instant)> {
        // A pair of copies is whole whatever happened to a thread that held the lock.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.lock().0
    }

    fn instant(&self) -> Instant {
        self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_turned() {
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH);
        let before = clock.instant();
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(5));
        assert_eq!(clock.instant() - before, Duration::from_secs(5));
        clock.set_wall(SystemTime::UNIX_EPOCH);
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH);
        assert_eq!(clock.instant() - before, Duration::from_secs(5));
    }
}
