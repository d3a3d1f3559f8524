//! Outlines: of a document, what summaries and graphs are made of, in a fifth of its size.
//!
//! Traces stay open for a while after each document, and a store holds their outlines for that
//! time. Assembled from outlines, a trace has the same summary and graph as from the documents;
//! what only the rendering of a trace shows is not in them. They are kept in memory only, so
//! their form may change with every version.
//!
//! First come the entities with all numbers and the lengths of their texts, then all texts, so
//! that these are checked to be UTF-8 at once:
//!
//! ```text
//! outline    = u32 length of what stands before the texts, i64 start of the first entity,
//!              count of entities, entity…, texts
//! entity     = u16 facts, u16 which texts it has, u64 id, [u64 id of the parent], start after the
//!              first entity's, [end after the start], size of the raw members, [status],
//!              length of each text…, [count of annotations, annotation…]
//! annotation = length of the key, u8 type, [f64 | length of the text]
//! ```
//!
//! Numbers without a type are varints, little endian in groups of seven bits; signed ones are
//! folded to unsigned (0, −1, 1, −2…).

use std::borrow::Cow;

use super::{Aws, Document, Entity, EntityKind, Flags, Http};
use crate::{Annotation, AnnotationValue, Micros, SegmentId, Timestamp, TraceId};

/// Texts that an entity may have in its outline.
const TEXTS: usize = 11;
/// Bytes that every entity takes at least; bounds what a damaged count can ask for.
const LEAST_ENTITY: usize = 14;

/// Bits of an entity's facts.
mod fact {
    pub(super) const SEGMENT: u16 = 1;
    pub(super) const ENDED: u16 = 1 << 1;
    pub(super) const ERROR: u16 = 1 << 2;
    pub(super) const THROTTLE: u16 = 1 << 3;
    pub(super) const FAULT: u16 = 1 << 4;
    /// The parent is the first entity of the document.
    pub(super) const PARENT_FIRST: u16 = 1 << 5;
    pub(super) const PARENT_TOLD: u16 = 1 << 6;
    /// A call to an AWS service.
    pub(super) const AWS: u16 = 1 << 7;
    /// A call to another service.
    pub(super) const REMOTE: u16 = 1 << 8;
    pub(super) const SQL: u16 = 1 << 9;
    pub(super) const STATUS: u16 = 1 << 10;
    pub(super) const ANNOTATIONS: u16 = 1 << 11;
}

/// Types of annotations.
const FALSE: u8 = 0;
const TRUE: u8 = 1;
const NUMBER: u8 = 2;
const TEXT: u8 = 3;

impl<'a> Document<'a> {
    /// Appends the outline of this document. Its length is the caller's to keep.
    pub fn write_outline(&self, out: &mut Vec<u8>) {
        let Some(first) = self.entities.first() else { return };
        let begin = out.len();
        out.extend([0; 4]);
        out.extend(first.start.as_micros().to_le_bytes());
        write_number(out, self.entities.len() as u64);
        for entity in &self.entities {
            write_entity(entity, first.start, Some(first.id), out);
        }
        let length = u32::try_from(out.len() - begin).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = out.get_mut(begin..begin + length.len()) {
            place.copy_from_slice(&length);
        }
        self.entities.iter().for_each(|entity| write_texts(entity, out));
    }

    /// Reads an outline of a document of this trace: a document with all that its summary and
    /// its part of the graph need, but no raw members. `None` when the bytes are not those of an
    /// outline.
    pub fn read_outline(trace_id: TraceId, bytes: &'a [u8]) -> Option<Self> {
        let (length, _) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (numbers, texts) = bytes.split_at_checked(length)?;
        let texts = std::str::from_utf8(texts).ok()?;
        let mut reader = Reader { numbers: numbers.get(4..)?, texts };
        let base = Timestamp::from_micros(i64::from_le_bytes(reader.array()?));
        let count = usize::try_from(reader.number()?).ok()?;
        let mut entities: Vec<Entity<'a>> =
            Vec::with_capacity(count.min(numbers.len() / LEAST_ENTITY));
        for _ in 0..count {
            let first = entities.first().map(|first| first.id);
            entities.push(reader.entity(base, first)?);
        }
        let is_whole = reader.numbers.is_empty() && reader.texts.is_empty();
        (is_whole && !entities.is_empty()).then_some(Document { trace_id, entities })
    }
}

