//! The fast road for documents that come in: typed values in one pass, no raw members.
//!
//! A server looks at every document once to check it and to write its outline, which needs no
//! raw members. Here the members are read straight into their types, and whatever is not as
//! documents usually are (a member of another type, a repeated key, anything to be refused or
//! mended) makes it give up: [`Document::parse`], which knows what all of that means, then reads
//! the document anew. So there is one place that decides, and this one agrees with it on what
//! both can read (a property test).

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::fields::Known;
use super::parse::{
    flags_of, is_annotation_key, is_annotation_text, is_name, is_object, is_origin,
};
use super::{Aws, Document, Entity, EntityKind, Http, MAX_DOCUMENT_BYTES};
use crate::{Annotation, AnnotationValue, Rejection, SegmentId, Timestamp, TraceId};

/// How deep subsegments usually nest. Each level takes some kilobytes of the stack here.
const USUAL_NESTING: usize = 32;
/// Annotations up to which a repeated key is looked for here.
const FEW_ANNOTATIONS: usize = 32;

impl<'a> Document<'a> {
    /// Parses one document as [`Document::parse`] does, but without its raw members, and so twice
    /// as fast: enough for its outline, its summary and its part of the graph, not for showing it.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_bare(bytes: &'a [u8]) -> Result<Self, Rejection> {
        read_usual(bytes).map_or_else(|| Self::parse(bytes), Ok)
    }
}

/// The document, if it is as documents usually are.
fn read_usual(bytes: &[u8]) -> Option<Document<'_>> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_str(std::str::from_utf8(bytes).ok()?);
    // Its limit counts objects and arrays; ours counts subsegments.
    deserializer.disable_recursion_limit();
    let mut entities = Vec::with_capacity(4);
    let subsegment = Subsegment { entities: &mut entities, depth: 0 };
    let trace_id = subsegment.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(Document { trace_id: trace_id?, entities })
}

/// Gives up; nobody sees the message.
fn unusual<E: Error>() -> E {
    E::custom("unusual")
}

