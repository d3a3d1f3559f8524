//! `POST /api/v1/traces/search`: a page of traces and, over all that match, a histogram of
//! response times, a series over time, and the most frequent values.

use std::collections::BTreeMap;
use std::sync::Arc;

use roentgen_model::{AnnotationValue, TraceSummary};
use roentgen_protocol::{ApiError, ErrorKind, PageToken};
use roentgen_store::{Cursor, SummaryPage, SummaryQuery, TraceStore};
use serde::Serialize;

use super::trace::Http;
use super::{NodeRef, write_json};
use crate::xray::store_failure;

mod counted;
mod criteria;
mod edges;

use counted::{Facets, Histogram, Series};
use criteria::Criteria;

/// Traces in a page unless asked otherwise, and at most.
const PAGE_TRACES: usize = 100;
const MAX_PAGE_TRACES: usize = 1000;

/// Most summaries looked at for a page and its counts: some tenths of a second of work. `complete`
/// tells whether these were all.
const MAX_SCANNED: usize = 100_000;

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
    pub(super) fn read(body: &[u8]) -> Result<Self, ApiError> {
        let request: criteria::SearchRequest = serde_json::from_slice(body).map_err(|error| {
            let message = format!("The search cannot be read: {error}");
            ApiError::new(ErrorKind::Serialization, message)
        })?;
        let limit = request.limit.unwrap_or(PAGE_TRACES);
        if !(1..=MAX_PAGE_TRACES).contains(&limit) {
            return Err(ApiError::invalid(format!("limit must be 1 to {MAX_PAGE_TRACES}")));
        }
        let next = request.next.clone();
        let (criteria, fingerprint) = Criteria::check(request)?;
        let after = match next.map(|token| PageToken::decode(&token, fingerprint)).transpose() {
            Ok(None) => None,
            Ok(Some(PageToken::AfterTrace { time, id })) => Some(Cursor { time, id }),
            Ok(Some(_)) => return Err(ApiError::invalid("next is not of this list")),
            Err(fault) => return Err(ApiError::invalid(fault.to_string())),
        };
        Ok(Self { criteria, limit, after, fingerprint })
    }

    /// Runs it; gives the JSON to answer with.
    pub(super) fn run(&self, store: &dyn TraceStore) -> Result<Vec<u8>, ApiError> {
        let all = self.query(store, None, MAX_SCANNED)?;
        let (page, next) = match self.after {
            // The first page is the beginning of all matches.
            None => {
                let page: Vec<_> = all.summaries.iter().take(self.limit).cloned().collect();
                let last = page.last().filter(|_| all.summaries.len() > self.limit);
                let last = last.map(|summary| Cursor { time: summary.time, id: summary.id });
                (page, last.or(all.next))
            }
            // A later one is looked up by itself, so that lists go on where counts must end.
            Some(after) => {
                let page = self.query(store, Some(after), self.limit)?;
                (page.summaries, page.next)
            }
        };
        let range = self.criteria.range;
        write_json(&SearchAnswer {
            traces: page.iter().map(TraceShape::from).collect(),
            next: next.map(|next| {
                PageToken::AfterTrace { time: next.time, id: next.id }.encode(self.fingerprint)
            }),
            matched: all.summaries.len(),
            scanned: all.scanned,
            complete: all.next.is_none(),
            histogram: Histogram::of(&all.summaries),
            series: Series::of(&all.summaries, range),
            facets: Facets::of(&all.summaries),
        })
    }

    fn query(
        &self,
        store: &dyn TraceStore,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<SummaryPage, ApiError> {
        let page = store.summaries(&SummaryQuery {
            range: self.criteria.range,
            range_type: roentgen_store::TimeRangeType::TraceId,
            after,
            limit,
            scan_limit: MAX_SCANNED,
            matches: &|summary| self.criteria.matches(summary),
        });
        let page = page.map_err(|error| store_failure(&error))?;
        match &self.criteria.edge {
            None => Ok(page),
            Some(edge) => edges::keep_with_edge(store, page, edge),
        }
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
