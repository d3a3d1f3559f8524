//! What settled traces say about the service graph, one by one: their requests and calls.
//!
//! A trace has many of them and they are much alike, so that little is stored of each: a number for
//! its *kind*, which is all but its times, and its length as a difference to what it most probably
//! is. When a request began is kept to the minute, which is as finely as graphs are cut; the
//! microseconds would take more room than all the rest.

use std::ops::RangeInclusive;

use roentgen_model::{
    EdgeObservation, Flags, LinkObservation, NodeObservation, ServiceId, TraceGraph, TraceSummary,
};

use super::encoding::{Input, Malformed, write_signed};
use super::numbering::Numbering;

/// Most requests and calls that are kept of one trace, those of some 10,000 segments. A trace with
/// more is read whole when it matters. It bounds what one row adds to a row group.
const MOST_OBSERVATIONS: usize = 20_000;

/// A call is looked for among so many nodes that follow the callee of the one before. The callee is
/// the next one, but for calls that reached a service in several segments.
const NODES_AHEAD: usize = 16;

/// Bits of a kind.
pub(super) mod bit {
    pub(in super::super) const FAULT: u16 = 1;
    pub(in super::super) const ERROR: u16 = 1 << 1;
    pub(in super::super) const THROTTLE: u16 = 1 << 2;
    /// It has ended.
    pub(in super::super) const ENDED: u16 = 1 << 3;
    /// Something that it held or called ended after it.
    pub(in super::super) const OUTLIVED: u16 = 1 << 4;
    /// The node, of a call the called one, has a segment of its own for it.
    pub(in super::super) const REAL: u16 = 1 << 5;
    /// The first of its trace.
    pub(in super::super) const ROOT: u16 = 1 << 6;
    /// Its length is told, since it is not that of the reference.
    pub(in super::super) const LENGTH: u16 = 1 << 7;
    /// Its minute is told, since it is not that in which the trace begins.
    pub(in super::super) const MINUTE: u16 = 1 << 8;
}

/// All of a request or call but its times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// The caller, of a call.
    pub(super) from: Option<ServiceId>,
    /// The node, of a call the called one.
    pub(super) service: ServiceId,
    pub(super) bits: u16,
}

/// The kinds that some traces have.
#[derive(Debug, Default)]
pub struct Kinds {
    kinds: Vec<Kind>,
    numbering: Numbering,
}

/// What a trace says about the service graph, with the numbers that its kinds have among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedTrace {
    /// From the first minute in which something began, a link's (sub)segment included, to the last, or to an earlier one if nothing
    /// did; of a trace whose requests are not here, some of them may be outside.
    pub(super) minutes: RangeInclusive<i64>,
    /// `None` if there are too many, or nothing is known of them.
    pub(super) requests: Option<Requests>,
    /// Its links to other traces.
    pub(super) links: Vec<LinkObservation>,
}

/// Requests and calls of a trace: first all nodes, then all edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requests {
    /// For each the number of its kind.
    pub(super) kinds: Box<[u32]>,
    /// What kinds say is told: see [`read_requests`].
    pub(super) numbers: Box<[u8]>,
}

/// No minute: what lies between the ends of it and of any other range is that other range.
#[expect(clippy::reversed_empty_ranges, reason = "that it is empty is what it is for")]
pub(super) const NO_MINUTES: RangeInclusive<i64> = i64::MAX..=i64::MIN;

/// Minutes that reach to a further one.
pub(super) fn with_minute(minutes: RangeInclusive<i64>, minute: i64) -> RangeInclusive<i64> {
    minute.min(*minutes.start())..=minute.max(*minutes.end())
}

impl Kinds {
    /// The number of a kind.
    pub(super) fn number(&mut self, kind: &Kind) -> u32 {
        let is_same = |number: usize| self.kinds.get(number) == Some(kind);
        let (number, is_new) = self.numbering.number(kind, is_same);
        if is_new {
            self.kinds.push(kind.clone());
        }
        number
    }

    /// The kind with a number.
    pub(super) fn get(&self, number: u32) -> Option<&Kind> {
        self.kinds.get(number as usize)
    }

