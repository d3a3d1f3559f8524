//! What the tests of the log share: documents, and a log in a directory of its own.

use std::sync::Arc;

use roentgen_model::Timestamp;
use tempfile::TempDir;

use super::disk::{Disk, RealDisk};
use super::{Damage, LogDocument, LogFiles, LogWriter, Position, Replay, recover};
use crate::StoreError;

/// Documents like each other, with ids that are not.
pub(super) fn documents(seed: u64) -> impl Iterator<Item = Vec<u8>> {
    (0_u64..).map(move |number| {
        let random = |salt: u64| {
            let mixed = (number ^ seed << 32).wrapping_add(salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
        };
        let (trace, id, url) = (random(number / 3), random(1), random(2) % 100_000);
        let start = 1_795_334_987 + number;
        format!(
            r#"{{"trace_id":"1-6b02a34b-{trace:016x}00000000","id":"{id:016x}","name":"service-{seed}-{}","start_time":{start}.25,"end_time":{start}.75,"http":{{"request":{{"method":"GET","url":"https://shop.example.com/items/{url}"}},"response":{{"status":200}}}}}}"#,
            number % 7
        )
        .into_bytes()
    })
}

/// A document of so many bytes.
pub(super) fn document_of(bytes: usize) -> Vec<u8> {
    vec![b'x'; bytes]
}

/// When the n-th document of a test was received.
pub(super) fn received(number: usize) -> Timestamp {
    Timestamp::from_micros(1_795_334_988_000_000 + i64::try_from(number).unwrap() * 1_234)
}

/// What recovery told.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) documents: Vec<(Position, Timestamp, Vec<u8>)>,
    pub(super) damage: Damage,
    pub(super) writer: LogWriter,
    pub(super) files: LogFiles,
}

/// A directory for a log.
#[derive(Debug)]
pub(super) struct TestLog {
    pub(super) directory: TempDir,
    pub(super) disk: Arc<dyn Disk>,
}

impl TestLog {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), disk: Arc::new(RealDisk) }
    }

    /// Opens the log, reads all of it, and gives its writer.
    pub(super) fn recover(&self) -> Recovered {
        self.recover_from(Position::MIN, Position::MIN).unwrap()
    }

    pub(super) fn recover_from(
        &self,
        from: Position,
        newest_known: Position,
    ) -> Result<Recovered, StoreError> {
        let files = LogFiles::open(self.directory.path())?;
        let mut documents = Vec::new();
        let replay = Replay { from, newest_known, threads: 3 };
        let read = |position, document: LogDocument<'_>| {
            Some((position, document.received, document.bytes.to_vec()))
        };
        let found = |document| {
            documents.push(document);
            Ok(())
        };
        let (writer, damage) = recover(&self.disk, &files, replay, read, found)?;
        Ok(Recovered { documents, damage, writer, files })
    }
}

impl Recovered {
    /// Appends documents as one group; returns what recovery should tell of them.
    pub(super) fn append(&mut self, documents: &[Vec<u8>]) -> Vec<(Position, Timestamp, Vec<u8>)> {
        let mut positions = vec![Position::MAX];
        let group = || (0..).zip(documents).map(|(number, bytes)| (received(number), bytes));
        let log_documents = group().map(|(received, bytes)| LogDocument { received, bytes });
        self.writer.append(log_documents, &mut positions).unwrap();
        assert_eq!(positions.len(), documents.len());
        positions
            .into_iter()
            .zip(group())
            .map(|(at, (received, bytes))| (at, received, bytes.clone()))
            .collect()
    }
}
