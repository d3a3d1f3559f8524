//! GetServiceGraph and GetTraceGraph.

use std::num::NonZero;
use std::sync::Arc;

use roentgen_model::{LinkedEdges, ServiceGraph, TraceId};
use roentgen_protocol::{
    ApiError, Fingerprint, GetServiceGraphReply, GetServiceGraphRequest, GetTraceGraphReply,
    GetTraceGraphRequest, PageToken, Service, WireTime, linked_graph_services,
};
use roentgen_store::{GraphQuery, TraceDocuments};

use super::summaries::{check_range, read_filter_in_group};
use super::trace_ids::{IdLimits, requested_ids};
use super::{read_request, store_failure};
use crate::app::App;
use crate::filtered_graphs::{filtered_graphs, linked_edges};
use crate::groups::GroupSelector;
use crate::json;

/// Nodes in a page. Graphs of real systems fit one page; the service's own figure is not
/// documented, its console shows 10,000 nodes.
const PAGE_SERVICES: usize = 1000;

/// The graph of the traces of a group in a range.
pub(super) async fn get_service_graph(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: GetServiceGraphRequest = read_request(body)?;
    let range = check_range(request.start_time, request.end_time)?;
    let group = GroupSelector::new(request.group_name, request.group_arn);
    // Not of X-Ray: the graph of any expression, for the trace map of a search.
    let filter = request.filter_expression.as_deref().unwrap_or_default();
    let (arn, expression) = read_filter_in_group(filter, &group, &app.groups.get())?;
    let query = Fingerprint::of("ServiceGraph")
        .with_time(range.start)
        .with_time(range.end)
        .with_text(&arn)
        .with_text(&expression.to_string())
        .finish();
    let store = Arc::clone(&app.store);
    app.scans
        .run_for(move |caller| {
            let asked = GraphQuery { range, step: None, traces: None };
            let reads = || caller.reads(NonZero::<usize>::MIN);
            let graphs = filtered_graphs(&*store, &asked, &expression, &reads());
            let graphs = graphs.map_err(|error| store_failure(&error))?;
            // What is read for the graph may have links, and is read once more for them.
            let linked = linked_edges(&*store, range, &expression, &reads());
            let linked = linked.map_err(|error| store_failure(&error))?;
            let graph = graphs.into_iter().next().map(|timed| timed.graph).unwrap_or_default();
            let page = Page::cut(&graph, &linked, request.next_token.as_deref(), query)?;
            json::write(&GetServiceGraphReply {
                start_time: WireTime(range.start),
                end_time: WireTime(range.end),
                services: page.services,
                contains_old_group_versions: false,
                next_token: page.next_token,
            })
        })
        .await
}

/// The graph of up to five traces.
pub(super) async fn get_trace_graph(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: GetTraceGraphRequest = read_request(body)?;
    let requested = requested_ids(request.trace_ids, IdLimits::FEW)?;
    let ids: Vec<TraceId> = requested.ids.into_iter().map(|(id, _)| id).collect();
    let query = Fingerprint::of("TraceGraph");
    let query = ids.iter().fold(query, |query, id| query.with_id(*id)).finish();
    let store = Arc::clone(&app.store);
    app.pool
        .run(move || {
            let read = |id: &TraceId| store.documents(*id).map_err(|error| store_failure(&error));
            let (graph, linked) = sum_of(&ids, |id| *id, read)?;
            let page = Page::cut(&graph, &linked, request.next_token.as_deref(), query)?;
            json::write(&GetTraceGraphReply {
                services: page.services,
                next_token: page.next_token,
            })
        })
        .await
}

