//! Edges across traces: a segment that links to a (sub)segment of another trace continues what that
//! one began, as a consumer does with a message from a queue.
//!
//! One trace alone cannot tell who is at the other end of its links, so linked edges are no part of
//! the rollups: a trace tells of its [`LinkObservation`]s, and the other trace which [`LinkEnd`]
//! each of its (sub)segments is. Among traces that are looked at together, two passes that need no
//! two traces at a time find the edges: [`LinkedEdges::note`] each, then [`LinkedEdges::resolve`]
//! each. Who has found the ends in another way adds link by link.

use std::collections::{BTreeMap, HashMap};

use super::EdgeObservation;
use super::statistics::EdgeStatistics;
use crate::{
    EntityKind, Flags, Histogram, SegmentId, ServiceId, Timestamp, Trace, TraceId, TraceNode,
};

/// One link as the trace that has it sees it: something was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkObservation {
    /// The node whose segment has the link.
    pub receiver: ServiceId,
    /// Start of the (sub)segment that has the link.
    pub start: Timestamp,
    /// Its end; `None` while it is in progress.
    pub end: Option<Timestamp>,
    /// How it ended.
    pub flags: Flags,
    /// The other trace.
    pub to_trace: TraceId,
    /// The (sub)segment of that trace.
    pub to: SegmentId,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEnd {
    /// The node that was called, where the link names a call (a queue), else the service whose
    /// (sub)segment it names.
    pub sender: ServiceId,
    /// Start of the linked (sub)segment.
    pub start: Timestamp,
}

/// The sums of one linked edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStatistics {
    /// What was received: how it ended, and how long it took, for the receiver. One receipt is one
    /// link of one segment.
    pub receipts: EdgeStatistics,
    /// How old what was received was: from the start of the linked (sub)segment to the start of
    /// the segment that links to it.
    pub event_ages: Histogram,
    /// The traces behind the edge: of the sender, of the receivers. Empty when links were added
    /// one by one.
    pub traces: BTreeMap<TraceId, Vec<TraceId>>,
}

/// The edges between a set of traces.
#[derive(Clone, Debug, Default)]
pub struct LinkedEdges {
    /// Links that have not found their other end, by the (sub)segment that they link to, with the
    /// traces that have them.
    open: HashMap<TraceId, HashMap<SegmentId, Vec<(TraceId, LinkObservation)>>>,
    found: BTreeMap<(ServiceId, ServiceId), LinkStatistics>,
}

impl LinkedEdges {
    /// First pass: keeps the links of a trace.
    pub fn note(&mut self, trace: &Trace<'_>) {
        for link in &trace.graph.links {
            let ends = self.open.entry(link.to_trace).or_default();
            ends.entry(link.to).or_default().push((trace.id, link.clone()));
        }
    }

    /// Whether any link leads to this trace: only then need it be resolved.
    pub fn lead_to(&self, trace: TraceId) -> bool {
        self.open.contains_key(&trace)
    }

    /// Second pass, when all traces are noted: draws the edges of all links that lead to this
    /// trace.
    pub fn resolve(&mut self, trace: &Trace<'_>) {
        let Some(mut links) = self.open.remove(&trace.id) else { return };
        for (id, end) in trace.link_ends() {
            for (receiver, link) in links.remove(&id).unwrap_or_default() {
                let receivers = self.add(&link, &end).traces.entry(trace.id).or_default();
                if !receivers.contains(&receiver) {
                    receivers.push(receiver);
                }
            }
        }
    }

    /// Adds a link with what it leads to; gives its edge.
    pub fn add(&mut self, link: &LinkObservation, end: &LinkEnd) -> &mut LinkStatistics {
        let ends = (end.sender.clone(), link.receiver.clone());
        let edge = self.found.entry(ends).or_default();
        edge.event_ages.record((link.start - end.start).clamped());
        edge.receipts.observe(&EdgeObservation {
            from: end.sender.clone(),
            to: link.receiver.clone(),
            is_inferred: false,
            start: link.start,
            end: link.end,
            is_outlived: false,
            flags: link.flags,
        });
        edge
    }

    /// The edges found, by sender and receiver.
    pub fn edges(&self) -> &BTreeMap<(ServiceId, ServiceId), LinkStatistics> {
        &self.found
    }
}

impl Trace<'_> {
    /// What a link would lead to that names one of the (sub)segments. Where two share an id, the
    /// first one counts.
    pub fn link_ends(&self) -> impl Iterator<Item = (SegmentId, LinkEnd)> + '_ {
        let reported = self.nodes.iter().filter(|node| !node.is_inferred);
        reported.filter_map(|node| {
            let end = LinkEnd { sender: sender(self, node)?.clone(), start: node.entity.start };
            Some((node.entity.id, end))
        })
    }
}

