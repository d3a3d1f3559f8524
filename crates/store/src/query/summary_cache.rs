//! Summaries of open traces that were assembled, kept while the traces stay as they are.
//!
//! A query for something rare assembles every open trace of its range; the next one need not.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use roentgen_model::{TraceId, TraceSummary};

use super::view::ViewedTrace;
use crate::log::Position;

/// Memory of the summaries: those of some 16,000 traces, all that stay open in a store at rest.
const CACHE_BYTES: u64 = 16 << 20;
/// What a usual summary takes, and each value in it.
const SUMMARY_BYTES: u64 = 600;
const VALUE_BYTES: u64 = 150;
/// Traces that there is room for when each is of the smallest.
const TRACES: usize = 16_384;

/// The summaries.
#[derive(Debug)]
pub(crate) struct SummaryCache(Cache<TraceId, Arc<Cached>, ByMemory>);

#[derive(Debug)]
struct Cached {
    made_of: MadeOf,
    summary: Option<Arc<TraceSummary>>,
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
        let values = cached.summary.as_ref().map_or(0, |summary| {
            let TraceSummary { annotations, users, services, resource_arns, .. } = &**summary;
            annotations.len() + users.len() + services.len() + resource_arns.len()
        });
        SUMMARY_BYTES + values as u64 * VALUE_BYTES
    }
}

impl Default for SummaryCache {
    fn default() -> Self {
        Self(Cache::with_weighter(TRACES, CACHE_BYTES, ByMemory))
    }
}

impl SummaryCache {
    /// The summary of a trace as it is seen, assembled if it is not known.
    pub(crate) fn get_or_make<E>(
        &self,
        trace: &ViewedTrace,
        generation: u64,
        make: impl FnOnce() -> Result<Option<Arc<TraceSummary>>, E>,
    ) -> Result<Option<Arc<TraceSummary>>, E> {
        let made_of = MadeOf {
            open: trace.documents().len(),
            last: trace.documents().last().map(|document| document.position),
            generation: trace.has_settled().then_some(generation),
        };
        if let Some(cached) = self.0.get(&trace.id).filter(|cached| cached.made_of == made_of) {
            return Ok(cached.summary.clone());
        }
        let summary = make()?;
        let cached = Cached { made_of, summary: summary.clone() };
        self.0.insert(trace.id, Arc::new(cached));
        Ok(summary)
    }
}
