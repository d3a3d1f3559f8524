//! A page of summaries from settled files and open traces.
//!
//! Row groups are *opened*, their conditions checked on columns, in the order of their newest
//! rows; what matches is put in order across groups by a heap. A row may be told once no group
//! is left unopened that could have a newer one. So a page looks at the newest groups only, and a
//! rare match walks through all, some groups at a time on two threads.

use std::collections::{BinaryHeap, HashSet};
use std::sync::{Arc, OnceLock};

use roentgen_model::TraceSummary;

use super::evaluate::may_select;
use super::parallel::{ScanThreads, map_in_parallel};
use super::{OpenTrace, OpenTraces, QueriedFile, SettledError};
use crate::{Condition, Cursor, SummaryPage, SummaryQuery};

mod opened;

use opened::{Opened, Pending};

/// Most row groups opened at once: 64 × 4,096 rows. The number doubles from 1 as long as the page
/// is not full.
const MOST_GROUPS_AT_ONCE: usize = 64;
/// When so many groups are opened at once, what was found is looked at before more are.
const FAR: usize = 8;
/// Most row groups all of whose columns are in memory for one query: some megabytes.
const MOST_GROUPS_READ: usize = 16;
/// Most summaries made at once before it is asked whether they are wanted.
const MOST_SUMMARIES_AT_ONCE: usize = 4096;
/// Summaries that one thread makes at a time.
const SUMMARIES_PER_PART: usize = 128;

/// A trace that may be wanted.
#[derive(Clone, Copy)]
struct Candidate {
    key: Cursor,
    source: Source,
}

#[derive(Clone, Copy)]
enum Source {
    Open,
    /// The number of the opened group, and the row.
    Settled(usize, u16),
}

struct Scan<'a> {
    query: &'a SummaryQuery<'a>,
    open: &'a dyn OpenTraces,
    threads: &'a ScanThreads,
    /// Keys of open traces that were not yet taken, ascending.
    open_keys: &'a [Cursor],
    /// Groups not yet opened, the one with the newest row last.
    pending: Vec<Pending<'a>>,
    opened: Vec<Opened<'a>>,
    /// The newest row not yet taken of each opened group that has one.
    newest: BinaryHeap<(Cursor, usize)>,
    groups_at_once: usize,
    /// The oldest key that may be looked at, once the limit of the scan is within reach.
    stop: Option<Cursor>,
}

/// Finds the page that a query asks for, newest first, in settled files and open traces. A page
/// has and looks at one summary at least, whatever the limits, so that paging always comes to its
/// end. Rows of traces that are open again are not told, but counted as looked at.
///
/// # Errors
/// [`SettledError::Io`], [`SettledError::Damaged`].
pub fn find_page(
    files: &[QueriedFile<'_>],
    query: &SummaryQuery<'_>,
    open: &dyn OpenTraces,
    threads: &ScanThreads,
) -> Result<SummaryPage, SettledError> {
    let mut scan = Scan::new(files, query, open, threads);
    scan.find_stop()?;
    let mut page = SummaryPage { summaries: Vec::new(), scanned: 0, next: None };
    let limit = query.limit.max(1);
    let mut at_once = limit.min(MOST_SUMMARIES_AT_ONCE);
    let mut open_scanned = 0;
    let end = 'page: loop {
        let candidates = scan.next_candidates(at_once)?;
        if candidates.is_empty() {
            break scan.stop;
        }
        for (candidate, found) in candidates.iter().zip(scan.evaluate(&candidates)) {
            let found = found?;
            open_scanned += usize::from(found.is_open_in_range);
            page.summaries.extend(found.wanted);
            if page.summaries.len() == limit {
                break 'page Some(candidate.key);
            }
        }
        at_once = (at_once * 2).min(MOST_SUMMARIES_AT_ONCE);
        scan.forget_readers();
    };
    page.scanned = open_scanned + scan.count_down_to(end)?;
    if let Some(end) = end
        && scan.has_more(end)?
    {
        page.next = Some(end);
    }
    Ok(page)
}

/// What became of a candidate.
#[derive(Default)]
struct Evaluated {
    is_open_in_range: bool,
    wanted: Option<Arc<TraceSummary>>,
}

