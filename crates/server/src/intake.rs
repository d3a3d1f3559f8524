//! What happens to every document, however it comes: counted, checked, handed to the store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use roentgen_model::{MAX_DOCUMENT_BYTES, Rejection, Timestamp, split_documents};
use roentgen_ops::{Clock, HeldBack};
use roentgen_store::{Acknowledge, NewDocument, StoreError, TraceStore};

use crate::counters::{Counters, Loss, Source};

mod waiting_room;

pub use waiting_room::OverloadLimits;

use waiting_room::{WaitingRoom, append_blocking};

/// How often a kind of bad input is logged; the line tells how many were held back.
const WARNING_PERIOD: Duration = Duration::from_secs(30);

/// Takes documents in.
#[derive(Debug)]
pub(crate) struct Intake {
    store: Arc<dyn TraceStore>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    warnings: Arc<HeldBack>,
    waiting_room: WaitingRoom,
}

/// Documents that come together: in one call of PutTraceSegments, or in a batch of datagrams. What
/// is the same for all of them is done once.
#[derive(Debug)]
pub(crate) struct Arrival {
    source: Source,
    received: Timestamp,
    /// Documents, good or bad.
    count: u64,
    checked: Checked,
    /// Memory to parse in.
    buffer: Vec<u8>,
}

/// What came out of the payloads of an arrival, each of which is a document or an array of them.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) accepted: Vec<NewDocument>,
    pub(crate) rejections: Vec<Rejection>,
}

/// Where it is told that the store did not take documents.
struct Losses {
    counters: Arc<Counters>,
    warnings: Arc<HeldBack>,
    clock: Arc<dyn Clock>,
}

impl Losses {
    /// Counts documents that are lost. A store that has failed is told in the log, now and then
    /// while it lasts; that it has too much to do is told to the senders.
    fn tell(&self, documents: u64, error: &StoreError) {
        let loss = match error {
            StoreError::Overloaded { .. } => Loss::StoreOverloaded,
            _ => Loss::StoreFailed,
        };
        self.counters.count_rejected(loss.reason(), documents);
        if matches!(error, StoreError::Overloaded { .. } | StoreError::Closed) {
            return;
        }
        if let Some(held_back) = self.warnings.admit(loss.reason(), self.clock.instant()) {
            tracing::error!(%error, documents, held_back, "the store does not take documents");
        }
    }
}

impl Intake {
    pub(crate) fn new(
        store: Arc<dyn TraceStore>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
        overload_limits: OverloadLimits,
    ) -> Self {
        let warnings = Arc::new(HeldBack::new(WARNING_PERIOD));
        let waiting_room = WaitingRoom::new(overload_limits);
        Self { store, clock, counters, warnings, waiting_room }
    }

    /// Begins with documents that have just come.
    pub(crate) fn arrival(&self, source: Source) -> Arrival {
        let received = epoch_time(self.clock.now());
        Arrival { source, received, count: 0, checked: Checked::default(), buffer: Vec::new() }
    }

    /// Checks a payload: the body of a datagram, or one string of `TraceSegmentDocuments`.
    /// Documents of an array stand for themselves; a bad one does not spoil the others.
    pub(crate) fn check(&self, payload: Bytes, arrival: &mut Arrival) {
        match cut(&payload) {
            Ok(Some(documents)) => {
                for document in documents {
                    self.check_one(document, arrival);
                }
            }
            Ok(None) => self.check_one(payload, arrival),
            Err(rejection) => {
                arrival.count += 1;
                self.reject(rejection, arrival);
            }
        }
    }

    /// Ends an arrival; its documents count as received.
    pub(crate) fn finish(&self, arrival: Arrival) -> Checked {
        self.counters.count_received(arrival.source, arrival.count);
        let mut checked = arrival.checked;
        if !checked.rejections.is_empty() {
            // A short document that is stored must not keep the memory of long ones that are not.
            checked.accepted.iter_mut().for_each(NewDocument::leave_shared_memory);
        }
        checked
    }

