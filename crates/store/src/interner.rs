//! One copy of each name: of services, their types and accounts.
//!
//! Assembly makes new texts for every trace. Summaries and rollups of a hundred thousand traces
//! name the same few dozen services, so what is kept shares them.

use std::collections::HashSet;
use std::sync::Arc;

use roentgen_model::{ServiceId, TraceGraph, TraceSummary};

use crate::index::name_bytes;

/// Texts known at once. Where callers make names without end, old ones are forgotten and only
/// shared less; they live as long as something names them.
const MOST_TEXTS: usize = 20_000;

/// The texts seen lately: those of this generation and of the one before.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    young: HashSet<Arc<str>>,
    old: HashSet<Arc<str>>,
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
        self.share_text(&mut service.name);
        service.kind.iter_mut().for_each(|kind| self.share_text(kind));
        service.account_id.iter_mut().for_each(|account| self.share_text(account));
    }

    fn share_text(&mut self, text: &mut Arc<str>) {
        if let Some(known) = self.young.get(text) {
            *text = known.clone();
            return;
        }
        if let Some(known) = self.old.take(text) {
            *text = known;
        } else {
            self.new_bytes += name_bytes(text);
        }
        if self.young.len() >= MOST_TEXTS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(text.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> ServiceId {
        ServiceId { name: name.into(), kind: Some("remote".into()), account_id: None }
    }

    #[test]
    fn equal_names_become_one() {
        let mut interner = Interner::default();
        let [mut a, mut b, mut c] = ["app", "app", "db"].map(service);
        [&mut a, &mut b, &mut c].into_iter().for_each(|service| interner.share(service));
        assert!(Arc::ptr_eq(&a.name, &b.name));
        assert!(Arc::ptr_eq(a.kind.as_ref().unwrap(), c.kind.as_ref().unwrap()));
        assert_eq!((&*a.name, &*c.name), ("app", "db"));
        let texts = ["app", "remote", "db"].map(name_bytes);
        assert_eq!(interner.take_new_bytes(), texts.iter().sum::<u64>(), "each is counted once");
        assert_eq!(interner.take_new_bytes(), 0);
    }

    #[test]
    fn names_without_end_are_bounded_and_those_in_use_stay_shared() {
        let mut interner = Interner::default();
        let mut first = service("in-use");
        interner.share(&mut first);
        for number in 0..3 * MOST_TEXTS {
            interner.share(&mut service(&format!("name-{number}")));
            if number % 100 == 0 {
                let mut again = service("in-use");
                interner.share(&mut again);
                assert!(Arc::ptr_eq(&first.name, &again.name));
            }
        }
        assert!(interner.young.len() + interner.old.len() <= MOST_TEXTS);
    }
}
