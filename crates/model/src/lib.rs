//! X-Ray's data and its arithmetic: ids, trace header, segment documents, trace assembly, the
//! service graph.
//!
//! Nothing here does I/O, reads a clock or is asynchronous: documents in, values out. The way
//! through the crate is [`split_documents`] → [`Document::parse`] → [`assemble`] →
//! ([`Trace`] with its [`TraceSummary`] and [`TraceGraph`]) → [`Rollups`] → [`ServiceGraph`].
//! Documents borrow from the bytes they were parsed from; [`Document::write_outline`] keeps what
//! summaries and graphs need of one in a quarter of its size.

mod annotation;
mod assemble;
mod document;
mod graph;
mod histogram;
mod id;
mod names;
mod rejection;
mod service_id;
mod summary;
mod time;
mod timeline;
mod trace;
mod trace_header;

pub use annotation::{Annotation, AnnotationValue};
pub use assemble::{assemble, summarize};
pub use document::{
    Aws, Cause, Document, Entity, EntityKind, Exception, Flags, Http, Link, MAX_DOCUMENT_BYTES,
    MAX_NESTING, split_documents,
};
pub use graph::{
    EdgeObservation, EdgeStatistics, GraphSum, NodeObservation, NodeStatistics, Outcome,
    RequestStatistics, Rollups, ServiceGraph, TraceGraph,
};
pub use histogram::Histogram;
pub use id::{IdError, SegmentId, TraceId};
pub use names::Names;
pub use rejection::{Rejection, RejectionCode, Scope};
pub use service_id::{ServiceId, ServiceParts};
pub use summary::{AnnotationSummary, HttpSummary, TraceSummary, UserSummary};
pub use time::{Micros, Timestamp};
pub use timeline::{Row, timeline};
pub use trace::{Trace, TraceNode};
pub use trace_header::{SamplingDecision, TraceHeader};
