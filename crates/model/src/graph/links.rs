//! Edges across traces: a segment that links to a (sub)segment of another trace continues what that
//! one began, as a consumer does with a message from a queue.
//!
//! One trace alone cannot tell who is at the other end of its links, so linked edges are no part of
//! the rollups. They are found among traces that are looked at together, in two passes that need no
//! two traces at a time: [`LinkedEdges::note`] each, then [`LinkedEdges::resolve`] each.

use std::collections::{BTreeMap, HashMap};

use super::EdgeObservation;
use super::statistics::EdgeStatistics;
use crate::{EntityKind, Flags, Histogram, SegmentId, ServiceId, Timestamp, Trace, TraceId};

/// Most other traces that a segment may link to (X-Ray's quotas); further links are passed over.
const MAX_LINKS_OF_SEGMENT: usize = 20;

/// Most links of a trace that count (X-Ray's quotas); further ones are passed over.
const MAX_LINKS_OF_TRACE: usize = 100;

/// The sums of one linked edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkStatistics {
    /// What was received: how it ended, and how long it took, for the receiver. One receipt is one
    /// link of one segment.
    pub receipts: EdgeStatistics,
    /// How old what was received was: from the start of the linked (sub)segment to the start of
    /// the segment that links to it.
    pub event_ages: Histogram,
    /// The traces behind the edge: of the sender, of the receivers.
    pub traces: BTreeMap<TraceId, Vec<TraceId>>,
}

/// A link that has not found its other end.
#[derive(Clone, Debug)]
struct Receipt {
    trace: TraceId,
    receiver: ServiceId,
    start: Timestamp,
    end: Option<Timestamp>,
    flags: Flags,
}

/// The edges between a set of traces.
#[derive(Clone, Debug, Default)]
pub struct LinkedEdges {
    /// By the (sub)segment that they link to.
    open: HashMap<TraceId, HashMap<SegmentId, Vec<Receipt>>>,
    found: BTreeMap<(ServiceId, ServiceId), LinkStatistics>,
}

impl LinkedEdges {
    /// First pass: keeps the links of a trace's segments. A subsegment's links count as those of
    /// its segment.
    pub fn note(&mut self, trace: &Trace<'_>) {
        let mut of_segment: HashMap<usize, usize> = HashMap::new();
        let mut of_trace = 0;
        for node in trace.nodes.iter().filter(|node| !node.is_inferred) {
            let Some(receiver) = trace.service_of(node) else { continue };
            for link in node.entity.links() {
                // Within one trace parents tell what led to what.
                if link.trace_id == trace.id {
                    continue;
                }
                let count = of_segment.entry(node.segment).or_default();
                if *count >= MAX_LINKS_OF_SEGMENT || of_trace >= MAX_LINKS_OF_TRACE {
                    break;
                }
                *count += 1;
                of_trace += 1;
                let receipt = Receipt {
                    trace: trace.id,
                    receiver: receiver.clone(),
                    start: node.entity.start,
                    end: node.entity.end,
                    flags: node.entity.flags,
                };
                let ends = self.open.entry(link.trace_id).or_default();
                ends.entry(link.id).or_default().push(receipt);
            }
        }
    }

    /// Whether any link leads to this trace: only then need it be resolved.
    pub fn lead_to(&self, trace: TraceId) -> bool {
        self.open.contains_key(&trace)
    }

    /// Second pass, when all traces are noted: draws the edges of all links that lead to this
    /// trace. They leave from the node that was called where the link names a call (a queue), else
    /// from the service whose (sub)segment it names.
    pub fn resolve(&mut self, trace: &Trace<'_>) {
        let Some(mut ends) = self.open.remove(&trace.id) else { return };
        for node in trace.nodes.iter().filter(|node| !node.is_inferred) {
            let Some(sender) = sender(trace, node) else { continue };
            for receipt in ends.remove(&node.entity.id).unwrap_or_default() {
                let ends = (sender.clone(), receipt.receiver.clone());
                let edge = self.found.entry(ends).or_default();
                edge.count(trace.id, node.entity.start, receipt, sender);
            }
        }
    }

    /// The edges found, by sender and receiver.
    pub fn edges(&self) -> &BTreeMap<(ServiceId, ServiceId), LinkStatistics> {
        &self.found
    }
}

/// The node that hands on what is linked.
fn sender<'t>(trace: &'t Trace<'_>, node: &'t crate::TraceNode<'_>) -> Option<&'t ServiceId> {
    let called = node.children.iter().filter_map(|child| trace.nodes.get(*child));
    let mut called = called.filter(|child| child.entity.kind == EntityKind::Segment);
    let callee = if node.entity.is_call() { called.next() } else { None };
    trace.service_of(callee.unwrap_or(node))
}

impl LinkStatistics {
    fn count(&mut self, sent_in: TraceId, sent: Timestamp, receipt: Receipt, sender: &ServiceId) {
        self.event_ages.record((receipt.start - sent).clamped());
        let receivers = self.traces.entry(sent_in).or_default();
        if !receivers.contains(&receipt.trace) {
            receivers.push(receipt.trace);
        }
        self.receipts.observe(&EdgeObservation {
            from: sender.clone(),
            to: receipt.receiver,
            is_inferred: false,
            start: receipt.start,
            end: receipt.end,
            is_outlived: false,
            flags: receipt.flags,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn a_segment_has_a_bounded_number_of_links() {
        let links = ["00000000000000a1"; MAX_LINKS_OF_SEGMENT + 5];
        let edges = edges(&[&sender_trace(), &receiver_trace(&links)]);
        let receipts: Vec<_> = edges.values().map(|edge| edge.receipts.seen).collect();
        assert_eq!(receipts, [20]);
        assert_eq!(edges.values().next().unwrap().traces.len(), 1);
    }
}
