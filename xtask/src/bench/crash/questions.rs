//! What is asked of a server, and what the ledger says the answers must be.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::ledger::{Bounds, Ledger, State};
use super::plan::{ORIGIN, Part, Plan, SERVICES};
use crate::bench::connection::{Connection, Refusal};
use crate::bench::json::{list, set};
use crate::stopwatch::Stopwatch;

/// How long a server may answer with 5xx: it has found damage and mends it.
const MENDING: Duration = Duration::from_secs(10);

/// Between two questions to a server that mends.
const PAUSE: Duration = Duration::from_millis(20);

/// Longer than the traffic of any data directory.
const ALL_TRACES: Duration = Duration::from_secs(24 * 3600);

/// Traces that BatchGetTraces takes at once.
pub(super) const BATCH: usize = 5;

/// A node of the service graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    pub(super) requests: u64,
    pub(super) faults: u64,
    /// The sum of all response times, in seconds.
    pub(super) response_time: f64,
}

/// A trace as BatchGetTraces tells of it: the ids of its segments.
pub(super) type Segments = Vec<String>;

/// From where the service graph is summed up.
#[derive(Clone, Copy, Debug)]
pub(super) enum GraphOf {
    /// What was summed up when traces settled.
    Rollups,
    /// The requests of each trace, by a filter that all traces pass.
    Requests,
}

/// The nodes of the services that report, over all time.
pub(super) fn service_counts(
    connection: &mut Connection,
    plan: &Plan,
    of: GraphOf,
) -> anyhow::Result<BTreeMap<String, Node>> {
    let (start, end) = (plan.start(0), plan.start(0) + ALL_TRACES);
    let mut body = json!({"StartTime": start.as_secs(), "EndTime": end.as_secs()});
    if matches!(of, GraphOf::Requests) {
        set(&mut body, "FilterExpression", "duration >= 0");
    }
    let answer = ask(connection, "/ServiceGraph", Some(&body))?;
    let mut nodes = BTreeMap::new();
    for service in list(&answer, "Services")? {
        if service.get("Type").and_then(Value::as_str) != Some(ORIGIN) {
            continue;
        }
        let name = text(service, "Name")?.to_owned();
        // A node that has only been seen in progress has no statistics.
        let number = |pointer: &str| service.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
        let response_time = service.pointer("/SummaryStatistics/TotalResponseTime");
        let node = Node {
            requests: number("/SummaryStatistics/TotalCount"),
            faults: number("/SummaryStatistics/FaultStatistics/TotalCount"),
            response_time: response_time.and_then(Value::as_f64).unwrap_or(0.0),
        };
        if nodes.insert(name.clone(), node).is_some() {
            bail!("the service graph has the node {name} twice");
        }
    }
    Ok(nodes)
}

/// All traces that begin in whole seconds from the start of trace `first` on, with their revisions.
pub(super) fn listed(
    connection: &mut Connection,
    plan: &Plan,
    first: u64,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let (start, end) = (plan.start(first), plan.start(0) + ALL_TRACES);
    let mut body = json!({"StartTime": start.as_secs(), "EndTime": end.as_secs()});
    let mut traces = BTreeMap::new();
    loop {
        let answer = ask(connection, "/TraceSummaries", Some(&body))?;
        for summary in list(&answer, "TraceSummaries")? {
            let id = text(summary, "Id")?.to_owned();
            let revision = summary.get("Revision").and_then(Value::as_u64).context("Revision")?;
            if traces.insert(id.clone(), revision).is_some() {
                bail!("trace {id} is listed twice");
            }
        }
        match answer.get("NextToken").and_then(Value::as_str) {
            Some(token) => set(&mut body, "NextToken", token),
            None => return Ok(traces),
        }
    }
}

/// The documents of a trace as they were received; none of a trace that is not there.
pub(super) fn originals(connection: &mut Connection, id: &str) -> anyhow::Result<Vec<String>> {
    let answer = match ask(connection, &format!("/api/v1/traces/{id}/raw"), None) {
        Err(error) if status(&error) == Some(404) => return Ok(Vec::new()),
        answer => answer?,
    };
    let originals = list(&answer, "originals")?.iter();
    originals.map(|original| Ok(text(original, "document")?.to_owned())).collect()
}

