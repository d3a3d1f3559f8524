//! Parsing and validating one document, with X-Ray's error codes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::{Fields, Known};
use super::lenient::{Member, decode_utf8, read_boolean, read_number, read_object, read_text};
use super::members::{parse_error, read_raw};
use super::repair::null_non_finite;
use super::views::{Aws, Http, Link, find};
use super::{Document, Entity, EntityKind, Flags, MAX_DOCUMENT_BYTES};
use crate::{
    Annotation, AnnotationValue, Rejection, RejectionCode, Scope, SegmentId, Timestamp, TraceId,
};

/// Longest name of a segment in characters (segment document reference: 1–200).
const MAX_SEGMENT_NAME: usize = 200;
/// Longest name of a subsegment: the reference's default for strings.
const MAX_SUBSEGMENT_NAME: usize = 250;
/// Longest key of an annotation in characters (published JSON schema).
const MAX_ANNOTATION_KEY: usize = 500;

/// Longest value of an annotation in characters (segment document reference).
const MAX_ANNOTATION_TEXT: usize = 1000;
/// Longest origin that becomes the type of a node: the reference's default for strings. A longer
/// one is no type of any resource.
const MAX_ORIGIN: usize = 250;

impl<'a> Document<'a> {
    /// Parses one document as it came, byte for byte, from an SDK. What had to be mended (invalid
    /// UTF-8, Python's `NaN`) borrows nothing.
    ///
    /// # Errors
    /// A [`Rejection`] with X-Ray's code when the document is not JSON, is larger than
    /// [`MAX_DOCUMENT_BYTES`], nests deeper than [`MAX_NESTING`](crate::MAX_NESTING), or misses or misuses what a
    /// (sub)segment must have. One bad subsegment refuses the whole document, as X-Ray does.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Rejection> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(too_large(bytes));
        }
        match decode_utf8(bytes) {
            Cow::Borrowed(text) => Self::parse_text(text),
            Cow::Owned(text) => Document::parse_text(&text).map(Document::into_owned),
        }
    }

    fn parse_text(text: &'a str) -> Result<Self, Rejection> {
        match Fields::read(text) {
            Ok(all) => Self::from_fields(all),
            Err(error) if error.is_data() => Err(misshapen(text, &error)),
            Err(error) => {
                let not_json = || parse_error(format!("not JSON: {error}"));
                let mended = null_non_finite(text).ok_or_else(not_json)?;
                let all = Fields::read(&mended).map_err(|error| match error.is_data() {
                    true => misshapen(&mended, &error),
                    false => not_json(),
                })?;
                Document::from_fields(all).map(Document::into_owned)
            }
        }
    }

    fn from_fields(all: Vec<Fields<'a>>) -> Result<Self, Rejection> {
        let mut entities: Vec<Entity<'a>> = Vec::with_capacity(all.len());
        let mut all = all.into_iter();
        // A document that was read has at least itself.
        let Some(first) = all.next() else { return Err(parse_error("not a JSON object")) };
        let reject = Reject::of(|known| first.get(known));
        let id = reject.id(&first)?;
        let trace_id = reject.trace_id(&first)?;
        let kind = kind_of(first.get(Known::Type));
        let parent_id = reject.parent_id(&first, kind)?;
        let reject_held = Reject { scope: Scope::Subsegment, ..reject.clone() };
        entities.push(read_entity(first, id, kind, parent_id, &reject)?);
        for fields in all {
            let id = reject_held.id(&fields)?;
            let holder = fields.parent.and_then(|parent| entities.get(parent));
            let parent_id = holder.map(|holder| holder.id);
            let kind = EntityKind::Subsegment;
            entities.push(read_entity(fields, id, kind, parent_id, &reject_held)?);
        }
        Ok(Document { trace_id, entities })
    }
}

fn kind_of(kind: Option<&RawValue>) -> EntityKind {
    match kind.and_then(read_text).as_deref() {
        Some("subsegment") => EntityKind::Subsegment,
        _ => EntityKind::Segment,
    }
}

fn read_entity<'a>(
    fields: Fields<'a>,
    id: SegmentId,
    kind: EntityKind,
    parent_id: Option<SegmentId>,
    reject: &Reject<'_>,
) -> Result<Entity<'a>, Rejection> {
    let text = |known: Known| fields.get(known).and_then(read_text);
    let http = fields.get(Known::Http).map(Http::read).unwrap_or_default();
    let is_opaque = |key: &str| Known::of(key.as_bytes()).is_none_or(Known::is_opaque);
    let opaque = fields.members.iter().filter(|(key, _)| is_opaque(key));
    let size = opaque.map(|(key, raw)| key.len() + raw.get().len()).sum();
    let mut entity = Entity {
        id,
        kind,
        parent_id,
        name: reject.name(&fields, kind)?,
        start: reject.start(&fields)?,
        end: reject.end(&fields)?,
        flags: read_flags(&fields, http.status),
        namespace: text(Known::Namespace),
        origin: text(Known::Origin).filter(|origin| is_origin(origin)),
        user: text(Known::User),
        resource_arn: text(Known::ResourceArn),
        http,
        aws: fields.get(Known::Aws).map(Aws::read).unwrap_or_default(),
        has_sql: fields.get(Known::Sql).is_some_and(is_object),
        annotations: fields.get(Known::Annotations).map(read_annotations).unwrap_or_default(),
        links: fields.get(Known::Links).map(Link::read_all).unwrap_or_default(),
        members: fields.members,
        size: 0,
    };
    entity.size = entity.size_with(size);
    Ok(entity)
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Whether a text is the type of a resource.
pub(super) fn is_origin(text: &str) -> bool {
    (1..=MAX_ORIGIN).contains(&text.len())
}

