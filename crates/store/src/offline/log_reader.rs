//! All documents of a data directory, in the order of storage.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use roentgen_model::Timestamp;

use super::walk::{self, Log};
use crate::log::Found;
use crate::{StoreError, TimeRange};

/// Reads the documents of a data directory without opening its store.
#[derive(Debug)]
pub struct LogReader {
    log: Log,
}

/// A document of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedDocument<'a> {
    /// When it was received.
    pub received: Timestamp,
    /// The document as it came.
    pub bytes: &'a [u8],
}

/// What reading the log came upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogReading {
    /// Documents told.
    pub documents: u64,
    /// Stretches of damaged bytes that were skipped; [`check`](crate::check) names them.
    pub damaged_stretches: u64,
}

impl LogReader {
    /// Finds the log of a data directory.
    ///
    /// # Errors
    /// [`StoreError::Io`] when there is none.
    pub fn new(data_directory: &Path) -> Result<Self, StoreError> {
        Ok(Self { log: Log::of(data_directory)? })
    }

    /// Bytes of all log files, for those who tell how far they are.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the directory cannot be listed.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        self.log.bytes()
    }

    /// Tells the documents that were received in a range of time. Ends early when `tell` breaks,
    /// or at the end of what was stored when the reading began. `bytes_read` grows with the bytes
    /// of the log that were read.
    ///
    /// # Errors
    /// [`StoreError::Io`] when a file cannot be read, [`StoreError::UnknownVersion`]. Damage is no
    /// error: it is skipped and counted.
    pub fn read(
        &self,
        received_in: TimeRange,
        bytes_read: &AtomicU64,
        mut tell: impl FnMut(LoggedDocument<'_>) -> ControlFlow<()>,
    ) -> Result<LogReading, StoreError> {
        let mut reading = LogReading::default();
        for number in self.log.numbers()? {
            let Some(file) = self.log.open(number)? else { continue };
            let bytes = walk::bytes_of(&file)?;
            let mut counted_to = 0;
            let mut count_to = |offset: u64| {
                bytes_read.fetch_add(offset.saturating_sub(counted_to), Ordering::Relaxed);
                counted_to = offset;
            };
            let ending = walk::walk(&file, bytes, |found| match found {
                Found::Document(position, document) => {
                    count_to(u64::from(position.offset()));
                    if !received_in.contains(document.received) {
                        return ControlFlow::Continue(());
                    }
                    reading.documents += 1;
                    tell(LoggedDocument { received: document.received, bytes: document.bytes })
                }
                Found::Damage { .. } => {
                    reading.damaged_stretches += 1;
                    ControlFlow::Continue(())
                }
            })?;
            if ending.is_none() {
                break;
            }
            count_to(bytes);
        }
        Ok(reading)
    }
}
