//! One destination at work: senders take batches out of its queue, send them, and deal with what
//! comes back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use roentgen_ops::Clock;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::UnsentAt;
use super::answer::{Failure, MOST_ANSWER_BYTES, Reach, Then, Verdict, judge};
use super::queue::{Next, Queue, Turn, Waiting};
use super::retry::backoff;
use super::spooling::{Spooling, count};
use super::unprocessed::{self, Unprocessed};
use crate::batch::Batch;
use crate::settings::Retry;
use crate::tally::DestinationTally;
use crate::upstream::{Call, Upstream};

/// The operation PutTraceSegments.
const PATH: &str = "/TraceSegments";

/// One destination.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    /// Whether log lines name the destination: only where there are several.
    pub(super) is_named: bool,
    pub(super) upstream: Arc<Upstream>,
    pub(super) retry: Retry,
    pub(super) user_agent: HeaderValue,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tally: DestinationTally,
    pub(super) spooling: Option<Arc<Spooling>>,
    /// Bytes that may wait in memory before batches go to the spool.
    pub(super) spool_over_bytes: usize,
    /// What becomes of what is left at the end.
    pub(super) unsent: Mutex<UnsentAt>,
    pub(super) queue: Mutex<Queue>,
    /// Something changed that senders may act upon.
    pub(super) changed: Notify,
    /// No more batches will come.
    pub(super) closed: CancellationToken,
    /// Time is up: attempts are broken off.
    pub(super) ended: CancellationToken,
    /// Nothing more goes to the disk than what is on its way there.
    pub(super) emptied: CancellationToken,
    /// Time is up for the disk, too.
    pub(super) abandoned: CancellationToken,
}

impl Line {
    /// The name for log lines.
    pub(super) fn shown(&self) -> Option<&str> {
        self.is_named.then_some(self.name.as_str())
    }

    /// Adds a batch, for the sender that is woken next.
    pub(super) fn offer(&self, batch: Arc<Batch>) {
        let mut queue = self.lock();
        if queue.is_over() {
            self.tally.lost.shutdown.add(count(batch.document_count()));
            return;
        }
        let pushed_out = queue.push(batch);
        self.tally.waiting.set(i64::try_from(queue.documents()).unwrap_or(i64::MAX));
        drop(queue);
        if let Some(oldest) = pushed_out {
            self.spill(oldest);
        }
        self.relieve_memory();
    }

    /// Shows how much waits.
    pub(super) fn show_waiting(&self) {
        let queue = self.lock();
        self.tally.waiting.set(i64::try_from(queue.documents()).unwrap_or(i64::MAX));
    }

    /// Takes everything that waits: to the spool, or away. Nothing more goes to the disk then.
    pub(super) fn give_up(&self) {
        let left = self.lock().end();
        self.show_waiting();
        match &self.spooling {
            Some(spooling) => spooling.leave_all(left),
            None => {
                let documents = left.iter().map(|batch| batch.document_count()).sum();
                self.tally.lost.shutdown.add(count(documents));
                self.note_unsent(left.len(), documents, 0);
            }
        }
        self.emptied.cancel();
    }

    /// What was left at the end.
    pub(super) fn unsent(&self) -> UnsentAt {
        let unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        UnsentAt { destination: self.name.clone(), ..unsent.clone() }
    }

    /// Notes what became of batches that were left at the end.
    pub(super) fn note_unsent(&self, batches: usize, lost: usize, spooled: usize) {
        let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        unsent.batches += batches;
        unsent.lost += lost;
        unsent.spooled += spooled;
    }

    /// No more batches will come: senders end when the queue is empty.
    pub(super) fn close(&self) {
        self.lock().close();
        self.closed.cancel();
        self.changed.notify_waiters();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().is_closing()
    }

    /// Whether an attempt may be made that is for no batch of the queue; then it has begun and must
    /// end with [`Line::old_answered`], [`Line::old_failed`] or [`Line::release`].
    pub(super) fn begin(&self) -> Turn {
        self.lock().begin(Instant::now())
    }

    /// An attempt ended that says nothing about the destination.
    pub(super) fn release(&self) {
        self.lock().give_up_attempt();
        self.wake_others();
    }

