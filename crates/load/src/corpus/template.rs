//! Documents prepared once: text with places where ids, times and a few numbers are written over.
//!
//! What differs from one request to the next is found in the text itself, by its form:
//!
//! - a string that is a trace id, an id of 16 hexadecimal digits, or a UUID;
//! - a number that is the value of `start_time` or `end_time`;
//! - six decimal digits, as a number or as a word within a string (but not in a `name`).
//!
//! Equal texts within one request are one value and stay equal, so parents, links and causes keep
//! leading to what they name.

use std::collections::HashMap;

use roentgen_model::Timestamp;

use super::spelling::{MICROSECONDS_WIDTH, MILLISECONDS_WIDTH, SCIENTIFIC_WIDTH};

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The id of one of the request's traces.
    Trace(u32),
    /// An id of 16 hexadecimal digits.
    Id(u32),
    /// A UUID.
    Uuid(u32),
    /// Six decimal digits.
    Digits(u32),
    /// A time, so many microseconds after the request began.
    Time { offset: i64, style: TimeStyle },
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeStyle {
    Microseconds,
    Milliseconds,
    Scientific,
}

/// A value and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) value: Value,
}

/// A text and its places, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Template {
    pub(super) text: Vec<u8>,
    pub(super) places: Vec<Place>,
}

/// The values of one request, numbered in the order in which they are met.
#[derive(Debug)]
pub(super) struct Registry<'a> {
    /// When the request began, microseconds.
    begin: i64,
    /// What is added to the names of segments.
    name_suffix: &'a str,
    traces: HashMap<String, u32>,
    ids: HashMap<String, u32>,
    uuids: HashMap<String, u32>,
    digits: HashMap<String, u32>,
}

impl<'a> Registry<'a> {
    pub(super) fn new(begin: i64, name_suffix: &'a str) -> Self {
        Self {
            begin,
            name_suffix,
            traces: HashMap::new(),
            ids: HashMap::new(),
            uuids: HashMap::new(),
            digits: HashMap::new(),
        }
    }

    /// The number of a trace by its id in the drafts.
    pub(super) fn trace(&mut self, id: &str) -> u32 {
        number_of(&mut self.traces, id)
    }

    /// Prepares a document, which is JSON.
    pub(super) fn template(&mut self, document: &str, is_segment: bool) -> Template {
        let scan = Scan {
            style: style_of(document),
            renames: is_segment && !self.name_suffix.is_empty(),
            registry: self,
            rest: document,
            key: "",
            depth: 0,
            template: Template::default(),
        };
        scan.run()
    }
}

impl Template {
    /// The same within a JSON string, without its quotes.
    pub(super) fn escaped(&self) -> Self {
        let mut text = Vec::with_capacity(self.text.len() + self.text.len() / 8);
        let mut places = Vec::with_capacity(self.places.len());
        let mut next = self.places.iter().peekable();
        for (at, byte) in self.text.iter().enumerate() {
            while let Some(place) = next.next_if(|place| place.at == at) {
                places.push(Place { at: text.len(), value: place.value });
            }
            match byte {
                b'"' | b'\\' => text.extend([b'\\', *byte]),
                // JSON text has no control characters within strings, and drafts none without.
                _ => text.push(*byte),
            }
        }
        Self { text, places }
    }
}

/// One pass over a document.
struct Scan<'a, 'b> {
    registry: &'b mut Registry<'a>,
    style: TimeStyle,
    /// Whether the name of the outermost object is one to which the suffix belongs.
    renames: bool,
    rest: &'b str,
    /// The last key that was read.
    key: &'b str,
    depth: usize,
    template: Template,
}