fn read_flags(fields: &Fields<'_>, status: Option<i64>) -> Flags {
    let stated = |known: Known| fields.get(known).and_then(read_boolean);
    flags_of(stated(Known::Error), stated(Known::Throttle), stated(Known::Fault), status)
}

/// Stated flags win over the HTTP status; where no flag is stated the status decides. A throttle is
/// an error, also where only the throttle is stated (X-Ray counts it in `ErrorStatistics`).
pub(super) fn flags_of(
    error: Option<bool>,
    throttle: Option<bool>,
    fault: Option<bool>,
    status: Option<i64>,
) -> Flags {
    match (error, throttle, fault) {
        (None, None, None) => Flags {
            error: status.is_some_and(|status| (400..500).contains(&status)),
            throttle: status == Some(429),
            fault: status.is_some_and(|status| (500..600).contains(&status)),
        },
        (error, throttle, fault) => Flags {
            error: error.unwrap_or_default() || throttle.unwrap_or_default(),
            throttle: throttle.unwrap_or_default(),
            fault: fault.unwrap_or_default(),
        },
    }
}

/// The annotations X-Ray would index: a bad key or value loses that annotation, not the document.
fn read_annotations(raw: &RawValue) -> Vec<Annotation<'_>> {
    let read_value = |raw| {
        read_text(raw)
            .filter(|text| is_annotation_text(text))
            .map(AnnotationValue::String)
            .or_else(|| read_number(raw).map(AnnotationValue::Number))
            .or_else(|| read_boolean(raw).map(AnnotationValue::Boolean))
    };
    read_object(raw)
        .unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| is_annotation_key(key))
        .filter_map(|(key, value)| Some(Annotation { key, value: read_value(value)? }))
        .collect()
}

/// Whether a key is one that X-Ray indexes.
pub(super) fn is_annotation_key(key: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    (1..=MAX_ANNOTATION_KEY).contains(&key.len()) && key.bytes().all(is_allowed)
}

/// Whether a text is short enough to be indexed.
pub(super) fn is_annotation_text(text: &str) -> bool {
    // A text has no more characters than bytes.
    text.len() <= MAX_ANNOTATION_TEXT || text.chars().count() <= MAX_ANNOTATION_TEXT
}

/// Whether a (sub)segment may have this name. [`Reject::name`] tells why not.
pub(super) fn is_name(name: &str, kind: EntityKind) -> bool {
    let is_short = name.len() <= longest_name(kind) || name.chars().count() <= longest_name(kind);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:@ ".contains(&byte);
    let is_allowed = name.bytes().all(is_plain) || name.chars().all(is_name_character);
    !name.is_empty() && is_short && is_allowed
}

fn longest_name(kind: EntityKind) -> usize {
    match kind {
        EntityKind::Segment => MAX_SEGMENT_NAME,
        EntityKind::Subsegment => MAX_SUBSEGMENT_NAME,
    }
}

/// A refusal of JSON whose subsegments cannot be read. The ids still help to find the sender.
fn misshapen(text: &str, error: &serde_json::Error) -> Rejection {
    let raw: Option<&RawValue> = serde_json::from_str(text).ok();
    match raw.and_then(read_object) {
        Some(members) => {
            Reject::of_members(&members).because(RejectionCode::InvalidSegment, error.to_string())
        }
        None => parse_error("not a JSON object"),
    }
}

fn too_large(bytes: &[u8]) -> Rejection {
    let cause = format!(
        "the document has {} bytes, at most {MAX_DOCUMENT_BYTES} are allowed; send large \
         subsegments as documents of their own",
        bytes.len()
    );
    // The ids help the sender to find the culprit. Reading them costs one more pass over a
    // document that the receiver has already bounded.
    let raw = read_raw(bytes).ok();
    let members = raw.as_deref().and_then(read_object).unwrap_or_default();
    Reject::of_members(&members).because(RejectionCode::InvalidSegment, cause)
}

/// What every refusal of one document says, and the checks that can refuse.
#[derive(Clone)]
struct Reject<'a> {
    scope: Scope,
    id: Option<&'a RawValue>,
    trace_id: Option<&'a RawValue>,
}

impl<'a> Reject<'a> {
    fn of(member: impl Fn(Known) -> Option<&'a RawValue>) -> Self {
        Self {
            scope: match kind_of(member(Known::Type)) {
                EntityKind::Segment => Scope::Segment,
                EntityKind::Subsegment => Scope::Subsegment,
            },
            id: member(Known::Id),
            trace_id: member(Known::TraceId),
        }
    }

