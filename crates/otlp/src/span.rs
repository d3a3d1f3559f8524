//! One (sub)segment as one span with its resource.

use roentgen_model::{Entity, EntityKind, SegmentId, Timestamp, Trace, TraceNode};

use crate::events::{Fitted, events, links};
use crate::json::{
    KIND_CLIENT, KIND_INTERNAL, KIND_SERVER, Resource, ResourceSpans, STATUS_ERROR, ScopeSpans,
    Span, Status, TracesData,
};
use crate::room::{Attributes, Room};
use crate::{attributes, resource};

/// W3C trace flags of a span that was recorded: sampled.
const SAMPLED: u32 = 1;

/// Characters kept free for the members that every span has and the brackets around the lists.
const FRAME_CHARACTERS: usize = 1024;

/// Characters of a status message: a line, not a report.
const MOST_MESSAGE_CHARACTERS: usize = 1000;

/// The part of a document that its resource may take: 8 KiB of the 200 of X-Ray's limit. Those of
/// X-Ray's SDKs have some hundred characters. Every span of a segment repeats it, so a large one
/// would make a trace as large as it has spans.
const RESOURCE_PART: usize = 25;

/// The spans of the nodes of a trace from the one at `first` on, parents before children: the place
/// of its node, the id, and the document of each, which is `TracesData` in OTLP's JSON with that one
/// span and its resource, so that any OTLP/HTTP endpoint takes it as it is. Each has at most
/// `most_characters`: attributes, events and links that do not fit are counted in
/// `droppedAttributesCount` and its sisters. Ids, times, name and status are always there, so allow
/// ten thousand at the least.
///
/// A span is written when the iterator comes to it.
pub fn spans<'t>(
    trace: &'t Trace<'_>,
    first: usize,
    most_characters: usize,
) -> impl Iterator<Item = (usize, SegmentId, String)> + 't {
    let nodes = trace.nodes.iter().enumerate().skip(first);
    let mut known: Option<KnownResource> = None;
    nodes.filter(|(_, node)| !node.is_inferred).filter_map(move |(place, node)| {
        let of_segment = known.take().filter(|known| known.segment == node.segment);
        let resource = known.insert(
            of_segment.unwrap_or_else(|| KnownResource::read(trace, node.segment, most_characters)),
        );
        let data = traces_data(trace, node, resource, most_characters);
        // All keys are text, so this does not fail.
        Some((place, node.entity.id, serde_json::to_string(&data).ok()?))
    })
}

/// The resource of a segment, described once for spans of it that follow each other.
struct KnownResource {
    segment: usize,
    resource: Resource,
    characters: usize,
}

impl KnownResource {
    fn read(trace: &Trace<'_>, segment: usize, most_characters: usize) -> Self {
        let most_characters = most_characters / RESOURCE_PART;
        let mut room = Room::new(most_characters);
        let entity = trace.nodes.get(segment).map(|segment| &segment.entity);
        let entity = entity.filter(|entity| entity.kind == EntityKind::Segment);
        let mut described = Attributes::within(&mut room);
        resource::describe(entity, &mut described);
        let resource =
            Resource { dropped_attributes_count: described.dropped, attributes: described.list };
        Self { segment, resource, characters: most_characters - room.left }
    }
}

fn traces_data<'r>(
    trace: &Trace<'_>,
    node: &TraceNode<'_>,
    known: &'r KnownResource,
    most_characters: usize,
) -> TracesData<'r> {
    let entity = &node.entity;
    let (name, message) = (entity.name.to_string(), status_message(entity));
    let fixed = FRAME_CHARACTERS + json_characters(&name) + json_characters(&message);
    let mut room = Room::new(most_characters.saturating_sub(fixed + known.characters));

    let mut described = Attributes::within(&mut room);
    attributes::describe(entity, &mut described);
    attributes::describe_annotations(entity, &mut described);
    let Fitted { list: events, dropped: dropped_events_count } =
        events(entity, unix_nanos(entity.end.unwrap_or(entity.start)), described.room);
    let Fitted { list: links, dropped: dropped_links_count } = links(entity, described.room);
    // Last, since it is what may be largest.
    attributes::describe_metadata(entity, &mut described);

    let span = Span {
        trace_id: trace.id.to_w3c(),
        span_id: entity.id.to_string(),
        parent_span_id: entity.parent_id.map(|parent| parent.to_string()),
        flags: SAMPLED,
        name,
        kind: kind(entity),
        start_time_unix_nano: unix_nanos(entity.start),
        end_time_unix_nano: entity.end.map(unix_nanos),
        attributes: described.list,
        dropped_attributes_count: described.dropped,
        events,
        dropped_events_count,
        links,
        dropped_links_count,
        status: is_bad(entity).then_some(Status { message, code: STATUS_ERROR }),
    };
    TracesData {
        resource_spans: [ResourceSpans {
            resource: &known.resource,
            scope_spans: [ScopeSpans { spans: [span] }],
        }],
    }
}

/// A segment serves, a call calls, everything else goes on within.
fn kind(entity: &Entity<'_>) -> u32 {
    match entity.kind {
        EntityKind::Segment => KIND_SERVER,
        EntityKind::Subsegment if entity.is_call() => KIND_CLIENT,
        EntityKind::Subsegment => KIND_INTERNAL,
    }
}

fn is_bad(entity: &Entity<'_>) -> bool {
    entity.flags.fault || entity.flags.error || entity.flags.throttle
}

/// What went wrong, in the words of the first exception, which its event has in full.
fn status_message(entity: &Entity<'_>) -> String {
    let cause = if is_bad(entity) { entity.cause() } else { return String::new() };
    let mut messages = cause.exceptions.into_iter().filter_map(|exception| exception.message);
    messages.next().unwrap_or_default().chars().take(MOST_MESSAGE_CHARACTERS).collect()
}

fn json_characters(text: &str) -> usize {
    serde_json::to_string(text).map_or(0, |json| json.len())
}

/// Nanoseconds since 1970. Times of documents are never before it; they may lie behind 2554, where
/// OTLP's numbers end.
fn unix_nanos(time: Timestamp) -> u64 {
    u64::try_from(i128::from(time.as_micros()) * 1000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