    /// The destination answered the attempt for a batch.
    fn answered(&self) {
        let was_failing = self.lock().answered();
        self.after_answer(was_failing);
    }

    /// The destination answered the attempt for a file of the spool.
    pub(super) fn old_answered(&self) {
        let was_failing = self.lock().old_answered();
        self.after_answer(was_failing);
    }

    fn after_answer(&self, was_failing: bool) {
        if was_failing {
            tracing::info!("Destination {} answers again", self.name);
            self.changed.notify_waiters();
            if let Some(spooling) = &self.spooling {
                spooling.wake();
            }
        }
        self.wake_others();
    }

    /// An attempt for a batch failed that may succeed later.
    fn failed(&self, retry_after: Option<Duration>, failure: &Failure) {
        let (now, retry) = (Instant::now(), &self.retry);
        let begins = self.lock().failed(now, retry_after, |failures| backoff(retry, failures));
        self.after_failure(begins, failure);
    }

    /// The same of an attempt for a file of the spool.
    pub(super) fn old_failed(&self, retry_after: Option<Duration>, failure: &Failure) {
        let (now, retry) = (Instant::now(), &self.retry);
        let begins = self.lock().old_failed(now, retry_after, |failures| backoff(retry, failures));
        self.after_failure(begins, failure);
    }

    fn after_failure(&self, begins: bool, failure: &Failure) {
        if begins {
            let (name, reason) = (&self.name, failure.text());
            match failure.reach() {
                Reach::Answered => tracing::warn!(
                    "Destination {name} is failing, batches wait, with --attempts {} for each: \
                     {reason}",
                    self.retry.attempts
                ),
                Reach::Unsent | Reach::Unanswered => tracing::warn!(
                    "Destination {name} is failing, batches wait until it answers: {reason}"
                ),
            }
        }
        self.wake_others();
    }

    /// Sends a batch once. The attempt must have begun, and still counts as begun afterwards.
    pub(super) async fn attempt(&self, waiting: &mut Waiting, most_attempts: u32) -> Verdict {
        let started = self.clock.instant();
        waiting.since.get_or_insert(started);
        waiting.attempts += 1;
        if waiting.attempts > 1 {
            self.tally.retries.increment();
        }
        let call = self.call(waiting, most_attempts);
        let result = self.upstream.call_whole(call, MOST_ANSWER_BYTES).await;
        self.tally.latency.observe(self.clock.instant() - started);
        let verdict = judge(result, || self.upstream.url(PATH), self.clock.now());
        if let Verdict::Failed(failure) = &verdict {
            failure.count(&self.tally.connection_errors);
        }
        verdict
    }

    /// Counts a batch as sent and writes the lines about it. `from` tells where it waited, when
    /// that was not in memory.
    pub(super) fn say_taken(&self, waiting: &Waiting, refused: &[Unprocessed], from: Option<&str>) {
        let batch = &waiting.batch;
        let (documents, destination) = (batch.document_count(), self.shown());
        self.tally.sent.add(count(documents));
        let since = waiting.since.unwrap_or_else(|| self.clock.instant());
        let seconds = (self.clock.instant() - since).as_secs_f64();
        if refused.is_empty() {
            tracing::info!(
                destination,
                from,
                "Successfully sent batch of {documents} segments ({seconds:.3} seconds)"
            );
            return;
        }
        self.tally.unprocessed.add(count(refused.len()));
        tracing::info!(
            destination,
            from,
            "Sent batch of {documents} segments but had {} Unprocessed segments ({seconds:.3} \
             seconds)",
            refused.len()
        );
        unprocessed::report(batch, refused, destination);
    }

