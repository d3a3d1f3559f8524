//! Service graphs of some of the traces.
//!
//! Settled files tell most from their columns. What they cannot tell, and what the outlines of open
//! traces do not, is told by the traces themselves, which is a thousand times as dear and therefore
//! bounded.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use roentgen_model::{GraphSum, Names, Rollups, ServiceGraph, TraceGraph, TraceId};

use super::graph::steps_of;
use super::large::Shown;
use super::page::{look_at, show_large};
use super::read_documents;
use super::view::{View, ViewedTrace};
use crate::replacing::Trouble;
use crate::settled::{FilteredGraphs, FilteredRows, OpenTrace, Steps, map_in_parallel};
use crate::state::State;
use crate::{Condition, TraceDocuments, TraceFilter};

/// Open traces that one thread looks at at a time.
const OPEN_AT_ONCE: usize = 256;

/// The service graphs of the traces that match, of each step in which anything began, by the first
/// minute of the step.
pub(super) fn service_graphs(
    state: &State,
    steps: &Steps,
    filter: &TraceFilter<'_>,
) -> Result<BTreeMap<i64, ServiceGraph>, Trouble> {
    let view = View::of(state)?;
    let mut found = Found::default();
    let parts: Vec<&[ViewedTrace]> = view.traces.chunks(OPEN_AT_ONCE).collect();
    let look = |part: &&[ViewedTrace]| look_at_open(state, &view, part, filter.conditions);
    for part in map_in_parallel(&state.scan_threads, &parts, look) {
        found.add(part?);
    }
    let open = view.traces.iter().filter(|trace| trace.has_settled());
    let hidden: HashSet<TraceId> = open.map(|trace| trace.id).collect();
    let (conditions, most_undecided) = (filter.conditions, filter.reads.traces());
    let rows = FilteredRows { conditions, hidden: &hidden, most_undecided };
    let settled = view.live.filtered_graphs(&rows, steps, &state.scan_threads)?;
    let FilteredGraphs { graphs: settled, undecided } = settled;
    found.undecided.extend(undecided);
    read_undecided(state, filter, &mut found)?;
    let mut graphs: BTreeMap<i64, GraphSum<'_>> = BTreeMap::new();
    for (step, graph) in &settled {
        graphs.entry(*step).or_default().add_graph(graph);
    }
    for added in found.large.iter().map(|shown| &shown.added).chain([&found.rollups]) {
        for step in steps_of(added, steps) {
            graphs.entry(step).or_default().add(added, steps.minutes_of(step));
        }
    }
    let graphs = graphs.into_iter().map(|(step, sum)| (step, sum.finish()));
    Ok(graphs.filter(|(_, graph)| !graph.is_empty()).collect())
}

/// Traces that were looked at one by one.
#[derive(Default)]
struct Found {
    /// The sum of those that match.
    rollups: Rollups,
    /// Large ones that match.
    large: Vec<Arc<Shown>>,
    /// Those that are to be read.
    undecided: Vec<TraceId>,
}

impl Found {
    fn add(&mut self, other: Found) {
        self.rollups.merge(&other.rollups);
        self.large.extend(other.large);
        self.undecided.extend(other.undecided);
    }
}

fn look_at_open(
    state: &State,
    view: &View,
    traces: &[ViewedTrace],
    conditions: &[Condition],
) -> Result<Found, Trouble> {
    let (mut found, names) = (Found::default(), Mutex::new(Names::default()));
    for trace in traces {
        let Some(OpenTrace { summary, graph }) = look_at(state, &view.live, trace, &names)? else {
            continue;
        };
        match (Condition::all(conditions, &summary, graph.as_deref()), graph) {
            (Some(false), _) => {}
            (Some(true), Some(graph)) => found.rollups.add(&graph),
            (Some(true), None) => {
                let whereabouts = trace.whereabouts(&view.live)?;
                found.large.push(show_large(state, trace.id, &whereabouts)?);
            }
            (None, _) => found.undecided.push(trace.id),
        }
    }
    Ok(found)
}

/// Reads the traces of which nothing else tells whether they match.
fn read_undecided(
    state: &State,
    filter: &TraceFilter<'_>,
    found: &mut Found,
) -> Result<(), Trouble> {
    let undecided = std::mem::take(&mut found.undecided);
    let too_many = || Trouble::Failed(filter.reads.exceeded());
    if undecided.len() > filter.reads.traces() {
        return Err(too_many());
    }
    let (matches, mut bytes_read) = (filter.matches, 0_usize);
    for ids in undecided.chunks(OPEN_AT_ONCE) {
        let read = map_in_parallel(&state.scan_threads, ids, |id| {
            let documents = read_documents(state, *id)?;
            let all = documents.iter().flat_map(|documents| &documents.documents);
            let bytes: usize = all.map(|document| document.bytes.len()).sum();
            let trace = documents.as_ref().and_then(TraceDocuments::assemble);
            let graph = trace.filter(|trace| matches(trace)).map(|trace| trace.graph);
            Ok::<(usize, Option<TraceGraph>), Trouble>((bytes, graph))
        });
        for read in read {
            let (bytes, graph) = read?;
            graph.iter().for_each(|graph| found.rollups.add(graph));
            bytes_read = bytes_read.saturating_add(bytes);
        }
        if bytes_read > filter.reads.bytes() {
            return Err(too_many());
        }
    }
    filter.reads.take(undecided.len(), bytes_read);
    Ok(())
}
