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

    /// The processed form of one segment or subsegment without its subsegments. Where a segment
    /// and a subsegment share the id, the segment is meant.
    pub fn entity_document(&self, id: SegmentId) -> Option<String> {
        let mut found = self.nodes.iter().filter(|node| node.entity.id == id);
        let first = found.next()?;
        let node = found.find(|node| node.service.is_some()).unwrap_or(first);
        Some(render::entity(self, node))
    }

    /// The node of the service graph that a segment or subsegment belongs to.
    pub fn service_of(&self, node: &TraceNode<'_>) -> Option<&ServiceId> {
        self.nodes.get(node.segment)?.service.as_ref()
    }
}
