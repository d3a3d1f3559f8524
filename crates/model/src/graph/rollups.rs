//! The service graph by minute: what is kept of many traces, and corrected when one changes.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::RangeBounds;

use super::statistics::{Sign, Sums as _};
use super::{EdgeStatistics, NodeStatistics, ServiceGraph, TraceGraph};
use crate::ServiceId;
use crate::histogram::HistogramSum;

/// Sums over many traces by the minute in which each request began
/// ([`Timestamp::minute`](crate::Timestamp::minute)).
///
/// `start` and `end` of nodes and edges only ever widen, as those of a [`ServiceGraph`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollups {
    minutes: BTreeMap<i64, Minute>,
}

/// The sums of one minute. A [`ServiceGraph`] without its order: every request is looked up here
/// twice, and identities that know their hash are found faster than in a tree of texts.
#[derive(Clone, Debug, Default, PartialEq)]
struct Minute {
    nodes: ByService<ServiceId, NodeStatistics>,
    /// By caller, then by callee, so that looking one up needs no pair of copies.
    edges: ByService<ServiceId, ByService<ServiceId, EdgeStatistics>>,
}

type ByService<K, T> = HashMap<K, T, BuildHasherDefault<KnownHash>>;

/// Takes the hash that an identity knows, which is keyed already.
#[derive(Clone, Copy, Debug, Default)]
struct KnownHash(u64);

impl Hasher for KnownHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = self.0.rotate_left(5) ^ hash;
    }
}

impl Rollups {
    /// Adds all observations of one trace.
    pub fn add(&mut self, trace: &TraceGraph) {
        for seen in &trace.nodes {
            let nodes = &mut self.minutes.entry(seen.start.minute()).or_default().nodes;
            update(nodes, &seen.node, |node| node.observe(seen));
        }
        for seen in &trace.edges {
            let edges = &mut self.minutes.entry(seen.start.minute()).or_default().edges;
            update(edges, &seen.from, |to| update(to, &seen.to, |edge| edge.observe(seen)));
        }
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &Rollups) {
        self.apply(other, Sign::Plus);
    }

    /// Takes back sums that were added before; what nothing is left of goes.
    pub fn subtract(&mut self, other: &Rollups) {
        self.apply(other, Sign::Minus);
    }

    /// Adds the sums of one minute.
    pub fn add_minute(&mut self, minute: i64, graph: &ServiceGraph) {
        let sums = self.minutes.entry(minute).or_default();
        for (id, node) in &graph.nodes {
            update(&mut sums.nodes, id, |ours| ours.apply(node, Sign::Plus));
        }
        for ((from, to), edge) in &graph.edges {
            let add = |ours: &mut EdgeStatistics| ours.apply(edge, Sign::Plus);
            update(&mut sums.edges, from, |callees| update(callees, to, add));
        }
    }

    /// Every minute that anything began in, with its sums, by time.
    pub fn minutes(&self) -> impl Iterator<Item = (i64, ServiceGraph)> + '_ {
        self.minutes.iter().map(|(&minute, sums)| (minute, sums.clone().into_graph()))
    }

    /// The minutes of a range that anything began in, by time.
    pub fn minutes_in(&self, minutes: impl RangeBounds<i64>) -> impl Iterator<Item = i64> + '_ {
        self.minutes.range(minutes).map(|(&minute, _)| minute)
    }

    /// The first and the last minute that anything began in.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((*self.minutes.first_key_value()?.0, *self.minutes.last_key_value()?.0))
    }

    /// The sum over a range of minutes. For the sum over many rollups see [`GraphSum`].
    pub fn range(&self, minutes: impl RangeBounds<i64>) -> ServiceGraph {
        let mut sum = GraphSum::default();
        sum.add(self, minutes);
        sum.finish()
    }

    /// Nothing was added, or everything taken back.
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
    }

    fn apply(&mut self, other: &Rollups, sign: Sign) {
        for (&minute, theirs) in &other.minutes {
            let ours = self.minutes.entry(minute).or_default();
            ours.apply(theirs, sign);
            if ours.nodes.is_empty() && ours.edges.is_empty() {
                self.minutes.remove(&minute);
            }
        }
    }
}

