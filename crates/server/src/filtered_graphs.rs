//! Service graphs of the traces that match a filter expression.

use roentgen_filter::{Expression, matches};
use roentgen_model::Trace;
use roentgen_store::{GraphQuery, ReadBudget, StoreError, TimedGraph, TraceFilter, TraceStore};

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
    // Of all traces the store has the sums.
    if *expression == Expression::Everything {
        return store.service_graphs(query);
    }
    let conditions = pushed_down(expression);
    let is_match = |trace: &Trace<'_>| matches(expression, trace);
    let filter = TraceFilter { conditions: &conditions, matches: &is_match, reads };
    store.service_graphs(&GraphQuery { traces: Some(&filter), ..*query })
}
