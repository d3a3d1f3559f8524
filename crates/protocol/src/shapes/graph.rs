//! The service graph.

use std::collections::{BTreeMap, HashMap};

use roentgen_model::{
    EdgeStatistics, Histogram, LinkStatistics, LinkedEdges, NodeStatistics, RequestStatistics,
    ServiceGraph, ServiceId, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::WireTime;

mod numbers;

use numbers::{hash_of, numbers};

/// Request of GetServiceGraph.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetServiceGraphRequest {
    /// Required: start of the range.
    pub start_time: Option<WireTime>,
    /// Required: end of the range.
    pub end_time: Option<WireTime>,
    /// The group whose graph is asked; none and `""` (Grafana) mean all traces.
    pub group_name: Option<String>,
    /// The group's ARN instead of its name.
    #[serde(rename = "GroupARN")]
    pub group_arn: Option<String>,
    /// Our addition: only traces that match this expression.
    pub filter_expression: Option<String>,
    /// From the previous page.
    pub next_token: Option<String>,
}

/// Reply of GetServiceGraph.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetServiceGraphReply<'a> {
    /// As asked.
    pub start_time: WireTime,
    /// As asked.
    pub end_time: WireTime,
    /// The nodes of this page.
    pub services: Vec<Service<'a>>,
    /// Whether traces may be counted that matched an earlier expression of the group.
    pub contains_old_group_versions: bool,
    /// Present when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Request of GetTraceGraph.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTraceGraphRequest {
    /// Required: 1–5 ids.
    pub trace_ids: Option<Vec<String>>,
    /// From the previous page.
    pub next_token: Option<String>,
}

/// Reply of GetTraceGraph.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTraceGraphReply<'a> {
    /// The nodes of this page.
    pub services: Vec<Service<'a>>,
    /// Present when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A node and the edges that leave it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Service<'a> {
    /// Number of the node, of 31 bits; edges point to it. It comes from the node's identity, so that
    /// it is the same on all pages, and in all graphs but where two nodes of one have the same hash.
    pub reference_id: u32,
    /// The canonical name.
    pub name: &'a str,
    /// All names, the canonical one first.
    pub names: [&'a str; 1],
    /// True on the first service to handle a request, absent elsewhere.
    #[serde(skip_serializing_if = "is_false")]
    pub root: bool,
    /// Absent when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<&'a str>,
    /// Absent when not known.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'a str>,
    /// `active` when the node sent segments of its own, else `unknown`.
    pub state: &'static str,
    /// Start of the first request, whole seconds.
    pub start_time: WireTime,
    /// End of the last request, whole seconds.
    pub end_time: WireTime,
    /// Calls to other nodes.
    pub edges: Vec<Edge>,
    /// Of the node's own requests; absent on clients, and only there.
    #[serde(flatten)]
    pub statistics: Option<NodeFigures>,
}

/// The figures of a node that is not a client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeFigures {
    /// Counts.
    pub summary_statistics: Statistics,
    /// Durations; the same values as the response times, as in the service's own samples.
    pub duration_histogram: Vec<HistogramEntry>,
    /// Response times.
    pub response_time_histogram: Vec<HistogramEntry>,
}

/// A call between two nodes; the numbers are the caller's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Edge {
    /// The called node.
    pub reference_id: u32,
    /// Start of the first call, whole seconds.
    pub start_time: WireTime,
    /// End of the last call, whole seconds.
    pub end_time: WireTime,
    /// Counts.
    pub summary_statistics: Statistics,
    /// Response times; empty on a linked edge, which nobody waits for.
    pub response_time_histogram: Vec<HistogramEntry>,
    /// Always empty: nodes have one name.
    pub aliases: [Alias; 0],
    /// [`Edge::LINK`] on an edge from links between traces, absent on others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_type: Option<&'static str>,
    /// How old events were when they were received, on linked edges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_event_age_histogram: Option<Vec<HistogramEntry>>,
}

impl Edge {
    /// `EdgeType` of an edge from links between traces.
    pub const LINK: &'static str = "link";
}

/// The element type of `Aliases`.
#[derive(Debug, Serialize)]
pub enum Alias {}

/// Counts of completed requests. Every counter is always there: Grafana dereferences them unseen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct Statistics {
    pub ok_count: i64,
    pub error_statistics: ErrorStatistics,
    pub fault_statistics: FaultStatistics,
    pub total_count: i64,
    /// Seconds.
    pub total_response_time: f64,
}