/// What an outline keeps of an entity besides its id, times, parent and size: equal for two
/// entities that summaries and graphs cannot tell apart.
pub(crate) fn kept(entity: &Entity<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_entity(entity, entity.start, None, &mut out);
    write_texts(entity, &mut out);
    out
}

/// Writes numbers of an entity, and the lengths of its texts.
fn write_entity(entity: &Entity<'_>, base: Timestamp, first: Option<SegmentId>, out: &mut Vec<u8>) {
    let texts = texts(entity);
    out.extend(facts(entity, first).to_le_bytes());
    let present =
        texts.iter().rev().fold(0_u16, |bits, text| bits << 1 | u16::from(text.is_some()));
    out.extend(present.to_le_bytes());
    out.extend(entity.id.to_u64().to_le_bytes());
    if let Some(parent_id) = entity.parent_id.filter(|_| first != entity.parent_id) {
        out.extend(parent_id.to_u64().to_le_bytes());
    }
    write_signed(out, (entity.start - base).get());
    if let Some(end) = entity.end {
        write_signed(out, (end - entity.start).get());
    }
    write_number(out, u64::from(entity.size));
    if let Some(status) = kept_status(entity) {
        write_signed(out, status);
    }
    for text in texts.into_iter().flatten() {
        write_number(out, text.len() as u64);
    }
    if entity.annotations.is_empty() {
        return;
    }
    write_number(out, entity.annotations.len() as u64);
    for Annotation { key, value } in &entity.annotations {
        write_number(out, key.len() as u64);
        match value {
            AnnotationValue::Boolean(truth) => out.push(if *truth { TRUE } else { FALSE }),
            AnnotationValue::Number(number) => {
                out.push(NUMBER);
                out.extend(number.to_le_bytes());
            }
            AnnotationValue::String(text) => {
                out.push(TEXT);
                write_number(out, text.len() as u64);
            }
        }
    }
}

/// Writes the texts themselves, in the order of their lengths.
fn write_texts(entity: &Entity<'_>, out: &mut Vec<u8>) {
    for text in texts(entity).into_iter().flatten() {
        out.extend(text.as_bytes());
    }
    for Annotation { key, value } in &entity.annotations {
        out.extend(key.as_bytes());
        if let AnnotationValue::String(text) = value {
            out.extend(text.as_bytes());
        }
    }
}

fn facts(entity: &Entity<'_>, first: Option<SegmentId>) -> u16 {
    let is_call = entity.is_call();
    let namespace = entity.namespace.as_deref();
    let all = [
        (fact::SEGMENT, entity.kind == EntityKind::Segment),
        (fact::ENDED, entity.end.is_some()),
        (fact::ERROR, entity.flags.error),
        (fact::THROTTLE, entity.flags.throttle),
        (fact::FAULT, entity.flags.fault),
        (fact::PARENT_FIRST, first.is_some() && entity.parent_id == first),
        (fact::PARENT_TOLD, entity.parent_id.is_some() && entity.parent_id != first),
        (fact::AWS, is_call && namespace == Some("aws")),
        (fact::REMOTE, is_call && namespace == Some("remote")),
        (fact::SQL, is_call && entity.has_sql),
        (fact::STATUS, kept_status(entity).is_some()),
        (fact::ANNOTATIONS, !entity.annotations.is_empty()),
    ];
    all.into_iter().fold(0, |facts, (fact, holds)| if holds { facts | fact } else { facts })
}

/// The status: that of a segment may stand in the summary. (That of a call has become flags.)
fn kept_status(entity: &Entity<'_>) -> Option<i64> {
    entity.http.status.filter(|_| entity.kind == EntityKind::Segment)
}

/// The texts that matter for summary and graph, by kind: of a segment, of a call, and of a
/// subsegment that calls nobody. [`Reader::entity`] is the way back.
fn texts<'e>(entity: &'e Entity<'_>) -> [Option<&'e str>; TEXTS] {
    let Entity { http, aws, .. } = entity;
    let user = entity.user.as_deref();
    match entity.kind {
        EntityKind::Segment => [
            user,
            Some(&entity.name),
            aws.account_id.as_deref(),
            entity.origin.as_deref(),
            entity.resource_arn.as_deref(),
            http.url.as_deref(),
            http.method.as_deref(),
            http.user_agent.as_deref(),
            http.client_ip.as_deref(),
            aws.instance_id.as_deref(),
            aws.availability_zone.as_deref(),
        ],
        EntityKind::Subsegment if entity.is_call() => {
            let mut texts = [None; TEXTS];
            texts[..6].copy_from_slice(&[
                user,
                Some(&entity.name),
                aws.account_id.as_deref(),
                aws.table_name.as_deref(),
                aws.bucket_name.as_deref(),
                aws.queue_url.as_deref(),
            ]);
            texts
        }
        EntityKind::Subsegment => {
            let mut texts = [None; TEXTS];
            texts[0] = user;
            texts
        }
    }
}

