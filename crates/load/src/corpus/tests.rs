//! Filled templates against their drafts, value by value, and fleets against what they promise.

use std::collections::BTreeMap;

use roentgen_model::Timestamp;
use serde_json::Value as Json;

use super::fleet::{Fleet, Shares};
use super::shape::{Draft, Shape};
use super::{Corpus, DRAFT_TIME, Filling, PACE_UNIT, Request, plain};
use crate::Shop;

const END: i64 = 1_795_334_983_250_111;

const NO_SHARES: Shares = Shares {
    errors: 0.0,
    throttles: 0.0,
    faults: 0.0,
    retries: 0.0,
    slow: 0.0,
    queues: 0.0,
    streamed: 0.0,
    in_progress: 0.0,
    late: 0.0,
    duplicates: 0.0,
    big: 0.0,
};

/// What a request was drafted with and what stands there now; each way one to one.
#[derive(Default)]
struct Exchanged {
    forth: BTreeMap<String, String>,
    back: BTreeMap<String, String>,
}

impl Exchanged {
    fn note(&mut self, draft: &str, filled: &str) {
        let known = self.forth.entry(draft.to_owned()).or_insert_with(|| filled.to_owned());
        assert_eq!(known, filled, "{draft}");
        let known = self.back.entry(filled.to_owned()).or_insert_with(|| draft.to_owned());
        assert_eq!(known, draft, "{filled}");
    }

    /// Compares a draft with what became of it, the slow way.
    fn compare(&mut self, key: &str, draft: &Json, filled: &Json, time: &dyn Fn(f64) -> i64) {
        match (draft, filled) {
            (Json::Object(draft), Json::Object(filled)) => {
                assert!(draft.keys().eq(filled.keys()), "{draft:?} {filled:?}");
                for ((key, draft), filled) in draft.iter().zip(filled.values()) {
                    self.compare(key, draft, filled, time);
                }
            }
            (Json::Array(draft), Json::Array(filled)) => {
                assert_eq!(draft.len(), filled.len());
                for (draft, filled) in draft.iter().zip(filled) {
                    self.compare(key, draft, filled, time);
                }
            }
            (Json::Number(draft), Json::Number(filled)) if key.ends_with("_time") => {
                let filled = (filled.as_f64().unwrap() * 1e6).round();
                let expect = time(draft.as_f64().unwrap()) as f64;
                // Milliseconds are cut; microseconds must be exact.
                let is_cut = filled == (expect / 1e3).floor() * 1e3;
                assert!(filled == expect || is_cut, "{key}: {expect} {filled}");
            }
            (Json::Number(draft), Json::Number(filled)) => {
                self.words(&draft.to_string(), &filled.to_string());
            }
            (Json::String(draft), Json::String(filled)) if key == "name" => {
                assert_eq!(draft, filled);
            }
            (Json::String(draft), Json::String(filled)) => self.string(draft, filled),
            _ => assert_eq!(draft, filled),
        }
    }

    fn string(&mut self, draft: &str, filled: &str) {
        let hex = |text: &str| text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        let lengths: Vec<usize> = draft.split('-').map(str::len).collect();
        let digits = draft.replace('-', "");
        let is_id = hex(&digits) && matches!(*lengths, [16] | [1, 8, 24] | [8, 4, 4, 4, 12]);
        if is_id {
            let filled_lengths: Vec<usize> = filled.split('-').map(str::len).collect();
            assert_eq!(lengths, filled_lengths);
            assert!(hex(&filled.replace('-', "")), "{filled}");
            assert_ne!(draft, filled);
            self.note(draft, filled);
        } else {
            self.words(draft, filled);
        }
    }

