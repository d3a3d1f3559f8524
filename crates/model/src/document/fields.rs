//! A document as its (sub)segments with raw members, read in one pass.
//!
//! Reading level by level would scan the innermost bytes once for each level around them. All
//! values but `subsegments` stay raw, so only subsegments recurse, and that ends at
//! [`MAX_NESTING`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_NESTING;
use super::lenient::{Text, decode_text, keep_last_of_repeated};

/// A member as it was sent.
pub(crate) type RawMember<'a> = (Cow<'a, str>, Cow<'a, RawValue>);

/// Members that a (sub)segment usually has at most.
const FEW_MEMBERS: usize = 12;

/// The members whose meaning is known. Those before [`Known::Type`] are written anew by
/// processing; from there on they are kept raw as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    Id,
    Name,
    StartTime,
    EndTime,
    InProgress,
    TraceId,
    ParentId,
    Annotations,
    Type,
    Namespace,
    Origin,
    User,
    ResourceArn,
    Error,
    Throttle,
    Fault,
    Http,
    Aws,
    Sql,
    Cause,
    Metadata,
    Service,
    Links,
}

impl Known {
    const NAMES: [&'static str; 23] = [
        "id",
        "name",
        "start_time",
        "end_time",
        "in_progress",
        "trace_id",
        "parent_id",
        "annotations",
        "type",
        "namespace",
        "origin",
        "user",
        "resource_arn",
        "error",
        "throttle",
        "fault",
        "http",
        "aws",
        "sql",
        "cause",
        "metadata",
        "service",
        "links",
    ];

    /// The member with this key.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"id" => Known::Id,
            b"name" => Known::Name,
            b"start_time" => Known::StartTime,
            b"end_time" => Known::EndTime,
            b"in_progress" => Known::InProgress,
            b"trace_id" => Known::TraceId,
            b"parent_id" => Known::ParentId,
            b"annotations" => Known::Annotations,
            b"type" => Known::Type,
            b"namespace" => Known::Namespace,
            b"origin" => Known::Origin,
            b"user" => Known::User,
            b"resource_arn" => Known::ResourceArn,
            b"error" => Known::Error,
            b"throttle" => Known::Throttle,
            b"fault" => Known::Fault,
            b"http" => Known::Http,
            b"aws" => Known::Aws,
            b"sql" => Known::Sql,
            b"cause" => Known::Cause,
            b"metadata" => Known::Metadata,
            b"service" => Known::Service,
            b"links" => Known::Links,
            _ => return None,
        })
    }

    /// A bit of its own.
    pub(super) fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Whether it counts with its size, since little or nothing of its value is read into types.
    pub(super) fn is_opaque(self) -> bool {
        matches!(self, Known::Cause | Known::Metadata | Known::Service | Known::Sql | Known::Links)
    }

    /// As it stands in documents.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES.get(self as usize).copied().unwrap_or_default()
    }
}

/// A (sub)segment as it was written.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// By [`Known`]; of a repeated key the last.
    known: [Option<&'a RawValue>; Known::NAMES.len()],
    /// What is kept raw, in order; of a repeated key the last.
    pub(super) members: Vec<RawMember<'a>>,
    /// The one that holds it: its place among all of the document.
    pub(super) parent: Option<usize>,
}

impl<'a> Fields<'a> {
    /// Reads a document: the (sub)segment itself and all its subsegments, parents first.
    ///
    /// # Errors
    /// Of the category `Data` when it is JSON, but `subsegments` is something else than an array
    /// of objects or nests too deep; of another category when it is not JSON.
    pub(super) fn read(text: &'a str) -> Result<Vec<Self>, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        // Its limit counts objects and arrays; ours counts subsegments.
        deserializer.disable_recursion_limit();
        let mut all = Vec::with_capacity(4);
        Subsegment { all: &mut all, parent: None, depth: 0 }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(all)
    }

