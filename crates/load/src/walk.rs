//! Walks one request through the topology: who is called when, how long it takes, what goes wrong
//! and how that travels back to the callers.
//!
//! All times are of one perfect clock. The network takes at least a millisecond each way, so that
//! a callee stays within its caller's subsegment even where one of them writes whole milliseconds.

mod attempt;
mod function;

use roentgen_model::{Flags, Micros, SegmentId, Timestamp, TraceId};

use crate::instance::Instance;
use crate::json::Json;
use crate::random::Random;
use crate::recording::{
    Cause, Client, Exchange, Link, Role, Segment, Subsegment, SubsegmentKind, Thrown, ThrownAt,
};
use crate::topology::{Call, Exception, Latency, OnFailure, Operation, Service, Step, Target};
use crate::visit::Visit;

/// One trace in the making.
pub(crate) struct Walk<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) shop_seed: u64,
    pub(crate) visit: &'a Visit,
    pub(crate) trace_id: TraceId,
    /// The segments recorded so far.
    pub(crate) segments: Vec<Segment>,
    /// Messages sent, each of which starts another trace.
    pub(crate) messages: Vec<Message>,
}

/// A message that a function is to consume.
pub(crate) struct Message {
    pub(crate) consumer: &'static Operation,
    pub(crate) consumed_at: Timestamp,
    pub(crate) link: Link,
}

/// Who sends a request to a service of ours.
struct Caller {
    parent_id: Option<SegmentId>,
    client: Client,
}

/// The answer to a request, when it is out.
struct Reply {
    end: Timestamp,
    status: u16,
}

/// The work of one (sub)segment so far.
struct Frame {
    /// Who works.
    service: &'static Service,
    ip: String,
    /// The (sub)segment.
    id: SegmentId,
    now: Timestamp,
    subsegments: Vec<Subsegment>,
    cache_hit: Option<bool>,
}

/// Why a (sub)segment does not end well.
struct Trouble {
    /// What the service will answer.
    status: u16,
    exception: Thrower,
}

