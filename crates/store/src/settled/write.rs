//! Writes traces that settle as a settled file.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;

use roentgen_model::{Rollups, TraceId, TraceSummary};

use super::file_writer::{FileWriter, GROUP_ROWS};
use super::observed::{Kinds, ObservedTrace};
use super::sequence::Sequences;
use super::{Position, Sequence};

/// A trace that settles.
#[derive(Clone, Debug, PartialEq)]
pub struct SettledTrace {
    /// Its summary, of all its documents.
    pub summary: TraceSummary,
    /// Its requests and calls, with the numbers that their kinds have among [`SettledBatch::kinds`].
    pub observed: ObservedTrace,
    /// Where those of its documents stand that are in no earlier settled file, ascending; one at
    /// least.
    pub positions: Vec<Position>,
    /// Bytes of these documents.
    pub bytes: u64,
}

/// What a settled file says besides its traces.
#[derive(Debug)]
pub struct SettledBatch {
    /// The number of the file.
    pub sequence: Sequence,
    /// The number of the log file that has the newest document.
    pub home: u32,
    /// The kinds of the requests and calls of its traces.
    pub kinds: Kinds,
    /// What these traces contribute, with all their documents.
    pub rollups: Rollups,
    /// What is to be taken from the rollups of earlier files.
    pub corrections: Vec<(Sequence, Rollups)>,
    /// Rows of earlier files that no longer count.
    pub superseded: Vec<(Sequence, TraceId)>,
}

/// A settled file being written, some traces at a time: of each only what the trace index says is in
/// memory until the end.
pub struct SettledWriter<'w> {
    file: FileWriter<'w>,
    /// Of each trace its place in `positions`, and the bytes of its documents.
    entries: Vec<(TraceId, Range<usize>, u64)>,
    positions: Vec<Position>,
}

impl<'w> SettledWriter<'w> {
    /// How many traces make a full row group.
    pub const GROUP_TRACES: usize = GROUP_ROWS;

    /// Begins a file of at most so many traces.
    ///
    /// # Errors
    /// What `sink` answers.
    pub fn new(sink: &'w mut dyn Write, traces: usize) -> io::Result<Self> {
        let entries = Vec::with_capacity(traces);
        Ok(Self { file: FileWriter::new(sink, traces)?, entries, positions: Vec::new() })
    }

    /// Adds traces, in any order, none a second time. They stand in row groups of their own, so it
    /// should be [`SettledWriter::GROUP_TRACES`] at a time; and queries open fewer of these when each
    /// has a stretch of time to itself. `kinds` has the kinds of their requests and calls.
    ///
    /// # Errors
    /// What the sink answers.
    pub fn add(&mut self, traces: &[SettledTrace], kinds: &Kinds) -> io::Result<()> {
        // Sorting looks at keys alone: a trace is seldom in the processor's cache.
        let key = |trace| -> (i64, u128, &SettledTrace) {
            let trace: &SettledTrace = trace;
            let id = u128::from_be_bytes(trace.summary.id.to_bytes());
            (trace.summary.time.as_micros(), id, trace)
        };
        let mut order: Vec<_> = traces.iter().map(key).collect();
        order.sort_unstable_by_key(|(time, id, _)| (*time, *id));
        let rows = order.iter().map(|(_, _, trace)| (&trace.summary, &trace.observed));
        self.file.add_rows(rows, kinds)?;
        for SettledTrace { summary, positions, bytes, .. } in traces {
            let begin = self.positions.len();
            self.positions.extend_from_slice(positions);
            self.entries.push((summary.id, begin..self.positions.len(), *bytes));
        }
        Ok(())
    }

    /// Writes what is left; gives the length of the file. Syncing and naming it is the caller's.
    ///
    /// # Errors
    /// What the sink answers.
    pub fn finish(mut self, batch: &SettledBatch) -> io::Result<u64> {
        self.entries.sort_unstable_by_key(|(id, ..)| *id);
        for (id, positions, bytes) in self.entries {
            let positions = self.positions.get(positions).unwrap_or_default();
            self.file.add_entry(id, positions, bytes)?;
        }
        for (minute, graph) in batch.rollups.minutes() {
            self.file.add_rollup(None, minute, &graph)?;
        }
        for (target, rollups) in &batch.corrections {
            for (minute, graph) in rollups.minutes() {
                self.file.add_rollup(Some(*target), minute, &graph)?;
            }
        }
        self.file.finish(batch.home, Sequences::of(batch.sequence), &batch.superseded)
    }
}

impl fmt::Debug for SettledWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettledWriter").field("traces", &self.entries.len()).finish_non_exhaustive()
    }
}