impl Minute {
    fn apply(&mut self, other: &Minute, sign: Sign) {
        for (id, theirs) in &other.nodes {
            update(&mut self.nodes, id, |ours| ours.apply(theirs, sign));
        }
        for (from, callees) in &other.edges {
            update(&mut self.edges, from, |ours| {
                for (to, theirs) in callees {
                    update(ours, to, |ours| ours.apply(theirs, sign));
                }
            });
        }
        if sign == Sign::Minus {
            self.nodes.retain(|_, node| node.seen != 0);
            self.edges.values_mut().for_each(|callees| callees.retain(|_, edge| edge.seen != 0));
            self.edges.retain(|_, callees| !callees.is_empty());
        }
    }

    fn into_graph(self) -> ServiceGraph {
        let edges = self.edges.into_iter().flat_map(|(from, callees)| {
            callees.into_iter().map(move |(to, edge)| ((from.clone(), to), edge))
        });
        ServiceGraph { nodes: self.nodes.into_iter().collect(), edges: edges.collect() }
    }
}

/// The sum of many rollups, less what is to be taken back: one service graph. All parts of a node
/// or edge are added up at once, which is many times as fast as one after the other: a graph of
/// six hours has a hundred thousand histograms.
#[derive(Debug, Default)]
pub struct GraphSum<'r> {
    nodes: ByService<&'r ServiceId, Parts<'r, NodeStatistics>>,
    edges: ByService<&'r ServiceId, ByService<&'r ServiceId, Parts<'r, EdgeStatistics>>>,
}

type Parts<'r, T> = Vec<(&'r T, Sign)>;

impl<'r> GraphSum<'r> {
    /// Adds the sums of a range of minutes.
    pub fn add(&mut self, rollups: &'r Rollups, minutes: impl RangeBounds<i64>) {
        self.collect(rollups, minutes, Sign::Plus);
    }

    /// Takes back sums of a range of minutes that are in what is added.
    pub fn subtract(&mut self, rollups: &'r Rollups, minutes: impl RangeBounds<i64>) {
        self.collect(rollups, minutes, Sign::Minus);
    }

    /// Adds the sums of a whole graph.
    pub fn add_graph(&mut self, graph: &'r ServiceGraph) {
        for (id, node) in &graph.nodes {
            self.nodes.entry(id).or_default().push((node, Sign::Plus));
        }
        for ((from, to), edge) in &graph.edges {
            let callees = self.edges.entry(from).or_default();
            callees.entry(to).or_default().push((edge, Sign::Plus));
        }
    }

    /// The graph, without nodes and edges that nothing is left of.
    pub fn finish(self) -> ServiceGraph {
        let mut times = HistogramSum::new();
        let mut graph = ServiceGraph::default();
        for (id, parts) in self.nodes {
            let node = NodeStatistics::sum(&parts, &mut times);
            if node.seen != 0 {
                graph.nodes.insert(id.clone(), node);
            }
        }
        for (from, callees) in self.edges {
            for (to, parts) in callees {
                let edge = EdgeStatistics::sum(&parts, &mut times);
                if edge.seen != 0 {
                    graph.edges.insert((from.clone(), to.clone()), edge);
                }
            }
        }
        graph
    }

    fn collect(&mut self, rollups: &'r Rollups, minutes: impl RangeBounds<i64>, sign: Sign) {
        for (_, sums) in rollups.minutes.range(minutes) {
            for (id, node) in &sums.nodes {
                self.nodes.entry(id).or_default().push((node, sign));
            }
            for (from, callees) in &sums.edges {
                let parts = self.edges.entry(from).or_default();
                for (to, edge) in callees {
                    parts.entry(to).or_default().push((edge, sign));
                }
            }
        }
    }
}

/// Changes the value of an identity, which is made when it is new. (An entry of the map would
/// need a copy of the identity for every look-up.)
fn update<T: Default>(
    map: &mut ByService<ServiceId, T>,
    id: &ServiceId,
    change: impl FnOnce(&mut T),
) {
    match map.get_mut(id) {
        Some(value) => change(value),
        None => change(map.entry(id.clone()).or_default()),
    }
}
