//! Where pages of retrieved traces end, and what they tell when a trace has changed since.

use serde_json::{Value, json};

use super::*;
use crate::test_store::{TestStore, document, trace_id};

/// A trace of one segment with this many subsegments.
fn trace(number: u32, subsegments: usize, members: &Value) -> Value {
    let held: Vec<_> = (0..subsegments)
        .map(|child| {
            let mut held = json!({"id": format!("{child:016x}"), "name": "work",
                "start_time": 1, "end_time": 2});
            held.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            held
        })
        .collect();
    document(number, json!({ "subsegments": held }))
}

/// What a retrieval finds of a trace that has so many documents then.
fn found(store: &TestStore, number: u32, documents: usize) -> RetrievedId {
    let trace = store.documents(trace_id(number)).unwrap();
    let then = trace.and_then(|mut trace| {
        trace.documents.truncate(documents);
        RetrievedId::of(&trace)
    });
    // A trace that was there once.
    then.unwrap_or(RetrievedId { id: trace_id(number), documents, last: 0 })
}

/// Every page: of each trace in it, its number of documents.
fn pages(
    store: &TestStore,
    found: &[RetrievedId],
    format: Format,
    most_bytes: usize,
) -> Vec<Vec<(String, usize)>> {
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let page = Page::read_within(store, found, token, format, most_bytes).unwrap();
        let traces = page.traces.into_iter();
        pages.push(traces.map(|trace| (trace.id, trace.spans.len())).collect());
        token = page.next;
        if token.is_none() {
            return pages;
        }
    }
}

#[test]
fn a_page_has_five_traces_and_a_hundred_documents_of_each() {
    let store = TestStore::new();
    store.append_all((1..=6).map(|number| trace(number, 0, &json!({}))));
    store.append_all([trace(7, 249, &json!({}))]);
    let all: Vec<_> = (1..=7).map(|number| found(&store, number, 1)).collect();
    let counts = |format| -> Vec<Vec<usize>> {
        let pages = pages(&store, &all, format, PAGE_BYTES).into_iter();
        pages.map(|page| page.into_iter().map(|(_, count)| count).collect()).collect()
    };
    assert_eq!(counts(Format::XRay), [vec![1; 5], vec![1, 1]]);
    assert_eq!(counts(Format::OTel), [vec![1; 5], vec![1, 100], vec![100], vec![50]]);
}

#[test]
fn a_page_ends_by_its_bytes_but_never_without_a_document() {
    let store = TestStore::new();
    store.append_all([trace(1, 3, &json!({})), trace(2, 0, &json!({}))]);
    let pages = pages(&store, &[found(&store, 1, 1), found(&store, 2, 1)], Format::OTel, 1);
    let expect = [1, 1, 1, 1, 2].map(|number| vec![(trace_id(number).to_string(), 1)]);
    assert_eq!(pages, expect);
}

#[test]
fn later_documents_do_not_show_and_what_is_gone_is_left_out() {
    let store = TestStore::new();
    store.append_all([document(1, json!({}))]);
    store.append_all([document(1, json!({"id": "63995c3f42cd8ad8"}))]);
    let check = |documents: usize, expect: usize| {
        let pages = pages(
            &store,
            &[found(&store, 9, 1), found(&store, 1, documents)],
            Format::XRay,
            PAGE_BYTES,
        );
        assert_eq!(pages, [vec![(trace_id(1).to_string(), expect)]]);
    };
    check(1, 1);
    check(2, 2);
}

#[test]
fn a_segment_that_is_too_long_comes_in_parts() {
    let store = TestStore::new();
    let text = json!({"metadata": {"default": {"text": "x".repeat(50_000)}}});
    let streamed = (0..5_u64).map(|child| {
        let mut part = document(1, text.clone());
        let members = json!({"id": format!("{child:016x}"), "type": "subsegment",
            "parent_id": "53995c3f42cd8ad8", "name": "streamed"});
        part.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        part
    });
    store.append_all([document(1, json!({}))].into_iter().chain(streamed));
    let page = Page::read(&store, &[found(&store, 1, 6)], None, Format::XRay).unwrap();
    let [trace] = &page.traces[..] else { panic!("{page:?}") };
    assert_eq!(trace.spans.len(), 6);
    for (place, span) in trace.spans.iter().enumerate() {
        let document: Value = serde_json::from_str(&span.document).unwrap();
        assert_eq!(document["id"], span.id);
        assert_eq!(document["trace_id"], trace_id(1).to_string());
        assert_eq!(document["type"] == "subsegment", place > 0);
        assert_eq!(document.get("parent_id").is_some(), place > 0);
        assert_eq!(document.get("subsegments"), None);
    }
}

#[test]
fn parts_go_on_where_a_page_ended() {
    let store = TestStore::new();
    let call = |id: u64| {
        json!({"id": format!("{id:016x}"), "name": "dynamodb", "namespace": "aws",
            "start_time": 1, "end_time": 2, "metadata": {"default": {"text": "x".repeat(50_000)}}})
    };
    let root = document(1, json!({"subsegments": [call(1)]}));
    let streamed = (2..6).map(|id| {
        let mut part = document(1, json!({"type": "subsegment", "parent_id": "53995c3f42cd8ad8"}));
        part.as_object_mut().unwrap().extend(call(id).as_object().unwrap().clone());
        part
    });
    store.append_all([root].into_iter().chain(streamed));
    let ids = |most_bytes: usize| {
        let (mut ids, mut token) = (Vec::new(), None);
        loop {
            let page =
                Page::read_within(&store, &[found(&store, 1, 6)], token, Format::XRay, most_bytes)
                    .unwrap();
            ids.extend(page.traces.into_iter().flat_map(|trace| trace.spans).map(|span| span.id));
            token = page.next;
            if token.is_none() {
                return ids;
            }
        }
    };
    let at_once = ids(PAGE_BYTES);
    // The segment, five calls, and the five segments that are inferred from these.
    assert_eq!(at_once.len(), 11);
    assert_eq!(at_once.iter().collect::<std::collections::BTreeSet<_>>().len(), 11);
    for most_bytes in [1, 60_000, 150_000] {
        assert_eq!(ids(most_bytes), at_once, "{most_bytes}");
    }
}

#[test]
fn a_place_in_a_trace_that_has_shrunk_is_refused() {
    let store = TestStore::new();
    store.append_all([trace(1, 3, &json!({}))]);
    let at = |nodes| Some(PageToken::AtDocument { trace: 0, document: 2, nodes });
    let read = |token| Page::read(&store, &[found(&store, 1, 1)], token, Format::OTel);
    assert_eq!(read(at(4)).unwrap().traces[0].spans.len(), 2);
    assert!(read(at(5)).unwrap_err().message.contains("Retention"));
    // A trace that is gone altogether does not leave its place to the next one.
    let with_one_gone = [found(&store, 9, 1), found(&store, 1, 1)];
    let gone = Page::read(&store, &with_one_gone, at(4), Format::OTel);
    assert!(gone.unwrap_err().message.contains("Retention"));
    assert!(read(Some(PageToken::AfterService { reference_id: 0, given_way: 0 })).is_err());
}