impl<'a> Scan<'a> {
    fn new(
        files: &[QueriedFile<'a>],
        query: &'a SummaryQuery<'a>,
        open: &'a dyn OpenTraces,
        threads: &'a ScanThreads,
    ) -> Self {
        let mut pending: Vec<Pending<'a>> = Vec::new();
        for QueriedFile { file, superseded } in files {
            let groups = file.groups().filter(|group| {
                may_select(group.group, query.range, query.range_type)
                    && query.after.is_none_or(|after| group.group.first < after)
            });
            pending.extend(groups.map(|group| Pending { group, superseded }));
        }
        pending.sort_by_key(|pending| pending.group.group.last);
        let keys = open.keys();
        let behind = query.after.map_or(keys.len(), |after| keys.partition_point(|k| *k < after));
        Self {
            query,
            open,
            threads,
            open_keys: keys.get(..behind).unwrap_or(&[]),
            pending,
            opened: Vec::new(),
            newest: BinaryHeap::new(),
            groups_at_once: 1,
            stop: None,
        }
    }

    /// The newest row that a group not yet opened may have.
    fn bound(&self) -> Option<Cursor> {
        self.pending.last().map(|pending| pending.group.group.last)
    }

    /// The next candidates in the order of pages; none at the end.
    fn next_candidates(&mut self, most: usize) -> Result<Vec<Candidate>, SettledError> {
        let (mut candidates, mut groups) = (Vec::new(), HashSet::new());
        while candidates.len() < most && groups.len() < MOST_GROUPS_READ {
            let settled = self.newest.peek().map(|(key, _)| *key);
            let next = settled.max(self.open_keys.last().copied());
            if next.is_none() || next < self.bound() {
                // Either nothing is left, or something newer may be in a group not yet opened.
                let is_far = !candidates.is_empty() && self.groups_at_once > FAR;
                if self.pending.is_empty() || self.stop.is_some() || is_far {
                    break;
                }
                self.open_groups()?;
                continue;
            }
            if next < self.stop {
                break;
            }
            let Some(candidate) = self.take_newest() else { continue };
            candidates.push(candidate);
            if let Source::Settled(group, _) = candidate.source {
                groups.insert(group);
            }
        }
        Ok(candidates)
    }

    /// Takes the newest trace; none if it does not count.
    fn take_newest(&mut self) -> Option<Candidate> {
        let settled = self.newest.peek().map(|(key, _)| *key);
        if let Some((key, rest)) = self.open_keys.split_last()
            && settled.is_none_or(|settled| settled < *key)
        {
            self.open_keys = rest;
            return Some(Candidate { key: *key, source: Source::Open });
        }
        let (key, number) = self.newest.pop()?;
        let opened = self.opened.get_mut(number)?;
        let row = opened.matched.pop()?;
        if let Some(next) = opened.newest() {
            self.newest.push((next, number));
        }
        let candidate = Candidate { key, source: Source::Settled(number, row) };
        (!self.open.hides_row_of(key.id)).then_some(candidate)
    }

    /// Opens some more groups, but none in vain if the limit of the scan ends the page before.
    fn open_groups(&mut self) -> Result<(), SettledError> {
        let left = self.query.scan_limit.saturating_sub(self.rows_in_range());
        let mut rows = 0;
        let is_needed = |pending: &&Pending<'_>| {
            let is_needed = rows < left || left == 0;
            rows += pending.group.group.live_rows();
            is_needed
        };
        let newest = self.pending.iter().rev().take(self.groups_at_once);
        let count = newest.take_while(is_needed).count();
        let groups = self.pending.split_off(self.pending.len().saturating_sub(count));
        self.groups_at_once = (self.groups_at_once * 2).min(MOST_GROUPS_AT_ONCE);
        for opened in map_in_parallel(self.threads, &groups, |pending| pending.open(self.query)) {
            let opened = opened?;
            self.newest.extend(opened.newest().map(|key| (key, self.opened.len())));
            self.opened.push(opened);
        }
        self.find_stop()
    }

    /// How many rows of the opened groups belong to the range.
    fn rows_in_range(&self) -> usize {
        self.opened.iter().map(|opened| opened.in_range.count()).sum()
    }