    /// Shows what is in the spool.
    pub(super) fn show_spool(&self, spooling: &Spooling) {
        let bytes = spooling.spool().bytes();
        self.tally.spool_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Drops a batch that gives way to newer ones, or sends it to the spool.
    pub(super) fn spill(&self, batch: Arc<Batch>) {
        let spilled = match &self.spooling {
            Some(spooling) => spooling.leave(batch),
            None => Err(batch),
        };
        if let Err(batch) = spilled {
            let documents = batch.document_count();
            self.tally.lost.queue_full.add(count(documents));
            tracing::warn!(destination = self.shown(), "Spilling over {documents} segments");
        }
    }

    /// Sends the oldest batches to the spool early, so that memory is seldom full: what comes while
    /// the disk is written has to go somewhere.
    fn relieve_memory(&self) {
        let Some(spooling) = &self.spooling else { return };
        let mut queue = self.lock();
        while queue.bytes() > self.spool_over_bytes {
            let Some(oldest) = queue.oldest(|_| true) else { break };
            if spooling.leave(oldest).is_err() {
                break; // So many are on their way that it has to wait.
            }
            queue.pop_oldest();
        }
        drop(queue);
        self.show_waiting();
    }

    fn call(&self, waiting: &mut Waiting, most_attempts: u32) -> Call {
        let invocation = waiting.invocation.get_or_insert_with(new_invocation).clone();
        let attempt = match waiting.attempts {
            // Those without an answer are not bounded; the SDKs leave out a bound that they do not know.
            attempt if attempt > most_attempts => format!("attempt={attempt}"),
            attempt => format!("attempt={attempt}; max={most_attempts}"),
        };
        let headers = headers(
            &self.user_agent,
            &*self.clock,
            [("amz-sdk-invocation-id", invocation), ("amz-sdk-request", printable(attempt))],
        );
        Call {
            method: Method::POST,
            path_and_query: PathAndQuery::from_static(PATH),
            headers,
            body: waiting.batch.body(),
            sha256: Some(waiting.batch.sha256()),
            timeout: self.retry.timeout,
            unsigned_without_credentials: false,
            resends: Some(self.tally.retries.clone()),
        }
    }

    /// Deals with what became of the attempt for a batch of the queue.
    fn settle(&self, waiting: Waiting, verdict: Verdict) {
        match verdict {
            Verdict::Taken(refused) => {
                self.answered();
                self.say_taken(&waiting, &refused, None);
            }
            Verdict::Failed(failure) => match failure.then {
                Then::TryAgain(pause) => self.try_again(waiting, pause, &failure),
                Then::KeepForLater => {
                    self.answered();
                    let kept = self.keep_on_disk(&waiting.batch);
                    self.say_failed(&waiting.batch, &failure, kept);
                }
                Then::GiveUp => {
                    self.answered();
                    self.say_failed(&waiting.batch, &failure, None);
                }
            },
        }
    }

    /// Puts a batch back, unless its attempts are used up. Those without an answer use up none: they
    /// only send it to the spool, where there is one.
    fn try_again(&self, mut waiting: Waiting, pause: Option<Duration>, failure: &Failure) {
        self.lock().note_attempt(&mut waiting, failure.reach());
        let (attempt, most_attempts) = (waiting.attempts, self.retry.attempts);
        let kept = (attempt >= most_attempts).then(|| self.keep_on_disk(&waiting.batch)).flatten();
        if kept.is_some() || waiting.spent >= most_attempts {
            self.failed(pause, failure);
            self.say_failed(&waiting.batch, failure, kept);
            return;
        }
        if attempt == most_attempts {
            self.say_failed(&waiting.batch, failure, Some("in memory"));
        }
        let (destination, error) = (self.shown(), failure.text());
        tracing::debug!(destination, attempt, error, "Segment batch: retrying batch");
        let wait = backoff(&self.retry, attempt).max(pause.unwrap_or_default());
        let mut queue = self.lock();
        queue.give_back(waiting, Some(Instant::now() + wait));
        self.tally.waiting.set(i64::try_from(queue.documents()).unwrap_or(i64::MAX));
        drop(queue);
        self.failed(pause, failure);
    }

    /// Sends a batch to the spool, if there is one and it takes it; gives where the batch is then.
    fn keep_on_disk(&self, batch: &Arc<Batch>) -> Option<&'static str> {
        let spooling = self.spooling.as_ref()?;
        spooling.leave(Arc::clone(batch)).ok().map(|()| "on disk")
    }

