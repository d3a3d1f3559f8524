//! A generated fleet: services in layers that call each other, their databases, tables, queues and
//! caches, and a stated share of requests for everything that makes traces difficult.

mod operations;
mod services;

use super::CorpusError;
use super::shape::Draft;
use crate::delivery::documents;
use crate::random::Random;
use crate::topology::Operation;
use crate::visit::Visit;
use crate::walk::Walk;
use operations::Builder;
use services::Layers;

/// Prepared requests without anything particular.
const ORDINARY_SHAPES: usize = 256;
/// Prepared requests for each particular thing.
const PARTICULAR_SHAPES: usize = 24;

/// Most services: as many as a large map shows.
const MAX_SERVICES: usize = 500;
/// Most layers.
const MAX_DEPTH: usize = 16;
/// Most services that one calls.
const MAX_FAN_OUT: usize = 16;
/// Most segments of an ordinary request, and of a big one. The store shows 16 MiB of a trace, and
/// X-Ray's largest traces have about as many.
const MAX_SEGMENTS: usize = 10_000;
/// Fewest segments of a big request that are worth the name.
const LEAST_BIG_SEGMENTS: usize = 100;

/// How often a request is drawn anew until it shows what it is to show. The rarest thing, a retry
/// that is needed, comes to pass in more than half of the draws.
const DRAWS: usize = 100;

/// The size of a fleet, and what happens in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// Services.
    pub services: usize,
    /// Layers of services; a request enters at the first.
    pub depth: usize,
    /// Services of the next layer that one calls at most.
    pub fan_out: usize,
    /// Segments of a big request.
    pub big_segments: usize,
    /// How many requests are how.
    pub shares: Shares,
}

/// The share of requests for each particular thing, 0 to 1; the others are ordinary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// A service answers 4xx.
    pub errors: f64,
    /// A service answers 429.
    pub throttles: f64,
    /// A service throws, and all its callers answer 5xx.
    pub faults: f64,
    /// A call fails and is tried again.
    pub retries: f64,
    /// One service takes some seconds.
    pub slow: f64,
    /// A message is put into a queue, and consumed in a trace of its own that links back.
    pub queues: f64,
    /// A segment with so many subsegments that its SDK sends them on their own.
    pub streamed: f64,
    /// The first segment is sent when it begins as well.
    pub in_progress: f64,
    /// One document comes long after the others.
    pub late: f64,
    /// One document comes twice.
    pub duplicates: f64,
    /// A trace with many segments.
    pub big: f64,
}

/// What is particular about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Particular {
    Nothing,
    Error,
    Throttle,
    Fault,
    Retry,
    Slow,
    Queue,
    Streamed,
    InProgress,
    Late,
    Duplicate,
    Big,
}

impl Default for Fleet {
    /// Twelve services in three layers.
    fn default() -> Self {
        Self {
            services: 12,
            depth: 3,
            fan_out: 2,
            big_segments: MAX_SEGMENTS,
            shares: Shares::default(),
        }
    }
}

impl Default for Shares {
    /// A fleet on a normal day; big traces are left out, for one of them weighs as much as
    /// thousands of others.
    fn default() -> Self {
        Self {
            errors: 0.03,
            throttles: 0.005,
            faults: 0.01,
            retries: 0.01,
            slow: 0.01,
            queues: 0.05,
            streamed: 0.01,
            in_progress: 0.02,
            late: 0.01,
            duplicates: 0.01,
            big: 0.0,
        }
    }
}

impl Shares {
    fn all(&self) -> [(&'static str, Particular, f64); 11] {
        [
            ("errors", Particular::Error, self.errors),
            ("throttles", Particular::Throttle, self.throttles),
            ("faults", Particular::Fault, self.faults),
            ("retries", Particular::Retry, self.retries),
            ("slow", Particular::Slow, self.slow),
            ("queues", Particular::Queue, self.queues),
            ("streamed", Particular::Streamed, self.streamed),
            ("in progress", Particular::InProgress, self.in_progress),
            ("late", Particular::Late, self.late),
            ("duplicates", Particular::Duplicate, self.duplicates),
            ("big", Particular::Big, self.big),
        ]
    }
}

impl Fleet {
    /// Drafts of all requests to prepare, with their weights.
    pub(super) fn requests(&self, seed: u64) -> Result<Vec<(f64, Vec<Draft>)>, CorpusError> {
        self.check()?;
        let mut random = Random::from_seed(seed);
        let layers = Layers::new(self.services, self.depth, self.fan_out, &mut random);
        let builder = Builder { layers: &layers, big_segments: self.big_segments };
        let shares = self.shares.all();
        let ordinary = 1.0 - shares.iter().map(|(_, _, share)| share).sum::<f64>();
        let mut requests = Vec::new();
        let kinds = shares.into_iter().map(|(_, particular, share)| (particular, share));
        for (particular, share) in kinds.chain([(Particular::Nothing, ordinary)]) {
            let count = match particular {
                // Rounding may leave a little of nothing, also less than nothing.
                _ if share <= 1e-9 => continue,
                Particular::Nothing => ORDINARY_SHAPES,
                // Ten megabytes each.
                Particular::Big => 1,
                _ => PARTICULAR_SHAPES,
            };
            for _ in 0..count {
                let drafts = draft(&builder, particular, seed, &mut random);
                requests.push((share / count as f64, drafts));
            }
        }
        Ok(requests)
    }

