//! The summary of an assembled trace.

use std::borrow::Cow;

use super::observe::is_root;
use super::order::Place;
use crate::{
    AnnotationSummary, AnnotationValue, Entity, EntityKind, HttpSummary, Micros, Outcome,
    ServiceId, Timestamp, TraceGraph, TraceId, TraceSummary, UserSummary,
};

/// Distinct pairs of key and value kept for one trace. X-Ray indexes 50 annotations; we keep
/// more, but a summary must stay small whatever a trace of thousands of segments carries.
const MAX_ANNOTATIONS: usize = 500;
/// Likewise for users, resources, instances and zones.
const MAX_VALUES: usize = 100;
/// Services told of one annotation or user.
const MAX_SERVICES_OF_VALUE: usize = 20;
/// Characters of one text in a summary; X-Ray's own limit for most is 250. The documents have
/// the whole.
const MAX_TEXT: usize = 1000;

/// Summarizes; `None` for a trace without (sub)segments.
pub(super) fn summarize(
    id: TraceId,
    places: &[Place<'_, '_>],
    graph: &TraceGraph,
    revision: usize,
) -> Option<TraceSummary> {
    let first = places.first()?.entity.start;
    let (mut start, mut last_start, mut last_end) = (first, first, None);
    let (mut has_throttle, mut is_partial, mut segment_count) = (false, false, 0);
    let mut root: Option<&Place<'_, '_>> = None;
    let tops = places.iter().enumerate().filter(|(index, place)| place.at.segment == *index);
    for (_, place) in tops {
        let entity = place.entity;
        start = start.min(entity.start);
        last_start = last_start.max(entity.start);
        last_end = last_end.max(entity.end);
        has_throttle |= entity.flags.throttle;
        is_partial |= is_unfinished(place);
        segment_count += usize::from(place.is_reported());
        let is_better = |root: &Place<'_, '_>| root_order(place) < root_order(root);
        if root.is_none_or(is_better) && is_root(places, place) {
            root = Some(place);
        }
    }
    let end = last_end.unwrap_or(last_start).max(start);
    let entity = root.map(|root| root.entity);
    let flags = entity.map(|entity| entity.flags).unwrap_or_default();
    Some(TraceSummary {
        id,
        time: time_of(id, start),
        start,
        end,
        duration: end - start,
        response_time: entity.and_then(|root| Some((root.end? - root.start).clamped())),
        outcome: Outcome::from(flags),
        has_fault: flags.fault,
        has_error: flags.error,
        has_throttle,
        is_partial,
        http: entity.map(|root| http_of(&root.http)).unwrap_or_default(),
        annotations: annotations(places),
        users: users(places),
        services: services(graph),
        resource_arns: distinct(places, |entity| entity.resource_arn.as_deref()),
        instance_ids: distinct(places, |entity| entity.aws.instance_id.as_deref()),
        availability_zones: distinct(places, |entity| entity.aws.availability_zone.as_deref()),
        entry_point: root.and_then(|root| root.at.service.clone()),
        segment_count,
        revision,
    })
}

/// Real segments that are in progress, and subsegments whose segment has not arrived.
fn is_unfinished(place: &Place<'_, '_>) -> bool {
    match place.kind {
        EntityKind::Segment => !place.at.is_inferred && place.entity.end.is_none(),
        EntityKind::Subsegment => true,
    }
}

/// Of all roots the least is the first service to handle the request: a segment that names no
/// parent before one whose parent is missing; then the earliest.
fn root_order(place: &Place<'_, '_>) -> impl Ord + use<> {
    (place.entity.parent_id.is_some(), place.entity.start, place.entity.id)
}

fn time_of(id: TraceId, start: Timestamp) -> Timestamp {
    let epoch = Timestamp::from_micros(i64::from(id.epoch_seconds()) * 1_000_000);
    let distance = Micros::new((epoch - start).get().abs());
    if distance <= TraceSummary::CREDIBLE_EPOCH { epoch } else { start }
}

