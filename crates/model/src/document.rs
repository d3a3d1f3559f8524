//! Segment documents: what SDKs send, parsed once at the edge.
//!
//! A document is one segment, or one subsegment sent on its own, with subsegments nested in it.
//! [`Document::parse`] checks what X-Ray checks, reads what assembly needs into types, and keeps
//! every member as raw JSON, so that unknown ones survive. Members of a wrong type that X-Ray
//! does not check are kept raw and otherwise ignored: the SDKs disagree about many of them.
//!
//! Documents borrow from the bytes they were read from wherever the text stands there as it is.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{Annotation, SegmentId, Timestamp, TraceId};

mod bare;
mod fields;
mod lenient;
mod members;
mod outline;
mod parse;
mod repair;
mod scanner;
mod split;
mod views;

pub(crate) use fields::RawMember;
pub(crate) use lenient::{Member, write_string};
pub use lenient::{read_array, read_boolean, read_integer, read_number, read_object, read_text};
pub(crate) use outline::kept;
pub use split::split_documents;
pub use views::{Aws, Cause, Exception, Http, Link};

/// X-Ray's limit for one document: 64 kB, not adjustable (service quotas).
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// How deep subsegments may nest in one document. X-Ray names no limit; SDKs stream long before
/// this, and a document of 64 kB could otherwise hold thousands of levels.
pub const MAX_NESTING: usize = 128;

/// One parsed document.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// The segment or subsegment itself, then all its nested subsegments; parents first.
    pub entities: Vec<Entity<'a>>,
}

/// Segment or subsegment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// The work of one service for one request.
    Segment,
    /// A part of that work, or a call to another service.
    Subsegment,
}

/// The flags that tell how a (sub)segment ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// 4xx.
    pub error: bool,
    /// 429; SDKs set `error` beside it.
    pub throttle: bool,
    /// 5xx.
    pub fault: bool,
}

/// One segment or subsegment of a document, without its nested subsegments.
#[derive(Clone, Debug)]
pub struct Entity<'a> {
    /// Its id, unique in the trace.
    pub id: SegmentId,
    /// Segment or subsegment.
    pub kind: EntityKind,
    /// The enclosing (sub)segment when nested, else `parent_id`: the (sub)segment it belongs to,
    /// or, for a segment, the one that called it.
    pub parent_id: Option<SegmentId>,
    /// The name: of the service for a segment, of the work or the callee for a subsegment.
    pub name: Cow<'a, str>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended; `None` while it is in progress.
    pub end: Option<Timestamp>,
    /// How it ended: the stated flags or, where none is stated, what the HTTP status says.
    pub flags: Flags,
    /// `aws` and `remote` mark calls to other services.
    pub namespace: Option<Cow<'a, str>>,
    /// The type of the resource that runs the service.
    pub origin: Option<Cow<'a, str>>,
    /// The end user.
    pub user: Option<Cow<'a, str>>,
    /// The ARN of the resource that runs the service.
    pub resource_arn: Option<Cow<'a, str>>,
    /// The request it serves or makes.
    pub http: Http<'a>,
    /// AWS facts: of the resource for a segment, of the call for a subsegment.
    pub aws: Aws<'a>,
    /// Whether it has an `sql` block.
    pub has_sql: bool,
    /// Annotations with an acceptable key and value.
    pub annotations: Vec<Annotation<'a>>,
    /// Links to (sub)segments of other traces; those whose ids are ids.
    pub links: Vec<Link>,
    /// Every member as it was sent, in the order of the document, but for those that processing
    /// writes anew (ids, times, annotations, subsegments).
    pub(crate) members: Vec<RawMember<'a>>,
    /// How much it says: bytes of its texts and of what only its raw members tell. Of two versions
    /// the one that says more counts.
    pub(crate) size: u32,
}

impl Document<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Document<'static> {
        let entities = self.entities.into_iter().map(Entity::into_owned).collect();
        Document { trace_id: self.trace_id, entities }
    }
}

impl Entity<'_> {
    /// Whether this subsegment is a call to another service: those with namespace `aws` or
    /// `remote` make a node (other namespaces, such as Python's `local`, do not).
    pub fn is_call(&self) -> bool {
        self.kind == EntityKind::Subsegment
            && matches!(self.namespace.as_deref(), Some("aws" | "remote"))
    }

    /// What went wrong. Read when asked for: most entities have no cause.
    pub fn cause(&self) -> Cause {
        self.member("cause").map(Cause::read).unwrap_or_default()
    }

    /// One member as it was sent, such as `metadata` or `sql`.
    pub fn member(&self, name: &str) -> Option<&RawValue> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// How much it says, with so many bytes in members that were not read into types.
    fn size_with(&self, opaque: usize) -> u32 {
        let (http, aws) = (&self.http, &self.aws);
        let texts = [
            &self.namespace,
            &self.origin,
            &self.user,
            &self.resource_arn,
            &http.method,
            &http.url,
            &http.user_agent,
            &http.client_ip,
            &aws.account_id,
            &aws.operation,
            &aws.table_name,
            &aws.queue_url,
            &aws.bucket_name,
            &aws.function_name,
            &aws.topic_arn,
            &aws.instance_id,
            &aws.availability_zone,
        ];
        let texts: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        let annotations = self.annotations.len();
        u32::try_from(opaque + texts + annotations).unwrap_or(u32::MAX)
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Entity<'static> {
        let own_member = |(key, value): RawMember<'_>| {
            (Cow::Owned(key.into_owned()), Cow::Owned(value.into_owned()))
        };
        Entity {
            id: self.id,
            kind: self.kind,
            parent_id: self.parent_id,
            name: Cow::Owned(self.name.into_owned()),
            start: self.start,
            end: self.end,
            flags: self.flags,
            namespace: own(self.namespace),
            origin: own(self.origin),
            user: own(self.user),
            resource_arn: own(self.resource_arn),
            http: self.http.into_owned(),
            aws: self.aws.into_owned(),
            has_sql: self.has_sql,
            annotations: self.annotations.into_iter().map(Annotation::into_owned).collect(),
            links: self.links,
            members: self.members.into_iter().map(own_member).collect(),
            size: self.size,
        }
    }
}

/// A text that borrows nothing.
fn own(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.map(|text| Cow::Owned(text.into_owned()))
}
