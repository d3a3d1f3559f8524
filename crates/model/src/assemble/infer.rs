//! Inferred segments: services that a call reached but that sent no segment of their own.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};

use super::merge::Known;
use super::naming::inferred_origin;
use crate::{Entity, EntityKind, SegmentId, TraceId};

/// Members of a call that its inferred segment takes over (xray-service reference 3.2; seen in
/// BatchGetTraces output).
const COPIED: [&str; 7] = ["http", "aws", "sql", "cause", "error", "throttle", "fault"];

/// Appends an inferred segment for each call (a subsegment with namespace `aws` or `remote`)
/// that no real segment names as its parent.
pub(super) fn add_inferred(known: &mut Vec<Known<'_, '_>>, parents: &mut Vec<Option<usize>>) {
    let mut has_callee = vec![false; known.len()];
    for (known, parent) in known.iter().zip(parents.iter()) {
        if let (EntityKind::Segment, Some(parent)) = (known.kind, parent)
            && let Some(has_callee) = has_callee.get_mut(*parent)
        {
            *has_callee = true;
        }
    }
    for (index, has_callee) in has_callee.into_iter().enumerate() {
        if let Some(call) = known.get(index).filter(|known| !has_callee && known.entity.is_call()) {
            known.push(Known { kind: EntityKind::Segment, is_inferred: true, ..*call });
            parents.push(Some(index));
        }
    }
}

/// The segment inferred from a call.
pub(super) fn infer<'a>(trace_id: TraceId, call: &Entity<'a>) -> Entity<'a> {
    let copied = |(key, _): &&(Cow<'_, str>, _)| COPIED.contains(&key.as_ref());
    Entity {
        id: inferred_id(trace_id, call.id),
        kind: EntityKind::Segment,
        parent_id: Some(call.id),
        name: call.name.clone(),
        start: call.start,
        end: call.end,
        flags: call.flags,
        // Kept so that naming can tell an AWS call from another; segments do not show it.
        namespace: call.namespace.clone(),
        origin: inferred_origin(call),
        user: None,
        resource_arn: None,
        http: call.http.clone(),
        aws: call.aws.clone(),
        has_sql: call.has_sql,
        annotations: Vec::new(),
        links: Vec::new(),
        members: call.members.iter().filter(copied).cloned().collect(),
        size: 0,
    }
}

/// X-Ray draws a random id. Ours is a function of the call, so that the trace is the same each
/// time it is put together.
fn inferred_id(trace_id: TraceId, call: SegmentId) -> SegmentId {
    let mut hasher = DefaultHasher::new();
    hasher.write(b"inferred");
    hasher.write(&trace_id.to_bytes());
    hasher.write_u64(call.to_u64());
    SegmentId::from_u64(hasher.finish())
}
