//! The sums of many rollups, fast: one for each step of a range of time.
//!
//! A map of six hours adds millions of buckets. They are added in arrays by their number, each
//! for a power of two of response times, instead of in sorted lists.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, HashMap};

use roentgen_model::{
    EdgeStatistics, Histogram, Micros, NodeStatistics, RequestStatistics, ServiceGraph, ServiceId,
    Timestamp,
};

use super::super::Steps;
use super::super::encoding::Malformed;
use super::{Key, RollupBlock, Sums, read_histogram};

/// Buckets of one array.
const PAGE: usize = 128;

/// The sums.
///
/// The arrays of a step take some ten times the room of its graph. What is added should go
/// upwards in time, and steps that nothing more is added to be finished meanwhile.
#[derive(Debug)]
pub(in super::super) struct GraphSums {
    steps: Steps,
    numbers: HashMap<ServiceId, u32>,
    services: Vec<ServiceId>,
    open: BTreeMap<i64, HashMap<Key, Entry>>,
    finished: BTreeMap<i64, ServiceGraph>,
}

/// The sums of a node or an edge.
#[derive(Debug, Default)]
struct Entry {
    seen: i64,
    seen_real: i64,
    seen_root: i64,
    /// The start of the first request and the end of the last.
    window: Option<(i64, i64)>,
    requests: [i64; 5],
    pages: Vec<Page>,
}

/// The counts of the buckets of one power of two; `None` while all are 0.
type Page = Option<Box<[i64; PAGE]>>;

/// A page, which is made if it is not there.
fn page_at(pages: &mut Vec<Page>, index: usize) -> &mut [i64] {
    if pages.len() <= index {
        pages.resize_with(index + 1, || None);
    }
    match pages.get_mut(index) {
        Some(page) => page.get_or_insert_with(|| Box::new([0; PAGE])).as_mut_slice(),
        None => &mut [],
    }
}

impl GraphSums {
    /// Nothing yet, of these steps.
    pub(in super::super) fn new(steps: Steps) -> Self {
        let (numbers, services, open, finished) = Default::default();
        Self { steps, numbers, services, open, finished }
    }

    /// The range of minutes, and how it is cut.
    pub(in super::super) fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Adds the minutes of a block that lie in the range, or takes them back.
    pub(in super::super) fn add(
        &mut self,
        block: &mut RollupBlock<'_>,
        is_correction: bool,
    ) -> Result<(), Malformed> {
        let numbers: Vec<u32> = block.services.iter().map(|service| self.number(service)).collect();
        let number = |number: u32| numbers.get(number as usize).copied().ok_or(Malformed);
        let mut add = |_: &[ServiceId], minute: i64, key: Key, sums: Sums<'_>| {
            let Some(step) = self.steps.of(minute) else { return Ok(()) };
            let key = match key {
                Key::Node(node) => Key::Node(number(node)?),
                Key::Edge(from, to) => Key::Edge(number(from)?, number(to)?),
            };
            let entries = self.open.entry(step).or_default();
            entries.entry(key).or_default().add(&sums, is_correction)
        };
        while block.next_minute(&mut add)?.is_some() {}
        Ok(())
    }

    /// Finishes the steps that end before a minute: nothing before it is added any more.
    pub(in super::super) fn finish_before(&mut self, minute: i64) {
        let minute = minute.max(*self.steps.minutes().start());
        let Some(step) = self.steps.of(minute) else { return };
        let later = self.open.split_off(&step);
        let ended = std::mem::replace(&mut self.open, later);
        for (step, entries) in ended {
            self.finished.insert(step, self.graph(&entries));
        }
    }

    /// Adds other sums. What either has finished, the other must not have begun.
    pub(in super::super) fn merge(&mut self, other: Self) {
        let numbers: Vec<u32> = other.services.iter().map(|service| self.number(service)).collect();
        let number = |number: u32| numbers.get(number as usize).copied().unwrap_or(u32::MAX);
        for (step, entries) in other.open {
            let ours = self.open.entry(step).or_default();
            for (key, entry) in entries {
                let key = match key {
                    Key::Node(node) => Key::Node(number(node)),
                    Key::Edge(from, to) => Key::Edge(number(from), number(to)),
                };
                match ours.entry(key) {
                    MapEntry::Vacant(place) => drop(place.insert(entry)),
                    MapEntry::Occupied(mut ours) => ours.get_mut().merge(&entry),
                }
            }
        }
        self.finished.extend(other.finished);
    }

    /// The graph of each step of which something is left, by its first minute.
    pub(in super::super) fn into_graphs(mut self) -> BTreeMap<i64, ServiceGraph> {
        let mut graphs = std::mem::take(&mut self.finished);
        graphs.extend(self.open.iter().map(|(step, entries)| (*step, self.graph(entries))));
        graphs.retain(|_, graph| !graph.is_empty());
        graphs
    }

    fn number(&mut self, service: &ServiceId) -> u32 {
        if let Some(number) = self.numbers.get(service) {
            return *number;
        }
        let number = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        self.numbers.insert(service.clone(), number);
        self.services.push(service.clone());
        number
    }

    /// A graph, without nodes and edges of which nothing is left.
    fn graph(&self, entries: &HashMap<Key, Entry>) -> ServiceGraph {
        let mut graph = ServiceGraph::default();
        let service = |number: u32| self.services.get(number as usize).cloned();
        for (key, entry) in entries {
            if entry.seen == 0 {
                continue;
            }
            match *key {
                Key::Node(node) => {
                    graph.nodes.extend(service(node).map(|node| (node, entry.to_node())));
                }
                Key::Edge(from, to) => {
                    let edge = service(from).zip(service(to));
                    graph.edges.extend(edge.map(|edge| (edge, entry.to_edge())));
                }
            }
        }
        graph
    }
}

