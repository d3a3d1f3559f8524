//! The attributes of a span: what a segment or subsegment says of its request, call or query, its
//! annotations and its metadata.

use roentgen_model::{
    AnnotationValue, Entity, EntityKind, read_array, read_boolean, read_integer, read_number,
    read_object, read_text,
};
use serde_json::value::RawValue;

use crate::json::{Array, Value};
use crate::room::Attributes;

/// Members of a call's `aws` block that have a name in the semantic conventions. Others keep
/// theirs behind `aws.`.
const AWS_MEMBERS: &[(&str, &str)] = &[
    ("operation", "rpc.method"),
    ("request_id", "aws.request_id"),
    ("id_2", "aws.extended_request_id"),
    ("region", "cloud.region"),
    ("account_id", "cloud.account.id"),
    ("bucket_name", "aws.s3.bucket"),
    ("key", "aws.s3.key"),
    ("queue_url", "aws.sqs.queue.url"),
    ("topic_arn", "aws.sns.topic.arn"),
    ("function_name", "faas.invoked_name"),
];

/// Members of `sql` and their attributes. Others keep theirs behind `aws.xray.sql.`.
const SQL_MEMBERS: &[(&str, &str)] = &[
    ("connection_string", "db.connection_string"),
    ("database_type", "db.system.name"),
    ("sanitized_query", "db.query.text"),
    ("user", "db.user"),
];

/// How deep objects within `aws` are opened; what lies deeper is told as JSON. The deepest known
/// member, `ec2.instance_id`, is at the second level.
const MOST_LEVELS: usize = 4;

/// Adds everything but annotations and metadata.
pub(crate) fn describe(entity: &Entity<'_>, attributes: &mut Attributes<'_>) {
    if entity.end.is_none() {
        attributes.add("aws.xray.inprogress", Value::Boolean(true));
    }
    describe_http(entity, attributes);
    if entity.kind == EntityKind::Subsegment {
        describe_call(entity, attributes);
    }
    describe_query(entity, attributes);
    attributes.add_text("enduser.id", entity.user.as_deref());
}

/// The list of annotations.
const ANNOTATION_KEYS: &str = "aws.xray.annotations";

/// Annotations under their own keys, and a list of these keys, by which the collector's exporter
/// knows what to index. An annotation whose key says something else already is in neither: the
/// exporter would take for the annotation what is none.
pub(crate) fn describe_annotations(entity: &Entity<'_>, attributes: &mut Attributes<'_>) {
    let mut keys = Vec::new();
    for annotation in &entity.annotations {
        if annotation.key == ANNOTATION_KEYS {
            attributes.drop_one();
            continue;
        }
        let value = match &annotation.value {
            AnnotationValue::String(text) => Value::Text(text.to_string()),
            AnnotationValue::Number(number) => Value::Number(*number),
            AnnotationValue::Boolean(truth) => Value::Boolean(*truth),
        };
        if attributes.add(&*annotation.key, value) {
            keys.push(Value::Text(annotation.key.to_string()));
        }
    }
    if !keys.is_empty() {
        attributes.add(ANNOTATION_KEYS, array(keys));
    }
}

/// Metadata by namespace, each as JSON, as the collector's exporter reads it.
pub(crate) fn describe_metadata(entity: &Entity<'_>, attributes: &mut Attributes<'_>) {
    for (namespace, raw) in entity.member("metadata").and_then(read_object).unwrap_or_default() {
        let key = format!("aws.xray.metadata.{namespace}");
        attributes.add(key, Value::Text(raw.get().to_owned()));
    }
}

