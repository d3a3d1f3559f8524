//! The service graph by minute: what is kept of many traces, and corrected when one changes.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::RangeBounds;

use super::statistics::Sign;
use super::{EdgeStatistics, NodeStatistics, ServiceGraph, TraceGraph};
use crate::ServiceId;

/// Sums over many traces by the minute in which each request began
/// ([`Timestamp::minute`](crate::Timestamp::minute)).
///
/// `start` and `end` of nodes and edges only ever widen, as those of a [`ServiceGraph`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollups {
    minutes: BTreeMap<i64, Sums>,
}

/// The sums of one minute. A [`ServiceGraph`] without its order: every request is looked up here
/// twice, and identities that know their hash are found faster than in a tree of texts.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    nodes: ByService<NodeStatistics>,
    /// By caller, then by callee, so that looking one up needs no pair of copies.
    edges: ByService<ByService<EdgeStatistics>>,
}

type ByService<T> = HashMap<ServiceId, T, BuildHasherDefault<KnownHash>>;

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

    /// The first and the last minute that anything began in.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((*self.minutes.first_key_value()?.0, *self.minutes.last_key_value()?.0))
    }

    /// The sum over a range of minutes.
    pub fn range(&self, minutes: impl RangeBounds<i64>) -> ServiceGraph {
        let mut sum = Sums::default();
        self.minutes.range(minutes).for_each(|(_, sums)| sum.apply(sums, Sign::Plus));
        sum.into_graph()
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

impl Sums {
    fn apply(&mut self, other: &Sums, sign: Sign) {
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

/// Changes the value of an identity, which is made when it is new. (An entry of the map would
/// need a copy of the identity for every look-up.)
fn update<T: Default>(map: &mut ByService<T>, id: &ServiceId, change: impl FnOnce(&mut T)) {
    match map.get_mut(id) {
        Some(value) => change(value),
        None => change(map.entry(id.clone()).or_default()),
    }
}
