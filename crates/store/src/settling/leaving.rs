//! Writes the traces that settle together to one settled file.

use std::collections::HashMap;
use std::io;

use roentgen_model::{Names, Rollups, Timestamp, TraceGraph, TraceId};

use crate::StoreError;
use crate::assembling::{Assembled, Whereabouts, assemble_contents, bare_summary};
use crate::derived::{self, Derived};
use crate::live::LiveFile;
use crate::log::{FileNumber, Position};
use crate::manifest::ListedFile;
use crate::settled::{Kinds, Sequence, Sequences, SettledBatch, SettledTrace, SettledWriter};
use crate::state::State;

/// After so many traces it is looked whether the store is being closed.
const TRACES_BETWEEN_LOOKS: usize = 256;

/// A trace that settles.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) id: TraceId,
    /// No later than the time of its summary, and mostly that.
    pub(super) time: Timestamp,
    pub(super) whereabouts: Whereabouts,
    /// Where its row of before stands.
    pub(super) row: Option<Sequence>,
}

/// Writes the settled file of some traces. They are assembled a row group at a time: the summaries
/// of all would take some 25 MB.
pub(super) fn write(
    state: &State,
    derived: &mut Derived,
    home: FileNumber,
    mut leaving: Vec<Leaving>,
) -> Result<LiveFile, StoreError> {
    // Each row group has a stretch of time to itself, as far as that is known before assembling.
    leaving.sort_unstable_by_key(|trace| (trace.time, trace.id));
    let sequence = derived.take_number();
    let open = leaving.iter().flat_map(|trace| trace.whereabouts.only_open());
    let (least, greatest) = open
        .map(|document| document.position)
        .fold((Position::MAX, Position::MIN), |(least, greatest), position| {
            (least.min(position), greatest.max(position))
        });
    let sequences = Sequences::of(sequence);
    let listed = ListedFile { number: sequence, sequences, home, least, greatest };
    let directory = &state.directories.settled;
    let names = &mut derived.names;
    let written = derived::write_file(&*state.disk, directory, sequence, &state.cache, |sink| {
        let mut batch = Batch::default();
        let mut writer = SettledWriter::new(sink, leaving.len())?;
        let mut traces = Vec::with_capacity(leaving.len().min(SettledWriter::GROUP_TRACES));
        for group in leaving.chunks(SettledWriter::GROUP_TRACES) {
            for some in group.chunks(TRACES_BETWEEN_LOOKS) {
                if state.settling.is_closed() {
                    return Err(io::Error::other("the store is being closed"));
                }
                traces.extend(some.iter().map(|trace| batch.settle(state, trace, names)));
            }
            writer.add(&traces, &batch.kinds)?;
            traces.clear();
        }
        writer.finish(&batch.into_settled(sequence, home)).map(drop)
    });
    match written {
        Err(_) if state.settling.is_closed() => Err(StoreError::Closed),
        written => Ok(LiveFile::new(listed, written?)),
    }
}

/// What a settled file says besides its traces.
#[derive(Debug, Default)]
struct Batch {
    kinds: Kinds,
    rollups: Rollups,
    corrections: HashMap<Sequence, Rollups>,
    superseded: Vec<(Sequence, TraceId)>,
}

impl Batch {
    /// Assembles a trace and notes what it contributes.
    fn settle(&mut self, state: &State, trace: &Leaving, names: &mut Names) -> SettledTrace {
        let &Leaving { id, ref whereabouts, row, .. } = trace;
        let new = whereabouts.only_open();
        let positions = new.iter().map(|document| document.position).collect();
        let bytes = new.iter().map(|document| u64::from(document.bytes)).sum();
        let shown = whereabouts.read_for_lists(state, id);
        let all = shown.settled.iter().chain(&shown.open);
        let assembled = assemble_contents(state, id, all, names);
        if let Some(row) = row {
            if let Some(before) = assemble_contents(state, id, shown.settled.iter(), names) {
                self.corrections.entry(row).or_default().add(&before.graph);
            }
            self.superseded.push((row, id));
        }
        let Assembled { summary, graph } = assembled.unwrap_or_else(|| Assembled {
            summary: bare_summary(id),
            graph: TraceGraph::default(),
        });
        self.rollups.add(&graph);
        let observed = self.kinds.observe(&summary, &graph);
        SettledTrace { summary, observed, positions, bytes }
    }

    fn into_settled(self, sequence: Sequence, home: FileNumber) -> SettledBatch {
        let Self { kinds, rollups, corrections, superseded } = self;
        let corrections = corrections.into_iter().filter(|(_, rollups)| !rollups.is_empty());
        let corrections = corrections.collect();
        SettledBatch { sequence, home, kinds, rollups, corrections, superseded }
    }
}
