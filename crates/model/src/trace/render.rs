//! Processed documents: what BatchGetTraces returns in place of what was sent.
//!
//! Written without recursion: streamed subsegments can chain thousands deep.

use crate::document::{Member, read_object, write_string};
use crate::{AnnotationValue, Entity, EntityKind, Timestamp, Trace, TraceNode};

/// The document of the node at `index` with its subsegments nested.
pub(super) fn document(trace: &Trace<'_>, index: usize) -> String {
    let mut out = String::with_capacity(1024);
    let mut open: Vec<Step> = vec![Step::Open(index)];
    while let Some(step) = open.pop() {
        match step {
            Step::Open(index) => {
                let Some(node) = trace.nodes.get(index) else { continue };
                open_object(trace, node, is_top(trace, node), &mut out);
                open.push(Step::Text("}"));
                let held = held_subsegments(trace, node);
                if held.is_empty() {
                    continue;
                }
                out.push_str(",\"subsegments\":[");
                open.push(Step::Text("]"));
                for (place, child) in held.into_iter().enumerate().rev() {
                    open.push(Step::Open(child));
                    if place > 0 {
                        open.push(Step::Text(","));
                    }
                }
            }
            Step::Text(text) => out.push_str(text),
        }
    }
    out
}

/// The document of one node without subsegments.
pub(super) fn entity(trace: &Trace<'_>, node: &TraceNode<'_>) -> String {
    alone(trace, node, is_top(trace, node))
}

/// The same as a document that can stand by itself: a subsegment becomes an independent one.
pub(super) fn independent(trace: &Trace<'_>, node: &TraceNode<'_>) -> String {
    alone(trace, node, true)
}

fn alone(trace: &Trace<'_>, node: &TraceNode<'_>, is_independent: bool) -> String {
    let mut out = String::with_capacity(512);
    open_object(trace, node, is_independent, &mut out);
    out.push('}');
    out
}

/// Whether a node is a document of its own in BatchGetTraces.
fn is_top(trace: &Trace<'_>, node: &TraceNode<'_>) -> bool {
    trace.nodes.get(node.segment).is_some_and(|top| std::ptr::eq(top, node))
}