    /// Hands documents to the store, and waits for a time when it has no room. `done` learns, from
    /// another thread, whether they are on stable storage; unless this fails.
    pub(crate) async fn store(
        &self,
        documents: Vec<NewDocument>,
        source: Source,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (count, done) = self.counting(&documents, source, done);
        let outcome = self.waiting_room.append(&*self.store, documents, done).await;
        self.count_loss(count, outcome)
    }

    /// As [`Intake::store`], on a thread that may block for a moment.
    pub(crate) fn store_blocking(
        &self,
        documents: Vec<NewDocument>,
        source: Source,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (count, done) = self.counting(&documents, source, done);
        self.count_loss(count, append_blocking(&*self.store, documents, done))
    }

    /// Whether a warning of this kind is due, and how many were held back since the last.
    pub(crate) fn warning_due(&self, kind: &'static str) -> Option<u64> {
        self.warnings.admit(kind, self.clock.instant())
    }

    /// How many documents these are, and a callback that counts what becomes of them.
    fn counting(
        &self,
        documents: &[NewDocument],
        source: Source,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> (u64, Acknowledge) {
        let count = documents.len() as u64;
        let losses = self.losses();
        let done = Box::new(move |outcome: Result<(), StoreError>| {
            match &outcome {
                Ok(()) => losses.counters.count_accepted(source, count),
                Err(error) => losses.tell(count, error),
            }
            done(outcome);
        });
        (count, done)
    }

    fn count_loss(&self, count: u64, outcome: Result<(), StoreError>) -> Result<(), StoreError> {
        outcome.inspect_err(|error| self.losses().tell(count, error))
    }

    fn losses(&self) -> Losses {
        Losses {
            counters: Arc::clone(&self.counters),
            warnings: Arc::clone(&self.warnings),
            clock: Arc::clone(&self.clock),
        }
    }

    fn check_one(&self, bytes: Bytes, arrival: &mut Arrival) {
        arrival.count += 1;
        match NewDocument::parse_with(bytes, arrival.received, &mut arrival.buffer) {
            Ok(document) => arrival.checked.accepted.push(document),
            Err(rejection) => self.reject(rejection, arrival),
        }
    }

    fn reject(&self, rejection: Rejection, arrival: &mut Arrival) {
        let code = rejection.code.as_str();
        self.counters.count_rejected(code, 1);
        if let Some(held_back) = self.warning_due(code) {
            tracing::warn!(
                code,
                cause = rejection.cause,
                trace_id = rejection.trace_id,
                id = rejection.id,
                source = arrival.source.label(),
                held_back,
                "segment document refused"
            );
        }
        arrival.checked.rejections.push(rejection);
    }
}

/// The documents of a payload that is an array of them; `None` when it is one document, so that
/// this need not be copied.
fn cut(payload: &[u8]) -> Result<Option<Vec<Bytes>>, Rejection> {
    // The size limit holds for the payload as a whole. Parsing it will refuse it.
    if payload.len() > MAX_DOCUMENT_BYTES {
        return Ok(None);
    }
    let documents = split_documents(payload)?;
    if let [only] = documents.as_slice()
        && only.len() == payload.len()
    {
        return Ok(None);
    }
    Ok(Some(documents.into_iter().map(|document| document.into_owned().into()).collect()))
}

/// A wall-clock time as the wire has it. A clock before 1970 counts as 1970.
pub(crate) fn epoch_time(now: SystemTime) -> Timestamp {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use roentgen_ops::{ManualClock, Metrics};

    use super::*;
    use crate::test_store::NarrowStore;

    fn intake() -> (Intake, Arc<NarrowStore>, Arc<Counters>) {
        let counters = Arc::new(Counters::new(Arc::new(Metrics::default())));
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        let store = Arc::new(NarrowStore::default());
        let as_store: Arc<dyn TraceStore> = store.clone();
        let limits = OverloadLimits::default();
        let intake = Intake::new(as_store, Arc::new(clock), Arc::clone(&counters), limits);
        (intake, store, counters)
    }

    fn document(id: u32) -> String {
        format!(
            r#"{{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"{id:016x}","name":"x",
            "start_time":1478293361.2,"end_time":1478293361.4}}"#
        )
    }

    #[test]
    fn documents_keep_their_bytes_and_get_the_time_of_their_arrival() {
        let (intake, _, counters) = intake();
        let check = |payload: String, expect: &[&str], rejected: usize| {
            let mut arrival = intake.arrival(Source::Udp);
            intake.check(payload.into(), &mut arrival);
            let checked = intake.finish(arrival);
            let texts: Vec<_> = checked.accepted.iter().map(NewDocument::bytes).collect();
            assert_eq!(texts, expect.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
            assert_eq!(checked.rejections.len(), rejected);
            let arrival = Timestamp::from_micros(7_000_000);
            assert!(checked.accepted.iter().all(|document| document.received() == arrival));
        };
        let (one, two) = (document(1), document(2));
        check(one.clone(), &[&one], 0);
        check(format!(" {one}\n"), &[&format!(" {one}\n")], 0);
        check(format!("[{one}, {two}]"), &[&one, &two], 0);
        check(format!("[{one}, 7, {two}]"), &[&one, &two], 1);
        check(format!("[{one}, {two}{}]", " ".repeat(MAX_DOCUMENT_BYTES)), &[], 1);
        check("[]".to_owned(), &[], 1);
        let rejected: Vec<_> = counters.rejected().collect();
        assert_eq!(rejected, [("ParseError", 1), ("MissingId", 1), ("InvalidSegment", 1)]);
    }

    #[test]
    fn what_is_refused_leaves_no_memory_behind() {
        let check = |other: &str, is_left: bool| {
            let (intake, _, _) = intake();
            let mut shared = BytesMut::from([&document(1), other].concat().as_bytes());
            let good = shared.split_to(document(1).len()).freeze();
            let mut arrival = intake.arrival(Source::Http);
            intake.check(good, &mut arrival);
            intake.check(shared.split().freeze(), &mut arrival);
            let checked = intake.finish(arrival);
            let documents = checked.accepted.iter().map(NewDocument::bytes);
            assert_eq!(documents.map(<[u8]>::len).sum::<usize>() > document(1).len(), is_left);
            drop(checked.rejections);
            assert_eq!(shared.try_reclaim(other.len()), !is_left);
        };
        check(&document(2), true);
        check("7", false);
    }

    #[tokio::test(start_paused = true)]
    async fn what_becomes_of_documents_is_counted() {
        let (intake, store, counters) = intake();
        let documents = |count: u32| {
            let mut arrival = intake.arrival(Source::Http);
            (0..count).for_each(|id| intake.check(document(id).into(), &mut arrival));
            intake.finish(arrival).accepted
        };
        store.make_room();
        assert!(intake.store(documents(4), Source::Http, |_| ()).await.is_ok());
        assert!(intake.store(documents(2), Source::Http, |_| ()).await.is_err());
        store.make_room();
        store.break_disk();
        let fails = |outcome: Result<(), StoreError>| assert!(outcome.is_err());
        assert!(intake.store(documents(3), Source::Http, fails).await.is_ok());
        let rejected: Vec<_> = counters.rejected().collect();
        assert_eq!(rejected, [("store_overloaded", 2), ("store_failed", 3)]);
        assert_eq!(counters.accepted(), 4);
        let text = counters.metrics.render();
        let received = "roentgen_documents_received_total{source=\"http\"} 9";
        assert!(text.contains(received), "{text}");
    }

    #[test]
    fn warnings_of_a_kind_are_held_back() {
        let (intake, _, _) = intake();
        assert_eq!(intake.warning_due("x"), Some(0));
        assert_eq!(intake.warning_due("x"), None);
        assert_eq!(intake.warning_due("y"), Some(0));
    }
}
