//! What the nodes of a graph of retrieved traces have to do with links between these traces.

use std::collections::BTreeMap;

use roentgen_model::{LinkedEdges, TraceId};
use roentgen_protocol::{GraphLink, RetrievedService, Service};

type ByNode<'a> = BTreeMap<(&'a str, Option<&'a str>, Option<&'a str>), Vec<GraphLink>>;

/// The nodes with the links that begin or end at them, at most [`GraphLink::MAX_PER_SERVICE`] each.
pub(super) fn with_links<'a>(
    services: Vec<Service<'a>>,
    linked: &'a LinkedEdges,
) -> Vec<RetrievedService<'a>> {
    let mut by_node = ByNode::new();
    for ((from, to), edge) in linked.edges() {
        for (source, destinations) in &edge.traces {
            for (node, role) in [(from, GraphLink::SOURCE), (to, GraphLink::DESTINATION)] {
                let key = (&*node.name, node.kind.as_deref(), node.account_id.as_deref());
                let links = by_node.entry(key).or_default();
                if links.len() < GraphLink::MAX_PER_SERVICE {
                    links.push(link(role, *source, destinations));
                }
            }
        }
    }
    let with_its_links = |service: Service<'a>| {
        let key = (service.name, service.kind, service.account_id);
        RetrievedService { links: by_node.remove(&key).unwrap_or_default(), service }
    };
    services.into_iter().map(with_its_links).collect()
}

fn link(role: &'static str, source: TraceId, destinations: &[TraceId]) -> GraphLink {
    GraphLink {
        reference_type: role,
        source_trace_id: source.to_string(),
        destination_trace_ids: destinations.iter().map(TraceId::to_string).collect(),
    }
}
