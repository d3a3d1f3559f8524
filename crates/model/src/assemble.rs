//! Trace assembly: the documents of one trace in, the trace out.
//!
//! One pure function, and everything that shows traces uses its one result. The order in which
//! documents arrive makes no difference. The steps, each in its file:
//!
//! 1. `merge`: of several versions of a (sub)segment, keep one; children of all versions stay.
//! 2. `infer`: calls to services that did not report get an inferred segment.
//! 3. `link`: subsegments go to their parents, segments under their callers; loops are cut.
//! 4. `order`: parents before children, siblings by start.
//! 5. `observe`: nodes and edges for the service graph.
//! 6. `summarize`: the summary.

use crate::{Document, EntityKind, Names, Trace, TraceId, TraceNode};

mod infer;
mod link;
mod merge;
mod naming;
mod observe;
mod order;
mod summarize;

/// Puts a trace together from all its documents, in whatever order they came; `None` when there
/// are none. Made from outlines in place of documents it has the same summary and graph.
/// `names` makes equal services of many traces share their names.
///
/// A subsegment whose parent has not arrived stands at the top level, as a segment does, and
/// makes the trace partial. The result is bounded by its input: each (sub)segment appears once
/// and makes at most one inferred segment.
pub fn assemble<'a>(
    id: TraceId,
    documents: Vec<Document<'a>>,
    names: &mut Names,
) -> Option<Trace<'a>> {
    if documents.is_empty() {
        return None;
    }
    let revision = documents.len();
    let entities = merge::merge(documents);
    let mut links = link::link(&entities);
    let entities = infer::add_inferred(id, entities, &mut links);
    let mut nodes = order::order(entities, &links);
    name_services(&mut nodes, names);
    let graph = observe::observe(&nodes, names);
    let summary = summarize::summarize(id, &nodes, &graph, revision)?;
    Some(Trace { id, nodes, summary, graph, limit_exceeded: false })
}

fn name_services(nodes: &mut [TraceNode<'_>], names: &mut Names) {
    for node in nodes {
        if node.entity.kind == EntityKind::Segment && !node.is_inferred {
            node.service = Some(naming::reported_service(&node.entity, names));
        } else if node.is_inferred {
            node.service = Some(naming::inferred_service(&node.entity, names));
        }
        if node.is_inferred || node.entity.is_call() {
            naming::normalize_name(&mut node.entity);
        }
    }
}

#[cfg(test)]
mod tests;
