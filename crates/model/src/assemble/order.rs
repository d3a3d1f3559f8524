//! From linked entities to the ordered list of a trace.

use super::infer::Known;
use crate::{EntityKind, TraceNode};

/// Parents before their children, a node's children directly behind it, siblings by start and
/// then by id.
pub(super) fn order<'a>(entities: Vec<Known<'a>>, parents: &[Option<usize>]) -> Vec<TraceNode<'a>> {
    let sort_key = |index: usize| entities.get(index).map(|(e, _)| (e.start, e.kind, e.id));
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); entities.len()];
    let mut roots = Vec::new();
    for (index, parent) in parents.iter().enumerate() {
        match parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(index),
            None => roots.push(index),
        }
    }
    for siblings in &mut children {
        siblings.sort_by_key(|&index| sort_key(index));
    }
    roots.sort_by_key(|&index| sort_key(index));

    let mut entities: Vec<Option<Known<'a>>> = entities.into_iter().map(Some).collect();
    let mut nodes: Vec<TraceNode<'a>> = Vec::with_capacity(entities.len());
    let mut open: Vec<(usize, Option<usize>)> =
        roots.into_iter().rev().map(|root| (root, None)).collect();
    while let Some((index, parent)) = open.pop() {
        let Some((entity, is_inferred)) = entities.get_mut(index).and_then(Option::take) else {
            continue; // Loops were cut, so each entity is met once.
        };
        let at = nodes.len();
        let owner = parent.and_then(|parent| nodes.get(parent));
        let (depth, owner_segment) = owner.map_or((0, at), |node| (node.depth + 1, node.segment));
        let segment = if entity.kind == EntityKind::Segment { at } else { owner_segment };
        nodes.push(TraceNode {
            entity,
            is_inferred,
            parent,
            children: Vec::new(),
            segment,
            depth,
            service: None,
        });
        if let Some(parent) = parent.and_then(|parent| nodes.get_mut(parent)) {
            parent.children.push(at);
        }
        let siblings = children.get_mut(index).map(std::mem::take).unwrap_or_default();
        open.extend(siblings.into_iter().rev().map(|child| (child, Some(at))));
    }
    nodes
}
