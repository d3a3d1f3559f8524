//! The tables of a Parquet export: segments, traces, edges. `docs/export.md` tells every column.
//!
//! A table is a list of columns, each with its name, its type and the function that takes its
//! value from a row ([`column`]); [`writer`] gathers rows up to a bound and writes them as one row
//! group. So memory does not depend on the number of rows.

mod column;
mod edges;
mod export;
mod minutes;
mod segments;
#[cfg(test)]
mod tests;
mod traces;
mod writer;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use roentgen_model::{Document, EdgeStatistics, ServiceId, Timestamp, TraceSummary};

use crate::PendingFile;

pub use export::{TableExport, export_tables};

use edges::{Edge, EdgeTable};
use segments::{Segment, SegmentTable};
use traces::TraceTable;
use writer::{Table, TableWriter};

/// Why tables could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A file could not be made or given its name.
    #[error("cannot {action} {path}: {cause}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A table could not be written.
    #[error("cannot write table {table}: {cause}")]
    Write {
        /// The table.
        table: &'static str,
        /// What the writer said.
        cause: ParquetError,
    },
    /// A value is not of its column's type, which is a defect of this program.
    #[error("column {column} of table {table} was given a value of another type")]
    Type {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

/// Rows written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableRows {
    /// Of `segments`, one for each document.
    pub segments: u64,
    /// Of `traces`.
    pub traces: u64,
    /// Of `edges`.
    pub edges: u64,
}

/// The three tables of an export, on their way to `segments.parquet`, `traces.parquet` and
/// `edges.parquet` of a directory. The files have these names when [`Tables::finish`] returns.
#[derive(Debug)]
pub struct Tables {
    directory: PathBuf,
    segments: TableWriter<SegmentTable, PendingFile>,
    traces: TableWriter<TraceTable, PendingFile>,
    edges: TableWriter<EdgeTable, PendingFile>,
}

impl Tables {
    /// Begins the tables in a directory, which is made when it is missing.
    ///
    /// # Errors
    /// [`TableError::File`], also when one of the tables is there already; [`TableError::Write`].
    pub fn create(directory: &Path) -> Result<Self, TableError> {
        fs::create_dir_all(directory).map_err(|cause| TableError::File {
            action: "make directory",
            path: directory.to_owned(),
            cause,
        })?;
        Ok(Self {
            directory: directory.to_owned(),
            segments: begin(directory)?,
            traces: begin(directory)?,
            edges: begin(directory)?,
        })
    }

    /// Adds a document, and the bytes it was parsed from, to `segments`.
    ///
    /// # Errors
    /// [`TableError::Write`]; the tables are then of no use.
    pub fn add_document(
        &mut self,
        document: &Document<'_>,
        received: Timestamp,
        bytes: &[u8],
    ) -> Result<(), TableError> {
        // Parsing makes no document without a (sub)segment.
        let segment = Segment::new(document, received, bytes);
        segment.map_or(Ok(()), |segment| self.segments.append(&segment))
    }

    /// Adds a trace to `traces`.
    ///
    /// # Errors
    /// [`TableError::Write`]; the tables are then of no use.
    pub fn add_trace(&mut self, summary: &TraceSummary) -> Result<(), TableError> {
        self.traces.append(summary)
    }

    /// Adds the calls between two nodes that began in a minute, counted from the Unix epoch, to
    /// `edges`.
    ///
    /// # Errors
    /// [`TableError::Write`]; the tables are then of no use.
    pub fn add_edge(
        &mut self,
        minute: Timestamp,
        caller: &ServiceId,
        callee: &ServiceId,
        statistics: &EdgeStatistics,
    ) -> Result<(), TableError> {
        self.edges.append(&Edge { minute, caller, callee, statistics })
    }

    /// Completes the files, brings them to stable storage and gives them their names.
    ///
    /// # Errors
    /// When that failed; files that do not have their name yet are removed.
    pub fn finish(self) -> Result<TableRows, TableError> {
        let Self { directory, segments, traces, edges } = self;
        // All are complete before the first appears.
        let (segments_file, segments) = segments.finish()?;
        let (traces_file, traces) = traces.finish()?;
        let (edges_file, edges) = edges.finish()?;
        publish::<SegmentTable>(&directory, segments_file)?;
        publish::<TraceTable>(&directory, traces_file)?;
        publish::<EdgeTable>(&directory, edges_file)?;
        Ok(TableRows { segments, traces, edges })
    }
}

fn begin<T: Table>(directory: &Path) -> Result<TableWriter<T, PendingFile>, TableError> {
    let path = path_of::<T>(directory);
    let file = PendingFile::create(&path).map_err(|cause| TableError::File {
        action: "make file",
        path,
        cause,
    })?;
    TableWriter::new(file)
}

fn publish<T: Table>(directory: &Path, file: PendingFile) -> Result<(), TableError> {
    file.finish().map_err(|cause| TableError::File {
        action: "complete file",
        path: path_of::<T>(directory),
        cause,
    })
}

fn path_of<T: Table>(directory: &Path) -> PathBuf {
    directory.join(format!("{}.parquet", T::NAME))
}
