//! Blocks of `service` and `edge`: what is asked of one and the same request, or call.

use std::cell::OnceCell;
use std::collections::HashMap;

use roentgen_model::{AnnotationValue, Entity, Micros, ServiceId, Timestamp, Trace, TraceNode};

use super::{Side, annotation_holds, joined, whole_number};
use crate::expression::{Expression, Who};
use crate::keyword::{Flag, NumberField, TextField};

/// A trace of which requests or calls are asked one after the other. What concerns all that is below
/// a (sub)segment is found for all of them at once when it is first asked for: in a trace of ten
/// thousand, each below the other, looking below each would take ten thousand times as long.
pub(super) struct Whole<'t> {
    pub(super) trace: &'t Trace<'t>,
    below: OnceCell<Vec<Below>>,
    /// By key and segment, with the places of the (sub)segments that bear them, ascending.
    annotations: OnceCell<HashMap<&'t str, HashMap<usize, Vec<Placed<'t>>>>>,
}

/// The value of an annotation, and where the (sub)segment stands that bears it.
type Placed<'t> = (usize, &'t AnnotationValue<'t>);

/// What is below a (sub)segment, itself included.
#[derive(Clone, Copy)]
struct Below {
    /// The first place behind.
    end: usize,
    /// When the last thing ended.
    last: Option<Timestamp>,
}

/// A request as its node saw it, or a call as the caller saw it.
struct Request<'r, 't> {
    whole: &'r Whole<'t>,
    /// What tells how it went.
    entity: &'t Entity<'t>,
    /// The node, for a request.
    service: Option<&'r ServiceId>,
    is_inferred: bool,
    is_root: bool,
    /// Where the (sub)segment stands that bears the annotations.
    own: Option<usize>,
    /// Segments, for a call.
    source: Option<usize>,
    destination: Option<usize>,
}

/// Whether a segment began its request, and so has a client.
fn is_first(node: &TraceNode<'_>) -> bool {
    !node.is_inferred && node.service.is_some() && node.entity.parent_id.is_none()
}

fn client_of(service: &ServiceId) -> ServiceId {
    ServiceId::new(&service.name, Some(ServiceId::CLIENT), None)
}

impl Request<'_, '_> {
    fn meets(&self, block: &Expression) -> bool {
        joined(block, &|term| self.term(term)).unwrap_or(false)
    }

    /// `None` for what has no place in a block, which the parser refuses.
    fn term(&self, term: &Expression) -> Option<bool> {
        match term {
            Expression::Flag { flag, wanted } => Some(self.flag(*flag)? == *wanted),
            Expression::Number { field, test } => Some(test.holds(self.number(*field))),
            Expression::Text { field, test } => Some(test.holds(self.text(*field))),
            Expression::Annotation { side, key, test } => {
                let place = match side {
                    Side::Own => self.own,
                    Side::Source => self.source,
                    Side::Destination => self.destination,
                };
                let values = place.map_or(&[][..], |place| self.whole.annotations(place, key));
                Some(annotation_holds(test, values.iter().map(|(_, value)| *value)))
            }
            _ => None,
        }
    }

    fn flag(&self, flag: Flag) -> Option<bool> {
        let flags = self.entity.flags;
        match flag {
            Flag::Ok => Some(!(flags.fault || flags.error || flags.throttle)),
            Flag::Error => Some(flags.error),
            Flag::Throttle => Some(flags.throttle),
            Flag::Fault => Some(flags.fault),
            Flag::Partial => Some(self.entity.end.is_none()),
            Flag::Inferred => Some(self.is_inferred),
            Flag::Root => Some(self.is_root),
            Flag::First | Flag::Last | Flag::Remote => None,
        }
    }

    fn number(&self, field: NumberField) -> Option<f64> {
        let entity = self.entity;
        match field {
            NumberField::ResponseTime => Some((entity.end? - entity.start).clamped().as_seconds()),
            NumberField::Duration => Some(self.duration()?.clamped().as_seconds()),
            NumberField::HttpStatus => entity.http.status.map(whole_number),
            NumberField::Index | NumberField::Coverage => None,
        }
    }

    /// Until the last thing ended that it held or called.
    fn duration(&self) -> Option<Micros> {
        let place = self.own.or(self.destination);
        let below = place.and_then(|place| self.whole.below(place)?.last);
        let last = below.max(self.entity.end)?;
        Some(last - self.entity.start)
    }

    fn text(&self, field: TextField) -> Option<&str> {
        let (entity, http) = (self.entity, &self.entity.http);
        match field {
            TextField::HttpUrl => http.url.as_deref(),
            TextField::HttpMethod => http.method.as_deref(),
            TextField::HttpUserAgent => http.user_agent.as_deref(),
            TextField::HttpClientIp => http.client_ip.as_deref(),
            TextField::User => entity.user.as_deref(),
            TextField::Name => self.service.map(|service| &*service.name),
            TextField::Type => self.service.and_then(|service| service.kind.as_deref()),
            TextField::AvailabilityZone => entity.aws.availability_zone.as_deref(),
            TextField::InstanceId => entity.aws.instance_id.as_deref(),
            TextField::ResourceArn => entity.resource_arn.as_deref(),
            TextField::Message => None,
        }
    }
}

