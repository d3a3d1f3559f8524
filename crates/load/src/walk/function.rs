//! Runs of Lambda functions: two segments sent by the Lambda service, and within the second what
//! the SDK in the function records.

use roentgen_model::{Flags, Micros, SegmentId, Timestamp};

use super::{Frame, Walk};
use crate::recording::{Cause, Link, Role, Segment, Subsegment, SubsegmentKind};
use crate::topology::{Latency, Operation};

/// Share of the runs that have to start a new execution environment first.
const COLD_STARTS: f64 = 0.06;

impl Walk<'_> {
    /// Runs a function; `parent_id` is the subsegment of a caller in this trace, `link` what led to
    /// it from another.
    pub(crate) fn run_function(
        &mut self,
        function: &'static Operation,
        at: Timestamp,
        parent_id: Option<SegmentId>,
        link: Option<Link>,
    ) {
        let service_segment_id = self.random.segment_id();
        let function_id = self.random.segment_id();
        let instance = self.instance(function.service);
        let begin = at.plus(self.random.pause(2.0, 12.0));

        let mut frame = Frame::begin(function.service, instance.ip.clone(), function_id, begin);
        if self.random.chance(COLD_STARTS) {
            let length = self.random.duration(Latency::of(480.0, 0.3));
            self.phase("Initialization", length, &mut frame);
        }
        let failed = self.handle(function, &mut frame);
        // At least a millisecond, for the segment is written in whole ones and must not end before
        // the handler does.
        let length = self.random.pause(1.0, 6.0);
        self.phase("Overhead", length, &mut frame);
        let flags = Flags { fault: failed.is_some(), ..Flags::default() };
        let request_id = self.request_id();

        let segment = Segment {
            service: function.service,
            role: Role::LambdaService { status: if parent_id.is_some() { 202 } else { 200 } },
            instance: instance.clone(),
            trace_id: self.trace_id,
            id: service_segment_id,
            parent_id,
            start: at,
            end: frame.now.plus(self.transit()),
            flags,
            cause: None,
            annotations: Vec::new(),
            metadata: None,
            user: None,
            link,
            subsegments: Vec::new(),
            is_announced: false,
        };
        let function_segment = Segment {
            service: function.service,
            role: Role::LambdaFunction { request_id },
            instance,
            trace_id: self.trace_id,
            id: function_id,
            parent_id: Some(service_segment_id),
            start: begin,
            end: frame.now,
            flags,
            cause: failed,
            annotations: Vec::new(),
            metadata: None,
            user: None,
            link: None,
            subsegments: frame.subsegments,
            is_announced: false,
        };
        self.segments.extend([segment, function_segment]);
    }

    /// The handler, in a subsegment of its own: the function's segment belongs to the Lambda
    /// service, and code in the function can not annotate it. Gives what the function's segment
    /// records when the handler throws.
    fn handle(&mut self, function: &'static Operation, frame: &mut Frame) -> Option<Cause> {
        let id = self.random.segment_id();
        let mut inner = Frame::begin(frame.service, frame.ip.clone(), id, frame.now);
        inner.now = inner.now.plus(self.half(function.work));
        let result = self.steps(function.steps, &mut inner);
        let end = inner.now.plus(self.half(function.work));
        let (cause, outer_cause) = match result {
            Ok(()) => (None, None),
            Err(trouble) => {
                let (cause, trouble) = trouble.leave(id);
                (cause, trouble.leave(frame.id).0)
            }
        };
        frame.subsegments.push(Subsegment {
            id,
            name: "## handler".to_owned(),
            kind: SubsegmentKind::Local,
            start: frame.now,
            end,
            flags: Flags { fault: cause.is_some(), ..Flags::default() },
            cause,
            annotations: self.annotations(function, inner.cache_hit),
            subsegments: inner.subsegments,
        });
        frame.now = end;
        outer_cause
    }

    fn phase(&mut self, name: &str, length: Micros, frame: &mut Frame) {
        let end = frame.now.plus(length);
        frame.subsegments.push(Subsegment {
            id: self.random.segment_id(),
            name: name.to_owned(),
            kind: SubsegmentKind::LambdaPhase,
            start: frame.now,
            end,
            flags: Flags::default(),
            cause: None,
            annotations: Vec::new(),
            subsegments: Vec::new(),
        });
        frame.now = end;
    }
}