/// The exception on its way up, if any.
enum Thrower {
    /// None, or one that was caught.
    Nothing,
    /// Just thrown; the (sub)segment that is being left records it.
    Here(Vec<Thrown>),
    /// Recorded further in.
    Within(ThrownAt),
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        random: &'a mut Random,
        shop_seed: u64,
        visit: &'a Visit,
        begin: Timestamp,
    ) -> Self {
        let trace_id = random.trace_id(begin);
        Self { random, shop_seed, visit, trace_id, segments: Vec::new(), messages: Vec::new() }
    }

    /// A request of the visitor, through the load balancer.
    pub(crate) fn enter(&mut self, operation: &'static Operation, at: Timestamp) {
        let client = Client {
            ip: self.visit.client_ip.clone(),
            user_agent: self.visit.user_agent,
            is_forwarded: true,
        };
        self.serve(operation, at, Caller { parent_id: None, client });
    }

    fn serve(&mut self, operation: &'static Operation, at: Timestamp, caller: Caller) -> Reply {
        let id = self.random.segment_id();
        let instance = self.instance(operation.service);
        let mut frame = Frame::begin(operation.service, instance.ip.clone(), id, at);
        frame.now = frame.now.plus(self.half(operation.work));
        let result = match self.refusal(operation) {
            Some(status) => Err(Trouble { status, exception: Thrower::Nothing }),
            None => self.steps(operation.steps, &mut frame),
        };
        let end = frame.now.plus(self.half(operation.work));
        let (status, cause) = match result {
            Ok(()) => (operation.success, None),
            Err(trouble) => {
                let (cause, trouble) = trouble.leave(id);
                (trouble.status, cause)
            }
        };
        let exchange = Exchange {
            method: operation.method,
            url: self.url(operation),
            status: Some(status),
            content_length: self.random.between(120, 24_000),
            client: Some(caller.client),
        };
        let is_entry = caller.parent_id.is_none();
        let segment = Segment {
            service: operation.service,
            role: Role::Server(exchange),
            instance,
            trace_id: self.trace_id,
            id,
            parent_id: caller.parent_id,
            start: at,
            end,
            flags: flags_of(status),
            cause,
            annotations: self.annotations(operation, frame.cache_hit),
            metadata: operation.records_basket.then(|| self.visit.basket()),
            user: if is_entry { self.visit.user() } else { None },
            link: None,
            subsegments: frame.subsegments,
            is_announced: operation.is_announced,
        };
        self.segments.push(segment);
        Reply { end, status }
    }

    fn steps(&mut self, steps: &'static [Step], frame: &mut Frame) -> Result<(), Trouble> {
        for step in steps {
            frame.now = frame.now.plus(self.random.pause(0.05, 0.3));
            self.step(step, frame)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &'static Step, frame: &mut Frame) -> Result<(), Trouble> {
        match step {
            Step::Work(name, latency, steps) => self.work(name, *latency, steps, frame),
            Step::Call(call) => self.call(call, frame),
            Step::InParallel(steps) => self.in_parallel(steps, frame),
            Step::Sometimes(probability, steps) => {
                if self.random.chance(*probability) {
                    self.steps(steps, frame)
                } else {
                    Ok(())
                }
            }
            Step::Cached { lookup, hit, otherwise } => {
                self.call(lookup, frame)?;
                let is_hit = self.random.chance(*hit);
                frame.cache_hit = Some(is_hit);
                if is_hit { Ok(()) } else { self.steps(otherwise, frame) }
            }
            Step::Repeated(least, most, step) => {
                for _ in 0..self.random.between(*least, *most) {
                    frame.now = frame.now.plus(self.random.pause(0.05, 0.3));
                    self.step(step, frame)?;
                }
                Ok(())
            }
            Step::Throws(probability, exception) => {
                if !self.random.chance(*probability) {
                    return Ok(());
                }
                let thrown = self.throw(exception, false);
                Err(Trouble { status: 500, exception: Thrower::Here(thrown) })
            }
        }
    }

    fn work(
        &mut self,
        name: &str,
        latency: Latency,
        steps: &'static [Step],
        frame: &mut Frame,
    ) -> Result<(), Trouble> {
        let id = self.random.segment_id();
        let mut inner = Frame::begin(frame.service, frame.ip.clone(), id, frame.now);
        inner.now = inner.now.plus(self.half(latency));
        let result = self.steps(steps, &mut inner);
        let end = inner.now.plus(self.half(latency));
        let (cause, result) = match result {
            Ok(()) => (None, Ok(())),
            Err(trouble) => {
                let (cause, trouble) = trouble.leave(id);
                (cause, Err(trouble))
            }
        };
        frame.subsegments.push(Subsegment {
            id,
            name: name.to_owned(),
            kind: SubsegmentKind::Local,
            start: frame.now,
            end,
            flags: Flags { fault: cause.is_some(), ..Flags::default() },
            cause,
            annotations: Vec::new(),
            subsegments: inner.subsegments,
        });
        frame.cache_hit = inner.cache_hit.or(frame.cache_hit);
        frame.now = end;
        result
    }

    /// All steps run to their end; of several that fail, the first counts.
    fn in_parallel(&mut self, steps: &'static [Step], frame: &mut Frame) -> Result<(), Trouble> {
        let begin = frame.now;
        let mut latest = begin;
        let mut result = Ok(());
        for step in steps {
            frame.now = begin.plus(self.random.pause(0.01, 0.1));
            result = result.and(self.step(step, frame));
            latest = latest.max(frame.now);
        }
        frame.now = latest;
        result
    }

    fn call(&mut self, call: &'static Call, frame: &mut Frame) -> Result<(), Trouble> {
        // AWS clients and database drivers try again out of sight of the SDK.
        let is_visible = matches!(call.target, Target::Service(_) | Target::Https { .. });
        let mut tries_left = if is_visible { call.attempts } else { 1 };
        loop {
            let (subsegment, result) = self.attempt(call, frame);
            frame.now = subsegment.end;
            frame.subsegments.push(subsegment);
            tries_left = tries_left.saturating_sub(1);
            match result {
                Err(trouble) if trouble.status >= 500 && tries_left > 0 => {
                    frame.now = frame.now.plus(self.random.pause(20.0, 60.0));
                }
                Err(_) if call.on_failure == OnFailure::Tolerate => return Ok(()),
                result => return result,
            }
        }
    }

    fn refusal(&mut self, operation: &Operation) -> Option<u16> {
        let refusals = operation.refusals.iter();
        refusals
            .copied()
            .find(|(probability, _)| self.random.chance(*probability))
            .map(|(_, status)| status)
    }

    /// The exception with those that led to it, outermost first.
    fn throw(&mut self, exception: &'static Exception, is_remote: bool) -> Vec<Thrown> {
        let mut all = Vec::new();
        let mut next = Some((self.random.segment_id(), exception));
        while let Some((id, exception)) = next {
            next = exception.caused_by.map(|cause| (self.random.segment_id(), cause));
            let caused_by = next.map(|(id, _)| id);
            all.push(Thrown { caused_by, ..Thrown::new(id, exception, is_remote) });
        }
        all
    }

    fn annotations(
        &self,
        operation: &Operation,
        cache_hit: Option<bool>,
    ) -> Vec<(&'static str, Json)> {
        let annotated = operation.annotations.iter();
        annotated.filter_map(|annotated| self.visit.annotation(*annotated, cache_hit)).collect()
    }

    fn instance(&mut self, service: &'static Service) -> Instance {
        let number = self.random.between(1, service.instances) - 1;
        Instance::of(self.shop_seed, service, number)
    }

    fn url(&self, operation: &Operation) -> String {
        let scheme = if operation.service.host.ends_with(".internal") { "http" } else { "https" };
        format!("{scheme}://{}{}", operation.service.host, self.visit.fill(operation.path))
    }

    fn half(&mut self, latency: Latency) -> Micros {
        Micros::new(self.random.duration(latency).get() / 2)
    }

    /// One way through the network.
    fn transit(&mut self) -> Micros {
        self.random.pause(1.0, 2.5)
    }
}

impl Frame {
    fn begin(service: &'static Service, ip: String, id: SegmentId, now: Timestamp) -> Self {
        Self { service, ip, id, now, subsegments: Vec::new(), cache_hit: None }
    }
}

impl Trouble {
    /// What the (sub)segment that is being left records of the trouble, and the trouble for the
    /// one around it.
    fn leave(self, entity: SegmentId) -> (Option<Cause>, Self) {
        let status = self.status;
        match self.exception {
            Thrower::Nothing => (None, Self { status, exception: Thrower::Nothing }),
            Thrower::Within(at) => {
                (Some(Cause::PassedThrough(at)), Self { status, exception: Thrower::Within(at) })
            }
            Thrower::Here(thrown) => {
                let exception = match thrown.first() {
                    Some(outermost) => {
                        Thrower::Within(ThrownAt { exception: outermost.id, entity })
                    }
                    None => Thrower::Nothing,
                };
                (Some(Cause::Thrown(thrown)), Self { status, exception })
            }
        }
    }
}

/// The flags that SDKs derive from the status of a response.
fn flags_of(status: u16) -> Flags {
    Flags { error: (400..500).contains(&status), throttle: status == 429, fault: status >= 500 }
}
