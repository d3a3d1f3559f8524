//! One copy of each identity of a service.
//!
//! Assembly makes new ones for every trace. Summaries and rollups of a hundred thousand traces
//! name the same few dozen services, so what is kept shares them.

use std::collections::HashSet;

use roentgen_model::{ServiceId, TraceGraph, TraceSummary};

use crate::index::service_bytes;

/// Services known at once. Where callers make names without end, old ones are forgotten and only
/// shared less; they live as long as something names them.
const MOST_SERVICES: usize = 20_000;

/// The services seen lately: those of this generation and of the one before.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    young: HashSet<ServiceId>,
    old: HashSet<ServiceId>,
    /// Memory of the names that were new since this was last asked for.
    new_bytes: u64,
}

impl Interner {
    /// The memory of the names that were new since the last call.
    pub(crate) fn take_new_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.new_bytes)
    }

    /// Lets a summary share its names.
    pub(crate) fn share_summary(&mut self, summary: &mut TraceSummary) {
        let annotations = summary.annotations.iter_mut().flat_map(|a| &mut a.services);
        let users = summary.users.iter_mut().flat_map(|user| &mut user.services);
        let services = summary.services.iter_mut().chain(&mut summary.entry_point);
        services.chain(annotations).chain(users).for_each(|service| self.share(service));
    }

    /// Lets the observations of a trace share their names.
    pub(crate) fn share_graph(&mut self, graph: &mut TraceGraph) {
        graph.nodes.iter_mut().for_each(|node| self.share(&mut node.node));
        for edge in &mut graph.edges {
            self.share(&mut edge.from);
            self.share(&mut edge.to);
        }
    }

    fn share(&mut self, service: &mut ServiceId) {
        if let Some(known) = self.young.get(service) {
            *service = known.clone();
            return;
        }
        if let Some(known) = self.old.take(service) {
            *service = known;
        } else {
            self.new_bytes += service_bytes(service);
        }
        if self.young.len() >= MOST_SERVICES / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(service.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> ServiceId {
        ServiceId::new(name, Some("remote"), None)
    }

    #[test]
    fn equal_services_become_one() {
        let mut interner = Interner::default();
        let [mut a, mut b, mut c] = ["app", "app", "db"].map(service);
        [&mut a, &mut b, &mut c].into_iter().for_each(|service| interner.share(service));
        assert!(a.is_same(&b));
        assert_eq!((&*a.name, &*c.name), ("app", "db"));
        let expect = service_bytes(&a) + service_bytes(&c);
        assert_eq!(interner.take_new_bytes(), expect, "each is counted once");
        assert_eq!(interner.take_new_bytes(), 0);
    }

    #[test]
    fn names_without_end_are_bounded_and_those_in_use_stay_shared() {
        let mut interner = Interner::default();
        let mut first = service("in-use");
        interner.share(&mut first);
        for number in 0..3 * MOST_SERVICES {
            interner.share(&mut service(&format!("name-{number}")));
            if number % 100 == 0 {
                let mut again = service("in-use");
                interner.share(&mut again);
                assert!(first.is_same(&again));
            }
        }
        assert!(interner.young.len() + interner.old.len() <= MOST_SERVICES);
    }
}
