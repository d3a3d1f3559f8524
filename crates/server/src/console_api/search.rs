//! `POST /api/v1/traces/search`: a page of traces and, over all that match, a histogram of
//! response times, a series over time, and the most frequent values.

use std::collections::BTreeMap;
use std::sync::Arc;

use roentgen_model::{AnnotationValue, TraceSummary};
use roentgen_protocol::{ApiError, PageToken};
use roentgen_store::{Cursor, SummaryPage, SummaryQuery, TraceStore};
use serde::Serialize;

use super::NodeRef;
use super::trace::Http;
use crate::groups::Groups;
use crate::json;
use crate::page;
use crate::xray::store_failure;

mod counted;
mod criteria;
mod whole_traces;

use counted::{Facets, Histogram, ResponseTimes, Series};
use criteria::Criteria;

/// Traces in a page unless asked otherwise, and at most.
const PAGE_TRACES: usize = 100;
const MAX_PAGE_TRACES: usize = 1000;

/// Length at which a page ends before that.
const PAGE_BYTES: usize = 4 << 20;

/// Most traces counted: the newest that match. Reading and counting one takes 2 µs, and a first page
/// shall not take 20 ms. `complete` tells whether these were all.
const MAX_COUNTED: usize = 8_000;

/// Most traces looked at for a page and its counts, when the store can tell most of those that do
/// not match from its columns…
const MAX_PASSED_OVER: usize = 10_000_000;
/// … and when it cannot, so that each summary must be read: some tenths of a second as well.
const MAX_READ: usize = 100_000;

/// A search, checked.
#[derive(Debug)]
pub(super) struct Search {
    criteria: Criteria,
    limit: usize,
    after: Option<Cursor>,
    fingerprint: u64,
}

#[derive(Debug, Serialize)]
struct SearchAnswer<'a> {
    traces: Vec<TraceShape<'a>>,
    next: Option<String>,
    matched: usize,
    scanned: usize,
    /// Whether all traces in range were looked at for the counts.
    complete: bool,
    #[serde(flatten)]
    response_times: ResponseTimes,
    histogram: Histogram,
    series: Series,
    facets: Facets,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TraceShape<'a> {
    id: String,
    start_time: f64,
    duration: f64,
    response_time: Option<f64>,
    has_fault: bool,
    has_error: bool,
    has_throttle: bool,
    is_partial: bool,
    http: Http<'a>,
    entry_point: Option<NodeRef>,
    services: Vec<NodeRef>,
    annotations: BTreeMap<&'a str, Vec<Value<'a>>>,
    users: Vec<&'a str>,
    segment_count: usize,
    revision: usize,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Boolean(bool),
}

impl Search {
    /// Reads the body of a search.
    pub(super) fn read(body: &[u8], groups: &Groups) -> Result<Self, ApiError> {
        let request: criteria::SearchRequest = json::read(body)?;
        let limit = request.limit.unwrap_or(PAGE_TRACES);
        if !(1..=MAX_PAGE_TRACES).contains(&limit) {
            return Err(ApiError::invalid(format!("limit must be 1 to {MAX_PAGE_TRACES}")));
        }
        let next = request.next.clone();
        let (criteria, fingerprint) = Criteria::check(request, groups)?;
        let after = match PageToken::read(next.as_deref(), fingerprint) {
            Ok(None) => None,
            Ok(Some(PageToken::AfterTrace { time, id })) => Some(Cursor { time, id }),
            Ok(Some(_)) => return Err(ApiError::invalid("next is not of this list")),
            Err(fault) => return Err(ApiError::invalid(fault.to_string())),
        };
        Ok(Self { criteria, limit, after, fingerprint })
    }

    /// Runs it; gives the JSON to answer with.
    pub(super) fn run(&self, store: &dyn TraceStore) -> Result<Vec<u8>, ApiError> {
        self.run_within(store, PAGE_BYTES)
    }