/// Reads a (sub)segment with so many around it, and all in it. Gives the id of its trace, which
/// only the outermost needs.
struct Subsegment<'l, 'a> {
    entities: &'l mut Vec<Entity<'a>>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Subsegment<'_, 'de> {
    type Value = Option<TraceId>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.depth > USUAL_NESTING {
            return Err(unusual());
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Subsegment<'_, 'de> {
    type Value = Option<TraceId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a (sub)segment as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let place = self.entities.len();
        let (mut seen, mut unknown) = (0_u32, Vec::new());
        let (mut id, mut trace_id, mut parent_id, mut name) = (None, None, None, None);
        let (mut start, mut end, mut kind) = (None, None, None);
        let (mut error, mut throttle, mut fault) = (None, None, None);
        let (mut namespace, mut origin, mut user, mut resource_arn) = (None, None, None, None);
        let (mut http, mut aws) = (Http::default(), Aws::default());
        let (mut has_sql, mut annotations, mut size) = (false, Vec::new(), 0);
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let Some(known) = Known::of(key.as_bytes()) else {
                if unknown.contains(&key) {
                    return Err(unusual());
                }
                if key == "subsegments" {
                    let (entities, depth) = (&mut *self.entities, self.depth + 1);
                    map.next_value_seed(Subsegments { entities, depth })?;
                } else {
                    size += key.len() + map.next_value::<&RawValue>()?.get().len();
                }
                unknown.push(key);
                continue;
            };
            if seen & known.bit() != 0 {
                return Err(unusual());
            }
            seen |= known.bit();
            match known {
                Known::Id => id = text(&mut map)?,
                Known::TraceId => trace_id = text(&mut map)?,
                Known::ParentId => parent_id = text(&mut map)?,
                Known::Name => name = text(&mut map)?,
                Known::StartTime => start = map.next_value::<Option<f64>>()?,
                Known::EndTime => end = map.next_value::<Option<f64>>()?,
                Known::InProgress => drop(map.next_value::<IgnoredAny>()?),
                Known::Type => kind = text(&mut map)?,
                Known::Error => error = map.next_value::<Option<bool>>()?,
                Known::Throttle => throttle = map.next_value::<Option<bool>>()?,
                Known::Fault => fault = map.next_value::<Option<bool>>()?,
                Known::Namespace => namespace = text(&mut map)?,
                Known::Origin => origin = text(&mut map)?,
                Known::User => user = text(&mut map)?,
                Known::ResourceArn => resource_arn = text(&mut map)?,
                Known::Http => map.next_value_seed(Object(HttpBlock(&mut http)))?,
                Known::Aws => map.next_value_seed(Object(AwsBlock(&mut aws)))?,
                Known::Annotations => map.next_value_seed(Object(Annotations(&mut annotations)))?,
                Known::Cause | Known::Metadata | Known::Service | Known::Sql => {
                    let raw = map.next_value::<&RawValue>()?;
                    size += known.name().len() + raw.get().len();
                    has_sql |= known == Known::Sql && is_object(raw);
                }
            }
        }
        let is_outermost = self.depth == 0;
        let kind = match kind.as_deref() {
            Some("subsegment") => EntityKind::Subsegment,
            _ if is_outermost => EntityKind::Segment,
            _ => EntityKind::Subsegment,
        };
        let parent_id = match parent_id {
            // Who holds it counts, whatever it names.
            _ if !is_outermost => None,
            Some(parent_id) => Some(parent_id.parse().map_err(|_| unusual())?),
            None if kind == EntityKind::Segment => None,
            None => return Err(unusual()),
        };
        let id: SegmentId = id.ok_or_else(unusual)?.parse().map_err(|_| unusual())?;
        let end = match end {
            Some(end) => Some(Timestamp::from_seconds(end).ok_or_else(unusual)?),
            None => None,
        };
        let flags = flags_of(error, throttle, fault, http.status);
        let mut entity = Entity {
            id,
            kind,
            parent_id,
            name: name.filter(|name| is_name(name, kind)).ok_or_else(unusual)?,
            start: start.and_then(Timestamp::from_seconds).ok_or_else(unusual)?,
            end,
            flags,
            namespace,
            origin: origin.filter(|origin| is_origin(origin)),
            user,
            resource_arn,
            http,
            aws,
            has_sql,
            annotations,
            members: Vec::new(),
            size: 0,
        };
        entity.size = entity.size_with(size);
        // What it holds was read before it was complete, and waits for its parent.
        let held = self.entities.get_mut(place..).unwrap_or_default();
        let orphans = held.iter_mut().filter(|held| held.parent_id.is_none());
        orphans.for_each(|held| held.parent_id = Some(id));
        self.entities.insert(place, entity);
        match trace_id {
            Some(trace_id) if is_outermost => {
                let trace_id = TraceId::parse_xray(&trace_id).map_err(|_| unusual())?;
                if trace_id == TraceId::NOOP { Err(unusual()) } else { Ok(Some(trace_id)) }
            }
            _ => Ok(None),
        }
    }
}

/// Reads the value of `subsegments`: an array or `null`.
struct Subsegments<'l, 'a> {
    entities: &'l mut Vec<Entity<'a>>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Subsegments<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Subsegments<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of subsegments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let depth = self.depth;
        while elements.next_element_seed(Subsegment { entities: self.entities, depth })?.is_some() {
        }
        Ok(())
    }
}

/// A text; none for `null`.
fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    map.next_value::<OptionalText<'de>>().map(|text| text.0)
}

/// A key.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = deserializer.deserialize_str(TextVisitor)?;
        Ok(Key(key.unwrap_or_default()))
    }
}

struct OptionalText<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for OptionalText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(TextVisitor).map(OptionalText)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }
}

/// Something that an object makes, member by member.
trait Block<'de> {
    /// Reads the value that belongs to the key.
    fn read<A: MapAccess<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object into a block, and nothing where there is `null`.
struct Object<B>(B);

impl<'de, B: Block<'de>> DeserializeSeed<'de> for Object<B> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, B: Block<'de>> Visitor<'de> for Object<B> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            self.0.read(key, &mut map)?;
        }
        Ok(())
    }
}

fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

struct HttpBlock<'v, 'a>(&'v mut Http<'a>);

impl<'de> Block<'de> for HttpBlock<'_, 'de> {
    fn read<A: MapAccess<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match &*key {
            "request" => {
                *self.0 = Http { status: self.0.status, ..Http::default() };
                map.next_value_seed(Object(RequestBlock(self.0)))
            }
            "response" => {
                self.0.status = None;
                map.next_value_seed(Object(ResponseBlock(&mut self.0.status)))
            }
            _ => ignore(map),
        }
    }
}

struct RequestBlock<'v, 'a>(&'v mut Http<'a>);

impl<'de> Block<'de> for RequestBlock<'_, 'de> {
    fn read<A: MapAccess<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        let Http { method, url, user_agent, client_ip, .. } = self.0;
        let text_of = match &*key {
            "method" => method,
            "url" => url,
            "user_agent" => user_agent,
            "client_ip" => client_ip,
            _ => return ignore(map),
        };
        *text_of = text(map)?;
        Ok(())
    }
}

