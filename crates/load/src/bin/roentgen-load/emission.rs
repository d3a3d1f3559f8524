//! Which document comes next: requests in order of their numbers, some of them under way at a time,
//! with some documents held back until they are late.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use roentgen_load::{Corpus, Request};
use roentgen_model::Timestamp;

/// Numbers that a thread takes at a time, so that threads do not meet at each request.
const BATCH_REQUESTS: u64 = 64;

/// A batch that is older gets no more requests: they would begin too far in the past.
const BATCH_AGE: Duration = Duration::from_millis(100);

/// Between the requests of a batch, when they happen in real time.
const REAL_STEP_NANOS: u64 = 10_000;

/// Most documents that one thread holds back; one too many is sent at once, and so is not late.
const MAX_LATE: usize = 1 << 16;

/// What the threads of a run share.
#[derive(Debug)]
pub(crate) struct Numbers {
    next: AtomicU64,
    begun_documents: AtomicU64,
    most_documents: Option<u64>,
    timeline: Timeline,
}

/// When requests happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeline {
    /// When they are sent.
    Real,
    /// Evenly over a time that is past: number 0 at `begin`, each next one a step later.
    Past { begin: Timestamp, step_nanos: u64 },
}

/// Consecutive requests and when they happened: all that must be kept to know what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Number of the first request.
    pub(crate) first: u64,
    /// How many were begun.
    pub(crate) count: u64,
    /// By when the first request has ended.
    pub(crate) end: Timestamp,
}

/// How often a prepared request was sent, and the sum of its paces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShapeCount {
    pub(crate) count: u64,
    pub(crate) pace: u64,
}

/// A document to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emitted<'a> {
    pub(crate) request: Request<'a>,
    /// By when its request has ended.
    pub(crate) end: Timestamp,
    /// Which document of the request.
    pub(crate) document: usize,
    /// Whether its request has just begun.
    pub(crate) is_first: bool,
}

/// The documents of one thread.
#[derive(Debug)]
pub(crate) struct Emission<'a> {
    corpus: &'a Corpus,
    numbers: &'a Numbers,
    late_after: Duration,
    /// Requests under way.
    open: Vec<Option<Open<'a>>>,
    /// The one whose turn it is.
    turn: usize,
    late: VecDeque<Late<'a>>,
    batch: Option<(Batch, Duration)>,
    is_ending: bool,
    batches: Vec<Batch>,
    shapes: Vec<ShapeCount>,
}

#[derive(Clone, Copy, Debug)]
struct Open<'a> {
    request: Request<'a>,
    end: Timestamp,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Late<'a> {
    due: Duration,
    emitted: Emitted<'a>,
}

impl Numbers {
    /// Requests from number 0 until about `most_documents` are begun.
    pub(crate) fn new(most_documents: Option<u64>, timeline: Timeline) -> Self {
        Self {
            next: AtomicU64::new(0),
            begun_documents: AtomicU64::new(0),
            most_documents,
            timeline,
        }
    }

    /// By when request `index` of a batch has ended.
    pub(crate) fn end_of(&self, batch: &Batch, index: u64) -> Timestamp {
        let step = match self.timeline {
            Timeline::Real => REAL_STEP_NANOS,
            Timeline::Past { step_nanos, .. } => step_nanos,
        };
        later(batch.end, index, step)
    }

    fn take_batch(&self, wall: Timestamp) -> Batch {
        let first = self.next.fetch_add(BATCH_REQUESTS, Ordering::Relaxed);
        let end = match self.timeline {
            Timeline::Real => wall,
            Timeline::Past { begin, step_nanos } => later(begin, first, step_nanos),
        };
        Batch { first, count: 0, end }
    }

    /// Whether a batch is too old; one of the past never is.
    fn is_stale(&self, age: Duration) -> bool {
        self.timeline == Timeline::Real && age > BATCH_AGE
    }

    /// Counts a request that is to begin; false when there are enough.
    fn begin(&self, documents: usize) -> bool {
        let documents = u64::try_from(documents).unwrap_or(u64::MAX);
        let before = self.begun_documents.fetch_add(documents, Ordering::Relaxed);
        self.most_documents.is_none_or(|most| before < most)
    }
}

