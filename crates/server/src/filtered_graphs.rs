//! Service graphs of the traces that match a filter expression, and the edges between traces.

use roentgen_filter::{Expression, matches};
use roentgen_model::{LinkedEdges, Trace};
use roentgen_store::{
    GraphQuery, ReadBudget, StoreError, TimeRange, TimedGraph, TraceFilter, TraceStore,
};

use crate::trace_search::pushed_down;

/// The graphs that a query asks for, of those of its traces that match.
///
/// # Errors
/// When the store fails, or more traces would have to be read whole than may be.
pub(crate) fn filtered_graphs(
    store: &dyn TraceStore,
    query: &GraphQuery<'_>,
    expression: &Expression,
    reads: &ReadBudget,
) -> Result<Vec<TimedGraph>, StoreError> {
    of_matching(expression, reads, |traces| store.service_graphs(&GraphQuery { traces, ..*query }))
}

/// The edges of the links that traces which match have in a range.
///
/// # Errors
/// As [`filtered_graphs`].
pub(crate) fn linked_edges(
    store: &dyn TraceStore,
    range: TimeRange,
    expression: &Expression,
    reads: &ReadBudget,
) -> Result<LinkedEdges, StoreError> {
    of_matching(expression, reads, |traces| store.linked_edges(range, traces))
}

/// Asks for something of the traces that match.
fn of_matching<T>(
    expression: &Expression,
    reads: &ReadBudget,
    ask: impl FnOnce(Option<&TraceFilter<'_>>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Of all traces the store has the sums.
    if *expression == Expression::Everything {
        return ask(None);
    }
    let conditions = pushed_down(expression);
    let is_match = |trace: &Trace<'_>| matches(expression, trace);
    ask(Some(&TraceFilter { conditions: &conditions, matches: &is_match, reads }))
}
