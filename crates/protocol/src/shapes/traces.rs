//! Sending segments and reading traces.

use serde::{Deserialize, Serialize};

use super::summary::TraceSummaryShape;
use crate::WireTime;

/// Request of PutTraceSegments.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutTraceSegmentsRequest {
    /// Required: segment documents, each JSON in a string.
    pub trace_segment_documents: Option<Vec<String>>,
}

impl PutTraceSegmentsRequest {
    /// Most documents in one call; the service refuses more as a whole.
    pub const MAX_DOCUMENTS: usize = 50;
}

/// Reply of PutTraceSegments.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutTraceSegmentsReply {
    /// The documents that were refused; all others are stored.
    pub unprocessed_trace_segments: Vec<UnprocessedTraceSegment>,
}

/// A document that was refused.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedTraceSegment {
    /// The segment's id, when it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Such as `ParseError` or `MissingId`.
    pub error_code: &'static str,
    /// What was wrong, for people.
    pub message: String,
}

/// Request of GetTraceSummaries.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTraceSummariesRequest {
    /// Required: start of the range, inclusive.
    pub start_time: Option<WireTime>,
    /// Required: end of the range, exclusive.
    pub end_time: Option<WireTime>,
    /// `TraceId` (the default), `Event` or `Service`: which time of a trace must be in range.
    pub time_range_type: Option<String>,
    /// Whether a part of the traces is enough.
    pub sampling: Option<bool>,
    /// Which part.
    pub sampling_strategy: Option<SamplingStrategy>,
    /// Which traces.
    pub filter_expression: Option<String>,
    /// From the previous page.
    pub next_token: Option<String>,
}

/// How GetTraceSummaries samples.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingStrategy {
    /// `PartialScan` or `FixedRate`.
    pub name: Option<String>,
    /// The share of traces for `FixedRate`, 0–1.
    pub value: Option<f64>,
}

/// Reply of GetTraceSummaries.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTraceSummariesReply<'a> {
    /// The page, newest trace first.
    pub trace_summaries: Vec<TraceSummaryShape<'a>>,
    /// Start time of this page of results.
    pub approximate_time: WireTime,
    /// Traces looked at for this page, whether they matched or not.
    pub traces_processed_count: usize,
    /// Present when there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Request of BatchGetTraces.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchGetTracesRequest {
    /// Required: 1–5 ids of at most 35 characters.
    pub trace_ids: Option<Vec<String>>,
    /// From the previous page; there is only one page.
    pub next_token: Option<String>,
}

impl BatchGetTracesRequest {
    /// Most ids in one call (API reference).
    pub const MAX_IDS: usize = 5;
    /// Length of an id in X-Ray's spelling, and the most an id may have.
    pub const MAX_ID_CHARACTERS: usize = 35;
}

/// Reply of BatchGetTraces.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BatchGetTracesReply {
    /// The traces that are known.
    pub traces: Vec<Trace>,
    /// The ids that are not.
    pub unprocessed_trace_ids: Vec<String>,
}

/// A trace with its documents.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Trace {
    /// The trace id in X-Ray's spelling.
    pub id: String,
    /// From the first start to the last end, seconds.
    pub duration: f64,
    /// Whether documents were left out because the trace is too large.
    pub limit_exceeded: bool,
    /// Segments and inferred segments, subsegments nested in them.
    pub segments: Vec<Segment>,
}

/// A segment as JSON in a string.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Segment {
    /// The segment id.
    pub id: String,
    /// The processed document.
    pub document: String,
}
