//! Parsing and validating one document, with X-Ray's error codes.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::lenient::{Member, decode_utf8, read_boolean, read_number, read_object, read_text};
use super::members::{parse_error, read_raw};
use super::repair::null_non_finite;
use super::tree::Tree;
use super::views::{Aws, Http, find};
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

/// Members that processing writes anew, so that they are not kept raw.
const REWRITTEN: [&str; 8] =
    ["id", "name", "start_time", "end_time", "in_progress", "trace_id", "parent_id", "annotations"];

type Members<'a> = Vec<Member<'a>>;

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
        match Tree::read(text) {
            Ok(tree) => Self::from_tree(tree),
            Err(error) if error.is_data() => Err(misshapen(text, &error)),
            Err(error) => {
                let not_json = || parse_error(format!("not JSON: {error}"));
                let mended = null_non_finite(text).ok_or_else(not_json)?;
                let tree = Tree::read(&mended).map_err(|error| match error.is_data() {
                    true => misshapen(&mended, &error),
                    false => not_json(),
                })?;
                Document::from_tree(tree).map(Document::into_owned)
            }
        }
    }

    fn from_tree(Tree { members, children }: Tree<'a>) -> Result<Self, Rejection> {
        let reject = Reject::of(&members);
        let id = reject.id(&members)?;
        let trace_id = reject.trace_id(&members)?;
        let kind = kind_of(&members);
        let parent_id = reject.parent_id(&members, kind)?;
        let mut entities = vec![read_entity(members, id, kind, parent_id, &reject)?];

        let reject = Reject { scope: Scope::Subsegment, ..reject };
        let mut open = vec![(id, children)];
        while let Some((parent_id, children)) = open.pop() {
            for Tree { members, children } in children {
                let id = reject.id(&members)?;
                let kind = EntityKind::Subsegment;
                entities.push(read_entity(members, id, kind, Some(parent_id), &reject)?);
                open.push((id, children));
            }
        }
        Ok(Document { trace_id, entities })
    }
}

fn kind_of(members: &Members<'_>) -> EntityKind {
    match find(members, "type").and_then(read_text).as_deref() {
        Some("subsegment") => EntityKind::Subsegment,
        _ => EntityKind::Segment,
    }
}

fn read_entity<'a>(
    members: Members<'a>,
    id: SegmentId,
    kind: EntityKind,
    parent_id: Option<SegmentId>,
    reject: &Reject,
) -> Result<Entity<'a>, Rejection> {
    let kept = keep_raw(&members);
    let size = kept.iter().map(|(key, value)| key.len() + value.get().len()).sum::<usize>();
    let members = &members;
    let text = |name: &str| find(members, name).and_then(read_text);
    let http = find(members, "http").map(Http::read).unwrap_or_default();
    Ok(Entity {
        id,
        kind,
        parent_id,
        name: reject.name(members, kind)?,
        start: reject.start(members)?,
        end: reject.end(members)?,
        flags: read_flags(members, http.status),
        namespace: text("namespace"),
        origin: text("origin").filter(|origin| (1..=MAX_ORIGIN).contains(&origin.len())),
        user: text("user"),
        resource_arn: text("resource_arn"),
        http,
        aws: find(members, "aws").map(Aws::read).unwrap_or_default(),
        has_sql: find(members, "sql").is_some_and(|sql| sql.get().starts_with('{')),
        annotations: find(members, "annotations").map(read_annotations).unwrap_or_default(),
        members: kept,
        size: u32::try_from(size).unwrap_or(u32::MAX),
    })
}

/// The members that are shown as they were sent.
fn keep_raw<'a>(members: &Members<'a>) -> Vec<(Cow<'a, str>, Cow<'a, RawValue>)> {
    members
        .iter()
        .filter(|(key, _)| !REWRITTEN.contains(&key.as_ref()))
        .map(|(key, value)| (key.clone(), Cow::Borrowed(*value)))
        .collect()
}

/// Stated flags win over the HTTP status; where no flag is stated the status decides.
fn read_flags(members: &Members<'_>, status: Option<i64>) -> Flags {
    let stated = |name: &str| find(members, name).and_then(read_boolean);
    match (stated("error"), stated("throttle"), stated("fault")) {
        (None, None, None) => Flags {
            error: status.is_some_and(|status| (400..500).contains(&status)),
            throttle: status == Some(429),
            fault: status.is_some_and(|status| (500..600).contains(&status)),
        },
        (error, throttle, fault) => Flags {
            error: error.unwrap_or_default(),
            throttle: throttle.unwrap_or_default(),
            fault: fault.unwrap_or_default(),
        },
    }
}

