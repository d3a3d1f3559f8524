//! How background threads are woken and ended.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::locking::{lock, wait_at_most, wait_while};

/// Wakes one thread. Waking a thread that is at work lets it look once more when it is done.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

/// How much a thread is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// It is not.
    #[default]
    None,
    /// There is something to do when it has rested.
    Soon,
    /// Others wait for it.
    Now,
    /// It is to end.
    End,
}

#[derive(Debug, Default)]
struct State {
    wanted: Urgency,
}

impl Signal {
    /// Lets the thread look when it has rested.
    pub(crate) fn wake(&self) {
        self.want(Urgency::Soon);
    }

    /// Lets the thread look at once.
    pub(crate) fn wake_now(&self) {
        self.want(Urgency::Now);
    }

    /// Ends the thread.
    pub(crate) fn close(&self) {
        self.want(Urgency::End);
    }

    /// Whether the thread is to end, so that it leaves what takes long.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).wanted == Urgency::End
    }

    fn want(&self, urgency: Urgency) {
        let mut state = lock(&self.state);
        if state.wanted < urgency {
            state.wanted = urgency;
            self.changed.notify_all();
        }
    }

    /// Waits until the thread is wanted this much or the time is over; without a time, however
    /// long that takes. `false` when it is to end.
    pub(crate) fn wait(&self, least: Urgency, at_most: Option<Duration>) -> bool {
        let is_idle = |state: &mut State| state.wanted < least;
        let state = lock(&self.state);
        let mut state = match at_most {
            Some(time) => wait_at_most(&self.changed, state, time, is_idle),
            None => wait_while(&self.changed, state, is_idle),
        };
        if state.wanted == Urgency::End {
            return false;
        }
        state.wanted = Urgency::None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_not_lost_and_counts_once() {
        let signal = Signal::default();
        signal.wake();
        signal.wake();
        assert!(signal.wait(Urgency::Soon, None));
        assert_eq!(lock(&signal.state).wanted, Urgency::None);
        signal.wake_now();
        signal.wake();
        assert!(signal.wait(Urgency::Now, None));
        assert!(signal.wait(Urgency::Now, Some(Duration::ZERO)), "the time is over");
        signal.close();
        signal.wake();
        assert!(!signal.wait(Urgency::Soon, None));
        assert!(signal.is_closed());
    }
}