    fn run_within(&self, store: &dyn TraceStore, most_bytes: usize) -> Result<Vec<u8>, ApiError> {
        let all = self.query(store, None, MAX_COUNTED, MAX_COUNTED)?;
        // The first page is the beginning of all matches. A later one is looked up by itself, so
        // that lists go on where counts must end.
        let later = self
            .after
            .map(|after| {
                // Of candidates on which only the whole trace decides, few may match.
                let opens_traces = self.criteria.opens_traces();
                let candidates = if opens_traces { MAX_COUNTED } else { self.limit };
                self.query(store, Some(after), candidates, self.limit)
            })
            .transpose()?;
        let page = later.as_ref().unwrap_or(&all);
        let mut traces: Vec<_> =
            page.summaries.iter().take(self.limit).map(TraceShape::from).collect();
        traces.truncate(page::fitting(&traces, most_bytes)?);
        let next = page::next_after(&page.summaries, traces.len(), page.next);
        let range = self.criteria.range;
        json::write(&SearchAnswer {
            traces,
            next: next.map(|next| {
                PageToken::AfterTrace { time: next.time, id: next.id }.encode(self.fingerprint)
            }),
            matched: all.summaries.len(),
            scanned: all.scanned,
            complete: all.next.is_none(),
            response_times: ResponseTimes::of(&all.summaries),
            histogram: Histogram::of(&all.summaries),
            series: Series::of(&all.summaries, range),
            facets: Facets::of(&all.summaries),
        })
    }

    /// The first `enough` matches among so many candidates.
    fn query(
        &self,
        store: &dyn TraceStore,
        after: Option<Cursor>,
        candidates: usize,
        enough: usize,
    ) -> Result<SummaryPage, ApiError> {
        let scan_limit = if self.criteria.needs_summaries() { MAX_READ } else { MAX_PASSED_OVER };
        let page = store.summaries(&SummaryQuery {
            range: self.criteria.range,
            range_type: roentgen_store::TimeRangeType::TraceId,
            after,
            limit: candidates,
            scan_limit,
            conditions: &self.criteria.conditions(),
            matches: &|summary| self.criteria.may_match(summary),
        });
        let page = page.map_err(|error| store_failure(&error))?;
        whole_traces::keep_matching(store, page, &self.criteria, enough)
    }
}

impl<'a> From<&'a Arc<TraceSummary>> for TraceShape<'a> {
    fn from(summary: &'a Arc<TraceSummary>) -> Self {
        let mut annotations: BTreeMap<&str, Vec<Value<'_>>> = BTreeMap::new();
        for annotation in &summary.annotations {
            annotations.entry(&annotation.key).or_default().push(match &annotation.value {
                AnnotationValue::String(text) => Value::Text(text),
                AnnotationValue::Number(number) => Value::Number(*number),
                AnnotationValue::Boolean(truth) => Value::Boolean(*truth),
            });
        }
        Self {
            id: summary.id.to_string(),
            start_time: summary.start.as_seconds(),
            duration: summary.duration.clamped().as_seconds(),
            response_time: summary.response_time.map(|time| time.clamped().as_seconds()),
            has_fault: summary.has_fault,
            has_error: summary.has_error,
            has_throttle: summary.has_throttle,
            is_partial: summary.is_partial,
            http: Http::from(&summary.http),
            entry_point: summary.entry_point.as_ref().map(NodeRef::from),
            services: summary.services.iter().map(NodeRef::from).collect(),
            annotations,
            users: summary.users.iter().map(|user| user.name.as_str()).collect(),
            segment_count: summary.segment_count,
            revision: summary.revision,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_store::{START, TestStore, document, trace_id};

    #[test]
    fn pages_that_end_by_their_bytes_have_no_gaps_and_no_doubles() {
        let store = TestStore::new();
        let annotations = json!({"annotations": {"long": "x".repeat(900)}});
        store.append_all((0..20).map(|number| document(number, annotations.clone())));
        let check = |limit: usize, most_bytes: usize, pages: usize| {
            let mut body = json!({"start": START, "end": START + 1, "limit": limit, "next": ""});
            let mut ids = Vec::new();
            for _ in 0..pages {
                assert!(!body["next"].is_null(), "{most_bytes}: {} ids", ids.len());
                let search = Search::read(body.to_string().as_bytes(), &Groups::default()).unwrap();
                let answer = search.run_within(&store, most_bytes).unwrap();
                let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
                assert_eq!(answer["matched"], 20);
                let traces = answer["traces"].as_array().unwrap();
                ids.extend(traces.iter().map(|trace| trace["id"].clone()));
                body["next"] = answer["next"].clone();
            }
            assert!(body["next"].is_null(), "{most_bytes}");
            let expect: Vec<_> = (0..20).rev().map(|n| json!(trace_id(n).to_string())).collect();
            assert_eq!(ids, expect, "{most_bytes}");
        };
        check(20, PAGE_BYTES, 1);
        check(7, PAGE_BYTES, 3);
        // A trace of these has more than a thousand bytes, but not fifteen hundred.
        check(20, 1, 20);
        check(20, 3_000, 10);
        check(1, 3_000, 20);
    }
}
