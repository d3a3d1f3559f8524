//! What a query sees: the open traces and the settled files at one moment.

use std::sync::Arc;

use roentgen_model::TraceId;

use crate::assembling::Whereabouts;
use crate::live::Live;
use crate::locking::lock;
use crate::open::{OpenDocument, OpenTimes, OpenTrace, Past};
use crate::replacing::Trouble;
use crate::state::State;

/// A query looks so often whether it can see the open traces while none is settling. Traces
/// settle some times a second, and looking takes milliseconds.
pub(super) const MOST_LOOKS: usize = 3;

/// What a query sees.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) traces: Vec<ViewedTrace>,
    pub(crate) live: Arc<Live>,
}

/// An open trace at one moment.
#[derive(Debug)]
pub(crate) struct ViewedTrace {
    pub(crate) id: TraceId,
    pub(crate) times: OpenTimes,
    documents: Arc<Vec<OpenDocument>>,
    bytes: u64,
    past: Past,
    incarnation: u64,
    changed: u64,
}

impl View {
    /// What there is to see now.
    ///
    /// # Errors
    /// When a settled file cannot be read.
    pub(crate) fn of(state: &State) -> Result<Self, Trouble> {
        let mut view = Self { traces: Vec::new(), live: state.live() };
        for _ in 0..MOST_LOOKS {
            view.traces.clear();
            for shard in state.open.shards() {
                let shard = lock(shard);
                view.traces.extend(shard.traces().map(|(id, trace)| ViewedTrace::of(id, trace)));
            }
            let generation = view.live.generation();
            view.live = state.live();
            if view.live.generation() == generation {
                view.find_pasts(state)?;
                return Ok(view);
            }
        }
        // What was known of a trace may be from before it settled, as a file tells that has come.
        view.traces.iter_mut().for_each(|trace| trace.past = Past::Unknown);
        view.find_pasts(state)?;
        Ok(view)
    }

    /// Finds out which of the traces have settled before, where that is unknown.
    fn find_pasts(&mut self, state: &State) -> Result<(), Trouble> {
        let pasts = find_pasts(&mut self.traces, &self.live)?;
        state.open.set_pasts(&pasts);
        Ok(())
    }
}

/// Finds out which of the traces have settled before, where that is unknown; what was found.
///
/// Of ids that tell no time, the filters of many files let a good part through. So the files
/// themselves are asked then, once for each open trace: whatever is kept of one that has settled
/// must be made anew when others settle.
///
/// # Errors
/// When a settled file cannot be read.
pub(crate) fn find_pasts(
    traces: &mut [ViewedTrace],
    live: &Live,
) -> Result<Vec<(TraceId, u64, Past)>, Trouble> {
    let unknown = traces.iter_mut().filter(|trace| trace.past == Past::Unknown);
    unknown
        .map(|trace| {
            let has_settled = live.find(trace.id)?.is_some();
            trace.past = if has_settled { Past::Something } else { Past::Nothing };
            Ok((trace.id, trace.incarnation, trace.past))
        })
        .collect()
}

impl ViewedTrace {
    /// A trace as it is now.
    pub(crate) fn of(id: TraceId, trace: &OpenTrace) -> Self {
        Self {
            id,
            times: trace.times(),
            documents: trace.documents().clone(),
            bytes: trace.bytes(),
            past: trace.past(),
            incarnation: trace.incarnation(),
            changed: trace.changed(),
        }
    }

    /// A number that no other trace of the same shard has, and that is near for traces that were
    /// opened one soon after the other.
    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The version of its shard at which it last changed.
    pub(super) fn changed(&self) -> u64 {
        self.changed
    }

    /// Lets what is known of its past not count.
    pub(crate) fn forget_past(&mut self) {
        self.past = Past::Unknown;
    }

    /// Whether something of it may have settled.
    pub(crate) fn has_settled(&self) -> bool {
        self.past != Past::Nothing
    }

    /// Bytes of its open documents.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its open documents.
    pub(crate) fn documents(&self) -> &[OpenDocument] {
        &self.documents
    }

    /// Where all its documents are.
    pub(crate) fn whereabouts(&self, live: &Live) -> Result<Whereabouts, Trouble> {
        let settled = if self.has_settled() { live.find(self.id)? } else { None };
        let (settled, settled_bytes) =
            settled.map_or_else(Default::default, |found| (found.positions, found.bytes));
        Ok(Whereabouts {
            settled,
            settled_bytes,
            open: self.documents.clone(),
            open_bytes: self.bytes,
        })
    }
}
