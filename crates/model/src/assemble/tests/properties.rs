//! What holds for any documents, however broken: order does not matter, nothing is lost, nothing
//! appears twice.

use std::collections::HashSet;

use proptest::prelude::*;

use super::{OPEN, document, put_together, subsegment};
use crate::{Document, EntityKind, Trace};

/// Documents over few ids, so that duplicates, missing parents and loops are common.
fn any_document() -> impl Strategy<Value = String> {
    let id = 1_u64..9;
    let parent = 0_u64..9;
    let nested = prop::collection::vec((1_u64..9, any::<bool>()), 0..3);
    (id, parent, any::<bool>(), 0_u8..4, 0_u8..3, nested).prop_map(
        |(id, parent, is_segment, time, namespace, nested)| {
            let namespace = ["local", "aws", "remote"][usize::from(namespace)];
            let times = match time {
                0 => OPEN.to_owned(),
                time => format!(r#""start_time":1{time},"end_time":2{time}"#),
            };
            let nested: Vec<String> = nested
                .into_iter()
                .map(|(id, open)| {
                    let end = if open { "\"in_progress\":true" } else { "\"end_time\":30" };
                    format!(r#"{{"id":"{id:016x}","name":"n{id}","start_time":11,"namespace":"{namespace}",{end}}}"#)
                })
                .collect();
            let members =
                format!(r#"{times},"namespace":"{namespace}","subsegments":[{}]"#, nested.join(","));
            match (is_segment, parent) {
                (true, 0) => document(id, &members),
                (true, parent) => document(id, &format!(r#""parent_id":"{parent:016x}",{members}"#)),
                (false, parent) => subsegment(id, parent, &members),
            }
        },
    )
}

fn show(trace: &Trace) -> String {
    let documents: Vec<_> = trace.segments().collect();
    format!("{documents:?}{:?}{:?}", trace.summary, trace.graph)
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        (documents, shuffled) in prop::collection::vec(any_document(), 1..12)
            .prop_flat_map(|documents| (Just(documents.clone()), Just(documents).prop_shuffle())),
    ) {
        prop_assert_eq!(show(&put_together(&documents)), show(&put_together(&shuffled)));
    }

    #[test]
    fn a_repeated_document_changes_nothing_but_the_revision(
        documents in prop::collection::vec(any_document(), 1..8),
        again in any::<prop::sample::Index>(),
    ) {
        let once = put_together(&documents);
        let mut twice = documents.clone();
        twice.push(documents[again.index(documents.len())].clone());
        let mut twice = put_together(&twice);
        twice.summary.revision -= 1;
        prop_assert_eq!(show(&once), show(&twice));
    }

    #[test]
    fn every_entity_appears_exactly_once_below_its_parent(
        documents in prop::collection::vec(any_document(), 1..12),
    ) {
        let trace = put_together(&documents);
        let sent: HashSet<_> = documents
            .iter()
            .flat_map(|text| Document::parse(text.as_bytes()).unwrap().entities)
            .map(|entity| (entity.kind, entity.id))
            .collect();
        let mut shown = HashSet::new();
        for (index, node) in trace.nodes.iter().enumerate() {
            if !node.is_inferred {
                prop_assert!(shown.insert((node.entity.kind, node.entity.id)));
            }
            if let Some(parent) = node.parent {
                prop_assert!(parent < index);
                prop_assert!(trace.nodes[parent].children.contains(&index));
                prop_assert_eq!(node.depth, trace.nodes[parent].depth + 1);
            }
            prop_assert_eq!(trace.nodes[node.segment].segment, node.segment);
        }
        prop_assert_eq!(shown, sent);
    }

    #[test]
    fn a_call_has_a_callee_reported_or_inferred(
        documents in prop::collection::vec(any_document(), 1..12),
    ) {
        let trace = put_together(&documents);
        for node in trace.nodes.iter().filter(|node| node.entity.is_call()) {
            let callees = |inferred: bool| {
                let is_callee = |child: &&usize| {
                    let child = &trace.nodes[**child];
                    child.entity.kind == EntityKind::Segment && child.is_inferred == inferred
                };
                node.children.iter().filter(is_callee).count()
            };
            let (reported, inferred) = (callees(false), callees(true));
            prop_assert_eq!(inferred, usize::from(reported == 0));
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(payloads) = crate::split_documents(&bytes) {
            for payload in payloads {
                drop(Document::parse(&payload));
            }
        }
    }

    #[test]
    fn damaged_documents_are_parsed_or_refused(
        text in any_document(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop(Document::parse(&bytes));
        bytes.truncate(at);
        drop(Document::parse(&bytes));
    }
}
