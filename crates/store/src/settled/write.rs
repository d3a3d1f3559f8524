//! Writes a batch of traces as a settled file.

use std::io::{self, Write};

use roentgen_model::{Rollups, TraceId, TraceSummary};

use super::file_writer::FileWriter;
use super::observed::{Kinds, ObservedTrace};
use super::sequence::Sequences;
use super::{Position, Sequence};

/// A trace that settles.
#[derive(Clone, Debug, PartialEq)]
pub struct SettledTrace {
    /// Its summary, of all its documents.
    pub summary: TraceSummary,
    /// Its requests and calls, with the numbers of [`SettledBatch::kinds`].
    pub observed: ObservedTrace,
    /// Where those of its documents stand that are in no earlier settled file, ascending; one at
    /// least.
    pub positions: Vec<Position>,
    /// Bytes of these documents.
    pub bytes: u64,
}

/// What a settled file is made of.
#[derive(Debug)]
pub struct SettledBatch {
    /// The number of the file.
    pub sequence: Sequence,
    /// The number of the log file that has the newest document.
    pub home: u32,
    /// The traces, each once, in any order.
    pub traces: Vec<SettledTrace>,
    /// The kinds of their requests and calls.
    pub kinds: Kinds,
    /// What these traces contribute, with all their documents.
    pub rollups: Rollups,
    /// What is to be taken from the rollups of earlier files.
    pub corrections: Vec<(Sequence, Rollups)>,
    /// Rows of earlier files that no longer count.
    pub superseded: Vec<(Sequence, TraceId)>,
}

/// Writes a settled file; gives its length. Syncing and naming it is the caller's.
///
/// # Errors
/// What `sink` answers.
pub fn write_settled(batch: &SettledBatch, sink: &mut dyn Write) -> io::Result<u64> {
    let mut writer = FileWriter::new(sink, batch.traces.len())?;
    // Sorting looks at keys alone: a trace is seldom in the processor's cache.
    let key = |trace| -> (i64, u128, &SettledTrace) {
        let trace: &SettledTrace = trace;
        let id = u128::from_be_bytes(trace.summary.id.to_bytes());
        (trace.summary.time.as_micros(), id, trace)
    };
    let mut order: Vec<_> = batch.traces.iter().map(key).collect();
    order.sort_unstable_by_key(|(time, id, _)| (*time, *id));
    let rows = order.iter().map(|(_, _, trace)| (&trace.summary, &trace.observed));
    writer.add_rows(rows, &batch.kinds)?;
    order.sort_unstable_by_key(|(_, id, _)| *id);
    for (_, _, SettledTrace { summary, positions, bytes, .. }) in order {
        writer.add_entry(summary.id, positions, *bytes)?;
    }
    for (minute, graph) in batch.rollups.minutes() {
        writer.add_rollup(None, minute, &graph)?;
    }
    for (target, rollups) in &batch.corrections {
        for (minute, graph) in rollups.minutes() {
            writer.add_rollup(Some(*target), minute, &graph)?;
        }
    }
    writer.finish(batch.home, Sequences::of(batch.sequence), &batch.superseded)
}
