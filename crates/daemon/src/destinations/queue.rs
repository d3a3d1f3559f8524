//! What waits for one destination, and when the next attempt may be made. No clock and no I/O: times
//! are passed in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use super::answer::Reach;
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
#[derive(Debug)]
pub(super) struct Queue {
    /// By age.
    waiting: VecDeque<Waiting>,
    /// Batches that came, so far.
    pushed: u64,
    documents: usize,
    bytes: usize,
    in_flight: usize,
    in_flight_bytes: usize,
    /// Nothing can take memory back that is on its way to a destination that hangs, so it has only
    /// its share of it there.
    most_in_flight_bytes: usize,
    /// In a row.
    failures: u32,
    /// Whether the last attempt for a batch of the queue was answered.
    takes_new: bool,
    /// Attempts that were answered, so far.
    answers: u64,
    /// When a destination that is failing may be tried again.
    probe_at: Option<Instant>,
    /// When the destination wants to hear of us again, by its `Retry-After`.
    quiet_until: Option<Instant>,
    closing: bool,
    over: bool,
}

/// A batch and what was done for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: Arc<Batch>,
    /// Its place among all that came.
    number: u64,
    /// Attempts that were made.
    pub(super) attempts: u32,
    /// Those of them that count against the bound.
    pub(super) spent: u32,
    /// [`Queue::answers`] at the end of the last one.
    answers_before: Option<u64>,
    /// When the first one began.
    pub(super) since: Option<std::time::Instant>,
    /// The same for all its attempts.
    pub(super) invocation: Option<HeaderValue>,
    not_before: Option<Instant>,
}

/// What a sender does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Sends this, and then tells [`Queue::landed`], and one of [`Queue::answered`],
    /// [`Queue::failed`] and [`Queue::give_up_attempt`].
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
        Self {
            batch,
            number: 0,
            attempts: 0,
            spent: 0,
            answers_before: None,
            since: None,
            invocation: None,
            not_before: None,
        }
    }
}

