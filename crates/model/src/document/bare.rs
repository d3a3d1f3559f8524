//! The fast road for documents that come in: typed values in one pass, no raw members.
//!
//! A server looks at every document once to check it and to write its outline, which needs no
//! raw members. Here the members are read straight into their types, and whatever is not as
//! documents usually are (a member of another type, a repeated key, anything to be refused or
//! mended) makes it give up (`None`): [`Document::parse`], which knows what all of that means, then
//! reads the document anew. So there is one place that decides, and this one agrees with it on what
//! both can read (a property test).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::Known;
use super::parse::{flags_of, is_annotation_key, is_annotation_text, is_name, is_origin};
use super::scanner::Scanner;
use super::{Aws, Document, Entity, EntityKind, Http, Link, MAX_DOCUMENT_BYTES};
use crate::{Annotation, AnnotationValue, Rejection, SegmentId, Timestamp, TraceId};

/// How deep subsegments usually nest. Each level takes some kilobytes of the stack here.
const USUAL_NESTING: usize = 32;
/// Annotations, and members that X-Ray does not know, up to which a repeated key is looked for here,
/// one by one. [`Document::parse`] finds it by hashing.
const FEW_KEYS: usize = 32;

impl<'a> Document<'a> {
    /// Parses one document as [`Document::parse`] does, but without its raw members, and so three
    /// times as fast: enough for its outline, its summary and its part of the graph, not for showing
    /// it.
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
    let mut scanner = Scanner::new(std::str::from_utf8(bytes).ok()?);
    let mut entities = Vec::with_capacity(4);
    let trace_id = read_subsegment(&mut scanner, &mut entities, 0)?;
    scanner.end()?;
    Some(Document { trace_id: trace_id?, entities })
}

/// Reads a (sub)segment with so many around it, and all in it. Gives the id of its trace, which
/// only the outermost needs.
fn read_subsegment<'a>(
    scanner: &mut Scanner<'a>,
    entities: &mut Vec<Entity<'a>>,
    depth: usize,
) -> Option<Option<TraceId>> {
    if depth > USUAL_NESTING {
        return None;
    }
    let place = entities.len();
    let (mut seen, mut unknown) = (0_u32, Vec::new());
    let (mut id, mut trace_id, mut parent_id, mut name) = (None, None, None, None);
    let (mut start, mut end, mut kind) = (None, None, None);
    let (mut error, mut throttle, mut fault) = (None, None, None);
    let (mut namespace, mut origin, mut user, mut resource_arn) = (None, None, None, None);
    let (mut http, mut aws) = (Http::default(), Aws::default());
    let (mut has_sql, mut annotations, mut links, mut size) = (false, Vec::new(), Vec::new(), 0);
    scanner.object(|scanner, key| {
        let Some(known) = Known::of(key.as_bytes()) else {
            if unknown.len() >= FEW_KEYS || unknown.contains(&key) {
                return None;
            }
            if key == "subsegments" {
                scanner.array(|scanner| {
                    read_subsegment(scanner, entities, depth + 1)?;
                    Some(())
                })?;
            } else {
                size += key.len() + scanner.value()?.len();
            }
            unknown.push(key);
            return Some(());
        };
        if seen & known.bit() != 0 {
            return None;
        }
        seen |= known.bit();
        match known {
            Known::Id => id = text(scanner)?,
            Known::TraceId => trace_id = text(scanner)?,
            Known::ParentId => parent_id = text(scanner)?,
            Known::Name => name = text(scanner)?,
            Known::StartTime => start = unless_null(scanner, Scanner::number)?,
            Known::EndTime => end = unless_null(scanner, Scanner::number)?,
            Known::InProgress => drop(scanner.value()?),
            Known::Type => kind = text(scanner)?,
            Known::Error => error = unless_null(scanner, Scanner::boolean)?,
            Known::Throttle => throttle = unless_null(scanner, Scanner::boolean)?,
            Known::Fault => fault = unless_null(scanner, Scanner::boolean)?,
            Known::Namespace => namespace = text(scanner)?,
            Known::Origin => origin = text(scanner)?,
            Known::User => user = text(scanner)?,
            Known::ResourceArn => resource_arn = text(scanner)?,
            Known::Http => read_http(scanner, &mut http)?,
            Known::Aws => read_aws(scanner, &mut aws)?,
            Known::Annotations => read_annotations(scanner, &mut annotations)?,
            Known::Cause | Known::Metadata | Known::Service | Known::Sql => {
                let value = scanner.value()?;
                size += known.name().len() + value.len();
                has_sql |= known == Known::Sql && value.starts_with('{');
            }
            Known::Links => {
                let value = scanner.value()?;
                size += known.name().len() + value.len();
                // They are few, so there is no fast road for them.
                links = serde_json::from_str::<&RawValue>(value).map(Link::read_all).ok()?;
            }
        }
        Some(())
    })?;
    let is_outermost = depth == 0;
    let kind = match kind.as_deref() {
        Some("subsegment") => EntityKind::Subsegment,
        _ if is_outermost => EntityKind::Segment,
        _ => EntityKind::Subsegment,
    };
    let parent_id = match parent_id {
        // Who holds it counts, whatever it names.
        _ if !is_outermost => None,
        Some(parent_id) => Some(parent_id.parse().ok()?),
        None if kind == EntityKind::Segment => None,
        None => return None,
    };
    let id: SegmentId = id?.parse().ok()?;
    let end = match end {
        Some(end) => Some(Timestamp::from_seconds(end)?),
        None => None,
    };
    let flags = flags_of(error, throttle, fault, http.status);
    let mut entity = Entity {
        id,
        kind,
        parent_id,
        name: name.filter(|name| is_name(name, kind))?,
        start: Timestamp::from_seconds(start?)?,
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
        links,
        members: Vec::new(),
        size: 0,
    };
    entity.size = entity.size_with(size);
    // What it holds was read before it was complete, and waits for its parent.
    let held = entities.get_mut(place..).unwrap_or_default();
    let orphans = held.iter_mut().filter(|held| held.parent_id.is_none());
    orphans.for_each(|held| held.parent_id = Some(id));
    entities.insert(place, entity);
    match trace_id {
        Some(trace_id) if is_outermost => {
            let trace_id = TraceId::parse_xray(&trace_id).ok()?;
            (trace_id != TraceId::NOOP).then_some(Some(trace_id))
        }
        _ => Some(None),
    }
}

