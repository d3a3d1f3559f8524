//! The service graph: what one trace says about nodes and edges, and the sums over many.
//!
//! A trace yields [`NodeObservation`]s and [`EdgeObservation`]s; a [`ServiceGraph`] is their
//! sum. Sums of disjoint sets merge, and what a trace contributed can be taken back when the
//! trace changes, so stored graphs are corrected and never count twice.

use std::collections::BTreeMap;

use crate::{Flags, Micros, ServiceId, Timestamp};

mod links;
mod rollups;
mod statistics;

pub use links::{LinkEnd, LinkObservation, LinkStatistics, LinkedEdges};
pub use rollups::{GraphSum, Rollups};
pub use statistics::{EdgeStatistics, NodeStatistics, RequestStatistics};

use statistics::Sign;

/// How a request ended. Fault outranks throttle, throttle outranks error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// No flag set: 2xx, 3xx.
    Ok,
    /// The caller's fault: 4xx but not 429.
    Error,
    /// Refused by a limit: 429.
    Throttle,
    /// The service's fault: 5xx.
    Fault,
}

/// One request as a node saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeObservation {
    /// The node.
    pub node: ServiceId,
    /// Seen in a segment of its own, not inferred from a caller and not the client.
    pub is_real: bool,
    /// First service to handle a request.
    pub is_root: bool,
    /// When the request began.
    pub start: Timestamp,
    /// When it ended; `None` while it is in progress: the node then exists without being counted.
    pub end: Option<Timestamp>,
    /// Whether something that it held or called ended after it.
    pub is_outlived: bool,
    /// How it ended.
    pub flags: Flags,
}

/// One call between two nodes as the caller saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeObservation {
    /// The calling node.
    pub from: ServiceId,
    /// The called node.
    pub to: ServiceId,
    /// The called node has no segment of its own for it.
    pub is_inferred: bool,
    /// When the call began.
    pub start: Timestamp,
    /// When it ended; `None` while it is in progress.
    pub end: Option<Timestamp>,
    /// Whether something that it held or called ended after it.
    pub is_outlived: bool,
    /// How it ended for the caller.
    pub flags: Flags,
}

/// What one trace says about the graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceGraph {
    /// Requests by node, one for each segment and inferred segment.
    pub nodes: Vec<NodeObservation>,
    /// Calls between nodes.
    pub edges: Vec<EdgeObservation>,
    /// Links to other traces. They are in no sum, for one trace does not know where they lead.
    pub links: Vec<LinkObservation>,
}

/// Several requests of a node, or several calls between two, that are alike.
#[derive(Clone, Debug)]
pub struct AlikeRequests<'a> {
    /// How many there are.
    pub seen: i64,
    /// As [`NodeObservation::is_real`].
    pub is_real: bool,
    /// As [`NodeObservation::is_root`].
    pub is_root: bool,
    /// How they ended.
    pub flags: Flags,
    /// Start of the first one.
    pub start: Timestamp,
    /// End of the last one.
    pub end: Timestamp,
    /// The lengths of those that have ended.
    pub lengths: &'a [Micros],
}

/// The sum of what many traces say.
///
/// `start` and `end` of its nodes and edges only ever widen: taking a trace back leaves them,
/// which shows at most as a minute more in a graph of rollups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceGraph {
    /// Nodes by identity, the synthetic clients among them.
    pub nodes: BTreeMap<ServiceId, NodeStatistics>,
    /// Edges by caller and callee.
    pub edges: BTreeMap<(ServiceId, ServiceId), EdgeStatistics>,
}

impl TraceGraph {
    /// Cuts the observations by the minute in which each request began, the unit of rollups.
    pub fn by_minute(&self) -> BTreeMap<i64, ServiceGraph> {
        let mut minutes: BTreeMap<i64, ServiceGraph> = BTreeMap::new();
        for node in &self.nodes {
            minutes.entry(node.start.minute()).or_default().add_node(node);
        }
        for edge in &self.edges {
            minutes.entry(edge.start.minute()).or_default().add_edge(edge);
        }
        minutes
    }
}

impl ServiceGraph {
    /// Adds all observations of one trace.
    pub fn add(&mut self, trace: &TraceGraph) {
        trace.nodes.iter().for_each(|node| self.add_node(node));
        trace.edges.iter().for_each(|edge| self.add_edge(edge));
    }

    /// Adds requests of a node.
    pub fn add_requests(&mut self, node: &ServiceId, requests: &AlikeRequests<'_>) {
        let statistics = self.nodes.entry(node.clone()).or_default();
        statistics.observe_all(requests, node.is_client());
    }

    /// Adds calls between two nodes.
    pub fn add_calls(&mut self, from: &ServiceId, to: &ServiceId, calls: &AlikeRequests<'_>) {
        self.edges.entry((from.clone(), to.clone())).or_default().observe_all(calls);
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &ServiceGraph) {
        self.apply(other, Sign::Plus);
    }

    /// Takes back sums that were added before; nodes and edges that nothing is left of go.
    pub fn subtract(&mut self, other: &ServiceGraph) {
        self.apply(other, Sign::Minus);
    }

