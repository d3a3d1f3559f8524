//! What a request adds to the service graph, worked out from its documents alone.
//!
//! This is the other side of a check, so it shares nothing with the code that is checked: it knows
//! only what X-Ray documents. A segment is one request of the node that bears its name and origin;
//! a subsegment that another segment names as its parent is one call on the edge between them; a
//! segment without a parent was called by a client.

use std::collections::{BTreeMap, BTreeSet};

use roentgen_model::Timestamp;
use serde_json::Value as Json;

use super::template::TimeStyle;

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName {
    /// The name of the service.
    pub name: String,
    /// The origin of its segments; `client` for who called a service without being traced.
    pub kind: Option<String>,
}

/// Requests by how they ended, and how long they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that ended well.
    pub ok: u64,
    /// 4xx other than 429.
    pub error: u64,
    /// 429.
    pub throttle: u64,
    /// 5xx.
    pub fault: u64,
    /// Sum of their response times, microseconds.
    pub micros: u64,
    /// How far that sum may be from what the documents say, microseconds: their times are rounded.
    pub tolerance: u64,
}

/// Nodes and edges with the requests of documents on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contribution {
    /// Requests by node; clients have none.
    pub nodes: BTreeMap<NodeName, Tally>,
    /// Calls by caller and callee. Callees that sent no segment of their own are left out.
    pub edges: BTreeMap<(NodeName, NodeName), Tally>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    Error,
    Throttle,
    Fault,
}

/// A segment or subsegment as far as the graph needs it.
#[derive(Clone, Debug)]
struct Entity {
    id: String,
    parent: Option<String>,
    /// The node, for a segment.
    node: Option<NodeName>,
    outcome: Outcome,
    micros: u64,
    grain: u64,
}

impl Tally {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.ok + self.error + self.throttle + self.fault
    }

    fn count(&mut self, entity: &Entity) {
        match entity.outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Error => self.error += 1,
            Outcome::Throttle => self.throttle += 1,
            Outcome::Fault => self.fault += 1,
        }
        self.micros += entity.micros;
        self.tolerance += 2 * entity.grain;
    }

    /// Adds this tally of one request as often as it was sent. `pace` is the sum of what the
    /// request's times were multiplied by, in units of `unit`.
    fn add_times(&mut self, one: &Self, count: u64, pace: u64, unit: u64) {
        self.ok += one.ok * count;
        self.error += one.error * count;
        self.throttle += one.throttle * count;
        self.fault += one.fault * count;
        let scaled = u128::from(one.micros) * u128::from(pace) / u128::from(unit);
        self.micros += u64::try_from(scaled).unwrap_or(u64::MAX);
        self.tolerance += one.tolerance * count;
    }
}

impl Contribution {
    /// What the documents of one request add, once they are all there.
    pub(super) fn of<'a>(documents: impl Iterator<Item = (&'a [u8], TimeStyle)>) -> Self {
        let mut entities = BTreeMap::new();
        for (document, style) in documents {
            // They were parsed before they were prepared.
            if let Ok(json) = serde_json::from_slice(document) {
                take(&json, None, style, &mut entities);
            }
        }
        let mut contribution = Self::default();
        let mut counted = BTreeSet::new();
        for (entity, node) in
            entities.values().filter_map(|entity| Some((entity, entity.node.as_ref()?)))
        {
            contribution.nodes.entry(node.clone()).or_default().count(entity);
            let Some(parent) = &entity.parent else {
                let client = NodeName { kind: Some("client".to_owned()), ..node.clone() };
                contribution.edges.entry((client, node.clone())).or_default().count(entity);
                continue;
            };
            let Some(call) = entities.get(parent) else { continue };
            let Some(caller) = segment_of(&entities, call) else { continue };
            // Segments that name a segment as their parent are calls each.
            let speaks = if call.node.is_some() { entity } else { call };
            if call.node.is_some() || counted.insert((parent, node)) {
                let edge = (caller.clone(), node.clone());
                contribution.edges.entry(edge).or_default().count(speaks);
            }
        }
        contribution
    }

    /// Adds what one request adds as often as it was sent; see [`Tally`].
    pub(crate) fn add_times(&mut self, one: &Self, count: u64, pace: u64, unit: u64) {
        for (node, tally) in &one.nodes {
            self.nodes.entry(node.clone()).or_default().add_times(tally, count, pace, unit);
        }
        for (edge, tally) in &one.edges {
            self.edges.entry(edge.clone()).or_default().add_times(tally, count, pace, unit);
        }
    }
}

/// The node of the segment that a (sub)segment belongs to. Chains of subsegments have no loops, for
/// we made them; a bound makes sure.
fn segment_of<'a>(
    entities: &'a BTreeMap<String, Entity>,
    entity: &'a Entity,
) -> Option<&'a NodeName> {
    let mut entity = entity;
    for _ in 0..entities.len() {
        match &entity.node {
            Some(node) => return Some(node),
            None => entity = entities.get(entity.parent.as_ref()?)?,
        }
    }
    None
}

fn take(
    json: &Json,
    enclosing: Option<&str>,
    style: TimeStyle,
    entities: &mut BTreeMap<String, Entity>,
) {
    let text = |key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let Some(id) = text("id") else { return };
    let is_segment = enclosing.is_none() && json.get("type").is_none();
    let time = |key: &str| json.get(key).and_then(Json::as_f64).and_then(Timestamp::from_seconds);
    for inner in json.get("subsegments").and_then(Json::as_array).into_iter().flatten() {
        take(inner, Some(&id), style, entities);
    }
    // Of what was in progress only the end counts, and it comes in another document.
    let (Some(start), Some(end)) = (time("start_time"), time("end_time")) else { return };
    let node = || NodeName { name: text("name").unwrap_or_default(), kind: text("origin") };
    let entity = Entity {
        id: id.clone(),
        parent: enclosing.map(str::to_owned).or_else(|| text("parent_id")),
        node: is_segment.then(node),
        outcome: outcome(json),
        micros: u64::try_from((end - start).get()).unwrap_or(0),
        grain: u64::try_from(style.grain()).unwrap_or(0),
    };
    entities.insert(entity.id.clone(), entity);
}

/// Fault before throttle before error; the stated flags before the status of the response.
fn outcome(json: &Json) -> Outcome {
    let flag = |key: &str| json.get(key).and_then(Json::as_bool);
    let stated = [flag("fault"), flag("throttle"), flag("error")];
    let status = json.pointer("/http/response/status").and_then(Json::as_u64).unwrap_or(0);
    match stated {
        [None, None, None] => match status {
            500..600 => Outcome::Fault,
            429 => Outcome::Throttle,
            400..500 => Outcome::Error,
            _ => Outcome::Ok,
        },
        [Some(true), _, _] => Outcome::Fault,
        [_, Some(true), _] => Outcome::Throttle,
        [_, _, Some(true)] => Outcome::Error,
        _ => Outcome::Ok,
    }
}