fn http_of(http: &crate::Http<'_>) -> HttpSummary {
    let cut = |text: &Option<Cow<'_, str>>| text.as_deref().map(cut_text);
    HttpSummary {
        url: cut(&http.url),
        status: http.status,
        method: cut(&http.method),
        user_agent: cut(&http.user_agent),
        client_ip: cut(&http.client_ip),
    }
}

fn services(graph: &TraceGraph) -> Vec<ServiceId> {
    let mut services: Vec<&ServiceId> = graph.nodes.iter().map(|node| &node.node).collect();
    services.sort_unstable();
    services.dedup();
    services.into_iter().take(TraceSummary::MOST_SERVICES).cloned().collect()
}

fn cut_text(text: &str) -> String {
    // A text has no more characters than bytes.
    if text.len() <= MAX_TEXT { text.to_owned() } else { text.chars().take(MAX_TEXT).collect() }
}

/// Values of all reported segments, each once, sorted.
fn distinct<'e>(
    places: &[Place<'e, '_>],
    value: impl Fn(&'e Entity<'_>) -> Option<&'e str>,
) -> Vec<String> {
    let reported = places.iter().filter(|place| place.is_reported());
    let mut values: Vec<&str> = reported.filter_map(|place| value(place.entity)).collect();
    values.sort_unstable();
    values.dedup();
    values.into_iter().take(MAX_VALUES).map(cut_text).collect()
}

fn annotations(places: &[Place<'_, '_>]) -> Vec<AnnotationSummary> {
    let mut found: Vec<(&str, &AnnotationValue<'_>, Option<&ServiceId>)> = Vec::new();
    for place in places.iter().filter(|place| !place.at.is_inferred) {
        let service = places.get(place.at.segment).and_then(|segment| segment.at.service.as_ref());
        found.extend(place.entity.annotations.iter().map(|a| (&*a.key, &a.value, service)));
    }
    found.sort_unstable_by(|a, b| {
        a.0.cmp(b.0).then_with(|| a.1.compare(b.1)).then_with(|| a.2.cmp(&b.2))
    });
    let mut summaries: Vec<AnnotationSummary> =
        Vec::with_capacity(found.len().min(MAX_ANNOTATIONS));
    for (key, value, service) in found {
        let count = summaries.len();
        match summaries.last_mut().filter(|last| last.key == key && last.value == *value) {
            Some(last) => add_service(&mut last.services, service),
            None if count == MAX_ANNOTATIONS => break,
            None => summaries.push(AnnotationSummary {
                key: key.to_owned(),
                value: value.clone().into_owned(),
                services: service.cloned().into_iter().collect(),
            }),
        }
    }
    summaries
}

fn users(places: &[Place<'_, '_>]) -> Vec<UserSummary> {
    let reported = places.iter().filter(|place| !place.at.is_inferred);
    let mut found: Vec<(&str, Option<&ServiceId>)> = reported
        .filter_map(|place| Some((place.entity.user.as_deref()?, place.at.service.as_ref())))
        .collect();
    found.sort_unstable();
    let mut users: Vec<UserSummary> = Vec::new();
    for (name, service) in found {
        let count = users.len();
        match users.last_mut().filter(|last| last.name == name) {
            Some(last) => add_service(&mut last.services, service),
            None if count == MAX_VALUES => break,
            None => users.push(UserSummary {
                name: cut_text(name),
                services: service.cloned().into_iter().collect(),
            }),
        }
    }
    users
}

/// Adds a service behind its equals; the input is sorted.
fn add_service(services: &mut Vec<ServiceId>, service: Option<&ServiceId>) {
    if let Some(service) = service
        && services.len() < MAX_SERVICES_OF_VALUE
        && services.last() != Some(service)
    {
        services.push(service.clone());
    }
}
