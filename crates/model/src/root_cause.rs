//! Root causes: why a trace ended in a fault or an error, and where its time went.
//!
//! X-Ray publishes the shape (API reference, `FaultRootCause`, `ErrorRootCause`,
//! `ResponseTimeRootCause`) but not how it chooses; our rules are in docs/root-causes.md:
//!
//! * A **culprit** of a fault is a (sub)segment that ended in one while nothing that it held or
//!   called did: each makes a cause. Its path leads from the entry point down to it. The cause
//!   impacts the client when everything from the root down to it ended in a fault, too. Errors
//!   likewise, where what is a fault and an error counts as a fault.
//! * The response time has one cause: from the root on down, whoever took the largest share, as long
//!   as that is at least half of what its parent took.

use std::cell::Cell;

use crate::{Entity, Micros, ServiceId, Timestamp, Trace, TraceNode};

/// Causes of one kind kept for a trace: the first as its tree is walked, siblings by start. A trace
/// with more has most of them from one loop.
const MAX_CAUSES: usize = 20;

/// (Sub)segments of a path. Of longer ones the beginning and the end are kept.
const MAX_PATH: usize = 100;

/// Exceptions told of one (sub)segment, the outermost first.
const MAX_EXCEPTIONS: usize = 10;

/// Characters of one text. The documents have the whole.
const MAX_TEXT: usize = 1000;

/// Bytes of the exceptions of a trace that are told. Causes share most of their paths, and so tell
/// the same exceptions many times.
const MAX_EXCEPTION_BYTES: usize = 64 << 10;

/// Bytes of names and exceptions after which no further cause is told.
const MAX_CAUSE_BYTES: usize = 256 << 10;

/// Why a trace ended as it did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RootCauses {
    /// Of its faults.
    pub faults: Vec<RootCause>,
    /// Of its errors.
    pub errors: Vec<RootCause>,
    /// Of its response time.
    pub response_time: Vec<RootCause>,
}

/// The way from the entry point to a culprit.
#[derive(Clone, Debug, PartialEq)]
pub struct RootCause {
    /// The services on the way; one for each segment.
    pub services: Vec<RootCauseService>,
    /// Whether it reached the client.
    pub client_impacting: bool,
}

/// A segment on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct RootCauseService {
    /// Its node of the graph; unknown for subsegments whose segment is missing.
    pub service: Option<ServiceId>,
    /// Whether it was inferred from its caller.
    pub is_inferred: bool,
    /// The segment itself, then subsegments, each held by the one before.
    pub path: Vec<RootCauseEntity>,
}

/// A segment or subsegment on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct RootCauseEntity {
    /// Its name.
    pub name: String,
    /// Whether it is a call to another service.
    pub is_remote: bool,
    /// For the response time: the share of the root's, 0 to 1.
    pub coverage: Option<f64>,
    /// What it recorded, for faults and errors.
    pub exceptions: Vec<RootCauseException>,
}

/// A recorded exception.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootCauseException {
    /// Its class.
    pub name: Option<String>,
    /// Its message.
    pub message: Option<String>,
}

impl RootCauseService {
    /// The name of the service; of a segment that is missing only a subsegment's is known.
    pub fn name(&self) -> &str {
        match &self.service {
            Some(id) => &id.name,
            None => self.path.first().map_or("", |entity| &entity.name),
        }
    }
}

