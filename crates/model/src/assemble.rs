//! Trace assembly: the documents of one trace in, the trace out.
//!
//! One pure function, and everything that shows traces uses its one result. The order in which
//! documents arrive makes no difference. The steps, each in its file:
//!
//! 1. `merge`: of several versions of a (sub)segment, keep one; children of all versions stay.
//! 2. `link`: subsegments go to their parents, segments under their callers; loops are cut.
//! 3. `infer`: calls to services that did not report get an inferred segment.
//! 4. `order`: parents before children, siblings by start.
//! 5. `observe`: nodes and edges for the service graph.
//! 6. `summary`: the summary.
//!
//! The steps move no (sub)segment: they work on references, and only a whole trace puts the
//! (sub)segments themselves in their places at the end.

use crate::{Document, Entity, Names, Trace, TraceGraph, TraceId, TraceNode, TraceSummary};

mod infer;
mod link;
mod merge;
mod naming;
mod observe;
mod order;
mod summary;

#[cfg(test)]
pub(crate) use observe::{MAX_LINKED_TRACES_OF_SEGMENT, MAX_LINKS_OF_TRACE};
use order::{Place, Position};

/// Puts a trace together from all its documents, in whatever order they came; `None` when there
/// are none. `names` makes equal services of many traces share their names.
///
/// A subsegment whose parent has not arrived stands at the top level, as a segment does, and
/// makes the trace partial. The result is bounded by its input: each (sub)segment appears once
/// and makes at most one inferred segment.
pub fn assemble<'a>(
    id: TraceId,
    documents: Vec<Document<'a>>,
    names: &mut Names,
) -> Option<Trace<'a>> {
    let places = place(&documents, names);
    let (summary, graph) = digest(id, &places, documents.len(), names)?;
    let positions = places.into_iter().map(|place| place.at).collect();
    let nodes = fill(id, positions, documents);
    Some(Trace { id, nodes, summary, graph, limit_exceeded: false })
}

/// What lists and graphs need of a trace: the summary and the graph of what [`assemble`] puts
/// together, without the trace itself. Outlines give the same as the documents they are of.
pub fn summarize(
    id: TraceId,
    documents: &[Document<'_>],
    names: &mut Names,
) -> Option<(TraceSummary, TraceGraph)> {
    digest(id, &place(documents, names), documents.len(), names)
}

/// The first four steps, and the node of each segment.
fn place<'e, 'a>(documents: &'e [Document<'a>], names: &mut Names) -> Vec<Place<'e, 'a>> {
    let mut known = merge::merge(documents);
    let mut parents = link::link(&known);
    infer::add_inferred(&mut known, &mut parents);
    let mut places = order::order(&known, &parents);
    for place in &mut places {
        if place.is_reported() {
            place.at.service = Some(naming::reported_service(place.entity, names));
        } else if place.at.is_inferred {
            place.at.service = Some(naming::inferred_service(place.entity, names));
        }
    }
    places
}

/// The last two steps.
fn digest(
    id: TraceId,
    places: &[Place<'_, '_>],
    revision: usize,
    names: &mut Names,
) -> Option<(TraceSummary, TraceGraph)> {
    let graph = observe::observe(id, places, names);
    let summary = summary::summarize(id, places, &graph, revision)?;
    Some((summary, graph))
}

/// Moves the (sub)segments of documents to their positions.
fn fill<'a>(
    id: TraceId,
    positions: Vec<Position>,
    documents: Vec<Document<'a>>,
) -> Vec<TraceNode<'a>> {
    let entities = documents.into_iter().flat_map(|document| document.entities);
    let mut entities: Vec<Option<Entity<'a>>> = entities.map(Some).collect();
    let mut nodes: Vec<TraceNode<'a>> = Vec::with_capacity(positions.len());
    for (place, at) in positions.into_iter().enumerate() {
        let parent = at.parent.and_then(|parent| nodes.get_mut(parent));
        let entity = match parent {
            Some(parent) => {
                parent.children.push(place);
                // The parent of an inferred segment is the call it is inferred from.
                at.is_inferred.then(|| infer::infer(id, &parent.entity))
            }
            None => None,
        };
        let entity = entity.or_else(|| entities.get_mut(at.index).and_then(Option::take));
        let Some(entity) = entity else { continue }; // Each is in one place, so it is there.
        nodes.push(TraceNode {
            entity,
            is_inferred: at.is_inferred,
            parent: at.parent,
            children: Vec::new(),
            segment: at.segment,
            depth: at.depth,
            service: at.service,
        });
    }
    for node in nodes.iter_mut().filter(|node| node.is_inferred || node.entity.is_call()) {
        naming::normalize_name(&mut node.entity);
    }
    nodes
}

#[cfg(test)]
mod tests;
