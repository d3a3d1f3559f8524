//! Bringing documents into a store: lines in, acknowledged documents out.
//!
//! A line that holds no document is told and left out; the rest goes in. Importing twice shows
//! nothing twice, since assembly merges documents with one id; it only costs the bytes.

use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver, SyncSender};

use roentgen_model::Timestamp;
use roentgen_store::{NewDocument, StoreError, TraceStore};

use crate::line::{Line, LineError};
use crate::lines::{Lines, MAX_LINE_BYTES, NumberedLine};

/// Documents appended at once…
const BATCH_DOCUMENTS: usize = 1000;
/// … and their bytes: large enough that their one fsync costs little for each document.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that may wait for the disk. With one, reading and writing would take turns. All of them
/// are far less than a store's queue takes, so that it is never overloaded by an import.
const MAX_WAITING_BATCHES: usize = 4;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Lines read, blank ones included.
    pub lines: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Documents that are now on stable storage.
    pub documents: u64,
    /// Documents and lines that were refused.
    pub refused: u64,
    /// Inferred segments left out: nobody sent them, and they are inferred anew.
    pub inferred: u64,
}

/// Why an import ended early. What was stored before stays; the import can be run again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input could not be read.
    #[error("cannot read behind line {line}: {cause}")]
    Read {
        /// The last line that was read.
        line: u64,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The store took no more.
    #[error("cannot store the documents up to line {line}: {cause}")]
    Store {
        /// The last line that was read.
        line: u64,
        /// What the store said.
        cause: StoreError,
    },
}

/// Something to tell while an import goes on.
#[derive(Debug)]
pub enum ImportEvent<'a> {
    /// A document was refused.
    Refused {
        /// Its line, counted from 1.
        line: u64,
        /// Why.
        reason: &'a LineError,
        /// How many were refused so far, this one included.
        refused: u64,
    },
    /// So much was done.
    Progress(&'a ImportReport),
}

/// Reads documents line by line and stores them. Lines are those of
/// [`write_line`](crate::write_line), or documents as X-Ray's SDKs send them and as BatchGetTraces
/// tells them; these have no time of receipt and are received `now`.
///
/// # Errors
/// When the input cannot be read or the store takes no more. A wrong line is no error: it is told
/// to `tell`, counted, and left out.
pub fn import(
    input: impl BufRead,
    store: &dyn TraceStore,
    now: Timestamp,
    tell: &mut dyn FnMut(ImportEvent<'_>),
) -> Result<ImportReport, ImportError> {
    let mut import = Import::new(store, now, tell);
    let mut lines = Lines::new(input);
    loop {
        let last = import.report.lines;
        let line = lines.next().map_err(|cause| ImportError::Read { line: last, cause })?;
        let Some(line) = line else { break };
        match line {
            NumberedLine::Line(number, bytes) => import.take_line(number, bytes)?,
            NumberedLine::TooLong(number) => {
                import.report.lines = number;
                import.refuse(&LineError::TooLong { limit: MAX_LINE_BYTES });
            }
        }
        import.report.bytes = lines.bytes();
    }
    import.store_batch()?;
    while import.waiting > 0 {
        import.wait_for_one()?;
    }
    Ok(import.report)
}

struct Import<'a> {
    store: &'a dyn TraceStore,
    now: Timestamp,
    tell: &'a mut dyn FnMut(ImportEvent<'_>),
    report: ImportReport,
    batch: Vec<NewDocument>,
    batch_bytes: usize,
    /// Batches that were not acknowledged yet.
    waiting: usize,
    /// How many documents a batch had, and how it went.
    sender: SyncSender<(u64, Result<(), StoreError>)>,
    receiver: Receiver<(u64, Result<(), StoreError>)>,
}

impl<'a> Import<'a> {
    fn new(
        store: &'a dyn TraceStore,
        now: Timestamp,
        tell: &'a mut dyn FnMut(ImportEvent<'_>),
    ) -> Self {
        let (sender, receiver) = mpsc::sync_channel(MAX_WAITING_BATCHES);
        let report = ImportReport::default();
        Self {
            store,
            now,
            tell,
            report,
            batch: vec![],
            batch_bytes: 0,
            waiting: 0,
            sender,
            receiver,
        }
    }

    fn take_line(&mut self, number: u64, line: &[u8]) -> Result<(), ImportError> {
        self.report.lines = number;
        let line = match Line::parse(line) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(reason) => {
                self.refuse(&reason);
                return Ok(());
            }
        };
        if line.is_inferred {
            self.report.inferred += 1;
            return Ok(());
        }
        let received = line.received.unwrap_or(self.now);
        for bytes in line.documents {
            let document = match NewDocument::parse(bytes.into_owned(), received) {
                Ok(document) => document,
                Err(rejection) => {
                    self.refuse(&rejection.into());
                    continue;
                }
            };
            self.batch_bytes += document.bytes().len();
            self.batch.push(document);
        }
        if self.batch.len() >= BATCH_DOCUMENTS || self.batch_bytes >= BATCH_BYTES {
            self.store_batch()?;
        }
        Ok(())
    }

    fn refuse(&mut self, reason: &LineError) {
        self.report.refused += 1;
        let ImportReport { lines: line, refused, .. } = self.report;
        (self.tell)(ImportEvent::Refused { line, reason, refused });
    }

    fn store_batch(&mut self) -> Result<(), ImportError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        while self.waiting >= MAX_WAITING_BATCHES {
            self.wait_for_one()?;
        }
        let documents = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let count = documents.len() as u64;
        let sender = self.sender.clone();
        let done = Box::new(move |result| {
            // There is room for every waiting batch; nobody listens when the import has failed.
            let _ = sender.try_send((count, result));
        });
        let refused = self.store.append(documents, done);
        refused.map_err(|refused| self.failed(refused.error))?;
        self.waiting += 1;
        Ok(())
    }

    fn wait_for_one(&mut self) -> Result<(), ImportError> {
        // Every callback is called once, and we hold a sender ourselves.
        let (count, result) = self.receiver.recv().map_err(|_| self.failed(StoreError::Closed))?;
        self.waiting -= 1;
        result.map_err(|cause| self.failed(cause))?;
        self.report.documents += count;
        (self.tell)(ImportEvent::Progress(&self.report));
        Ok(())
    }

    fn failed(&self, cause: StoreError) -> ImportError {
        ImportError::Store { line: self.report.lines, cause }
    }
}