impl Trace<'_> {
    /// Why it ended as it did. Costs a walk through the trace; read when asked for.
    pub fn root_causes(&self) -> RootCauses {
        RootCauses {
            faults: self.culprits(|entity| entity.flags.fault),
            errors: self.culprits(|entity| entity.flags.error && !entity.flags.fault),
            response_time: self.slowest_path().into_iter().collect(),
        }
    }

    fn culprits(&self, is_bad: impl Fn(&Entity<'_>) -> bool) -> Vec<RootCause> {
        let is_bad = |index: &usize| self.nodes.get(*index).is_some_and(|n| is_bad(&n.entity));
        let is_culprit = |(index, node): &(usize, &TraceNode<'_>)| {
            is_bad(index) && !node.children.iter().any(&is_bad)
        };
        let root = self.root();
        let room = Cell::new(MAX_EXCEPTION_BYTES);
        let entity = |_: usize, node: &TraceNode<'_>| RootCauseEntity {
            name: cut(&node.entity.name),
            is_remote: node.entity.is_call(),
            coverage: None,
            exceptions: exceptions(&node.entity, &room),
        };
        let (mut causes, mut bytes) = (Vec::new(), 0);
        for (index, _) in self.nodes.iter().enumerate().filter(is_culprit).take(MAX_CAUSES) {
            let path = self.path_to(index);
            // Above the root may stand subsegments whose own segment is missing.
            let mut below_root =
                path.iter().skip_while(|on_path| Some(**on_path) != root).peekable();
            let client_impacting = below_root.peek().is_some() && below_root.all(&is_bad);
            let services = self.services_along(&shortened(path), entity);
            bytes +=
                services.iter().flat_map(|service| &service.path).map(text_bytes).sum::<usize>();
            causes.push(RootCause { services, client_impacting });
            if bytes > MAX_CAUSE_BYTES {
                break;
            }
        }
        causes
    }

    /// The way down from the root to what took the time; `None` while the root is in progress.
    fn slowest_path(&self) -> Option<RootCause> {
        let root = self.root()?;
        let whole = Stretch::of(&self.nodes.get(root)?.entity)?;
        if whole.micros() <= 0 {
            return None;
        }
        let part = |index: usize| {
            let stretch = Stretch::of(&self.nodes.get(index)?.entity)?;
            Some(stretch.within(whole).micros())
        };
        let (mut path, mut current) = (vec![root], (root, whole.micros()));
        loop {
            let children = &self.nodes.get(current.0)?.children;
            let slowest = children
                .iter()
                .filter_map(|child| Some((*child, part(*child)?)))
                // Of equals the earliest, which stands first.
                .reduce(|best, next| if next.1 > best.1 { next } else { best });
            match slowest.filter(|(_, micros)| is_half(*micros, current.1)) {
                Some(next) => current = next,
                None => break,
            }
            path.push(current.0);
        }
        let entity = |index: usize, node: &TraceNode<'_>| RootCauseEntity {
            name: cut(&node.entity.name),
            is_remote: node.entity.is_call(),
            coverage: part(index).map(|micros| share(micros, whole.micros())),
            exceptions: Vec::new(),
        };
        let services = self.services_along(&shortened(path), entity);
        Some(RootCause { services, client_impacting: true })
    }

    /// From the topmost (sub)segment down to this one.
    fn path_to(&self, index: usize) -> Vec<usize> {
        let parent = |index: &usize| self.nodes.get(*index)?.parent;
        let mut path: Vec<usize> = std::iter::successors(Some(index), parent).collect();
        path.reverse();
        path
    }

    /// A path cut into the segments that it leads through.
    fn services_along(
        &self,
        path: &[usize],
        entity: impl Fn(usize, &TraceNode<'_>) -> RootCauseEntity,
    ) -> Vec<RootCauseService> {
        let mut services: Vec<(usize, RootCauseService)> = Vec::new();
        for (index, node) in path.iter().filter_map(|index| Some((*index, self.nodes.get(*index)?)))
        {
            match services.last_mut().filter(|(segment, _)| *segment == node.segment) {
                Some((_, service)) => service.path.push(entity(index, node)),
                None => {
                    // Every service begins with its segment, also where a long path was cut.
                    let segment = self.nodes.get(node.segment).filter(|_| node.segment != index);
                    let segment = segment.map(|segment| entity(node.segment, segment));
                    let service = RootCauseService {
                        service: self.service_of(node).cloned(),
                        is_inferred: node.is_inferred,
                        path: segment.into_iter().chain([entity(index, node)]).collect(),
                    };
                    services.push((node.segment, service));
                }
            }
        }
        services.into_iter().map(|(_, service)| service).collect()
    }
}

/// A piece of time.
#[derive(Clone, Copy)]
struct Stretch {
    start: Timestamp,
    end: Timestamp,
}

impl Stretch {
    /// That of a (sub)segment that has ended.
    fn of(entity: &Entity<'_>) -> Option<Self> {
        Some(Self { start: entity.start, end: entity.end? })
    }

    /// The part of it within another: what goes on behind the response takes nobody's time.
    fn within(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    fn micros(self) -> i64 {
        (self.end - self.start).get()
    }
}

/// Whether a part is at least half of the whole.
fn is_half(part: i64, whole: i64) -> bool {
    part > 0 && part >= whole - part
}

/// A share as X-Ray shows it, with three decimals.
fn share(part: i64, whole: i64) -> f64 {
    let share = Micros::new(part.max(0)).as_seconds() / Micros::new(whole).as_seconds();
    (share * 1000.0).round() / 1000.0
}

fn shortened(mut path: Vec<usize>) -> Vec<usize> {
    if path.len() > MAX_PATH {
        let kept = MAX_PATH / 2;
        path.drain(kept..path.len() - kept);
    }
    path
}

/// What it recorded, as long as there is room.
fn exceptions(entity: &Entity<'_>, room: &Cell<usize>) -> Vec<RootCauseException> {
    let recorded = entity.cause().exceptions.into_iter().take(MAX_EXCEPTIONS);
    let told = recorded.map(|exception| RootCauseException {
        name: exception.kind.as_deref().map(cut),
        message: exception.message.as_deref().map(cut),
    });
    told.take_while(|exception| {
        let left = room.get().checked_sub(exception_bytes(exception));
        room.set(left.unwrap_or(0));
        left.is_some()
    })
    .collect()
}

fn text_bytes(entity: &RootCauseEntity) -> usize {
    entity.name.len() + entity.exceptions.iter().map(exception_bytes).sum::<usize>()
}

fn exception_bytes(exception: &RootCauseException) -> usize {
    [&exception.name, &exception.message].into_iter().flatten().map(String::len).sum()
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests;
