//! An answer of BatchGetTraces against what a trace must have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::expected::Expected;
use super::{Fault, FaultKind};

/// Times travel as floats: at 10⁹ seconds half a microsecond is as near as they come.
const TIME_TOLERANCE: f64 = 1.5e-6;

/// Characters of a value in the text of a fault.
const MAX_SHOWN: usize = 120;

/// Everything that is wrong with one trace of an answer.
pub(super) fn compare(
    trace_id: &str,
    expected: &BTreeMap<String, Expected>,
    answer: &Json,
) -> Vec<Fault> {
    let fault = |kind, detail: String| Fault { kind, trace_id: Some(trace_id.to_owned()), detail };
    let traces = answer.get("Traces").and_then(Json::as_array).into_iter().flatten();
    let found: Vec<&Json> =
        traces.filter(|trace| trace.get("Id").and_then(Json::as_str) == Some(trace_id)).collect();
    let [trace] = found.as_slice() else {
        return vec![if found.is_empty() {
            fault(FaultKind::Missing, "the trace".to_owned())
        } else {
            fault(FaultKind::Doubled, format!("the trace, {} times", found.len()))
        }];
    };
    let mut faults = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for segment in trace.get("Segments").and_then(Json::as_array).into_iter().flatten() {
        let text = segment.get("Document").and_then(Json::as_str).unwrap_or_default();
        match serde_json::from_str::<Json>(text) {
            Ok(document) => {
                look_at(&document, expected, &mut seen, &mut |kind, detail| {
                    faults.push(fault(kind, detail));
                });
            }
            Err(error) => {
                faults.push(fault(FaultKind::Different, format!("a segment is no JSON: {error}")));
            }
        }
    }
    for (id, count) in &seen {
        if *count > 1 {
            faults.push(fault(FaultKind::Doubled, format!("{id}, {count} times")));
        }
    }
    let missing: BTreeSet<&String> = expected.keys().filter(|id| !seen.contains_key(*id)).collect();
    if let Some(first) = missing.first() {
        let all = expected.len();
        let detail =
            format!("{} of {all} segments and subsegments, such as {first}", missing.len());
        faults.push(fault(FaultKind::Missing, detail));
    }
    faults
}

/// Compares a document and all within it.
fn look_at(
    document: &Json,
    expected: &BTreeMap<String, Expected>,
    seen: &mut BTreeMap<String, usize>,
    fault: &mut dyn FnMut(FaultKind, String),
) {
    let mut left: Vec<(Option<&str>, &Json)> = vec![(None, document)];
    while let Some((enclosing, entity)) = left.pop() {
        // Made by the server for what did not report by itself.
        if entity.get("inferred").and_then(Json::as_bool) == Some(true) {
            continue;
        }
        let id = entity.get("id").and_then(Json::as_str).unwrap_or_default();
        *seen.entry(id.to_owned()).or_default() += 1;
        match expected.get(id) {
            Some(expected) => look_at_one(id, entity, enclosing, expected, fault),
            None => fault(FaultKind::Unexpected, format!("{id:?}")),
        }
        let inner = entity.get("subsegments").and_then(Json::as_array).into_iter().flatten();
        left.extend(inner.map(|inner| (Some(id), inner)));
    }
}

fn look_at_one(
    id: &str,
    entity: &Json,
    enclosing: Option<&str>,
    expected: &Expected,
    fault: &mut dyn FnMut(FaultKind, String),
) {
    let mut differs = |what: &str, sent: &dyn std::fmt::Display, got: Option<&Json>| {
        let got = got.map_or_else(|| "nothing".to_owned(), Json::to_string);
        let short = |text: &str| text.chars().take(MAX_SHOWN).collect::<String>();
        let sent = short(&sent.to_string());
        fault(FaultKind::Different, format!("{id}: {what}: sent {sent}, got {}", short(&got)));
    };
    let name = entity.get("name");
    // X-Ray names AWS services in its own way, whatever the SDK calls them.
    let is_renamed = expected.members.get("namespace").is_some_and(|namespace| namespace == "aws");
    if !is_renamed && name.and_then(Json::as_str) != Some(&expected.name) {
        differs("name", &expected.name, name);
    }
    let is_near = |got: Option<&Json>, sent: f64| {
        got.and_then(Json::as_f64).is_some_and(|got| (got - sent).abs() <= TIME_TOLERANCE)
    };
    let start = entity.get("start_time");
    if !is_near(start, expected.start) {
        differs("start_time", &expected.start, start);
    }
    let end = entity.get("end_time");
    match expected.end {
        Some(sent) if !is_near(end, sent) => differs("end_time", &sent, end),
        None if end.is_some() => differs("end_time", &"none", end),
        _ => {}
    }
    // A subsegment stands within its parent; a segment names it.
    let stated = entity.get("parent_id").and_then(Json::as_str);
    let parent = if expected.is_subsegment { enclosing.or(stated) } else { stated };
    if parent != expected.parent.as_deref() {
        let got = parent.map(Json::from);
        differs("parent", &expected.parent.as_deref().unwrap_or("none"), got.as_ref());
    }
    for (key, sent) in &expected.members {
        let got = entity.get(key);
        if !got.is_some_and(|got| has_all_of(got, sent)) {
            differs(key, sent, got);
        }
    }
}

