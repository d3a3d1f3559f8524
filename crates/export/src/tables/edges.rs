//! The table `edges`: the service graph, one row for each edge and minute.

use roentgen_model::{EdgeStatistics, ServiceId, Timestamp};

use super::column::{Column, Type};
use super::writer::Table;

/// One row for each pair of caller and callee and each minute in which calls began.
#[derive(Debug)]
pub(super) enum EdgeTable {}

/// A row of [`EdgeTable`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<'r> {
    /// The begin of the minute.
    pub(super) minute: Timestamp,
    /// The calling node.
    pub(super) caller: &'r ServiceId,
    /// The called node.
    pub(super) callee: &'r ServiceId,
    /// The calls that began in the minute.
    pub(super) statistics: &'r EdgeStatistics,
}

impl Table for EdgeTable {
    type Row<'r> = Edge<'r>;
    const NAME: &'static str = "edges";
    const DISTINCT: &'static [&'static str] = &[];

    fn columns() -> Vec<Column<Self>> {
        vec![
            Column::required("minute", Type::Time, |row| row.minute.into()),
            Column::required("caller_name", Type::Text, |row| (&*row.caller.name).into()),
            Column::optional("caller_type", Type::Text, |row| row.caller.kind.as_deref().into()),
            Column::optional("caller_account_id", Type::Text, |row| {
                row.caller.account_id.as_deref().into()
            }),
            Column::required("callee_name", Type::Text, |row| (&*row.callee.name).into()),
            Column::optional("callee_type", Type::Text, |row| row.callee.kind.as_deref().into()),
            Column::optional("callee_account_id", Type::Text, |row| {
                row.callee.account_id.as_deref().into()
            }),
            Column::required("calls", Type::Integer, |row| row.statistics.requests.total().into()),
            Column::required("ok", Type::Integer, |row| row.statistics.requests.ok.into()),
            Column::required("error", Type::Integer, |row| row.statistics.requests.error.into()),
            Column::required("throttle", Type::Integer, |row| {
                row.statistics.requests.throttle.into()
            }),
            Column::required("fault", Type::Integer, |row| row.statistics.requests.fault.into()),
            Column::required("in_progress", Type::Integer, |row| {
                (row.statistics.seen - row.statistics.requests.total()).into()
            }),
            Column::required("total_time", Type::Number, |row| {
                row.statistics.requests.total_response_time.into()
            }),
        ]
    }
}