/// 4xx by kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct ErrorStatistics {
    pub throttle_count: i64,
    pub other_count: i64,
    pub total_count: i64,
}

/// 5xx.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct FaultStatistics {
    pub other_count: i64,
    pub total_count: i64,
}

/// How many requests took about so long.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistogramEntry {
    /// Seconds.
    pub value: f64,
    /// Requests.
    pub count: i32,
}

impl Service<'_> {
    /// Whether its number is not the one of its identity, since another node of the graph has that.
    pub fn has_given_way(&self) -> bool {
        self.reference_id != hash_of(self.name, self.kind, self.account_id)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(truth: &bool) -> bool {
    !truth
}

/// The nodes of a graph with their edges, in the order of their identities.
///
/// A caller or callee whose own requests lie outside the graph's range is known by the edge
/// alone; it becomes a node without requests, so that every `ReferenceId` leads somewhere.
pub fn graph_services(graph: &ServiceGraph) -> Vec<Service<'_>> {
    services_of(graph, std::iter::empty())
}

/// The same with edges between traces beside those within them.
pub fn linked_graph_services<'a>(
    graph: &'a ServiceGraph,
    linked: &'a LinkedEdges,
) -> Vec<Service<'a>> {
    services_of(graph, linked.edges().iter())
}

fn services_of<'a>(
    graph: &'a ServiceGraph,
    linked: impl Iterator<Item = (&'a (ServiceId, ServiceId), &'a LinkStatistics)>,
) -> Vec<Service<'a>> {
    let mut nodes: BTreeMap<&ServiceId, Seen<'_>> = BTreeMap::new();
    for (id, statistics) in &graph.nodes {
        nodes.insert(id, Seen { statistics: Some(statistics), ..Seen::default() });
    }
    for ((from, to), edge) in &graph.edges {
        nodes.entry(from).or_default().widen(edge).calls.push((to, edge));
        nodes.entry(to).or_default().widen(edge);
    }
    for ((from, to), link) in linked {
        nodes.entry(from).or_default().widen(&link.receipts).links.push((to, link));
        nodes.entry(to).or_default().widen(&link.receipts);
    }
    let numbers = numbers(nodes.keys().copied());
    let services = nodes.into_iter();
    services.filter_map(|(id, seen)| seen.into_service(id, &numbers)).collect()
}

/// What a graph says about one node.
#[derive(Default)]
struct Seen<'a> {
    /// Of its own requests, when they lie in the range.
    statistics: Option<&'a NodeStatistics>,
    calls: Vec<(&'a ServiceId, &'a EdgeStatistics)>,
    links: Vec<(&'a ServiceId, &'a LinkStatistics)>,
    /// The time its edges span.
    edges_span: Option<(Timestamp, Timestamp)>,
}

impl<'a> Seen<'a> {
    fn widen(&mut self, edge: &EdgeStatistics) -> &mut Self {
        let (start, end) = self.edges_span.unwrap_or((edge.start, edge.end));
        self.edges_span = Some((start.min(edge.start), end.max(edge.end)));
        self
    }

    fn into_service(
        self,
        id: &'a ServiceId,
        numbers: &HashMap<&ServiceId, u32>,
    ) -> Option<Service<'a>> {
        let none = NodeStatistics::default();
        let statistics = self.statistics.unwrap_or(&none);
        let span = self.statistics.map(|seen| (seen.start, seen.end)).or(self.edges_span);
        let (start, end) = span.unwrap_or_default();
        // Only segments of its own make a node a caller; clients never have any.
        let is_active = statistics.seen_real > 0 || (!self.calls.is_empty() && !id.is_client());
        let number = |to| numbers.get(to).copied();
        let calls = self.calls.into_iter();
        let calls = calls.filter_map(|(to, edge)| Some(edge_shape(number(to)?, edge)));
        let links = self.links.into_iter();
        let links = links.filter_map(|(to, link)| Some(link_shape(number(to)?, link)));
        Some(Service {
            reference_id: number(id)?,
            name: &id.name,
            names: [&id.name],
            root: statistics.seen_root > 0,
            account_id: id.account_id.as_deref(),
            kind: id.kind.as_deref(),
            state: if is_active { "active" } else { "unknown" },
            start_time: whole_second_before(start),
            end_time: whole_second_after(end),
            edges: calls.chain(links).collect(),
            statistics: (!id.is_client()).then(|| NodeFigures {
                summary_statistics: Statistics::from(&statistics.requests),
                duration_histogram: histogram(&statistics.requests.response_times),
                response_time_histogram: histogram(&statistics.requests.response_times),
            }),
        })
    }
}

