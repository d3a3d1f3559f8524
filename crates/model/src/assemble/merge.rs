//! Of all versions of each segment and subsegment, the one that counts.
//!
//! Versions arise when an in-progress document is followed by the complete one, when the Go SDK
//! sends a whole segment again, or when a sender retries. A closed version beats an open one,
//! then the later end, then the one that says more. Arrival order must not matter, so ties are
//! broken by content.

use std::cmp::Ordering;

use crate::document::kept;
use crate::{Document, Entity, EntityKind, SegmentId};

/// A (sub)segment in the version that counts.
#[derive(Clone, Copy)]
pub(super) struct Known<'e, 'a> {
    /// Its kind; of an inferred segment that of the segment.
    pub(super) kind: EntityKind,
    /// Its id; of an inferred segment that of the call.
    pub(super) id: SegmentId,
    /// What was reported; of an inferred segment the call.
    pub(super) entity: &'e Entity<'a>,
    /// Where it stands among the entities of all documents.
    pub(super) index: usize,
    /// Whether it is an inferred segment.
    pub(super) is_inferred: bool,
}

/// One version of each (kind, id), sorted by kind and id.
///
/// The kind is part of the key because tracers that share one id between the two sides of a
/// call (Zipkin) give a subsegment and the segment it causes the same id.
pub(super) fn merge<'e, 'a>(documents: &'e [Document<'a>]) -> Vec<Known<'e, 'a>> {
    let count: usize = documents.iter().map(|document| document.entities.len()).sum();
    // Half as many calls as entities get an inferred segment at the most, as a rule.
    let mut known = Vec::with_capacity(count + count / 2);
    let entities = documents.iter().flat_map(|document| &document.entities);
    known.extend(entities.enumerate().map(|(index, entity)| Known {
        kind: entity.kind,
        id: entity.id,
        entity,
        index,
        is_inferred: false,
    }));
    // Sorting, not hashing: senders choose the ids, and could make them collide.
    let key = |known: &Known<'_, '_>| (known.kind, known.id);
    known.sort_unstable_by(|a, b| key(a).cmp(&key(b)).then_with(|| compare(b.entity, a.entity)));
    known.dedup_by_key(|known| key(known));
    known
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
