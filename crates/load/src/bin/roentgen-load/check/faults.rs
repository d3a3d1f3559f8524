//! What is wrong with what was read back.

use serde::Serialize;

/// Faults that are told one by one; more are counted.
const MAX_EXAMPLES: usize = 100;

/// How something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// Acknowledged, and not there.
    Missing,
    /// There more than once.
    Doubled,
    /// There, but not as it was sent.
    Different,
    /// There, and never sent.
    Unexpected,
    /// The server did not answer, or not what it should.
    Unanswered,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// The trace; none for the graph, which has no traces.
    pub(crate) trace_id: Option<String>,
    /// What is wrong, for people.
    pub(crate) detail: String,
}

/// All that is wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    missing: u64,
    others: u64,
    examples: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        match fault.kind {
            FaultKind::Missing => self.missing += 1,
            _ => self.others += 1,
        }
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(fault);
        }
    }

    pub(crate) fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        faults.into_iter().for_each(|fault| self.add(fault));
    }

    pub(crate) fn count(&self) -> u64 {
        self.missing + self.others
    }

    /// Takes back what is missing, since it was lost on the way; gives how much that was.
    pub(crate) fn explain_missing(&mut self) -> u64 {
        self.examples.retain(|fault| fault.kind != FaultKind::Missing);
        std::mem::take(&mut self.missing)
    }

    pub(crate) fn into_examples(self) -> Vec<Fault> {
        self.examples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_explains_what_is_missing_and_nothing_else() {
        let fault = |kind| Fault { kind, trace_id: None, detail: String::new() };
        let mut faults = Faults::default();
        faults.extend(vec![fault(FaultKind::Missing); MAX_EXAMPLES - 1]);
        faults.extend([fault(FaultKind::Doubled), fault(FaultKind::Different)]);
        assert_eq!(faults.count(), 101);
        assert_eq!(faults.explain_missing(), 99);
        assert_eq!(faults.count(), 2);
        assert_eq!(faults.into_examples(), [fault(FaultKind::Doubled)]);
    }
}
