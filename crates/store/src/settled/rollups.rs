//! Rollups: the sums of nodes and edges for each minute, and corrections of earlier ones.
//!
//! They stand in blocks of some minutes, each with a table of the services it names, so that a
//! range of time reads only its own blocks and files are merged block by block. A correction is
//! the same with the number of the file whose rollups it is to be taken from.

use std::collections::HashMap;
use std::io;

use roentgen_model::{
    EdgeStatistics, Histogram, Micros, NodeStatistics, RequestStatistics, ServiceGraph, ServiceId,
    Timestamp,
};

use super::Sequence;
use super::chunk::{Output, Place};
use super::encoding::{Input, Malformed, write_bytes, write_count, write_number, write_signed};
use super::service_names::{read_services, write_services};

mod histogram;
mod sum;

use histogram::{read_histogram, write_histogram};
pub(super) use sum::GraphSums;

/// A block is complete with so many bytes; a minute is never divided.
const BLOCK_BYTES: usize = 32 << 10;
const MICROS_PER_MINUTE: i64 = 60_000_000;

/// Where the rollups of some minutes stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RollupPlace {
    /// `None` for what the traces of the file contribute; for a correction the file it corrects.
    pub(super) target: Option<Sequence>,
    /// The first minute.
    pub(super) first: i64,
    /// The last minute.
    pub(super) last: i64,
    /// The block.
    pub(super) place: Place,
}

impl RollupPlace {
    pub(super) fn write(&self, out: &mut Vec<u8>, end: &mut u64) {
        match self.target {
            None => out.push(0),
            Some(Sequence(number)) => {
                out.push(1);
                write_number(out, number);
            }
        }
        write_signed(out, self.first);
        write_signed(out, self.last.wrapping_sub(self.first));
        self.place.write(out, end);
    }

    pub(super) fn read(input: &mut Input<'_>, end: &mut u64) -> Result<Self, Malformed> {
        let target = match input.array()? {
            [0] => None,
            [1] => Some(Sequence(input.number()?)),
            _ => return Err(Malformed),
        };
        let first = input.signed()?;
        let last = first.wrapping_add(input.signed()?);
        Ok(Self { target, first, last, place: Place::read(input, end)? })
    }
}

/// Writes rollups, ascending by minute, for one target after the other.
#[derive(Debug, Default)]
pub(super) struct RollupWriter {
    places: Vec<RollupPlace>,
    target: Option<Sequence>,
    numbers: HashMap<ServiceId, u32>,
    services: Vec<ServiceId>,
    minutes: Vec<u8>,
    /// The minute that the block begins with.
    base: Option<i64>,
    /// The minute that was written last.
    last: Option<i64>,
    /// The least and the greatest minute of the block.
    range: Option<(i64, i64)>,
    histogram: Vec<u8>,
}

impl RollupWriter {
    /// Adds a minute.
    pub(super) fn add(
        &mut self,
        output: &mut Output<'_>,
        target: Option<Sequence>,
        minute: i64,
        graph: &ServiceGraph,
    ) -> io::Result<()> {
        if graph.is_empty() {
            return Ok(());
        }
        if target != self.target || self.minutes.len() >= BLOCK_BYTES {
            self.write_block(output)?;
            self.target = target;
        }
        let before = self.last.replace(minute).unwrap_or(minute);
        write_signed(&mut self.minutes, minute.wrapping_sub(before));
        let (first, last) = self.range.unwrap_or((minute, minute));
        self.range = Some((first.min(minute), last.max(minute)));
        self.base.get_or_insert(minute);
        write_count(&mut self.minutes, graph.nodes.len());
        let base = minute.wrapping_mul(MICROS_PER_MINUTE);
        for (service, node) in &graph.nodes {
            let number = self.number(service);
            write_number(&mut self.minutes, number);
            self.write_window(base, node.seen, node.start, node.end);
            write_signed(&mut self.minutes, node.seen_real);
            write_signed(&mut self.minutes, node.seen_root);
            self.write_requests(&node.requests);
        }
        write_count(&mut self.minutes, graph.edges.len());
        for ((from, to), edge) in &graph.edges {
            let numbers = [self.number(from), self.number(to)];
            numbers.into_iter().for_each(|number| write_number(&mut self.minutes, number));
            self.write_window(base, edge.seen, edge.start, edge.end);
            self.write_requests(&edge.requests);
        }
        Ok(())
    }

    fn number(&mut self, service: &ServiceId) -> u64 {
        if let Some(number) = self.numbers.get(service) {
            return u64::from(*number);
        }
        let number = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        self.numbers.insert(service.clone(), number);
        self.services.push(service.clone());
        u64::from(number)
    }

    fn write_window(&mut self, base: i64, seen: i64, start: Timestamp, end: Timestamp) {
        let (start, end) = (start.as_micros(), end.as_micros());
        write_signed(&mut self.minutes, seen);
        write_signed(&mut self.minutes, start.wrapping_sub(base));
        write_signed(&mut self.minutes, end.wrapping_sub(start));
    }

    fn write_requests(&mut self, requests: &RequestStatistics) {
        let RequestStatistics { ok, throttle, error, fault, total_response_time, response_times } =
            requests;
        for count in [*ok, *throttle, *error, *fault, total_response_time.get()] {
            write_signed(&mut self.minutes, count);
        }
        self.histogram.clear();
        write_histogram(response_times, &mut self.histogram);
        write_bytes(&mut self.minutes, &self.histogram);
    }