    fn of_members(members: &[Member<'a>]) -> Self {
        Self::of(|known| find(members, known.name()))
    }

    fn because(&self, code: RejectionCode, cause: impl Into<String>) -> Rejection {
        Rejection {
            code,
            scope: self.scope,
            id: self.id.and_then(read_text).map(Cow::into_owned),
            trace_id: self.trace_id.and_then(read_text).map(Cow::into_owned),
            cause: cause.into(),
        }
    }

    fn id(&self, fields: &Fields<'_>) -> Result<SegmentId, Rejection> {
        let raw = present(fields, Known::Id)
            .ok_or_else(|| self.because(RejectionCode::MissingId, "id is missing"))?;
        let invalid = |cause: String| self.because(RejectionCode::InvalidId, cause);
        let text = read_text(raw).ok_or_else(|| invalid("id is not a string".to_owned()))?;
        text.parse().map_err(|error| invalid(format!("{error}")))
    }

    fn trace_id(&self, fields: &Fields<'_>) -> Result<TraceId, Rejection> {
        let raw = present(fields, Known::TraceId)
            .ok_or_else(|| self.because(RejectionCode::MissingTraceId, "trace_id is missing"))?;
        let invalid = |cause: String| self.because(RejectionCode::InvalidTraceId, cause);
        let text = read_text(raw).ok_or_else(|| invalid("trace_id is not a string".to_owned()))?;
        let id = TraceId::parse_xray(&text).map_err(|error| invalid(format!("{error}")))?;
        if id == TraceId::NOOP {
            // Requests that are not sampled share this id; they have nothing to do with another.
            return Err(invalid(
                "the all-zero trace id marks requests that are not sampled".into(),
            ));
        }
        Ok(id)
    }

    fn parent_id(
        &self,
        fields: &Fields<'_>,
        kind: EntityKind,
    ) -> Result<Option<SegmentId>, Rejection> {
        let Some(raw) = present(fields, Known::ParentId) else {
            return match kind {
                EntityKind::Segment => Ok(None),
                EntityKind::Subsegment => {
                    let cause = "a subsegment sent on its own needs parent_id";
                    Err(self.because(RejectionCode::MissingParentId, cause))
                }
            };
        };
        let invalid = |cause: String| self.because(RejectionCode::InvalidParentId, cause);
        let text = read_text(raw).ok_or_else(|| invalid("parent_id is not a string".to_owned()))?;
        text.parse().map(Some).map_err(|error| invalid(format!("parent_id: {error}")))
    }

    fn name<'f>(&self, fields: &Fields<'f>, kind: EntityKind) -> Result<Cow<'f, str>, Rejection> {
        let raw = present(fields, Known::Name)
            .ok_or_else(|| self.because(RejectionCode::MissingName, "name is missing"))?;
        let invalid = |cause: String| self.because(RejectionCode::InvalidName, cause);
        let name = read_text(raw).ok_or_else(|| invalid("name is not a string".to_owned()))?;
        if is_name(&name, kind) {
            return Ok(name);
        }
        let (length, longest) = (name.chars().count(), longest_name(kind));
        let foreign = name.chars().find(|&c| !is_name_character(c));
        Err(invalid(match foreign.filter(|_| (1..=longest).contains(&length)) {
            Some(character) => format!(
                "name has the character {character:?}; letters, numbers, white space and \
                 _ . : / % & # = + \\ - @ are allowed"
            ),
            None => format!("name has {length} characters, 1 to {longest} are allowed"),
        }))
    }

    fn start(&self, fields: &Fields<'_>) -> Result<Timestamp, Rejection> {
        let raw = present(fields, Known::StartTime).ok_or_else(|| {
            self.because(RejectionCode::MissingStartTime, "start_time is missing")
        })?;
        read_time(raw).ok_or_else(|| {
            self.because(RejectionCode::InvalidStartTime, not_a_time("start_time", raw))
        })
    }

    /// The end; none while in progress. `in_progress` beside an end does not undo the end.
    fn end(&self, fields: &Fields<'_>) -> Result<Option<Timestamp>, Rejection> {
        let Some(raw) = present(fields, Known::EndTime) else { return Ok(None) };
        let end = read_time(raw);
        end.map(Some)
            .ok_or_else(|| self.because(RejectionCode::InvalidEndTime, not_a_time("end_time", raw)))
    }
}

/// A member that is there and not `null`.
fn present<'a>(fields: &Fields<'a>, known: Known) -> Option<&'a RawValue> {
    fields.get(known).filter(|raw| raw.get() != "null")
}

fn read_time(raw: &RawValue) -> Option<Timestamp> {
    read_number(raw).and_then(Timestamp::from_seconds)
}

fn not_a_time(name: &str, raw: &RawValue) -> String {
    let shown: String = raw.get().chars().take(40).collect();
    format!("{name} {shown} is not a time; expected epoch seconds as a number")
}

/// Segment document reference: Unicode letters, numbers, white space, and `_ . : / % & # = + \ - @`.
fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || r"_.:/%&#=+\-@".contains(c)
}

#[cfg(test)]
mod tests;
