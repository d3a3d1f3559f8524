//! Making everything anew that is made from the log.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use roentgen_model::{ServiceGraph, Timestamp};
use roentgen_ops::Clock;

use crate::data_directory::{DataDirectory, sync_directory};
use crate::log::RealDisk;
use crate::{EmbeddedStore, StoreError, StoreOptions, TimeRange, TraceStore as _};

/// What a store tells of itself, to be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Traces.
    pub traces: u64,
    /// Documents.
    pub documents: u64,
    /// Nodes of the service graph of all time.
    pub nodes: u64,
    /// Its edges.
    pub edges: u64,
    /// Completed requests that its nodes count.
    pub requests: i64,
}

/// What a store told of itself before and after it was made anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildReport {
    /// Before.
    pub before: StoreCounts,
    /// After.
    pub after: StoreCounts,
}

/// Removes everything that is made from the log of a data directory and makes it anew. Drops
/// nothing of the log, whatever retention says.
///
/// # Errors
/// As [`EmbeddedStore::open`]: above all [`StoreError::Locked`] while a server runs.
pub fn rebuild(options: StoreOptions, clock: Arc<dyn Clock>) -> Result<RebuildReport, StoreError> {
    let options = StoreOptions { is_retention_paused: true, ..options };
    let store = EmbeddedStore::open(options.clone(), clock.clone())?;
    let before = counts(&store)?;
    store.close();
    let directory = DataDirectory::open(&options.directory)?;
    remove_files(&directory.directories().settled)?;
    let store = EmbeddedStore::open_in(directory, options, clock, Arc::new(RealDisk))?;
    store.settle()?;
    let after = counts(&store)?;
    store.close();
    Ok(RebuildReport { before, after })
}

/// Removes the files of a directory and makes that durable.
fn remove_files(directory: &Path) -> Result<(), StoreError> {
    let remove = || {
        for entry in fs::read_dir(directory)? {
            fs::remove_file(entry?.path())?;
        }
        sync_directory(directory)
    };
    remove().map_err(|error| StoreError::io("remove the files of", directory, error))
}

fn counts(store: &EmbeddedStore) -> Result<StoreCounts, StoreError> {
    let all = TimeRange { start: Timestamp::default(), end: Timestamp::MAX };
    let ServiceGraph { nodes, edges } = store.service_graph(all)?;
    let status = store.status();
    Ok(StoreCounts {
        traces: status.traces as u64,
        documents: status.documents,
        nodes: nodes.len() as u64,
        edges: edges.len() as u64,
        requests: nodes.values().map(|node| node.requests.total()).sum(),
    })
}
