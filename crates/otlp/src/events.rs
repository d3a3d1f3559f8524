//! Exceptions as events, and links.

use roentgen_model::{
    Entity, SegmentId, TraceId, read_array, read_boolean, read_integer, read_object, read_text,
};
use serde_json::value::RawValue;

use crate::attributes::add_value;
use crate::json::{Event, Link};
use crate::room::{Attributes, Room};

/// Items that fitted, and how many did not.
#[derive(Debug)]
pub(crate) struct Fitted<T> {
    pub(crate) list: Vec<T>,
    pub(crate) dropped: u32,
}

impl<T> Fitted<T> {
    fn none() -> Self {
        Self { list: Vec::new(), dropped: 0 }
    }

    /// Takes an item in, unless something of it did not fit or there is no room for the rest of it.
    fn push(&mut self, is_whole: bool, room: &mut Room, frame: &impl serde::Serialize, item: T) {
        if is_whole && room.take(frame) {
            self.list.push(item);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

/// The exceptions of `cause`, at the moment at which the (sub)segment ended: X-Ray does not tell
/// when they happened.
pub(crate) fn events(entity: &Entity<'_>, at: u64, room: &mut Room) -> Fitted<Event> {
    let mut events = Fitted::none();
    let exceptions = entity
        .member("cause")
        .and_then(read_object)
        .and_then(|cause| cause.into_iter().find(|(key, _)| key == "exceptions"))
        .and_then(|(_, exceptions)| read_array(exceptions));
    for exception in exceptions.unwrap_or_default() {
        let Some(members) = read_object(exception) else { continue };
        let mut attributes = Attributes::within(room);
        for (member, raw) in members {
            let key = match &*member {
                "type" => "exception.type",
                "message" => "exception.message",
                "stack" => {
                    attributes.add_text("exception.stacktrace", stacktrace(raw));
                    continue;
                }
                "id" => "aws.xray.exception.id",
                "cause" => "aws.xray.exception.cause",
                "remote" => "aws.xray.exception.remote",
                "skipped" => "aws.xray.exception.skipped",
                "truncated" => "aws.xray.exception.truncated",
                _ => continue,
            };
            // False says nothing that its absence does not say.
            if read_boolean(raw) != Some(false) {
                add_value(key, raw, &mut attributes);
            }
        }
        let (list, is_whole) = (attributes.list, attributes.dropped == 0);
        let event = |attributes| Event { time_unix_nano: at, name: "exception", attributes };
        events.push(is_whole, room, &event(Vec::new()), event(list));
    }
    events
}

/// Stack frames as text, one a line, in the form that most runtimes have.
fn stacktrace(raw: &RawValue) -> Option<String> {
    let mut text = String::new();
    for frame in read_array(raw)? {
        let (mut label, mut path, mut line) = (None, None, None);
        for (member, raw) in read_object(frame).unwrap_or_default() {
            match &*member {
                "label" => label = read_text(raw),
                "path" => path = read_text(raw),
                "line" => line = read_integer(raw),
                _ => {}
            }
        }
        let label = label.as_deref().unwrap_or("<unknown>");
        let path = path.as_deref().unwrap_or("<unknown>");
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        text.push_str(&format!("    at {label} ({path}{line})\n"));
    }
    (!text.is_empty()).then_some(text)
}

/// The links whose ids are ids, with their attributes.
pub(crate) fn links(entity: &Entity<'_>, room: &mut Room) -> Fitted<Link> {
    let mut links = Fitted::none();
    for link in entity.member("links").and_then(read_array).unwrap_or_default() {
        let Some(members) = read_object(link) else { continue };
        let text = |name: &str| {
            let member = members.iter().find(|(key, _)| key == name);
            member.and_then(|(_, raw)| read_text(raw))
        };
        let trace_id = text("trace_id").and_then(|id| id.parse::<TraceId>().ok());
        let id = text("id").and_then(|id| id.parse::<SegmentId>().ok());
        let (Some(trace_id), Some(id)) = (trace_id, id) else { continue };
        let mut attributes = Attributes::within(room);
        let raw = members.iter().find(|(key, _)| key == "attributes").map(|(_, raw)| *raw);
        for (key, raw) in raw.and_then(read_object).unwrap_or_default() {
            add_value(&key, raw, &mut attributes);
        }
        let (list, is_whole) = (attributes.list, attributes.dropped == 0);
        let frame =
            |attributes| Link { trace_id: trace_id.to_w3c(), span_id: id.to_string(), attributes };
        links.push(is_whole, room, &frame(Vec::new()), frame(list));
    }
    links
}