/// Numbers and texts that are left to read.
struct Reader<'a> {
    numbers: &'a [u8],
    texts: &'a str,
}

impl<'a> Reader<'a> {
    fn entity(&mut self, base: Timestamp, first: Option<SegmentId>) -> Option<Entity<'a>> {
        let facts = u16::from_le_bytes(self.array()?);
        let holds = |fact: u16| facts & fact != 0;
        let present = u16::from_le_bytes(self.array()?);
        let id = self.id()?;
        let parent_id = match (holds(fact::PARENT_FIRST), holds(fact::PARENT_TOLD)) {
            (true, _) => first.or(Some(id)),
            (false, true) => Some(self.id()?),
            (false, false) => None,
        };
        let start = base.plus(Micros::new(self.signed()?));
        let end = match holds(fact::ENDED) {
            true => Some(start.plus(Micros::new(self.signed()?))),
            false => None,
        };
        let size = u32::try_from(self.number()?).ok()?;
        let status = if holds(fact::STATUS) { Some(self.signed()?) } else { None };
        let mut texts: [Option<Cow<'a, str>>; TEXTS] = Default::default();
        let mut lengths = [0; TEXTS];
        for (bit, length) in lengths.iter_mut().enumerate() {
            if present & 1 << bit != 0 {
                *length = self.number()?;
            }
        }
        for (bit, (text, length)) in texts.iter_mut().zip(lengths).enumerate() {
            if present & 1 << bit != 0 {
                *text = Some(self.text(length)?);
            }
        }
        let annotations = if holds(fact::ANNOTATIONS) { self.annotations()? } else { Vec::new() };
        let mut entity = Entity {
            id,
            kind: EntityKind::Subsegment,
            parent_id,
            name: Cow::Borrowed(""),
            start,
            end,
            flags: Flags {
                error: holds(fact::ERROR),
                throttle: holds(fact::THROTTLE),
                fault: holds(fact::FAULT),
            },
            namespace: match (holds(fact::AWS), holds(fact::REMOTE)) {
                (true, _) => Some(Cow::Borrowed("aws")),
                (false, true) => Some(Cow::Borrowed("remote")),
                (false, false) => None,
            },
            origin: None,
            user: None,
            resource_arn: None,
            http: Http { status, ..Http::default() },
            aws: Aws::default(),
            has_sql: holds(fact::SQL),
            annotations,
            members: Vec::new(),
            size,
        };
        let [user, name, account_id, others @ ..] = texts;
        entity.user = user;
        entity.name = name.unwrap_or_default();
        entity.aws.account_id = account_id;
        if holds(fact::SEGMENT) {
            entity.kind = EntityKind::Segment;
            let [origin, resource_arn, url, method, user_agent, client_ip, instance, zone] = others;
            entity.origin = origin;
            entity.resource_arn = resource_arn;
            entity.http = Http { method, url, user_agent, client_ip, status };
            entity.aws.instance_id = instance;
            entity.aws.availability_zone = zone;
        } else {
            let [table_name, bucket_name, queue_url, ..] = others;
            entity.aws.table_name = table_name;
            entity.aws.bucket_name = bucket_name;
            entity.aws.queue_url = queue_url;
        }
        Some(entity)
    }

