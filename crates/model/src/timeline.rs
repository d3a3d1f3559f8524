//! The rows of a trace's timeline.

use crate::Trace;

/// One row: a segment or subsegment, inferred segments left out (the call they were inferred
/// from is a row).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index into [`Trace::nodes`].
    pub node: usize,
    /// The row of its parent.
    pub parent: Option<usize>,
    /// Rows above it in the tree.
    pub depth: usize,
}

/// The rows from top to bottom: children directly below their parent, segments below the call
/// that caused them.
pub fn timeline(trace: &Trace<'_>) -> Vec<Row> {
    let mut row_of = vec![None; trace.nodes.len()];
    let mut rows = Vec::with_capacity(trace.nodes.len());
    for (index, node) in trace.nodes.iter().enumerate() {
        if node.is_inferred {
            continue;
        }
        if let Some(row) = row_of.get_mut(index) {
            *row = Some(rows.len());
        }
        rows.push(Row {
            node: index,
            parent: node.parent.and_then(|parent| row_of.get(parent).copied().flatten()),
            depth: node.depth,
        });
    }
    rows
}
