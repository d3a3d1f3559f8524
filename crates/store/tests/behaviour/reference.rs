//! A store that keeps all documents and puts everything together when it is asked: slow, and
//! simple enough to be right. What the real one answers must be the same.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::RangeInclusive;

use roentgen_model::{
    LinkedEdges, Micros, ServiceGraph, Timestamp, Trace, TraceGraph, TraceId, TraceSummary,
};
use roentgen_store::{
    Condition, Cursor, GraphQuery, Logic, ReadBudget, ReceivedDocument, RequestTest, ServiceMatch,
    TimeRange, TimeRangeType, TraceFilter, TraceStore as _,
};

use crate::harness::{Counts, Harness, LinkCounts, all_time, assembled, counts, link_counts};

/// All documents by trace, each in the order of storage.
#[derive(Debug)]
pub(crate) struct Reference {
    trace_bytes: u64,
    documents: BTreeMap<TraceId, Vec<ReceivedDocument>>,
    /// Documents in the log that nothing can be made of.
    pub(crate) unusable: u64,
}

/// A question for a page.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) range: TimeRange,
    pub(crate) range_type: TimeRangeType,
    pub(crate) limit: usize,
    pub(crate) scan_limit: usize,
    pub(crate) conditions: Vec<Condition>,
    /// For graphs: whether more is asked of a trace, which only the whole trace tells.
    pub(crate) asks_more: bool,
}

impl Reference {
    /// A store of nothing that shows so many bytes of a trace.
    pub(crate) fn new(trace_bytes: u64) -> Self {
        Self { trace_bytes, documents: BTreeMap::new(), unusable: 0 }
    }

    pub(crate) fn append(&mut self, documents: &[ReceivedDocument]) {
        for document in documents {
            self.documents.entry(document.trace_id).or_default().push(document.clone());
        }
    }

    /// The documents of a trace that are shown.
    fn shown(&self, id: TraceId) -> &[ReceivedDocument] {
        let all = self.documents.get(&id).map(Vec::as_slice).unwrap_or_default();
        let mut bytes = 0;
        let fits = |(index, document): (usize, &ReceivedDocument)| {
            bytes += document.bytes.len() as u64;
            index == 0 || bytes <= self.trace_bytes
        };
        let count = all.iter().enumerate().map(fits).take_while(|fits| *fits).count();
        all.get(..count).unwrap()
    }

    /// The summaries of all traces, newest first.
    fn summaries(&self) -> Vec<TraceSummary> {
        self.traces().into_iter().map(|(summary, _)| summary).collect()
    }

    /// Summaries and graphs of all traces, newest first.
    fn traces(&self) -> Vec<(TraceSummary, TraceGraph)> {
        let of = |&id: &TraceId| {
            let trace = assembled(id, self.shown(id)).unwrap();
            (trace.summary, trace.graph)
        };
        let mut traces: Vec<_> = self.documents.keys().map(of).collect();
        traces.sort_by_key(|(summary, _)| std::cmp::Reverse((summary.time, summary.id)));
        traces
    }

    fn graphs(&self) -> BTreeMap<i64, ServiceGraph> {
        let mut minutes: BTreeMap<i64, ServiceGraph> = BTreeMap::new();
        for &id in self.documents.keys() {
            for (minute, part) in assembled(id, self.shown(id)).unwrap().graph.by_minute() {
                minutes.entry(minute).or_default().merge(&part);
            }
        }
        minutes
    }

