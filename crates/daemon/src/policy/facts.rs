//! What the rules need to know of a document, read without reading the rest of it.
//!
//! The document is gone through once, in a loop, with a note of bounded size on where in it we are.
//! Nothing is built, and what is not needed is not checked.

use std::borrow::Cow;

use memchr::memchr2;

/// What a document tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    pub(super) trace_id: Option<Cow<'a, str>>,
    /// Of the request that the segment is about.
    pub(super) url: Option<Cow<'a, str>>,
    pub(super) is_subsegment: bool,
    /// Whether it, or a subsegment in it, tells an error, a fault or a throttle.
    pub(super) tells_trouble: bool,
}

/// Levels that are told apart; what is deeper says nothing to us. Enough for 30 subsegments in one
/// another.
const MOST_LEVELS: usize = 64;

/// An object or array that we are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The segment, or the subsegment that was sent on its own.
    Document,
    Http,
    Request,
    /// The list of subsegments of one of these or those.
    Subsegments,
    Subsegment,
    OtherObject,
    OtherArray,
}

/// A member that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    TraceId,
    Type,
    Http,
    Request,
    Url,
    Trouble,
    Subsegments,
    Other,
}

/// Where in the document we are.
#[derive(Debug)]
struct Reader<'a> {
    rest: &'a [u8],
    places: [Place; MOST_LEVELS],
    /// Of the places, those that we are in.
    levels: usize,
    /// Further levels, which we only count.
    deeper: usize,
    /// The member whose value comes next; `None` where a name comes, or in an array.
    name: Option<Name>,
    facts: Facts<'a>,
}

impl<'a> Facts<'a> {
    /// What this document tells; `None` when it is no JSON object, as far as it was read.
    pub(super) fn of(document: &'a [u8]) -> Option<Self> {
        let rest = document.trim_ascii_start().strip_prefix(b"{")?;
        let mut reader = Reader {
            rest,
            places: [Place::Document; MOST_LEVELS],
            levels: 1,
            deeper: 0,
            name: None,
            facts: Facts::default(),
        };
        while reader.levels > 0 {
            reader.step()?;
        }
        Some(reader.facts)
    }
}

impl<'a> Reader<'a> {
    /// Goes on by one bracket, string, literal or comma.
    fn step(&mut self) -> Option<()> {
        let (byte, behind) = self.rest.split_first()?;
        self.rest = behind;
        match byte {
            b'"' => self.string()?,
            b'{' | b'[' => self.enter(*byte == b'{'),
            b'}' | b']' => self.leave(),
            b',' => self.name = None,
            b't' if self.name == Some(Name::Trouble) && self.deeper == 0 => {
                self.facts.tells_trouble |= behind.starts_with(b"rue");
            }
            // Numbers, other literals, colons and white space.
            _ => {}
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let (text, is_escaped) = self.text()?;
        if self.deeper > 0 {
            return Some(());
        }
        let place = self.place();
        match self.name {
            None if is_object(place) => self.name = Some(name_of(place, text)),
            Some(Name::TraceId) => self.facts.trace_id = Some(unescaped(text, is_escaped)?),
            Some(Name::Url) => self.facts.url = Some(unescaped(text, is_escaped)?),
            Some(Name::Type) => self.facts.is_subsegment = text == b"subsegment",
            _ => {}
        }
        Some(())
    }

    /// What is between the quotes of the string that has begun, and whether there are escapes.
    fn text(&mut self) -> Option<(&'a [u8], bool)> {
        let (mut at, mut is_escaped) = (0, false);
        loop {
            at += memchr2(b'"', b'\\', self.rest.get(at..)?)?;
            let (text, from) = self.rest.split_at_checked(at)?;
            if let [b'"', behind @ ..] = from {
                self.rest = behind;
                return Some((text, is_escaped));
            }
            is_escaped = true;
            at += 2;
        }
    }

    fn enter(&mut self, is_object: bool) {
        let place = match (self.place(), self.name, is_object) {
            (Place::Document, Some(Name::Http), true) => Place::Http,
            (Place::Http, Some(Name::Request), true) => Place::Request,
            (Place::Document | Place::Subsegment, Some(Name::Subsegments), false) => {
                Place::Subsegments
            }
            (Place::Subsegments, _, true) => Place::Subsegment,
            (_, _, true) => Place::OtherObject,
            (_, _, false) => Place::OtherArray,
        };
        match self.places.get_mut(self.levels) {
            Some(level) if self.deeper == 0 => {
                *level = place;
                self.levels += 1;
            }
            _ => self.deeper += 1,
        }
        self.name = None;
    }

    fn leave(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.levels -= 1;
        }
        // The value is over, so a comma or another bracket comes; a string would be no name.
        self.name = Some(Name::Other);
    }

    fn place(&self) -> Place {
        let top = self.levels.checked_sub(1).and_then(|top| self.places.get(top));
        top.copied().unwrap_or(Place::OtherArray)
    }
}

fn is_object(place: Place) -> bool {
    !matches!(place, Place::Subsegments | Place::OtherArray)
}

