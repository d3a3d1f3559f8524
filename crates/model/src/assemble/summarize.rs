//! The summary of an assembled trace.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::observe::is_root;
use crate::{
    AnnotationSummary, AnnotationValue, EntityKind, HttpSummary, Micros, Outcome, ServiceId,
    Timestamp, TraceGraph, TraceId, TraceNode, TraceSummary, UserSummary,
};

/// Distinct pairs of key and value kept for one trace. X-Ray indexes 50 annotations; we keep
/// more, but a summary must stay small whatever a trace of thousands of segments carries.
const MAX_ANNOTATIONS: usize = 500;
/// Likewise for users, resources, instances and zones.
const MAX_VALUES: usize = 100;
/// Nodes of one trace in its summary, and services told of one annotation or user. The graph and
/// the documents have all of them.
const MAX_SERVICES: usize = 500;
const MAX_SERVICES_OF_VALUE: usize = 20;
/// Characters of one text in a summary; X-Ray's own limit for most is 250. The documents have
/// the whole.
const MAX_TEXT: usize = 1000;

/// Summarizes; `None` for a trace without nodes.
pub(super) fn summarize(
    id: TraceId,
    nodes: &[TraceNode<'_>],
    graph: &TraceGraph,
    revision: usize,
) -> Option<TraceSummary> {
    let tops = || nodes.iter().enumerate().filter(|(index, node)| node.segment == *index);
    let start = tops().map(|(_, node)| node.entity.start).min()?;
    let last_start = tops().map(|(_, node)| node.entity.start).max()?;
    let end = tops().filter_map(|(_, node)| node.entity.end).max().unwrap_or(last_start).max(start);
    let root = root(nodes);
    let entity = root.map(|root| &root.entity);
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
        has_throttle: tops().any(|(_, node)| node.entity.flags.throttle),
        is_partial: tops().any(|(_, node)| is_unfinished(node)),
        http: entity.map(|root| http_of(&root.http)).unwrap_or_default(),
        annotations: annotations(nodes),
        users: users(nodes),
        services: services(graph),
        resource_arns: distinct(nodes, |node| node.entity.resource_arn.as_deref()),
        instance_ids: distinct(nodes, |node| node.entity.aws.instance_id.as_deref()),
        availability_zones: distinct(nodes, |node| node.entity.aws.availability_zone.as_deref()),
        entry_point: root.and_then(|root| root.service.clone()),
        segment_count: nodes.iter().filter(|node| is_reported(node)).count(),
        revision,
    })
}

/// Real segments that are in progress, and subsegments whose segment has not arrived.
fn is_unfinished(node: &TraceNode<'_>) -> bool {
    match node.entity.kind {
        EntityKind::Segment => !node.is_inferred && node.entity.end.is_none(),
        EntityKind::Subsegment => true,
    }
}

fn is_reported(node: &TraceNode<'_>) -> bool {
    node.entity.kind == EntityKind::Segment && !node.is_inferred
}

/// The first service to handle the request: a segment that names no parent before one whose
/// parent is missing; then the earliest.
fn root<'n, 'a>(nodes: &'n [TraceNode<'a>]) -> Option<&'n TraceNode<'a>> {
    nodes.iter().filter(|node| is_root(nodes, node)).min_by_key(|node| {
        let entity = &node.entity;
        (entity.parent_id.is_some(), entity.start, entity.id)
    })
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
    let distinct: BTreeSet<&ServiceId> = graph.nodes.iter().map(|node| &node.node).collect();
    distinct.into_iter().take(MAX_SERVICES).cloned().collect()
}

fn cut_text(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// Values of all reported segments, each once, sorted.
fn distinct<'a>(
    nodes: &'a [TraceNode<'_>],
    value: impl Fn(&'a TraceNode<'_>) -> Option<&'a str>,
) -> Vec<String> {
    let values: BTreeSet<&str> =
        nodes.iter().filter(|node| is_reported(node)).filter_map(value).collect();
    values.into_iter().take(MAX_VALUES).map(cut_text).collect()
}

fn annotations(nodes: &[TraceNode<'_>]) -> Vec<AnnotationSummary> {
    let mut found: Vec<(&str, &AnnotationValue<'_>, Option<&ServiceId>)> = nodes
        .iter()
        .flat_map(|node| {
            let service = nodes.get(node.segment).and_then(|segment| segment.service.as_ref());
            node.entity.annotations.iter().map(move |a| (&*a.key, &a.value, service))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(b.0).then_with(|| a.1.compare(b.1)).then_with(|| a.2.cmp(&b.2)));
    let mut summaries: Vec<AnnotationSummary> = Vec::new();
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

fn users(nodes: &[TraceNode<'_>]) -> Vec<UserSummary> {
    let mut found: Vec<(&str, Option<&ServiceId>)> = nodes
        .iter()
        .filter_map(|node| Some((node.entity.user.as_deref()?, node.service.as_ref())))
        .collect();
    found.sort();
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