    /// What a trace says, with the numbers of its kinds here.
    pub fn observe(&mut self, summary: &TraceSummary, graph: &TraceGraph) -> ObservedTrace {
        let nodes = graph.nodes.iter().map(|node| node.start.minute());
        let begun = nodes.chain(graph.edges.iter().map(|edge| edge.start.minute()));
        let begun = begun.chain(graph.links.iter().map(|link| link.start.minute()));
        let minutes = begun.fold(NO_MINUTES, with_minute);
        let count = graph.nodes.len() + graph.edges.len();
        let requests = (count <= MOST_OBSERVATIONS).then(|| self.requests(summary, graph, count));
        ObservedTrace { minutes, requests, links: graph.links.clone() }
    }

    fn requests(&mut self, summary: &TraceSummary, graph: &TraceGraph, count: usize) -> Requests {
        let mut writer = Writer {
            kinds: Vec::with_capacity(count),
            numbers: Vec::with_capacity(count * 2),
            minute: summary.start.minute(),
        };
        let mut lengths = References::new(length_of_trace(summary));
        for node in &graph.nodes {
            let length = node.end.map(|end| (end - node.start).get());
            let reference = lengths.of_node();
            let bits = writer.tell(node.start.minute(), length, reference) | bits_of_node(node);
            let kind = Kind { from: None, service: node.node.clone(), bits };
            writer.kinds.push(self.number(&kind));
            lengths.add(length);
        }
        let mut callees = Callees::default();
        for edge in &graph.edges {
            let is_callee = |at: usize| graph.nodes.get(at).map(|node| node.node == edge.to);
            let length = edge.end.map(|end| (end - edge.start).get());
            let reference = lengths.of_call(callees.next(is_callee));
            let bits = writer.tell(edge.start.minute(), length, reference) | bits_of_edge(edge);
            let from = Some(edge.from.clone());
            writer.kinds.push(self.number(&Kind { from, service: edge.to.clone(), bits }));
        }
        Requests { kinds: writer.kinds.into(), numbers: writer.numbers.into() }
    }
}

impl ObservedTrace {
    /// The memory of its requests, calls and links.
    pub(super) fn memory(&self) -> usize {
        let memory = |known: &Requests| size_of_val(&*known.kinds) + known.numbers.len();
        self.requests.as_ref().map_or(0, memory) + size_of_val(self.links.as_slice())
    }

    /// The same with the numbers that its kinds, which are among `from`, have among `to`.
    pub(super) fn renumber(&mut self, from: &Kinds, to: &mut Kinds) {
        let kinds = self.requests.iter_mut().flat_map(|known| &mut known.kinds);
        for number in kinds {
            *number = from.get(*number).map_or(u32::MAX, |kind| to.number(kind));
        }
    }
}

/// The duration of a trace, which is most often the length of its first request.
fn length_of_trace(summary: &TraceSummary) -> i64 {
    summary.end.as_micros().wrapping_sub(summary.start.as_micros())
}

struct Writer {
    kinds: Vec<u32>,
    numbers: Vec<u8>,
    /// In which the trace begins.
    minute: i64,
}

impl Writer {
    /// Tells what must be told; gives the bits that say so.
    fn tell(&mut self, minute: i64, length: Option<i64>, reference: i64) -> u16 {
        let mut bits = 0;
        if minute != self.minute {
            bits |= bit::MINUTE;
            write_signed(&mut self.numbers, minute.wrapping_sub(self.minute));
        }
        if let Some(length) = length {
            bits |= bit::ENDED;
            if length != reference {
                bits |= bit::LENGTH;
                write_signed(&mut self.numbers, length.wrapping_sub(reference));
            }
        }
        bits
    }
}

/// What the length of a request or call most probably is.
struct References {
    /// Of the nodes so far; 0 for those that have not ended.
    lengths: Vec<i64>,
    first: i64,
}

impl References {
    fn new(first: i64) -> Self {
        Self { lengths: Vec::new(), first }
    }

    fn add(&mut self, length: Option<i64>) {
        self.lengths.push(length.unwrap_or(0));
    }

    /// That of the node before, whose client may be the next one; of the first that of the trace.
    fn of_node(&self) -> i64 {
        self.lengths.last().copied().unwrap_or(self.first)
    }

    /// That of the called node.
    fn of_call(&self, callee: usize) -> i64 {
        self.lengths.get(callee).copied().unwrap_or(0)
    }
}

/// Finds the called nodes of calls, which are in the order of these.
#[derive(Default)]
struct Callees {
    next: usize,
}