    /// A known member; `None` when it is not there.
    pub(super) fn get(&self, known: Known) -> Option<&'a RawValue> {
        self.known.get(known as usize).copied().flatten()
    }

    fn new(parent: Option<usize>) -> Self {
        Self { known: [None; Known::NAMES.len()], members: Vec::with_capacity(FEW_MEMBERS), parent }
    }
}

/// Reads a (sub)segment with so many around it, and all in it.
struct Subsegment<'l, 'a> {
    all: &'l mut Vec<Fields<'a>>,
    parent: Option<usize>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Subsegment<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > MAX_NESTING {
            let message = format!("subsegments nest deeper than {MAX_NESTING} levels");
            return Err(D::Error::custom(message));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Subsegment<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a (sub)segment as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut fields = Fields::new(self.parent);
        let place = self.all.len();
        // Its subsegments come before it is complete, but stand behind it.
        self.all.push(Fields::new(None));
        let (mut unknown, mut is_repeated) = (0, false);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key {
                Key::Known(known) => {
                    let value = map.next_value::<&RawValue>()?;
                    if known >= Known::Type {
                        is_repeated |= fields.get(known).is_some();
                        fields.members.push((known.name().into(), Cow::Borrowed(value)));
                    }
                    if let Some(slot) = fields.known.get_mut(known as usize) {
                        *slot = Some(value);
                    }
                }
                Key::Subsegments => {
                    self.all.truncate(place + 1);
                    let (all, depth) = (&mut *self.all, self.depth + 1);
                    map.next_value_seed(Subsegments { all, parent: place, depth })?;
                }
                Key::Unknown(key) => {
                    unknown += 1;
                    fields.members.push((key, Cow::Borrowed(map.next_value::<&RawValue>()?)));
                }
            }
        }
        if is_repeated || unknown > 1 {
            keep_last_of_repeated(&mut fields.members);
        }
        if let Some(reserved) = self.all.get_mut(place) {
            *reserved = fields;
        }
        Ok(())
    }
}

/// Reads the value of `subsegments`: an array or `null`.
struct Subsegments<'l, 'a> {
    all: &'l mut Vec<Fields<'a>>,
    parent: usize,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Subsegments<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Subsegments<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of subsegments")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let (parent, depth) = (Some(self.parent), self.depth);
        while elements.next_element_seed(Subsegment { all: self.all, parent, depth })?.is_some() {}
        Ok(())
    }
}

/// A key of a (sub)segment.
enum Key<'a> {
    Known(Known),
    Subsegments,
    Unknown(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(key) = Text::deserialize(deserializer)?;
        Ok(match Known::of(&key) {
            Some(known) => Key::Known(known),
            None if *key == *b"subsegments" => Key::Subsegments,
            None => Key::Unknown(decode_text(key)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_member_has_its_name() {
        for (place, name) in Known::NAMES.into_iter().enumerate() {
            let known = Known::of(name.as_bytes()).unwrap();
            assert_eq!((known as usize, known.name()), (place, name));
        }
    }

    #[test]
    fn parents_stand_before_what_they_hold() {
        let text = r#"{"subsegments":[{"id":9}],"id":1,"subsegments":[{"id":2,"subsegments":[{"id":3}]},{"id":4}]}"#;
        let all = Fields::read(text).unwrap();
        let ids = all.iter().map(|fields| fields.get(Known::Id).unwrap().get());
        let got: Vec<_> = ids.zip(all.iter().map(|fields| fields.parent)).collect();
        assert_eq!(got, [("1", None), ("2", Some(0)), ("3", Some(1)), ("4", Some(0))]);
    }

    #[test]
    fn of_repeated_members_the_last_is_kept() {
        let text = r#"{"http":1,"x":2,"http":{},"y":3,"x":4,"id":5,"id":6}"#;
        let all = Fields::read(text).unwrap();
        let members = all[0].members.iter();
        let members: Vec<_> = members.map(|(key, value)| (key.as_ref(), value.get())).collect();
        assert_eq!(members, [("http", "{}"), ("y", "3"), ("x", "4")]);
        assert_eq!(all[0].get(Known::Id).unwrap().get(), "6");
    }
}