    /// Words of six digits are others; all else stays.
    fn words(&mut self, draft: &str, filled: &str) {
        let split = |text: &str| -> Vec<String> {
            text.split_inclusive(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
        };
        let (draft, filled) = (split(draft), split(filled));
        assert_eq!(draft.len(), filled.len(), "{draft:?} {filled:?}");
        for (draft, filled) in draft.iter().zip(&filled) {
            let word = draft.trim_end_matches(|c: char| !c.is_alphanumeric());
            let is_number = word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
            if is_number && !word.starts_with('0') {
                assert_eq!(draft.len(), filled.len());
                self.note(draft, filled);
            } else {
                assert_eq!(draft, filled);
            }
        }
    }
}

fn compare(drafts: &[Draft], number: u64) {
    let shape = Shape::new(drafts, "").unwrap();
    let filling = Filling::new(9, number, END, shape.span, &shape.traces);
    let parse = |text: &str| serde_json::from_str::<Json>(text).unwrap();
    let micros = |seconds: f64| Timestamp::from_seconds(seconds).unwrap().as_micros();
    let starts = drafts.iter().map(|draft| parse(&draft.json)["start_time"].as_f64().unwrap());
    let begin = starts.map(micros).min().unwrap();
    // Slowly, in numbers wide enough for anything.
    let time = |seconds: f64| {
        let offset = i128::from(micros(seconds) - begin);
        let scaled = (offset * i128::from(filling.pace)).div_euclid(i128::from(PACE_UNIT));
        i64::try_from(i128::from(filling.start) + scaled).unwrap()
    };
    let mut exchanged = Exchanged::default();
    for (draft, prepared) in drafts.iter().zip(&shape.documents) {
        let mut text = Vec::new();
        filling.write(&prepared.plain, &mut text);
        let filled = parse(std::str::from_utf8(&text).unwrap());
        exchanged.compare("", &parse(&draft.json), &filled, &time);
    }
    assert!(exchanged.forth.len() >= drafts.len());
}

#[test]
fn filled_documents_are_their_drafts_with_other_values() {
    for (number, drafts) in plain::requests(3, 40).enumerate() {
        compare(&drafts, number as u64);
    }
    let mut shop = Shop::new(3);
    for number in 0..150 {
        let documents = shop.request(DRAFT_TIME).into_iter();
        let drafts: Vec<Draft> = documents.map(|document| document.json.into()).collect();
        compare(&drafts, number);
    }
}

/// The documents of some requests, all of the one kind that has the whole share.
fn documents(shares: Shares) -> Vec<Vec<Json>> {
    let fleet = Fleet { shares, big_segments: 300, ..Fleet::default() };
    let corpus = Corpus::fleet(4, "", &fleet).unwrap();
    let documents = |request: Request<'_>| {
        (0..request.documents())
            .map(|document| {
                let mut text = Vec::new();
                request.write(document, &mut text);
                serde_json::from_slice(&text).unwrap()
            })
            .collect()
    };
    let end = Timestamp::from_micros(END);
    (0..60).map(|number| documents(corpus.request(number, end))).collect()
}

fn segments(documents: &[Json]) -> impl Iterator<Item = &Json> {
    documents.iter().filter(|json| json.get("type").is_none() && json.get("end_time").is_some())
}

#[test]
fn a_share_is_of_requests_that_are_so() {
    let check = |what: &str, shares: Shares, is_so: &dyn Fn(&[Json]) -> bool| {
        for request in documents(shares) {
            assert!(is_so(&request), "{what}: {request:#?}");
        }
    };
    let has_status = |documents: &[Json], statuses: std::ops::Range<u64>| {
        segments(documents).any(|json| {
            let status = json.pointer("/http/response/status").and_then(Json::as_u64);
            status.is_some_and(|status| statuses.contains(&status))
        })
    };
    check("errors", Shares { errors: 1.0, ..NO_SHARES }, &|all| has_status(all, 404..405));
    check("throttles", Shares { throttles: 1.0, ..NO_SHARES }, &|all| has_status(all, 429..430));
    check("faults", Shares { faults: 1.0, ..NO_SHARES }, &|all| {
        has_status(all, 500..600) && all.iter().any(|json| json.pointer("/cause").is_some())
    });
    check("retries", Shares { retries: 1.0, ..NO_SHARES }, &|all| has_status(all, 503..504));
    check("slow", Shares { slow: 1.0, ..NO_SHARES }, &|all| {
        let time = |json: &Json, key: &str| json[key].as_f64().unwrap();
        segments(all).any(|json| time(json, "end_time") - time(json, "start_time") > 0.4)
    });
    check("queues", Shares { queues: 1.0, ..NO_SHARES }, &|all| {
        all.iter().any(|json| json.pointer("/links/0/trace_id").is_some())
    });
    check("streamed", Shares { streamed: 1.0, ..NO_SHARES }, &|all| {
        all.iter().filter(|json| json["type"] == "subsegment").count() >= 30
    });
    check("in progress", Shares { in_progress: 1.0, ..NO_SHARES }, &|all| {
        all.iter().filter(|json| json["in_progress"] == true).count() == 1
    });
    check("duplicates", Shares { duplicates: 1.0, ..NO_SHARES }, &|all| {
        all.iter().take(all.len() - 1).any(|json| json == all.last().unwrap())
    });
    check("big", Shares { big: 1.0, ..NO_SHARES }, &|all| segments(all).count() == 300);
}

#[test]
fn shares_are_kept() {
    let shares = Shares { late: 0.2, duplicates: 0.1, ..NO_SHARES };
    let corpus = Corpus::fleet(4, "", &Fleet { shares, ..Fleet::default() }).unwrap();
    let end = Timestamp::from_micros(END);
    let late = (0..20_000_u64)
        .filter(|number| {
            let request = corpus.request(*number, end);
            (0..request.documents()).any(|document| request.is_late(document))
        })
        .count();
    // A fifth, and about half of the duplicates, drawn once per prepared request.
    assert!((4_300..5_700).contains(&late), "{late}");
}

#[test]
fn drafts_that_are_no_documents_are_refused() {
    for json in ["{", "{}", r#"{"trace_id":"x","start_time":"now"}"#] {
        assert!(Shape::new(&[Draft::from(json.to_owned())], "").is_err(), "{json}");
    }
}