impl<'b> Scan<'_, 'b> {
    fn run(mut self) -> Template {
        while let Some(first) = self.rest.chars().next() {
            match first {
                '"' => self.string(),
                '0'..='9' | '-' => self.number(),
                _ => {
                    match first {
                        '{' | '[' => self.depth += 1,
                        '}' | ']' => self.depth -= 1,
                        _ => {}
                    }
                    self.copy(first.len_utf8());
                }
            }
        }
        self.template
    }

    fn string(&mut self) {
        let length = string_length(self.rest);
        let (token, after) = self.rest.split_at(length);
        let content = token.get(1..length.saturating_sub(1)).unwrap_or_default();
        if after.trim_start().starts_with(':') {
            self.key = content;
            self.copy(length);
            return;
        }
        self.copy(1);
        if is_trace_id(content) {
            let value = Value::Trace(self.registry.trace(content));
            self.place(content.len(), value);
        } else if is_hex(content, 16) {
            let value = Value::Id(number_of(&mut self.registry.ids, content));
            self.place(content.len(), value);
        } else if is_uuid(content) {
            let value = Value::Uuid(number_of(&mut self.registry.uuids, content));
            self.place(content.len(), value);
        } else if self.key == "name" {
            self.copy(content.len());
            if self.renames && self.depth == 1 {
                self.template.text.extend_from_slice(self.registry.name_suffix.as_bytes());
            }
        } else {
            self.digits_within(content);
        }
        // The closing quote; an unfinished string cannot be, for the document was parsed.
        self.copy(1);
    }

    /// A string's content, with its words of exactly six digits as places.
    fn digits_within(&mut self, content: &str) {
        let mut rest = content;
        while !rest.is_empty() {
            let other = rest.find(char::is_alphanumeric).unwrap_or(rest.len());
            self.copy(other);
            rest = rest.get(other..).unwrap_or_default();
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            self.word(word);
            rest = after;
        }
    }

    fn word(&mut self, word: &str) {
        let is_number = word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && !word.starts_with('0') {
            let value = Value::Digits(number_of(&mut self.registry.digits, word));
            self.place(word.len(), value);
        } else {
            self.copy(word.len());
        }
    }

    fn number(&mut self) {
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let length = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let token = self.rest.get(..length).unwrap_or_default();
        let is_time = self.key == "start_time" || self.key == "end_time";
        match token.parse().ok().and_then(Timestamp::from_seconds) {
            Some(time) if is_time => {
                let offset = time.as_micros() - self.registry.begin;
                let value = Value::Time { offset, style: self.style };
                let at = self.template.text.len();
                self.template.places.push(Place { at, value });
                self.template.text.resize(at + self.style.width(), b'0');
                self.skip(length);
            }
            _ => self.word(token),
        }
    }

    fn place(&mut self, length: usize, value: Value) {
        self.template.places.push(Place { at: self.template.text.len(), value });
        self.copy(length);
    }

    fn copy(&mut self, length: usize) {
        let copied = self.rest.get(..length).unwrap_or_default();
        self.template.text.extend_from_slice(copied.as_bytes());
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }
}

impl TimeStyle {
    fn width(self) -> usize {
        match self {
            Self::Microseconds => MICROSECONDS_WIDTH,
            Self::Milliseconds => MILLISECONDS_WIDTH,
            Self::Scientific => SCIENTIFIC_WIDTH,
        }
    }

    /// How far a written time may lie before the real one, microseconds.
    pub(super) fn grain(self) -> i64 {
        match self {
            Self::Microseconds => 1,
            Self::Milliseconds | Self::Scientific => 1_000,
        }
    }
}

/// The manner of a document's times, told by the most exact of them.
fn style_of(document: &str) -> TimeStyle {
    let times = document
        .split("_time\":")
        .skip(1)
        .filter_map(|after| after.trim_start().split([',', '}']).next());
    let mut style = TimeStyle::Milliseconds;
    for time in times {
        if time.contains('E') {
            return TimeStyle::Scientific;
        }
        let decimals = time.split_once('.').map_or(0, |(_, decimals)| decimals.trim_end().len());
        if decimals > 3 {
            style = TimeStyle::Microseconds;
        }
    }
    style
}

fn number_of(known: &mut HashMap<String, u32>, text: &str) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(text.to_owned()).or_insert(next)
}

/// Bytes of the string that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == digits && text.bytes().all(is_digit)
}