/// The annotations X-Ray would index: a bad key or value loses that annotation, not the document.
fn read_annotations(raw: &RawValue) -> Vec<Annotation<'_>> {
    let is_key = |key: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        (1..=MAX_ANNOTATION_KEY).contains(&key.len()) && key.chars().all(allowed)
    };
    let is_short = |text: &Cow<'_, str>| text.chars().count() <= MAX_ANNOTATION_TEXT;
    let read_value = |raw| {
        read_text(raw)
            .filter(is_short)
            .map(AnnotationValue::String)
            .or_else(|| read_number(raw).map(AnnotationValue::Number))
            .or_else(|| read_boolean(raw).map(AnnotationValue::Boolean))
    };
    read_object(raw)
        .unwrap_or_default()
        .into_iter()
        .filter(|(key, _)| is_key(key))
        .filter_map(|(key, value)| Some(Annotation { key, value: read_value(value)? }))
        .collect()
}

/// A refusal of JSON whose subsegments cannot be read. The ids still help to find the sender.
fn misshapen(text: &str, error: &serde_json::Error) -> Rejection {
    let raw: Option<&RawValue> = serde_json::from_str(text).ok();
    match raw.and_then(read_object) {
        Some(members) => {
            Reject::of(&members).because(RejectionCode::InvalidSegment, error.to_string())
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
    Reject::of(&members).because(RejectionCode::InvalidSegment, cause)
}

/// What every refusal of one document says, and the checks that can refuse.
#[derive(Clone)]
struct Reject {
    scope: Scope,
    id: Option<String>,
    trace_id: Option<String>,
}

impl Reject {
    fn of(members: &Members<'_>) -> Self {
        Self {
            scope: match kind_of(members) {
                EntityKind::Segment => Scope::Segment,
                EntityKind::Subsegment => Scope::Subsegment,
            },
            id: find(members, "id").and_then(read_text).map(Cow::into_owned),
            trace_id: find(members, "trace_id").and_then(read_text).map(Cow::into_owned),
        }
    }

    fn because(&self, code: RejectionCode, cause: impl Into<String>) -> Rejection {
        Rejection {
            code,
            scope: self.scope,
            id: self.id.clone(),
            trace_id: self.trace_id.clone(),
            cause: cause.into(),
        }
    }

    fn id(&self, members: &Members<'_>) -> Result<SegmentId, Rejection> {
        let raw = present(members, "id")
            .ok_or_else(|| self.because(RejectionCode::MissingId, "id is missing"))?;
        let invalid = |cause: String| self.because(RejectionCode::InvalidId, cause);
        let text = read_text(raw).ok_or_else(|| invalid("id is not a string".to_owned()))?;
        text.parse().map_err(|error| invalid(format!("{error}")))
    }

    fn trace_id(&self, members: &Members<'_>) -> Result<TraceId, Rejection> {
        let raw = present(members, "trace_id")
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
        members: &Members<'_>,
        kind: EntityKind,
    ) -> Result<Option<SegmentId>, Rejection> {
        let Some(raw) = present(members, "parent_id") else {
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

    fn name<'a>(&self, members: &Members<'a>, kind: EntityKind) -> Result<Cow<'a, str>, Rejection> {
        let raw = present(members, "name")
            .ok_or_else(|| self.because(RejectionCode::MissingName, "name is missing"))?;
        let invalid = |cause: String| self.because(RejectionCode::InvalidName, cause);
        let name = read_text(raw).ok_or_else(|| invalid("name is not a string".to_owned()))?;
        let longest = match kind {
            EntityKind::Segment => MAX_SEGMENT_NAME,
            EntityKind::Subsegment => MAX_SUBSEGMENT_NAME,
        };
        let length = name.chars().count();
        if !(1..=longest).contains(&length) {
            return Err(invalid(format!(
                "name has {length} characters, 1 to {longest} are allowed"
            )));
        }
        if let Some(character) = name.chars().find(|&c| !is_name_character(c)) {
            return Err(invalid(format!(
                "name has the character {character:?}; letters, numbers, white space and \
                 _ . : / % & # = + \\ - @ are allowed"
            )));
        }
        Ok(name)
    }

    fn start(&self, members: &Members<'_>) -> Result<Timestamp, Rejection> {
        let raw = present(members, "start_time").ok_or_else(|| {
            self.because(RejectionCode::MissingStartTime, "start_time is missing")
        })?;
        read_time(raw).ok_or_else(|| {
            self.because(RejectionCode::InvalidStartTime, not_a_time("start_time", raw))
        })
    }

    /// The end; none while in progress. `in_progress` beside an end does not undo the end.
    fn end(&self, members: &Members<'_>) -> Result<Option<Timestamp>, Rejection> {
        let Some(raw) = present(members, "end_time") else { return Ok(None) };
        let end = read_time(raw);
        end.map(Some)
            .ok_or_else(|| self.because(RejectionCode::InvalidEndTime, not_a_time("end_time", raw)))
    }
}

/// A member that is there and not `null`.
fn present<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    find(members, name).filter(|raw| raw.get() != "null")
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
