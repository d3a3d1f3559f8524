//! Open traces that were assembled for lists and filters, kept while they stay as they are.
//!
//! A query for something rare assembles every open trace of its range; the next one need not.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use roentgen_model::{EdgeObservation, TraceId, TraceSummary};

use super::view::ViewedTrace;
use crate::log::Position;
use crate::settled::OpenTrace;

/// Memory of summaries and graphs: those of some 16,000 traces, all that stay open in a store at
/// rest.
const CACHE_BYTES: u64 = 32 << 20;
/// What a usual summary takes, and each value in it.
const SUMMARY_BYTES: u64 = 600;
const VALUE_BYTES: u64 = 150;
/// What a node or edge of its graph takes.
const OBSERVATION_BYTES: u64 = size_of::<EdgeObservation>() as u64;
/// Traces that there is room for when each is of the smallest.
const TRACES: usize = 16_384;

/// The summaries.
#[derive(Debug)]
pub(crate) struct SummaryCache(Cache<TraceId, Arc<Cached>, ByMemory>);

#[derive(Debug)]
struct Cached {
    made_of: MadeOf,
    trace: Option<OpenTrace>,
}

/// What a summary was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MadeOf {
    open: usize,
    last: Option<Position>,
    /// Of a trace that has settled before, with which list of settled files.
    generation: Option<u64>,
}

#[derive(Clone, Debug)]
struct ByMemory;

impl Weighter<TraceId, Arc<Cached>> for ByMemory {
    fn weight(&self, _id: &TraceId, cached: &Arc<Cached>) -> u64 {
        let Some(OpenTrace { summary, graph }) = &cached.trace else { return SUMMARY_BYTES };
        let TraceSummary { annotations, users, services, resource_arns, .. } = &**summary;
        let values = annotations.len() + users.len() + services.len() + resource_arns.len();
        let observations = graph.as_ref().map_or(0, |graph| graph.nodes.len() + graph.edges.len());
        SUMMARY_BYTES + values as u64 * VALUE_BYTES + observations as u64 * OBSERVATION_BYTES
    }
}

impl Default for SummaryCache {
    fn default() -> Self {
        Self(Cache::with_weighter(TRACES, CACHE_BYTES, ByMemory))
    }
}

impl SummaryCache {
    /// A trace as it is seen, assembled if it is not known.
    pub(crate) fn get_or_make<E>(
        &self,
        trace: &ViewedTrace,
        generation: u64,
        make: impl FnOnce() -> Result<Option<OpenTrace>, E>,
    ) -> Result<Option<OpenTrace>, E> {
        let made_of = MadeOf {
            open: trace.documents().len(),
            last: trace.documents().last().map(|document| document.position),
            generation: trace.has_settled().then_some(generation),
        };
        if let Some(cached) = self.0.get(&trace.id).filter(|cached| cached.made_of == made_of) {
            return Ok(cached.trace.clone());
        }
        let made = make()?;
        let cached = Cached { made_of, trace: made.clone() };
        self.0.insert(trace.id, Arc::new(cached));
        Ok(made)
    }
}
