//! What waits for one destination, and when the next attempt may be made. No clock and no I/O: times
//! are passed in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::batch::Batch;

/// Most batches that wait. The memory for documents is bounded by the shared budget; this bounds
/// what small batches cost beside it, at a second each for more than an hour of silence.
pub(super) const MOST_BATCHES: usize = 4_096;

/// Failures in a row after which a destination counts as failing. One alone says little: servers
/// restart, load balancers close connections.
const FAILING_AFTER: u32 = 3;

/// Attempts at the same time to a destination that is failing: enough to notice its return, also
/// when one of them hangs, and no burden for a server that is trying to come back.
const MOST_PROBES: usize = 2;

/// Batches of one destination, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    documents: usize,
    bytes: usize,
    in_flight: usize,
    /// In a row.
    failures: u32,
    /// When a destination that is failing may be tried again.
    probe_at: Option<Instant>,
    /// When the destination wants to hear of us again, by its `Retry-After`.
    quiet_until: Option<Instant>,
    closing: bool,
}

/// A batch and what was done for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: Arc<Batch>,
    /// Attempts that were made.
    pub(super) attempts: u32,
    /// When the first one began.
    pub(super) since: Option<std::time::Instant>,
    /// The same for all its attempts.
    pub(super) invocation: Option<HeaderValue>,
    not_before: Option<Instant>,
}

/// What a sender does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Sends this, and then tells [`Queue::answered`], [`Queue::failed`] or [`Queue::give_back`].
    Send(Waiting),
    /// Asks again at that time, or after a change.
    At(Instant),
    /// Asks again after a change.
    Wait,
    /// Ends: nothing waits any more and nothing will.
    End,
}

/// Whether an attempt may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    At(Instant),
    /// After a change.
    Later,
}

impl Waiting {
    pub(super) fn new(batch: Arc<Batch>) -> Self {
        Self { batch, attempts: 0, since: None, invocation: None, not_before: None }
    }
}

impl Queue {
    /// Adds the newest batch. Gives the oldest one when there are too many.
    pub(super) fn push(&mut self, batch: Arc<Batch>) -> Option<Arc<Batch>> {
        let pushed_out = if self.waiting.len() >= MOST_BATCHES { self.pop_oldest() } else { None };
        self.count_in(&batch);
        self.waiting.push_back(Waiting::new(batch));
        pushed_out
    }

    /// Takes out the oldest batch that waits.
    pub(super) fn pop_oldest(&mut self) -> Option<Arc<Batch>> {
        let oldest = self.waiting.pop_front()?;
        self.count_out(&oldest.batch);
        Some(oldest.batch)
    }

