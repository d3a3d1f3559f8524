//! The numbers (`ReferenceId`) of the nodes of a graph. They come of what the nodes are, so that those
//! of a page fit those of the pages before it, whatever else has appeared meanwhile.

use std::collections::{HashMap, HashSet};

use roentgen_model::ServiceId;

use crate::Fingerprint;

/// The largest number that the API has for a node.
const MOST_REFERENCE_ID: u32 = i32::MAX.cast_unsigned();

/// A number for each node. One whose hash an earlier one has takes the next that is free; among ten
/// thousand nodes there is such a one in two of a hundred graphs.
pub(super) fn numbers<'a>(
    nodes: impl Iterator<Item = &'a ServiceId>,
) -> HashMap<&'a ServiceId, u32> {
    let mut taken = HashSet::new();
    let number = |id: &'a ServiceId| {
        let mut number = hash_of(&id.name, id.kind.as_deref(), id.account_id.as_deref());
        while !taken.insert(number) {
            number = number.wrapping_add(1) & MOST_REFERENCE_ID;
        }
        (id, number)
    };
    nodes.map(number).collect()
}

/// The number that a node has unless another has it already. It is the same in every process and
/// version, because pages are.
pub(super) fn hash_of(name: &str, kind: Option<&str>, account_id: Option<&str>) -> u32 {
    let hash = Fingerprint::of("node")
        .with_text(name)
        .with_text(kind.unwrap_or_default())
        .with_text(account_id.unwrap_or_default())
        .finish();
    let [a, b, c, d, ..] = hash.to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) & MOST_REFERENCE_ID
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_identities_and_differ() {
        let id = |name: String| ServiceId::new(&name, None, None);
        let mut by_hash = HashMap::new();
        // Among so many there are some of the same hash.
        let nodes: Vec<ServiceId> = (0..200_000).map(|n| id(format!("node-{n:06}"))).collect();
        let mut pairs = Vec::new();
        for node in &nodes {
            if let Some(other) = by_hash.insert(hash_of(&node.name, None, None), node) {
                pairs.push((other, node));
            }
        }
        assert!(!pairs.is_empty());
        for (first, second) in pairs {
            let both = numbers([first, second].into_iter());
            assert_eq!(both[first], numbers([first].into_iter())[first]);
            assert_eq!(both[second], (both[first] + 1) & MOST_REFERENCE_ID);
            assert_eq!(numbers([second].into_iter())[second], both[first]);
        }
        let all = numbers(nodes.iter());
        let different: HashSet<u32> = all.values().copied().collect();
        assert_eq!(different.len(), nodes.len());
        assert!(different.iter().all(|number| *number <= MOST_REFERENCE_ID));
        let kinds = [None, Some("a"), Some("b")].map(|kind| hash_of("x", kind, None));
        assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), 3);
    }
}