enum Step {
    /// Write the node up to its subsegments.
    Open(usize),
    /// Write punctuation.
    Text(&'static str),
}

fn held_subsegments(trace: &Trace<'_>, node: &TraceNode<'_>) -> Vec<usize> {
    let is_held = |index: &usize| {
        trace.nodes.get(*index).is_some_and(|child| child.entity.kind == EntityKind::Subsegment)
    };
    node.children.iter().copied().filter(is_held).collect()
}

/// Writes `{` and all members but subsegments. The order of the first ones is the service's. An
/// independent document names its trace and its parent, an independent subsegment its type.
fn open_object(trace: &Trace<'_>, node: &TraceNode<'_>, is_independent: bool, out: &mut String) {
    let entity = &node.entity;
    out.push_str("{\"id\":\"");
    out.push_str(&entity.id.to_string());
    out.push_str("\",\"name\":");
    write_string(out, &entity.name);
    write_time(out, "start_time", entity.start);
    if is_independent {
        write_text(out, "trace_id", &trace.id.to_string());
    }
    match entity.end {
        Some(end) => write_time(out, "end_time", end),
        None => out.push_str(",\"in_progress\":true"),
    }
    if let (true, Some(parent_id)) = (is_independent, entity.parent_id) {
        write_text(out, "parent_id", &parent_id.to_string());
    }
    if is_independent && entity.kind == EntityKind::Subsegment {
        write_text(out, "type", "subsegment");
    }
    if node.is_inferred {
        out.push_str(",\"inferred\":true");
    }
    write_members(out, node);
    write_annotations(out, entity);
}

fn write_members(out: &mut String, node: &TraceNode<'_>) {
    let entity = &node.entity;
    // An inferred segment has its origin from us, not from a document.
    if let Some(origin) = entity.origin.as_deref().filter(|_| node.is_inferred) {
        write_text(out, "origin", origin);
    }
    for (key, value) in &entity.members {
        // Written above where it is needed; a subsegment that stands in its segment needs none.
        if key == "type" && entity.kind == EntityKind::Subsegment {
            continue;
        }
        out.push(',');
        write_string(out, key);
        out.push(':');
        match key.as_ref() {
            "http" => write_http(out, value.get(), read_object(value)),
            "aws" => write_aws(out, entity, value.get(), read_object(value)),
            _ => out.push_str(value.get()),
        }
    }
}

type Members<'a> = Option<Vec<Member<'a>>>;

/// `http` without a `content_length` that is a string, which the service drops.
fn write_http(out: &mut String, raw: &str, members: Members<'_>) {
    let is_text = |value: &serde_json::value::RawValue| value.get().starts_with('"');
    let response = members.as_ref().and_then(|members| {
        let (_, response) = members.iter().find(|(key, _)| key == "response")?;
        read_object(response)
    });
    let (Some(members), Some(mut response)) = (members, response) else {
        out.push_str(raw);
        return;
    };
    let before = response.len();
    response.retain(|(key, value)| key != "content_length" || !is_text(value));
    if response.len() == before {
        out.push_str(raw);
        return;
    }
    write_object(
        out,
        members.iter().map(|(key, value)| {
            let rewritten = (key == "response").then(|| {
                let mut text = String::new();
                write_object(
                    &mut text,
                    response.iter().map(|(k, v)| (k.as_ref(), v.get().to_owned())),
                );
                text
            });
            (key.as_ref(), rewritten.unwrap_or_else(|| value.get().to_owned()))
        }),
    );
}

/// `aws` with `resource_names`, which the service adds where the call names a resource.
fn write_aws(out: &mut String, entity: &Entity<'_>, raw: &str, members: Members<'_>) {
    let aws = &entity.aws;
    let names = [&aws.table_name, &aws.bucket_name, &aws.function_name, &aws.topic_arn];
    let names: Vec<&str> = names.into_iter().filter_map(|name| name.as_deref()).collect();
    let Some(members) = members.filter(|members| {
        !names.is_empty() && !members.iter().any(|(key, _)| key == "resource_names")
    }) else {
        out.push_str(raw);
        return;
    };
    let names = serde_json::to_string(&names).unwrap_or_else(|_| "[]".to_owned());
    let added = std::iter::once(("resource_names", names));
    let members = members.iter().map(|(key, value)| (key.as_ref(), value.get().to_owned()));
    write_object(out, members.chain(added));
}

fn write_object<'a>(out: &mut String, members: impl Iterator<Item = (&'a str, String)>) {
    out.push('{');
    for (place, (key, value)) in members.enumerate() {
        if place > 0 {
            out.push(',');
        }
        write_string(out, key);
        out.push(':');
        out.push_str(&value);
    }
    out.push('}');
}

fn write_annotations(out: &mut String, entity: &Entity<'_>) {
    if entity.annotations.is_empty() {
        return;
    }
    out.push_str(",\"annotations\":");
    write_object(
        out,
        entity.annotations.iter().map(|annotation| {
            let value = match &annotation.value {
                AnnotationValue::String(text) => {
                    let mut json = String::new();
                    write_string(&mut json, text);
                    json
                }
                AnnotationValue::Number(number) => number_text(*number),
                AnnotationValue::Boolean(truth) => truth.to_string(),
            };
            (annotation.key.as_ref(), value)
        }),
    );
}

/// A double in its shortest form, whole numbers without a fraction.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    serde_json::to_string(&number).unwrap_or_else(|_| "null".to_owned())
}

fn write_text(out: &mut String, key: &str, text: &str) {
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
    write_string(out, text);
}

fn write_time(out: &mut String, key: &str, time: Timestamp) {
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
    out.push_str(&time.as_seconds().to_string());
}
