//! Retrieval of traces: start, list, graph, cancel.
//!
//! The API calls the documents of a retrieved trace spans, whatever their format.

use serde::{Deserialize, Serialize};

use super::graph::Service;
use crate::WireTime;

/// Request of StartTraceRetrieval.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartTraceRetrievalRequest {
    /// Required: at most [`StartTraceRetrievalRequest::MAX_IDS`] ids.
    pub trace_ids: Option<Vec<String>>,
    /// Required: start of the range, inclusive.
    pub start_time: Option<WireTime>,
    /// Required: end of the range, inclusive.
    pub end_time: Option<WireTime>,
}

impl StartTraceRetrievalRequest {
    /// Most ids of one retrieval (API model).
    pub const MAX_IDS: usize = 100;
}

/// Reply of StartTraceRetrieval.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StartTraceRetrievalReply<'a> {
    /// What the other operations ask with.
    pub retrieval_token: &'a str,
}

/// Request of ListRetrievedTraces.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListRetrievedTracesRequest {
    /// Required.
    pub retrieval_token: Option<String>,
    /// `XRAY` or `OTEL`.
    pub trace_format: Option<String>,
    /// From the previous page.
    pub next_token: Option<String>,
}

/// Reply of ListRetrievedTraces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListRetrievedTracesReply {
    /// How far the retrieval is.
    pub retrieval_status: &'static str,
    /// The format of the documents.
    pub trace_format: &'static str,
    /// Empty until the retrieval is complete.
    pub traces: Vec<RetrievedTrace>,
    /// Present when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A retrieved trace, or the part of it that fits a page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetrievedTrace {
    /// The trace id in X-Ray's spelling.
    pub id: String,
    /// From the start of the root to the last end, seconds.
    pub duration: f64,
    /// Its documents.
    pub spans: Vec<Span>,
}

impl RetrievedTrace {
    /// Most traces in a page (API model).
    pub const MAX_PER_PAGE: usize = 5;
}

/// A document of a retrieved trace as JSON in a string.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Span {
    /// The id of the (sub)segment.
    pub id: String,
    /// The document, in the format asked for.
    pub document: String,
}

impl Span {
    /// Most documents of one trace in a page (API model).
    pub const MAX_PER_TRACE: usize = 100;
    /// Most characters of a document (API model).
    pub const MAX_DOCUMENT_CHARACTERS: usize = 204_800;
}

/// Request of GetRetrievedTracesGraph.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRetrievedTracesGraphRequest {
    /// Required.
    pub retrieval_token: Option<String>,
    /// From the previous page.
    pub next_token: Option<String>,
}

/// Reply of GetRetrievedTracesGraph.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRetrievedTracesGraphReply<'a> {
    /// How far the retrieval is.
    pub retrieval_status: &'static str,
    /// Empty until the retrieval is complete.
    pub services: Vec<RetrievedService<'a>>,
    /// Present when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A node of the graph of retrieved traces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetrievedService<'a> {
    /// The node and its edges.
    pub service: Service<'a>,
    /// Links between traces at this node.
    pub links: Vec<GraphLink>,
}

/// One trace and the traces that link to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphLink {
    /// What the node is to the link: [`GraphLink::SOURCE`] or [`GraphLink::DESTINATION`].
    pub reference_type: &'static str,
    /// The trace that is linked to.
    pub source_trace_id: String,
    /// The traces whose segments hold the links.
    pub destination_trace_ids: Vec<String>,
}

impl GraphLink {
    /// The node handed on what others received.
    pub const SOURCE: &'static str = "SOURCE";
    /// The node received it.
    pub const DESTINATION: &'static str = "DESTINATION";
    /// Most links of one node (API model).
    pub const MAX_PER_SERVICE: usize = 100;
}

/// Request of CancelTraceRetrieval.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelTraceRetrievalRequest {
    /// Required.
    pub retrieval_token: Option<String>,
}

/// Reply of CancelTraceRetrieval: an empty object.
#[derive(Debug, Serialize)]
pub struct CancelTraceRetrievalReply {}
