//! Edges between traces: the links of traces, and what they lead to.
//!
//! Links are kept with the traces that have them, in memory and in columns, and change with these.
//! What a link leads to is found when it is asked for, by reading the trace that it names, so that
//! it does not matter which of the two came first, settled first or changed last. What was found is
//! remembered for as long as the documents of that trace stay the same.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use roentgen_model::{LinkEnd, LinkObservation, LinkedEdges, Names, SegmentId, TraceId};

use super::filtered_graph::read_undecided;
use super::graph::open_links;
use super::large::is_large;
use super::page::show_large;
use super::whereabouts_of;
use crate::assembling::{Assembled, Whereabouts, assemble_contents, link_ends};
use crate::locking::lock;
use crate::log::Position;
use crate::replacing::Trouble;
use crate::settled::{FilteredRows, ReceivedLinks, Steps, map_in_parallel};
use crate::state::State;
use crate::{Condition, TraceFilter};

/// How many linked traces one query reads at most, and how many bytes of their documents. Links to
/// others are left out until somebody asks again; then these are remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MostRead {
    pub(crate) traces: usize,
    pub(crate) bytes: usize,
}

impl Default for MostRead {
    /// What takes some two seconds.
    fn default() -> Self {
        Self { traces: 10_000, bytes: 64 << 20 }
    }
}

/// Ends of links that are remembered. Each takes some 300 bytes when no other is of its trace.
const MOST_ENDS: u64 = 50_000;

/// What links lead to, by the trace that they name.
#[derive(Debug)]
pub(crate) struct LinkEnds {
    known: Cache<TraceId, Arc<KnownEnds>, ByEnds>,
    names: Mutex<Names>,
}

/// The ends of links that lead to one trace.
#[derive(Debug)]
struct KnownEnds {
    made_of: MadeOf,
    /// `None` for what is not in the trace.
    ends: HashMap<SegmentId, Option<LinkEnd>>,
}

/// The documents of a trace: they are the same as long as this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MadeOf {
    documents: usize,
    first: Position,
    last: Position,
}

impl MadeOf {
    /// `None` when there are no documents.
    fn of(whereabouts: &Whereabouts) -> Option<Self> {
        let open = whereabouts.only_open().iter().map(|document| document.position);
        let mut positions = whereabouts.settled.iter().copied().chain(open);
        let first = positions.next()?;
        let (others, last) = positions.fold((0, first), |(count, _), last| (count + 1, last));
        Some(Self { documents: others + 1, first, last })
    }
}

#[derive(Clone, Debug)]
struct ByEnds;

impl Weighter<TraceId, Arc<KnownEnds>> for ByEnds {
    fn weight(&self, _id: &TraceId, known: &Arc<KnownEnds>) -> u64 {
        known.ends.len() as u64
    }
}

impl Default for LinkEnds {
    fn default() -> Self {
        let most = usize::try_from(MOST_ENDS).unwrap_or(usize::MAX);
        Self { known: Cache::with_weighter(most, MOST_ENDS, ByEnds), names: Mutex::default() }
    }
}

impl LinkEnds {
    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.known.clear();
    }
}

/// The edges of the links whose (sub)segments began in a range: of all traces, or of those that
/// match.
pub(crate) fn linked_edges(
    state: &State,
    steps: &Steps,
    filter: Option<&TraceFilter<'_>>,
    most: MostRead,
) -> Result<LinkedEdges, Trouble> {
    let mut drawing = Drawing::new(state, most);
    let (OpenLinks { links, hidden }, live) = open_links(state, steps)?;
    let (conditions, most_undecided) =
        filter.map_or((&[][..], 0), |filter| (filter.conditions, filter.reads.left().traces));
    let mut found = match filter {
        None => {
            let links = links.into_iter().map(|(_, link)| link).collect();
            ReceivedLinks { links, undecided: Vec::new() }
        }
        Some(_) => look_at(state, links, conditions, steps)?,
    };
    drawing.draw(std::mem::take(&mut found.links))?;
    let rows = FilteredRows { conditions, hidden: &hidden, most_undecided };
    live.received_links(&rows, steps, &state.scan_threads, |received| {
        found.undecided.extend(received.undecided);
        drawing.draw(received.links)
    })?;
    if let Some(filter) = filter {
        let read = Mutex::new(Vec::new());
        read_undecided(state, filter.matches, &found.undecided, filter.reads, |graph| {
            lock(&read).extend(in_range(&graph.links, steps));
        })?;
        drawing.draw(std::mem::take(&mut lock(&read)))?;
    }
    Ok(drawing.edges)
}

/// The links of open traces.
#[derive(Debug, Default)]
pub(super) struct OpenLinks {
    /// With the traces that have them.
    pub(super) links: Vec<(TraceId, LinkObservation)>,
    /// Traces whose rows in settled files do not count, since they are open.
    pub(super) hidden: HashSet<TraceId>,
}