    fn annotations(&mut self) -> Option<Vec<Annotation<'a>>> {
        let count = usize::try_from(self.number()?).ok()?;
        let mut annotations = Vec::with_capacity(count.min(self.numbers.len() / 2));
        for _ in 0..count {
            let key_length = self.number()?;
            let key = self.text(key_length)?;
            let value = match self.array()? {
                [FALSE] => AnnotationValue::Boolean(false),
                [TRUE] => AnnotationValue::Boolean(true),
                [NUMBER] => AnnotationValue::Number(f64::from_le_bytes(self.array()?)),
                [TEXT] => {
                    let length = self.number()?;
                    AnnotationValue::String(self.text(length)?)
                }
                _ => return None,
            };
            annotations.push(Annotation { key, value });
        }
        Some(annotations)
    }

    fn id(&mut self) -> Option<SegmentId> {
        Some(SegmentId::from_u64(u64::from_le_bytes(self.array()?)))
    }

    fn text(&mut self, length: u64) -> Option<Cow<'a, str>> {
        let (text, rest) = self.texts.split_at_checked(usize::try_from(length).ok()?)?;
        self.texts = rest;
        Some(Cow::Borrowed(text))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.numbers.split_first_chunk::<N>()?;
        self.numbers = rest;
        Some(*array)
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

fn write_signed(out: &mut Vec<u8>, number: i64) {
    write_number(out, (number << 1 ^ number >> 63).cast_unsigned());
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DOCUMENT: &str = r#"{"id":"53995c3f42cd8ad8","trace_id":"1-581cf771-a006649127e371903a2de979","name":"shop",
        "start_time":1478293361.271,"end_time":1478293361.449,"origin":"AWS::ECS::Container","user":"anna","parent_id":"63995c3f42cd8ad8",
        "http":{"request":{"method":"GET","url":"https://example.com/é","user_agent":"ua","client_ip":"::1"},"response":{"status":404}},
        "aws":{"account_id":"123456789012","ec2":{"instance_id":"i-1","availability_zone":"eu-west-1a"}},
        "annotations":{"text":"x","number":-3.5,"yes":true,"no":false},"metadata":{"big":[1,2,3]},
        "subsegments":[
          {"id":"0000000000000001","name":"dynamodb","namespace":"aws","start_time":1478293361.2,"in_progress":true,"aws":{"table_name":"Orders","operation":"GetItem"}},
          {"id":"0000000000000002","name":"local work","start_time":1478293361.3,"end_time":1478293361.2,"fault":true}]}"#;

    fn outline_of(document: &Document<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        document.write_outline(&mut out);
        out
    }

    fn read(bytes: &[u8]) -> Option<Document<'_>> {
        Document::read_outline(TraceId::NOOP, bytes)
    }

    #[test]
    fn what_is_kept_comes_back() {
        let document = Document::parse(DOCUMENT.as_bytes()).unwrap();
        let bytes = outline_of(&document);
        assert!(bytes.len() < DOCUMENT.len() / 3, "{}", bytes.len());
        let mut read = read(&bytes).unwrap();
        assert_eq!(outline_of(&read), bytes);
        let [segment, call, local] = &mut read.entities[..] else { panic!("three entities") };
        let expect = &document.entities[0];
        assert_eq!((segment.id, segment.parent_id), (expect.id, expect.parent_id));
        assert_eq!((segment.start, segment.end), (expect.start, expect.end));
        assert_eq!((&segment.http, &segment.aws), (&expect.http, &expect.aws));
        assert_eq!(segment.annotations, expect.annotations);
        assert_eq!(call.aws.table_name.as_deref(), Some("Orders"));
        assert_eq!((call.parent_id, call.end, call.is_call()), (Some(expect.id), None, true));
        assert_eq!(local.end, document.entities[2].end);
        assert!(local.flags.fault && local.name.is_empty());
    }

    #[test]
    fn outlines_that_are_cut_are_none() {
        let bytes = outline_of(&Document::parse(DOCUMENT.as_bytes()).unwrap());
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_none(), "{length}");
        }
        assert!(read(&[&bytes[..], b"x"].concat()).is_none());
    }

    #[test]
    fn numbers_come_back() {
        let check = |number: i64| {
            let mut out = Vec::new();
            write_signed(&mut out, number);
            let mut reader = Reader { numbers: &out, texts: "" };
            assert_eq!((reader.signed(), reader.numbers.len()), (Some(number), 0));
        };
        [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN].into_iter().for_each(check);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(read(&bytes));
        }

        #[test]
        fn a_damaged_outline_is_read_or_none(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = outline_of(&Document::parse(DOCUMENT.as_bytes()).unwrap());
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(document) = read(&bytes) {
                let mut names = crate::Names::default();
                drop(crate::assemble(TraceId::NOOP, vec![document], &mut names));
            }
        }
    }
}
