//! Which traces settle.

use std::time::{Duration, Instant};

use crate::log::Position;
use crate::open::Listed;
use crate::{StoreOptions, Tuning};

/// A trace that something comes for again and again settles when it has been open for so long:
/// at opening, the log is read from the first document of the trace that is open for longest.
const LONGEST_OPEN: Duration = Duration::from_secs(20);
/// Most documents that settle at once, which bounds how long it takes: some 0.2 s.
/// One trace may have more.
pub(super) const MOST_DOCUMENTS: usize = 65_536;
/// When open traces take more memory than they may, so much of it is left when enough have
/// settled, in percent.
const LEFT_PERCENT: u64 = 75;

/// Why traces settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Those that are due, if they are enough.
    Due,
    /// Everything that is open.
    Everything,
    /// Those that came least lately, until the rest may stay.
    Memory,
}

/// What is done with the open traces.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// These settle, those first that were touched least lately.
    pub(super) chosen: Vec<Listed>,
    /// Where the first open document stands of all that stay.
    pub(super) least_staying: Option<Position>,
}

impl Choice {
    /// Lets a trace stay.
    pub(super) fn keep(&mut self, trace: &Listed) {
        let least = self.least_staying.map_or(trace.first, |least| least.min(trace.first));
        self.least_staying = Some(least);
    }
}

/// Chooses the traces that settle now; none when it is not worth it yet. When a part of the log is
/// still to be read that begins at `unread_from`, only traces all of whose open documents stand
/// before it: of the others, more documents may come that stand in between.
pub(super) fn choose(
    listed: impl Iterator<Item = Listed>,
    wish: Wish,
    now: Instant,
    unread_from: Option<Position>,
    options: &StoreOptions,
) -> Choice {
    let Tuning { settle_documents, settle_quiet, .. } = options.tuning;
    let is_due = |trace: &Listed| {
        let since = |moment: Instant| now.saturating_duration_since(moment);
        since(trace.touched) >= settle_quiet || is_open_for_long(trace, now)
    };
    let may_settle = |trace: &Listed| {
        unread_from.is_none_or(|unread| trace.last < unread) && (wish != Wish::Due || is_due(trace))
    };
    let (mut chosen, mut choice, mut memory) = (Vec::new(), Choice::default(), 0);
    for trace in listed {
        memory += trace.memory;
        if may_settle(&trace) {
            chosen.push(trace);
        } else {
            choice.keep(&trace);
        }
    }
    let due: usize = chosen.iter().map(|trace| trace.documents).sum();
    if wish == Wish::Due && due < settle_documents.max(1) {
        return Choice::default();
    }
    chosen.sort_unstable_by_key(|trace| (trace.touched, trace.first));
    let most_left = options.open_bytes / 100 * LEFT_PERCENT;
    let (mut documents, mut left, mut count) = (0, memory, 0);
    for trace in &chosen {
        let is_enough = wish == Wish::Memory && left <= most_left && !is_due(trace);
        if is_enough || count > 0 && documents + trace.documents > MOST_DOCUMENTS {
            break;
        }
        documents += trace.documents;
        left = left.saturating_sub(trace.memory);
        count += 1;
    }
    chosen.drain(count..).for_each(|trace| choice.keep(&trace));
    Choice { chosen, ..choice }
}

/// Whether a trace is to settle however much comes for it.
pub(super) fn is_open_for_long(trace: &Listed, now: Instant) -> bool {
    now.saturating_duration_since(trace.opened) >= LONGEST_OPEN
}

#[cfg(test)]
mod tests {
    use roentgen_model::TraceId;
    use roentgen_ops::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn traces_settle_when_they_are_due_and_enough_or_when_memory_asks() {
        let options = StoreOptions {
            open_bytes: 1000,
            tuning: Tuning { settle_documents: 10, ..Tuning::default() },
            ..StoreOptions::new("")
        };
        let begin = SystemClock.instant();
        let now = begin + Duration::from_secs(100);
        // Number, documents, memory, opened and touched so many seconds ago.
        let listed = |traces: &[(u32, usize, u64, u64, u64)]| -> Vec<Listed> {
            let of = |&(number, documents, memory, opened, touched): &_| Listed {
                id: TraceId::NOOP,
                first: Position::new(1, number, 0).unwrap(),
                last: Position::new(1, number, 9).unwrap(),
                documents,
                memory,
                opened: now - Duration::from_secs(opened),
                touched: now - Duration::from_secs(touched),
            };
            traces.iter().map(of).collect()
        };
        let check = |traces: &[(u32, usize, u64, u64, u64)], wish, expect: &[u32]| {
            let Choice { chosen, least_staying } =
                choose(listed(traces).into_iter(), wish, now, None, &options);
            let numbers: Vec<_> = chosen.iter().map(|trace| trace.first.offset()).collect();
            assert_eq!(numbers, expect, "{traces:?} {wish:?}");
            let stays = |trace: &&(u32, _, _, _, _)| !numbers.contains(&trace.0);
            let least = traces.iter().filter(stays).map(|trace| trace.0).min();
            if !chosen.is_empty() {
                assert_eq!(least_staying.map(Position::offset), least, "{traces:?} {wish:?}");
            }
        };
        use Wish::{Due, Everything, Memory};
        check(&[], Everything, &[]);
        check(&[(1, 9, 10, 3, 3)], Due, &[]);
        check(&[(1, 9, 10, 3, 3)], Everything, &[1]);
        check(&[(1, 9, 10, 3, 3), (2, 1, 10, 9, 1)], Due, &[]);
        check(&[(1, 9, 10, 3, 2), (2, 1, 10, 9, 4)], Due, &[2, 1]);
        check(&[(1, 9, 10, 3, 2), (2, 1, 10, 20, 0), (3, 50, 10, 19, 1)], Due, &[1, 2]);
        // Three quarters of what is allowed may stay.
        check(&[(1, 1, 200, 9, 1), (2, 1, 600, 9, 0), (3, 1, 600, 1, 1)], Memory, &[1, 3]);
        check(&[(1, 1, 200, 9, 1), (2, 1, 500, 9, 0)], Memory, &[]);
        check(&[(1, 1, 200, 9, 2), (2, 1, 500, 9, 0)], Memory, &[1]);
        // As many as fit, but one at least.
        let many = MOST_DOCUMENTS;
        check(&[(1, many + 1, 1, 5, 5), (2, 1, 1, 5, 4)], Due, &[1]);
        check(&[(1, 1, 1, 5, 5), (2, many, 1, 5, 4), (3, 1, 1, 5, 4)], Everything, &[1]);
    }
}