/// The sum of traces and the edges between them. One trace is in memory at a time, so those that
/// others link to are read twice.
pub(super) fn sum_of<T>(
    traces: &[T],
    id: impl Fn(&T) -> TraceId,
    read: impl Fn(&T) -> Result<Option<TraceDocuments>, ApiError>,
) -> Result<(ServiceGraph, LinkedEdges), ApiError> {
    let (mut graph, mut linked) = (ServiceGraph::default(), LinkedEdges::default());
    for trace in traces {
        let documents = read(trace)?;
        if let Some(trace) = documents.as_ref().and_then(TraceDocuments::assemble) {
            graph.add(&trace.graph);
            linked.note(&trace);
        }
    }
    for trace in traces.iter().filter(|trace| linked.lead_to(id(trace))).collect::<Vec<_>>() {
        let documents = read(trace)?;
        if let Some(trace) = documents.as_ref().and_then(TraceDocuments::assemble) {
            linked.resolve(&trace);
        }
    }
    Ok((graph, linked))
}

/// A part of a graph's nodes.
pub(super) struct Page<'a> {
    pub(super) services: Vec<Service<'a>>,
    pub(super) next_token: Option<String>,
}

impl<'a> Page<'a> {
    /// Cuts the page that a token asks for out of a graph and the edges between its traces. Pages go
    /// by ReferenceId, so nodes that appear or go between two of them double nothing; within a page
    /// nodes are in the order of their identities.
    pub(super) fn cut(
        graph: &'a ServiceGraph,
        linked: &'a LinkedEdges,
        token: Option<&str>,
        query: u64,
    ) -> Result<Self, ApiError> {
        let mut services = linked_graph_services(graph, linked);
        let given_way = fingerprint_of_given_way(&services);
        match PageToken::read(token, query) {
            Ok(None) => {}
            Ok(Some(PageToken::AfterService { reference_id, given_way: then }))
                if then == given_way =>
            {
                services.retain(|service| service.reference_id > reference_id);
            }
            Ok(Some(PageToken::AfterService { .. })) => {
                let message = "The numbers of the graph's nodes have changed since its first \
                               page; ask for it again without NextToken";
                return Err(ApiError::invalid(message));
            }
            Ok(Some(_)) => return Err(ApiError::invalid("NextToken is not of this operation")),
            Err(fault) => return Err(ApiError::invalid(fault.to_string())),
        }
        let mut numbers: Vec<u32> = services.iter().map(|service| service.reference_id).collect();
        numbers.sort_unstable();
        let is_last = numbers.len() <= PAGE_SERVICES;
        numbers.truncate(PAGE_SERVICES);
        let last = numbers.last().copied().unwrap_or_default();
        services.retain(|service| service.reference_id <= last);
        let token = || PageToken::AfterService { reference_id: last, given_way }.encode(query);
        Ok(Self { services, next_token: (!is_last).then(token) })
    }
}