    /// No node and no edge.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.edges.is_empty()
    }

    fn add_node(&mut self, seen: &NodeObservation) {
        self.nodes.entry(seen.node.clone()).or_default().observe(seen);
    }

    fn add_edge(&mut self, seen: &EdgeObservation) {
        self.edges.entry((seen.from.clone(), seen.to.clone())).or_default().observe(seen);
    }

    fn apply(&mut self, other: &ServiceGraph, sign: Sign) {
        for (id, theirs) in &other.nodes {
            self.nodes.entry(id.clone()).or_default().apply(theirs, sign);
        }
        for (ends, theirs) in &other.edges {
            self.edges.entry(ends.clone()).or_default().apply(theirs, sign);
        }
        self.nodes.retain(|_, node| node.seen != 0);
        self.edges.retain(|_, edge| edge.seen != 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn service(name: &str) -> ServiceId {
        ServiceId::new(name, None, None)
    }

    fn trace(requests: &[(u8, i64, i64, u8)]) -> TraceGraph {
        let mut graph = TraceGraph::default();
        for &(name, start, length, outcome) in requests {
            let flags = Flags {
                error: outcome % 4 == 1,
                throttle: outcome % 4 == 2,
                fault: outcome % 4 == 3,
            };
            let start = Timestamp::from_micros(start);
            let end = (length >= 0).then(|| start.plus(Micros::new(length)));
            let (from, to) = (service("caller"), service(&format!("node-{}", name % 3)));
            graph.nodes.push(NodeObservation {
                node: to.clone(),
                is_real: true,
                is_root: false,
                start,
                end,
                is_outlived: false,
                flags,
            });
            let (is_inferred, is_outlived) = (false, false);
            let edge = EdgeObservation { from, to, is_inferred, start, end, is_outlived, flags };
            graph.edges.push(edge);
        }
        graph
    }

    #[test]
    fn counts_follow_the_outcomes() {
        let mut graph = ServiceGraph::default();
        graph.add(&trace(&[
            (0, 0, 10, 0),
            (0, 5, 20, 1),
            (0, 9, 30, 2),
            (0, 2, 40, 3),
            (0, 1, -1, 0),
        ]));
        let node = &graph.nodes[&service("node-0")];
        let requests = &node.requests;
        assert_eq!(
            (requests.ok, requests.error, requests.throttle, requests.fault, requests.total()),
            (1, 1, 1, 1, 4)
        );
        assert_eq!((node.seen, requests.total_response_time.get()), (5, 100));
        assert_eq!((node.start.as_micros(), node.end.as_micros()), (0, 42));
    }

    #[test]
    fn a_client_has_no_statistics_of_its_own() {
        let root = service("app");
        let client = ServiceId::new(&root.name, Some(ServiceId::CLIENT), None);
        let mut graph = ServiceGraph::default();
        graph.add_node(&NodeObservation {
            node: client.clone(),
            is_real: false,
            is_root: false,
            start: Timestamp::default(),
            end: Some(Timestamp::from_micros(5)),
            is_outlived: false,
            flags: Flags::default(),
        });
        assert_eq!(graph.nodes[&client].requests.total(), 0);
        assert_eq!(graph.nodes[&client].seen, 1);
    }

    #[test]
    fn absurd_lengths_can_be_taken_back() {
        let absurd = trace(&[(0, 0, Timestamp::MAX.as_micros(), 0); 64]);
        let mut other = ServiceGraph::default();
        other.add(&trace(&[(0, 0, 5, 0)]));
        let mut sum = other.clone();
        let mut all = ServiceGraph::default();
        (0..1000).for_each(|_| all.add(&absurd));
        sum.merge(&all);
        sum.subtract(&all);
        let node = service("node-0");
        assert_eq!(sum.nodes[&node].requests, other.nodes[&node].requests);
    }

    fn requests() -> impl Strategy<Value = Vec<(u8, i64, i64, u8)>> {
        prop::collection::vec(
            (any::<u8>(), 0_i64..600_000_000, -1_i64..9_000_000, any::<u8>()),
            0..20,
        )
    }

    proptest! {
        #[test]
        fn rollups_by_minute_sum_to_the_whole(requests in requests()) {
            let trace = trace(&requests);
            let mut whole = ServiceGraph::default();
            whole.add(&trace);
            let mut sum = ServiceGraph::default();
            trace.by_minute().values().for_each(|minute| sum.merge(minute));
            prop_assert_eq!(sum, whole);
        }

        #[test]
        fn what_was_added_can_be_taken_back(a in requests(), b in requests()) {
            let (mut left, mut right) = (ServiceGraph::default(), ServiceGraph::default());
            left.add(&trace(&a));
            right.add(&trace(&b));
            let mut sum = left.clone();
            sum.merge(&right);
            sum.subtract(&right);
            let counts = |graph: &ServiceGraph| -> Vec<_> {
                graph.nodes.iter().map(|(id, node)| (id.clone(), node.requests.clone(), node.seen)).collect()
            };
            prop_assert_eq!(counts(&sum), counts(&left));
            sum.subtract(&left);
            prop_assert!(sum.is_empty());
        }
    }
}
