//! What a trace says about the service graph.
//!
//! Numbers of a node come from its own segments, numbers of an edge from the caller's
//! subsegment, which includes the network between them.

use std::collections::HashSet;

use crate::{
    EdgeObservation, Entity, EntityKind, Flags, Names, NodeObservation, Outcome, ServiceId,
    TraceGraph, TraceNode,
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
pub(super) fn observe(nodes: &[TraceNode<'_>], names: &mut Names) -> TraceGraph {
    let mut graph = TraceGraph::default();
    let mut counted: HashSet<(usize, &ServiceId)> = HashSet::new();
    for node in nodes {
        let Some(service) = &node.service else { continue };
        let entity = &node.entity;
        let caller = caller_of(nodes, node);
        graph.nodes.push(observe_node(service, entity, !node.is_inferred, is_first(node)));
        match caller {
            // One call may reach a service in several segments (a retry below the SDK): for the
            // caller it remains one call. A segment that calls without a subsegment speaks of no
            // single call.
            Some((index, call, from)) => {
                let is_one_call = call.kind == EntityKind::Subsegment;
                if !is_one_call || counted.insert((index, service)) {
                    graph.edges.push(observe_edge(from, service, call));
                }
            }
            None if is_first(node) => {
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
fn is_first(node: &TraceNode<'_>) -> bool {
    node.entity.kind == EntityKind::Segment && !node.is_inferred && node.entity.parent_id.is_none()
}

/// Whether a segment is the first of its request as far as the trace knows: no caller, or one
/// whose own segment has not arrived.
pub(super) fn is_root(nodes: &[TraceNode<'_>], node: &TraceNode<'_>) -> bool {
    node.entity.kind == EntityKind::Segment && !node.is_inferred && caller_of(nodes, node).is_none()
}

/// The (sub)segment that called a segment, and its service. The timing of a call is that of the
/// calling subsegment; a segment that names its calling segment directly speaks for the call
/// itself.
fn caller_of<'a>(
    nodes: &'a [TraceNode<'_>],
    node: &'a TraceNode<'_>,
) -> Option<(usize, &'a Entity<'a>, &'a ServiceId)> {
    let index = node.parent?;
    let parent = nodes.get(index)?;
    let service = nodes.get(parent.segment)?.service.as_ref()?;
    let call = match parent.entity.kind {
        EntityKind::Subsegment => &parent.entity,
        EntityKind::Segment => &node.entity,
    };
    Some((index, call, service))
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
