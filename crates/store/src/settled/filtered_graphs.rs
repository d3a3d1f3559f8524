//! Service graphs of some of the traces, from the requests and calls of settled files.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use roentgen_model::{AlikeRequests, Micros, ServiceGraph, Timestamp, TraceId};

use super::columns::{ColumnName, Durations, FLAG_PARTIAL, Flags, Ids, Integers, Shapes};
use super::evaluate::select;
use super::group::Group;
use super::observed::{GroupKind, Request, bit};
use super::parallel::{ScanThreads, map_in_parallel};
use super::selection::Selection;
use super::{QueriedFile, SettledError, Steps};
use crate::Condition;

/// Row groups that are looked at before what was found in them is added up: their sums take some
/// 10 kB each.
pub(super) const GROUPS_AT_ONCE: usize = 64;
/// Row groups that one thread takes at a time and adds up itself.
const GROUPS_OF_PART: usize = 4;

/// Minutes before its trace began, or after it ended, in which a request may have begun: the clocks
/// of those who report do not agree, and a call may end after the segment that made it.
const SKEW: i64 = 10;

/// Which rows of settled files to sum up.
#[derive(Debug)]
pub struct FilteredRows<'a> {
    /// What must hold of a trace.
    pub conditions: &'a [Condition],
    /// Traces whose rows do not count, since they are open.
    pub hidden: &'a HashSet<TraceId>,
    /// After so many traces of which the columns do not tell whether they count, it is given up.
    pub most_undecided: usize,
}

/// What settled files tell of some of the traces.
#[derive(Debug, Default)]
pub struct FilteredGraphs {
    /// For each step in which something began, by its first minute, the graph of the traces that
    /// count. Nodes and edges begin and end with the traces that have them, within the minutes in
    /// which their requests began.
    pub graphs: BTreeMap<i64, ServiceGraph>,
    /// Traces that may count and are not in the graphs. More than wanted if it was given up.
    pub undecided: Vec<TraceId>,
}