/// The links, as they are now, of those of some traces of which all conditions hold.
fn look_at(
    state: &State,
    links: Vec<(TraceId, LinkObservation)>,
    conditions: &[Condition],
    steps: &Steps,
) -> Result<ReceivedLinks, Trouble> {
    let ids: BTreeSet<TraceId> = links.into_iter().map(|(id, _)| id).collect();
    let ids: Vec<TraceId> = ids.into_iter().collect();
    let looked = map_in_parallel(&state.scan_threads, &ids, |id| {
        let whereabouts = whereabouts_of(state, *id)?;
        let (documents, bytes) = whereabouts.size();
        if is_large(documents, bytes) {
            let shown = show_large(state, *id, &whereabouts)?;
            let summary = shown.summary.as_deref();
            let is_meant = summary.map(|summary| Condition::all(conditions, summary, None));
            return Ok((is_meant.unwrap_or(Some(false)), in_range(&shown.links, steps)));
        }
        let contents = whereabouts.read_for_lists(state, *id);
        let all = contents.settled.iter().chain(&contents.open);
        let assembled = assemble_contents(state, *id, all, &mut Names::default());
        let Some(Assembled { summary, graph }) = assembled else {
            return Ok((Some(false), Vec::new()));
        };
        let is_meant = Condition::all(conditions, &summary, Some(&graph));
        Ok::<_, Trouble>((is_meant, in_range(&graph.links, steps)))
    });
    let mut found = ReceivedLinks::default();
    for (id, looked) in ids.into_iter().zip(looked) {
        match looked? {
            (Some(true), links) => found.links.extend(links),
            (None, links) if !links.is_empty() => found.undecided.push(id),
            _ => {}
        }
    }
    Ok(found)
}

/// Links whose (sub)segments began in a range.
fn in_range(links: &[LinkObservation], steps: &Steps) -> Vec<LinkObservation> {
    let is_in_range = |link: &&LinkObservation| steps.of(link.start.minute()).is_some();
    links.iter().filter(is_in_range).cloned().collect()
}

/// Draws the edges of links.
struct Drawing<'a> {
    state: &'a State,
    edges: LinkedEdges,
    /// Traces that may still be read, and bytes of their documents.
    traces_left: AtomicUsize,
    bytes_left: AtomicUsize,
}

impl<'a> Drawing<'a> {
    fn new(state: &'a State, most: MostRead) -> Self {
        Self {
            state,
            edges: LinkedEdges::default(),
            traces_left: AtomicUsize::new(most.traces),
            bytes_left: AtomicUsize::new(most.bytes),
        }
    }

    fn draw(&mut self, links: Vec<LinkObservation>) -> Result<(), Trouble> {
        let mut by_trace: HashMap<TraceId, Vec<LinkObservation>> = HashMap::new();
        for link in links {
            by_trace.entry(link.to_trace).or_default().push(link);
        }
        let by_trace: Vec<_> = by_trace.into_iter().collect();
        let known = map_in_parallel(&self.state.scan_threads, &by_trace, |(id, links)| {
            self.known_ends(*id, links)
        });
        for ((_, links), known) in by_trace.iter().zip(known) {
            let Some(known) = known? else { continue };
            for link in links {
                if let Some(Some(end)) = known.ends.get(&link.to) {
                    self.edges.add(link, end);
                }
            }
        }
        Ok(())
    }

    /// What links lead to that lead to one trace; `None` if there is no such trace, or no more may
    /// be read.
    fn known_ends(
        &self,
        id: TraceId,
        links: &[LinkObservation],
    ) -> Result<Option<Arc<KnownEnds>>, Trouble> {
        let cache = &self.state.link_ends;
        let whereabouts = whereabouts_of(self.state, id)?;
        let Some(made_of) = MadeOf::of(&whereabouts) else { return Ok(None) };
        let known = cache.known.get(&id).filter(|known| known.made_of == made_of);
        let is_known =
            |known: &Arc<KnownEnds>| links.iter().all(|link| known.ends.contains_key(&link.to));
        if let Some(known) = known.as_ref().filter(|known| is_known(known)) {
            return Ok(Some(known.clone()));
        }
        // What is hidden of a trace is not read.
        let bytes = whereabouts.size().1.min(self.state.options.trace_bytes);
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if !take(&self.traces_left, 1) || !take(&self.bytes_left, bytes) {
            return Ok(None);
        }
        let wanted: BTreeSet<SegmentId> = links.iter().map(|link| link.to).collect();
        let asked_before = known.iter().flat_map(|known| known.ends.keys().copied());
        let mut ends: HashMap<SegmentId, Option<LinkEnd>> =
            wanted.into_iter().chain(asked_before).map(|id| (id, None)).collect();
        let contents = whereabouts.read_for_lists(self.state, id);
        let all = contents.settled.iter().chain(&contents.open);
        link_ends(self.state, id, all, |id, end| {
            if let Some(place @ None) = ends.get_mut(&id) {
                *place = Some(end);
            }
        });
        let mut names = lock(&cache.names);
        ends.values_mut().flatten().for_each(|end| names.share(&mut end.sender));
        drop(names);
        let known = Arc::new(KnownEnds { made_of, ends });
        cache.known.insert(id, known.clone());
        Ok(Some(known))
    }
}

/// Takes from what is left, if there is so much.
fn take(left: &AtomicUsize, wanted: usize) -> bool {
    let take = |left: usize| left.checked_sub(wanted);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
}
