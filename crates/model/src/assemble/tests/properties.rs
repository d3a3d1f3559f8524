//! What holds for any documents, however broken: order does not matter, nothing is lost, nothing
//! appears twice.

use std::collections::HashSet;

use proptest::prelude::*;

use super::{OPEN, document, put_together, subsegment, trace_id};
use crate::{Document, EntityKind, GraphSum, Names, Rollups, ServiceGraph, Trace, summarize};

/// Members that matter to summaries and graphs, whole, odd and of wrong types.
const MEMBERS: [&str; 26] = [
    r#""name":"dynamodb""#,
    r#""name":"Amazon S3""#,
    r#""origin":"AWS::ECS::Container""#,
    r#""origin":"client""#,
    r#""origin":7"#,
    r#""user":"anna""#,
    r#""user":"b\u00f6rn \ud800""#,
    r#""resource_arn":"arn:aws:ecs:eu-west-1:1:x""#,
    r#""resource_arn":"""#,
    r#""error":true"#,
    r#""throttle":true,"fault":"yes""#,
    r#""http":{"request":{"method":"GET","url":"https://example.com/a?b=c","client_ip":"::1"},"response":{"status":503}}"#,
    r#""http":{"request":{"user_agent":"x\"y","url":null},"response":{"status":"429"}}"#,
    r#""http":[]"#,
    r#""aws":{"account_id":"123456789012","ec2":{"instance_id":"i-1","availability_zone":"a"}}"#,
    r#""aws":{"table_names":["Orders"],"bucket_name":"b","queue_url":"https://sqs/1/q","operation":"Put"}"#,
    r#""aws":null"#,
    r#""sql":{"url":"u"}"#,
    r#""sql":"select""#,
    r#""annotations":{"a":1,"b":"x","c":true,"d e":1,"f":[1],"a":2}"#,
    r#""annotations":{"b":"\u0000é","g":-0.0,"h":1e99,"i":1e400}"#,
    r#""annotations":"none""#,
    r#""metadata":{"n":[NaN]}"#,
    r#""cause":"53995c3f42cd8ad8""#,
    r#""links":[{"trace_id":"1-68000000-00000000000000000000000a","id":"00000000000000a1"},{"id":"x"},7]"#,
    r#""links":{}"#,
];

fn any_members() -> impl Strategy<Value = String> {
    let members = prop::sample::subsequence(MEMBERS.to_vec(), 0..6);
    members.prop_map(|members| members.iter().map(|member| format!(",{member}")).collect())
}

