//! Documents of the corpora against the rules of segment documents, and against assembly: what a
//! corpus says that a request adds to the graph is what the server will make of it.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use roentgen_load::{Contribution, Corpus, Fleet, NodeName, Request, Shares, Tally};
use roentgen_model::{
    Document, MAX_DOCUMENT_BYTES, Names, RequestStatistics, ServiceGraph, ServiceId, Timestamp,
    Trace, TraceId, assemble,
};

const END: Timestamp = Timestamp::from_micros(1_795_334_983_250_111);

fn everything() -> Fleet {
    let shares = Shares { big: 0.01, ..Shares::default() };
    Fleet { big_segments: 400, shares, ..Fleet::default() }
}

/// Each corpus, with how many of its requests are looked at.
static CORPORA: LazyLock<[(&str, Corpus, u64); 3]> = LazyLock::new(|| {
    [
        ("plain", Corpus::plain(7, "-r1").unwrap(), 300),
        ("shop", Corpus::shop(7, "-r1").unwrap(), 500),
        ("fleet", Corpus::fleet(7, "-r1", &everything()).unwrap(), 600),
    ]
});

fn texts(request: &Request<'_>) -> Vec<Vec<u8>> {
    let text = |document| {
        let mut text = Vec::new();
        request.write(document, &mut text);
        text
    };
    (0..request.documents()).map(text).collect()
}

fn traces(texts: &[Vec<u8>]) -> Vec<Trace<'_>> {
    let mut documents: BTreeMap<TraceId, Vec<Document<'_>>> = BTreeMap::new();
    for text in texts {
        let document = Document::parse(text)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)));
        documents.entry(document.trace_id).or_default().push(document);
    }
    let mut names = Names::default();
    let traces = documents.into_iter();
    traces.map(|(id, documents)| assemble(id, documents, &mut names).unwrap()).collect()
}

#[test]
fn documents_are_segment_documents_and_make_whole_traces() {
    for (name, corpus, requests) in &*CORPORA {
        for number in 0..*requests {
            let request = corpus.request(number, END);
            let texts = texts(&request);
            assert!(texts.iter().all(|text| text.len() <= MAX_DOCUMENT_BYTES), "{name}");
            let traces = traces(&texts);
            let ids: BTreeSet<TraceId> = traces.iter().map(|trace| trace.id).collect();
            assert_eq!(ids, request.trace_ids().collect(), "{name} {number}");
            for trace in &traces {
                assert!(!trace.summary.is_partial, "{name} {number}: {}", trace.id);
                // Some SDKs cut their times to milliseconds.
                let earliest = request.start().as_micros() / 1_000 * 1_000;
                assert!(trace.summary.start.as_micros() >= earliest && trace.summary.end <= END);
                assert_eq!(
                    i64::from(trace.id.epoch_seconds()),
                    trace.summary.start.as_micros() / 1_000_000,
                    "{name} {number}: {}",
                    trace.id
                );
            }
        }
    }
}

#[test]
fn documents_know_their_traces() {
    for (name, corpus, _) in &*CORPORA {
        for number in 0..100 {
            let request = corpus.request(number, END);
            for (document, text) in texts(&request).iter().enumerate() {
                let id = request.trace_id(request.trace_of(document));
                assert_eq!(Document::parse(text).unwrap().trace_id, id, "{name} {number}");
            }
        }
    }
}

#[test]
fn escaped_documents_are_the_same_documents() {
    for (name, corpus, _) in &*CORPORA {
        for number in 0..100 {
            let request = corpus.request(number, END);
            for (document, text) in texts(&request).iter().enumerate() {
                let mut escaped = Vec::from(*b"\"");
                request.write_escaped(document, &mut escaped);
                escaped.push(b'"');
                let string: String = serde_json::from_slice(&escaped).unwrap();
                assert_eq!(string.as_bytes(), text, "{name} {number}");
            }
        }
    }
}

#[test]
fn requests_are_functions_of_seed_and_number_and_share_nothing() {
    let corpus = Corpus::plain(7, "").unwrap();
    let again = Corpus::plain(7, "").unwrap();
    let other = Corpus::plain(8, "").unwrap();
    let mut ids = BTreeSet::new();
    for number in 0..2_000 {
        let request = corpus.request(number, END);
        assert_eq!(texts(&request), texts(&again.request(number, END)));
        assert!(ids.insert(request.trace_id(0)));
        assert!(ids.insert(other.request(number, END).trace_id(0)));
    }
    let orders = |corpus: &Corpus| -> BTreeSet<String> {
        let order = |number| {
            let text = texts(&corpus.request(number, END)).swap_remove(0);
            let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
            json["annotations"]["order_id"].as_str().unwrap().to_owned()
        };
        (0..2_000).map(order).collect()
    };
    assert_eq!(orders(&corpus).len(), 2_000);
}

