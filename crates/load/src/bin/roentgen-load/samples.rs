//! Requests that are to be read back: followed from their first document to the acknowledgement of
//! their last, then handed to the checker.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use roentgen_model::Timestamp;

use crate::emission::Emitted;

/// A request that is stored, as far as the server said so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) number: u64,
    /// By when it has ended; with the number all that is needed to know its documents.
    pub(crate) end: Timestamp,
    /// When the last of its documents was acknowledged.
    pub(crate) acknowledged: Duration,
}

/// How many more requests the checker wants to read back.
#[derive(Debug, Default)]
pub(crate) struct Wanted(AtomicUsize);

/// The requests of one thread that are to be read back.
#[derive(Debug)]
pub(crate) struct Samples<'a> {
    wanted: &'a Wanted,
    sender: Option<SyncSender<Sample>>,
    open: HashMap<u64, Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    end: Timestamp,
    documents_left: usize,
}

impl Wanted {
    /// Asks for one more.
    pub(crate) fn ask(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were asked for and are not yet begun.
    pub(crate) fn outstanding(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self) -> bool {
        let less = |wanted: usize| wanted.checked_sub(1);
        // Looking costs nothing, and mostly there is nothing to take.
        self.outstanding() > 0
            && self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl<'a> Samples<'a> {
    /// Requests of one thread, to be sent to a checker if there is one.
    pub(crate) fn new(wanted: &'a Wanted, sender: Option<SyncSender<Sample>>) -> Self {
        Self { wanted, sender, open: HashMap::new() }
    }

    /// Takes notice of a document before it is sent.
    pub(crate) fn emitted(&mut self, emitted: &Emitted<'_>) {
        if emitted.is_first && self.wanted.take() {
            let open = Open { end: emitted.end, documents_left: emitted.request.documents() };
            self.open.insert(emitted.request.number(), open);
        }
    }

    /// A document of this request was acknowledged.
    pub(crate) fn acknowledged(&mut self, number: u64, now: Duration) {
        if self.open.is_empty() {
            return;
        }
        let Some(open) = self.open.get_mut(&number) else { return };
        open.documents_left -= 1;
        if open.documents_left == 0 {
            let sample = Sample { number, end: open.end, acknowledged: now };
            self.open.remove(&number);
            if let Some(sender) = &self.sender {
                // A checker that does not keep up misses one; it asks for no more than it can take.
                let _ = sender.try_send(sample);
            }
        }
    }

    /// Nobody knows what became of a document of this request.
    pub(crate) fn lost(&mut self, number: u64) {
        self.open.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use roentgen_load::Corpus;

    use super::*;

    #[test]
    fn a_request_is_handed_over_with_its_last_acknowledgement() {
        let corpus = Corpus::plain(1, "").unwrap();
        let wanted = Wanted::default();
        let (sender, samples) = sync_channel(4);
        let mut thread = Samples::new(&wanted, Some(sender));
        let end = Timestamp::from_micros(1_795_334_983_000_000);
        let emit = |thread: &mut Samples<'_>, number| {
            let request = corpus.request(number, end);
            for document in 0..request.documents() {
                thread.emitted(&Emitted { request, end, document, is_first: document == 0 });
            }
        };
        emit(&mut thread, 0);
        wanted.ask();
        wanted.ask();
        (1..4).for_each(|number| emit(&mut thread, number));
        assert_eq!(wanted.outstanding(), 0);
        let millisecond = Duration::from_millis(1);
        for number in [0, 1, 2, 3, 1, 2, 2] {
            thread.acknowledged(number, millisecond);
        }
        thread.lost(1);
        thread.acknowledged(1, 2 * millisecond);
        let handed_over: Vec<_> = samples.try_iter().collect();
        assert_eq!(handed_over.len(), 1);
        assert_eq!((handed_over[0].number, handed_over[0].acknowledged), (2, millisecond));
    }
}
