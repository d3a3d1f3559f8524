//! An assembled trace.

use crate::{Entity, SegmentId, ServiceId, TraceGraph, TraceId, TraceSummary};

mod render;

/// A trace as [`assemble`](crate::assemble) puts it together.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// The trace's id.
    pub id: TraceId,
    /// All segments and subsegments, inferred segments included: a node's children stand
    /// directly behind it, siblings by start. Indexes into this list link the nodes.
    pub nodes: Vec<TraceNode<'a>>,
    /// The summary.
    pub summary: TraceSummary,
    /// The trace's part of the service graph.
    pub graph: TraceGraph,
    /// Whether documents were left out because the trace had reached its largest size. Assembly
    /// does not know; who keeps the documents says so.
    pub limit_exceeded: bool,
}

/// One segment, subsegment or inferred segment in its place.
#[derive(Clone, Debug)]
pub struct TraceNode<'a> {
    /// What was reported, or inferred from a call.
    pub entity: Entity<'a>,
    /// Whether this is a segment inferred from a call.
    pub is_inferred: bool,
    /// The (sub)segment that holds this subsegment or called this segment.
    pub parent: Option<usize>,
    /// Subsegments held and segments called, by start.
    pub children: Vec<usize>,
    /// The segment this belongs to: itself for a segment; for a subsegment whose segment has not
    /// arrived, the topmost subsegment.
    pub segment: usize,
    /// Parents above it.
    pub depth: usize,
    /// The node of the service graph; only segments have one.
    pub service: Option<ServiceId>,
}

impl Trace<'_> {
    /// The segments of BatchGetTraces: id and processed document of each segment, inferred
    /// segment, and subsegment whose segment is missing. Subsegments are nested where they
    /// belong.
    pub fn segments(&self) -> impl Iterator<Item = (SegmentId, String)> + '_ {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(index, node)| node.segment == *index)
            .map(|(index, node)| (node.entity.id, render::document(self, index)))
    }

    /// The same for readers with a limit for a document: a segment whose document has more
    /// characters comes in parts, as SDKs stream it, each of its subsegments by itself.
    ///
    /// Each comes with its place, and is written when the iterator comes to it; those of places
    /// before `first` are not. Only a place that came from here may be the first.
    pub fn segments_within(
        &self,
        first: usize,
        most_characters: usize,
    ) -> impl Iterator<Item = (usize, SegmentId, String)> + '_ {
        // Segments that were called stand among the subsegments of their callers; here each
        // segment is followed by what is of it. Sorting keeps the order of these.
        let mut nodes: Vec<_> = self.nodes.iter().enumerate().collect();
        nodes.sort_by_key(|(_, node)| node.segment);
        let mut last_whole = None;
        nodes.into_iter().enumerate().skip(first).filter_map(move |(place, (index, node))| {
            if last_whole == Some(node.segment) {
                return None;
            }
            if node.segment == index {
                let whole = render::document(self, index);
                if whole.chars().count() <= most_characters {
                    last_whole = Some(index);
                    return Some((place, node.entity.id, whole));
                }
            }
            Some((place, node.entity.id, render::independent(self, node)))
        })
    }

    /// The processed form of one segment or subsegment without its subsegments. Where a segment
    /// and a subsegment share the id, the segment is meant.
    pub fn entity_document(&self, id: SegmentId) -> Option<String> {
        let mut found = self.nodes.iter().filter(|node| node.entity.id == id);
        let first = found.next()?;
        let node = found.find(|node| node.service.is_some()).unwrap_or(first);
        Some(render::entity(self, node))
    }

    /// The first service to handle the request: of all segments that no known service called, one
    /// that names no parent before one whose parent is missing, then the earliest. The summary's
    /// entry point is its service.
    pub fn root(&self) -> Option<usize> {
        let is_root = |node: &TraceNode<'_>| {
            let caller = node.parent.and_then(|parent| self.nodes.get(parent));
            node.service.is_some()
                && !node.is_inferred
                && caller.and_then(|caller| self.service_of(caller)).is_none()
        };
        let roots = self.nodes.iter().enumerate().filter(|(_, node)| is_root(node));
        let order = |entity: &Entity<'_>| (entity.parent_id.is_some(), entity.start, entity.id);
        roots.min_by_key(|(_, node)| order(&node.entity)).map(|(index, _)| index)
    }

    /// The node of the service graph that a segment or subsegment belongs to.
    pub fn service_of(&self, node: &TraceNode<'_>) -> Option<&ServiceId> {
        self.nodes.get(node.segment)?.service.as_ref()
    }
}
