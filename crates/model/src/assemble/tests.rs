//! Assembly, rule by rule, and the properties that hold for any input.

use crate::{Document, EntityKind, Names, SegmentId, Trace, TraceId, assemble};

mod documents;
mod graph;
mod properties;
mod summary;
mod tree;

const TRACE: &str = "1-68000000-00000000000000000000000a";

fn trace_id() -> TraceId {
    TRACE.parse().unwrap()
}

/// A complete document; `members` come last and so override the defaults. [`OPEN`] opens it.
fn document(id: u64, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"id":"{id:016x}","trace_id":"{TRACE}","name":"app","start_time":10,"end_time":11{comma}{members}}}"#
    )
}

/// Members of a document in progress.
const OPEN: &str = r#""in_progress":true,"end_time":null"#;

fn subsegment(id: u64, parent: u64, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    document(id, &format!(r#""type":"subsegment","parent_id":"{parent:016x}"{comma}{members}"#))
}

fn put_together(documents: &[String]) -> Trace<'_> {
    let documents = documents
        .iter()
        .map(|text| Document::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}")))
        .collect();
    assemble(trace_id(), documents, &mut Names::default()).unwrap()
}

/// The tree as indented lines: kind, id and what matters of the state.
fn tree(trace: &Trace<'_>) -> String {
    let mut text = String::new();
    for node in &trace.nodes {
        let kind = match (node.entity.kind, node.is_inferred) {
            (EntityKind::Segment, false) => "segment",
            (EntityKind::Segment, true) => "inferred",
            (EntityKind::Subsegment, _) => "subsegment",
        };
        let id = if node.is_inferred { "-".to_owned() } else { short(node.entity.id) };
        let open = if node.entity.end.is_none() { " open" } else { "" };
        let indent = "  ".repeat(node.depth);
        text.push_str(&format!("{indent}{kind} {id} {}{open}\n", node.entity.name));
    }
    text
}

fn short(id: SegmentId) -> String {
    format!("{:x}", id.to_u64())
}

/// The service graph as lines: `from(type) -> to(type) ok/error/throttle/fault ms`.
fn edges(trace: &Trace<'_>) -> String {
    let mut graph = crate::ServiceGraph::default();
    graph.add(&trace.graph);
    let mut text = String::new();
    for ((from, to), edge) in &graph.edges {
        let show = |id: &crate::ServiceId| match id.kind.as_deref() {
            Some(kind) => format!("{}({kind})", id.name),
            None => id.name.to_string(),
        };
        let r = &edge.requests;
        text.push_str(&format!(
            "{} -> {} {}/{}/{}/{} {}ms\n",
            show(from),
            show(to),
            r.ok,
            r.error,
            r.throttle,
            r.fault,
            r.total_response_time.get() / 1000
        ));
    }
    text
}