fn edge_shape(reference_id: u32, edge: &EdgeStatistics) -> Edge {
    Edge {
        reference_id,
        start_time: whole_second_before(edge.start),
        end_time: whole_second_after(edge.end),
        summary_statistics: Statistics::from(&edge.requests),
        response_time_histogram: histogram(&edge.requests.response_times),
        aliases: [],
        edge_type: None,
        received_event_age_histogram: None,
    }
}

/// Nobody waits for an answer at a linked edge: in the place of response times are event ages.
fn link_shape(reference_id: u32, link: &LinkStatistics) -> Edge {
    Edge {
        response_time_histogram: Vec::new(),
        edge_type: Some(Edge::LINK),
        received_event_age_histogram: Some(histogram(&link.event_ages)),
        ..edge_shape(reference_id, &link.receipts)
    }
}

impl From<&RequestStatistics> for Statistics {
    fn from(requests: &RequestStatistics) -> Self {
        let error_count = requests.throttle + requests.error;
        Self {
            ok_count: requests.ok,
            error_statistics: ErrorStatistics {
                throttle_count: requests.throttle,
                other_count: requests.error,
                total_count: error_count,
            },
            fault_statistics: FaultStatistics {
                other_count: requests.fault,
                total_count: requests.fault,
            },
            total_count: requests.total(),
            total_response_time: requests.total_response_time.as_seconds(),
        }
    }
}

/// Response times as the API tells them.
pub(super) fn histogram(times: &Histogram) -> Vec<HistogramEntry> {
    times
        .entries()
        .map(|(value, count)| HistogramEntry {
            value: value.as_seconds(),
            // 32 bits are all the API has for it.
            count: i32::try_from(count).unwrap_or(i32::MAX),
        })
        .collect()
}

const SECOND: i64 = 1_000_000;

fn whole_second_before(time: Timestamp) -> WireTime {
    WireTime(Timestamp::from_micros(time.as_micros().div_euclid(SECOND) * SECOND))
}

