//! Real time. A load generator measures what really passes, so there is no clock to pass in; what is
//! worth testing takes times as arguments.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use roentgen_model::Timestamp;

/// One run's time: both clocks are read together once, and from then on wall time is what the
/// monotonic clock says, so that documents never go back in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunClock {
    began: Instant,
    began_at: SystemTime,
}

impl RunClock {
    /// A run that begins now.
    #[expect(clippy::disallowed_methods, reason = "see the head of this file")]
    pub(crate) fn start() -> Self {
        Self { began: Instant::now(), began_at: SystemTime::now() }
    }

    /// Time since the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Wall time at a moment of the run.
    pub(crate) fn wall(&self, elapsed: Duration) -> Timestamp {
        let since_epoch = self.system_time(elapsed).duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    /// The same, for signatures.
    pub(crate) fn system_time(&self, elapsed: Duration) -> SystemTime {
        self.began_at + elapsed
    }

    /// Waits until a moment of the run, if it is not past.
    pub(crate) fn sleep_until(&self, moment: Duration) {
        let left = moment.saturating_sub(self.elapsed());
        if !left.is_zero() {
            std::thread::sleep(left);
        }
    }
}
