//! Row groups of a query: those it has yet to open, and those it has.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use roentgen_model::{Timestamp, TraceId};

use super::super::SettledError;
use super::super::columns::{ColumnName, Ids, Integers};
use super::super::evaluate::{select, select_range};
use super::super::group::Group;
use super::super::row_reader::RowReader;
use super::super::selection::Selection;
use crate::{Cursor, SummaryQuery};

/// A row group that may have rows of the page.
pub(super) struct Pending<'a> {
    pub(super) group: Group<'a>,
    pub(super) superseded: &'a HashSet<TraceId>,
}

/// A row group whose conditions were checked.
pub(super) struct Opened<'a> {
    pub(super) group: Group<'a>,
    /// Rows of the range behind the cursor that count.
    pub(super) in_range: Selection,
    /// Rows of which the conditions hold and which were not yet taken, oldest first.
    pub(super) matched: Vec<u16>,
    /// Times and ids; there if something matched.
    pub(super) keys: Option<Keys>,
    pub(super) rows: OnceLock<Result<RowReader<'a>, SettledError>>,
}

/// The order of the rows of a group.
pub(super) struct Keys {
    times: Arc<Integers>,
    ids: Arc<Ids>,
}

impl<'a> Pending<'a> {
    /// Finds the rows of the group that belong to the range, and of them those that match.
    pub(super) fn open(&self, query: &SummaryQuery<'_>) -> Result<Opened<'a>, SettledError> {
        let group = self.group;
        let mut rows = Selection::all(group.group.rows);
        group.group.dead.iter().for_each(|row| rows.remove(usize::from(*row)));
        select_range(&group, query.range, query.range_type, &mut rows)?;
        let mut opened = Opened {
            group,
            in_range: rows,
            matched: Vec::new(),
            keys: None,
            rows: OnceLock::new(),
        };
        if let Some(after) = query.after.filter(|after| *after <= group.group.last) {
            let order = opened.order()?;
            let behind = order.first_not_before(after, group.group.rows);
            opened.in_range.retain(|row| row < behind);
        }
        let superseded = self.superseded;
        if !superseded.is_empty() {
            let ids = group.column::<Ids>(ColumnName::Ids)?;
            opened.in_range.retain(|row| ids.0.get(row).is_some_and(|id| !superseded.contains(id)));
        }
        let mut matching = opened.in_range.clone();
        select(&group, query.conditions, true, &mut matching)?;
        opened.matched = matching.iter().filter_map(|row| u16::try_from(row).ok()).collect();
        if !opened.matched.is_empty() {
            opened.keys = Some(opened.order()?);
        }
        Ok(opened)
    }
}

impl Opened<'_> {
    /// The key of the newest row that matches and was not yet taken.
    pub(super) fn newest(&self) -> Option<Cursor> {
        self.keys.as_ref()?.key(usize::from(*self.matched.last()?))
    }

    pub(super) fn order(&self) -> Result<Keys, SettledError> {
        let times = self.group.column(ColumnName::Times)?;
        Ok(Keys { times, ids: self.group.column(ColumnName::Ids)? })
    }

    /// Rows of the range from the newest down to a key.
    pub(super) fn count_down_to(&self, end: Cursor) -> Result<usize, SettledError> {
        let known = self.group.group;
        if end <= known.first {
            return Ok(self.in_range.count());
        }
        if known.last < end {
            return Ok(0);
        }
        let first = self.order()?.first_not_before(end, known.rows);
        Ok(self.in_range.count_from(first))
    }
}

impl Keys {
    pub(super) fn key(&self, row: usize) -> Option<Cursor> {
        let time = Timestamp::from_micros(*self.times.0.get(row)?);
        Some(Cursor { time, id: *self.ids.0.get(row)? })
    }

    /// The first of so many rows whose key is not below this one.
    fn first_not_before(&self, key: Cursor, rows: usize) -> usize {
        let (mut from, mut to) = (0, rows);
        while from < to {
            let middle = from.midpoint(to);
            if self.key(middle).is_some_and(|found| found < key) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }
}
