//! Summaries in the order of time, and which of them a query must look at.
//!
//! Queries ask for the time of a trace, or for when it was active. For the second, traces are
//! looked at whose time lies a little outside of the range: at most as far as any trace reaches
//! from its time, and never more than [`MOST_REACH`]. The few that reach further (a document may
//! claim to end in the year 9999) are listed apart and all considered, so that one of them makes
//! no query walk through everything.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use roentgen_model::{Micros, Timestamp, TraceId, TraceSummary};

use crate::{Cursor, TimeRange, TimeRangeType};

/// The furthest that a trace may reach from its time without being listed apart. Requests last
/// seconds; an hour more to look at costs a query little.
const MOST_REACH: Micros = Micros::from_whole_seconds(3600);

type Summaries = BTreeMap<(Timestamp, TraceId), Arc<TraceSummary>>;

/// The summaries.
#[derive(Debug, Default)]
pub(super) struct ByTime {
    all: Summaries,
    /// Those that reach further than [`MOST_REACH`].
    stretched: Summaries,
    /// The furthest that a trace which is not stretched ends behind its time, and begins before
    /// it. They only grow.
    reach: Micros,
    lead: Micros,
}

impl ByTime {
    /// Adds a summary.
    pub(super) fn insert(&mut self, summary: Arc<TraceSummary>) {
        let key = (summary.time, summary.id);
        let (reach, lead) = (summary.end - summary.time, summary.time - summary.start);
        if reach.max(lead) > MOST_REACH {
            self.stretched.insert(key, summary.clone());
        } else {
            self.reach = self.reach.max(reach);
            self.lead = self.lead.max(lead);
        }
        self.all.insert(key, summary);
    }

    /// Removes a summary.
    pub(super) fn remove(&mut self, summary: &TraceSummary) {
        let key = (summary.time, summary.id);
        self.all.remove(&key);
        self.stretched.remove(&key);
    }

    /// At most `limit` summaries in the order of pages: those behind `after` whose trace may
    /// belong to the range.
    pub(super) fn page(
        &self,
        range: TimeRange,
        range_type: TimeRangeType,
        after: Option<Cursor>,
        limit: usize,
    ) -> Vec<Arc<TraceSummary>> {
        let is_by_time = range_type == TimeRangeType::TraceId;
        let (start, end) = if is_by_time {
            (range.start, range.end)
        } else {
            (range.start.minus(self.reach), range.end.plus(self.lead))
        };
        let least_id = TraceId::from_bytes([0; 16]);
        let (first, last) = ((start, least_id), (end.max(start), least_id));
        let cursor = after.map(|Cursor { time, id }| (time, id));
        let before_cursor = |key| cursor.map_or(key, |cursor| cursor.min(key));
        let window = descending(&self.all, Bound::Included(first), before_cursor(last));
        if is_by_time {
            return window.take(limit).cloned().collect();
        }
        let end_of_time = (Timestamp::from_micros(i64::MAX), TraceId::from_bytes([0xFF; 16]));
        let later = descending(&self.stretched, Bound::Included(last), before_cursor(end_of_time));
        let earlier = descending(&self.stretched, Bound::Unbounded, before_cursor(first));
        let is_selected = |summary: &&Arc<TraceSummary>| range_type.selects(range, summary);
        let found = later.filter(is_selected).chain(window).chain(earlier.filter(is_selected));
        found.take(limit).cloned().collect()
    }
}

/// The summaries from `first` to before `end`, the last first.
fn descending(
    summaries: &Summaries,
    first: Bound<(Timestamp, TraceId)>,
    end: (Timestamp, TraceId),
) -> impl Iterator<Item = &Arc<TraceSummary>> {
    let is_empty = matches!(first, Bound::Included(first) if first >= end);
    let range = (!is_empty).then(|| summaries.range((first, Bound::Excluded(end))));
    range.into_iter().flatten().rev().map(|(_, summary)| summary)
}
