//! Service graphs: the rollups of settled files, and what open traces add.
//!
//! What the open traces of a shard add is summed in parts and kept: those that were opened one
//! soon after the other are a part, and its sum counts for as long as none of them changes. Since
//! most is told of a trace soon after it has begun, and traces settle in the order in which they
//! came, each is assembled a few times only, however often is asked and however much comes in. In a
//! store at rest, asking again costs next to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use roentgen_model::{GraphSum, LinkObservation, Names, Rollups, ServiceGraph, TraceId};

use super::large::is_large;
use super::links::OpenLinks;
use super::page::show_large;
use super::view::{MOST_LOOKS, ViewedTrace, find_pasts};
use crate::assembling::assemble_contents;
use crate::live::Live;
use crate::locking::lock;
use crate::open::Shard;
use crate::replacing::Trouble;
use crate::settled::Steps;
use crate::state::State;

/// Traces are in one part that were opened within so many changes of their shard: some 170, of
/// three documents each. Smaller parts take more memory, about 20 kB each, larger ones are made
/// anew more often.
const CHANGES_PER_PART: u64 = 512;

/// What the open traces of each shard add.
#[derive(Debug, Default)]
pub(crate) struct GraphCache(Mutex<Vec<Option<Arc<ShardSum>>>>);

/// What the open traces of a shard add.
#[derive(Debug)]
struct ShardSum {
    /// Of the shard, and of the list of settled files.
    made_of: (u64, u64),
    parts: BTreeMap<u64, Arc<PartSum>>,
}

/// What a part of the open traces of a shard adds.
#[derive(Debug)]
struct PartSum {
    made_of: MadeOf,
    added: Rollups,
    /// What they contributed when they settled before.
    taken_back: Rollups,
    /// Large traces, which are not in the sums.
    large: Vec<ViewedTrace>,
    /// Links to other traces, with the traces that have them.
    links: Vec<(TraceId, LinkObservation)>,
    /// Traces that may have a row in a settled file, which does not count.
    hidden: Vec<TraceId>,
}

/// What the sum of a part was made of. When it is the same again, so are the traces: one that
/// changes or comes to the part then has a greater version of the shard, and so the part; one
/// that goes makes them fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MadeOf {
    traces: usize,
    changed: u64,
    /// The list of settled files, if something of the traces may be in them.
    generation: Option<u64>,
}

impl MadeOf {
    fn of(traces: &[ViewedTrace], live: &Live) -> Self {
        let changed = traces.iter().map(ViewedTrace::changed).max().unwrap_or_default();
        let has_settled = traces.iter().any(ViewedTrace::has_settled);
        let generation = has_settled.then(|| live.generation());
        Self { traces: traces.len(), changed, generation }
    }
}

impl GraphCache {
    /// Forgets everything.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    fn get(&self, index: usize) -> Option<Arc<ShardSum>> {
        lock(&self.0).get(index)?.clone()
    }

    fn set(&self, index: usize, sum: Arc<ShardSum>) {
        let mut sums = lock(&self.0);
        if sums.len() <= index {
            sums.resize_with(index + 1, || None);
        }
        if let Some(place) = sums.get_mut(index) {
            *place = Some(sum);
        }
    }
}

/// A shard as a query sees it.
enum SeenShard {
    /// Its sum is known.
    Known(Arc<ShardSum>),
    /// Its version and its traces.
    Changed(u64, Vec<ViewedTrace>),
}

/// The service graph of each step in which anything began, by the first minute of the step.
pub(super) fn service_graphs(
    state: &State,
    steps: &Steps,
) -> Result<BTreeMap<i64, ServiceGraph>, Trouble> {
    let (sums, live) = sum_shards(state)?;
    let parts = || sums.iter().flat_map(|sum| sum.parts.values());
    let mut shown = Vec::new();
    for trace in parts().flat_map(|part| &part.large) {
        shown.push(show_large(state, trace.id, &trace.whereabouts(&live)?)?);
    }
    let settled = live.service_graphs(steps, &state.scan_threads)?;
    let mut graphs: BTreeMap<i64, GraphSum<'_>> = BTreeMap::new();
    for (step, graph) in &settled {
        graphs.entry(*step).or_default().add_graph(graph);
    }
    let small = parts().map(|part| (&part.added, &part.taken_back));
    for (added, taken_back) in small.chain(shown.iter().map(|s| (&s.added, &s.taken_back))) {
        for step in steps_of(added, steps) {
            graphs.entry(step).or_default().add(added, steps.minutes_of(step));
        }
        for step in steps_of(taken_back, steps) {
            graphs.entry(step).or_default().subtract(taken_back, steps.minutes_of(step));
        }
    }
    let graphs = graphs.into_iter().map(|(step, sum)| (step, sum.finish()));
    Ok(graphs.filter(|(_, graph)| !graph.is_empty()).collect())
}

/// What the open traces of each shard add, and the settled files beside which they do.
fn sum_shards(state: &State) -> Result<(Vec<Arc<ShardSum>>, Arc<Live>), Trouble> {
    let (shards, live) = see(state);
    let mut names = Names::default();
    let mut sums = Vec::with_capacity(shards.len());
    for (index, shard) in shards.into_iter().enumerate() {
        sums.push(match shard {
            SeenShard::Known(sum) => sum,
            SeenShard::Changed(version, traces) => {
                let before = state.graphs.get(index);
                let before = before.as_deref().map(|before| &before.parts);
                let parts = sum_parts(state, &live, before, traces, &mut names)?;
                let sum = Arc::new(ShardSum { made_of: (version, live.generation()), parts });
                state.graphs.set(index, sum.clone());
                sum
            }
        });
    }
    Ok((sums, live))
}