/// The segments of up to [`BATCH`] traces, inferred ones left out.
pub(super) fn segments(
    connection: &mut Connection,
    ids: &[String],
) -> anyhow::Result<BTreeMap<String, Segments>> {
    let answer = ask(connection, "/Traces", Some(&json!({ "TraceIds": ids })))?;
    let mut traces = BTreeMap::new();
    for trace in list(&answer, "Traces")? {
        let id = text(trace, "Id")?.to_owned();
        let mut segments = Vec::new();
        for segment in list(trace, "Segments")? {
            let document: Value = serde_json::from_str(text(segment, "Document")?)?;
            if document.get("inferred").and_then(Value::as_bool) != Some(true) {
                segments.push(text(segment, "Id")?.to_owned());
            }
        }
        segments.sort();
        if traces.insert(id.clone(), segments).is_some() {
            bail!("BatchGetTraces gives trace {id} twice");
        }
    }
    Ok(traces)
}

/// Traces whose segment of a service is complete, out of all.
pub(super) fn traces_of(ledger: &Ledger, service: usize) -> Bounds {
    let mut bounds = Bounds::default();
    (0..ledger.next_slot()).for_each(|trace| bounds.add(complete(ledger, trace, service)));
    bounds
}

/// Traces that count twice for a service at most: a segment that has settled was lost, and the same
/// came once more. What it counted for cannot be taken back, and the new one counts besides; see
/// docs/semantics.md.
pub(super) fn counted_again(ledger: &Ledger, service: usize) -> u64 {
    let is_again = |trace: &u64| {
        let mut sendings = ledger.plan.of_trace(*trace).into_iter();
        sendings.any(|again| {
            again.part == Part::OrdersAgain
                && again.part.service() == service
                && ledger.state(again) != State::Absent
                && again.twin().is_some_and(|first| {
                    matches!(ledger.state(first), State::Doubtful | State::Expired)
                })
        })
    };
    let count = (0..ledger.next_slot()).filter(is_again).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The node that the service graph must have for a service, where all documents are known.
pub(super) fn expected_node(ledger: &Ledger, service: usize) -> Node {
    let mut node = Node { requests: 0, faults: 0, response_time: 0.0 };
    for trace in 0..ledger.next_slot() {
        if complete(ledger, trace, service) == State::Stored {
            node.requests += 1;
            node.faults += u64::from(service == 0 && ledger.plan.has_fault(trace));
            node.response_time += ledger.plan.response_time(trace, service).as_secs_f64();
        }
    }
    node
}

/// Whether a service's complete segment of a trace is there.
fn complete(ledger: &Ledger, trace: u64, service: usize) -> State {
    best(ledger, trace, |part| part.service() == service && part != Part::Opened)
}

/// Whether any of a trace's documents of some kinds is there.
pub(super) fn best(ledger: &Ledger, trace: u64, kinds: impl Fn(Part) -> bool) -> State {
    let mut best = State::Absent;
    for sending in ledger.plan.of_trace(trace) {
        if kinds(sending.part) {
            best = match (best, ledger.state(sending)) {
                (State::Stored, _) | (_, State::Stored) => State::Stored,
                (State::Absent, State::Absent) => State::Absent,
                _ => State::Doubtful,
            };
        }
    }
    best
}

/// The name of a service.
pub(super) fn service_name(service: usize) -> &'static str {
    SERVICES.get(service).copied().unwrap_or_default()
}

/// Asks, and asks again while the server answers that it has failed; POST when there is a body.
fn ask(connection: &mut Connection, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let stopwatch = Stopwatch::start();
    loop {
        let answer = match body {
            Some(body) => connection.post_json(path, body),
            None => connection.get_json(path),
        };
        match answer {
            Err(error) if status(&error) >= Some(500) && stopwatch.elapsed() < MENDING => {
                std::thread::sleep(PAUSE);
            }
            answer => return answer,
        }
    }
}

fn status(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref::<Refusal>().map(|refusal| refusal.status)
}

fn text<'a>(object: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    object.get(member).and_then(Value::as_str).with_context(|| format!("no text {member:?}"))
}
