//! The service graph: the rollups of settled files, and what open traces add.
//!
//! What the open traces of a shard add is summed once and kept while the shard stays as it is: in a
//! store at rest, asking again costs next to nothing.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use roentgen_model::{Names, Rollups, ServiceGraph};

use super::large::is_large;
use super::page::show_large;
use super::view::{MOST_LOOKS, ViewedTrace, find_pasts};
use crate::assembling::assemble_contents;
use crate::live::Live;
use crate::locking::lock;
use crate::open::Shard;
use crate::replacing::Trouble;
use crate::state::State;

/// What the open traces of each shard add.
#[derive(Debug, Default)]
pub(crate) struct GraphCache(Mutex<Vec<Option<Arc<ShardSum>>>>);

/// What the open traces of a shard add.
#[derive(Debug)]
struct ShardSum {
    /// Of the shard, and of the list of settled files.
    made_of: (u64, u64),
    added: Rollups,
    /// What they contributed when they settled before.
    taken_back: Rollups,
    /// Large traces, which are not in the sums.
    large: Vec<ViewedTrace>,
}

impl GraphCache {
    /// Forgets everything.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }

    fn get(&self, index: usize, made_of: (u64, u64)) -> Option<Arc<ShardSum>> {
        let sum = lock(&self.0).get(index)?.clone()?;
        (sum.made_of == made_of).then_some(sum)
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

/// The service graph of a range of minutes.
pub(super) fn service_graph(
    state: &State,
    minutes: RangeInclusive<i64>,
) -> Result<ServiceGraph, Trouble> {
    let (shards, live) = see(state);
    let mut names = Names::default();
    let (mut added, mut taken_back) = (Rollups::default(), Rollups::default());
    for (index, shard) in shards.into_iter().enumerate() {
        let sum = match shard {
            SeenShard::Known(sum) => sum,
            SeenShard::Changed(version, traces) => {
                let made_of = (version, live.generation());
                let sum = Arc::new(sum_of(state, &live, made_of, traces, &mut names)?);
                state.graphs.set(index, sum.clone());
                sum
            }
        };
        added.merge(&sum.added);
        taken_back.merge(&sum.taken_back);
        for trace in &sum.large {
            let shown = show_large(state, trace.id, &trace.whereabouts(&live)?)?;
            added.merge(&shown.added);
            taken_back.merge(&shown.taken_back);
        }
    }
    let mut graph = live.service_graph(minutes.clone(), &state.scan_threads)?;
    graph.merge(&added.range(minutes.clone()));
    graph.subtract(&taken_back.range(minutes));
    Ok(graph)
}

/// Looks at all shards, and then takes the list of settled files.
fn see(state: &State) -> (Vec<SeenShard>, Arc<Live>) {
    let mut live = state.live();
    for _ in 0..MOST_LOOKS {
        let generation = live.generation();
        let shards =
            see_shards(state, |index, version| state.graphs.get(index, (version, generation)));
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

fn sum_of(
    state: &State,
    live: &Live,
    made_of: (u64, u64),
    mut traces: Vec<ViewedTrace>,
    names: &mut Names,
) -> Result<ShardSum, Trouble> {
    state.open.set_pasts(&find_pasts(&mut traces, live));
    let (added, taken_back, large) = Default::default();
    let mut sum = ShardSum { made_of, added, taken_back, large };
    for trace in traces {
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
        }
        let settled = contents.settled.iter();
        if let Some(before) = assemble_contents(state, trace.id, settled, names) {
            sum.taken_back.add(&before.graph);
        }
    }
    Ok(sum)
}
