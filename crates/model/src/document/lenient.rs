//! Reading JSON members one by one, forgivingly: a value of another type is no value.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One member of a JSON object, read as far as telling it from the others.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// Members up to which a repeated key is looked for by comparing, which then is cheaper than
/// hashing.
const FEW_MEMBERS: usize = 32;

/// Calls `member` with each member of a JSON object, in order, repeated ones too. Not at all when
/// the value is no object.
pub(super) fn for_each_member<'a>(raw: &'a RawValue, member: impl FnMut(&[u8], &'a RawValue)) {
    if raw.get().starts_with('{') {
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        // It is the text of an object, so this cannot fail.
        let _ = deserializer.deserialize_map(EachMember(member));
    }
}

/// The members of a JSON object as raw values, in order; of a repeated key, the last counts.
/// `None` when the value is no object.
pub fn read_object(raw: &RawValue) -> Option<Vec<Member<'_>>> {
    serde_json::from_str::<Members<'_>>(raw.get()).ok().map(|members| members.0)
}

/// The elements of a JSON array as raw values; `None` when the value is no array.
pub fn read_array(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// A string. Lone surrogates, which JavaScript can send, become U+FFFD.
pub fn read_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    // The value was checked when it was found, so a text without a backslash stands there as it
    // is.
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if !inner.as_bytes().contains(&b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|Text(text)| decode_text(text))
}

/// A number.
pub fn read_number(raw: &RawValue) -> Option<f64> {
    serde_json::from_str(raw.get()).ok()
}

/// A boolean.
pub fn read_boolean(raw: &RawValue) -> Option<bool> {
    serde_json::from_str(raw.get()).ok()
}

/// A whole number, also when it is written `200.0` or `"200"`.
pub fn read_integer(raw: &RawValue) -> Option<i64> {
    let text = raw.get().trim_matches('"');
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        let is_whole = number.fract() == 0.0 && number.abs() < 1e15;
        is_whole.then(|| format!("{number:.0}").parse().ok())?
    })
}

/// Text from bytes; what is not UTF-8 becomes U+FFFD. The lossy decoder goes byte by byte, the
/// strict one does not, so the strict one comes first.
pub(super) fn decode_utf8(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(out: &mut String, text: &str) {
    match serde_json::to_string(text) {
        Ok(json) => out.push_str(&json),
        Err(_) => out.push_str("\"\""), // A `str` always serializes.
    }
}

/// The text in the bytes of a JSON string; lone surrogates become U+FFFD.
pub(super) fn decode_text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => decode_utf8(bytes),
        Cow::Owned(bytes) => Cow::Owned(decode_utf8(&bytes).into_owned()),
    }
}

/// A JSON string read as bytes, since serde_json refuses lone surrogates in a `str`.
pub(super) struct Text<'a>(pub(super) Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

/// Hands over the members of an object.
struct EachMember<F>(F);

impl<'de, F: FnMut(&[u8], &'de RawValue)> Visitor<'de> for EachMember<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &RawValue>()? {
            self.0(&key, value);
        }
        Ok(())
    }
}

/// An object as raw members.
struct Members<'a>(Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Members)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<Member<'de>> = Vec::with_capacity(FEW_MEMBERS / 2);
        while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &RawValue>()? {
            members.push((decode_text(key), value));
        }
        keep_last_of_repeated(&mut members);
        Ok(members)
    }
}

/// Of members with the same key, keeps the last, as most readers of JSON do.
pub(super) fn keep_last_of_repeated<T>(members: &mut Vec<(Cow<'_, str>, T)>) {
    if members.len() <= FEW_MEMBERS {
        let mut at = 0;
        while let Some((key, _)) = members.get(at) {
            let comes_again = members.iter().skip(at + 1).any(|(later, _)| later == key);
            if comes_again {
                members.remove(at);
            } else {
                at += 1;
            }
        }
        return;
    }
    // A keyed hasher: senders choose the keys, and could make them collide.
    let mut seen = HashSet::new();
    members.reverse();
    members.retain(|(key, _)| seen.insert(key.clone().into_owned()));
    members.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn text_survives_lone_surrogates() {
        let check = |json: &str, expect: Option<&str>| {
            assert_eq!(read_text(&raw(json)).as_deref(), expect, "{json}");
        };
        check(r#""snow \u2603""#, Some("snow ☃"));
        check(r#""a\ud800b""#, Some("a\u{fffd}\u{fffd}\u{fffd}b"));
        check(r#""\ud83d\ude00""#, Some("😀"));
        check("5", None);
        check("null", None);
        check("[1]", None);
    }

    #[test]
    fn integers_come_in_three_spellings() {
        let check = |json: &str, expect: Option<i64>| {
            assert_eq!(read_integer(&raw(json)), expect, "{json}");
        };
        check("200", Some(200));
        check("200.0", Some(200));
        check("2e2", Some(200));
        check("\"200\"", Some(200));
        check("200.5", None);
        check("1e300", None);
        check("\"ok\"", None);
        check("null", None);
        check("true", None);
    }

    #[test]
    fn the_last_of_a_repeated_key_counts() {
        let value = raw(r#"{"a":1,"b":2,"a":3}"#);
        let members = read_object(&value).unwrap();
        let members: Vec<_> = members.iter().map(|(k, v)| (k.as_ref(), v.get())).collect();
        assert_eq!(members, [("b", "2"), ("a", "3")]);

        let many: Vec<String> = (0..100).map(|n| format!("\"k{}\":{n}", n % 60)).collect();
        let value = raw(&format!("{{{}}}", many.join(",")));
        let members = read_object(&value).unwrap();
        assert_eq!(members.len(), 60);
        assert_eq!(members.last().map(|(k, v)| (k.as_ref(), v.get())), Some(("k39", "99")));
    }

    #[test]
    fn values_of_another_type_are_none() {
        assert!(read_object(&raw("[]")).is_none());
        assert!(read_array(&raw("{}")).is_none());
        assert!(read_number(&raw("\"1\"")).is_none());
        assert!(read_boolean(&raw("1")).is_none());
    }
}