/// The node that hands on what is linked.
fn sender<'t>(trace: &'t Trace<'_>, node: &'t TraceNode<'_>) -> Option<&'t ServiceId> {
    let called = node.children.iter().filter_map(|child| trace.nodes.get(*child));
    let mut called = called.filter(|child| child.entity.kind == EntityKind::Segment);
    let callee = if node.entity.is_call() { called.next() } else { None };
    trace.service_of(callee.unwrap_or(node))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::assemble::{MAX_LINKED_TRACES_OF_SEGMENT, MAX_LINKS_OF_TRACE};
    use crate::{Document, Names, assemble};

    const SENDER: &str = "1-68000000-00000000000000000000000a";
    const RECEIVER: &str = "1-68000001-00000000000000000000000b";

    fn trace(id: &str, members: &str) -> Trace<'static> {
        let text = format!(r#"{{"trace_id":"{id}","id":"{members}}}"#);
        let document = Document::parse(text.as_bytes()).unwrap().into_owned();
        assemble(document.trace_id, vec![document], &mut Names::default()).unwrap()
    }

    fn sender_trace() -> Trace<'static> {
        let queue = r#"https://sqs.eu-west-1.amazonaws.com/123456789012/orders"#;
        let members = format!(
            r#"00000000000000a1","name":"shop","start_time":10,"end_time":12,"subsegments":[
            {{"id":"00000000000000a2","name":"SQS","namespace":"aws","start_time":10.5,
            "end_time":10.6,"aws":{{"operation":"SendMessage","queue_url":"{queue}"}}}}]"#
        );
        trace(SENDER, &members)
    }

    fn receiver_trace(links: &[&str]) -> Trace<'static> {
        let links: Vec<_> =
            links.iter().map(|id| format!(r#"{{"trace_id":"{SENDER}","id":"{id}"}}"#)).collect();
        let members = format!(
            r#"00000000000000b1","name":"worker","start_time":15.5,"end_time":16,"fault":true,
            "links":[{}]"#,
            links.join(",")
        );
        trace(RECEIVER, &members)
    }

    fn edges(traces: &[&Trace<'_>]) -> BTreeMap<(ServiceId, ServiceId), LinkStatistics> {
        let mut linked = LinkedEdges::default();
        traces.iter().for_each(|trace| linked.note(trace));
        traces.iter().for_each(|trace| linked.resolve(trace));
        linked.edges().clone()
    }

    #[test]
    fn a_link_to_a_call_leaves_from_what_was_called() {
        let (sender, receiver) = (sender_trace(), receiver_trace(&["00000000000000a2"]));
        for order in [[&sender, &receiver], [&receiver, &sender]] {
            let edges = edges(&order);
            let [((from, to), edge)] = edges.iter().collect::<Vec<_>>()[..] else {
                panic!("{edges:?}")
            };
            assert_eq!((&*from.name, from.kind.as_deref()), ("orders", Some("AWS::SQS::Queue")));
            assert_eq!(&*to.name, "worker");
            assert_eq!((edge.receipts.requests.fault, edge.receipts.requests.total()), (1, 1));
            let ages: Vec<_> = edge.event_ages.entries().map(|(age, n)| (age.get(), n)).collect();
            let [(age, 1)] = ages[..] else { panic!("{ages:?}") };
            assert!((4_980_000..5_020_000).contains(&age), "{age}");
            let ids = |text: &str| text.parse::<TraceId>().unwrap();
            assert_eq!(edge.traces, BTreeMap::from([(ids(SENDER), vec![ids(RECEIVER)])]));
        }
    }

    #[test]
    fn a_link_to_a_segment_leaves_from_its_service() {
        let edges = edges(&[&sender_trace(), &receiver_trace(&["00000000000000a1"])]);
        let names: Vec<_> = edges.keys().map(|(from, to)| (&*from.name, &*to.name)).collect();
        assert_eq!(names, [("shop", "worker")]);
    }

    #[test]
    fn links_that_lead_nowhere_draw_nothing() {
        assert!(edges(&[&sender_trace(), &receiver_trace(&["00000000000000ff"])]).is_empty());
        assert!(edges(&[&receiver_trace(&["00000000000000a1"])]).is_empty());
        assert!(edges(&[&sender_trace()]).is_empty());
    }

    #[test]
    fn links_within_a_trace_are_none_of_another() {
        let link = format!(r#"{{"trace_id":"{SENDER}","id":"00000000000000a1"}}"#);
        let to_itself = vec![link.as_str(); MAX_LINKS_OF_TRACE];
        let to_another = format!(r#"{{"trace_id":"{RECEIVER}","id":"00000000000000b1"}}"#);
        let members = format!(
            r#"00000000000000a1","name":"shop","start_time":17,"end_time":18,
            "links":[{},{to_another}]"#,
            to_itself.join(",")
        );
        let edges = edges(&[&trace(SENDER, &members), &receiver_trace(&[])]);
        let names: Vec<_> = edges.keys().map(|(from, to)| (&*from.name, &*to.name)).collect();
        assert_eq!(names, [("worker", "shop")]);
    }

    #[test]
    fn a_trace_has_a_bounded_number_of_links() {
        let check = |links: usize, expect: i64| {
            let links = vec!["00000000000000a1"; links];
            let edges = edges(&[&sender_trace(), &receiver_trace(&links)]);
            let receipts: Vec<_> = edges.values().map(|edge| edge.receipts.seen).collect();
            assert_eq!(receipts, [expect]);
            assert_eq!(edges.values().next().unwrap().traces.len(), 1);
        };
        // A batch of messages that one trace has sent.
        check(25, 25);
        check(MAX_LINKS_OF_TRACE + 1, 100);
    }

    #[test]
    fn a_segment_links_to_a_bounded_number_of_traces() {
        let to = |number: usize| {
            format!(r#"{{"trace_id":"1-00000010-{number:024x}","id":"00000000000000a1"}}"#)
        };
        // Each of them twice, the first once more at the end.
        let all =
            (1..=MAX_LINKED_TRACES_OF_SEGMENT + 5).flat_map(|number| [to(number), to(number)]);
        let links: Vec<String> = all.chain([to(1)]).collect();
        let members = format!(
            r#"00000000000000b1","name":"worker","start_time":19,"end_time":20,"links":[{}]"#,
            links.join(",")
        );
        let trace = trace(RECEIVER, &members);
        let links = &trace.graph.links;
        let traces: HashSet<TraceId> = links.iter().map(|link| link.to_trace).collect();
        assert_eq!((links.len(), traces.len()), (41, 20));
    }
}
