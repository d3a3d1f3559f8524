//! What a trace must have: its documents made again, and taken apart into segments and subsegments.

use std::collections::BTreeMap;

use roentgen_load::Request;
use serde_json::{Map, Value as Json};

/// A segment or subsegment as it must be answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expected {
    pub(super) name: String,
    /// The (sub)segment it hangs on, as sent.
    pub(super) parent: Option<String>,
    pub(super) is_subsegment: bool,
    pub(super) start: f64,
    pub(super) end: Option<f64>,
    /// All other members.
    pub(super) members: Map<String, Json>,
}

/// Members that say where a document stands; the answer says it by where it puts it.
const PLACING: [&str; 9] = [
    "id",
    "name",
    "type",
    "trace_id",
    "parent_id",
    "start_time",
    "end_time",
    "in_progress",
    "subsegments",
];

/// Everything of one trace of a request, by id.
pub(super) fn expected(request: &Request<'_>, trace: usize) -> BTreeMap<String, Expected> {
    let mut all = BTreeMap::new();
    let mut text = Vec::new();
    for document in 0..request.documents() {
        if request.trace_of(document) != trace {
            continue;
        }
        text.clear();
        request.write(document, &mut text);
        // What this process wrote is JSON; a test parses all of it.
        if let Ok(Json::Object(members)) = serde_json::from_slice(&text) {
            take(members, &mut all);
        }
    }
    all
}

/// Takes a document apart. Documents nest only as deep as they were drafted, but a list of what is
/// left needs no recursion.
fn take(document: Map<String, Json>, all: &mut BTreeMap<String, Expected>) {
    let mut left: Vec<(Option<String>, Map<String, Json>)> = vec![(None, document)];
    while let Some((enclosing, mut members)) = left.pop() {
        let text = |key: &str| members.get(key).and_then(Json::as_str).map(str::to_owned);
        let time = |key: &str| members.get(key).and_then(Json::as_f64);
        let Some(id) = text("id") else { continue };
        let is_subsegment = enclosing.is_some() || text("type").as_deref() == Some("subsegment");
        let expected = Expected {
            name: text("name").unwrap_or_default(),
            parent: enclosing.or_else(|| text("parent_id")),
            is_subsegment,
            start: time("start_time").unwrap_or_default(),
            end: time("end_time"),
            members: Map::new(),
        };
        if let Some(Json::Array(inner)) = members.remove("subsegments") {
            left.extend(inner.into_iter().filter_map(|inner| match inner {
                Json::Object(inner) => Some((Some(id.clone()), inner)),
                _ => None,
            }));
        }
        members.retain(|key, _| !PLACING.contains(&key.as_str()));
        let expected = Expected { members, ..expected };
        // A finished version replaces the one in progress, whichever comes first.
        match all.get(&id) {
            Some(known) if known.end.is_some() && expected.end.is_none() => {}
            _ => {
                all.insert(id, expected);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use roentgen_load::{Corpus, Fleet, Shares};
    use roentgen_model::Timestamp;

    use super::*;

    #[test]
    fn every_segment_and_subsegment_is_expected_once_and_finished() {
        let shares = Shares { in_progress: 0.3, streamed: 0.2, ..Shares::default() };
        let corpus = Corpus::fleet(5, "", &Fleet { shares, ..Fleet::default() }).unwrap();
        let end = Timestamp::from_micros(1_795_334_983_000_000);
        let (mut streamed, mut announced) = (0, 0);
        for number in 0..200 {
            let request = corpus.request(number, end);
            let mut text = Vec::new();
            (0..request.documents()).for_each(|document| request.write(document, &mut text));
            let text = String::from_utf8(text).unwrap();
            streamed += text.matches("\"subsegment\"").count();
            announced += text.matches("\"in_progress\": true").count();
            for trace in 0..request.traces() {
                let expected = expected(&request, trace);
                assert!(expected.values().all(|each| each.end.is_some()));
                for each in expected.values() {
                    let parent = each.parent.as_ref();
                    assert!(parent.is_none_or(|parent| expected.contains_key(parent)), "{each:?}");
                    assert!(each.parent.is_some() || !each.is_subsegment);
                }
            }
        }
        assert!(streamed > 0 && announced > 0, "{streamed} {announced}");
    }
}