impl Entry {
    fn add(&mut self, sums: &Sums<'_>, is_correction: bool) -> Result<(), Malformed> {
        let factor = if is_correction { -1 } else { 1 };
        let add = |sum: &mut i64, more: i64| *sum = sum.wrapping_add(more.wrapping_mul(factor));
        add(&mut self.seen, sums.seen);
        add(&mut self.seen_real, sums.seen_real);
        add(&mut self.seen_root, sums.seen_root);
        self.requests.iter_mut().zip(sums.requests).for_each(|(sum, more)| add(sum, more));
        if !is_correction {
            let (start, end) = self.window.unwrap_or((sums.start, sums.end));
            self.window = Some((start.min(sums.start), end.max(sums.end)));
        }
        let pages = &mut self.pages;
        read_histogram(sums.histogram, |bucket, count| {
            let (page, slot) = (usize::from(bucket) / PAGE, usize::from(bucket) % PAGE);
            if let Some(sum) = page_at(pages, page).get_mut(slot) {
                add(sum, count);
            }
        })
    }

    fn merge(&mut self, other: &Self) {
        self.seen = self.seen.wrapping_add(other.seen);
        self.seen_real = self.seen_real.wrapping_add(other.seen_real);
        self.seen_root = self.seen_root.wrapping_add(other.seen_root);
        if let Some((start, end)) = other.window {
            let (least, greatest) = self.window.unwrap_or((start, end));
            self.window = Some((start.min(least), end.max(greatest)));
        }
        let add = |(sum, more): (&mut i64, &i64)| *sum = sum.wrapping_add(*more);
        self.requests.iter_mut().zip(&other.requests).for_each(add);
        for (index, page) in other.pages.iter().enumerate() {
            if let Some(page) = page {
                page_at(&mut self.pages, index).iter_mut().zip(page.iter()).for_each(add);
            }
        }
    }

    fn histogram(&self) -> Histogram {
        let counts = self.pages.iter().flat_map(|page| match page {
            Some(page) => page.as_slice(),
            None => &[0; PAGE],
        });
        let used = (0_u16..).zip(counts).filter(|(_, count)| **count != 0);
        Histogram::from_buckets(used.map(|(bucket, count)| (bucket, *count)))
    }

    fn to_requests(&self) -> RequestStatistics {
        let [ok, throttle, error, fault, total] = self.requests;
        RequestStatistics {
            ok,
            throttle,
            error,
            fault,
            total_response_time: Micros::new(total),
            response_times: self.histogram(),
        }
    }

    fn to_node(&self) -> NodeStatistics {
        let (start, end) = self.window.unwrap_or_default();
        NodeStatistics {
            requests: self.to_requests(),
            seen: self.seen,
            seen_real: self.seen_real,
            seen_root: self.seen_root,
            start: Timestamp::from_micros(start),
            end: Timestamp::from_micros(end),
        }
    }

    fn to_edge(&self) -> EdgeStatistics {
        let (start, end) = self.window.unwrap_or_default();
        EdgeStatistics {
            requests: self.to_requests(),
            seen: self.seen,
            start: Timestamp::from_micros(start),
            end: Timestamp::from_micros(end),
        }
    }
}
