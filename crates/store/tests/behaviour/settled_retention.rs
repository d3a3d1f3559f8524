//! Retention while traces settle: what is left is the newest, whatever has settled where.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use roentgen_model::{ServiceGraph, TraceId};
use roentgen_store::{ReceivedDocument, TraceStore as _};

use crate::harness::{Everything, Harness, Segment, assembled, counts, trace_id};

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u64, usize)>),
    Settle,
    Retention,
    Reopen,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec((0_u64..60, 0_usize..600), 1..6).prop_map(Step::Append),
        3 => Just(Step::Settle),
        3 => Just(Step::Retention),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// Looks at a store while retention, which acts by itself, does nothing.
fn undisturbed(harness: &Harness) -> Everything {
    loop {
        harness.store.enforce_retention();
        let before = harness.status().expired_documents_total;
        let everything = harness.everything();
        harness.store.enforce_retention();
        if harness.status().expired_documents_total == before {
            return everything;
        }
    }
}

/// Of each trace the newest documents are left. What is listed is what they make, or what the
/// trace was when it settled, before it lost its beginning.
fn check(harness: &Harness, stored: &BTreeMap<TraceId, Vec<ReceivedDocument>>) {
    let Everything { summaries, originals, graph, .. } = undisturbed(harness);
    let listed: BTreeSet<TraceId> = summaries.iter().map(|summary| summary.id).collect();
    assert_eq!(listed.len(), summaries.len(), "each trace is listed once");
    let (mut expect, mut has_cut) = (ServiceGraph::default(), false);
    for summary in &summaries {
        let all = stored.get(&summary.id).unwrap();
        let left = originals.get(&summary.id).unwrap();
        assert!(!left.is_empty() && all.ends_with(left), "{}", summary.id);
        let lost = all.len() - left.len();
        has_cut |= lost > 0;
        let as_it_was = (0..=lost).find_map(|lost| {
            let trace = assembled(summary.id, all.get(lost..)?)?;
            (trace.summary == **summary).then_some(trace)
        });
        let trace = as_it_was.expect("the summary is that of the trace, now or before");
        expect.add(&trace.graph);
    }
    // How a trace counts that has lost its beginning and gone on is not told here.
    assert!(has_cut || graph == counts(&expect));
    for id in stored.keys().filter(|id| !listed.contains(id)) {
        assert_eq!(harness.originals(*id), [], "what is not listed has gone");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_newest_documents_are_left_and_listed(
        steps in prop::collection::vec(step(), 1..80),
        is_eager: bool,
    ) {
        let mut harness = Harness::with(|options| {
            options.retention_bytes = 16 << 10;
            options.trace_bytes = u64::MAX;
            options.tuning.merge_files = 2;
            if is_eager {
                options.tuning.settle_documents = 5;
                options.tuning.settle_quiet = std::time::Duration::ZERO;
            }
        });
        let mut stored: BTreeMap<TraceId, Vec<ReceivedDocument>> = BTreeMap::new();
        let mut number = 0;
        for step in steps {
            match step {
                Step::Append(documents) => {
                    let documents: Vec<_> = documents.into_iter().map(|(trace, padding)| {
                        number += 1;
                        let id = trace_id(0, trace);
                        Segment { padding, ..Segment::new(id, number, 1.0) }.document()
                    }).collect();
                    for document in &documents {
                        stored.entry(document.trace_id).or_default().push(document.clone());
                    }
                    harness.append(documents);
                }
                Step::Settle => harness.store.settle().unwrap(),
                Step::Retention => check(&harness, &stored),
                Step::Reopen => harness.reopen(),
                Step::Kill => harness.kill(),
            }
        }
        check(&harness, &stored);
        harness.store.settle().unwrap();
        check(&harness, &stored);
        let before = undisturbed(&harness);
        harness.reopen();
        prop_assert_eq!(undisturbed(&harness), before);
        // Made anew from the log, everything is what is left makes.
        harness.store.close();
        harness.delete_derived();
        harness.store = harness.open().unwrap();
        let Everything { summaries, originals, graph, .. } = undisturbed(&harness);
        let mut expect = ServiceGraph::default();
        for summary in &summaries {
            let trace = assembled(summary.id, &originals[&summary.id]).unwrap();
            prop_assert_eq!(&**summary, &trace.summary);
            expect.add(&trace.graph);
        }
        prop_assert_eq!(graph, counts(&expect));
    }
}
