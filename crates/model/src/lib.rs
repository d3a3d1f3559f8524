//! X-Ray's data and its arithmetic: ids, trace header, segment documents, trace assembly, the
//! service graph.
//!
//! Nothing here does I/O, reads a clock or is asynchronous: documents in, values out. To show a
//! trace the way through the crate is [`split_documents`] → [`Document::parse`] → [`assemble`] →
//! [`Trace`]. What comes in goes a shorter way: [`Document::parse_bare`] checks it,
//! [`Document::write_outline`] keeps a quarter of its bytes, and [`summarize`] makes the same
//! [`TraceSummary`] and [`TraceGraph`] of outlines as of the documents; [`Rollups`] add the
//! graphs up, and [`GraphSum`] makes a [`ServiceGraph`] of them. Documents borrow from the bytes
//! they were read from.

mod annotation;
mod assemble;
mod document;
mod graph;
mod histogram;
mod id;
mod names;
mod rejection;
mod root_cause;
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
    MAX_NESTING, read_array, read_boolean, read_integer, read_number, read_object, read_text,
    split_documents,
};
pub use graph::{
    AlikeRequests, EdgeObservation, EdgeStatistics, GraphSum, LinkEnd, LinkObservation,
    LinkStatistics, LinkedEdges, NodeObservation, NodeStatistics, Outcome, RequestStatistics,
    Rollups, ServiceGraph, TraceGraph,
};
pub use histogram::Histogram;
pub use id::{IdError, SegmentId, TraceId};
pub use names::Names;
pub use rejection::{Rejection, RejectionCode, Scope};
pub use root_cause::{
    RootCause, RootCauseEntity, RootCauseException, RootCauseService, RootCauses,
};
pub use service_id::{ServiceId, ServiceParts};
pub use summary::{AnnotationSummary, HttpSummary, TraceSummary, UserSummary};
pub use time::{Micros, Timestamp};
pub use timeline::{Row, timeline};
pub use trace::{Trace, TraceNode};
pub use trace_header::{SamplingDecision, TraceHeader};
