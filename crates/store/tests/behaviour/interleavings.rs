//! Whatever is stored, settled, merged, asked, damaged, killed and reopened in whatever order: the
//! answers are those of assembling every stored document from scratch.

use std::ops::Bound;

use proptest::prelude::*;
use roentgen_model::{Outcome, TraceId};
use roentgen_store::{
    AnnotationMatch, Condition, Logic, ReceivedDocument, RequestTest, ServiceMatch, StoreOptions,
    TextMatch, TimeRange, TimeRangeType, TraceStore as _,
};

use crate::harness::{Harness, Segment, all_time, at, trace_id};
use crate::reference::{Question, Reference};

const DAY: f64 = 86_400.0;

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<Segment>),
    /// The newest documents once more.
    Duplicate,
    Settle,
    Ask(Question),
    Graph,
    Reopen,
    /// What is on the disk now is opened, as after a crash.
    Kill,
    /// The store is stopped, everything derived deleted, and the store opened.
    Rebuild,
    /// A bit of a derived file is turned, the store running or not.
    Damage {
        file: prop::sample::Index,
        byte: prop::sample::Index,
        bit: u8,
        is_running: bool,
    },
    Everything,
}

/// Ids that tell their second, and random ones.
fn id(trace: u64) -> TraceId {
    if trace % 3 == 2 {
        TraceId::from_bytes([0x90 + u8::try_from(trace).unwrap(); 16])
    } else {
        trace_id(0, trace)
    }
}

