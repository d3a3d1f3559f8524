//! Service graphs of some of the traces.
//!
//! Settled files tell most from their columns. What they cannot tell, and what the outlines of open
//! traces do not, is told by the traces themselves, which is a thousand times as dear and therefore
//! bounded.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use roentgen_model::{GraphSum, Names, Rollups, ServiceGraph, Trace, TraceGraph, TraceId};

use super::graph::steps_of;
use super::large::Shown;
use super::page::{look_at, show_large};
use super::view::{View, ViewedTrace};
use super::{read_whole, whereabouts_of};
use crate::locking::lock;
use crate::read_budget::Amount;
use crate::replacing::Trouble;
use crate::settled::{FilteredGraphs, FilteredRows, OpenTrace, Steps, map_in_parallel};
use crate::state::State;
use crate::{Condition, ReadBudget, TraceDocuments, TraceFilter};

/// Traces that threads are given at a time: enough to share them well, few enough that little is
/// done in vain when one of them fails.
const AT_ONCE: usize = 256;

/// The service graphs of the traces that match, of each step in which anything began, by the first
/// minute of the step.
pub(super) fn service_graphs(
    state: &State,
    steps: &Steps,
    filter: &TraceFilter<'_>,
) -> Result<BTreeMap<i64, ServiceGraph>, Trouble> {
    let view = View::of(state)?;
    let mut found = Found::default();
    let parts: Vec<&[ViewedTrace]> = view.traces.chunks(AT_ONCE).collect();
    let look = |part: &&[ViewedTrace]| look_at_open(state, &view, part, filter.conditions, steps);
    for part in map_in_parallel(&state.scan_threads, &parts, look) {
        found.add(part?);
    }
    let open = view.traces.iter().filter(|trace| trace.has_settled());
    let hidden: HashSet<TraceId> = open.map(|trace| trace.id).collect();
    let (conditions, most_undecided) = (filter.conditions, filter.reads.left().traces);
    let rows = FilteredRows { conditions, hidden: &hidden, most_undecided };
    let settled = view.live.filtered_graphs(&rows, steps, &state.scan_threads)?;
    let FilteredGraphs { graphs: settled, undecided } = settled;
    found.undecided.extend(undecided);
    let read = Mutex::new(Rollups::default());
    read_undecided(state, filter.matches, &found.undecided, filter.reads, |graph| {
        lock(&read).add(graph);
    })?;
    found.rollups.merge(&lock(&read));
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
    steps: &Steps,
) -> Result<Found, Trouble> {
    let (mut found, names) = (Found::default(), Mutex::new(Names::default()));
    for trace in traces.iter().filter(|trace| may_begin_in(trace, steps)) {
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
            (None, Some(graph)) => {
                let nodes = graph.nodes.iter().map(|node| node.start);
                let mut starts = nodes.chain(graph.edges.iter().map(|edge| edge.start));
                if starts.any(|start| steps.of(start.minute()).is_some()) {
                    found.undecided.push(trace.id);
                }
            }
            (None, None) => {
                let shown = show_large(state, trace.id, &trace.whereabouts(&view.live)?)?;
                if !steps_of(&shown.added, steps).is_empty() {
                    found.undecided.push(trace.id);
                }
            }
        }
    }
    Ok(found)
}

/// Whether a request of a trace may have begun in a range. What has settled of it may have at any
/// time.
fn may_begin_in(trace: &ViewedTrace, steps: &Steps) -> bool {
    let (first, last) = (trace.times.first_start.minute(), trace.times.last_start.minute());
    trace.has_settled() || steps.touches(&(first..=last))
}

/// Reads the traces of which nothing else tells whether they match, and hands what those say about
/// the service graph that do to `found`.
pub(crate) fn read_undecided(
    state: &State,
    matches: &(dyn Fn(&Trace<'_>) -> bool + Sync),
    undecided: &[TraceId],
    reads: &ReadBudget,
    found: impl Fn(&TraceGraph) + Sync,
) -> Result<(), Trouble> {
    let exceeded = || Trouble::Failed(reads.exceeded());
    let left = reads.left();
    if undecided.len() > left.traces {
        return Err(exceeded());
    }
    let begin = state.clock.instant();
    let caller = reads.caller();
    let is_over = || {
        let is_alone = caller.is_some_and(|caller| caller.strong_count() == 0);
        is_alone || state.clock.instant() - begin >= left.time
    };
    // The bytes of a trace are taken before they are read, from what the threads share.
    let bytes_left = AtomicUsize::new(left.bytes);
    for ids in undecided.chunks(AT_ONCE) {
        let read = map_in_parallel(&state.scan_threads, ids, |id| {
            if is_over() {
                return Ok(false);
            }
            let whereabouts = whereabouts_of(state, *id)?;
            // What is hidden of a trace is not read.
            let bytes = whereabouts.size().1.min(state.options.trace_bytes);
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let take = |left: usize| left.checked_sub(bytes);
            let taken = bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
            if taken.is_err() {
                return Ok(false);
            }
            let documents = read_whole(state, *id, &whereabouts)?;
            let trace = documents.as_ref().and_then(TraceDocuments::assemble);
            if let Some(trace) = trace.filter(|trace| matches(trace)) {
                found(&trace.graph);
            }
            Ok::<bool, Trouble>(true)
        });
        for fitted in read {
            if !fitted? {
                return Err(exceeded());
            }
        }
    }
    reads.take(Amount {
        traces: undecided.len(),
        bytes: left.bytes - bytes_left.into_inner(),
        time: state.clock.instant() - begin,
    });
    Ok(())
}
