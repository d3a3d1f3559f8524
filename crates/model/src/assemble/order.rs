//! From linked (sub)segments to the order of a trace.

use super::merge::Known;
use crate::{Entity, EntityKind, ServiceId};

/// A (sub)segment in its place.
#[derive(Debug)]
pub(super) struct Place<'e, 'a> {
    /// What was reported; of an inferred segment the call.
    pub(super) entity: &'e Entity<'a>,
    /// Its kind; of an inferred segment that of the segment.
    pub(super) kind: EntityKind,
    /// Segments it called, inferred ones included.
    pub(super) callees: usize,
    /// Where it stands.
    pub(super) at: Position,
}

/// Where a (sub)segment stands in its trace. The fields with the names of those of
/// [`TraceNode`](crate::TraceNode) mean the same.
#[derive(Debug)]
pub(super) struct Position {
    /// The place of the entity among those of all documents.
    pub(super) index: usize,
    pub(super) is_inferred: bool,
    pub(super) parent: Option<usize>,
    pub(super) segment: usize,
    pub(super) depth: usize,
    pub(super) service: Option<ServiceId>,
}

impl Place<'_, '_> {
    /// Whether this is a segment that its service reported.
    pub(super) fn is_reported(&self) -> bool {
        self.kind == EntityKind::Segment && !self.at.is_inferred
    }
}

/// Parents before their children, a node's children directly behind it, siblings by start and
/// then by id.
pub(super) fn order<'e, 'a>(
    known: &[Known<'e, 'a>],
    parents: &[Option<usize>],
) -> Vec<Place<'e, 'a>> {
    // All siblings side by side, those without a parent first. (One call has one inferred
    // segment at most, so the id of the call tells it from its siblings.)
    let with_parents = known.iter().zip(parents).enumerate();
    let mut siblings: Vec<_> = with_parents
        .map(|(index, (known, parent))| (*parent, known.entity.start, known.kind, known.id, index))
        .collect();
    siblings.sort_unstable();
    let children_of = |parent: Option<usize>| {
        let begin = siblings.partition_point(|(of, ..)| *of < parent);
        let rest = siblings.get(begin..).unwrap_or_default();
        rest.iter().take_while(move |(of, ..)| *of == parent).map(|&(.., index)| index)
    };

    let mut places: Vec<Place<'e, 'a>> = Vec::with_capacity(known.len());
    let mut open: Vec<(usize, Option<usize>)> = Vec::with_capacity(known.len());
    let open_children = |open: &mut Vec<_>, of: Option<usize>, parent: Option<usize>| {
        let begin = open.len();
        open.extend(children_of(of).map(|child| (child, parent)));
        open.get_mut(begin..).unwrap_or_default().reverse(); // The first is taken first.
    };
    open_children(&mut open, None, None);
    while let Some((index, parent)) = open.pop() {
        let Some(&Known { kind, entity, is_inferred, index: entity_index, .. }) = known.get(index)
        else {
            continue;
        };
        let here = places.len();
        let (mut segment, mut depth) = (here, 0);
        if let Some(parent) = parent.and_then(|parent| places.get_mut(parent)) {
            depth = parent.at.depth + 1;
            match kind {
                EntityKind::Segment => parent.callees += 1,
                EntityKind::Subsegment => segment = parent.at.segment,
            }
        }
        let at =
            Position { index: entity_index, is_inferred, parent, segment, depth, service: None };
        places.push(Place { entity, kind, callees: 0, at });
        if !is_inferred {
            open_children(&mut open, Some(index), Some(here));
        }
    }
    places
}
