//! Of all versions of each segment and subsegment, the one that counts.
//!
//! Versions arise when an in-progress document is followed by the complete one, when the Go SDK
//! sends a whole segment again, or when a sender retries. A closed version beats an open one,
//! then the later end, then the one that says more. Arrival order must not matter, so ties are
//! broken by content.

use std::cmp::Ordering;

use crate::document::kept;
use crate::{Document, Entity};

/// One version of each (kind, id), sorted by kind and id.
///
/// The kind is part of the key because tracers that share one id between the two sides of a
/// call (Zipkin) give a subsegment and the segment it causes the same id.
pub(super) fn merge<'a>(documents: Vec<Document<'a>>) -> Vec<Entity<'a>> {
    let mut entities: Vec<Entity<'a>> =
        documents.into_iter().flat_map(|document| document.entities).collect();
    // Sorting, not hashing: senders choose the ids, and could make them collide.
    let key = |entity: &Entity<'a>| (entity.kind, entity.id);
    entities.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| compare(b, a)));
    entities.dedup_by_key(|entity| key(entity));
    entities
}

/// Greater is the version to keep. A total order up to equal content.
///
/// All that an outline keeps is compared before what it does not, so that outlines decide as
/// their documents do wherever it shows in a summary or a graph.
fn compare(a: &Entity<'_>, b: &Entity<'_>) -> Ordering {
    a.end
        .cmp(&b.end) // `None`, still open, is less than any end.
        .then_with(|| a.size.cmp(&b.size))
        .then_with(|| b.start.cmp(&a.start))
        .then_with(|| a.parent_id.cmp(&b.parent_id))
        .then_with(|| kept(a).cmp(&kept(b)))
        .then_with(|| a.name.cmp(&b.name))
        .then_with(|| members(a).cmp(members(b)))
}

fn members<'e>(entity: &'e Entity<'_>) -> impl Iterator<Item = (&'e str, &'e str)> {
    entity.members.iter().map(|(key, value)| (&**key, value.get()))
}