/// A value; none for `null`.
fn unless_null<'a, T>(
    scanner: &mut Scanner<'a>,
    read: impl FnOnce(&mut Scanner<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if scanner.null()? { Some(None) } else { read(scanner).map(Some) }
}

/// A text; none for `null`.
fn text<'a>(scanner: &mut Scanner<'a>) -> Option<Option<Cow<'a, str>>> {
    unless_null(scanner, Scanner::string)
}

/// Reads the members of an object, and nothing where there is `null`.
fn members<'a>(
    scanner: &mut Scanner<'a>,
    member: impl FnMut(&mut Scanner<'a>, Cow<'a, str>) -> Option<()>,
) -> Option<()> {
    unless_null(scanner, |scanner| scanner.object(member)).map(drop)
}

fn read_http<'a>(scanner: &mut Scanner<'a>, http: &mut Http<'a>) -> Option<()> {
    members(scanner, |scanner, key| match &*key {
        "request" => {
            *http = Http { status: http.status, ..Http::default() };
            members(scanner, |scanner, key| {
                let text_of = match &*key {
                    "method" => &mut http.method,
                    "url" => &mut http.url,
                    "user_agent" => &mut http.user_agent,
                    "client_ip" => &mut http.client_ip,
                    _ => return scanner.value().map(drop),
                };
                *text_of = text(scanner)?;
                Some(())
            })
        }
        "response" => {
            http.status = None;
            members(scanner, |scanner, key| {
                if key != "status" {
                    return scanner.value().map(drop);
                }
                http.status = unless_null(scanner, Scanner::integer)?;
                Some(())
            })
        }
        _ => scanner.value().map(drop),
    })
}

fn read_aws<'a>(scanner: &mut Scanner<'a>, aws: &mut Aws<'a>) -> Option<()> {
    members(scanner, |scanner, key| {
        let text_of = match &*key {
            "account_id" => &mut aws.account_id,
            "operation" => &mut aws.operation,
            "table_name" => &mut aws.table_name,
            "queue_url" => &mut aws.queue_url,
            "bucket_name" => &mut aws.bucket_name,
            "function_name" => &mut aws.function_name,
            "topic_arn" => &mut aws.topic_arn,
            // Which of the names of tables counts, `parse` knows.
            "table_names" => return None,
            "ec2" => {
                (aws.instance_id, aws.availability_zone) = (None, None);
                return members(scanner, |scanner, key| {
                    let text_of = match &*key {
                        "instance_id" => &mut aws.instance_id,
                        "availability_zone" => &mut aws.availability_zone,
                        _ => return scanner.value().map(drop),
                    };
                    *text_of = text(scanner)?;
                    Some(())
                });
            }
            _ => return scanner.value().map(drop),
        };
        *text_of = text(scanner)?;
        Some(())
    })
}

fn read_annotations<'a>(
    scanner: &mut Scanner<'a>,
    annotations: &mut Vec<Annotation<'a>>,
) -> Option<()> {
    members(scanner, |scanner, key| {
        if !is_annotation_key(&key) {
            return scanner.value().map(drop);
        }
        let is_usual =
            annotations.len() < FEW_KEYS && annotations.iter().all(|known| known.key != key);
        let value = match scanner.peek()? {
            _ if !is_usual => return None,
            b'"' => {
                let text = scanner.string()?;
                AnnotationValue::String(Some(text).filter(|text| is_annotation_text(text))?)
            }
            b't' | b'f' => AnnotationValue::Boolean(scanner.boolean()?),
            _ => AnnotationValue::Number(scanner.number()?),
        };
        annotations.push(Annotation { key, value });
        Some(())
    })
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
            r#","links":[{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"53995c3f42cd8ad8"},5]"#,
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

    #[test]
    fn many_keys_are_left_to_the_road_that_hashes_them() {
        let check = |count: usize, is_usual: bool| {
            let members: Vec<String> = (0..count).map(|key| format!(r#""key{key}":1"#)).collect();
            let members = members.join(",");
            let annotated = format!(r#","annotations":{{{members}}}"#);
            for text in [with(&format!(",{members}")), with(&annotated)] {
                assert_eq!(read_usual(text.as_bytes()).is_some(), is_usual, "{count}");
                assert!(Document::parse_bare(text.as_bytes()).is_ok());
            }
        };
        check(32, true);
        check(33, false);
        check(3000, false);
    }
}