    fn check(&self) -> Result<(), CorpusError> {
        let size = |what, value, least, most| {
            let is_possible = (least..=most).contains(&value);
            if is_possible { Ok(()) } else { Err(CorpusError::Size { what, value, least, most }) }
        };
        size("services", self.services, 1, MAX_SERVICES)?;
        size("depth", self.depth, 1, MAX_DEPTH.min(self.services))?;
        size("fan-out", self.fan_out, 1, MAX_FAN_OUT)?;
        size("segments of a big trace", self.big_segments, LEAST_BIG_SEGMENTS, MAX_SEGMENTS)?;
        size("segments of a request (depth and fan-out)", self.most_segments(), 1, MAX_SEGMENTS)?;
        let shares = self.shares.all();
        for (what, _, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(CorpusError::Share { what, value });
            }
        }
        let value: f64 = shares.iter().map(|(_, _, share)| share).sum();
        if value > 1.0 + 1e-9 {
            return Err(CorpusError::Share { what: "everything together", value });
        }
        Ok(())
    }

    /// Segments of a request in which every service calls as many as it may.
    fn most_segments(&self) -> usize {
        let mut layer = 1_usize;
        let mut all = 1_usize;
        for _ in 1..self.depth {
            layer = layer.saturating_mul(self.fan_out);
            all = all.saturating_add(layer);
        }
        all
    }
}

/// One request that shows what it is to show.
fn draft(
    builder: &Builder<'_>,
    particular: Particular,
    seed: u64,
    random: &mut Random,
) -> Vec<Draft> {
    let operation = builder.request(particular, random);
    let mut drafts = walk(operation, seed, random);
    for _ in 0..DRAWS {
        if shows(&drafts, particular) {
            break;
        }
        drafts = walk(operation, seed, random);
    }
    let last = u32::try_from(drafts.len()).unwrap_or(u32::MAX).saturating_sub(1);
    // Never the first one, where there is another: that one begins the request.
    let drawn = usize::try_from(random.between(last.min(1), last)).unwrap_or(0);
    match particular {
        Particular::Late => {
            if let Some(draft) = drafts.get_mut(drawn) {
                draft.is_late = true;
            }
        }
        Particular::Duplicate => {
            let again = drafts.get(drawn).cloned();
            let is_late = random.chance(0.5);
            drafts.extend(again.map(|draft| Draft { is_late, ..draft }));
        }
        _ => {}
    }
    drafts
}

fn walk(operation: &'static Operation, seed: u64, random: &mut Random) -> Vec<Draft> {
    let at = super::DRAFT_TIME;
    let visit = Visit::new(random);
    let mut walk = Walk::new(random, seed, &visit, at);
    walk.enter(operation, at);
    let (mut segments, messages) = (walk.segments, walk.messages);
    for message in messages {
        let at = message.consumed_at;
        let mut walk = Walk::new(random, seed, &visit, at);
        walk.run_function(message.consumer, at, None, Some(message.link));
        segments.extend(walk.segments);
    }
    let mut all: Vec<_> = segments.into_iter().flat_map(documents).collect();
    all.sort_by_key(|document| document.at);
    all.into_iter().map(|document| Draft::from(document.json)).collect()
}

/// Whether documents show what is left to chance; the rest is there by construction.
fn shows(drafts: &[Draft], particular: Particular) -> bool {
    match particular {
        Particular::Retry => drafts.iter().any(|draft| {
            draft.json.contains("\"status\":503") || draft.json.contains("\"status\": 503")
        }),
        _ => true,
    }
}