/// Of the nodes that have not the number of their identity, and so may come by another when nodes
/// appear or go. There hardly ever is one.
fn fingerprint_of_given_way(services: &[Service<'_>]) -> u64 {
    let given_way = services.iter().filter(|service| service.has_given_way());
    given_way
        .fold(Fingerprint::of("nodes"), |nodes, service| {
            nodes
                .with_text(service.name)
                .with_text(service.kind.unwrap_or_default())
                .with_text(service.account_id.unwrap_or_default())
                .with_number(u64::from(service.reference_id))
        })
        .finish()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use roentgen_model::{
        EdgeObservation, Flags, NodeObservation, ServiceId, Timestamp, TraceGraph,
    };

    use super::*;

    fn graph(nodes: usize) -> ServiceGraph {
        let start = Timestamp::from_micros(5_000_000);
        let end = Some(Timestamp::from_micros(6_000_000));
        let id = |number: usize| ServiceId::new(&format!("node-{number:05}"), None, None);
        let mut observed = TraceGraph::default();
        for number in 0..nodes {
            observed.nodes.push(NodeObservation {
                node: id(number),
                is_real: true,
                is_root: number == 0,
                start,
                end,
                is_outlived: false,
                flags: Flags::default(),
            });
        }
        observed.edges.push(EdgeObservation {
            from: id(0),
            to: id(nodes - 1),
            is_inferred: false,
            start,
            end,
            is_outlived: false,
            flags: Flags::default(),
        });
        let mut graph = ServiceGraph::default();
        graph.add(&observed);
        graph
    }

    /// The names and numbers on all pages; what the graph is changes from page to page.
    fn paged(graphs: &[&ServiceGraph]) -> Vec<(String, u32)> {
        let none = LinkedEdges::default();
        let (mut seen, mut token) = (Vec::new(), None::<String>);
        for (number, graph) in graphs.iter().enumerate() {
            let page = Page::cut(graph, &none, token.as_deref(), 7).unwrap();
            let nodes = page.services.iter();
            assert!(nodes.clone().is_sorted_by_key(|service| service.name), "{number}");
            seen.extend(nodes.map(|service| (service.name.to_owned(), service.reference_id)));
            token = page.next_token;
            assert_eq!(token.is_none(), number + 1 == graphs.len(), "{number}");
        }
        seen
    }

    fn names(nodes: usize) -> BTreeSet<String> {
        (0..nodes).map(|number| format!("node-{number:05}")).collect()
    }

    #[test]
    fn large_graphs_come_in_pages_whose_numbers_fit_together() {
        let graph = graph(2 * PAGE_SERVICES + 1);
        let seen = paged(&[&graph; 3]);
        assert_eq!(seen.len(), 2 * PAGE_SERVICES + 1);
        let numbers: BTreeMap<&str, u32> =
            seen.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(
            numbers.keys().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(),
            names(seen.len())
        );
        assert_eq!(numbers.values().collect::<BTreeSet<_>>().len(), seen.len());
        let none = LinkedEdges::default();
        let services = linked_graph_services(&graph, &none);
        let edges = services.iter().flat_map(|service| &service.edges);
        let leads_to: Vec<u32> = edges.map(|edge| edge.reference_id).collect();
        assert_eq!(leads_to, [numbers["node-02000"]]);
    }

    #[test]
    fn nodes_that_appear_or_go_between_pages_double_nothing() {
        let (small, large) = (graph(PAGE_SERVICES + 500), graph(PAGE_SERVICES + 900));
        let check = |graphs: &[&ServiceGraph]| {
            let seen = paged(graphs);
            let told: BTreeSet<String> = seen.iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(told.len(), seen.len());
            // All that were there all the time.
            assert!(told.is_superset(&names(PAGE_SERVICES + 500)));
            let none = LinkedEdges::default();
            let all = linked_graph_services(&large, &none);
            for (name, number) in seen {
                let now = all.iter().find(|service| service.name == name);
                assert_eq!(now.unwrap().reference_id, number, "{name}");
            }
        };
        check(&[&small, &large]);
        check(&[&large, &small]);
        check(&[&large, &large]);
    }

    #[test]
    fn an_empty_token_is_none() {
        let (graph, linked) = (graph(3), LinkedEdges::default());
        let page = Page::cut(&graph, &linked, Some(""), 7).unwrap();
        assert_eq!(page.services.len(), 3);
    }

    #[test]
    fn tokens_of_another_graph_are_refused() {
        let none = LinkedEdges::default();
        let many = graph(PAGE_SERVICES + 1);
        let token = Page::cut(&many, &none, None, 7).unwrap().next_token.unwrap();
        let check = |graph: &ServiceGraph, query: u64, expect: &str| {
            let error = Page::cut(graph, &none, Some(&token), query).err().unwrap();
            assert!(error.message.contains(expect), "{}", error.message);
        };
        check(&graph(PAGE_SERVICES + 1), 8, "other parameters");
        let nodes = [0, 1]
            .map(|given_way| PageToken::AfterService { reference_id: 5, given_way }.encode(7));
        let graph = graph(3);
        let refused = nodes.iter().find_map(|token| Page::cut(&graph, &none, Some(token), 7).err());
        assert!(refused.unwrap().message.contains("without NextToken"));
    }
}