impl<'a> Emission<'a> {
    /// Documents of requests, `interleaved` of them under way at a time.
    pub(crate) fn new(
        corpus: &'a Corpus,
        numbers: &'a Numbers,
        interleaved: usize,
        late_after: Duration,
    ) -> Self {
        Self {
            corpus,
            numbers,
            late_after,
            open: vec![None; interleaved.max(1)],
            turn: 0,
            late: VecDeque::new(),
            batch: None,
            is_ending: false,
            batches: Vec::new(),
            shapes: vec![ShapeCount::default(); corpus.shapes()],
        }
    }

    /// The next document; `None` when all requests that were begun are complete and no more are to
    /// begin. `now` is the moment of the run, `wall` the time then.
    pub(crate) fn next(&mut self, now: Duration, wall: Timestamp) -> Option<Emitted<'a>> {
        if self.late.front().is_some_and(|late| late.due <= now) {
            return self.late.pop_front().map(|late| late.emitted);
        }
        // One round finds what is under way, or a place for another request.
        let mut rounds_left = self.open.len();
        loop {
            if let Some(emitted) = self.next_of_turn(now) {
                return Some(emitted);
            }
            if self.begin(now, wall) {
                continue;
            }
            if rounds_left == 0 {
                // What is held back comes at once then.
                return self.late.pop_front().map(|late| late.emitted);
            }
            rounds_left -= 1;
            self.turn = (self.turn + 1) % self.open.len();
        }
    }

    /// Begins no more requests.
    pub(crate) fn finish(&mut self) {
        self.is_ending = true;
    }

    /// What was sent: the batches, and how often which prepared request.
    pub(crate) fn into_record(mut self) -> (Vec<Batch>, Vec<ShapeCount>) {
        self.close_batch();
        (self.batches, self.shapes)
    }

    /// The next document of the request whose turn it is, and the turn of the one after it.
    fn next_of_turn(&mut self, now: Duration) -> Option<Emitted<'a>> {
        let place = self.open.get_mut(self.turn)?;
        loop {
            let open = place.as_mut()?;
            if open.next == open.request.documents() {
                *place = None;
                return None;
            }
            let document = open.next;
            open.next += 1;
            let emitted =
                Emitted { request: open.request, end: open.end, document, is_first: document == 0 };
            // The first one is always sent, so that whoever follows requests meets each in time.
            let is_held_back = document > 0 && open.request.is_late(document) && !self.is_ending;
            if is_held_back && self.late.len() < MAX_LATE {
                self.late.push_back(Late { due: now + self.late_after, emitted });
                continue;
            }
            self.turn = (self.turn + 1) % self.open.len();
            return Some(emitted);
        }
    }

    /// Begins a request at the place whose turn it is; false when that is taken or none is to begin.
    fn begin(&mut self, now: Duration, wall: Timestamp) -> bool {
        let is_free = self.open.get(self.turn).is_some_and(Option::is_none);
        if !is_free || self.is_ending {
            return false;
        }
        let is_usable = self.batch.as_ref().is_some_and(|(batch, taken)| {
            batch.count < BATCH_REQUESTS && !self.numbers.is_stale(now.saturating_sub(*taken))
        });
        if !is_usable {
            self.close_batch();
            self.batch = Some((self.numbers.take_batch(wall), now));
        }
        let Some((batch, _)) = &mut self.batch else { return false };
        let end = self.numbers.end_of(batch, batch.count);
        let request = self.corpus.request(batch.first + batch.count, end);
        if !self.numbers.begin(request.documents()) {
            self.is_ending = true;
            return false;
        }
        batch.count += 1;
        if let Some(shape) = self.shapes.get_mut(request.shape_number()) {
            shape.count += 1;
            shape.pace += request.pace();
        }
        if let Some(place) = self.open.get_mut(self.turn) {
            *place = Some(Open { request, end, next: 0 });
        }
        true
    }

    fn close_batch(&mut self) {
        if let Some((batch, _)) = self.batch.take().filter(|(batch, _)| batch.count > 0) {
            self.batches.push(batch);
        }
    }
}

