//! An estimate of the memory that the index takes, kept up to date with every change.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use roentgen_model::{ServiceGraph, TraceSummary};

// Bytes for each item: its own and its share of the maps that hold it, rounded up.
const TRACE: u64 = 192;
const POSITION: u64 = 24;
const FILE_TRACE: u64 = 24;
const MINUTE: u64 = 128;
/// Identity, counts, and a histogram of a few dozen buckets.
const NODE_OR_EDGE: u64 = 768;

/// What the estimate is made of.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    /// Bytes of all summaries.
    pub(super) summaries: u64,
    /// Entries of traces in files.
    pub(super) file_traces: usize,
    minutes: usize,
    nodes_and_edges: usize,
}

impl Estimate {
    /// The estimate for an index of so many traces and documents.
    pub(super) fn bytes(&self, traces: usize, documents: u64) -> u64 {
        self.summaries
            + traces as u64 * TRACE
            + documents * POSITION
            + self.file_traces as u64 * FILE_TRACE
            + self.minutes as u64 * MINUTE
            + self.nodes_and_edges as u64 * NODE_OR_EDGE
    }

    /// Changes the rollup of a minute; an empty one is removed.
    pub(super) fn change_rollup(
        &mut self,
        rollups: &mut BTreeMap<i64, Arc<ServiceGraph>>,
        minute: i64,
        change: impl FnOnce(&mut ServiceGraph),
    ) {
        let mut entry = match rollups.entry(minute) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => {
                self.minutes += 1;
                entry.insert_entry(Arc::default())
            }
        };
        self.nodes_and_edges -= size(entry.get());
        let rollup = Arc::make_mut(entry.get_mut());
        change(rollup);
        self.nodes_and_edges += size(rollup);
        if rollup.is_empty() {
            entry.remove();
            self.minutes -= 1;
        }
    }

    /// Takes a removed rollup out of the estimate.
    pub(super) fn remove_rollup(&mut self, rollup: &ServiceGraph) {
        self.minutes -= 1;
        self.nodes_and_edges -= size(rollup);
    }
}

fn size(rollup: &ServiceGraph) -> usize {
    rollup.nodes.len() + rollup.edges.len()
}

/// The memory of a summary.
pub(super) fn summary_bytes(summary: &TraceSummary) -> u64 {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
    let http = &summary.http;
    // A service is three shared texts; they are counted where they are named.
    let service = size_of::<roentgen_model::ServiceId>() + 32;
    let annotations = summary.annotations.iter();
    let users = summary.users.iter();
    let bytes = size_of::<TraceSummary>()
        + text(&http.url)
        + text(&http.method)
        + text(&http.user_agent)
        + text(&http.client_ip)
        + annotations.map(|a| 128 + a.key.len() + a.services.len() * service).sum::<usize>()
        + users.map(|user| 64 + user.name.len() + user.services.len() * service).sum::<usize>()
        + summary.services.len() * service
        + texts(&summary.resource_arns)
        + texts(&summary.instance_ids)
        + texts(&summary.availability_zones);
    bytes as u64
}