/// Sums up the requests and calls of traces of which all conditions hold.
///
/// # Errors
/// [`SettledError::Io`], [`SettledError::Damaged`].
pub fn filtered_graphs(
    files: &[QueriedFile<'_>],
    rows: &FilteredRows<'_>,
    steps: &Steps,
    threads: &ScanThreads,
) -> Result<FilteredGraphs, SettledError> {
    let mut groups = Vec::new();
    for QueriedFile { file, superseded } in files {
        let in_range = file.groups().filter(|group| steps.touches(&group.minutes()));
        groups.extend(in_range.map(|group| (group, superseded)));
    }
    let mut total = FilteredGraphs::default();
    for groups in groups.chunks(GROUPS_AT_ONCE) {
        let parts: Vec<_> = groups.chunks(GROUPS_OF_PART).collect();
        let sums = map_in_parallel(threads, &parts, |part| {
            let mut sum = FilteredGraphs::default();
            for (group, superseded) in *part {
                sum.add(sum_group(group, superseded, rows, steps)?);
            }
            Ok(sum)
        });
        for sum in sums {
            total.add(sum?);
        }
        if total.undecided.len() > rows.most_undecided {
            break;
        }
    }
    Ok(total)
}

impl FilteredGraphs {
    fn add(&mut self, other: Self) {
        for (step, graph) in other.graphs {
            match self.graphs.entry(step) {
                Entry::Occupied(mut sum) => sum.get_mut().merge(&graph),
                Entry::Vacant(sum) => drop(sum.insert(graph)),
            }
        }
        self.undecided.extend(other.undecided);
    }
}

fn sum_group(
    group: &Group<'_>,
    superseded: &HashSet<TraceId>,
    rows: &FilteredRows<'_>,
    steps: &Steps,
) -> Result<FilteredGraphs, SettledError> {
    let all = Selection::all(group.group.rows);
    let Some(SelectedRows { possible, certain, ids }) =
        selected_rows(group, superseded, rows, all)?
    else {
        return Ok(FilteredGraphs::default());
    };
    let id = |row: usize| ids.0.get(row).copied();
    let times = RowTimes::new(group)?;
    let Some(shapes) = group.shapes()? else {
        let in_range = possible.iter().filter(|row| times.may_begin_in(*row, steps));
        let undecided = in_range.filter_map(id).collect();
        return Ok(FilteredGraphs { graphs: BTreeMap::new(), undecided });
    };
    let mut sums = GroupSums::new(shapes.clone(), steps);
    let mut requests = group.requests(shapes)?;
    let mut undecided = Vec::new();
    let mut is_certain = certain.iter().peekable();
    for row in possible.iter() {
        let (of_row, is_certain) = (times.of(row), is_certain.next_if_eq(&row).is_some());
        let (mut is_in_range, first_minute) = (false, of_row.in_minute(of_row.minute, steps));
        let is_known = requests.of_row(row, |request| match is_certain {
            true => sums.add(&request, of_row, first_minute),
            false => {
                let minute = of_row.minute.saturating_add(request.minute);
                is_in_range |= steps.of(minute).is_some();
            }
        })?;
        let is_wanted = if is_known { is_in_range } else { times.may_begin_in(row, steps) };
        if is_wanted {
            undecided.extend(id(row));
        }
    }
    Ok(FilteredGraphs { graphs: sums.into_graphs(), undecided })
}

/// Rows of a group that may count.
pub(super) struct SelectedRows {
    pub(super) possible: Selection,
    /// Those that do count.
    pub(super) certain: Selection,
    /// The ids of all rows.
    pub(super) ids: Arc<Ids>,
}

/// Which of these rows of a group count; `None` if none does.
pub(super) fn selected_rows(
    group: &Group<'_>,
    superseded: &HashSet<TraceId>,
    rows: &FilteredRows<'_>,
    mut possible: Selection,
) -> Result<Option<SelectedRows>, SettledError> {
    group.group.dead.iter().for_each(|row| possible.remove(usize::from(*row)));
    select(group, rows.conditions, true, &mut possible)?;
    if possible.is_empty() {
        return Ok(None);
    }
    let ids = group.column::<Ids>(ColumnName::Ids)?;
    if !(superseded.is_empty() && rows.hidden.is_empty()) {
        let is_gone = |id| superseded.contains(id) || rows.hidden.contains(id);
        possible.retain(|row| ids.0.get(row).is_some_and(|id| !is_gone(id)));
    }
    let mut certain = possible.clone();
    select(group, rows.conditions, false, &mut certain)?;
    Ok(Some(SelectedRows { possible, certain, ids }))
}

/// The sums of a row group, by step.
struct GroupSums<'a> {
    steps: &'a Steps,
    shapes: Arc<Shapes>,
    /// For each step, what there is of each kind.
    sums: BTreeMap<i64, Vec<KindSum>>,
    /// The step that was last added to, and its sums.
    current: (i64, Vec<KindSum>),
}

/// What there is of a kind.
#[derive(Clone, Default)]
struct KindSum {
    seen: i64,
    start: Timestamp,
    end: Timestamp,
    lengths: Vec<Micros>,
}

/// When a trace begins and ends.
#[derive(Clone, Copy)]
struct TraceTimes {
    start: Timestamp,
    minute: i64,
    end: Timestamp,
}

/// A trace in one minute.
#[derive(Clone, Copy)]
struct InMinute {
    /// The step that the minute is in, if it is in the range.
    step: Option<i64>,
    /// From when the trace runs in it.
    start: Timestamp,
    /// And until when.
    end: Timestamp,
}

impl TraceTimes {
    fn in_minute(self, minute: i64, steps: &Steps) -> InMinute {
        let start = self.start.max(Timestamp::from_minute(minute));
        let next_minute = Timestamp::from_minute(minute.saturating_add(1));
        let end = self.end.clamp(start, next_minute.max(start));
        InMinute { step: steps.of(minute), start, end }
    }
}

/// The times of the rows of a group.
struct RowTimes {
    starts: Arc<Integers>,
    durations: Arc<Durations>,
    flags: Arc<Flags>,
}