/// The links of open traces in a range, and the settled files beside which they count.
pub(super) fn open_links(state: &State, steps: &Steps) -> Result<(OpenLinks, Arc<Live>), Trouble> {
    let (sums, live) = sum_shards(state)?;
    let mut open = OpenLinks::default();
    for part in sums.iter().flat_map(|sum| sum.parts.values()) {
        open.hidden.extend(&part.hidden);
        let in_range = |link: &LinkObservation| steps.of(link.start.minute()).is_some();
        open.links.extend(part.links.iter().filter(|(_, link)| in_range(link)).cloned());
        for trace in &part.large {
            let shown = show_large(state, trace.id, &trace.whereabouts(&live)?)?;
            let links = shown.links.iter().filter(|link| in_range(link));
            open.links.extend(links.map(|link| (trace.id, link.clone())));
        }
    }
    Ok((open, live))
}

/// The steps in which anything of these rollups began.
pub(super) fn steps_of(rollups: &Rollups, steps: &Steps) -> BTreeSet<i64> {
    rollups.minutes_in(steps.minutes()).filter_map(|minute| steps.of(minute)).collect()
}

/// Looks at all shards, and then takes the list of settled files.
fn see(state: &State) -> (Vec<SeenShard>, Arc<Live>) {
    let mut live = state.live();
    for _ in 0..MOST_LOOKS {
        let generation = live.generation();
        let shards = see_shards(state, |index, version| {
            state.graphs.get(index).filter(|sum| sum.made_of == (version, generation))
        });
        live = state.live();
        if live.generation() == generation {
            return (shards, live);
        }
    }
    // Traces settle all the time: what is known of shards and pasts may be from before.
    let mut shards = see_shards(state, |_, _| None);
    live = state.live();
    for shard in &mut shards {
        if let SeenShard::Changed(_, traces) = shard {
            traces.iter_mut().for_each(ViewedTrace::forget_past);
        }
    }
    (shards, live)
}

fn see_shards(
    state: &State,
    known: impl Fn(usize, u64) -> Option<Arc<ShardSum>>,
) -> Vec<SeenShard> {
    let see = |(index, shard): (usize, &Mutex<Shard>)| {
        let shard = lock(shard);
        let version = shard.version();
        match known(index, version) {
            Some(sum) => SeenShard::Known(sum),
            None => {
                let traces = shard.traces().map(|(id, trace)| ViewedTrace::of(id, trace));
                SeenShard::Changed(version, traces.collect())
            }
        }
    };
    state.open.shards().enumerate().map(see).collect()
}

/// The sums of the parts of a shard: those known before, where they still count.
fn sum_parts(
    state: &State,
    live: &Live,
    before: Option<&BTreeMap<u64, Arc<PartSum>>>,
    mut traces: Vec<ViewedTrace>,
    names: &mut Names,
) -> Result<BTreeMap<u64, Arc<PartSum>>, Trouble> {
    state.open.set_pasts(&find_pasts(&mut traces, live)?);
    let mut by_part: BTreeMap<u64, Vec<ViewedTrace>> = BTreeMap::new();
    for trace in traces {
        by_part.entry(trace.incarnation() / CHANGES_PER_PART).or_default().push(trace);
    }
    let sum = |(number, traces): (u64, Vec<ViewedTrace>)| {
        let made_of = MadeOf::of(&traces, live);
        let known = before.and_then(|before| before.get(&number));
        let sum = match known.filter(|known| known.made_of == made_of) {
            Some(known) => known.clone(),
            None => Arc::new(sum_of(state, live, made_of, traces, names)?),
        };
        Ok((number, sum))
    };
    by_part.into_iter().map(sum).collect()
}

fn sum_of(
    state: &State,
    live: &Live,
    made_of: MadeOf,
    traces: Vec<ViewedTrace>,
    names: &mut Names,
) -> Result<PartSum, Trouble> {
    let (added, taken_back) = (Rollups::default(), Rollups::default());
    let (large, links, hidden) = (Vec::new(), Vec::new(), Vec::new());
    let mut sum = PartSum { made_of, added, taken_back, large, links, hidden };
    for trace in traces {
        if trace.has_settled() {
            sum.hidden.push(trace.id);
        }
        let whereabouts = trace.whereabouts(live)?;
        let (documents, bytes) = whereabouts.size();
        if is_large(documents, bytes) {
            sum.large.push(trace);
            continue;
        }
        let contents = whereabouts.read_for_lists(state, trace.id);
        let all = contents.settled.iter().chain(&contents.open);
        if let Some(assembled) = assemble_contents(state, trace.id, all, names) {
            sum.added.add(&assembled.graph);
            sum.links.extend(assembled.graph.links.into_iter().map(|link| (trace.id, link)));
        }
        let settled = contents.settled.iter();
        if let Some(before) = assemble_contents(state, trace.id, settled, names) {
            sum.taken_back.add(&before.graph);
        }
    }
    Ok(sum)
}
