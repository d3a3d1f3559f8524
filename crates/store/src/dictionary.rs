//! When a dictionary is trained, and with what.
//!
//! Documents of one fleet are much alike; with a dictionary of what they have in common they take
//! a third less room. The first is trained as soon as enough documents have come, later ones now
//! and then, since traffic changes. Training takes a tenth of a second, so it has a thread of its own;
//! when it is done, the writer begins a new file with the dictionary.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use crate::log::train;

/// One document of so many is a sample, so that they are not all of one moment.
const SAMPLED_OF: u64 = 4;
/// Documents from one dictionary to the next: training then costs 0.03 µs for each.
const DOCUMENTS_PER_DICTIONARY: u64 = 4 << 20;

/// Samples, and the training with them.
#[derive(Debug)]
pub(crate) struct Training {
    most_samples: usize,
    samples: Vec<Vec<u8>>,
    /// Documents since the last training began, or since opening.
    documents: u64,
    under_way: Option<Receiver<Option<Vec<u8>>>>,
    trained: Option<Vec<u8>>,
    /// Whether documents could not be trained with; it is tried again with later ones.
    has_failed: bool,
}

impl Training {
    /// Nothing was sampled; a dictionary is trained with so many documents, none with 0.
    pub(crate) fn new(most_samples: usize) -> Self {
        Self {
            most_samples,
            samples: Vec::new(),
            documents: 0,
            under_way: None,
            trained: None,
            has_failed: false,
        }
    }

    /// Looks at a document that was stored.
    pub(crate) fn sample(&mut self, document: &[u8], has_dictionary: bool) {
        self.documents += 1;
        let is_early =
            (has_dictionary || self.has_failed) && self.documents < DOCUMENTS_PER_DICTIONARY;
        let is_busy = self.under_way.is_some() || self.trained.is_some();
        let is_off = self.most_samples == 0;
        if is_off || is_early || is_busy || !self.documents.is_multiple_of(SAMPLED_OF) {
            return;
        }
        self.samples.push(document.to_vec());
        if self.samples.len() >= self.most_samples {
            self.documents = 0;
            self.under_way = start(std::mem::take(&mut self.samples));
            self.has_failed = self.under_way.is_none();
        }
    }

    /// Whether a dictionary waits to be used.
    pub(crate) fn is_done(&mut self) -> bool {
        if let Some(under_way) = &self.under_way {
            match under_way.try_recv() {
                Err(TryRecvError::Empty) => {}
                outcome => {
                    self.under_way = None;
                    self.trained = outcome.ok().flatten();
                    self.has_failed = self.trained.is_none();
                }
            }
        }
        self.trained.is_some()
    }

    /// The dictionary that waits.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        self.trained.take()
    }
}

/// Trains on a thread of its own; `None` when there is none to be had.
fn start(samples: Vec<Vec<u8>>) -> Option<Receiver<Option<Vec<u8>>>> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("store-dictionary".to_owned()).spawn(move || {
        let trained = catch_unwind(AssertUnwindSafe(|| train(&samples))).unwrap_or_else(|_| {
            tracing::error!("training a dictionary met a defect; documents are stored without");
            None
        });
        // Nobody waits any more when the store was closed.
        let _ = sender.send(trained);
    });
    match thread {
        Ok(_) => Some(receiver),
        Err(error) => {
            tracing::warn!(%error, "no thread to train a dictionary on");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(number: u64) -> Vec<u8> {
        format!(r#"{{"id":"{:016x}","name":"shop"}}"#, number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .repeat(8)
            .into_bytes()
    }

    fn wait(training: &mut Training) -> Option<Vec<u8>> {
        while training.under_way.is_some() {
            training.is_done();
            thread::yield_now();
        }
        training.take()
    }

    #[test]
    fn a_dictionary_is_trained_when_enough_has_come_and_again_much_later() {
        let mut training = Training::new(200);
        (0..799).for_each(|number| training.sample(&document(number), false));
        assert!(training.under_way.is_none());
        training.sample(&document(799), false);
        let first = wait(&mut training).unwrap();
        assert!(!first.is_empty());
        (0..10_000).for_each(|number| training.sample(&document(number), true));
        assert!(training.under_way.is_none() && training.samples.is_empty());
        training.documents = DOCUMENTS_PER_DICTIONARY;
        (0..800).for_each(|number| training.sample(&document(number), true));
        assert!(training.under_way.is_some());
    }

    #[test]
    fn with_no_samples_nothing_is_trained() {
        let mut training = Training::new(0);
        (0..1000).for_each(|number| training.sample(&document(number), false));
        assert!(training.under_way.is_none() && training.samples.is_empty());
    }

    #[test]
    fn what_cannot_be_trained_with_is_tried_again_much_later() {
        let mut training = Training::new(2);
        (0..8).for_each(|_| training.sample(b"", false));
        assert_eq!(wait(&mut training), None);
        (0..1000).for_each(|number| training.sample(&document(number), false));
        assert!(training.under_way.is_none() && training.samples.is_empty());
    }
}
