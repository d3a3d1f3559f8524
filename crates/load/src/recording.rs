//! What the services would have recorded, before it is written in any SDK's manner.

use roentgen_model::{Flags, SegmentId, Timestamp, TraceId};

use crate::instance::Instance;
use crate::json::{Json, Object};
use crate::topology::{Database, Exception, Service, StackFrame};

/// A segment with everything in it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) service: &'static Service,
    pub(crate) role: Role,
    pub(crate) instance: Instance,
    pub(crate) trace_id: TraceId,
    pub(crate) id: SegmentId,
    /// The caller's subsegment; none for the first segment of a trace.
    pub(crate) parent_id: Option<SegmentId>,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) flags: Flags,
    pub(crate) cause: Option<Cause>,
    pub(crate) annotations: Vec<(&'static str, Json)>,
    pub(crate) metadata: Option<Object>,
    pub(crate) user: Option<String>,
    pub(crate) link: Option<Link>,
    pub(crate) subsegments: Vec<Subsegment>,
    /// Whether it is sent when it begins as well.
    pub(crate) is_announced: bool,
}

/// Who records a segment, and about what.
#[derive(Debug)]
pub(crate) enum Role {
    /// A service, about an HTTP request it answers.
    Server(Exchange),
    /// The Lambda service, about an invocation, which it answers with this status.
    LambdaService { status: u16 },
    /// The Lambda service on behalf of a function, about its run.
    LambdaFunction { request_id: String },
}

/// An HTTP request and its response, seen from either side.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    /// None when there was no response.
    pub(crate) status: Option<u16>,
    pub(crate) content_length: u32,
    /// Server side only.
    pub(crate) client: Option<Client>,
}

/// The other side of a request, seen from the server.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) ip: String,
    pub(crate) user_agent: &'static str,
    /// Whether the address comes from a load balancer's `X-Forwarded-For`.
    pub(crate) is_forwarded: bool,
}

/// A segment of another trace that led to this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) trace_id: TraceId,
    pub(crate) id: SegmentId,
}

/// A subsegment with everything in it.
#[derive(Debug)]
pub(crate) struct Subsegment {
    pub(crate) id: SegmentId,
    pub(crate) name: String,
    pub(crate) kind: SubsegmentKind,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) flags: Flags,
    pub(crate) cause: Option<Cause>,
    pub(crate) annotations: Vec<(&'static str, Json)>,
    pub(crate) subsegments: Vec<Subsegment>,
}

/// What a subsegment is about.
#[derive(Debug)]
pub(crate) enum SubsegmentKind {
    /// Work within the service.
    Local,
    /// The same, recorded by the Lambda service and not by the SDK within the function.
    LambdaPhase,
    /// A call of an AWS service.
    Aws(AwsCall),
    /// A query of a database.
    Sql { database: &'static Database, query: &'static str },
    /// A call over HTTP; `is_traced` when the callee records as well.
    Http { exchange: Exchange, is_traced: bool },
    /// A call without further facts.
    Remote,
}

/// A call of an AWS service.
#[derive(Debug)]
pub(crate) struct AwsCall {
    pub(crate) operation: &'static str,
    pub(crate) parameters: Object,
    pub(crate) request_id: String,
    pub(crate) retries: u32,
    pub(crate) status: u16,
}

/// What went wrong in a (sub)segment.
#[derive(Debug)]
pub(crate) enum Cause {
    /// Exceptions thrown here, outermost first.
    Thrown(Vec<Thrown>),
    /// An exception that was thrown further in and passed through.
    PassedThrough(ThrownAt),
}

/// Where an exception is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThrownAt {
    pub(crate) exception: SegmentId,
    pub(crate) entity: SegmentId,
}

/// One exception of a cause.
#[derive(Debug)]
pub(crate) struct Thrown {
    pub(crate) id: SegmentId,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) stack: &'static [StackFrame],
    /// Whether the callee is to blame.
    pub(crate) is_remote: bool,
    /// The exception that led to this one.
    pub(crate) caused_by: Option<SegmentId>,
}

impl Thrown {
    pub(crate) fn new(id: SegmentId, exception: &'static Exception, is_remote: bool) -> Self {
        Self {
            id,
            kind: exception.kind,
            message: exception.message.to_owned(),
            stack: exception.stack,
            is_remote,
            caused_by: None,
        }
    }
}

impl Subsegment {
    /// How many subsegments this is, with all within it.
    pub(crate) fn count(&self) -> usize {
        1 + self.subsegments.iter().map(Self::count).sum::<usize>()
    }
}
