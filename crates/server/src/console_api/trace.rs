//! One trace for the console: its rows as columns, one segment, or all documents.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use roentgen_model::{
    Entity, EntityKind, HttpSummary, SegmentId, ServiceId, Timestamp, Trace, TraceNode, timeline,
};
use roentgen_protocol::ApiError;
use roentgen_store::ReceivedDocument;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{NodeRef, not_found};
use crate::json;

/// Most characters of a row's detail; the segment itself has the whole text.
const MAX_DETAIL_CHARACTERS: usize = 200;

/// The request of a root segment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Http<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TraceAnswer<'a> {
    id: String,
    start: f64,
    duration: f64,
    response_time: Option<f64>,
    revision: usize,
    is_partial: bool,
    has_fault: bool,
    has_error: bool,
    has_throttle: bool,
    limit_exceeded: bool,
    http: Http<'a>,
    entry_point: Option<NodeRef>,
    segment_count: usize,
    nodes: Vec<NodeRef>,
    rows: Rows<'a>,
}

/// The rows as columns of equal length: a tenth of the bytes of one object per row.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rows<'a> {
    id: Vec<String>,
    /// Row of the parent, or -1.
    parent: Vec<i64>,
    depth: Vec<usize>,
    name: Vec<&'a str>,
    kind: Vec<&'static str>,
    /// Index into the nodes, or -1 where the segment has not arrived.
    node: Vec<i64>,
    start_us: Vec<i64>,
    duration_us: Vec<Option<i64>>,
    status: Vec<Option<i64>>,
    /// 1 error, 2 throttle, 4 fault, 8 in progress.
    flags: Vec<u8>,
    namespace: Vec<Option<&'a str>>,
    detail: Vec<Option<String>>,
}

/// The nodes of a trace in the order of their first rows. There may be as many as rows.
#[derive(Debug, Default)]
struct Nodes<'a> {
    list: Vec<&'a ServiceId>,
    indexes: HashMap<&'a ServiceId, usize>,
}

/// `GET /api/v1/traces/{id}`.
pub(super) fn rows(trace: &Trace<'_>) -> Result<Vec<u8>, ApiError> {
    let mut nodes = Nodes::default();
    let mut rows = Rows::default();
    for row in timeline(trace) {
        let Some(node) = trace.nodes.get(row.node) else { continue };
        rows.push(trace, node, row.parent, row.depth, &mut nodes);
    }
    let summary = &trace.summary;
    json::write(&TraceAnswer {
        id: trace.id.to_string(),
        start: summary.start.as_seconds(),
        duration: summary.duration.clamped().as_seconds(),
        response_time: summary.response_time.map(|time| time.clamped().as_seconds()),
        revision: summary.revision,
        is_partial: summary.is_partial,
        has_fault: summary.has_fault,
        has_error: summary.has_error,
        has_throttle: summary.has_throttle,
        limit_exceeded: trace.limit_exceeded,
        http: Http::from(&summary.http),
        entry_point: summary.entry_point.as_ref().map(NodeRef::from),
        segment_count: summary.segment_count,
        nodes: nodes.list.into_iter().map(NodeRef::from).collect(),
        rows,
    })
}

impl<'a> Nodes<'a> {
    fn index_of(&mut self, service: &'a ServiceId) -> usize {
        *self.indexes.entry(service).or_insert_with(|| {
            self.list.push(service);
            self.list.len() - 1
        })
    }
}

impl<'a> Rows<'a> {
    fn push(
        &mut self,
        trace: &'a Trace<'_>,
        node: &'a TraceNode<'_>,
        parent: Option<usize>,
        depth: usize,
        nodes: &mut Nodes<'a>,
    ) {
        let entity = &node.entity;
        self.id.push(entity.id.to_string());
        self.parent.push(index_or_minus_one(parent));
        self.depth.push(depth);
        self.name.push(&entity.name);
        self.kind.push(match entity.kind {
            EntityKind::Segment => "segment",
            EntityKind::Subsegment => "subsegment",
        });
        let service = trace.service_of(node);
        self.node.push(index_or_minus_one(service.map(|service| nodes.index_of(service))));
        self.start_us.push((entity.start - trace.summary.start).get());
        self.duration_us.push(entity.end.map(|end| (end - entity.start).clamped().get()));
        self.status.push(entity.http.status);
        self.flags.push(flags(entity));
        self.namespace.push(entity.namespace.as_deref());
        self.detail.push(detail(entity));
    }
}

fn index_or_minus_one(index: Option<usize>) -> i64 {
    index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1)
}