    fn write_block(&mut self, output: &mut Output<'_>) -> io::Result<()> {
        let Some((first, last)) = self.range.take() else { return Ok(()) };
        let mut block = Vec::with_capacity(self.minutes.len() + 4096);
        write_services(&self.services, &mut block);
        write_signed(&mut block, self.base.take().unwrap_or(first));
        self.last = None;
        block.append(&mut self.minutes);
        self.services.clear();
        self.numbers.clear();
        let place = output.write_chunk(&block)?;
        self.places.push(RollupPlace { target: self.target, first, last, place });
        Ok(())
    }

    /// Writes what is left; gives the places of all blocks.
    pub(super) fn finish(mut self, output: &mut Output<'_>) -> io::Result<Vec<RollupPlace>> {
        self.write_block(output)?;
        Ok(self.places)
    }
}

/// A block being read.
pub(super) struct RollupBlock<'a> {
    /// The services it names.
    pub(super) services: Vec<ServiceId>,
    input: Input<'a>,
    minute: i64,
}

/// The sums of a node or an edge, the histogram not yet read.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    pub(super) seen: i64,
    pub(super) seen_real: i64,
    pub(super) seen_root: i64,
    pub(super) start: i64,
    pub(super) end: i64,
    /// `ok`, `throttle`, `error`, `fault` and the total response time.
    pub(super) requests: [i64; 5],
    pub(super) histogram: &'a [u8],
}

/// A node by the number of its service, or an edge by those of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Node(u32),
    Edge(u32, u32),
}

impl<'a> RollupBlock<'a> {
    /// Reads a block from its beginning.
    pub(super) fn new(block: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = Input::new(block);
        let services = read_services(&mut input)?;
        let minute = input.signed()?;
        Ok(Self { services, input, minute })
    }

    /// Reads the next minute, handing each node and edge to `found`; gives the minute, or `None`
    /// at the end.
    pub(super) fn next_minute(
        &mut self,
        mut found: impl FnMut(&[ServiceId], i64, Key, Sums<'a>) -> Result<(), Malformed>,
    ) -> Result<Option<i64>, Malformed> {
        if self.input.len() == 0 {
            return Ok(None);
        }
        self.minute = self.minute.wrapping_add(self.input.signed()?);
        let base = self.minute.wrapping_mul(MICROS_PER_MINUTE);
        for _ in 0..self.input.count()? {
            let key = Key::Node(self.service()?);
            let sums = self.sums(base, true)?;
            found(&self.services, self.minute, key, sums)?;
        }
        for _ in 0..self.input.count()? {
            let key = Key::Edge(self.service()?, self.service()?);
            let sums = self.sums(base, false)?;
            found(&self.services, self.minute, key, sums)?;
        }
        Ok(Some(self.minute))
    }

    fn service(&mut self) -> Result<u32, Malformed> {
        let number: u32 = self.input.small()?;
        if (number as usize) < self.services.len() { Ok(number) } else { Err(Malformed) }
    }

    fn sums(&mut self, base: i64, is_node: bool) -> Result<Sums<'a>, Malformed> {
        let input = &mut self.input;
        let seen = input.signed()?;
        let start = base.wrapping_add(input.signed()?);
        let end = start.wrapping_add(input.signed()?);
        let mut node_only = || if is_node { input.signed() } else { Ok(0) };
        let (seen_real, seen_root) = (node_only()?, node_only()?);
        let mut requests = [0; 5];
        for count in &mut requests {
            *count = input.signed()?;
        }
        let length = input.count()?;
        let histogram = input.take(length)?;
        Ok(Sums { seen, seen_real, seen_root, start, end, requests, histogram })
    }

    /// The next minute with its graph.
    pub(super) fn next_graph(&mut self) -> Result<Option<(i64, ServiceGraph)>, Malformed> {
        let mut graph = ServiceGraph::default();
        let minute = self.next_minute(|services, _, key, sums| {
            let service = |number: u32| services.get(number as usize).cloned().ok_or(Malformed);
            match key {
                Key::Node(node) => graph.nodes.insert(service(node)?, sums.to_node()?).is_some(),
                Key::Edge(from, to) => {
                    graph.edges.insert((service(from)?, service(to)?), sums.to_edge()?).is_some()
                }
            };
            Ok(())
        })?;
        Ok(minute.map(|minute| (minute, graph)))
    }
}

impl Sums<'_> {
    fn to_requests(&self) -> Result<RequestStatistics, Malformed> {
        let [ok, throttle, error, fault, total] = self.requests;
        let mut buckets = Vec::new();
        read_histogram(self.histogram, |bucket, count| buckets.push((bucket, count)))?;
        Ok(RequestStatistics {
            ok,
            throttle,
            error,
            fault,
            total_response_time: Micros::new(total),
            response_times: Histogram::from_buckets(buckets),
        })
    }

    fn to_node(&self) -> Result<NodeStatistics, Malformed> {
        Ok(NodeStatistics {
            requests: self.to_requests()?,
            seen: self.seen,
            seen_real: self.seen_real,
            seen_root: self.seen_root,
            start: Timestamp::from_micros(self.start),
            end: Timestamp::from_micros(self.end),
        })
    }

    fn to_edge(&self) -> Result<EdgeStatistics, Malformed> {
        Ok(EdgeStatistics {
            requests: self.to_requests()?,
            seen: self.seen,
            start: Timestamp::from_micros(self.start),
            end: Timestamp::from_micros(self.end),
        })
    }
}