/// The member with this name, where it means something.
fn name_of(place: Place, name: &[u8]) -> Name {
    match (place, name) {
        (Place::Document, b"trace_id") => Name::TraceId,
        (Place::Document, b"type") => Name::Type,
        (Place::Document, b"http") => Name::Http,
        (Place::Http, b"request") => Name::Request,
        (Place::Request, b"url") => Name::Url,
        (Place::Document | Place::Subsegment, b"error" | b"fault" | b"throttle") => Name::Trouble,
        (Place::Document | Place::Subsegment, b"subsegments") => Name::Subsegments,
        _ => Name::Other,
    }
}

fn unescaped(text: &[u8], is_escaped: bool) -> Option<Cow<'_, str>> {
    if is_escaped {
        let quoted = [b"\"", text, b"\""].concat();
        return Some(Cow::Owned(serde_json::from_slice(&quoted).ok()?));
    }
    str::from_utf8(text).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The same from a document that was read as a whole.
    fn facts_of(document: &Value) -> Facts<'_> {
        fn tells_trouble(segment: &Value) -> bool {
            let flags = ["error", "fault", "throttle"];
            let within = segment["subsegments"].as_array();
            flags.iter().any(|flag| segment[flag] == true)
                || within.is_some_and(|within| within.iter().any(tells_trouble))
        }
        let text = |value: &'_ Value| value.as_str().map(|text| Cow::Owned(text.to_owned()));
        Facts {
            trace_id: text(&document["trace_id"]),
            url: text(&document["http"]["request"]["url"]),
            is_subsegment: document["type"] == "subsegment",
            tells_trouble: tells_trouble(document),
        }
    }

    #[test]
    fn documents_are_read_as_far_as_needed() {
        let check = |document: &str| {
            let whole: Value = serde_json::from_str(document).unwrap();
            assert_eq!(Facts::of(document.as_bytes()), Some(facts_of(&whole)), "{document}");
        };
        check("{}");
        check(r#" { "trace_id" : "a" , "error" : true } "#);
        check(r#"{"a":["trace_id","x",{"fault":true}],"trace_id":"a\"b"}"#);
        check(r#"{"http":{"request":{"url":"http:\/\/x\/y"}},"type":"subsegment"}"#);
        check(r#"{"http":[{"request":{"url":"x"}}],"type":["subsegment"]}"#);
        check(r#"{"http":{"a":{"request":{"url":"x"}}},"b":{"http":{"request":{"url":"x"}}}}"#);
        check(r#"{"subsegments":[{"a":{"fault":true}},{"fault":"true"},[{"fault":true}]]}"#);
        check(r#"{"subsegments":[{"subsegments":[{},{"throttle":true}]}]}"#);
        check(r#"{"a":"fault","fault":"x","b":true,"error":[true],"throttle":{"c":true}}"#);
        check(r#"{"http":{"request":{"method":"url","url":"u"},"response":{"url":"v"}}}"#);
    }

    #[test]
    fn what_is_no_object_tells_nothing() {
        for document in ["", "x", "[1,2]", "{", "{\"a", "{\"trace_id\":\"a\"", "\"", "{\"a\\"] {
            assert_eq!(Facts::of(document.as_bytes()), None, "{document}");
        }
        assert_eq!(Facts::of(b"{\"trace_id\":\"\xff\"}"), None);
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = |levels: usize| {
            let (open, close) = (r#"{"subsegments":["#.repeat(levels), "]}".repeat(levels));
            format!(r#"{open}{{"fault":true}}{close}"#).into_bytes()
        };
        assert!(Facts::of(&deep(30)).unwrap().tells_trouble);
        assert!(!Facts::of(&deep(1_000)).unwrap().tells_trouble);
        assert_eq!(Facts::of(&vec![b'['; 60_000]), None);
        let after =
            [br#"{"a":"#, &b"[".repeat(9_000)[..], &b"]".repeat(9_000), br#","fault":true}"#];
        assert!(Facts::of(&after.concat()).unwrap().tells_trouble);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let names =
            "trace_id|type|http|request|url|error|fault|throttle|subsegments|[a\"\\\\é]{0,3}";
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "subsegment|true|[\\PC\"\\\\]{0,6}".prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(8, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(names, inner, 0..6)
                    .prop_map(|members| Value::from(serde_json::Map::from_iter(members))),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_quick_reader_agrees_with_the_slow_one(value in any_value(), url in any_value()) {
            let document = json!({"a": value, "http": {"request": url}, "subsegments": [value], "b": url});
            let text = document.to_string();
            prop_assert_eq!(Facts::of(text.as_bytes()), Some(facts_of(&document)));
            let pretty = serde_json::to_string_pretty(&document).unwrap();
            prop_assert_eq!(Facts::of(pretty.as_bytes()), Some(facts_of(&document)));
        }

        #[test]
        fn any_bytes_are_harmless(bytes: Vec<u8>, text in "[{}\\[\\]\",:tru\\\\a]{0,60}") {
            let _ = Facts::of(&bytes);
            let _ = Facts::of(format!("{{{text}").as_bytes());
        }
    }
}
