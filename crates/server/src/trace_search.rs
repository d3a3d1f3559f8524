//! Traces that match a filter expression, with their root causes, a page at a time.
//!
//! Three sieves, each finer and dearer than the one before: conditions that the store checks on
//! columns ([`pushed_down()`]), what the summary tells ([`decide`]), and the whole trace
//! ([`matches()`]), which is the meaning of the language. Root causes need the whole trace as well, so
//! every trace that is shown is read once.

use std::sync::Arc;
use std::time::Duration;

use roentgen_filter::{Expression, decide, matches};
use roentgen_model::{RootCauses, TraceSummary};
use roentgen_ops::Clock;
use roentgen_store::{
    Condition, Cursor, StoreError, SummaryPage, SummaryQuery, TimeRange, TimeRangeType,
    TraceDocuments, TraceStore,
};

use crate::work_pool::Caller;

mod pushed_down;

pub(crate) use pushed_down::pushed_down;

/// Most traces that are read for one page. One takes some 0.1 ms, so a page takes a fifth of a
/// second at most; it may then be short or empty and still go on.
const MOST_READ: usize = 2_000;

/// Bytes of documents after which no further trace is read for a page: some 0.3 s of assembly.
const MOST_BYTES_READ: usize = 16 << 20;

/// How long it looks for a page, which then ends behind the trace that it is at: an expression of
/// hundreds of terms may need many times as long for a trace as to read it does, and others wait for
/// the place.
const LONGEST_SEARCH: Duration = Duration::from_secs(2);

/// Summaries asked of the store at a time once it has shown that not all of them match.
const CANDIDATES: usize = 200;

/// What to look for.
pub(crate) struct TraceSearch<'a> {
    pub(crate) range: TimeRange,
    pub(crate) range_type: TimeRangeType,
    /// Where the page before this one ended.
    pub(crate) after: Option<Cursor>,
    /// Most traces in the page.
    pub(crate) limit: usize,
    /// Most summaries looked at.
    pub(crate) scan_limit: usize,
    pub(crate) expression: &'a Expression,
    /// What else is wanted of a trace.
    pub(crate) is_wanted: &'a (dyn Fn(&TraceSummary) -> bool + Sync),
    pub(crate) clock: &'a dyn Clock,
    /// Whoever waits for the page.
    pub(crate) caller: &'a Caller,
}

/// A trace that matches.
#[derive(Debug)]
pub(crate) struct FoundTrace {
    pub(crate) summary: Arc<TraceSummary>,
    pub(crate) causes: RootCauses,
}

impl AsRef<TraceSummary> for FoundTrace {
    fn as_ref(&self) -> &TraceSummary {
        &self.summary
    }
}

/// A page of them, newest first.
#[derive(Debug)]
pub(crate) struct FoundPage {
    pub(crate) traces: Vec<FoundTrace>,
    /// How many traces were looked at or passed over.
    pub(crate) scanned: usize,
    /// Where the next page begins; `None` when everything was looked at.
    pub(crate) next: Option<Cursor>,
}

impl TraceSearch<'_> {
    /// Finds one page. However little time there is, it looks at one trace at least.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn find(&self, store: &dyn TraceStore) -> Result<FoundPage, StoreError> {
        let conditions = pushed_down(self.expression);
        let end = self.clock.instant() + LONGEST_SEARCH;
        let is_over = || self.clock.instant() >= end || self.caller.is_gone();
        let may_match = |summary: &TraceSummary| {
            // When the time is over, the next trace that is wanted shall end the page.
            let may = decide(self.expression, summary) != Some(false) || is_over();
            may && (self.is_wanted)(summary)
        };
        let mut page = FoundPage { traces: Vec::new(), scanned: 0, next: self.after };
        let (mut to_read, mut bytes_to_read) = (MOST_READ.max(self.limit), MOST_BYTES_READ);
        let mut wanted = self.limit;
        loop {
            let candidates = self.candidates(store, &conditions, &may_match, &page, wanted)?;
            let count = candidates.summaries.len();
            for (place, summary) in candidates.summaries.iter().enumerate() {
                let (found, bytes) = self.look_at(store, summary)?;
                page.traces.extend(found);
                to_read -= 1;
                bytes_to_read = bytes_to_read.saturating_sub(bytes);
                let is_full = page.traces.len() >= self.limit;
                if is_full || to_read == 0 || bytes_to_read == 0 || is_over() {
                    let is_last = place + 1 == count;
                    let here = Cursor { time: summary.time, id: summary.id };
                    page.next = if is_last { candidates.next } else { Some(here) };
                    // Of those behind this one the next page tells.
                    page.scanned += candidates.scanned * (place + 1) / count;
                    return Ok(page);
                }
            }
            page.scanned += candidates.scanned;
            page.next = candidates.next;
            if page.next.is_none() || page.scanned >= self.scan_limit {
                return Ok(page);
            }
            wanted = CANDIDATES;
        }
    }

    fn candidates(
        &self,
        store: &dyn TraceStore,
        conditions: &[Condition],
        may_match: &(dyn Fn(&TraceSummary) -> bool + Sync),
        page: &FoundPage,
        wanted: usize,
    ) -> Result<SummaryPage, StoreError> {
        store.summaries(&SummaryQuery {
            range: self.range,
            range_type: self.range_type,
            after: page.next,
            limit: wanted,
            scan_limit: self.scan_limit.saturating_sub(page.scanned),
            conditions,
            matches: may_match,
        })
    }

    /// Reads a trace; gives it if it matches, and how many bytes it has.
    fn look_at(
        &self,
        store: &dyn TraceStore,
        summary: &Arc<TraceSummary>,
    ) -> Result<(Option<FoundTrace>, usize), StoreError> {
        let told = decide(self.expression, summary);
        let documents = store.documents(summary.id)?;
        let all = documents.iter().flat_map(|documents| &documents.documents);
        let bytes = all.map(|document| document.bytes.len()).sum();
        let trace = documents.as_ref().and_then(TraceDocuments::assemble);
        // Of a trace that is being deleted only the summary may be left.
        let is_match = told
            .unwrap_or_else(|| trace.as_ref().is_some_and(|trace| matches(self.expression, trace)));
        let found = is_match.then(|| FoundTrace {
            summary: Arc::clone(summary),
            causes: trace.map(|trace| trace.root_causes()).unwrap_or_default(),
        });
        Ok((found, bytes))
    }
}

#[cfg(test)]
mod every_trace_tests;
#[cfg(test)]
mod tests;
