//! Taking everything out of a data directory.
//!
//! Nothing is written to the directory, and a server may run on it. The lines are read straight
//! from the log. Traces and edges need what a store makes of the log, so the tables are read from
//! a snapshot in a working directory, which is removed again.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use roentgen_store::{LogReader, StoreError, TimeRange};

#[cfg(feature = "parquet")]
use crate::TableError;
use crate::write_line;

/// Bytes of lines that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The data directory, or the snapshot of it, could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was read could not be written.
    #[error("cannot write")]
    Write(#[from] io::Error),
    /// The working directory could not be removed.
    #[error("cannot remove working directory {path}: {cause}")]
    Cleanup {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A table could not be written.
    #[cfg(feature = "parquet")]
    #[error(transparent)]
    Table(#[from] TableError),
}

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Documents written.
    pub documents: u64,
    /// Rows of the tables besides the documents: traces.
    pub traces: u64,
    /// Rows of the tables besides the documents: edges.
    pub edges: u64,
    /// Stretches of damaged bytes in the log, which were passed over.
    pub damaged_stretches: u64,
}

/// Writes the documents that were received in a range of time as JSON lines, in the order of
/// storage. `bytes_read` grows with the bytes of the log that were read.
///
/// # Errors
/// [`ExportError::Store`], [`ExportError::Write`].
pub fn export_lines(
    data_directory: &Path,
    received_in: TimeRange,
    out: &mut dyn Write,
    bytes_read: &AtomicU64,
) -> Result<ExportReport, ExportError> {
    let mut buffer = Vec::with_capacity(2 * BUFFER_BYTES);
    let mut written = Ok(());
    let reading = LogReader::new(data_directory)?.read(received_in, bytes_read, |document| {
        write_line(document.received, document.bytes, &mut buffer);
        if buffer.len() >= BUFFER_BYTES {
            written = out.write_all(&buffer);
            buffer.clear();
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written?;
    out.write_all(&buffer)?;
    out.flush()?;
    let (documents, damaged_stretches) = (reading.documents, reading.damaged_stretches);
    Ok(ExportReport { documents, damaged_stretches, ..ExportReport::default() })
}
