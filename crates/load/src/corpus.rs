//! Corpora: endless requests with their segment documents, each a function of seed and number.
//!
//! Requests of many different shapes are drafted and written once; for each request that is sent, a
//! prepared one is copied and its ids, times and some numbers are overwritten. That costs about a
//! tenth of what sending the document costs, and whoever knows seed, number and time of a request
//! can tell all that must be stored of it, without having kept anything.

mod contribution;
mod filling;
mod fleet;
mod plain;
mod shape;
mod spelling;
mod template;

use roentgen_model::{Timestamp, TraceId};

pub use contribution::{Contribution, NodeName, Tally};
pub use fleet::{Fleet, Shares};

use crate::Shop;
use filling::{Filling, MAX_TRACES, PACE_UNIT, scattered};
use shape::{Draft, Shape};

/// Different requests of the plain corpus and of the shop: enough for no two in a block of a log
/// to have the same words by more than chance, few enough to stay in a processor's cache.
const SHAPES: usize = 512;

/// When drafts are written. Any time with ten digits of seconds does.
const DRAFT_TIME: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// Why a corpus could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A draft is not JSON: a fault of this crate.
    #[error("a drafted document is not JSON: {source}: {document}")]
    Draft {
        /// What is wrong with it.
        source: serde_json::Error,
        /// The document.
        document: String,
    },
    /// A draft misses its trace or its start: a fault of this crate.
    #[error("a drafted document has no trace id or no start: {document}")]
    Incomplete {
        /// The document.
        document: String,
    },
    /// The size of a fleet is out of range.
    #[error("{what} of a fleet is {value}; expected {least} to {most}")]
    Size {
        /// Which size.
        what: &'static str,
        /// What was asked for.
        value: usize,
        /// The least that is possible.
        least: usize,
        /// The most that is possible.
        most: usize,
    },
    /// A share is no share, or all together are more than the whole.
    #[error("the share of {what} is {value}; shares are 0 to 1, and all together at most 1")]
    Share {
        /// Which share.
        what: &'static str,
        /// What was asked for.
        value: f64,
    },
}

/// Requests without end.
///
/// ```
/// use roentgen_load::Corpus;
/// use roentgen_model::Timestamp;
///
/// let corpus = Corpus::plain(7, "")?;
/// let end = Timestamp::from_micros(1_795_334_983_250_111);
/// let request = corpus.request(41, end);
/// let mut document = Vec::new();
/// request.write(0, &mut document);
///
/// // Who knows seed, number and time knows every byte.
/// let mut again = Vec::new();
/// Corpus::plain(7, "")?.request(41, end).write(0, &mut again);
/// assert_eq!(document, again);
/// # Ok::<(), roentgen_load::CorpusError>(())
/// ```
#[derive(Debug)]
pub struct Corpus {
    seed: u64,
    shapes: Vec<Shape>,
    /// For each shape, the random number below which it is drawn; ascending.
    thresholds: Vec<u64>,
}

/// One request of a corpus, ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    shape: &'a Shape,
    shape_number: usize,
    number: u64,
    filling: Filling<'a>,
}

impl Corpus {
    /// Three services, three segments of about a kilobyte, one trace: the corpus of the figures of
    /// the store. `name_suffix` is added to the names of all services.
    ///
    /// # Errors
    /// Never but by a fault of this crate.
    pub fn plain(seed: u64, name_suffix: &str) -> Result<Self, CorpusError> {
        let drafts = plain::requests(seed, SHAPES).map(|drafts| (1.0, drafts));
        Self::prepare(seed, name_suffix, drafts)
    }

    /// Requests to the sample shop.
    ///
    /// # Errors
    /// Never but by a fault of this crate.
    pub fn shop(seed: u64, name_suffix: &str) -> Result<Self, CorpusError> {
        let mut shop = Shop::new(seed);
        let drafts = (0..SHAPES).map(|_| {
            let documents = shop.request(DRAFT_TIME);
            (1.0, documents.into_iter().map(|document| Draft::from(document.json)).collect())
        });
        Self::prepare(seed, name_suffix, drafts)
    }

    /// Requests to a generated fleet of services.
    ///
    /// # Errors
    /// When a size or a share of the fleet is out of range.
    pub fn fleet(seed: u64, name_suffix: &str, fleet: &Fleet) -> Result<Self, CorpusError> {
        Self::prepare(seed, name_suffix, fleet.requests(seed)?.into_iter())
    }

    fn prepare(
        seed: u64,
        name_suffix: &str,
        drafts: impl Iterator<Item = (f64, Vec<Draft>)>,
    ) -> Result<Self, CorpusError> {
        let mut shapes = Vec::new();
        let mut weights = Vec::new();
        for (weight, drafts) in drafts {
            let shape = Shape::new(&drafts, name_suffix)?;
            let most = usize::try_from(MAX_TRACES).unwrap_or(usize::MAX);
            if shape.traces.len() > most {
                let value = shape.traces.len();
                return Err(CorpusError::Size {
                    what: "traces of a request",
                    value,
                    least: 1,
                    most,
                });
            }
            shapes.push(shape);
            weights.push(weight);
        }
        Ok(Self { seed, shapes, thresholds: thresholds(&weights) })
    }

