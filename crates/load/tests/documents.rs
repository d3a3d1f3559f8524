//! Every document of the shop against the rules of segment documents, over thousands of requests.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic, outside its own function as well"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use roentgen_load::{Shop, TimedDocument};
use roentgen_model::{Document, MAX_DOCUMENT_BYTES, Timestamp};
use serde_json::Value;

const START_MICROS: i64 = 1_795_334_983_250_111;
const REQUESTS: i64 = 3_000;

/// The documents of each request.
static TRAFFIC: LazyLock<Vec<Vec<TimedDocument>>> = LazyLock::new(traffic);
static TRACES: LazyLock<BTreeMap<String, Trace>> = LazyLock::new(|| traces(&TRAFFIC));

/// A segment or subsegment wherever it stood.
#[derive(Clone, Debug)]
struct Entity {
    json: Value,
    is_segment: bool,
    parent_id: Option<String>,
    start: i64,
    end: i64,
}

/// All entities of one trace by id, and what refers to them.
#[derive(Debug, Default)]
struct Trace {
    entities: BTreeMap<String, Entity>,
    exceptions: BTreeSet<String>,
    announced: BTreeMap<String, Value>,
}

fn traffic() -> Vec<Vec<TimedDocument>> {
    let mut shop = Shop::new(4);
    let time = |number: i64| Timestamp::from_micros(START_MICROS + number * 150_000);
    (0..REQUESTS).map(|number| shop.request(time(number))).collect()
}

fn micros(value: &Value) -> i64 {
    Timestamp::from_seconds(value.as_f64().unwrap()).unwrap().as_micros()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is not a text in {value}"))
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn origin(value: &Value) -> &str {
    value.get("origin").and_then(Value::as_str).unwrap_or("")
}

fn assert_hex(id: &str, digits: usize) {
    let is_hex = id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hex, "{id} is not {digits} hexadecimal digits");
}

fn assert_trace_id(id: &str) {
    let parts: Vec<&str> = id.split('-').collect();
    assert_eq!((parts.len(), parts[0]), (3, "1"), "{id}");
    assert_hex(parts[1], 8);
    assert_hex(parts[2], 24);
}

/// Members that may not be longer than 250 characters (the published schema).
fn assert_short_texts(value: &Value) {
    for pointer in [
        "/http/request/url",
        "/http/request/user_agent",
        "/http/request/client_ip",
        "/http/request/method",
        "/user",
        "/sql/url",
        "/sql/user",
    ] {
        if let Some(member) = value.pointer(pointer) {
            assert!(member.as_str().unwrap().chars().count() <= 250, "{pointer} in {value}");
        }
    }
}

fn assert_annotations(value: &Value) {
    let Some(annotations) = value.get("annotations") else { return };
    let annotations = annotations.as_object().unwrap();
    assert!(!annotations.is_empty() && annotations.len() <= 50);
    for (key, value) in annotations {
        assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{key}");
        assert!(value.is_string() || value.is_number() || value.is_boolean(), "{key} is {value}");
    }
}

fn assert_flags_follow_status(value: &Value) {
    let Some(status) = value.pointer("/http/response/status").and_then(Value::as_u64) else {
        return;
    };
    // The Lambda service answers well whatever becomes of the function, and AWS clients set flags
    // for exceptions.
    if origin(value) == "AWS::Lambda" || value["namespace"] == "aws" {
        return;
    }
    let flag = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
    assert_eq!(flag("error"), (400..500).contains(&status), "{value}");
    assert_eq!(flag("throttle"), status == 429, "{value}");
    assert_eq!(flag("fault"), status >= 500, "{value}");
}

impl Trace {
    fn take(&mut self, value: &Value, enclosing: Option<&str>, is_segment: bool) {
        let id = text(value, "id");
        assert_hex(id, 16);
        let name = text(value, "name");
        let is_allowed = |c: char| c.is_alphanumeric() || " _.:/%&#=+\\-@".contains(c);
        assert!(!name.is_empty() && name.len() <= 200 && name.chars().all(is_allowed), "{name}");
        let start = micros(&value["start_time"]);
        let is_open = value.get("in_progress").and_then(Value::as_bool) == Some(true);
        assert_ne!(is_open, value.get("end_time").is_some(), "{value}");
        assert_short_texts(value);
        assert_annotations(value);
        assert_flags_follow_status(value);
        let stated_parent = value.get("parent_id").map(|parent| parent.as_str().unwrap());
        if let (Some(stated), Some(enclosing)) = (stated_parent, enclosing) {
            assert_eq!(stated, enclosing, "{value}");
        }
        if is_open {
            assert!(is_segment, "only segments are announced");
            assert!(self.announced.insert(id.to_owned(), value.clone()).is_none());
            return;
        }
        for exception in list(value, "/cause/exceptions") {
            let id = text(exception, "id");
            assert_hex(id, 16);
            assert!(!text(exception, "type").is_empty() && !text(exception, "message").is_empty());
            assert!(exception["remote"].is_boolean() && !list(exception, "/stack").is_empty());
            assert!(self.exceptions.insert(id.to_owned()), "exception {id} twice");
        }
        let entity = Entity {
            json: value.clone(),
            is_segment,
            parent_id: enclosing.or(stated_parent).map(str::to_owned),
            start,
            end: micros(&value["end_time"]),
        };
        assert!(entity.start <= entity.end, "{value}");
        assert!(self.entities.insert(id.to_owned(), entity).is_none(), "{id} twice");
        for inner in list(value, "/subsegments") {
            self.take(inner, Some(id), false);
        }
    }