fn later(begin: Timestamp, steps: u64, step_nanos: u64) -> Timestamp {
    let micros = u128::from(steps) * u128::from(step_nanos) / 1_000;
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    Timestamp::from_micros(begin.as_micros().saturating_add(micros))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use roentgen_load::{Fleet, Shares};

    use super::*;

    const WALL: Timestamp = Timestamp::from_micros(1_795_334_983_000_000);

    fn all(emission: &mut Emission<'_>, now: impl Fn(usize) -> Duration) -> Vec<(u64, usize)> {
        let mut sent = Vec::new();
        while let Some(emitted) = emission.next(now(sent.len()), WALL) {
            sent.push((emitted.request.number(), emitted.document));
        }
        sent
    }

    #[test]
    fn each_document_of_each_request_comes_once() {
        let corpus = Corpus::shop(3, "").unwrap();
        for interleaved in [1, 5] {
            let numbers = Numbers::new(Some(2_000), Timeline::Real);
            let mut emission = Emission::new(&corpus, &numbers, interleaved, Duration::ZERO);
            let sent = all(&mut emission, |_| Duration::ZERO);
            let (batches, shapes) = emission.into_record();
            let mut by_request: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
            for (number, document) in &sent {
                by_request.entry(*number).or_default().push(*document);
            }
            for (number, documents) in &by_request {
                let request = corpus.request(*number, WALL);
                let expect: Vec<usize> = (0..request.documents()).collect();
                assert_eq!(*documents, expect, "{number}");
            }
            let most = (0..600).map(|number| corpus.request(number, WALL).documents()).max();
            assert!((2_000..2_000 + most.unwrap()).contains(&sent.len()));
            let requests = by_request.len() as u64;
            assert_eq!(batches.iter().map(|batch| batch.count).sum::<u64>(), requests);
            assert_eq!(shapes.iter().map(|shape| shape.count).sum::<u64>(), requests);
        }
    }

    #[test]
    fn interleaved_requests_take_turns() {
        let corpus = Corpus::plain(3, "").unwrap();
        let numbers = Numbers::new(Some(12), Timeline::Real);
        let mut emission = Emission::new(&corpus, &numbers, 2, Duration::ZERO);
        let numbers: Vec<u64> =
            all(&mut emission, |_| Duration::ZERO).iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3]);
    }

    #[test]
    fn late_documents_come_when_they_are_late() {
        let none = Shares {
            errors: 0.0,
            throttles: 0.0,
            faults: 0.0,
            retries: 0.0,
            slow: 0.0,
            queues: 0.0,
            streamed: 0.0,
            in_progress: 0.0,
            late: 1.0,
            duplicates: 0.0,
            big: 0.0,
        };
        let fleet = Fleet { shares: none, ..Fleet::default() };
        let corpus = Corpus::fleet(3, "", &fleet).unwrap();
        let numbers = Numbers::new(Some(300), Timeline::Real);
        let late_after = Duration::from_millis(40);
        let mut emission = Emission::new(&corpus, &numbers, 1, late_after);
        let mut begun: BTreeMap<u64, Duration> = BTreeMap::new();
        let mut held_back = 0;
        for millisecond in 0.. {
            let now = Duration::from_millis(millisecond);
            let Some(emitted) = emission.next(now, WALL) else { break };
            let number = emitted.request.number();
            let begin = *begun.entry(number).or_insert(now);
            if emitted.document > 0 && emitted.request.is_late(emitted.document) {
                // The end sends at once what is left.
                held_back += u32::from(now >= begin + late_after);
            }
        }
        assert!(held_back * 2 > u32::try_from(begun.len()).unwrap(), "{held_back}");
    }

    #[test]
    fn old_batches_are_left_and_batches_tell_when_requests_were() {
        let corpus = Corpus::plain(3, "").unwrap();
        let numbers = Numbers::new(Some(9), Timeline::Real);
        let mut emission = Emission::new(&corpus, &numbers, 1, Duration::ZERO);
        let sent = all(&mut emission, |count| Duration::from_millis(60 * count as u64));
        let numbers_sent: Vec<u64> = sent.iter().step_by(3).map(|(number, _)| *number).collect();
        assert_eq!(numbers_sent, [0, 64, 128]);
        let (batches, _) = emission.into_record();
        let firsts: Vec<_> = batches.iter().map(|batch| (batch.first, batch.count)).collect();
        assert_eq!(firsts, [(0, 1), (64, 1), (128, 1)]);
    }

    #[test]
    fn a_past_has_even_steps() {
        let timeline = Timeline::Past { begin: WALL, step_nanos: 1_500 };
        let numbers = Numbers::new(None, timeline);
        let batch = numbers.take_batch(Timestamp::from_micros(0));
        assert_eq!(numbers.end_of(&batch, 10).as_micros() - WALL.as_micros(), 15);
        let batch = numbers.take_batch(Timestamp::from_micros(0));
        assert_eq!((batch.first, batch.end.as_micros() - WALL.as_micros()), (64, 96));
    }
}