fn is_trace_id(text: &str) -> bool {
    let mut parts = text.split('-');
    let parts = (parts.next(), parts.next(), parts.next(), parts.next());
    matches!(parts, (Some("1"), Some(epoch), Some(unique), None)
        if is_hex(epoch, 8) && is_hex(unique, 24))
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    text.len() == 36
        && text.split('-').count() == lengths.len()
        && text.split('-').zip(lengths).all(|(part, digits)| is_hex(part, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: i64 = 1_700_000_000_000_000;

    fn places(document: &str) -> Vec<Value> {
        let mut registry = Registry::new(BEGIN, "");
        let template = registry.template(document, true);
        template.places.iter().map(|place| place.value).collect()
    }

    #[test]
    fn finds_what_differs_by_its_form() {
        let check = |document: &str, expect: &[Value]| {
            assert_eq!(places(document), expect, "{document}");
        };
        check(r#"{"id":"53995c3f42cd8ad8"}"#, &[Value::Id(0)]);
        check(r#"{"id": "53995c3f42cd8ad8","parent_id" : "53995c3f42cd8ad8"}"#, &[Value::Id(0); 2]);
        check(
            r#"{"id":"53995c3f42cd8ad8","cause":"63995c3f42cd8ad8"}"#,
            &[Value::Id(0), Value::Id(1)],
        );
        check(r#"{"53995c3f42cd8ad8":"53995C3F42CD8AD8"}"#, &[]);
        check(r#"{"trace_id":"1-581cf771-a006649127e371903a2de979"}"#, &[Value::Trace(0)]);
        check(r#"{"x":"1-581cf771-a006649127e371903a2de97"}"#, &[]);
        check(r#"{"x":["2f0b1c9e-6f0a-4f52-9d8e-0c5a7e1b2d3f"]}"#, &[Value::Uuid(0)]);
        check(r#"{"url":"/a/481516/b?c=2342","user":"u-481516"}"#, &[Value::Digits(0); 2]);
        check(
            r#"{"n":481516,"account":"123456789012","x":0.481516,"y":-481516}"#,
            &[Value::Digits(0)],
        );
        check(r#"{"name":"job-481516","x":"012345","y":"i-0a481516b","z":"4815162"}"#, &[]);
        check(
            r#"{"quoted":"a \"481516\" b","after":"623423"}"#,
            &[Value::Digits(0), Value::Digits(1)],
        );
    }

    #[test]
    fn times_keep_the_manner_of_their_document() {
        let check = |document: &str, offsets: &[i64], style: TimeStyle| {
            let times: Vec<Value> =
                offsets.iter().map(|&offset| Value::Time { offset, style }).collect();
            assert_eq!(places(document), times, "{document}");
        };
        check(
            r#"{"start_time":1700000000.25,"end_time":1700000001.000001}"#,
            &[250_000, 1_000_001],
            TimeStyle::Microseconds,
        );
        check(
            r#"{"start_time": 1700000000.25, "end_time": 1700000001}"#,
            &[250_000, 1_000_000],
            TimeStyle::Milliseconds,
        );
        check(
            r#"{"start_time":1.70000000025E9,"end_time":1.7E9}"#,
            &[250_000, 0],
            TimeStyle::Scientific,
        );
    }

    #[test]
    fn the_suffix_goes_to_segments_only() {
        let check = |document: &str, is_segment: bool, expect: &str| {
            let template = Registry::new(BEGIN, "-x").template(document, is_segment);
            assert_eq!(String::from_utf8(template.text).unwrap(), expect);
        };
        check(
            r#"{"name":"a","subsegments":[{"name":"b"}]}"#,
            true,
            r#"{"name":"a-x","subsegments":[{"name":"b"}]}"#,
        );
        check(r#"{"name":"a"}"#, false, r#"{"name":"a"}"#);
    }

    #[test]
    fn escaping_keeps_the_places() {
        let document = r#"{"a\\\"b":"ö","id":"53995c3f42cd8ad8"}"#;
        let template = Registry::new(BEGIN, "").template(document, true);
        let escaped = template.escaped();
        let text = format!("\"{}\"", String::from_utf8(escaped.text.clone()).unwrap());
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), document);
        let place = escaped.places[0];
        assert_eq!(place.value, Value::Id(0));
        assert_eq!(&escaped.text[place.at..place.at + 16], b"53995c3f42cd8ad8");
    }
}
