//! What a trace says about the service graph.
//!
//! Numbers of a node come from its own segments, numbers of an edge from the caller's
//! subsegment, which includes the network between them.

use std::collections::HashSet;

use super::order::Place;
use crate::{
    EdgeObservation, Entity, EntityKind, Flags, Names, NodeObservation, Outcome, ServiceId,
    TraceGraph,
};

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
pub(super) fn observe(places: &[Place<'_, '_>], names: &mut Names) -> TraceGraph {
    let segments = places.iter().filter(|place| place.at.service.is_some()).count();
    let mut graph =
        TraceGraph { nodes: Vec::with_capacity(segments + 1), edges: Vec::with_capacity(segments) };
    let mut counted: HashSet<(usize, &ServiceId)> = HashSet::new();
    for place in places {
        let Some(service) = &place.at.service else { continue };
        let entity = place.entity;
        graph.nodes.push(observe_node(service, entity, place.is_reported(), is_first(place)));
        match caller_of(places, place) {
            // One call may reach a service in several segments (a retry below the SDK): for the
            // caller it remains one call. A segment that calls without a subsegment speaks of no
            // single call.
            Some((index, caller, from)) => {
                let is_one_call = caller.kind == EntityKind::Subsegment;
                let call = if is_one_call { caller.entity } else { entity };
                if !is_one_call || caller.callees == 1 || counted.insert((index, service)) {
                    graph.edges.push(observe_edge(from, service, call));
                }
            }
            None if is_first(place) => {
                let client = names.client_of(service);
                graph.edges.push(observe_edge(&client, service, entity));
                graph.nodes.push(observe_node(&client, entity, false, false));
            }
            None => {}
        }
    }
    graph
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

fn observe_node(
    node: &ServiceId,
    entity: &Entity<'_>,
    is_real: bool,
    is_root: bool,
) -> NodeObservation {
    NodeObservation {
        node: node.clone(),
        is_real,
        is_root,
        start: entity.start,
        end: entity.end,
        outcome: entity.flags.into(),
    }
}

fn observe_edge(from: &ServiceId, to: &ServiceId, call: &Entity<'_>) -> EdgeObservation {
    EdgeObservation {
        from: from.clone(),
        to: to.clone(),
        start: call.start,
        end: call.end,
        outcome: call.flags.into(),
    }
}
