//! The segment log: append-only files of documents, compressed in checksummed blocks. The log is
//! the store; all else can be made from it again. Its bytes are described in `docs/format.md`.
//!
//! * `frame` is the envelope of everything in a file, `block` the documents in it, `ids`
//!   what is kept apart from them; `version_1` is what files of the first format had instead.
//! * `writer` appends; `disk` is the seam at which tests make writing fail,
//!   `narrow_disk` one that they fill.
//! * `file` and `files` read documents at their positions, `scan` a file from end to end, and
//!   `recovery` the whole log on all cores when the store is opened.

mod block;
mod dictionary;
mod disk;
mod file;
mod files;
mod frame;
mod ids;
mod narrow_disk;
mod parallel;
mod position;
mod recovery;
mod scan;
mod varint;
mod version_1;
mod writer;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod test_log;

pub(crate) use block::LogDocument;
pub(crate) use dictionary::{DICTIONARY_SAMPLES, train};
pub(crate) use disk::{AppendFile, Disk, RealDisk};
pub(crate) use file::{HeaderState, LogFile, ReadError};
pub(crate) use files::{LogFiles, ReadDocument};
#[cfg(test)]
#[allow(unused_imports, reason = "benches/log is made of these files and uses it")]
pub(crate) use ids::IdPacker;
pub(crate) use narrow_disk::NarrowDisk;
pub(crate) use position::FileNumber;
pub use position::Position;
pub(crate) use recovery::{Damage, Replay, recover};
pub(crate) use scan::{Ending, Found, scan};
pub(crate) use writer::LogWriter;
