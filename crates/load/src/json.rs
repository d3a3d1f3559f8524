//! JSON values that keep the order of their members and are written in an SDK's manner: documents
//! made by hand look alike to a parser, but not to whoever reads the raw document of a trace.

use std::io;

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};
use serde_json::value::RawValue;

/// A JSON value.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Bool(bool),
    Integer(i64),
    Number(f64),
    /// A number written with an exponent, as Java does: `1.795336495448E9`.
    Scientific(f64),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// A JSON object; members stay in the order in which they were put in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Vec<(&'static str, Json)>);

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a member.
    #[must_use]
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Json>) -> Self {
        self.0.push((key, value.into()));
        self
    }

    /// Adds a member, if there is a value.
    #[must_use]
    pub(crate) fn with_some(self, key: &'static str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds the flag, if it is set; SDKs leave out false ones.
    #[must_use]
    pub(crate) fn with_flag(self, key: &'static str, is_set: bool) -> Self {
        self.with_some(key, is_set.then_some(true))
    }

    /// Adds all members of another object.
    #[must_use]
    pub(crate) fn with_all(mut self, other: Object) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The members in the order of `keys`; those not named there follow.
    #[must_use]
    pub(crate) fn in_order(mut self, keys: &[&str]) -> Self {
        self.0.sort_by_key(|(key, _)| {
            keys.iter().position(|other| other == key).unwrap_or(usize::MAX)
        });
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object as text: compact, or with a space after each comma and colon as Python has it.
    pub(crate) fn write(&self, is_spaced: bool) -> String {
        let mut bytes = Vec::with_capacity(1024);
        let written = if is_spaced {
            self.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Spaced))
        } else {
            self.serialize(&mut serde_json::Serializer::with_formatter(
                &mut bytes,
                CompactFormatter,
            ))
        };
        written.expect("writing to memory does not fail, and every key is a string");
        String::from_utf8(bytes).expect("serde_json writes UTF-8")
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::Scientific(value) => {
                let raw = RawValue::from_string(format!("{value:E}")).map_err(S::Error::custom)?;
                raw.serialize(serializer)
            }
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(value) => value.serialize(serializer),
        }
    }
}

/// Python's default: `{"a": 1, "b": [2, 3]}`.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u16> for Json {
    fn from(value: u16) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Object> for Json {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl From<Vec<Json>> for Json {
    fn from(value: Vec<Json>) -> Self {
        Self::List(value)
    }
}

impl FromIterator<Json> for Json {
    fn from_iter<I: IntoIterator<Item = Json>>(values: I) -> Self {
        Self::List(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_manners_of_writing() {
        let object = Object::new()
            .with("end_time", Json::Number(1_795_335_250.169))
            .with("java", Json::Scientific(1_795_336_495.448))
            .with("whole", Json::Scientific(1_795_336_495.0))
            .with("text", "a \"q\" \n")
            .with("list", vec![Json::from(true), Json::from(2u32)])
            .with("inner", Object::new().with_flag("fault", true).with_flag("error", false))
            .with_some("absent", None::<bool>);
        assert_eq!(
            object.write(false),
            r#"{"end_time":1795335250.169,"java":1.795336495448E9,"whole":1.795336495E9,"text":"a \"q\" \n","list":[true,2],"inner":{"fault":true}}"#
        );
        assert_eq!(
            object.write(true),
            r#"{"end_time": 1795335250.169, "java": 1.795336495448E9, "whole": 1.795336495E9, "text": "a \"q\" \n", "list": [true, 2], "inner": {"fault": true}}"#
        );
    }

    #[test]
    fn members_can_be_put_in_order() {
        let object = Object::new().with("c", true).with("x", true).with("a", true);
        assert_eq!(
            object.in_order(&["a", "b", "c"]).write(false),
            r#"{"a":true,"c":true,"x":true}"#
        );
    }
}
