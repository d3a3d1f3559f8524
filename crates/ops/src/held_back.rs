//! Log lines that would repeat: one of each kind is let through at a time, the rest are counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most kinds told apart; further ones share one place. Kinds are program text, so this is never
/// reached unless someone makes kinds of input.
pub const MAX_KINDS: usize = 256;

/// Lets one line of each kind through per period and counts the lines held back, so that bad
/// input of any volume costs a bounded amount of log and nothing is hidden: the next line of the
/// kind tells how many there were.
///
/// ```
/// # use roentgen_ops::{Clock, HeldBack, SystemClock};
/// # use std::time::Duration;
/// let warnings = HeldBack::new(Duration::from_secs(60));
/// if let Some(held_back) = warnings.admit("invalid_header", SystemClock.instant()) {
///     tracing::warn!(held_back, "datagram refused");
/// }
/// ```
#[derive(Debug)]
pub struct HeldBack {
    period: Duration,
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
}

#[derive(Debug)]
struct Kind {
    next: Instant,
    held_back: u64,
}

impl HeldBack {
    /// One line of each kind per `period`.
    pub const fn new(period: Duration) -> Self {
        Self { period, kinds: Mutex::new(BTreeMap::new()) }
    }

    /// Whether a line of this kind may be written now: then `Some` with the number of lines held
    /// back since the last one, else `None`.
    pub fn admit(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = kinds.contains_key(kind);
        let key = if is_known || kinds.len() < MAX_KINDS { kind } else { "other" };
        let next = now + self.period;
        let entry = kinds.entry(key).or_insert(Kind { next: now, held_back: 0 });
        if now < entry.next {
            entry.held_back += 1;
            return None;
        }
        entry.next = next;
        Some(std::mem::take(&mut entry.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock as _, SystemClock};

    #[test]
    fn one_line_of_each_kind_per_period() {
        let lines = HeldBack::new(Duration::from_secs(10));
        let start = SystemClock.instant();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(lines.admit("a", after(0)), Some(0));
        assert_eq!(lines.admit("a", after(1)), None);
        assert_eq!(lines.admit("b", after(1)), Some(0));
        assert_eq!(lines.admit("a", after(9)), None);
        assert_eq!(lines.admit("a", after(10)), Some(2));
        assert_eq!(lines.admit("a", after(11)), None);
        assert_eq!(lines.admit("a", after(99)), Some(1));
    }

    #[test]
    fn kinds_are_bounded() {
        let lines = HeldBack::new(Duration::from_secs(10));
        let start = SystemClock.instant();
        let mut admitted = 0;
        for number in 0..2 * MAX_KINDS {
            let kind: &'static str = Box::leak(format!("kind-{number}").into_boxed_str());
            admitted += usize::from(lines.admit(kind, start).is_some());
        }
        assert_eq!(admitted, MAX_KINDS + 1); // All further ones share "other".
        assert_eq!(lines.kinds.lock().unwrap().len(), MAX_KINDS + 1);
    }
}
