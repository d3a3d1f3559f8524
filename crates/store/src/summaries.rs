//! Pages of summaries.

use std::sync::RwLock;

use crate::index::Index;
use crate::locking::read;
use crate::{Cursor, SummaryPage, SummaryQuery};

/// Summaries taken from the index at once. The index is free while they are matched.
const CHUNK: usize = 512;

/// Finds the page that a query asks for. A page has and looks at one summary at least, whatever
/// the limits, so that paging always comes to its end.
pub(crate) fn page(index: &RwLock<Index>, query: &SummaryQuery<'_>) -> SummaryPage {
    let SummaryQuery { range, range_type, after, limit, scan_limit, matches } = *query;
    let candidates = |after, count| read(index).summaries(range, range_type, after, count);
    let mut page = SummaryPage { summaries: Vec::new(), scanned: 0, next: None };
    let mut last = after;
    let mut looked_at = 0;
    let is_full = |page: &SummaryPage, looked_at: usize| {
        page.summaries.len() >= limit.max(1) || looked_at >= scan_limit.max(1)
    };
    'page: loop {
        let chunk = candidates(last, CHUNK.min(scan_limit.max(1) - looked_at));
        if chunk.is_empty() {
            return page;
        }
        for summary in chunk {
            last = Some(Cursor { time: summary.time, id: summary.id });
            looked_at += 1;
            if range_type.selects(range, &summary) {
                page.scanned += 1;
                if matches(&summary) {
                    page.summaries.push(summary);
                }
            }
            if is_full(&page, looked_at) {
                break 'page;
            }
        }
    }
    if !candidates(last, 1).is_empty() {
        page.next = last;
    }
    page
}