impl RowTimes {
    fn new(group: &Group<'_>) -> Result<Self, SettledError> {
        let starts = group.column(ColumnName::Starts)?;
        let durations = group.column(ColumnName::Durations)?;
        let flags = group.column(ColumnName::Flags)?;
        Ok(Self { starts, durations, flags })
    }

    fn of(&self, row: usize) -> TraceTimes {
        let start = self.starts.0.get(row).copied().unwrap_or(0);
        let duration = self.durations.0.get(row).copied().unwrap_or(0);
        let end = Timestamp::from_micros(start.wrapping_add(duration));
        let start = Timestamp::from_micros(start);
        TraceTimes { start, minute: start.minute(), end }
    }

    /// Whether a request may have begun in a range of a row that does not tell when any did. While
    /// something is in progress, the end of a trace is no more than the last that was seen.
    fn may_begin_in(&self, row: usize, steps: &Steps) -> bool {
        let TraceTimes { minute, end, .. } = self.of(row);
        let is_partial = self.flags.0.get(row).is_some_and(|flags| flags & FLAG_PARTIAL != 0);
        let last = if is_partial { i64::MAX } else { end.minute() };
        let (first, last) = (minute.saturating_sub(SKEW), last.saturating_add(SKEW));
        steps.touches(&(first..=last))
    }
}

impl<'a> GroupSums<'a> {
    fn new(shapes: Arc<Shapes>, steps: &'a Steps) -> Self {
        let current = (i64::MIN, Vec::new());
        Self { steps, shapes, sums: BTreeMap::new(), current }
    }

    /// Adds a request of a trace; most begin in the minute in which the trace begins.
    fn add(&mut self, request: &Request, trace: TraceTimes, first_minute: InMinute) {
        let InMinute { step, start, end } = match request.minute {
            0 => first_minute,
            more => trace.in_minute(trace.minute.saturating_add(more), self.steps),
        };
        let Some(step) = step else { return };
        if self.current.0 != step || self.current.1.is_empty() {
            let next = self.sums.remove(&step).unwrap_or_default();
            let (before, sums) = std::mem::replace(&mut self.current, (step, next));
            self.sums.insert(before, sums);
            self.current.1.resize(self.shapes.kinds.len(), KindSum::default());
        }
        let Some(sum) = self.current.1.get_mut(request.number as usize) else { return };
        let is_first = sum.seen == 0;
        sum.start = if is_first { start } else { start.min(sum.start) };
        sum.end = if is_first { end } else { end.max(sum.end) };
        sum.seen += 1;
        sum.lengths.extend(request.length.map(Micros::new));
    }

    fn into_graphs(mut self) -> BTreeMap<i64, ServiceGraph> {
        let (step, sums) = self.current;
        self.sums.insert(step, sums);
        let graph = |sums: &[KindSum]| {
            let mut graph = ServiceGraph::default();
            for (kind, sum) in self.shapes.kinds.iter().zip(sums).filter(|(_, sum)| sum.seen > 0) {
                add_kind(&mut graph, &self.shapes, *kind, sum);
            }
            graph
        };
        let graphs = self.sums.iter().map(|(step, sums)| (*step, graph(sums)));
        graphs.filter(|(_, graph)| !graph.is_empty()).collect()
    }
}

fn add_kind(graph: &mut ServiceGraph, shapes: &Shapes, kind: GroupKind, sum: &KindSum) {
    let service = |number: u32| shapes.services.get(number as usize);
    let Some(to) = service(kind.service) else { return };
    let requests = AlikeRequests {
        seen: sum.seen,
        is_real: kind.has(bit::REAL),
        is_root: kind.has(bit::ROOT),
        flags: kind.flags(),
        start: sum.start,
        end: sum.end,
        lengths: &sum.lengths,
    };
    match kind.from.checked_sub(1) {
        None => graph.add_requests(to, &requests),
        Some(from) => {
            if let Some(from) = service(from) {
                graph.add_calls(from, to, &requests);
            }
        }
    }
}
