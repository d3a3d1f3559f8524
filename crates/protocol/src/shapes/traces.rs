//! Sending segments and reading traces.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::summary::TraceSummaryShape;
use crate::WireTime;

/// Request of PutTraceSegments.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutTraceSegmentsRequest {
    /// Required: segment documents, each JSON in a string. Of a list that is too long, the first
    /// [`PutTraceSegmentsRequest::MAX_DOCUMENTS`] and one more.
    #[serde(default, deserialize_with = "read_documents")]
    pub trace_segment_documents: Option<Vec<String>>,
}

impl PutTraceSegmentsRequest {
    /// Most documents in one call; the service refuses more as a whole.
    pub const MAX_DOCUMENTS: usize = 50;
}

/// Keeps no more documents than tell that there are too many: a body of 16 MB may hold some five
/// million empty ones, which would take ten times its memory.
fn read_documents<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    deserializer.deserialize_option(DocumentsVisitor)
}

struct DocumentsVisitor;

impl<'de> Visitor<'de> for DocumentsVisitor {
    type Value = Option<Vec<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of segment documents")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut documents = Vec::new();
        while documents.len() <= PutTraceSegmentsRequest::MAX_DOCUMENTS {
            match elements.next_element()? {
                Some(document) => documents.push(document),
                None => return Ok(Some(documents)),
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(documents))
    }
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

/// Reply of BatchGetTraces, written trace by trace: a trace may have many megabytes, so no two of
/// them need to be in memory at a time besides their JSON.
#[derive(Debug)]
pub struct BatchGetTracesReply {
    json: Vec<u8>,
    is_first: bool,
}

impl Default for BatchGetTracesReply {
    fn default() -> Self {
        Self { json: b"{\"Traces\":[".to_vec(), is_first: true }
    }
}

impl BatchGetTracesReply {
    /// Adds a trace that is known.
    ///
    /// # Errors
    /// When it cannot be written as JSON; the reply is of no use then.
    pub fn push(&mut self, trace: &Trace) -> serde_json::Result<()> {
        if !self.is_first {
            self.json.push(b',');
        }
        self.is_first = false;
        serde_json::to_writer(&mut self.json, trace)
    }

    /// The length of what was written so far, bytes.
    pub fn bytes(&self) -> usize {
        self.json.len()
    }

    /// The whole reply. `unprocessed` are the ids whose traces are not in it.
    ///
    /// # Errors
    /// When the ids cannot be written as JSON.
    pub fn finish(mut self, unprocessed: &[String]) -> serde_json::Result<Vec<u8>> {
        self.json.extend_from_slice(b"],\"UnprocessedTraceIds\":");
        serde_json::to_writer(&mut self.json, unprocessed)?;
        self.json.push(b'}');
        Ok(self.json)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_documents_are_kept_than_tell_that_there_are_too_many() {
        let check = |list: &str, expect: Option<usize>| {
            let json = format!("{{\"TraceSegmentDocuments\":{list},\"Extra\":1}}");
            let request: PutTraceSegmentsRequest = serde_json::from_str(&json).unwrap();
            let kept = request.trace_segment_documents.map(|documents| documents.len());
            assert_eq!(kept, expect);
        };
        let list = |count: usize| format!("[{}]", vec!["\"\""; count].join(","));
        check("null", None);
        check("[]", Some(0));
        check(&list(50), Some(50));
        check(&list(51), Some(51));
        check(&list(100_000), Some(51));
        let request: PutTraceSegmentsRequest = serde_json::from_str("{}").unwrap();
        assert!(request.trace_segment_documents.is_none());
        let broken = format!("{{\"TraceSegmentDocuments\":{}", list(100));
        assert!(serde_json::from_str::<PutTraceSegmentsRequest>(&broken).is_err());
    }

    #[test]
    fn a_reply_of_traces_is_what_clients_read() {
        let trace = |id: &str| Trace {
            id: id.to_owned(),
            duration: 0.5,
            limit_exceeded: false,
            segments: vec![Segment { id: "1".to_owned(), document: "{\"a\":1}".to_owned() }],
        };
        let mut reply = BatchGetTracesReply::default();
        reply.push(&trace("x")).unwrap();
        let one = reply.bytes();
        reply.push(&trace("y")).unwrap();
        assert!(reply.bytes() > one);
        let json = reply.finish(&["z".to_owned()]).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let shape = |id| {
            serde_json::json!({"Id": id, "Duration": 0.5, "LimitExceeded": false,
                "Segments": [{"Id": "1", "Document": "{\"a\":1}"}]})
        };
        let expect =
            serde_json::json!({"Traces": [shape("x"), shape("y")], "UnprocessedTraceIds": ["z"]});
        assert_eq!(json, expect);
        let empty = BatchGetTracesReply::default().finish(&[]).unwrap();
        assert_eq!(empty, b"{\"Traces\":[],\"UnprocessedTraceIds\":[]}");
    }
}
