//! Outlines: of a document, what summaries and graphs are made of, in a quarter of its size.
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
//!              length of each text…, [count of annotations, annotation…], [count of links, link…]
//! annotation = length of the key, u8 type, [f64 | length of the text]
//! link       = 16 bytes of the trace id, u64 id
//! ```
//!
//! Numbers without a type are varints, little endian in groups of seven bits; signed ones are
//! folded to unsigned (0, −1, 1, −2…).

use std::borrow::Cow;

use super::{Aws, Document, Entity, EntityKind, Flags, Http, Link};
use crate::{Annotation, AnnotationValue, Micros, SegmentId, Timestamp, TraceId};

/// Texts that an entity may have in its outline.
const TEXTS: usize = 11;
/// Bytes that every entity takes at least; bounds what a damaged count can ask for.
const LEAST_ENTITY: usize = 14;
/// Bytes of a link.
const LINK: usize = 24;

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
    pub(super) const LINKS: u16 = 1 << 12;
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
        out.extend_from_slice(&[0; 4]);
        let mut numbers = Numbers::default();
        numbers.put(first.start.as_micros().to_le_bytes());
        numbers.put_number(self.entities.len() as u64);
        numbers.flush(out);
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
            reader.entity(base, &mut entities)?;
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
    let mut facts = facts(entity);
    facts |= match entity.parent_id {
        None => 0,
        parent_id if parent_id == first => fact::PARENT_FIRST,
        Some(_) => fact::PARENT_TOLD,
    };
    let present = texts.iter().rev().fold(0, |bits, text| bits << 1 | u16::from(text.is_some()));
    let mut numbers = Numbers::default();
    numbers.put(facts.to_le_bytes());
    numbers.put(u16::to_le_bytes(present));
    numbers.put(entity.id.to_u64().to_le_bytes());
    if let Some(parent_id) = entity.parent_id.filter(|_| facts & fact::PARENT_TOLD != 0) {
        numbers.put(parent_id.to_u64().to_le_bytes());
    }
    numbers.put_signed((entity.start - base).get());
    if let Some(end) = entity.end {
        numbers.put_signed((end - entity.start).get());
    }
    numbers.put_number(u64::from(entity.size));
    if let Some(status) = kept_status(entity) {
        numbers.put_signed(status);
    }
    for text in texts.into_iter().flatten() {
        numbers.put_number(text.len() as u64);
    }
    if !entity.annotations.is_empty() {
        numbers.put_number(entity.annotations.len() as u64);
    }
    numbers.flush(out);
    for Annotation { key, value } in &entity.annotations {
        numbers.put_number(key.len() as u64);
        match value {
            AnnotationValue::Boolean(truth) => numbers.put([if *truth { TRUE } else { FALSE }]),
            AnnotationValue::Number(number) => {
                numbers.put([NUMBER]);
                numbers.put(number.to_le_bytes());
            }
            AnnotationValue::String(text) => {
                numbers.put([TEXT]);
                numbers.put_number(text.len() as u64);
            }
        }
        numbers.flush(out);
    }
    if !entity.links.is_empty() {
        numbers.put_number(entity.links.len() as u64);
        numbers.flush(out);
    }
    for Link { trace_id, id } in &entity.links {
        out.extend_from_slice(&trace_id.to_bytes());
        out.extend_from_slice(&id.to_u64().to_le_bytes());
    }
}