fn flags(entity: &Entity<'_>) -> u8 {
    u8::from(entity.flags.error)
        | u8::from(entity.flags.throttle) << 1
        | u8::from(entity.flags.fault) << 2
        | u8::from(entity.end.is_none()) << 3
}

/// A few words on what the row did: the SQL, the AWS operation, or the request.
fn detail(entity: &Entity<'_>) -> Option<String> {
    let text = sanitized_query(entity).or_else(|| aws_call(entity)).or_else(|| request(entity))?;
    Some(match text.char_indices().nth(MAX_DETAIL_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    })
}

fn sanitized_query(entity: &Entity<'_>) -> Option<String> {
    text_of(entity.member("sql")?, &["sanitized_query", "url"])
}

/// The first of these members that is a text, whatever the others are.
fn text_of(object: &RawValue, members: &[&str]) -> Option<String> {
    let all: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(object.get()).ok()?;
    let text = |member: &&str| serde_json::from_str(all.get(*member)?.get()).ok();
    members.iter().find_map(text)
}

fn aws_call(entity: &Entity<'_>) -> Option<String> {
    let aws = &entity.aws;
    let operation = aws.operation.as_deref()?;
    let resource =
        [&aws.table_name, &aws.queue_url, &aws.bucket_name, &aws.function_name, &aws.topic_arn]
            .into_iter()
            .find_map(Option::as_deref);
    Some(match resource {
        Some(resource) => format!("{operation} {resource}"),
        None => operation.to_owned(),
    })
}

fn request(entity: &Entity<'_>) -> Option<String> {
    match (entity.http.method.as_deref(), entity.http.url.as_deref()) {
        (Some(method), Some(url)) => Some(format!("{method} {url}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// `GET /api/v1/traces/{id}/segments/{segment_id}`.
pub(super) fn segment(trace: &Trace<'_>, id: &str) -> Result<Vec<u8>, ApiError> {
    let id: Option<SegmentId> = id.parse().ok();
    id.and_then(|id| trace.entity_document(id))
        .map(String::into_bytes)
        .ok_or_else(|| not_found("The trace has no segment or subsegment of this id"))
}

#[derive(Debug, Serialize)]
struct RawAnswer {
    processed: Vec<Box<RawValue>>,
    originals: Vec<Original>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Original {
    received_at: f64,
    document: String,
}

/// `GET /api/v1/traces/{id}/raw`.
pub(super) fn raw(trace: &Trace<'_>, originals: &[ReceivedDocument]) -> Result<Vec<u8>, ApiError> {
    json::write(&RawAnswer {
        processed: trace
            .segments()
            .filter_map(|(_, document)| RawValue::from_string(document).ok())
            .collect(),
        originals: originals
            .iter()
            .map(|original| Original {
                received_at: Timestamp::as_seconds(original.received),
                document: String::from_utf8_lossy(&original.bytes).into_owned(),
            })
            .collect(),
    })
}

impl<'a> From<&'a HttpSummary> for Http<'a> {
    fn from(http: &'a HttpSummary) -> Self {
        Self {
            method: http.method.as_deref(),
            url: http.url.as_deref(),
            status: http.status,
            client_ip: http.client_ip.as_deref(),
            user_agent: http.user_agent.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_beside_members_of_other_types() {
        let check = |json: &str, expect: Option<&str>| {
            let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
            let text = text_of(&raw, &["sanitized_query", "url"]);
            assert_eq!(text.as_deref(), expect, "{json}");
        };
        check(r#"{"url": "u", "sanitized_query": "q"}"#, Some("q"));
        check(r#"{"url": "u", "sanitized_query": 5}"#, Some("u"));
        check(r#"{"url": ["u"], "sanitized_query": "q"}"#, Some("q"));
        check(r#"{"url": "u", "sanitized_query": null}"#, Some("u"));
        check(r#"{"url": "x", "url": "u"}"#, Some("u"));
        check(r#"{"user": "u"}"#, None);
        check(r#"["q", "u"]"#, None);
        check("7", None);
    }

    #[test]
    fn nodes_are_numbered_in_the_order_of_their_first_rows() {
        let id = |name: &str| ServiceId::new(name, None, None);
        let services = ["a", "b", "a", "c", "b"].map(id);
        let mut nodes = Nodes::default();
        let indexes: Vec<_> = services.iter().map(|service| nodes.index_of(service)).collect();
        assert_eq!(indexes, [0, 1, 0, 2, 1]);
        let names: Vec<_> = nodes.list.iter().map(|service| &*service.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
