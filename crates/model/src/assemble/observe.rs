//! What a trace says about the service graph.
//!
//! Numbers of a node come from its own segments, numbers of an edge from the caller's
//! subsegment, which includes the network between them.

use std::collections::{HashMap, HashSet};

use super::order::Place;
use crate::{
    EdgeObservation, EntityKind, Flags, LinkObservation, Names, NodeObservation, Outcome,
    ServiceId, Timestamp, TraceGraph, TraceId,
};

/// Most other traces that a segment may link to (X-Ray's quotas), each of them by any number of
/// links; links to further ones are passed over.
pub(crate) const MAX_LINKED_TRACES_OF_SEGMENT: usize = 20;

/// Most links of a trace that count (X-Ray's quotas); further ones are passed over.
pub(crate) const MAX_LINKS_OF_TRACE: usize = 100;

impl From<Flags> for Outcome {
    /// Fault outranks throttle, throttle outranks error; the Python SDK sets several at once.
    fn from(flags: Flags) -> Self {
        if flags.fault {
            Outcome::Fault
        } else if flags.throttle {
            Outcome::Throttle
        } else if flags.error {
            Outcome::Error
        } else {
            Outcome::Ok
        }
    }
}

/// Observations of every segment, inferred ones included.
pub(super) fn observe(id: TraceId, places: &[Place<'_, '_>], names: &mut Names) -> TraceGraph {
    let segments = places.iter().filter(|place| place.at.service.is_some()).count();
    let mut graph = TraceGraph {
        nodes: Vec::with_capacity(segments + 1),
        edges: Vec::with_capacity(segments),
        links: links(id, places),
    };
    let ends = last_ends(places);
    let seen = |index: usize, place| Seen { place, end: ends.get(index).copied().flatten() };
    let mut counted: HashSet<(usize, &ServiceId)> = HashSet::new();
    for (index, place) in places.iter().enumerate() {
        let Some(service) = &place.at.service else { continue };
        let request = seen(index, place);
        graph.nodes.push(request.by_node(service, is_first(place)));
        match caller_of(places, place) {
            // One call may reach a service in several segments (a retry below the SDK): for the
            // caller it remains one call. A segment that calls without a subsegment speaks of no
            // single call.
            Some((caller_index, caller, from)) => {
                let is_one_call = caller.kind == EntityKind::Subsegment;
                let call = if is_one_call { seen(caller_index, caller) } else { request };
                if !is_one_call || caller.callees == 1 || counted.insert((caller_index, service)) {
                    graph.edges.push(call.by_caller(from, service, place.at.is_inferred));
                }
            }
            None if is_first(place) => {
                let client = names.client_of(service);
                graph.edges.push(request.by_caller(&client, service, false));
                graph.nodes.push(request.by_client(client));
            }
            None => {}
        }
    }
    graph
}

/// The links of a trace to others; those of a subsegment count as those of its segment.
fn links(id: TraceId, places: &[Place<'_, '_>]) -> Vec<LinkObservation> {
    let mut links = Vec::new();
    let mut of_segment: HashMap<usize, HashSet<TraceId>> = HashMap::new();
    let linking = |place: &&Place<'_, '_>| !place.entity.links.is_empty() && !place.at.is_inferred;
    for place in places.iter().filter(linking) {
        let segment = places.get(place.at.segment);
        let Some(receiver) = segment.and_then(|segment| segment.at.service.as_ref()) else {
            continue;
        };
        // Within one trace parents tell what led to what.
        for link in place.entity.links.iter().filter(|link| link.trace_id != id) {
            if links.len() >= MAX_LINKS_OF_TRACE {
                return links;
            }
            let traces = of_segment.entry(place.at.segment).or_default();
            if traces.len() >= MAX_LINKED_TRACES_OF_SEGMENT && !traces.contains(&link.trace_id) {
                continue;
            }
            traces.insert(link.trace_id);
            links.push(LinkObservation {
                receiver: receiver.clone(),
                start: place.entity.start,
                end: place.entity.end,
                flags: place.entity.flags,
                to_trace: link.trace_id,
                to: link.id,
            });
        }
    }
    links
}

/// When the last thing ended of each (sub)segment, itself and all that it held or called.
fn last_ends(places: &[Place<'_, '_>]) -> Vec<Option<Timestamp>> {
    let mut ends: Vec<Option<Timestamp>> = places.iter().map(|place| place.entity.end).collect();
    // Children stand behind their parents.
    for (index, place) in places.iter().enumerate().rev() {
        let end = ends.get(index).copied().flatten();
        if let Some(of_parent) = place.at.parent.and_then(|parent| ends.get_mut(parent)) {
            *of_parent = end.max(*of_parent);
        }
    }
    ends
}

/// A (sub)segment that tells of a request or call.
#[derive(Clone, Copy)]
struct Seen<'p, 'e, 'a> {
    place: &'p Place<'e, 'a>,
    /// When the last thing ended that it held or called.
    end: Option<Timestamp>,
}

impl Seen<'_, '_, '_> {
    fn by_node(self, node: &ServiceId, is_root: bool) -> NodeObservation {
        let entity = self.place.entity;
        NodeObservation {
            node: node.clone(),
            is_real: self.place.is_reported(),
            is_root,
            start: entity.start,
            end: entity.end,
            is_outlived: self.end > entity.end,
            flags: entity.flags,
        }
    }

    /// As the client of the first service saw it, who knows no more than the answer it got.
    fn by_client(self, client: ServiceId) -> NodeObservation {
        let seen = self.by_node(&client, false);
        NodeObservation { is_real: false, is_outlived: false, ..seen }
    }

    fn by_caller(self, from: &ServiceId, to: &ServiceId, is_inferred: bool) -> EdgeObservation {
        let entity = self.place.entity;
        EdgeObservation {
            from: from.clone(),
            to: to.clone(),
            is_inferred,
            start: entity.start,
            end: entity.end,
            is_outlived: self.end > entity.end,
            flags: entity.flags,
        }
    }
}

/// Whether a segment began its request: it names no parent. One whose parent is missing may have a
/// caller that still has to report (callers end last), or one that never will; a client drawn for
/// it would come and go while traffic runs.
fn is_first(place: &Place<'_, '_>) -> bool {
    place.is_reported() && place.entity.parent_id.is_none()
}

/// Whether a segment is the first of its request as far as the trace knows: no caller, or one
/// whose own segment has not arrived.
pub(super) fn is_root(places: &[Place<'_, '_>], place: &Place<'_, '_>) -> bool {
    place.is_reported() && caller_of(places, place).is_none()
}

/// The (sub)segment that called a segment, its index, and its service. The timing of a call is
/// that of the calling subsegment; a segment that names its calling segment directly speaks for
/// the call itself.
fn caller_of<'p, 'e, 'a>(
    places: &'p [Place<'e, 'a>],
    place: &Place<'_, '_>,
) -> Option<(usize, &'p Place<'e, 'a>, &'p ServiceId)> {
    let index = place.at.parent?;
    let caller = places.get(index)?;
    let service = places.get(caller.at.segment)?.at.service.as_ref()?;
    Some((index, caller, service))
}
