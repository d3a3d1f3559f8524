//! Writing the tables of a data directory.
//!
//! Documents are read from the log; traces and edges need what a store makes of it. So that nothing
//! is written to the data directory, and a server may run on it, all is read from a snapshot in a
//! working directory, which is removed again.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use roentgen_model::{Document, Micros, Timestamp};
use roentgen_ops::Clock;
use roentgen_store::{
    EmbeddedStore, LogReader, StoreOptions, SummaryQuery, TimeRange, TimeRangeType,
    TraceStore as _, snapshot,
};

use super::Tables;
use super::minutes::Minutes;
use crate::{ExportError, ExportReport};

/// Traces asked of the store at once.
const PAGE_TRACES: usize = 5000;

/// What to export as tables, and where to.
#[derive(Clone, Copy, Debug)]
pub struct TableExport<'a> {
    /// The data directory.
    pub data_directory: &'a Path,
    /// Which documents, by the time they were received; which traces, by their time; which
    /// edges, by their minute.
    pub range: TimeRange,
    /// Where the tables go; made when missing.
    pub target: &'a Path,
    /// Where the snapshot is made that the tables are read from. On the file system of the
    /// data directory it takes next to no room, elsewhere as much as the log.
    pub work: &'a Path,
}

/// Writes the tables. `bytes_read` grows with the bytes of the log that were read.
///
/// # Errors
/// [`ExportError`]; the tables then do not appear.
pub fn export_tables(
    export: &TableExport<'_>,
    clock: Arc<dyn Clock>,
    bytes_read: &AtomicU64,
) -> Result<ExportReport, ExportError> {
    let mut tables = Tables::create(export.target)?;
    let work = WorkDirectory::new(export.work);
    snapshot(export.data_directory, &work.path)?;
    let (minutes, damaged_stretches) =
        write_segments(&work.path, export.range, &mut tables, bytes_read)?;
    let options = StoreOptions { is_retention_paused: true, ..StoreOptions::new(&work.path) };
    let store = EmbeddedStore::open(options, clock)?;
    write_traces(&store, export.range, &mut tables)?;
    write_edges(&store, export.range, &minutes, &mut tables)?;
    store.close();
    work.remove()?;
    let rows = tables.finish()?;
    Ok(ExportReport {
        documents: rows.segments,
        traces: rows.traces,
        edges: rows.edges,
        damaged_stretches,
    })
}

/// A place for the snapshot that goes when the export ends, however it ends.
struct WorkDirectory {
    path: PathBuf,
}

impl WorkDirectory {
    fn new(parent: &Path) -> Self {
        Self { path: parent.join(format!("snapshot-for-export-{}", std::process::id())) }
    }

    fn remove(self) -> Result<(), ExportError> {
        let path = self.path.clone();
        fs::remove_dir_all(&path).map_err(|cause| ExportError::Cleanup { path, cause })
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        // Mostly gone by now; when an error is on its way, that one counts.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Writes the rows of the documents; tells in which minutes anything begins.
fn write_segments(
    snapshot: &Path,
    received_in: TimeRange,
    tables: &mut Tables,
    bytes_read: &AtomicU64,
) -> Result<(Minutes, u64), ExportError> {
    let mut minutes = Minutes::default();
    let mut written = Ok(());
    // All of them: calls of the range may have been received after it.
    let all = TimeRange { start: Timestamp::from_micros(i64::MIN), end: Timestamp::MAX };
    let reading = LogReader::new(snapshot)?.read(all, bytes_read, |logged| {
        // Documents that are none are left out of traces and edges as well.
        if let Ok(document) = Document::parse(logged.bytes) {
            document.entities.iter().for_each(|entity| minutes.add(entity.start.minute()));
            if received_in.contains(logged.received) {
                written = tables.add_document(&document, logged.received, logged.bytes);
            }
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    Ok((minutes, reading.damaged_stretches))
}

fn write_traces(
    store: &EmbeddedStore,
    range: TimeRange,
    tables: &mut Tables,
) -> Result<(), ExportError> {
    let mut after = None;
    loop {
        let page = store.summaries(&SummaryQuery {
            range,
            range_type: TimeRangeType::TraceId,
            after,
            limit: PAGE_TRACES,
            scan_limit: usize::MAX,
            conditions: &[],
            matches: &|_| true,
        })?;
        for summary in &page.summaries {
            tables.add_trace(summary)?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn write_edges(
    store: &EmbeddedStore,
    range: TimeRange,
    minutes: &Minutes,
    tables: &mut Tables,
) -> Result<(), ExportError> {
    for start in minutes.starts().filter(|start| range.contains(*start)) {
        let end = start.plus(Micros::from_whole_seconds(60));
        let graph = store.service_graph(TimeRange { start, end })?;
        for ((caller, callee), statistics) in &graph.edges {
            tables.add_edge(start, caller, callee, statistics)?;
        }
    }
    Ok(())
}
