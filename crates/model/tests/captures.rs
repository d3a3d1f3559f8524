//! Every packet captured from a real SDK is accepted, and its trace holds each segment and
//! subsegment exactly once. What the packets say is read here by a plain JSON walk, independent
//! of the crate's parser.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use roentgen_model::{Document, EntityKind, Names, Trace, TraceId, assemble, split_documents};
use serde_json::Value;

/// What a walk over the packets of one trace finds, by id: whether any copy is closed, and the
/// names its copies bear.
#[derive(Debug, Default)]
struct Sent {
    is_closed: bool,
    names: BTreeSet<String>,
}

fn captures() -> Vec<(String, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/captures");
    let mut captures = Vec::new();
    for entry in folder.read_dir().expect("conformance/captures exists") {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let capture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let packets = capture["packets"].as_array().cloned().unwrap_or_default();
        let bodies: Vec<String> = packets
            .iter()
            .filter_map(Value::as_str)
            .filter_map(|raw| raw.split_once('\n').map(|(_, body)| body.to_owned()))
            .collect();
        captures.push((path.file_stem().unwrap().to_string_lossy().into_owned(), bodies));
    }
    captures
}

fn walk(value: &Value, sent: &mut BTreeMap<String, Sent>) {
    let id = value["id"].as_str().unwrap().to_lowercase();
    let entry = sent.entry(id).or_default();
    entry.is_closed |= value["end_time"].is_number();
    entry.names.insert(value["name"].as_str().unwrap().to_owned());
    for child in value["subsegments"].as_array().into_iter().flatten() {
        walk(child, sent);
    }
}

/// JSON as Python writes it: `NaN` and `Infinity` are no JSON, and stand in one capture.
fn lenient_json(body: &str) -> Value {
    let mended =
        body.replace("NaN", "null").replace("-Infinity", "null").replace("Infinity", "null");
    serde_json::from_str(body).or_else(|_| serde_json::from_str(&mended)).unwrap()
}

#[test]
fn every_packet_of_every_sdk_is_accepted_and_shown_once() {
    let captures = captures();
    let with_packets = captures.iter().filter(|(_, bodies)| !bodies.is_empty()).count();
    assert!(with_packets > 90, "only {with_packets} captures with packets found");
    let mut names = Names::default();
    for (name, bodies) in captures {
        let mut by_trace: BTreeMap<TraceId, (Vec<Document<'_>>, BTreeMap<String, Sent>)> =
            BTreeMap::new();
        for body in &bodies {
            for payload in split_documents(body.as_bytes()).unwrap() {
                let document = Document::parse(&payload)
                    .unwrap_or_else(|rejection| panic!("{name}: {rejection}: {body}"))
                    .into_owned();
                let (documents, sent) = by_trace.entry(document.trace_id).or_default();
                documents.push(document);
                walk(&lenient_json(body), sent);
            }
        }
        for (id, (documents, sent)) in by_trace {
            let trace = assemble(id, documents, &mut names).unwrap();
            check_trace(&name, &trace, &sent);
        }
    }
}

fn check_trace(name: &str, trace: &Trace<'_>, sent: &BTreeMap<String, Sent>) {
    let reported = trace.nodes.iter().filter(|node| !node.is_inferred);
    let shown: Vec<String> = reported.clone().map(|node| node.entity.id.to_string()).collect();
    let distinct: BTreeSet<String> = shown.iter().cloned().collect();
    assert_eq!(shown.len(), distinct.len(), "{name}: something is shown twice");
    assert_eq!(distinct, sent.keys().cloned().collect(), "{name}");
    for node in reported {
        let entity = &node.entity;
        let sent = &sent[&entity.id.to_string()];
        assert_eq!(entity.end.is_some(), sent.is_closed, "{name}: {}", entity.id);
        let is_renamed = entity.namespace.as_deref() == Some("aws");
        assert!(is_renamed || sent.names.contains(&*entity.name), "{name}: {}", entity.name);
    }
    for (id, document) in trace.segments() {
        let document: Value = serde_json::from_str(&document)
            .unwrap_or_else(|error| panic!("{name}: document {id}: {error}"));
        assert_eq!(document["id"].as_str().unwrap(), id.to_string(), "{name}");
        assert_eq!(document["trace_id"].as_str().unwrap(), trace.id.to_string(), "{name}");
    }
}

#[test]
fn streamed_packets_make_one_segment() {
    let streamed = ["go-streamed-45-flat", "java-streamed", "node-streamed-130-open"];
    let mut found = 0;
    for (name, bodies) in captures() {
        if !streamed.contains(&name.as_str()) {
            continue;
        }
        found += 1;
        let documents: Vec<Document<'_>> =
            bodies.iter().map(|body| Document::parse(body.as_bytes()).unwrap()).collect();
        assert!(documents.len() > 20, "{name}");
        let trace = assemble(documents[0].trace_id, documents, &mut Names::default()).unwrap();
        let tops: Vec<EntityKind> =
            trace.nodes.iter().filter(|n| n.depth == 0).map(|n| n.entity.kind).collect();
        assert_eq!(tops, [EntityKind::Segment], "{name}");
        assert!(!trace.summary.is_partial, "{name}");
    }
    assert_eq!(found, streamed.len());
}