    /// Says that the attempts for a batch came to nothing, and counts it as lost unless it is `kept`.
    fn say_failed(&self, batch: &Batch, failure: &Failure, kept: Option<&str>) {
        let documents = batch.document_count();
        if kept.is_none() {
            self.tally.lost.send_failed.add(count(documents));
        }
        let described = failure.describe(self.retry.attempts);
        tracing::error!(
            destination = self.shown(),
            segments = documents,
            kept,
            "Sending segment batch failed with: {described}"
        );
    }

    /// Lets another sender look: an attempt may be allowed that was not before, or nothing may be
    /// left to wait for.
    fn wake_others(&self) {
        if self.closed.is_cancelled() {
            self.changed.notify_waiters();
        } else if !self.lock().is_empty() {
            self.changed.notify_one();
        }
    }

    fn next(&self) -> Next {
        let mut queue = self.lock();
        let next = queue.next(Instant::now());
        self.tally.waiting.set(i64::try_from(queue.documents()).unwrap_or(i64::MAX));
        if matches!(next, Next::Send(_)) && !queue.is_empty() {
            self.changed.notify_one(); // Several batches come with one call to wake up.
        }
        next
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        // Its methods do not panic half-way: they move whole batches and set numbers.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends batches, one at a time, until none will come any more.
pub(super) async fn send(line: Arc<Line>) {
    tokio::select! {
        // Attempts would only be used up while the endpoint is not known.
        () = line.upstream.endpoint_known() => {}
        () = nothing_to_send(&line) => return,
        () = line.ended.cancelled() => return,
    }
    while !line.ended.is_cancelled() {
        // Made before looking: what changes after the look is not missed.
        let changed = line.changed.notified();
        let until = match line.next() {
            Next::Send(waiting) => {
                send_one(&line, waiting).await;
                continue;
            }
            Next::At(time) => Some(time),
            Next::Wait => None,
            Next::End => break,
        };
        let due = async {
            match until {
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = changed => {}
            () = line.ended.cancelled() => {}
        }
    }
    tracing::trace!("Segment batch: done!");
}

/// Returns when no batch waits and none will come.
async fn nothing_to_send(line: &Line) {
    line.closed.cancelled().await;
    if !line.lock().is_empty() {
        std::future::pending().await
    }
}

async fn send_one(line: &Line, mut waiting: Waiting) {
    let verdict = tokio::select! {
        biased;
        verdict = line.attempt(&mut waiting, line.retry.attempts) => verdict,
        () = line.ended.cancelled() => {
            let mut queue = line.lock();
            queue.landed(&waiting.batch);
            queue.give_up_attempt();
            queue.give_back(waiting, None);
            return;
        }
    };
    line.lock().landed(&waiting.batch);
    line.settle(waiting, verdict);
}

/// The headers of every request of ours: those of the official daemon, and `more`.
pub(crate) fn headers<const N: usize>(
    user_agent: &HeaderValue,
    clock: &dyn Clock,
    more: [(&'static str, HeaderValue); N],
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(N + 8); // Those and what signing adds.
    headers.insert(USER_AGENT, user_agent.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let now = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let timestamp = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
    headers.insert(HeaderName::from_static("x-amzn-xray-timestamp"), printable(timestamp));
    for (name, value) in more {
        headers.insert(HeaderName::from_static(name), value);
    }
    headers
}

/// A random id for all attempts of one request (a UUID of version 4, RFC 9562).
pub(crate) fn new_invocation() -> HeaderValue {
    let random: u128 = rand::random();
    let bits = (random & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    let (time, node) = ((part(0..8), part(8..12), part(12..16)), (part(16..20), part(20..32)));
    printable(format!("{}-{}-{}-{}-{}", time.0, time.1, time.2, node.0, node.1))
}

/// A header value of text that is made of printable ASCII here.
pub(crate) fn printable(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invocations_are_random_uuids() {
        let ids: Vec<String> =
            (0..100).map(|_| new_invocation().to_str().unwrap().to_owned()).collect();
        for id in &ids {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(&id[14..15], "4", "{id}");
            assert!(["8", "9", "a", "b"].contains(&&id[19..20]), "{id}");
        }
        assert_eq!(std::collections::HashSet::<&String>::from_iter(&ids).len(), 100);
    }
}