fn whole_second_after(time: Timestamp) -> WireTime {
    whole_second_before(Timestamp::from_micros(time.as_micros().saturating_add(SECOND - 1)))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use roentgen_model::{Document, Names, assemble};
    use serde_json::Value;

    use super::*;

    fn graph() -> ServiceGraph {
        let documents =
            [r#"{"trace_id":"1-581cf771-a006649127e371903a2de979","id":"53995c3f42cd8ad8",
            "name":"shop","start_time":1478293361.271,"end_time":1478293361.449,
            "origin":"AWS::EC2::Instance","subsegments":[{"id":"63995c3f42cd8ad8",
            "name":"DynamoDB","namespace":"aws","start_time":1478293361.3,
            "end_time":1478293361.4,"throttle":true,"error":true,
            "aws":{"operation":"GetItem","table_name":"carts"}}]}"#];
        let documents = documents.map(|text| Document::parse(text.as_bytes()).unwrap());
        let trace =
            assemble(documents[0].trace_id, documents.to_vec(), &mut Names::default()).unwrap();
        let mut graph = ServiceGraph::default();
        graph.add(&trace.graph);
        graph
    }

    #[test]
    fn client_service_and_table() {
        let graph = graph();
        let json = serde_json::to_string_pretty(&graph_services(&graph)).unwrap();
        expect![[r#"
            [
              {
                "ReferenceId": 1253373822,
                "Name": "carts",
                "Names": [
                  "carts"
                ],
                "Type": "AWS::DynamoDB::Table",
                "State": "unknown",
                "StartTime": 1478293361.0,
                "EndTime": 1478293362.0,
                "Edges": [],
                "SummaryStatistics": {
                  "OkCount": 0,
                  "ErrorStatistics": {
                    "ThrottleCount": 1,
                    "OtherCount": 0,
                    "TotalCount": 1
                  },
                  "FaultStatistics": {
                    "OtherCount": 0,
                    "TotalCount": 0
                  },
                  "TotalCount": 1,
                  "TotalResponseTime": 0.1
                },
                "DurationHistogram": [
                  {
                    "Value": 0.100096,
                    "Count": 1
                  }
                ],
                "ResponseTimeHistogram": [
                  {
                    "Value": 0.100096,
                    "Count": 1
                  }
                ]
              },
              {
                "ReferenceId": 834461328,
                "Name": "shop",
                "Names": [
                  "shop"
                ],
                "Root": true,
                "Type": "AWS::EC2::Instance",
                "State": "active",
                "StartTime": 1478293361.0,
                "EndTime": 1478293362.0,
                "Edges": [
                  {
                    "ReferenceId": 1253373822,
                    "StartTime": 1478293361.0,
                    "EndTime": 1478293362.0,
                    "SummaryStatistics": {
                      "OkCount": 0,
                      "ErrorStatistics": {
                        "ThrottleCount": 1,
                        "OtherCount": 0,
                        "TotalCount": 1
                      },
                      "FaultStatistics": {
                        "OtherCount": 0,
                        "TotalCount": 0
                      },
                      "TotalCount": 1,
                      "TotalResponseTime": 0.1
                    },
                    "ResponseTimeHistogram": [
                      {
                        "Value": 0.100096,
                        "Count": 1
                      }
                    ],
                    "Aliases": []
                  }
                ],
                "SummaryStatistics": {
                  "OkCount": 1,
                  "ErrorStatistics": {
                    "ThrottleCount": 0,
                    "OtherCount": 0,
                    "TotalCount": 0
                  },
                  "FaultStatistics": {
                    "OtherCount": 0,
                    "TotalCount": 0
                  },
                  "TotalCount": 1,
                  "TotalResponseTime": 0.178
                },
                "DurationHistogram": [
                  {
                    "Value": 0.177664,
                    "Count": 1
                  }
                ],
                "ResponseTimeHistogram": [
                  {
                    "Value": 0.177664,
                    "Count": 1
                  }
                ]
              },
              {
                "ReferenceId": 555624257,
                "Name": "shop",
                "Names": [
                  "shop"
                ],
                "Type": "client",
                "State": "unknown",
                "StartTime": 1478293361.0,
                "EndTime": 1478293362.0,
                "Edges": [
                  {
                    "ReferenceId": 834461328,
                    "StartTime": 1478293361.0,
                    "EndTime": 1478293362.0,
                    "SummaryStatistics": {
                      "OkCount": 1,
                      "ErrorStatistics": {
                        "ThrottleCount": 0,
                        "OtherCount": 0,
                        "TotalCount": 0
                      },
                      "FaultStatistics": {
                        "OtherCount": 0,
                        "TotalCount": 0
                      },
                      "TotalCount": 1,
                      "TotalResponseTime": 0.178
                    },
                    "ResponseTimeHistogram": [
                      {
                        "Value": 0.177664,
                        "Count": 1
                      }
                    ],
                    "Aliases": []
                  }
                ]
              }
            ]"#]]
        .assert_eq(&json);
    }

    #[test]
    fn ends_of_edges_outside_the_range_are_nodes_without_requests() {
        let mut graph = graph();
        graph.nodes.clear();
        let services = serde_json::to_value(graph_services(&graph)).unwrap();
        let services = services.as_array().unwrap();
        assert_eq!(services.len(), 3);
        for service in services {
            let is_client = service["Type"] == "client";
            let is_caller = !service["Edges"].as_array().unwrap().is_empty();
            assert_eq!(service["SummaryStatistics"]["TotalCount"], {
                if is_client { Value::Null } else { Value::from(0) }
            });
            let state = if is_caller && !is_client { "active" } else { "unknown" };
            assert_eq!(service["State"], state, "{service}");
            assert_eq!(service["StartTime"], 1_478_293_361.0);
        }
    }

    #[test]
    fn times_span_whole_seconds() {
        let check = |micros: i64, before: i64, after: i64| {
            let time = Timestamp::from_micros(micros);
            assert_eq!(whole_second_before(time).0.as_micros(), before * SECOND, "{micros}");
            assert_eq!(whole_second_after(time).0.as_micros(), after * SECOND, "{micros}");
        };
        check(0, 0, 0);
        check(1, 0, 1);
        check(1_999_999, 1, 2);
        check(2_000_000, 2, 2);
    }
}