impl Callees {
    /// The place of the called node; `is_callee` tells whether a node is of that service, `None`
    /// behind the last.
    fn next(&mut self, is_callee: impl Fn(usize) -> Option<bool>) -> usize {
        for at in self.next..self.next + NODES_AHEAD {
            match is_callee(at) {
                Some(true) => {
                    self.next = at + 1;
                    return at;
                }
                Some(false) => {}
                None => break,
            }
        }
        self.next
    }
}

fn bits_of_flags(flags: Flags) -> u16 {
    let bit = |is_set: bool, bit: u16| if is_set { bit } else { 0 };
    bit(flags.fault, bit::FAULT) | bit(flags.error, bit::ERROR) | bit(flags.throttle, bit::THROTTLE)
}

fn bits_of_node(node: &NodeObservation) -> u16 {
    let bit = |is_set: bool, bit: u16| if is_set { bit } else { 0 };
    bits_of_flags(node.flags)
        | bit(node.is_outlived, bit::OUTLIVED)
        | bit(node.is_real, bit::REAL)
        | bit(node.is_root, bit::ROOT)
}

fn bits_of_edge(edge: &EdgeObservation) -> u16 {
    let bit = |is_set: bool, bit: u16| if is_set { bit } else { 0 };
    bits_of_flags(edge.flags)
        | bit(edge.is_outlived, bit::OUTLIVED)
        | bit(!edge.is_inferred, bit::REAL)
}

/// A kind as row groups have it: services by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupKind {
    /// The caller's number plus 1, or 0 for a node.
    pub(super) from: u32,
    pub(super) service: u32,
    pub(super) bits: u16,
}

impl GroupKind {
    pub(super) fn is_node(self) -> bool {
        self.from == 0
    }

    pub(super) fn has(self, bit: u16) -> bool {
        self.bits & bit != 0
    }

    /// How many numbers are told of each.
    pub(super) fn numbers(self) -> u32 {
        u32::from(self.has(bit::MINUTE)) + u32::from(self.has(bit::ENDED) && self.has(bit::LENGTH))
    }

    pub(super) fn flags(self) -> Flags {
        Flags {
            fault: self.has(bit::FAULT),
            error: self.has(bit::ERROR),
            throttle: self.has(bit::THROTTLE),
        }
    }
}

/// A request or call as it is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The number of its kind in the row group.
    pub(super) number: u32,
    pub(super) kind: GroupKind,
    /// The minute in which it began, less that in which the trace begins.
    pub(super) minute: i64,
    /// Its length in microseconds, if it has ended.
    pub(super) length: Option<i64>,
}

/// Hands every request and call of a trace to `found`: what [`Kinds::observe`] wrote.
///
/// Of each, two numbers are told if its kind says so, both signed: its minute less that in which
/// the trace begins, and its length less a reference. That is, for the first node, the duration of
/// the trace; for any other node the length of the node before (0 if it has not ended); for an edge
/// the length of the next node of the called service, of those behind the node that was that of
/// the edge before, among the next [`NODES_AHEAD`]; if there is none of it, of the very next node.
pub(super) fn read_requests(
    kinds: &[GroupKind],
    list: &[u32],
    numbers: &[u8],
    duration: i64,
    lengths: &mut Vec<i64>,
    mut found: impl FnMut(Request),
) -> Result<(), Malformed> {
    let mut input = Input::new(numbers);
    let mut references = References { lengths: std::mem::take(lengths), first: duration };
    references.lengths.clear();
    let mut callees = Callees::default();
    for &number in list {
        let kind = *kinds.get(number as usize).ok_or(Malformed)?;
        let minute = if kind.has(bit::MINUTE) { input.signed()? } else { 0 };
        let reference = if kind.is_node() {
            references.of_node()
        } else {
            let is_callee = |at: usize| {
                let node = list.get(at).and_then(|number| kinds.get(*number as usize))?;
                node.is_node().then_some(node.service == kind.service)
            };
            references.of_call(callees.next(is_callee))
        };
        let told = if kind.has(bit::ENDED) && kind.has(bit::LENGTH) { input.signed()? } else { 0 };
        let length = kind.has(bit::ENDED).then(|| reference.wrapping_add(told));
        if kind.is_node() {
            references.add(length);
        }
        found(Request { number, kind, minute, length });
    }
    *lengths = references.lengths;
    input.finish()
}
