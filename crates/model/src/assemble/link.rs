//! Who belongs to whom: one parent for each segment and subsegment.

use super::merge::Known;
use crate::{EntityKind, SegmentId};

/// For each (sub)segment, sorted by kind and id, the index of its parent: the (sub)segment that
/// holds a subsegment, or that called a segment. `None` where it has none or the parent is not in
/// the trace.
///
/// A `parent_id` means the subsegment with that id, else the segment. Where the parents of
/// broken documents form a loop, the loop is cut above its first member in the order of `known`,
/// so that each of them is reached.
pub(super) fn link(known: &[Known<'_, '_>]) -> Vec<Option<usize>> {
    let find = |kind: EntityKind, id: SegmentId| {
        known.binary_search_by_key(&(kind, id), |known| (known.kind, known.id)).ok()
    };
    let mut parents: Vec<Option<usize>> = known
        .iter()
        .enumerate()
        .map(|(index, known)| {
            let parent_id = known.entity.parent_id?;
            [EntityKind::Subsegment, EntityKind::Segment]
                .into_iter()
                .filter_map(|kind| find(kind, parent_id))
                .find(|&parent| parent != index)
        })
        .collect();
    cut_loops(&mut parents);
    parents
}

/// Follows each chain of parents upwards once; an index met twice on one walk closes a loop.
fn cut_loops(parents: &mut [Option<usize>]) {
    const UNSEEN: usize = usize::MAX;
    let mut seen_on_walk = vec![UNSEEN; parents.len()];
    for walk in 0..parents.len() {
        let mut at = walk;
        loop {
            match seen_on_walk.get_mut(at) {
                Some(mark) if *mark == UNSEEN => *mark = walk,
                Some(mark) if *mark == walk => {
                    let first = loop_members(parents, at).min().unwrap_or(at);
                    if let Some(parent) = parents.get_mut(first) {
                        *parent = None;
                    }
                    break;
                }
                _ => break, // Seen on an earlier walk, which was finite.
            }
            match parents.get(at).copied().flatten() {
                Some(parent) => at = parent,
                None => break,
            }
        }
    }
}

/// The members of the loop through `start`.
fn loop_members(parents: &[Option<usize>], start: usize) -> impl Iterator<Item = usize> + '_ {
    let next = move |at: &usize| parents.get(*at).copied().flatten().filter(|&p| p != start);
    std::iter::successors(Some(start), next)
}