    fn check(&self) {
        for (id, announced) in &self.announced {
            let finished = &self.entities[id];
            assert_eq!(announced["start_time"], finished.json["start_time"]);
            assert_eq!(announced["name"], finished.json["name"]);
        }
        for entity in self.entities.values() {
            self.check_place(entity);
            self.check_references(entity);
        }
        let roots = self.entities.values().filter(|entity| entity.parent_id.is_none());
        let roots: Vec<&Entity> = roots.collect();
        assert_eq!(roots.len(), 1);
        // The id tells the second in which the trace began.
        let epoch = text(&roots[0].json, "trace_id")[2..10].to_owned();
        assert_eq!(i64::from_str_radix(&epoch, 16).unwrap(), roots[0].start / 1_000_000);
    }

    /// Parents exist, and last at least as long unless the call is not waited for.
    fn check_place(&self, entity: &Entity) {
        let Some(parent_id) = &entity.parent_id else {
            assert!(entity.is_segment);
            return;
        };
        let parent = &self.entities[parent_id];
        assert!(parent.start <= entity.start, "{entity:?} in {parent:?}");
        let is_waited_for = origin(&entity.json) != "AWS::Lambda";
        assert!(!is_waited_for || entity.end <= parent.end, "{entity:?} in {parent:?}");
        if entity.is_segment && origin(&entity.json) != "AWS::Lambda::Function" {
            assert!(!parent.is_segment, "a callee hangs on the caller's subsegment");
        }
    }

    fn check_references(&self, entity: &Entity) {
        match entity.json.get("cause") {
            Some(Value::String(id)) => assert!(self.exceptions.contains(id), "{entity:?}"),
            // Node refers to the subsegment that has the exception.
            Some(Value::Object(object)) if object.contains_key("id") => {
                let at = &self.entities[object["id"].as_str().unwrap()];
                assert!(!list(&at.json, "/cause/exceptions").is_empty());
            }
            _ => {}
        }
        for exception in list(&entity.json, "/cause/exceptions") {
            if let Some(cause) = exception.get("cause").and_then(Value::as_str) {
                assert!(self.exceptions.contains(cause), "{entity:?}");
            }
        }
    }
}

/// Takes all documents and checks each alone; gives the traces.
fn traces(traffic: &[Vec<TimedDocument>]) -> BTreeMap<String, Trace> {
    let mut traces: BTreeMap<String, Trace> = BTreeMap::new();
    for document in traffic.iter().flatten() {
        assert!(document.json.len() <= MAX_DOCUMENT_BYTES, "{} bytes", document.json.len());
        assert!(!document.json.contains('\n'));
        let value: Value = serde_json::from_str(&document.json).unwrap();
        let trace_id = text(&value, "trace_id");
        assert_trace_id(trace_id);
        let is_segment = value.get("type").is_none();
        if !is_segment {
            assert_eq!(value["type"], "subsegment");
            assert!(value.get("parent_id").is_some());
        }
        // Sent when it ends, or begins; streamed ones may have waited for others.
        let time = micros(value.get("end_time").unwrap_or(&value["start_time"]));
        assert!(document.at.as_micros() >= time, "{document:?}");
        traces.entry(trace_id.to_owned()).or_default().take(&value, None, is_segment);
    }
    traces
}

#[test]
fn every_document_keeps_the_rules() {
    for documents in TRAFFIC.iter() {
        assert!(documents.is_sorted_by_key(|document| document.at));
    }
    TRACES.values().for_each(Trace::check);
    // One trace per request, and one more for each order shipped.
    let shipped = TRACES.len() - TRAFFIC.len();
    assert!((75..=200).contains(&shipped), "{shipped}");
}

#[test]
fn the_parser_of_the_server_takes_every_document() {
    for document in TRAFFIC.iter().flatten() {
        let parsed = Document::parse(document.json.as_bytes());
        assert!(parsed.is_ok(), "{:?}: {}", parsed.err(), document.json);
    }
}

#[test]
fn links_lead_to_the_message_that_was_sent() {
    let mut links = 0;
    for entity in TRACES.values().flat_map(|trace| trace.entities.values()) {
        for link in list(&entity.json, "/links") {
            let sent = &TRACES[text(link, "trace_id")].entities[text(link, "id")];
            assert_eq!(sent.json["aws"]["operation"], "SendMessage");
            assert!(sent.end < entity.start);
            links += 1;
        }
    }
    assert!(links > 75, "{links}");
}

#[test]
fn same_seed_same_documents() {
    let some = |seed: u64| {
        let mut shop = Shop::new(seed);
        let at = Timestamp::from_micros(START_MICROS);
        (0..50).flat_map(|_| shop.request(at)).collect::<Vec<TimedDocument>>()
    };
    assert_eq!(some(11), some(11));
    assert_ne!(some(11), some(12));
}
