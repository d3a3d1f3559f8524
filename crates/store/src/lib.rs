//! Durable storage of traces behind one trait, and its embedded engine.
//!
//! [`TraceStore`] is all that the rest of Roentgen knows of storage. [`EmbeddedStore`] keeps the
//! documents in a segment log, the only place where they are and an acknowledgement comes from.
//! What queries need besides is derived from it: in memory for traces that are open, in settled
//! files for those that are quiet. [`SettingsFile`] keeps what people change.

mod assembling;
mod condition;
mod counters;
mod data_directory;
mod derived;
mod dictionary;
mod engine;
mod error;
mod extent;
#[cfg(test)]
mod failing_disk;
mod live;
mod locking;
mod log;
mod manifest;
mod merging;
mod new_document;
mod offline;
mod open;
mod options;
mod query;
mod queue;
mod read_budget;
mod recovery;
mod replacing;
mod retention;
mod settings;
#[doc(hidden)]
pub mod settled;
mod settling;
mod signal;
mod state;
mod status;
mod trace_store;
mod upkeep;
mod writer;

pub use condition::{
    AnnotationMatch, Condition, Limits, Logic, RequestTest, ServiceMatch, TextField, TextMatch,
};
pub use engine::EmbeddedStore;
pub use error::StoreError;
pub use new_document::NewDocument;
pub use offline::{
    CheckReport, CheckedFile, CheckedSettled, Fault, FaultKind, LogReader, LogReading,
    LoggedDocument, RebuildReport, SnapshotReport, StoreCounts, TraceCount, check, rebuild,
    snapshot,
};
pub use options::{StoreOptions, Tuning};
pub use read_budget::ReadBudget;
pub use settings::{SettingsError, SettingsFile};
pub use status::StoreStatus;
pub use trace_store::{
    Acknowledge, Cursor, GraphQuery, ReceivedDocument, Refused, SummaryPage, SummaryQuery,
    TimeRange, TimeRangeType, TimedGraph, TraceDocuments, TraceFilter, TraceStore,
};
