//! Traces in open formats: JSON lines, which also come back in, and Parquet tables.
//!
//! JSON lines ([`export_lines`], [`import`]) carry the documents themselves, byte for byte, and so
//! everything that a store can be made from again. The tables (`export_tables`, with the cargo
//! feature `parquet`) carry what people ask of many traces at once: segments, traces and the edges
//! of the service graph. `docs/export.md` describes both.
//!
//! It is a crate of its own because a writer of Parquet has no business in the engine, nor the
//! engine's files in the server.

mod export;
mod import;
mod line;
mod lines;
mod pending_file;
#[cfg(feature = "parquet")]
mod tables;

pub use export::{ExportError, ExportReport, export_lines};
pub use import::{ImportError, ImportEvent, ImportReport, import};
pub use line::{LineError, write_line};
pub use pending_file::PendingFile;
#[cfg(feature = "parquet")]
pub use tables::{TableError, TableExport, TableRows, Tables, export_tables};
