//! Of all versions of each segment and subsegment, the one that counts.
//!
//! Versions arise when an in-progress document is followed by the complete one, when the Go SDK
//! sends a whole segment again, or when a sender retries. A closed version beats an open one,
//! then the later end, then the one that says more. Arrival order must not matter, so ties are
//! broken by content.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rustc_hash::FxBuildHasher;

use crate::{Document, Entity, EntityKind, SegmentId};

/// One version of each (kind, id), sorted by kind and id.
///
/// The kind is part of the key because tracers that share one id between the two sides of a
/// call (Zipkin) give a subsegment and the segment it causes the same id.
pub(super) fn merge(documents: Vec<Document>) -> Vec<Entity> {
    let mut best: HashMap<(EntityKind, SegmentId), Entity, FxBuildHasher> = HashMap::default();
    for entity in documents.into_iter().flat_map(|document| document.entities) {
        match best.entry((entity.kind, entity.id)) {
            Entry::Vacant(free) => {
                free.insert(entity);
            }
            Entry::Occupied(mut taken) => {
                if compare(&entity, taken.get()) == Ordering::Greater {
                    taken.insert(entity);
                }
            }
        }
    }
    let mut entities: Vec<_> = best.into_values().collect();
    entities.sort_unstable_by_key(|entity| (entity.kind, entity.id));
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
