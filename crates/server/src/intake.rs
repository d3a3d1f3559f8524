//! What happens to every document, however it comes: counted, checked, handed to the store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use roentgen_model::{Document, MAX_DOCUMENT_BYTES, Rejection, Timestamp, split_documents};
use roentgen_ops::{Clock, HeldBack};
use roentgen_store::{ReceivedDocument, StoreError, TraceStore};

use crate::counters::{Counters, Loss, Source};

/// How often a kind of bad input is logged; the line tells how many were held back.
const WARNING_PERIOD: Duration = Duration::from_secs(30);

/// Takes documents in.
#[derive(Debug)]
pub(crate) struct Intake {
    store: Arc<dyn TraceStore>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    warnings: HeldBack,
}

/// What came out of one payload: a document, or an array of them.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) accepted: Vec<ReceivedDocument>,
    pub(crate) rejections: Vec<Rejection>,
}

impl Intake {
    pub(crate) fn new(
        store: Arc<dyn TraceStore>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { store, clock, counters, warnings: HeldBack::new(WARNING_PERIOD) }
    }

    /// Checks a payload: the body of a datagram, or one string of `TraceSegmentDocuments`.
    /// Documents of an array stand for themselves; a bad one does not spoil the others.
    pub(crate) fn check(&self, payload: Vec<u8>, source: Source) -> Checked {
        let received = epoch_time(self.clock.now());
        let mut checked = Checked::default();
        match cut(&payload) {
            Ok(Some(documents)) => {
                for document in documents {
                    self.check_one(document, received, source, &mut checked);
                }
            }
            Ok(None) => self.check_one(payload, received, source, &mut checked),
            Err(rejection) => {
                self.counters.count_received(source);
                self.reject(rejection, source, &mut checked);
            }
        }
        checked
    }

    /// Hands documents to the store. `done` learns, from another thread, whether they are on
    /// stable storage; unless this fails at once.
    pub(crate) fn store(
        &self,
        documents: Vec<ReceivedDocument>,
        source: Source,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let count = documents.len() as u64;
        let counters = Arc::clone(&self.counters);
        let acknowledge = Box::new(move |outcome: Result<(), StoreError>| {
            match &outcome {
                Ok(()) => counters.count_accepted(source, count),
                Err(_) => counters.count_rejected(Loss::StoreFailed.reason(), count),
            }
            done(outcome);
        });
        self.store.append(documents, acknowledge).inspect_err(|error| {
            let loss = match error {
                StoreError::Overloaded { .. } => Loss::StoreOverloaded,
                _ => Loss::StoreFailed,
            };
            self.counters.count_rejected(loss.reason(), count);
        })
    }

    /// Whether a warning of this kind is due, and how many were held back since the last.
    pub(crate) fn warning_due(&self, kind: &'static str) -> Option<u64> {
        self.warnings.admit(kind, self.clock.instant())
    }

    fn check_one(
        &self,
        bytes: Vec<u8>,
        received: Timestamp,
        source: Source,
        checked: &mut Checked,
    ) {
        self.counters.count_received(source);
        match Document::parse(&bytes) {
            Ok(document) => checked.accepted.push(ReceivedDocument {
                trace_id: document.trace_id,
                received,
                bytes,
            }),
            Err(rejection) => self.reject(rejection, source, checked),
        }
    }

    fn reject(&self, rejection: Rejection, source: Source, checked: &mut Checked) {
        let code = rejection.code.as_str();
        self.counters.count_rejected(code, 1);
        if let Some(held_back) = self.warning_due(code) {
            tracing::warn!(
                code,
                cause = rejection.cause,
                trace_id = rejection.trace_id,
                id = rejection.id,
                source = source.label(),
                held_back,
                "segment document refused"
            );
        }
        checked.rejections.push(rejection);
    }
}

/// The documents of a payload that is an array of them; `None` when it is one document, so that
/// this need not be copied.
fn cut(payload: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Rejection> {
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
    Ok(Some(documents.into_iter().map(|document| document.into_owned()).collect()))
}

/// A wall-clock time as the wire has it. A clock before 1970 counts as 1970.
pub(crate) fn epoch_time(now: SystemTime) -> Timestamp {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use roentgen_model::{ServiceGraph, TraceId};
    use roentgen_ops::{ManualClock, Metrics};
    use roentgen_store::{
        Acknowledge, StoreStatus, SummaryPage, SummaryQuery, TimeRange, TraceDocuments, TraceStore,
    };

    use super::*;

    /// A store that takes one batch and fails to write it, and has no room for another.
    #[derive(Debug, Default)]
    struct FailingStore {
        taken: Mutex<Vec<ReceivedDocument>>,
    }

    impl TraceStore for FailingStore {
        fn append(
            &self,
            documents: Vec<ReceivedDocument>,
            done: Acknowledge,
        ) -> Result<(), StoreError> {
            let mut taken = self.taken.lock().unwrap();
            if !taken.is_empty() {
                return Err(StoreError::Overloaded { documents: taken.len(), bytes: 0 });
            }
            *taken = documents;
            done(Err(StoreError::Closed));
            Ok(())
        }

        fn documents(&self, _: TraceId) -> Result<Option<TraceDocuments>, StoreError> {
            Err(StoreError::Closed)
        }

        fn summaries(&self, _: &SummaryQuery<'_>) -> Result<SummaryPage, StoreError> {
            Err(StoreError::Closed)
        }

        fn service_graph(&self, _: TimeRange) -> Result<ServiceGraph, StoreError> {
            Err(StoreError::Closed)
        }

        fn status(&self) -> StoreStatus {
            StoreStatus::default()
        }

        fn close(&self) {}
    }

    fn intake() -> (Intake, Arc<Counters>) {
        let counters = Arc::new(Counters::new(Arc::new(Metrics::default())));
        let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        let store = Arc::new(FailingStore::default());
        (Intake::new(store, Arc::new(clock), Arc::clone(&counters)), counters)
    }

    fn document(id: u32) -> String {
        format!(
            r#"{{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"{id:016x}","name":"x",
            "start_time":1478293361.2,"end_time":1478293361.4}}"#
        )
    }

    #[test]
    fn documents_keep_their_bytes_and_get_the_time_of_their_arrival() {
        let (intake, counters) = intake();
        let check = |payload: String, expect: &[&str], rejected: usize| {
            let checked = intake.check(payload.into_bytes(), Source::Udp);
            let texts: Vec<_> = checked.accepted.iter().map(|d| d.bytes.as_slice()).collect();
            assert_eq!(texts, expect.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
            assert_eq!(checked.rejections.len(), rejected);
            let arrival = Timestamp::from_micros(7_000_000);
            assert!(checked.accepted.iter().all(|document| document.received == arrival));
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
    fn losses_are_counted_by_reason() {
        let (intake, counters) = intake();
        let store = |count: u32| {
            let documents = (0..count)
                .flat_map(|id| intake.check(document(id).into_bytes(), Source::Http).accepted)
                .collect();
            intake.store(documents, Source::Http, |outcome| assert!(outcome.is_err()))
        };
        assert!(store(3).is_ok());
        assert!(store(2).is_err());
        let rejected: Vec<_> = counters.rejected().collect();
        assert_eq!(rejected, [("store_overloaded", 2), ("store_failed", 3)]);
        assert_eq!(counters.accepted(), 0);
    }

    #[test]
    fn warnings_of_a_kind_are_held_back() {
        let (intake, _) = intake();
        assert_eq!(intake.warning_due("x"), Some(0));
        assert_eq!(intake.warning_due("x"), None);
        assert_eq!(intake.warning_due("y"), Some(0));
    }
}
