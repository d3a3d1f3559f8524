//! Of all versions of each segment and subsegment, the one that counts.
//!
//! Versions arise when an in-progress document is followed by the complete one, when the Go SDK
//! sends a whole segment again, or when a sender retries. A closed version beats an open one,
//! then the later end, then the one that says more. Arrival order must not matter, so ties are
//! broken by content.

use std::cmp::Ordering;

use crate::{Document, Entity};

/// One version of each (kind, id), sorted by kind and id.
///
/// The kind is part of the key because tracers that share one id between the two sides of a
/// call (Zipkin) give a subsegment and the segment it causes the same id.
pub(super) fn merge(documents: Vec<Document>) -> Vec<Entity> {
    let mut entities: Vec<Entity> =
        documents.into_iter().flat_map(|document| document.entities).collect();
    // Sorting, not hashing: senders choose the ids, and could make them collide.
    let key = |entity: &Entity| (entity.kind, entity.id);
    entities.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| compare(b, a)));
    entities.dedup_by_key(|entity| key(entity));
    entities
}

/// Greater is the version to keep. A total order up to equal content.
fn compare(a: &Entity, b: &Entity) -> Ordering {
    let size = |entity: &Entity| -> usize {
        entity.members.iter().map(|(key, value)| key.len() + value.get().len()).sum()
    };
    a.end
        .cmp(&b.end) // `None`, still open, is less than any end.
        .then_with(|| (size(a) + a.annotations.len()).cmp(&(size(b) + b.annotations.len())))
        .then_with(|| b.start.cmp(&a.start))
        .then_with(|| a.parent_id.cmp(&b.parent_id))
        .then_with(|| a.name.cmp(&b.name))
        .then_with(|| {
            let members = |e: &Entity| -> Vec<(String, String)> {
                e.members.iter().map(|(key, raw)| (key.clone(), raw.get().to_owned())).collect()
            };
            members(a).cmp(&members(b))
        })
        .then_with(|| format!("{:?}", a.annotations).cmp(&format!("{:?}", b.annotations)))
}
