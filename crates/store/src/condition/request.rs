//! What may be asked of one request of a node, or one call between two nodes.

use std::ops::{Bound, RangeBounds as _, RangeInclusive};

use roentgen_model::{EdgeObservation, Flags, Micros, NodeObservation, ServiceId, TraceGraph};

use super::{Limits, Logic, ServiceMatch, TextMatch};

/// Something that must be true of a request or call.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestTest {
    /// It ended well, or not: without any of the flags.
    Ok(bool),
    /// It ended with a 5xx, or not.
    Fault(bool),
    /// It ended with a 4xx, or not.
    Error(bool),
    /// It ended with a 429, or not.
    Throttle(bool),
    /// It is in progress, or not.
    Partial(bool),
    /// The node, of a call the called one, has no segment of its own for it; or it has.
    Inferred(bool),
    /// It is the first of the trace that a service handled, or not; no call is.
    Root(bool),
    /// It has ended, and took so long.
    ResponseTime(Limits<Micros>),
    /// It took so long until the last thing ended that it held or called.
    Duration(Limits<Micros>),
    /// The name of the node is so; that of a call is not.
    Name(TextMatch),
    /// The type of the node is known and so; that of a call is not.
    Kind(TextMatch),
}

/// A request or call, or several that are alike but for their lengths, as far as it is known.
pub(crate) struct SeenRequest<'a> {
    /// The node, of a request.
    pub(crate) service: Option<&'a ServiceId>,
    pub(crate) is_client: bool,
    pub(crate) is_inferred: bool,
    /// It names no parent.
    pub(crate) is_first: bool,
    /// It alone, or another one alone, is the first of the trace.
    pub(crate) has_one_first: bool,
    pub(crate) flags: Flags,
    pub(crate) has_ended: bool,
    pub(crate) is_outlived: bool,
    /// If it has ended and its length is known: from the least to the greatest.
    pub(crate) lengths: Option<RangeInclusive<Micros>>,
}

impl<'a> SeenRequest<'a> {
    fn by_node(node: &'a NodeObservation, has_one_first: bool) -> Self {
        let is_client = node.node.is_client();
        Self {
            service: Some(&node.node),
            is_client,
            is_inferred: !node.is_real && !is_client,
            is_first: node.is_root,
            has_one_first,
            flags: node.flags,
            has_ended: node.end.is_some(),
            is_outlived: node.is_outlived,
            lengths: node.end.map(|end| only(end - node.start)),
        }
    }

    fn by_caller(edge: &EdgeObservation) -> Self {
        Self {
            service: None,
            is_client: false,
            is_inferred: edge.is_inferred,
            is_first: false,
            has_one_first: false,
            flags: edge.flags,
            has_ended: edge.end.is_some(),
            is_outlived: edge.is_outlived,
            lengths: edge.end.map(|end| only(end - edge.start)),
        }
    }

    /// Whether it meets all that is asked; `None` if that is not known, or true of some lengths only.
    pub(crate) fn meets(&self, tests: &Logic<RequestTest>) -> Option<bool> {
        tests.truth(&|test| self.is(test))
    }

    fn is(&self, test: &RequestTest) -> Option<bool> {
        let Flags { fault, error, throttle } = self.flags;
        match test {
            RequestTest::Ok(wanted) => Some((fault || error || throttle) != *wanted),
            RequestTest::Fault(wanted) => Some(fault == *wanted),
            RequestTest::Error(wanted) => Some(error == *wanted),
            RequestTest::Throttle(wanted) => Some(throttle == *wanted),
            RequestTest::Partial(wanted) => Some(self.has_ended != *wanted),
            RequestTest::Inferred(wanted) => Some(self.is_inferred == *wanted),
            RequestTest::Root(wanted) => self.is_root().map(|is_root| is_root == *wanted),
            RequestTest::ResponseTime(limits) if self.has_ended => {
                within(limits, self.lengths.as_ref()?)
            }
            RequestTest::ResponseTime(_) => Some(false),
            RequestTest::Duration(limits) => self.has_duration(limits),
            RequestTest::Name(wanted) => {
                Some(self.service.is_some_and(|service| wanted.matches(&service.name)))
            }
            RequestTest::Kind(wanted) => {
                let kind = self.service.and_then(|service| service.kind.as_deref());
                Some(kind.is_some_and(|kind| wanted.matches(kind)))
            }
        }
    }