    /// The real store tells the same of everything.
    pub(crate) fn check_everything(&self, harness: &Harness) {
        for (&id, all) in &self.documents {
            let shown = self.shown(id);
            let found = harness.documents(id).unwrap();
            assert_eq!(found.documents, shown, "{id}");
            assert_eq!(found.limit_exceeded, shown.len() < all.len(), "{id}");
        }
        let found: Vec<_> = harness.summaries().iter().map(|s| (**s).clone()).collect();
        let expect = self.summaries();
        let brief = |summaries: &[TraceSummary]| -> Vec<_> {
            summaries.iter().map(|summary| (summary.time, summary.id, summary.revision)).collect()
        };
        assert_eq!(brief(&found), brief(&expect));
        assert_eq!(found, expect);
        self.check_graph(harness);
        self.check_filtered_graphs(harness);
        let documents: usize = self.documents.values().map(Vec::len).sum();
        assert_eq!(harness.status().documents, documents as u64 + self.unusable);
    }

    /// The edges of the links of the traces that match, whose (sub)segments began in these minutes.
    fn links(
        &self,
        minutes: RangeInclusive<i64>,
        matches: impl Fn(&Trace<'_>) -> bool,
    ) -> LinkCounts {
        let traces: Vec<_> =
            self.documents.keys().map(|&id| assembled(id, self.shown(id)).unwrap()).collect();
        let mut linked = LinkedEdges::default();
        for trace in traces.iter().filter(|trace| matches(trace)) {
            let mut trace = trace.clone();
            trace.graph.links.retain(|link| minutes.contains(&link.start.minute()));
            linked.note(&trace);
        }
        traces.iter().for_each(|trace| linked.resolve(trace));
        link_counts(&linked)
    }

    fn check_links(&self, harness: &Harness) {
        let expect = self.links(i64::MIN..=i64::MAX, |_| true);
        assert_eq!(harness.links(all_time()), expect);
        for minute in self.graphs().into_keys() {
            let range = TimeRange {
                start: Timestamp::from_minute(minute),
                end: Timestamp::from_minute(minute + 1),
            };
            assert_eq!(harness.links(range), self.links(minute..=minute, |_| true), "{minute}");
        }
    }

    pub(crate) fn check_graph(&self, harness: &Harness) {
        self.check_links(harness);
        let minutes = self.graphs();
        let mut all = ServiceGraph::default();
        minutes.values().for_each(|graph| all.merge(graph));
        assert_eq!(harness.counts(all_time()), counts(&all));
        for (minute, expect) in minutes {
            let moment = |minute: i64| Timestamp::from_micros(minute * 60_000_000);
            let range = TimeRange { start: moment(minute), end: moment(minute + 1) };
            assert_eq!(harness.counts(range), counts(&expect), "{minute}");
        }
        self.check_steps(harness);
        let before = TimeRange { start: Timestamp::default(), end: Timestamp::from_micros(60) };
        assert_eq!(harness.counts(before), Counts::default());
    }

    /// The graphs of steps are the sums of their minutes.
    fn check_steps(&self, harness: &Harness) {
        let minutes = self.graphs();
        for step in [1, 5, 60] {
            let mut expect: BTreeMap<i64, ServiceGraph> = BTreeMap::new();
            for (minute, graph) in &minutes {
                expect.entry(minute - minute.rem_euclid(step)).or_default().merge(graph);
            }
            let expect: Vec<_> =
                expect.iter().map(|(step, graph)| (*step, counts(graph))).collect();
            let step = u32::try_from(step).ok().and_then(NonZero::new);
            let found =
                harness.store.service_graphs(&GraphQuery { range: all_time(), step, traces: None });
            let found: Vec<_> = found
                .unwrap()
                .iter()
                .map(|timed| (timed.start.minute(), counts(&timed.graph)))
                .collect();
            assert_eq!(found, expect, "{step:?}");
        }
    }

    /// The real store answers a question with the same, page by page.
    pub(crate) fn check_question(&self, harness: &Harness, question: &Question) {
        let Question { range, range_type, limit, scan_limit, ref conditions, .. } = *question;
        let traces = self.traces();
        let in_range: Vec<_> =
            traces.iter().filter(|(summary, _)| range_type.selects(range, summary)).collect();
        let may_hold = |(summary, graph): &&&(TraceSummary, TraceGraph)| {
            Condition::all(conditions, summary, Some(graph)) != Some(false)
        };
        let expect: Vec<_> = in_range.iter().filter(may_hold).map(|(summary, _)| summary).collect();
        let (mut found, mut after) = (Vec::new(), None::<Cursor>);
        for pages in 0.. {
            let page = harness.page(range, range_type, after, (limit, scan_limit), conditions);
            assert!(page.summaries.len() <= limit.max(1), "{question:?}");
            found.extend(page.summaries);
            assert!(page.next.is_none_or(|next| after.is_none_or(|after| next < after)));
            after = page.next;
            if after.is_none() {
                break;
            }
            assert!(pages <= 2 * in_range.len() + 8, "there is no end of pages: {question:?}");
        }
        let found: Vec<_> = found.iter().map(|summary| &**summary).collect();
        assert_eq!(found, expect, "{question:?}");
    }

    /// The real store gives the graph of some traces, whatever tells which.
    fn check_filtered_graphs(&self, harness: &Harness) {
        let (who, tests) = (ServiceMatch::default(), Logic::Is(RequestTest::Fault(true)));
        let fault = Condition::Request { who, tests };
        let not_fault = Condition::Joined(Box::new(Logic::Not(Box::new(Logic::Is(fault.clone())))));
        for conditions in [vec![fault], vec![not_fault], vec![Condition::Fault(false)]] {
            for asks_more in [false, true] {
                let question = Question {
                    range: all_time(),
                    range_type: TimeRangeType::TraceId,
                    limit: 0,
                    scan_limit: 0,
                    conditions: conditions.clone(),
                    asks_more,
                };
                self.check_filtered(harness, &question);
            }
        }
    }

    /// The real store gives the graph of the traces of which the conditions hold.
    pub(crate) fn check_filtered(&self, harness: &Harness, question: &Question) {
        let mut conditions = question.conditions.clone();
        if question.asks_more {
            conditions.push(Condition::Joined(Box::new(Logic::Unknown)));
        }
        let matches = |trace: &Trace<'_>| {
            let truth = Condition::all(&question.conditions, &trace.summary, Some(&trace.graph));
            truth == Some(true) && (!question.asks_more || trace.nodes.len().is_multiple_of(2))
        };
        let reads = ReadBudget::default();
        let filter = TraceFilter { conditions: &conditions, matches: &matches, reads: &reads };
        let range = question.range;
        if range.start >= range.end {
            return;
        }
        let minutes = range.start.minute()..=range.end.minus(Micros::new(1)).minute();
        let links = harness.store.linked_edges(range, Some(&filter)).unwrap();
        assert_eq!(link_counts(&links), self.links(minutes.clone(), matches), "{question:?}");
        for step in [None, NonZero::new(1), NonZero::new(60)] {
            let step_of = |minute: i64| match step {
                Some(step) => minute - minute.rem_euclid(i64::from(step.get())),
                None => range.start.minute(),
            };
            let mut expect: BTreeMap<i64, ServiceGraph> = BTreeMap::new();
            if step.is_none() {
                expect.insert(step_of(0), ServiceGraph::default());
            }
            for &id in self.documents.keys() {
                let trace = assembled(id, self.shown(id)).unwrap();
                if matches(&trace) {
                    let parts = trace.graph.by_minute();
                    for (minute, part) in parts.range(minutes.clone()) {
                        expect.entry(step_of(*minute)).or_default().merge(part);
                    }
                }
            }
            let expect: BTreeMap<_, _> =
                expect.into_iter().map(|(minute, graph)| (minute, counts(&graph))).collect();
            let query = GraphQuery { range, step, traces: Some(&filter) };
            let found = harness.store.service_graphs(&query).unwrap();
            let found: BTreeMap<_, _> =
                found.iter().map(|timed| (timed.start.minute(), counts(&timed.graph))).collect();
            assert_eq!(found, expect, "{question:?} {step:?}");
        }
    }
}
