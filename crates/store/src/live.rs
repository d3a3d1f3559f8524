//! The settled files that count, as queries see them.
//!
//! A trace that has settled more than once has an entry in the trace index of each file it settled
//! in, each with other documents, but one row that counts: that of the last file, which was made
//! of all its documents. That file's list of superseded rows takes the earlier row out, and its
//! corrections take what the trace contributed out of the earlier rollups.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use roentgen_model::{ServiceGraph, TraceId};

use crate::log::{FileNumber, Position};
use crate::manifest::ListedFile;
use crate::settled::{
    FilteredGraphs, FilteredRows, OpenTraces, QueriedFile, ReceivedLinks, ScanThreads, Sequence,
    SettledError, SettledFile, Steps, filtered_graphs, find_page, received_links, service_graphs,
};
use crate::{SummaryPage, SummaryQuery};

/// The settled files that count at one moment.
#[derive(Debug, Default)]
pub(crate) struct Live {
    files: Vec<LiveFile>,
    /// A number that every list of a store has for itself.
    generation: u64,
}

/// A settled file that counts.
#[derive(Clone, Debug)]
pub(crate) struct LiveFile {
    pub(crate) listed: ListedFile,
    pub(crate) file: Arc<SettledFile>,
    /// Traces whose rows here do not count since they have settled again.
    dead: Arc<HashSet<TraceId>>,
}

/// What of a trace has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundTrace {
    /// Where its documents stand, in the order of storage.
    pub(crate) positions: Vec<Position>,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// The file that has its row and what it contributes to the service graph.
    pub(crate) row: Option<Sequence>,
}

impl LiveFile {
    /// A file, all of whose rows count.
    pub(crate) fn new(listed: ListedFile, file: Arc<SettledFile>) -> Self {
        Self { listed, file, dead: Arc::default() }
    }
}

impl Live {
    /// These files, whatever superseded what before. `generation` is a number that no list before
    /// had.
    pub(crate) fn new(files: Vec<LiveFile>, generation: u64) -> Self {
        let all_count = |live| LiveFile { dead: Arc::default(), ..live };
        let mut live = Self { files: files.into_iter().map(all_count).collect(), generation };
        let superseding: Vec<_> = live.files.iter().map(|live| live.file.clone()).collect();
        superseding.iter().for_each(|file| live.bury(file));
        live
    }

    /// The list with more files, the newest of all.
    pub(crate) fn with(&self, added: Vec<LiveFile>) -> Self {
        let superseding: Vec<_> = added.iter().map(|live| live.file.clone()).collect();
        let files = self.files.iter().cloned().chain(added).collect();
        let mut live = Self { files, generation: self.generation + 1 };
        superseding.iter().for_each(|file| live.bury(file));
        live
    }

    /// The list without some files and with others.
    pub(crate) fn replacing(&self, removed: &BTreeSet<Sequence>, added: Vec<LiveFile>) -> Self {
        let staying = self.files.iter().filter(|live| !removed.contains(&live.listed.number));
        Self::new(staying.cloned().chain(added).collect(), self.generation + 1)
    }

    /// Takes the rows out that a file supersedes.
    fn bury(&mut self, superseding: &SettledFile) {
        for &(target, id) in superseding.superseded() {
            let standing = self.files.iter_mut().find(|f| f.file.sequences().contains(target));
            if let Some(standing) = standing {
                Arc::make_mut(&mut standing.dead).insert(id);
            }
        }
    }

    /// What has settled of a trace; nothing of most that are open.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn find(&self, id: TraceId) -> Result<Option<FoundTrace>, SettledError> {
        let mut found: Option<FoundTrace> = None;
        for live in &self.files {
            let Some(entry) = live.file.find(id)? else { continue };
            let found =
                found.get_or_insert(FoundTrace { positions: Vec::new(), bytes: 0, row: None });
            found.positions.extend(entry.positions);
            found.bytes += entry.bytes;
            if !live.dead.contains(&id) {
                found.row = Some(live.file.sequences().last());
            }
        }
        if let Some(found) = &mut found {
            found.positions.sort_unstable();
        }
        Ok(found)
    }

    /// One page of summaries, of these files and the open traces.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn find_page(
        &self,
        query: &SummaryQuery<'_>,
        open: &dyn OpenTraces,
        threads: &ScanThreads,
    ) -> Result<SummaryPage, SettledError> {
        find_page(&self.queried(), query, open, threads)
    }

    /// What the files contribute to the service graph of each step.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn service_graphs(
        &self,
        steps: &Steps,
        threads: &ScanThreads,
    ) -> Result<BTreeMap<i64, ServiceGraph>, SettledError> {
        let files: Vec<&SettledFile> = self.files.iter().map(|live| &*live.file).collect();
        service_graphs(&files, steps, threads)
    }

    /// What the files tell of some of the traces, for each step.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn filtered_graphs(
        &self,
        rows: &FilteredRows<'_>,
        steps: &Steps,
        threads: &ScanThreads,
    ) -> Result<FilteredGraphs, SettledError> {
        filtered_graphs(&self.queried(), rows, steps, threads)
    }

    /// Hands the links of some of the traces to `found`.
    ///
    /// # Errors
    /// When a file cannot be read, and what `found` answers.
    pub(crate) fn received_links<E: From<SettledError>>(
        &self,
        rows: &FilteredRows<'_>,
        steps: &Steps,
        threads: &ScanThreads,
        found: impl FnMut(ReceivedLinks) -> Result<(), E>,
    ) -> Result<(), E> {
        received_links(&self.queried(), rows, steps, threads, found)
    }

    fn queried(&self) -> Vec<QueriedFile<'_>> {
        let files = self.files.iter();
        files.map(|live| QueriedFile { file: &live.file, superseded: &live.dead }).collect()
    }

    /// Rows that count.
    pub(crate) fn traces(&self) -> u64 {
        let counting = |live: &LiveFile| live.file.traces().saturating_sub(live.dead.len() as u64);
        self.files.iter().map(counting).sum()
    }

    /// The files, in no order.
    pub(crate) fn files(&self) -> &[LiveFile] {
        &self.files
    }

    /// A number that changes with the list.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether all these files count.
    pub(crate) fn has_all(&self, numbers: &BTreeSet<Sequence>) -> bool {
        let count = self.files.iter().filter(|live| numbers.contains(&live.listed.number)).count();
        count == numbers.len()
    }

    /// The file at a path.
    pub(crate) fn at(&self, path: &Path) -> Option<&LiveFile> {
        self.files.iter().find(|live| live.file.path() == path)
    }

    /// The files at home in log files up to this one.
    pub(crate) fn at_home_up_to(&self, gone: FileNumber) -> BTreeSet<Sequence> {
        let at_home = self.files.iter().filter(|live| live.listed.home <= gone);
        at_home.map(|live| live.listed.number).collect()
    }

    /// These files and all that rest on them: a file which takes rows and contributions out of
    /// another counts them itself, so that it cannot stay when the other was lost.
    pub(crate) fn resting_on(&self, lost: &[ListedFile]) -> Vec<ListedFile> {
        let mut resting = lost.to_vec();
        let mut next = 0;
        while let Some(file) = resting.get(next).cloned() {
            for live in &self.files {
                // A correction always goes with a superseded row of the same file.
                let mut targets = live.file.superseded().iter().map(|(target, _)| *target);
                let is_known = resting.iter().any(|file| file.number == live.listed.number);
                if !is_known && targets.any(|target| file.sequences.contains(target)) {
                    resting.push(live.listed.clone());
                }
            }
            next += 1;
        }
        resting
    }
}