    /// The root is the earliest of those that name no parent; without such, of those whose parent
    /// is missing.
    fn is_root(&self) -> Option<bool> {
        let is_none = self.service.is_none() || self.is_client || self.is_inferred;
        match is_none {
            true => Some(false),
            false => self.has_one_first.then_some(self.is_first),
        }
    }

    fn has_duration(&self, limits: &Limits<Micros>) -> Option<bool> {
        match (self.has_ended, self.is_outlived) {
            (false, false) => Some(false),
            (true, false) => within(limits, self.lengths.as_ref()?),
            (false, true) => None,
            // It is longer than the response took. What is so of the least length is so of others.
            (true, true) => {
                let length = *self.lengths.as_ref()?.start();
                let is_long_enough = match limits.0 {
                    Bound::Included(least) | Bound::Excluded(least) => least <= length,
                    Bound::Unbounded => true,
                };
                let may_be_short_enough = match limits.1 {
                    Bound::Included(most) | Bound::Excluded(most) => length < most,
                    Bound::Unbounded => true,
                };
                let is_any_length = is_long_enough && limits.1 == Bound::Unbounded;
                if may_be_short_enough { is_any_length.then_some(true) } else { Some(false) }
            }
        }
    }
}

/// The range of one length.
pub(crate) fn only(length: Micros) -> RangeInclusive<Micros> {
    length.clamped()..=length.clamped()
}

/// Whether all lengths of a range are within limits, or none is; `None` if some may be.
fn within(limits: &Limits<Micros>, lengths: &RangeInclusive<Micros>) -> Option<bool> {
    let is_each = limits.contains(lengths.start()) && limits.contains(lengths.end());
    if is_each || !overlap(limits, lengths) { Some(is_each) } else { None }
}

/// Whether some length of a range may be within limits.
pub(crate) fn overlap(limits: &Limits<Micros>, lengths: &RangeInclusive<Micros>) -> bool {
    let is_above = match &limits.0 {
        Bound::Included(least) => least <= lengths.end(),
        Bound::Excluded(least) => least < lengths.end(),
        Bound::Unbounded => true,
    };
    let is_below = match &limits.1 {
        Bound::Included(greatest) => lengths.start() <= greatest,
        Bound::Excluded(greatest) => lengths.start() < greatest,
        Bound::Unbounded => true,
    };
    is_above && is_below
}

/// Whether some request of these nodes meets what is asked; `None` if that is not known.
pub(super) fn some_request(
    graph: &TraceGraph,
    who: &ServiceMatch,
    tests: &Logic<RequestTest>,
) -> Option<bool> {
    let has_one_first = graph.nodes.iter().filter(|node| node.is_root).count() == 1;
    let nodes = graph.nodes.iter().filter(|node| who.matches(&node.node));
    some(nodes.map(|node| SeenRequest::by_node(node, has_one_first).meets(tests)))
}

/// Whether some call between these nodes meets what is asked; `None` if that is not known.
pub(super) fn some_call(
    graph: &TraceGraph,
    from: &ServiceMatch,
    to: &ServiceMatch,
    tests: &Logic<RequestTest>,
) -> Option<bool> {
    let edges = graph.edges.iter();
    let edges = edges.filter(|edge| from.matches(&edge.from) && to.matches(&edge.to));
    some(edges.map(|edge| SeenRequest::by_caller(edge).meets(tests)))
}

/// Whether one is true.
fn some(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut outcome = Some(false);
    for truth in truths {
        match truth {
            Some(true) => return Some(true),
            Some(false) => {}
            None => outcome = None,
        }
    }
    outcome
}