/// Whether `got` has everything that was sent. Servers add to objects (`resource_names` for one) and
/// write numbers in their own way.
fn has_all_of(got: &Json, sent: &Json) -> bool {
    match (got, sent) {
        (Json::Object(got), Json::Object(sent)) => {
            sent.iter().all(|(key, sent)| got.get(key).is_some_and(|got| has_all_of(got, sent)))
        }
        (Json::Array(got), Json::Array(sent)) => {
            got.len() == sent.len() && got.iter().zip(sent).all(|(got, sent)| has_all_of(got, sent))
        }
        (Json::Number(got), Json::Number(sent)) => got.as_f64() == sent.as_f64(),
        (got, sent) => got == sent,
    }
}

#[cfg(test)]
mod tests {
    use roentgen_load::Corpus;
    use roentgen_model::{Document, Names, Timestamp, TraceId, assemble};
    use serde_json::json;

    use super::super::expected::expected;
    use super::*;

    /// A request of the shop, and the answer of a server that has some of its documents.
    fn answer(is_kept: impl Fn(usize) -> bool) -> (String, BTreeMap<String, Expected>, Json) {
        let corpus = Corpus::shop(2, "").unwrap();
        let end = Timestamp::from_micros(1_795_334_983_000_000);
        let request = (0..100)
            .map(|number| corpus.request(number, end))
            .find(|request| request.documents() > 5 && request.traces() == 1)
            .unwrap();
        let id: TraceId = request.trace_id(0);
        let texts: Vec<Vec<u8>> = (0..request.documents())
            .filter(|document| is_kept(*document))
            .map(|document| {
                let mut text = Vec::new();
                request.write(document, &mut text);
                text
            })
            .collect();
        let documents = texts.iter().map(|text| Document::parse(text).unwrap()).collect();
        let trace = assemble(id, documents, &mut Names::default()).unwrap();
        let segments: Vec<Json> = trace
            .segments()
            .map(|(id, document)| json!({"Id": id.to_string(), "Document": document}))
            .collect();
        let answer = json!({"Traces": [{"Id": id.to_string(), "Segments": segments}]});
        (id.to_string(), expected(&request, 0), answer)
    }

    fn kinds(faults: &[Fault]) -> Vec<FaultKind> {
        faults.iter().map(|fault| fault.kind).collect()
    }

    /// Changes the text of one of the answered documents.
    fn change(answer: &mut Json, change: impl FnOnce(&mut Json)) {
        let text = answer.pointer_mut("/Traces/0/Segments/0/Document").unwrap();
        let mut document: Json = serde_json::from_str(text.as_str().unwrap()).unwrap();
        change(&mut document);
        *text = document.to_string().into();
    }

    #[test]
    fn a_whole_trace_has_no_faults() {
        let (id, expected, answer) = answer(|_| true);
        assert_eq!(compare(&id, &expected, &answer), []);
    }

    #[test]
    fn a_missing_document_is_seen() {
        let (id, expected, answer) = answer(|document| document != 2);
        let faults = compare(&id, &expected, &answer);
        assert_eq!(kinds(&faults), [FaultKind::Missing], "{faults:?}");
    }

    #[test]
    fn a_missing_or_doubled_trace_is_seen() {
        let (id, expected, mut answer) = answer(|_| true);
        let nothing = json!({"Traces": []});
        assert_eq!(kinds(&compare(&id, &expected, &nothing)), [FaultKind::Missing]);
        let trace = answer["Traces"][0].clone();
        answer["Traces"].as_array_mut().unwrap().push(trace);
        assert_eq!(kinds(&compare(&id, &expected, &answer)), [FaultKind::Doubled]);
    }

    #[test]
    fn a_doubled_segment_is_seen() {
        let (id, expected, mut answer) = answer(|_| true);
        let segment = answer["Traces"][0]["Segments"][0].clone();
        let inner = segment["Document"].as_str().unwrap().matches("\"id\":\"").count();
        answer["Traces"][0]["Segments"].as_array_mut().unwrap().push(segment);
        let faults = compare(&id, &expected, &answer);
        assert!(faults.iter().all(|fault| fault.kind == FaultKind::Doubled), "{faults:?}");
        assert!((1..=inner).contains(&faults.len()), "{faults:?}");
    }

    #[test]
    fn what_was_never_sent_is_seen() {
        let (id, expected, mut answer) = answer(|_| true);
        change(&mut answer, |document| {
            let other =
                json!({"id": "00000000000000aa", "name": "x", "start_time": 1, "end_time": 2});
            match document.get_mut("subsegments").and_then(Json::as_array_mut) {
                Some(inner) => inner.push(other),
                None => document["subsegments"] = json!([other]),
            }
        });
        assert_eq!(kinds(&compare(&id, &expected, &answer)), [FaultKind::Unexpected]);
    }

    #[test]
    fn any_change_is_seen() {
        let check = |what: &str, changed: fn(&mut Json)| {
            let (id, expected, mut answer) = answer(|_| true);
            change(&mut answer, changed);
            let faults = compare(&id, &expected, &answer);
            assert_eq!(kinds(&faults), [FaultKind::Different], "{what}: {faults:?}");
            assert!(faults[0].detail.contains(what), "{faults:?}");
        };
        check("name", |document| document["name"] = "other".into());
        check("start_time", |document| {
            document["start_time"] = (document["start_time"].as_f64().unwrap() + 2e-6).into();
        });
        check("end_time", |document| document["end_time"] = Json::Null);
        check("parent", |document| document["parent_id"] = "00000000000000aa".into());
        check("http", |document| document["http"]["response"]["status"] = 299.into());
        check("aws", |document| document["aws"] = json!({}));
        check("origin", |document| {
            document.as_object_mut().unwrap().remove("origin");
        });
    }
}
