//! The sample shop: ten services and what they call, with all that goes wrong in a normal week.

mod failures;
mod operations;
mod services;

use roentgen_model::Timestamp;

use crate::delivery::{TimedDocument, documents};
use crate::random::Random;
use crate::topology::Operation;
use crate::visit::Visit;
use crate::walk::Walk;

use operations::REQUEST_KINDS;
pub(crate) use services::SERVICES;

/// A made-up shop of ten services. Each request gives the documents that X-Ray SDKs in those
/// services would send.
///
/// The same seed and the same times of requests give the same documents again.
#[derive(Debug)]
pub struct Shop {
    seed: u64,
    random: Random,
}

impl Shop {
    /// A shop, with its instances and all its chance from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, random: Random::from_seed(seed) }
    }

    /// The names of the services, as in their segments.
    pub fn service_names() -> impl Iterator<Item = &'static str> {
        SERVICES.iter().map(|service| service.name)
    }

    /// Serves a request that arrives at `at`, and gives all documents about it in the order in which
    /// they are sent. They may belong to two traces: an order is shipped in a trace of its own,
    /// which links to the first.
    pub fn request(&mut self, at: Timestamp) -> Vec<TimedDocument> {
        let operation = self.draw_operation();
        let visit = Visit::new(&mut self.random);
        let mut walk = Walk::new(&mut self.random, self.seed, &visit, at);
        walk.enter(operation, at);
        let (mut segments, messages) = (walk.segments, walk.messages);
        for message in messages {
            let at = message.consumed_at;
            let mut walk = Walk::new(&mut self.random, self.seed, &visit, at);
            walk.run_function(message.consumer, at, None, Some(message.link));
            segments.extend(walk.segments);
        }
        let mut all: Vec<TimedDocument> = segments.into_iter().flat_map(documents).collect();
        all.sort_by_key(|document| document.at);
        all
    }

    fn draw_operation(&mut self) -> &'static Operation {
        let [(_, first), ..] = REQUEST_KINDS;
        let total: u32 = REQUEST_KINDS.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.random.between(1, total);
        for (weight, operation) in REQUEST_KINDS {
            if drawn <= weight {
                return operation;
            }
            drawn -= weight;
        }
        first
    }
}
