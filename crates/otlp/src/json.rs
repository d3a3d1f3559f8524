//! The messages of trace.proto as OTLP's JSON writes them: lower camel case, ids in hexadecimal,
//! 64-bit integers as text, enumerations as numbers, defaults left out.

use serde::{Serialize, Serializer};

/// `TracesData`: what an OTLP/HTTP endpoint takes as well.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TracesData<'r> {
    pub(crate) resource_spans: [ResourceSpans<'r>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceSpans<'r> {
    pub(crate) resource: &'r Resource,
    pub(crate) scope_spans: [ScopeSpans; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) attributes: Vec<KeyValue>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) dropped_attributes_count: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeSpans {
    pub(crate) spans: [Span; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_span_id: Option<String>,
    pub(crate) flags: u32,
    pub(crate) name: String,
    pub(crate) kind: u32,
    #[serde(serialize_with = "as_text")]
    pub(crate) start_time_unix_nano: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_opt_text")]
    pub(crate) end_time_unix_nano: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<KeyValue>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) events: Vec<Event>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) dropped_events_count: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) links: Vec<Link>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) dropped_links_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(serialize_with = "as_text")]
    pub(crate) time_unix_nano: u64,
    pub(crate) name: &'static str,
    pub(crate) attributes: Vec<KeyValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Link {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<KeyValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    pub(crate) code: u32,
}

/// `STATUS_CODE_ERROR`.
pub(crate) const STATUS_ERROR: u32 = 2;
/// `SPAN_KIND_INTERNAL`.
pub(crate) const KIND_INTERNAL: u32 = 1;
/// `SPAN_KIND_SERVER`.
pub(crate) const KIND_SERVER: u32 = 2;
/// `SPAN_KIND_CLIENT`.
pub(crate) const KIND_CLIENT: u32 = 3;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct KeyValue {
    pub(crate) key: String,
    pub(crate) value: Value,
}

/// `AnyValue`, as far as segments need it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Value {
    #[serde(rename = "stringValue")]
    Text(String),
    #[serde(rename = "boolValue")]
    Boolean(bool),
    #[serde(rename = "intValue", serialize_with = "as_text")]
    Integer(i64),
    #[serde(rename = "doubleValue")]
    Number(f64),
    #[serde(rename = "arrayValue")]
    Array(Array),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Array {
    pub(crate) values: Vec<Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn as_text<T: ToString, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn as_opt_text<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => as_text(value, serializer),
        None => serializer.serialize_none(),
    }
}