fn describe_http(entity: &Entity<'_>, attributes: &mut Attributes<'_>) {
    let http = &entity.http;
    attributes.add_text("http.request.method", http.method.as_deref());
    attributes.add_text("url.full", http.url.as_deref());
    attributes.add_text("user_agent.original", http.user_agent.as_deref());
    attributes.add_text("client.address", http.client_ip.as_deref());
    if let Some(status) = http.status {
        attributes.add("http.response.status_code", Value::Integer(status));
    }
    for (block, raw) in entity.member("http").and_then(read_object).unwrap_or_default() {
        for (member, raw) in read_object(raw).unwrap_or_default() {
            let (key, value) = match (&*block, &*member) {
                ("request", "x_forwarded_for") => ("aws.xray.x_forwarded_for", value(raw)),
                ("request", "traced") => ("aws.xray.traced", value(raw)),
                ("response", "content_length") => {
                    ("http.response.body.size", read_integer(raw).map(Value::Integer))
                }
                _ => continue,
            };
            if let Some(value) = value {
                attributes.add(key, value);
            }
        }
    }
}

fn describe_call(entity: &Entity<'_>, attributes: &mut Attributes<'_>) {
    match entity.namespace.as_deref() {
        Some("aws") => {
            attributes.add_text("rpc.system", Some("aws-api"));
            attributes.add_text("rpc.service", Some(&*entity.name));
            let table = entity.aws.table_name.as_deref();
            let tables = table.map(|table| array(vec![Value::Text(table.to_owned())]));
            if let Some(tables) = tables {
                attributes.add("aws.dynamodb.table_names", tables);
            }
        }
        Some("remote") => attributes.add_text("peer.service", Some(&*entity.name)),
        other => attributes.add_text("aws.xray.namespace", other),
    }
    for (member, raw) in entity.member("aws").and_then(read_object).unwrap_or_default() {
        match AWS_MEMBERS.iter().find(|(name, _)| *name == member) {
            Some((_, key)) => add_value(key, raw, attributes),
            // Told above.
            None if member == "table_name" => {}
            None => add_all(&format!("aws.{member}"), raw, 1, attributes),
        }
    }
}

fn describe_query(entity: &Entity<'_>, attributes: &mut Attributes<'_>) {
    for (member, raw) in entity.member("sql").and_then(read_object).unwrap_or_default() {
        match SQL_MEMBERS.iter().find(|(name, _)| *name == member) {
            // Well-known systems are written in lower case there, by SDKs in any.
            Some((_, key @ "db.system.name")) => {
                attributes.add_text(key, read_text(raw).map(|text| text.to_lowercase()));
            }
            Some((_, key)) => add_value(key, raw, attributes),
            None => add_all(&format!("aws.xray.sql.{member}"), raw, 1, attributes),
        }
    }
}

/// Adds a value, unless it is null.
pub(crate) fn add_value(key: &str, raw: &RawValue, attributes: &mut Attributes<'_>) {
    if let Some(value) = value(raw) {
        attributes.add(key, value);
    }
}

/// Adds a value, each member of an object by itself.
fn add_all(key: &str, raw: &RawValue, level: usize, attributes: &mut Attributes<'_>) {
    match read_object(raw) {
        Some(members) if level < MOST_LEVELS => {
            for (member, raw) in members {
                add_all(&format!("{key}.{member}"), raw, level + 1, attributes);
            }
        }
        _ => add_value(key, raw, attributes),
    }
}

pub(crate) fn array(values: Vec<Value>) -> Value {
    Value::Array(Array { values })
}

/// A JSON value as an attribute's: texts, booleans and numbers as they are, arrays of these as
/// arrays, anything deeper as JSON. None for null.
pub(crate) fn value(raw: &RawValue) -> Option<Value> {
    if let Some(elements) = read_array(raw) {
        let plain: Option<Vec<Value>> = elements.into_iter().map(plain_value).collect();
        return Some(plain.map_or_else(|| Value::Text(raw.get().to_owned()), array));
    }
    if raw.get().starts_with('{') {
        return Some(Value::Text(raw.get().to_owned()));
    }
    plain_value(raw)
}

fn plain_value(raw: &RawValue) -> Option<Value> {
    let is_number = raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if is_number {
        let integer = raw.get().parse().ok().map(Value::Integer);
        return integer.or_else(|| read_number(raw).map(Value::Number));
    }
    let text = read_text(raw).map(|text| Value::Text(text.into_owned()));
    text.or_else(|| read_boolean(raw).map(Value::Boolean))
}