struct ResponseBlock<'v>(&'v mut Option<i64>);

impl<'de> Block<'de> for ResponseBlock<'_> {
    fn read<A: MapAccess<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        if key != "status" {
            return ignore(map);
        }
        *self.0 = map.next_value()?;
        Ok(())
    }
}

struct AwsBlock<'v, 'a>(&'v mut Aws<'a>);

impl<'de> Block<'de> for AwsBlock<'_, 'de> {
    fn read<A: MapAccess<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        let aws = &mut *self.0;
        let text_of = match &*key {
            "account_id" => &mut aws.account_id,
            "operation" => &mut aws.operation,
            "table_name" => &mut aws.table_name,
            "queue_url" => &mut aws.queue_url,
            "bucket_name" => &mut aws.bucket_name,
            "function_name" => &mut aws.function_name,
            "topic_arn" => &mut aws.topic_arn,
            // Which of the names of tables counts, `parse` knows.
            "table_names" => return Err(unusual()),
            "ec2" => {
                (aws.instance_id, aws.availability_zone) = (None, None);
                return map.next_value_seed(Object(Ec2Block(aws)));
            }
            _ => return ignore(map),
        };
        *text_of = text(map)?;
        Ok(())
    }
}

struct Ec2Block<'v, 'a>(&'v mut Aws<'a>);

impl<'de> Block<'de> for Ec2Block<'_, 'de> {
    fn read<A: MapAccess<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        let text_of = match &*key {
            "instance_id" => &mut self.0.instance_id,
            "availability_zone" => &mut self.0.availability_zone,
            _ => return ignore(map),
        };
        *text_of = text(map)?;
        Ok(())
    }
}

struct Annotations<'v, 'a>(&'v mut Vec<Annotation<'a>>);

impl<'de> Block<'de> for Annotations<'_, 'de> {
    fn read<A: MapAccess<'de>>(&mut self, key: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        if !is_annotation_key(&key) {
            return ignore(map);
        }
        if self.0.len() == FEW_ANNOTATIONS || self.0.iter().any(|known| known.key == key) {
            return Err(unusual());
        }
        let Value(value) = map.next_value()?;
        self.0.push(Annotation { key, value });
        Ok(())
    }
}

/// The value of an annotation.
struct Value<'a>(AnnotationValue<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Value)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = AnnotationValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, number or boolean")
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(AnnotationValue::Boolean(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(AnnotationValue::Number(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(AnnotationValue::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(AnnotationValue::Number(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        let is_usual = is_annotation_text(text);
        if is_usual { Ok(AnnotationValue::String(text.into())) } else { Err(unusual()) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let is_usual = is_annotation_text(text);
        if is_usual { Ok(AnnotationValue::String(text.to_owned().into())) } else { Err(unusual()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(members: &str) -> String {
        format!(
            r#"{{"id":"53995c3f42cd8ad8","trace_id":"1-581cf771-a006649127e371903a2de979","name":"app","start_time":1.5,"end_time":2{members}}}"#
        )
    }

    #[test]
    fn usual_documents_take_the_fast_road() {
        let check = |members: &str, is_usual: bool| {
            let text = with(members);
            assert_eq!(read_usual(text.as_bytes()).is_some(), is_usual, "{text}");
        };
        check("", true);
        check(
            r#","http":{"request":{"method":"GET","x_forwarded_for":true},"response":{"status":200,"content_length":5}}"#,
            true,
        );
        check(
            r#","aws":{"account_id":"1","ecs":{"container":"x"},"xray":{"sdk":"y"},"ec2":{"instance_id":"i","availability_zone":"a"}}"#,
            true,
        );
        check(r#","annotations":{"a":"\u00e9","b":-1,"c":2.5,"d":true,"not a key":[1]}"#, true);
        check(
            r#","metadata":{"x":[1,{}]},"cause":{"exceptions":[]},"sql":{"url":"u"},"service":{"version":"1"},"Dummy":1,"other":2"#,
            true,
        );
        check(
            r#","user":null,"http":null,"in_progress":false,"error":true,"origin":"AWS::EC2::Instance""#,
            true,
        );
        check(
            r#","subsegments":[{"id":"53995c3f42cd8ad9","name":"x","start_time":1,"in_progress":true,"subsegments":[]}]"#,
            true,
        );
        check(r#","user":5"#, false);
        check(r#","user":"\ud800""#, false);
        check(r#","name":"again""#, false);
        check(r#","x":1,"x":2"#, false);
        check(r#","annotations":{"a":1,"a":2}"#, false);
        check(r#","aws":{"table_names":["t"]}"#, false);
        check(r#","metadata":NaN"#, false);
    }
}
