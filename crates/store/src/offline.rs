//! What is done to a data directory without serving from it: reading all of it, checking it, copying
//! it, and making anew what is made from its log.
//!
//! All but the last neither takes the lock nor writes to the directory, so it works beside a running
//! server. That may write, settle, merge and drop files meanwhile. Files appear under their names
//! whole and are never changed afterwards, but for the newest log file and the manifest, which grow
//! at their ends; so what was there when the work began is found in the same state or, dropped by
//! retention or merged away, not at all.

mod check;
mod covered;
mod distinct_traces;
mod faults;
mod log_reader;
mod rebuild;
mod report;
mod settled_check;
mod snapshot;
#[cfg(test)]
mod tests;
mod walk;

pub use check::check;
pub use distinct_traces::TraceCount;
pub use faults::{Fault, FaultKind};
pub use log_reader::{LogReader, LogReading, LoggedDocument};
pub use rebuild::{RebuildReport, StoreCounts, rebuild};
pub use report::{CheckReport, CheckedFile, CheckedSettled};
pub use snapshot::{SnapshotReport, snapshot};