fn segment() -> impl Strategy<Value = Segment> {
    let ids = (0_u64..9, 1_u64..8, prop::option::of(1_u64..8));
    // Some come days later, but within the week in which the second of an id is believed.
    let starts = prop_oneof![
        12 => (0_u32..400).prop_map(|half_seconds| f64::from(half_seconds) / 2.0),
        1 => (0_u32..=6).prop_map(|days| f64::from(days) * DAY),
    ];
    let times = (starts, prop::option::of(0_u32..100));
    let names = prop::sample::select(vec!["app", "database", "queue"]);
    // Every third links to another trace, or to its own.
    let link = prop::option::weighted(0.3, (0_u64..9, 1_u64..8));
    let more = (any::<(bool, bool)>(), 0_usize..400, link);
    (ids, times, names, more).prop_map(|((trace, segment, parent), (start, length), name, more)| {
        let ((is_fault, is_subsegment), padding, link) = more;
        let parent = parent.filter(|parent| *parent != segment);
        Segment {
            trace_id: id(trace),
            id: segment,
            name,
            is_subsegment: is_subsegment && parent.is_some(),
            parent,
            start,
            length: length.map(|length| f64::from(length) / 16.0),
            is_fault,
            padding,
            link: link.map(|(trace, segment)| (id(trace), segment)),
        }
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let name = |name: &str| ServiceMatch {
        name: Some(TextMatch::StartsWith(name.to_owned())),
        ..ServiceMatch::default()
    };
    let lengths = |least: i64, most: i64| {
        let bound = |length| Bound::Included(roentgen_model::Micros::new(length * 1_000_000));
        (bound(least), bound(most))
    };
    let is = |test| Logic::Is(test);
    let fault = Condition::Request {
        who: name("data"),
        tests: Logic::All(vec![
            is(RequestTest::Fault(true)),
            Logic::Not(Box::new(is(RequestTest::Inferred(true)))),
        ]),
    };
    let slow = Condition::Request {
        who: ServiceMatch::default(),
        tests: is(RequestTest::ResponseTime(lengths(2, 4))),
    };
    let root = Condition::Request {
        who: ServiceMatch::default(),
        tests: Logic::All(vec![
            is(RequestTest::Root(true)),
            is(RequestTest::Duration(lengths(0, 3))),
        ]),
    };
    let call = Condition::Call {
        from: name("app"),
        to: ServiceMatch::default(),
        tests: Logic::Any(vec![is(RequestTest::Ok(true)), is(RequestTest::Partial(true))]),
    };
    let joined = Condition::Joined(Box::new(Logic::Any(vec![
        Logic::Is(call.clone()),
        Logic::Not(Box::new(Logic::Is(slow.clone()))),
    ])));
    let kind = AnnotationMatch::Text(TextMatch::Equals("large".to_owned()));
    prop::sample::select(vec![
        Condition::Fault(true),
        Condition::Partial(false),
        Condition::Outcomes(vec![Outcome::Ok]),
        Condition::Service(name("data")),
        Condition::EntryPoint(name("app")),
        Condition::Duration((
            Bound::Included(roentgen_model::Micros::new(2_000_000)),
            Bound::Unbounded,
        )),
        Condition::Annotation { key: "kind".to_owned(), value: kind },
        fault,
        slow,
        root,
        call,
        joined,
    ])
}

fn question() -> impl Strategy<Value = Question> {
    let range = prop_oneof![
        2 => Just(all_time()),
        3 => (-20_i32..220, 0_i32..100).prop_map(|(start, length)| {
            let (start, length) = (f64::from(start), f64::from(length));
            TimeRange { start: at(start), end: at(start + length) }
        }),
        1 => (0_u32..20).prop_map(|days| {
            TimeRange { start: at(f64::from(days) * DAY - 1.0), end: at(f64::from(days) * DAY + 1.0) }
        }),
    ];
    let types = vec![TimeRangeType::TraceId, TimeRangeType::Event, TimeRangeType::Service];
    let limits = (0_usize..6, prop_oneof![1_usize..8, Just(usize::MAX)]);
    let conditions = prop::collection::vec(condition(), 0..3);
    (range, prop::sample::select(types), limits, conditions, any::<bool>()).prop_map(
        |(range, range_type, (limit, scan_limit), conditions, asks_more)| Question {
            range,
            range_type,
            limit,
            scan_limit,
            conditions,
            asks_more,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let damage = (any::<(prop::sample::Index, prop::sample::Index)>(), 0_u8..8, any::<bool>());
    prop_oneof![
        14 => prop::collection::vec(segment(), 1..6).prop_map(Step::Append),
        1 => Just(Step::Duplicate),
        5 => Just(Step::Settle),
        5 => question().prop_map(Step::Ask),
        2 => Just(Step::Graph),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::Rebuild),
        1 => damage.prop_map(|((file, byte), bit, is_running)| {
            Step::Damage { file, byte, bit, is_running }
        }),
        1 => Just(Step::Everything),
    ]
}

/// Nothing settles by itself, or everything at once, or memory asks for it all the time.
fn tune(options: &mut StoreOptions, eagerness: u8) {
    options.tuning.merge_files = 2;
    options.tuning.log_file_bytes = Some(4 << 10);
    options.tuning.dictionary_samples = 120;
    match eagerness {
        0 => {}
        1 => {
            options.tuning.settle_documents = 3;
            options.tuning.settle_quiet = std::time::Duration::ZERO;
        }
        _ => options.open_bytes = 8 << 10,
    }
}

fn damage(harness: &mut Harness, step: &Step) {
    let Step::Damage { file, byte, bit, is_running } = step else { return };
    if !is_running {
        harness.store.close();
    }
    let files = harness.derived_files();
    if !files.is_empty() {
        let path = file.get(&files);
        // The store may just have removed it.
        if let Ok(mut bytes) = std::fs::read(path)
            && !bytes.is_empty()
        {
            let index = byte.index(bytes.len());
            bytes.iter_mut().skip(index).take(1).for_each(|byte| *byte ^= 1 << bit);
            harness.overwrite(path, &bytes);
        }
    }
    if !is_running {
        harness.store = harness.open().unwrap();
    }
}

fn run(steps: Vec<Step>, trace_bytes: u64, eagerness: u8) {
    let mut harness = Harness::with(|options| {
        options.retention_bytes = u64::MAX;
        options.trace_bytes = trace_bytes;
        tune(options, eagerness);
    });
    let mut reference = Reference::new(trace_bytes);
    let mut newest: Vec<ReceivedDocument> = Vec::new();
    for step in &steps {
        match step {
            Step::Append(segments) => {
                newest = segments.iter().map(Segment::document).collect();
                reference.append(&newest);
                harness.append(newest.clone());
            }
            Step::Duplicate => {
                reference.append(&newest);
                harness.append(newest.clone());
            }
            Step::Settle => harness.store.settle().unwrap(),
            Step::Ask(question) => {
                reference.check_question(&harness, question);
                reference.check_filtered(&harness, question);
            }
            Step::Graph => reference.check_graph(&harness),
            Step::Reopen => harness.reopen(),
            Step::Kill => harness.kill(),
            Step::Rebuild => {
                harness.store.close();
                harness.delete_derived();
                harness.store = harness.open().unwrap();
            }
            Step::Damage { .. } => damage(&mut harness, step),
            Step::Everything => reference.check_everything(&harness),
        }
    }
    reference.check_everything(&harness);
    harness.store.settle().unwrap();
    // What was damaged may be found, and opened again, at any time.
    let is_damaged = steps.iter().any(|step| matches!(step, Step::Damage { .. }));
    assert!(is_damaged || harness.status().open_documents == 0);
    reference.check_everything(&harness);
    harness.reopen();
    reference.check_everything(&harness);
    assert_eq!(harness.status().panics_total, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_answers_are_those_of_assembling_every_document(
        steps in prop::collection::vec(step(), 1..50),
        trace_bytes in prop::sample::select(vec![u64::MAX, u64::MAX, 2000, 500]),
        eagerness in 0_u8..3,
    ) {
        run(steps, trace_bytes, eagerness);
    }
}