    /// Request `number`, all of whose segments have ended by `end`.
    pub fn request(&self, number: u64, end: Timestamp) -> Request<'_> {
        let drawn = scattered(self.seed ^ scattered(number));
        let shape_number = self.thresholds.partition_point(|threshold| *threshold <= drawn);
        let shape_number = shape_number.min(self.shapes.len().saturating_sub(1));
        let shape = self.shapes.get(shape_number).expect("every corpus has a shape");
        let filling = Filling::new(self.seed, number, end.as_micros(), shape.span, &shape.traces);
        Request { shape, shape_number, number, filling }
    }

    /// How many different requests were prepared.
    pub fn shapes(&self) -> usize {
        self.shapes.len()
    }

    /// Mean size of the documents of the requests with these numbers, bytes.
    pub fn mean_bytes(&self, numbers: std::ops::Range<u64>) -> f64 {
        let (mut documents, mut bytes) = (0_usize, 0_usize);
        for number in numbers {
            let request = self.request(number, DRAFT_TIME);
            documents += request.documents();
            bytes +=
                request.shape.documents.iter().map(|each| each.plain.text.len()).sum::<usize>();
        }
        bytes as f64 / (documents as f64).max(1.0)
    }

    /// Mean number of documents of the requests with these numbers.
    pub fn mean_documents(&self, numbers: std::ops::Range<u64>) -> f64 {
        let requests = (numbers.end.saturating_sub(numbers.start)) as f64;
        let documents: usize =
            numbers.map(|number| self.request(number, DRAFT_TIME).documents()).sum();
        documents as f64 / requests.max(1.0)
    }

    /// What so many requests of one shape add to the service graph. `pace` is the sum of
    /// [`Request::pace`] over them.
    pub fn add_contribution(
        &self,
        shape_number: usize,
        count: u64,
        pace: u64,
        sum: &mut Contribution,
    ) {
        if let Some(shape) = self.shapes.get(shape_number) {
            sum.add_times(shape.contribution(), count, pace, PACE_UNIT);
        }
    }
}

impl Request<'_> {
    /// Its number in the corpus.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Which of the prepared requests it is, from 0.
    pub fn shape_number(&self) -> usize {
        self.shape_number
    }

    /// What its times are multiplied by, in some unit; for [`Corpus::add_contribution`].
    pub fn pace(&self) -> u64 {
        self.filling.pace
    }

    /// How many documents it has.
    pub fn documents(&self) -> usize {
        self.shape.documents.len()
    }

    /// How many traces it has: a message in a queue, once consumed, begins another.
    pub fn traces(&self) -> usize {
        self.shape.traces.len()
    }

    /// Whether a document is to be sent long after the others.
    pub fn is_late(&self, document: usize) -> bool {
        self.shape.documents.get(document).is_some_and(|document| document.is_late)
    }

    /// To which of its traces a document belongs.
    pub fn trace_of(&self, document: usize) -> usize {
        let trace = self.shape.documents.get(document).map(|document| document.trace);
        trace.and_then(|trace| usize::try_from(trace).ok()).unwrap_or(0)
    }

    /// The id of one of its traces.
    pub fn trace_id(&self, trace: usize) -> TraceId {
        self.filling.trace_id(u32::try_from(trace).unwrap_or(u32::MAX))
    }

    /// The ids of all its traces.
    pub fn trace_ids(&self) -> impl Iterator<Item = TraceId> {
        (0..self.traces()).map(|trace| self.trace_id(trace))
    }

    /// When its first segment begins.
    pub fn start(&self) -> Timestamp {
        Timestamp::from_micros(self.filling.start)
    }

    /// Bytes of a document as it stands in a datagram.
    pub fn bytes(&self, document: usize) -> usize {
        self.shape.documents.get(document).map_or(0, |document| document.plain.text.len())
    }

    /// Appends a document as it stands in a datagram.
    pub fn write(&self, document: usize, out: &mut Vec<u8>) {
        if let Some(document) = self.shape.documents.get(document) {
            self.filling.write(&document.plain, out);
        }
    }

    /// Appends a document as it stands within a JSON string, without its quotes.
    pub fn write_escaped(&self, document: usize, out: &mut Vec<u8>) {
        if let Some(document) = self.shape.documents.get(document) {
            self.filling.write(&document.escaped, out);
        }
    }
}

/// Weights as numbers of 64 bits below which each is drawn.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weights are not negative, and a float too large becomes the largest integer"
)]
fn thresholds(weights: &[f64]) -> Vec<u64> {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    weights
        .iter()
        .map(|weight| {
            sum += weight;
            (sum / total * 18_446_744_073_709_551_616.0) as u64
        })
        .collect()
}

#[cfg(test)]
mod tests;