/// Writes the texts themselves, in the order of their lengths.
fn write_texts(entity: &Entity<'_>, out: &mut Vec<u8>) {
    for text in texts(entity).into_iter().flatten() {
        out.extend_from_slice(text.as_bytes());
    }
    for Annotation { key, value } in &entity.annotations {
        out.extend_from_slice(key.as_bytes());
        if let AnnotationValue::String(text) = value {
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// All facts but where the parent is.
fn facts(entity: &Entity<'_>) -> u16 {
    let call = match (entity.kind, entity.namespace.as_deref()) {
        (EntityKind::Segment, _) => fact::SEGMENT,
        (EntityKind::Subsegment, Some("aws")) => fact::AWS,
        (EntityKind::Subsegment, Some("remote")) => fact::REMOTE,
        (EntityKind::Subsegment, _) => 0,
    };
    let is_call = call & (fact::AWS | fact::REMOTE) != 0;
    let when = |holds: bool, fact: u16| if holds { fact } else { 0 };
    call | when(entity.end.is_some(), fact::ENDED)
        | when(entity.flags.error, fact::ERROR)
        | when(entity.flags.throttle, fact::THROTTLE)
        | when(entity.flags.fault, fact::FAULT)
        | when(is_call && entity.has_sql, fact::SQL)
        | when(kept_status(entity).is_some(), fact::STATUS)
        | when(!entity.annotations.is_empty(), fact::ANNOTATIONS)
        | when(!entity.links.is_empty(), fact::LINKS)
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
    fn entity(&mut self, base: Timestamp, entities: &mut Vec<Entity<'a>>) -> Option<()> {
        let facts = u16::from_le_bytes(self.array()?);
        let holds = |fact: u16| facts & fact != 0;
        let present = u16::from_le_bytes(self.array()?);
        let id = self.id()?;
        let parent_id = match (holds(fact::PARENT_FIRST), holds(fact::PARENT_TOLD)) {
            (true, _) => Some(entities.first().map_or(id, |first| first.id)),
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
        let mut bits = present;
        let mut next_text = || {
            let is_present = bits & 1 != 0;
            bits >>= 1;
            if is_present { self.text().map(Some) } else { Some(None) }
        };
        let (user, name) = (next_text()?, next_text()?.unwrap_or_default());
        let mut aws = Aws { account_id: next_text()?, ..Aws::default() };
        let mut http = Http { status, ..Http::default() };
        let (mut origin, mut resource_arn) = (None, None);
        let kind = if holds(fact::SEGMENT) {
            (origin, resource_arn) = (next_text()?, next_text()?);
            (http.url, http.method) = (next_text()?, next_text()?);
            (http.user_agent, http.client_ip) = (next_text()?, next_text()?);
            (aws.instance_id, aws.availability_zone) = (next_text()?, next_text()?);
            EntityKind::Segment
        } else {
            (aws.table_name, aws.bucket_name) = (next_text()?, next_text()?);
            aws.queue_url = next_text()?;
            EntityKind::Subsegment
        };
        let annotations = if holds(fact::ANNOTATIONS) { self.annotations()? } else { Vec::new() };
        let links = if holds(fact::LINKS) { self.links()? } else { Vec::new() };
        let namespace = match (holds(fact::AWS), holds(fact::REMOTE)) {
            (true, _) => Some(Cow::Borrowed("aws")),
            (false, true) => Some(Cow::Borrowed("remote")),
            (false, false) => None,
        };
        entities.push(Entity {
            id,
            kind,
            parent_id,
            name,
            start,
            end,
            flags: Flags {
                error: holds(fact::ERROR),
                throttle: holds(fact::THROTTLE),
                fault: holds(fact::FAULT),
            },
            namespace,
            origin,
            user,
            resource_arn,
            http,
            aws,
            has_sql: holds(fact::SQL),
            annotations,
            links,
            members: Vec::new(),
            size,
        });
        Some(())
    }

    fn annotations(&mut self) -> Option<Vec<Annotation<'a>>> {
        let count = usize::try_from(self.number()?).ok()?;
        let mut annotations = Vec::with_capacity(count.min(self.numbers.len() / 2));
        for _ in 0..count {
            let key = self.text()?;
            let value = match self.array()? {
                [FALSE] => AnnotationValue::Boolean(false),
                [TRUE] => AnnotationValue::Boolean(true),
                [NUMBER] => AnnotationValue::Number(f64::from_le_bytes(self.array()?)),
                [TEXT] => AnnotationValue::String(self.text()?),
                _ => return None,
            };
            annotations.push(Annotation { key, value });
        }
        Some(annotations)
    }

    fn links(&mut self) -> Option<Vec<Link>> {
        let count = usize::try_from(self.number()?).ok()?;
        let mut links = Vec::with_capacity(count.min(self.numbers.len() / LINK));
        for _ in 0..count {
            links.push(Link { trace_id: TraceId::from_bytes(self.array()?), id: self.id()? });
        }
        Some(links)
    }

    fn id(&mut self) -> Option<SegmentId> {
        Some(SegmentId::from_u64(u64::from_le_bytes(self.array()?)))
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.texts.split_at_checked(length)?;
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
        let [byte] = self.array()?;
        if byte & 0x80 == 0 {
            return Some(u64::from(byte)); // As most are.
        }
        let mut number = u64::from(byte & 0x7f);
        for shift in (7..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Numbers on their way to an outline. They are collected here first, since a list that may
/// grow looks after its room with every byte.
struct Numbers {
    bytes: [u8; MOST_NUMBERS],
    length: usize,
}

/// Bytes of the numbers of one entity without its annotations: four fixed ones, and varints of
/// ten bytes at most for two times, size, status, all texts and the count of annotations.
const MOST_NUMBERS: usize = 2 + 2 + 8 + 8 + 10 * (5 + TEXTS);

impl Default for Numbers {
    fn default() -> Self {
        Self { bytes: [0; MOST_NUMBERS], length: 0 }
    }
}

impl Numbers {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(place) = self.bytes.get_mut(self.length..).and_then(<[_]>::first_chunk_mut) {
            *place = bytes;
            self.length += N;
        }
    }

    fn put_signed(&mut self, number: i64) {
        self.put_number((number << 1 ^ number >> 63).cast_unsigned());
    }

    fn put_number(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.put([low & 0x7f]);
                return;
            }
            self.put([low | 0x80]);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
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
        "links":[{"trace_id":"1-581cf772-a006649127e371903a2de979","id":"73995c3f42cd8ad8"}],
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
        assert_eq!((&segment.links, segment.links.len()), (&expect.links, 1));
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
            let (mut numbers, mut out) = (Numbers::default(), Vec::new());
            numbers.put_signed(number);
            numbers.flush(&mut out);
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
