//! The open traces as a page of summaries needs them.
//!
//! Where a trace stands in the order of pages must be known before it is looked at. It is known
//! without assembling the trace when its id tells it, or when it certainly starts with a segment
//! that is there. So a page assembles only what it shows, and what it must look at for that.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use roentgen_model::{Names, Timestamp, TraceId, TraceSummary};

use super::large::{Shown, Version, is_large};
use super::view::{View, ViewedTrace};
use crate::assembling::{Assembled, Whereabouts, assemble_contents};
use crate::live::Live;
use crate::locking::lock;
use crate::replacing::Trouble;
use crate::settled::{OpenTrace, OpenTraces};
use crate::state::State;
use crate::{Cursor, SummaryQuery, TimeRange, TimeRangeType};

/// The open traces of a query for a page.
#[derive(Debug)]
pub(super) struct OpenPage<'a> {
    state: &'a State,
    view: &'a View,
    /// Those that may belong to the range, in the order of time and id.
    keys: Vec<Cursor>,
    /// Those traces, in the same order.
    traces: Vec<&'a ViewedTrace>,
    /// All that may have a row in a settled file.
    settled: HashSet<TraceId>,
    names: Mutex<Names>,
    trouble: Mutex<Option<Trouble>>,
}

impl<'a> OpenPage<'a> {
    /// The open traces of a view for a query.
    pub(super) fn new(
        state: &'a State,
        view: &'a View,
        query: &SummaryQuery<'_>,
    ) -> Result<Self, Trouble> {
        let mut page = Self {
            state,
            view,
            keys: Vec::new(),
            traces: Vec::new(),
            settled: HashSet::new(),
            names: Mutex::default(),
            trouble: Mutex::default(),
        };
        let mut traces = Vec::new();
        for trace in &view.traces {
            if trace.has_settled() {
                page.settled.insert(trace.id);
            }
            if may_belong(trace, query.range, query.range_type)
                && let Some(time) = page.time_of(trace)?
                && (query.range_type != TimeRangeType::TraceId || query.range.contains(time))
            {
                traces.push((Cursor { time, id: trace.id }, trace));
            }
        }
        traces.sort_unstable_by_key(|(key, _)| *key);
        (page.keys, page.traces) = traces.into_iter().unzip();
        Ok(page)
    }

    /// What kept a trace from being looked at.
    pub(super) fn into_trouble(self) -> Option<Trouble> {
        self.trouble.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Where a trace stands; `None` when there is nothing to show of it.
    fn time_of(&self, trace: &ViewedTrace) -> Result<Option<Timestamp>, Trouble> {
        if let Some(time) = known_time(trace) {
            return Ok(Some(time));
        }
        Ok(self.look_at(trace)?.map(|trace| trace.summary.time))
    }

    fn look_at(&self, trace: &ViewedTrace) -> Result<Option<OpenTrace>, Trouble> {
        look_at(self.state, &self.view.live, trace, &self.names)
    }
}

/// An open trace with all its documents. Of a large one the graph is not at hand.
pub(super) fn look_at(
    state: &State,
    live: &Live,
    trace: &ViewedTrace,
    names: &Mutex<Names>,
) -> Result<Option<OpenTrace>, Trouble> {
    let make = || {
        let whereabouts = trace.whereabouts(live)?;
        let (documents, bytes) = whereabouts.size();
        if is_large(documents, bytes) {
            let shown = show_large(state, trace.id, &whereabouts)?;
            let summary = shown.summary.clone();
            return Ok(summary.map(|summary| OpenTrace { summary, graph: None }));
        }
        let shown = whereabouts.read_for_lists(state, trace.id);
        let contents = shown.settled.iter().chain(&shown.open);
        let assembled = assemble_contents(state, trace.id, contents, &mut lock(names));
        Ok(assembled.map(|Assembled { summary, graph }| OpenTrace {
            summary: Arc::new(summary),
            graph: Some(Arc::new(graph)),
        }))
    };
    let (documents, bytes) = (trace.documents().len(), trace.bytes());
    if is_large(documents, bytes) {
        return make();
    }
    state.summaries.get_or_make(trace, live.generation(), make)
}

impl OpenTraces for OpenPage<'_> {
    fn keys(&self) -> &[Cursor] {
        &self.keys
    }

    fn hides_row_of(&self, id: TraceId) -> bool {
        self.settled.contains(&id)
    }

    fn trace(&self, key: Cursor) -> Option<OpenTrace> {
        let trace = self.traces.get(self.keys.binary_search(&key).ok()?)?;
        self.look_at(trace).unwrap_or_else(|trouble| {
            lock(&self.trouble).get_or_insert(trouble);
            None
        })
    }
}

/// A large trace as lists and graphs show it.
pub(super) fn show_large(
    state: &State,
    id: TraceId,
    whereabouts: &Whereabouts,
) -> Result<Arc<Shown>, Trouble> {
    let settled = whereabouts.settled.len();
    let documents = settled + whereabouts.only_open().len();
    state.large.show(state, id, Version { settled, documents }, || {
        let contents = whereabouts.read_for_lists(state, id);
        let mut names = Names::default();
        let all = contents.settled.iter().chain(&contents.open);
        let mut shown = Shown::default();
        if let Some(assembled) = assemble_contents(state, id, all, &mut names) {
            shown.added.add(&assembled.graph);
            shown.links = assembled.graph.links;
            shown.summary = Some(Arc::new(assembled.summary));
        }
        let before = assemble_contents(state, id, contents.settled.iter(), &mut names);
        before.iter().for_each(|before| shown.taken_back.add(&before.graph));
        Ok(shown)
    })
}

/// Where a trace stands, when that can be told from what is known of its documents. It is taken
/// for granted that the segments of a trace whose id tells its time start within a week of that,
/// those that have settled, too.
fn known_time(trace: &ViewedTrace) -> Option<Timestamp> {
    let time_of = |start| TraceSummary::time_of(trace.id, start);
    let (least, most) = (time_of(trace.times.first_start), time_of(trace.times.last_start));
    let told_by_id = Timestamp::from_micros(i64::from(trace.id.epoch_seconds()) * 1_000_000);
    let is_certain = match trace.has_settled() {
        true => least == most && least == told_by_id,
        false => least == most || trace.times.is_start_certain(),
    };
    is_certain.then_some(least)
}

/// Whether a trace may belong to a range; one that has settled may, whatever is open of it.
fn may_belong(trace: &ViewedTrace, range: TimeRange, range_type: TimeRangeType) -> bool {
    let times = trace.times;
    let (least, most) = match range_type {
        TimeRangeType::TraceId => {
            let time_of = |start| TraceSummary::time_of(trace.id, start);
            (time_of(times.first_start), time_of(times.last_start))
        }
        TimeRangeType::Event | TimeRangeType::Service => (times.first_start, times.last),
    };
    trace.has_settled() || least < range.end && range.start <= most
}
