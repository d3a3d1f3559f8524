//! Settled files: what is derived from the log for traces that have become quiet.
//!
//! A settled file holds, for a batch of traces, where their documents stand in the log (the trace
//! index), their summaries (columns, in row groups) and their contribution to the service graph
//! (rollups by minute). It is written once and never changed; small files are merged into larger
//! ones. Everything in it can be made anew from the log, so a damaged file costs time, not data.
//!
//! `docs/format-settled.md` describes the bytes.
//!
//! A trace that goes on after it has settled settles again, in a later file: that file takes back
//! what the earlier one says of it, by a *correction* of its rollups and by an entry in the list
//! of *superseded* rows. Files refer to each other by [`Sequence`]; what refers to a file that is
//! gone is void, so the oldest files can go at any time.

mod chunk;
mod codes;
mod column_cache;
mod columns;
mod digests;
mod encoding;
mod error;
mod evaluate;
mod file;
mod file_writer;
mod filter;
mod filtered_graphs;
mod footer;
mod group;
mod lists;
mod merge;
mod numbering;
mod observed;
mod opening;
mod parallel;
mod query;
mod received_links;
mod rollups;
mod row_reader;
mod scan;
mod selection;
mod sequence;
mod service_graph;
mod service_names;
mod steps;
mod texts;
mod trace_index;
mod write;

#[cfg(test)]
mod tests;

pub use crate::log::Position;
pub use column_cache::ColumnCache;
pub use columns::ColumnName;
pub use error::{Section, SettledError};
pub use file::SettledFile;
pub use filtered_graphs::{FilteredGraphs, FilteredRows, filtered_graphs};
pub use merge::{MergeError, merge_settled};
pub use observed::{Kinds, ObservedTrace};
pub(crate) use parallel::map_in_parallel;
pub use parallel::{ScanThreads, Scanning};
pub use query::{NoOpenTraces, OpenTrace, OpenTraces, QueriedFile};
pub use received_links::{ReceivedLinks, received_links};
pub use scan::find_page;
pub use sequence::{Sequence, Sequences};
pub use service_graph::service_graphs;
pub use steps::Steps;
pub use trace_index::IndexEntry;
pub use write::{SettledBatch, SettledTrace, SettledWriter};