    /// Finds out where the limit of the scan ends the page, once enough is opened for it.
    fn find_stop(&mut self) -> Result<(), SettledError> {
        let limit = self.query.scan_limit.max(1);
        let mut open_keys = self.first_open_keys();
        if self.stop.is_some() || self.rows_in_range() + open_keys.len() < limit {
            return Ok(());
        }
        // Groups and open traces that are all newer than the others are counted as a whole, as
        // long as the limit is behind them: then only the keys of a few groups are read.
        let mut groups: Vec<_> =
            self.opened.iter().filter(|opened| !opened.in_range.is_empty()).collect();
        groups.sort_by_key(|opened| std::cmp::Reverse(opened.group.group.last));
        let mut others = groups.as_slice();
        let (mut oldest, mut count, mut counted) = (None, 0, 0);
        for (place, opened) in groups.iter().enumerate() {
            let first = opened.group.group.first;
            let oldest = *oldest.insert(oldest.map_or(first, |oldest: Cursor| oldest.min(first)));
            count += opened.in_range.count();
            let behind = groups.get(place + 1..).unwrap_or(&[]);
            if behind.first().is_some_and(|next| next.group.group.last >= oldest) {
                continue;
            }
            let all = self.first_open_keys();
            let (older, newer) = all.split_at(all.partition_point(|key| *key < oldest));
            if count + newer.len() >= limit {
                let until = others.len() - behind.len();
                others = others.get(..until).unwrap_or(others);
                break;
            }
            (others, open_keys, counted) = (behind, older, count + newer.len());
        }
        let mut keys = open_keys.to_vec();
        for opened in others {
            let order = opened.order()?;
            keys.extend(opened.in_range.iter().filter_map(|row| order.key(row)));
        }
        let (_, last, _) = keys.select_nth_unstable_by(limit - counted - 1, |a, b| b.cmp(a));
        if self.bound().is_none_or(|bound| bound < *last) {
            self.stop = Some(*last);
        }
        Ok(())
    }

    /// All keys of open traces of this page, those taken among them.
    fn first_open_keys(&self) -> &'a [Cursor] {
        let keys = self.open.keys();
        let after = self.query.after;
        let behind = after.map_or(keys.len(), |after| keys.partition_point(|key| *key < after));
        keys.get(..behind).unwrap_or(&[])
    }

    /// Makes the summaries of candidates and asks whether they are wanted.
    fn evaluate(&self, candidates: &[Candidate]) -> Vec<Result<Evaluated, SettledError>> {
        let parts: Vec<&[Candidate]> = candidates.chunks(SUMMARIES_PER_PART).collect();
        let evaluate = |part: &&[Candidate]| -> Vec<_> {
            part.iter().map(|candidate| self.evaluate_one(candidate)).collect()
        };
        map_in_parallel(self.threads, &parts, evaluate).into_iter().flatten().collect()
    }

    fn evaluate_one(&self, candidate: &Candidate) -> Result<Evaluated, SettledError> {
        let SummaryQuery { range, range_type, conditions, matches, .. } = *self.query;
        match candidate.source {
            Source::Open => {
                let trace = self.open.trace(candidate.key);
                let trace = trace.filter(|trace| range_type.selects(range, &trace.summary));
                let is_open_in_range = trace.is_some();
                let wanted = trace.filter(|OpenTrace { summary, graph }| {
                    let truth = Condition::all(conditions, summary, graph.as_deref());
                    truth != Some(false) && matches(summary)
                });
                let wanted = wanted.map(|trace| trace.summary);
                Ok(Evaluated { is_open_in_range, wanted })
            }
            Source::Settled(number, row) => {
                let Some(opened) = self.opened.get(number) else { return Ok(Evaluated::default()) };
                let rows = match opened.rows.get_or_init(|| opened.group.rows()) {
                    Ok(rows) => rows,
                    Err(error) => return Err(error.clone()),
                };
                let summary = rows.summary(usize::from(row))?;
                let wanted = matches(&summary).then(|| Arc::new(summary));
                Ok(Evaluated { is_open_in_range: false, wanted })
            }
        }
    }

    /// Frees the columns of groups that are done with, and of all if they are too many.
    fn forget_readers(&mut self) {
        let readers = self.opened.iter().filter(|opened| opened.rows.get().is_some()).count();
        for opened in &mut self.opened {
            if opened.matched.is_empty() {
                opened.keys = None;
            }
            if opened.matched.is_empty() || readers > MOST_GROUPS_READ {
                opened.rows = OnceLock::new();
            }
        }
    }

    /// Settled rows of the range from the newest down to a key; all without one.
    fn count_down_to(&self, end: Option<Cursor>) -> Result<usize, SettledError> {
        let Some(end) = end else {
            return Ok(self.opened.iter().map(|opened| opened.in_range.count()).sum());
        };
        let mut count = 0;
        for opened in &self.opened {
            count += opened.count_down_to(end)?;
        }
        Ok(count)
    }

    /// Whether there are traces of the range behind a key.
    fn has_more(&mut self, end: Cursor) -> Result<bool, SettledError> {
        if self.first_open_keys().first().is_some_and(|key| *key < end) {
            return Ok(true);
        }
        for opened in &self.opened {
            if opened.count_down_to(end)? < opened.in_range.count() {
                return Ok(true);
            }
        }
        let query = SummaryQuery { conditions: &[], after: Some(end), ..*self.query };
        while let Some(pending) = self.pending.pop() {
            if !pending.open(&query)?.in_range.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