    /// Of the batches that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// In the batches that wait.
    pub(super) fn documents(&self) -> usize {
        self.documents
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failures >= FAILING_AFTER
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// From now on senders end when nothing waits any more.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        if self.waiting.is_empty() {
            return if self.closing && self.in_flight == 0 { Next::End } else { Next::Wait };
        }
        match self.turn(now) {
            Turn::Now => {}
            Turn::At(time) => return Next::At(time),
            Turn::Later => return Next::Wait,
        }
        // While the destination is failing `probe_at` alone tells when the next attempt is due.
        let is_due =
            |waiting: &Waiting| self.is_failing() || waiting.not_before.is_none_or(|at| at <= now);
        let Some(waiting) =
            self.waiting.iter().position(is_due).and_then(|due| self.waiting.remove(due))
        else {
            let earliest = self.waiting.iter().filter_map(|waiting| waiting.not_before).min();
            return earliest.map_or(Next::Wait, Next::At);
        };
        self.count_out(&waiting.batch);
        self.in_flight += 1;
        Next::Send(waiting)
    }

    /// Whether an attempt may be made that is for no batch of the queue; then it counts as begun.
    pub(super) fn begin(&mut self, now: Instant) -> Turn {
        let turn = self.turn(now);
        self.in_flight += usize::from(turn == Turn::Now);
        turn
    }

    /// The destination answered an attempt; gives whether it was failing before.
    pub(super) fn answered(&mut self) -> bool {
        let was_failing = self.is_failing();
        self.in_flight = self.in_flight.saturating_sub(1);
        self.failures = 0;
        self.probe_at = None;
        was_failing
    }

    /// An attempt failed; gives whether the destination counts as failing since then. `backoff`
    /// gives the wait after so many failures, `retry_after` is what the destination asked for.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        retry_after: Option<Duration>,
        backoff: impl Fn(u32) -> Duration,
    ) -> bool {
        let was_failing = self.is_failing();
        self.in_flight = self.in_flight.saturating_sub(1);
        self.failures = self.failures.saturating_add(1);
        if self.is_failing() {
            self.probe_at = Some(now + backoff(self.failures));
        }
        if let Some(pause) = retry_after {
            self.quiet_until = self.quiet_until.max(Some(now + pause));
        }
        self.is_failing() && !was_failing
    }

    /// An attempt was broken off and says nothing.
    pub(super) fn give_up_attempt(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Puts a batch back whose attempt has ended, to be sent at `not_before`.
    pub(super) fn give_back(&mut self, mut waiting: Waiting, not_before: Option<Instant>) {
        waiting.not_before = not_before;
        self.count_in(&waiting.batch);
        self.waiting.push_front(waiting);
    }

    fn turn(&mut self, now: Instant) -> Turn {
        if self.quiet_until.is_some_and(|until| until <= now) {
            self.quiet_until = None;
        }
        let probe_at = if self.is_failing() { self.probe_at } else { None };
        match self.quiet_until.max(probe_at) {
            Some(time) if now < time => Turn::At(time),
            _ if self.is_failing() && self.in_flight >= MOST_PROBES => Turn::Later,
            _ => Turn::Now,
        }
    }

    fn count_in(&mut self, batch: &Batch) {
        self.documents += batch.document_count();
        self.bytes += batch.body().len();
    }

    fn count_out(&mut self, batch: &Batch) {
        self.documents = self.documents.saturating_sub(batch.document_count());
        self.bytes = self.bytes.saturating_sub(batch.body().len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(document: &str) -> Arc<Batch> {
        Arc::new(Batch::of(&[document]))
    }

    fn sent(queue: &mut Queue, now: Instant) -> Option<Waiting> {
        match queue.next(now) {
            Next::Send(waiting) => Some(waiting),
            _ => None,
        }
    }

    fn second(_failures: u32) -> Duration {
        Duration::from_secs(1)
    }

    #[tokio::test]
    async fn batches_go_in_order_and_are_counted() {
        let (now, mut queue) = (Instant::now(), Queue::default());
        assert!(matches!(queue.next(now), Next::Wait));
        assert!(queue.push(batch("a")).is_none());
        assert!(queue.push(batch("bc")).is_none());
        assert_eq!(queue.documents(), 2);
        let bytes = queue.bytes();
        let first = sent(&mut queue, now).unwrap();
        assert_eq!(first.batch.documents().next().unwrap(), "a");
        assert_eq!(queue.documents(), 1);
        assert_eq!(queue.bytes(), bytes - first.batch.body().len());
        queue.close();
        assert_eq!(queue.pop_oldest().unwrap().documents().next().unwrap(), "bc");
        assert_eq!((queue.documents(), queue.bytes()), (0, 0));
        assert!(matches!(queue.next(now), Next::Wait), "one is still on its way");
        queue.answered();
        assert!(matches!(queue.next(now), Next::End));
    }

    #[tokio::test]
    async fn one_failure_delays_only_its_batch() {
        let (now, mut queue) = (Instant::now(), Queue::default());
        queue.push(batch("a"));
        queue.push(batch("b"));
        let first = sent(&mut queue, now).unwrap();
        assert!(!queue.failed(now, None, second));
        queue.give_back(first, Some(now + second(1)));
        let next = sent(&mut queue, now).unwrap();
        assert_eq!(next.batch.documents().next().unwrap(), "b");
        assert!(matches!(queue.next(now), Next::At(at) if at == now + second(1)));
        let first = sent(&mut queue, now + second(1)).unwrap();
        assert_eq!(first.batch.documents().next().unwrap(), "a");
    }

    #[tokio::test]
    async fn only_probes_go_to_a_destination_that_is_failing() {
        let (now, mut queue) = (Instant::now(), Queue::default());
        for _ in 0..5 {
            queue.push(batch("a"));
        }
        for failures in 1..=FAILING_AFTER {
            let waiting = sent(&mut queue, now).unwrap();
            assert_eq!(queue.failed(now, None, second), failures == FAILING_AFTER);
            queue.give_back(waiting, None);
        }
        let later = now + second(1);
        assert!(matches!(queue.next(now), Next::At(at) if at == later));
        assert!(sent(&mut queue, later).is_some());
        assert_eq!(queue.begin(later), Turn::Now);
        assert!(matches!(queue.next(later), Next::Wait), "two are on their way");
        assert!(!queue.failed(later, None, second), "it was failing before");
        assert!(matches!(queue.next(later), Next::At(_)));
        assert!(queue.answered());
        assert!(sent(&mut queue, later).is_some() && sent(&mut queue, later).is_some());
        assert!(sent(&mut queue, later).is_some(), "no bound any more");
    }

    #[tokio::test]
    async fn a_destination_that_asks_for_a_pause_gets_it() {
        let (now, mut queue) = (Instant::now(), Queue::default());
        queue.push(batch("a"));
        queue.push(batch("b"));
        let waiting = sent(&mut queue, now).unwrap();
        let pause = Duration::from_secs(7);
        queue.failed(now, Some(pause), second);
        queue.give_back(waiting, Some(now + second(1)));
        assert!(matches!(queue.next(now + second(1)), Next::At(at) if at == now + pause));
        assert!(sent(&mut queue, now + pause).is_some());
    }

    #[tokio::test]
    async fn the_number_of_batches_is_bounded() {
        let mut queue = Queue::default();
        for number in 0..MOST_BATCHES {
            assert!(queue.push(batch(&number.to_string())).is_none());
        }
        let pushed_out = queue.push(batch("newest")).unwrap();
        assert_eq!(pushed_out.documents().next().unwrap(), "0");
        assert_eq!(queue.documents(), MOST_BATCHES);
    }
}
