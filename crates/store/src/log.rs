//! The segment log: append-only files of checksummed documents. The log is the store; all else
//! can be made from it again. Its bytes are described in `docs/format.md`.

mod disk;
mod file;
mod frame;
mod recovery;
mod scan;
mod writer;

#[cfg(test)]
pub(crate) use disk::AppendFile;
pub(crate) use disk::{Disk, RealDisk};
pub(crate) use file::{FileNumber, LogFile, Position, ReadError};
pub(crate) use recovery::{Damage, Recovered, recover};
pub(crate) use writer::LogWriter;