#[test]
fn plain_documents_have_about_a_kilobyte_and_three_make_a_trace() {
    let corpus = Corpus::plain(1, "").unwrap();
    let mean = corpus.mean_bytes(0..10_000);
    assert!((950.0..1_050.0).contains(&mean), "{mean}");
    let mut sizes: Vec<usize> = Vec::new();
    for number in 0..2_000 {
        let request = corpus.request(number, END);
        assert_eq!((request.documents(), request.traces()), (3, 1));
        let texts = texts(&request);
        sizes.extend(texts.iter().map(Vec::len));
        let trace = traces(&texts).swap_remove(0);
        assert_eq!(trace.summary.segment_count, 3);
        let order = trace.summary.annotations.iter().filter(|each| each.key == "order_id").count();
        assert_eq!(order, 1);
    }
    assert!(*sizes.iter().min().unwrap() > 600);
    assert!(*sizes.iter().max().unwrap() < 1_600);
}

/// The graph that the model makes of the requests, as far as a contribution tells of it.
fn modelled(corpus: &Corpus, numbers: std::ops::Range<u64>) -> Contribution {
    let mut graph = ServiceGraph::default();
    for number in numbers {
        for trace in traces(&texts(&corpus.request(number, END))) {
            graph.add(&trace.graph);
        }
    }
    let name = |id: &ServiceId| NodeName {
        name: id.name.to_string(),
        kind: id.kind.as_deref().map(str::to_owned),
    };
    let tally = |requests: &RequestStatistics| {
        let count = |number: i64| u64::try_from(number).unwrap();
        Tally {
            ok: count(requests.ok),
            error: count(requests.error),
            throttle: count(requests.throttle),
            fault: count(requests.fault),
            micros: count(requests.total_response_time.get()),
            tolerance: 0,
        }
    };
    let is_ours = |id: &ServiceId| id.name.ends_with("-r1");
    Contribution {
        nodes: graph
            .nodes
            .iter()
            .filter(|(id, _)| is_ours(id) && !id.is_client())
            .map(|(id, node)| (name(id), tally(&node.requests)))
            .collect(),
        edges: graph
            .edges
            .iter()
            .filter(|((from, to), _)| is_ours(from) && is_ours(to))
            .map(|((from, to), edge)| ((name(from), name(to)), tally(&edge.requests)))
            .collect(),
    }
}

fn assert_tallies<K: Ord + std::fmt::Debug>(
    corpus: &str,
    expect: &BTreeMap<K, Tally>,
    got: &BTreeMap<K, Tally>,
) {
    assert_eq!(expect.keys().collect::<Vec<_>>(), got.keys().collect::<Vec<_>>(), "{corpus}");
    for (key, got) in got {
        let expect = &expect[key];
        let exact = Tally { micros: expect.micros, tolerance: expect.tolerance, ..*got };
        assert_eq!(*expect, exact, "{corpus}: {key:?}");
        let distance = expect.micros.abs_diff(got.micros);
        assert!(distance <= expect.tolerance, "{corpus}: {key:?}: {expect:?} {got:?}");
    }
}

#[test]
fn contributions_are_what_assembly_makes_of_the_documents() {
    for (name, corpus, requests) in &*CORPORA {
        let mut expect = Contribution::default();
        for number in 0..*requests {
            let request = corpus.request(number, END);
            corpus.add_contribution(request.shape_number(), 1, request.pace(), &mut expect);
        }
        let got = modelled(corpus, 0..*requests);
        assert!(got.nodes.len() >= 3 && got.edges.len() >= 3, "{name}");
        assert_tallies(name, &expect.nodes, &got.nodes);
        assert_tallies(name, &expect.edges, &got.edges);
    }
}

#[test]
fn impossible_fleets_are_refused() {
    let check = |fleet: Fleet, expect: &str| {
        assert_eq!(Corpus::fleet(1, "", &fleet).unwrap_err().to_string(), expect);
    };
    check(Fleet { services: 0, ..Fleet::default() }, "services of a fleet is 0; expected 1 to 500");
    check(
        Fleet { services: 2, depth: 3, ..Fleet::default() },
        "depth of a fleet is 3; expected 1 to 2",
    );
    check(
        Fleet { services: 100, depth: 8, fan_out: 4, ..Fleet::default() },
        "segments of a request (depth and fan-out) of a fleet is 21845; expected 1 to 10000",
    );
    let shares = |errors, faults| Shares { errors, faults, ..Shares::default() };
    check(
        Fleet { shares: shares(1.5, 0.0), ..Fleet::default() },
        "the share of errors is 1.5; shares are 0 to 1, and all together at most 1",
    );
    check(
        Fleet { shares: shares(f64::NAN, 0.0), ..Fleet::default() },
        "the share of errors is NaN; shares are 0 to 1, and all together at most 1",
    );
}
