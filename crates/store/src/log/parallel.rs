//! Reading the log on all cores.
//!
//! One thread finds the frames and hands them out in batches; others decompress them and make of
//! each document what the caller wants of it, which is where the time goes; the caller takes the
//! results in the order of storage. What is under way at a time is bounded by the number of
//! batches, and does not grow with the log.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope};

use super::block::{Block, BlockReader, LogDocument};
use super::file::LogFile;
use super::position::Position;
use super::scan::{Ending, Found, Piece, Pieces, read_piece};
use crate::StoreError;
use crate::locking::lock;

/// Bytes of frames in a batch, about: some 400 usual documents. Handing one over takes some
/// microseconds.
const BATCH_BYTES: usize = 64 << 10;
/// Batches for each thread that are read, being worked on or waiting for the caller.
const BATCHES_PER_THREAD: usize = 2;

/// A file to read, and from where on.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) file: Arc<LogFile>,
    pub(super) from: u64,
}

/// What is told in the order of storage.
#[derive(Debug)]
pub(super) enum Told<'a, T> {
    /// What was made of a document.
    Document(T),
    /// Damage in a file.
    Damage { file: &'a LogFile, offset: u64, bytes: u64 },
}

/// Reads stretches of the log with `threads` threads: `read` is called on them with every
/// document, `found` on this thread with what it gave. Returns how the files end, in their order.
pub(super) fn scan_all<'a, T: Send>(
    stretches: &'a [Stretch],
    threads: usize,
    read: impl Fn(Position, LogDocument<'_>) -> Option<T> + Sync,
    mut found: impl FnMut(Told<'a, T>) -> Result<(), StoreError>,
) -> Result<Vec<Ending>, StoreError> {
    if stretches.is_empty() {
        return Ok(Vec::new());
    }
    let threads = threads.max(1);
    let read = &read;
    thread::scope(|scope| {
        let (result_sender, results) = sync_channel(threads * BATCHES_PER_THREAD);
        let (job_sender, jobs) = sync_channel::<Job<'a, T>>(threads);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            // When all of them have panicked, the receiver is gone and nobody waits for them.
            let jobs = jobs.clone();
            spawn(scope, format!("store-scan-{number}"), stretches, move || work(&jobs, read))?;
        }
        drop(jobs);
        let finder = spawn(scope, "store-scan".to_owned(), stretches, move || {
            hand_out(stretches, &result_sender, &job_sender)
        })?;
        for result in results {
            for told in result.recv().unwrap_or_default() {
                found(told)?;
            }
        }
        finder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: String,
    stretches: &[Stretch],
    run: impl FnOnce() -> T + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, T>, StoreError> {
    let path = stretches.first().map(|stretch| stretch.file.path.clone()).unwrap_or_default();
    thread::Builder::new()
        .name(name)
        .spawn_scoped(scope, run)
        .map_err(|error| StoreError::io("start a thread to read", &path, error))
}

/// A batch and where its result goes.
type Job<'a, T> = (Batch<'a>, SyncSender<Vec<Told<'a, T>>>);

/// Pieces of a file that follow each other.
struct Batch<'a> {
    file: &'a LogFile,
    pieces: Vec<BatchPiece>,
    payloads: Vec<u8>,
}

enum BatchPiece {
    Frame { offset: u64, payload: Range<usize> },
    Damage { offset: u64, bytes: u64 },
}

impl<'a> Batch<'a> {
    fn new(file: &'a LogFile) -> Self {
        Self { file, pieces: Vec::new(), payloads: Vec::new() }
    }

    fn push(&mut self, piece: Piece<'_>) {
        self.pieces.push(match piece {
            Piece::Frame { offset, payload } => {
                let start = self.payloads.len();
                self.payloads.extend_from_slice(payload);
                BatchPiece::Frame { offset, payload: start..self.payloads.len() }
            }
            Piece::Damage { offset, bytes } => BatchPiece::Damage { offset, bytes },
        });
    }
}

/// The thread that finds frames. Ends early when the caller does.
fn hand_out<'a, T>(
    stretches: &'a [Stretch],
    results: &SyncSender<Receiver<Vec<Told<'a, T>>>>,
    jobs: &SyncSender<Job<'a, T>>,
) -> Result<Vec<Ending>, StoreError> {
    // The place of the result is taken before the job is given out, which bounds both.
    let hand_over = |batch| {
        let (sender, receiver) = sync_channel(1);
        results.send(receiver).is_ok() && jobs.send((batch, sender)).is_ok()
    };
    let mut endings = Vec::with_capacity(stretches.len());
    for Stretch { file, from } in stretches {
        let fail = |error| StoreError::io("read log file", &file.path, error);
        let mut pieces = Pieces::of(file, *from..u64::MAX);
        let mut batch = Batch::new(file);
        while let Some(piece) = pieces.next().map_err(fail)? {
            batch.push(piece);
            if batch.payloads.len() >= BATCH_BYTES
                && !hand_over(std::mem::replace(&mut batch, Batch::new(file)))
            {
                return Ok(endings);
            }
        }
        if !batch.pieces.is_empty() && !hand_over(batch) {
            return Ok(endings);
        }
        endings.push(pieces.ending());
    }
    Ok(endings)
}

/// A thread that reads batches.
fn work<T>(
    jobs: &Mutex<Receiver<Job<'_, T>>>,
    read: impl Fn(Position, LogDocument<'_>) -> Option<T>,
) {
    let mut reader = BlockReader::new();
    let mut block = Block::default();
    loop {
        let job = lock(jobs).recv();
        let Ok((Batch { file, pieces, payloads }, results)) = job else { return };
        let mut told = Vec::new();
        for piece in pieces {
            let mut tell = |found: Found<'_>| -> Result<(), Infallible> {
                told.extend(match found {
                    Found::Document(position, document) => {
                        read(position, document).map(Told::Document)
                    }
                    Found::Damage { offset, bytes } => Some(Told::Damage { file, offset, bytes }),
                });
                Ok(())
            };
            let Ok(()) = match piece {
                BatchPiece::Frame { offset, payload } => {
                    let payload = payloads.get(payload).unwrap_or_default();
                    read_piece(file, offset, payload, &mut reader, &mut block, tell)
                }
                BatchPiece::Damage { offset, bytes } => tell(Found::Damage { offset, bytes }),
            };
        }
        // The caller may have given up.
        let _ = results.send(told);
    }
}