/// Documents over few ids, so that duplicates, missing parents and loops are common.
fn any_document() -> impl Strategy<Value = String> {
    let id = 1_u64..9;
    let parent = 0_u64..9;
    let nested = prop::collection::vec((1_u64..9, any::<bool>(), any_members()), 0..3);
    (id, parent, any::<bool>(), 0_u8..4, 0_u8..3, nested, any_members()).prop_map(
        |(id, parent, is_segment, time, namespace, nested, more)| {
            let namespace = ["local", "aws", "remote"][usize::from(namespace)];
            let times = match time {
                0 => OPEN.to_owned(),
                time => format!(r#""start_time":1{time},"end_time":2{time}"#),
            };
            let nested: Vec<String> = nested
                .into_iter()
                .map(|(id, open, more)| {
                    let end = if open { "\"in_progress\":true" } else { "\"end_time\":30" };
                    format!(r#"{{"id":"{id:016x}","name":"n{id}","start_time":11,"namespace":"{namespace}",{end}{more}}}"#)
                })
                .collect();
            let members =
                format!(r#"{times},"namespace":"{namespace}","subsegments":[{}]{more}"#, nested.join(","));
            match (is_segment, parent) {
                (true, 0) => document(id, &members),
                (true, parent) => document(id, &format!(r#""parent_id":"{parent:016x}",{members}"#)),
                (false, parent) => subsegment(id, parent, &members),
            }
        },
    )
}

fn outline_of(document: &Document<'_>) -> Vec<u8> {
    let mut outline = Vec::new();
    document.write_outline(&mut outline);
    outline
}

fn show(trace: &Trace<'_>) -> String {
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
    fn the_root_is_the_one_the_summary_tells_of(
        documents in prop::collection::vec(any_document(), 1..12),
    ) {
        let trace = put_together(&documents);
        let root = trace.root().map(|root| &trace.nodes[root]);
        prop_assert_eq!(root.and_then(|root| root.service.clone()), trace.summary.entry_point.clone());
        let response_time = root.and_then(|root| Some((root.entity.end? - root.entity.start).clamped()));
        prop_assert_eq!(response_time, trace.summary.response_time);
        let causes = trace.root_causes();
        let client_faults = causes.faults.iter().any(|cause| cause.client_impacting);
        prop_assert_eq!(client_faults, trace.summary.has_fault);
        for service in causes.faults.iter().chain(&causes.response_time).flat_map(|c| &c.services) {
            prop_assert!(!service.path.is_empty());
            prop_assert!(service.path.iter().all(|e| e.coverage.is_none_or(|c| (0.0..=1.0).contains(&c))));
        }
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
    fn bare_documents_say_the_same(text in any_document()) {
        let (whole, bare) = (Document::parse(text.as_bytes()), Document::parse_bare(text.as_bytes()));
        prop_assert_eq!(outline_of(&whole.unwrap()), outline_of(&bare.unwrap()));
    }

    #[test]
    fn outlines_make_the_same_summary_and_graph(
        documents in prop::collection::vec(any_document(), 1..12),
    ) {
        let whole = put_together(&documents);
        let outlines: Vec<Vec<u8>> = documents
            .iter()
            .map(|text| outline_of(&Document::parse_bare(text.as_bytes()).unwrap()))
            .collect();
        let read = |bytes| Document::read_outline(trace_id(), bytes).unwrap();
        let outlines: Vec<_> = outlines.iter().map(|outline| read(outline)).collect();
        let (summary, graph) = summarize(trace_id(), &outlines, &mut Names::default()).unwrap();
        prop_assert_eq!(summary, whole.summary);
        prop_assert_eq!(graph, whole.graph);
    }

    #[test]
    fn rollups_are_the_sums_of_graphs(
        traces in prop::collection::vec(prop::collection::vec(any_document(), 1..6), 1..5),
        taken_back in any::<prop::sample::Index>(),
    ) {
        let graphs: Vec<_> = traces.iter().map(|documents| put_together(documents).graph).collect();
        let taken_back = taken_back.index(graphs.len());
        let (mut all, mut rest, mut one) = (Rollups::default(), Rollups::default(), Rollups::default());
        let mut sum = ServiceGraph::default();
        for (index, graph) in graphs.iter().enumerate() {
            all.add(graph);
            sum.add(graph);
            if index == taken_back { one.add(graph) } else { rest.add(graph) }
        }
        prop_assert_eq!(&all.range(..), &sum);
        let mut parts = GraphSum::default();
        let rest_graph = rest.range(..);
        parts.add_graph(&rest_graph);
        parts.add(&one, ..);
        parts.add(&one, ..);
        parts.subtract(&one, ..);
        prop_assert_eq!(parts.finish(), sum);
        let mut merged = rest.clone();
        merged.merge(&one);
        prop_assert_eq!(&merged, &all);
        merged.subtract(&rest);
        merged.subtract(&one);
        prop_assert!(merged.is_empty());
        let mut minutes = Rollups::default();
        all.minutes().for_each(|(minute, graph)| minutes.add_minute(minute, &graph));
        prop_assert_eq!(&minutes, &all);
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
        let check = |bytes: &[u8]| {
            let outline = |document: Document<'_>| outline_of(&document);
            let whole = Document::parse(bytes).map(outline);
            prop_assert_eq!(Document::parse_bare(bytes).map(outline), whole);
            Ok(())
        };
        check(&bytes)?;
        bytes.truncate(at);
        check(&bytes)?;
    }
}