impl<'t> Whole<'t> {
    pub(super) fn new(trace: &'t Trace<'t>) -> Self {
        Self { trace, below: OnceCell::new(), annotations: OnceCell::new() }
    }

    /// Whether it is known what is below, and what annotations there are.
    #[cfg(test)]
    pub(super) fn is_known(&self) -> (bool, bool) {
        (self.below.get().is_some(), self.annotations.get().is_some())
    }

    /// Whether the block is true of some request of these nodes.
    pub(super) fn some_request(&self, who: &Who, block: &Expression) -> bool {
        let trace = self.trace;
        let root = trace.root();
        let segments = trace.nodes.iter().enumerate();
        let of_nodes =
            segments.filter_map(|(index, node)| Some((index, node, node.service.as_ref()?)));
        of_nodes.into_iter().any(|(index, node, service)| {
            let request = |service| Request {
                whole: self,
                entity: &node.entity,
                service: Some(service),
                is_inferred: node.is_inferred,
                is_root: root == Some(index),
                own: Some(index),
                source: None,
                destination: None,
            };
            let is_met = who.is(service) && request(service).meets(block);
            if is_met || !is_first(node) {
                return is_met;
            }
            // Who called the first service is a node, too; it knows no more than the answer it got.
            let client = client_of(service);
            let seen = Request { is_root: false, own: None, ..request(&client) };
            who.is(&client) && seen.meets(block)
        })
    }

    /// Whether there is a call between these nodes of which the block is true.
    pub(super) fn some_call(&self, from: &Who, to: &Who, block: Option<&Expression>) -> bool {
        let trace = self.trace;
        let segments = trace.nodes.iter().enumerate();
        let mut called =
            segments.filter_map(|(index, node)| Some((index, node, node.service.as_ref()?)));
        called.any(|(index, node, service)| {
            if !to.is(service) {
                return false;
            }
            let caller = node.parent.and_then(|parent| Some((parent, trace.nodes.get(parent)?)));
            let with_service = caller
                .and_then(|(parent, caller)| Some((parent, caller, trace.service_of(caller)?)));
            let call = match with_service {
                Some((parent, caller, source)) if from.is(source) => {
                    // Who calls without a subsegment tells nothing of the call: the callee does.
                    let is_told = caller.service.is_none();
                    Request {
                        whole: self,
                        entity: if is_told { &caller.entity } else { &node.entity },
                        service: None,
                        is_inferred: node.is_inferred,
                        is_root: false,
                        own: is_told.then_some(parent),
                        source: Some(caller.segment),
                        destination: Some(index),
                    }
                }
                None if is_first(node) && from.is(&client_of(service)) => Request {
                    whole: self,
                    entity: &node.entity,
                    service: None,
                    is_inferred: false,
                    is_root: false,
                    own: None,
                    source: None,
                    destination: Some(index),
                },
                _ => return false,
            };
            block.is_none_or(|block| call.meets(block))
        })
    }

    /// What is below a (sub)segment.
    fn below(&self, place: usize) -> Option<Below> {
        let below = self.below.get_or_init(|| {
            let nodes = self.trace.nodes.iter().enumerate();
            let of_itself =
                nodes.map(|(index, node)| Below { end: index + 1, last: node.entity.end });
            let mut below: Vec<Below> = of_itself.collect();
            // Children stand behind their parents.
            for (index, node) in self.trace.nodes.iter().enumerate().rev() {
                let Some(Below { end, last }) = below.get(index).copied() else { continue };
                if let Some(of_parent) = node.parent.and_then(|parent| below.get_mut(parent)) {
                    of_parent.end = end.max(of_parent.end);
                    of_parent.last = last.max(of_parent.last);
                }
            }
            below
        });
        below.get(place).copied()
    }

    /// Values of a key that a (sub)segment bears, or a subsegment that it holds.
    fn annotations(&self, place: usize, key: &str) -> &[Placed<'t>] {
        let by_key = self.annotations.get_or_init(|| {
            let mut by_key: HashMap<&str, HashMap<usize, Vec<_>>> = HashMap::new();
            let nodes = self.trace.nodes.iter().enumerate();
            for (index, node) in nodes.filter(|(_, node)| !node.is_inferred) {
                for annotation in &node.entity.annotations {
                    let of_key = by_key.entry(&*annotation.key).or_default();
                    let of_segment = of_key.entry(node.segment).or_default();
                    of_segment.push((index, &annotation.value));
                }
            }
            by_key
        });
        let node = self.trace.nodes.get(place);
        let values = node.and_then(|node| by_key.get(key)?.get(&node.segment));
        let values = values.map_or(&[][..], Vec::as_slice);
        let end = self.below(place).map_or(place, |below| below.end);
        let from = values.partition_point(|(at, _)| *at < place);
        let to = values.partition_point(|(at, _)| *at < end);
        values.get(from..to).unwrap_or(&[])
    }
}
