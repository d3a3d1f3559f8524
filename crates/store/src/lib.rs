//! Durable storage of traces behind one trait, and its embedded engine.

//!
//! [`TraceStore`] is all that the rest of Roentgen knows of storage. [`EmbeddedStore`] keeps the
//! documents in a segment log, the only thing that is written; everything else is made from the
//! log at opening and kept in memory. [`SettingsFile`] keeps what people change.

mod backlog;
mod data_directory;
mod engine;
mod error;
mod index;
mod indexer;
mod interner;
mod locking;
mod log;
mod options;
mod queue;
mod retention;
mod settings;
mod state;
mod status;
mod summaries;
mod trace_store;

pub use engine::EmbeddedStore;
pub use error::StoreError;
pub use options::StoreOptions;
pub use settings::{SettingsError, SettingsFile};
pub use status::StoreStatus;
pub use trace_store::{
    Acknowledge, Cursor, ReceivedDocument, SummaryPage, SummaryQuery, TimeRange, TimeRangeType,
    TraceDocuments, TraceStore,
};