impl Queue {
    /// At most so many bytes are on their way at a time, unless it is a single batch.
    pub(super) fn new(most_in_flight_bytes: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            pushed: 0,
            documents: 0,
            bytes: 0,
            in_flight: 0,
            in_flight_bytes: 0,
            most_in_flight_bytes,
            failures: 0,
            takes_new: false,
            answers: 0,
            probe_at: None,
            quiet_until: None,
            closing: false,
            over: false,
        }
    }

    /// Adds the newest batch. Gives the oldest one when there are too many.
    pub(super) fn push(&mut self, batch: Arc<Batch>) -> Option<Arc<Batch>> {
        let pushed_out = if self.waiting.len() >= MOST_BATCHES { self.pop_oldest() } else { None };
        self.count_in(&batch);
        self.pushed += 1;
        self.waiting.push_back(Waiting { number: self.pushed, ..Waiting::new(batch) });
        pushed_out
    }

    /// Takes out the oldest batch that waits.
    pub(super) fn pop_oldest(&mut self) -> Option<Arc<Batch>> {
        self.take_oldest(|_| true)
    }

    /// Takes out the oldest batch that waits and is such a one.
    pub(super) fn take_oldest(
        &mut self,
        is_wanted: impl Fn(&Arc<Batch>) -> bool,
    ) -> Option<Arc<Batch>> {
        let position = self.waiting.iter().position(|waiting| is_wanted(&waiting.batch))?;
        let oldest = self.waiting.remove(position)?;
        self.count_out(&oldest.batch);
        Some(oldest.batch)
    }

    /// The oldest batch that waits and is such a one.
    pub(super) fn oldest(&self, is_wanted: impl Fn(&Arc<Batch>) -> bool) -> Option<Arc<Batch>> {
        let batches = self.waiting.iter().map(|waiting| &waiting.batch);
        batches.into_iter().find(|batch| is_wanted(batch)).map(Arc::clone)
    }

    /// Whether this very batch waits.
    pub(super) fn holds(&self, batch: &Arc<Batch>) -> bool {
        self.waiting.iter().any(|waiting| Arc::ptr_eq(&waiting.batch, batch))
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Memory of the batches that wait.
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

    /// Takes out everything that waits. What comes from now on is too late.
    pub(super) fn end(&mut self) -> Vec<Arc<Batch>> {
        self.over = true;
        std::iter::from_fn(|| self.pop_oldest()).collect()
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.over
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
        let Some(due) = self.due(now) else {
            let earliest = self.waiting.iter().filter_map(|waiting| waiting.not_before).min();
            return earliest.map_or(Next::Wait, Next::At);
        };
        // The oldest is not passed by smaller ones: they might go on and on.
        if self.waiting.get(due).is_some_and(|waiting| !self.has_room_for(&waiting.batch)) {
            return Next::Wait;
        }
        let Some(waiting) = self.waiting.remove(due) else { return Next::Wait };
        self.count_out(&waiting.batch);
        self.in_flight += 1;
        self.in_flight_bytes += waiting.batch.memory_bytes();
        Next::Send(waiting)
    }

    /// Which batch is next: the oldest that is due. While the destination is failing `probe_at` alone
    /// tells when the next attempt is due, and it is for the oldest that was tried least: should one
    /// of them bring the destination down, the others are not behind it.
    fn due(&self, now: Instant) -> Option<usize> {
        let mut places = self.waiting.iter().enumerate();
        let found = match self.is_failing() {
            true => places.min_by_key(|(_, waiting)| waiting.attempts),
            false => places.find(|(_, waiting)| waiting.not_before.is_none_or(|at| at <= now)),
        };
        found.map(|(place, _)| place)
    }

    /// Notes that an attempt for a batch failed that may succeed later. It counts against the bound
    /// when there was an answer. Without one it is the destination that is away, and no reason to
    /// lose a batch; unless the batch was perhaps sent and others were answered since its attempt
    /// before, so that it may be the cause itself.
    pub(super) fn note_attempt(&self, waiting: &mut Waiting, reach: Reach) {
        let before = waiting.answers_before.replace(self.answers);
        let counts = match reach {
            Reach::Unsent => false,
            Reach::Unanswered => before.is_some_and(|before| before != self.answers),
            Reach::Answered => true,
        };
        waiting.spent += u32::from(counts);
    }

    /// A batch is not on its way any more.
    pub(super) fn landed(&mut self, batch: &Batch) {
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(batch.memory_bytes());
    }

    /// Whether an attempt may be made that is for no batch of the queue; then it counts as begun.
    pub(super) fn begin(&mut self, now: Instant) -> Turn {
        let turn = self.turn(now);
        self.in_flight += usize::from(turn == Turn::Now);
        turn
    }

    /// The destination answered the attempt for a batch; gives whether it was failing before.
    pub(super) fn answered(&mut self) -> bool {
        self.takes_new = true;
        self.old_answered()
    }

    /// The same of an attempt for what is older than the queue: a file of the spool.
    pub(super) fn old_answered(&mut self) -> bool {
        let was_failing = self.is_failing();
        self.in_flight = self.in_flight.saturating_sub(1);
        self.answers += 1;
        self.failures = 0;
        self.probe_at = None;
        was_failing
    }

    /// The attempt for a batch failed; gives whether the destination counts as failing since then.
    /// `backoff` gives the wait after so many failures, `retry_after` is what the destination asked
    /// for.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        retry_after: Option<Duration>,
        backoff: impl Fn(u32) -> Duration,
    ) -> bool {
        self.takes_new = false;
        self.note_failure(now, retry_after, backoff)
    }

    /// The same of an attempt for a file of the spool. A destination that takes new batches does not
    /// fail: it dislikes the file, and what is new does not wait for that.
    pub(super) fn old_failed(
        &mut self,
        now: Instant,
        retry_after: Option<Duration>,
        backoff: impl Fn(u32) -> Duration,
    ) -> bool {
        if self.takes_new {
            self.give_up_attempt();
            return false;
        }
        self.note_failure(now, retry_after, backoff)
    }

    fn note_failure(
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

    /// Puts a batch back in its place whose attempt has ended, to be sent at `not_before`.
    pub(super) fn give_back(&mut self, mut waiting: Waiting, not_before: Option<Instant>) {
        waiting.not_before = not_before;
        self.count_in(&waiting.batch);
        let place = self.waiting.partition_point(|other| other.number < waiting.number);
        self.waiting.insert(place, waiting);
    }

    fn has_room_for(&self, batch: &Batch) -> bool {
        let sum = self.in_flight_bytes.saturating_add(batch.memory_bytes());
        self.in_flight_bytes == 0 || sum <= self.most_in_flight_bytes
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
        self.bytes += batch.memory_bytes();
    }

    fn count_out(&mut self, batch: &Batch) {
        self.documents = self.documents.saturating_sub(batch.document_count());
        self.bytes = self.bytes.saturating_sub(batch.memory_bytes());
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
        let (now, mut queue) = (Instant::now(), Queue::new(usize::MAX));
        assert!(matches!(queue.next(now), Next::Wait));
        assert!(queue.push(batch("a")).is_none());
        assert!(queue.push(batch("bc")).is_none());
        assert_eq!(queue.documents(), 2);
        let bytes = queue.bytes();
        let first = sent(&mut queue, now).unwrap();
        assert_eq!(first.batch.documents().next().unwrap(), "a");
        assert_eq!(queue.documents(), 1);
        assert_eq!(queue.bytes(), bytes - first.batch.memory_bytes());
        queue.close();
        assert_eq!(queue.pop_oldest().unwrap().documents().next().unwrap(), "bc");
        assert_eq!((queue.documents(), queue.bytes()), (0, 0));
        assert!(matches!(queue.next(now), Next::Wait), "one is still on its way");
        queue.answered();
        assert!(matches!(queue.next(now), Next::End));
    }

    #[tokio::test]
    async fn one_failure_delays_only_its_batch() {
        let (now, mut queue) = (Instant::now(), Queue::new(usize::MAX));
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
        let (now, mut queue) = (Instant::now(), Queue::new(usize::MAX));
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
    async fn while_failing_batches_take_turns() {
        let (now, mut queue) = (Instant::now(), Queue::new(usize::MAX));
        for document in ["a", "b", "c"] {
            queue.push(batch(document));
        }
        queue.failures = FAILING_AFTER;
        let mut tried = String::new();
        for _ in 0..7 {
            queue.probe_at = None;
            let mut waiting = sent(&mut queue, now).unwrap();
            waiting.attempts += 1;
            tried.extend(waiting.batch.documents());
            queue.failed(now, None, second);
            queue.landed(&waiting.batch);
            queue.give_back(waiting, None);
        }
        assert_eq!(tried, "abcabca");
    }

    #[tokio::test]
    async fn attempts_count_when_the_destination_is_there() {
        let check = |reaches: &[Reach], others_are_answered: bool, spent: u32| {
            let mut queue = Queue::new(usize::MAX);
            let mut waiting = Waiting::new(batch("a"));
            for reach in reaches {
                if others_are_answered {
                    queue.answered();
                }
                queue.note_attempt(&mut waiting, *reach);
            }
            assert_eq!(waiting.spent, spent, "{reaches:?}");
        };
        check(&[Reach::Answered; 3], false, 3);
        check(&[Reach::Unsent; 3], false, 0);
        check(&[Reach::Unsent; 3], true, 0);
        check(&[Reach::Unanswered; 3], false, 0);
        // The first may be chance.
        check(&[Reach::Unanswered; 3], true, 2);
        check(&[Reach::Unanswered, Reach::Answered, Reach::Unsent], false, 1);
    }

    #[tokio::test]
    async fn files_that_fail_delay_no_batches_that_are_taken() {
        let (now, mut queue) = (Instant::now(), Queue::new(usize::MAX));
        let pause = Some(Duration::from_secs(7));
        let file_fails = |queue: &mut Queue| {
            assert_eq!(queue.begin(now), Turn::Now);
            queue.old_failed(now, pause, second)
        };
        queue.push(batch("a"));
        assert!(sent(&mut queue, now).is_some());
        queue.answered();
        for _ in 0..5 * FAILING_AFTER {
            assert!(!file_fails(&mut queue));
        }
        queue.push(batch("b"));
        assert!(sent(&mut queue, now).is_some());
        assert!(!queue.failed(now, None, second));
        // Now it may be the destination.
        file_fails(&mut queue);
        assert_eq!(queue.begin(now), Turn::At(now + Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn a_destination_that_asks_for_a_pause_gets_it() {
        let (now, mut queue) = (Instant::now(), Queue::new(usize::MAX));
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
    async fn bytes_on_their_way_are_bounded() {
        let now = Instant::now();
        let (small, large) = (batch("a"), batch(&"b".repeat(1_000)));
        let mut queue = Queue::new(2 * small.memory_bytes());
        for each in [&small, &small, &small, &large, &small] {
            queue.push(Arc::clone(each));
        }
        let first = sent(&mut queue, now).unwrap();
        let second = sent(&mut queue, now).unwrap();
        assert!(matches!(queue.next(now), Next::Wait));
        queue.landed(&first.batch);
        let third = sent(&mut queue, now).unwrap();
        queue.landed(&second.batch);
        assert!(matches!(queue.next(now), Next::Wait), "the large one is not passed by");
        queue.landed(&third.batch);
        let alone = sent(&mut queue, now).unwrap();
        assert!(Arc::ptr_eq(&alone.batch, &large));
        assert!(matches!(queue.next(now), Next::Wait));
        queue.landed(&alone.batch);
        assert!(sent(&mut queue, now).is_some());
    }

    #[tokio::test]
    async fn the_number_of_batches_is_bounded() {
        let mut queue = Queue::new(usize::MAX);
        for number in 0..MOST_BATCHES {
            assert!(queue.push(batch(&number.to_string())).is_none());
        }
        let pushed_out = queue.push(batch("newest")).unwrap();
        assert_eq!(pushed_out.documents().next().unwrap(), "0");
        assert_eq!(queue.documents(), MOST_BATCHES);
    }
}
