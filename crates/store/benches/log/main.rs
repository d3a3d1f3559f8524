//! What the segment log costs: bytes and time for each document, written in groups of several
//! sizes, read one at a time and from end to end; and what other sizes of blocks, dictionaries and
//! levels of zstd would cost, which is how the constants of the log were chosen.
//!
//! `cargo bench -p roentgen-store --bench log`; behind it `-- write` for one of `write`, `read`,
//! `recover` and `constants`, or `-- --test` for the sizes alone.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "a part of the store is compiled in, and not all of it is used"
)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "a bench")]

mod corpus;

/// The log is private to the store. So that it can be measured alone, it is a part of this program.
#[path = "../../src"]
mod store {
    pub(crate) mod locking;
    pub(crate) mod log;
}

/// What the log needs of the store around it.
mod data_directory {
    pub(crate) fn sync_directory(_path: &std::path::Path) -> std::io::Result<()> {
        Ok(())
    }
}

/// The errors of the log.
#[derive(Debug, thiserror::Error)]
enum StoreError {
    #[error("cannot {action} {path}: {cause}")]
    Io { action: &'static str, path: PathBuf, cause: io::Error },
    #[error("{path} has format version {found}, {oldest} to {newest} are known")]
    UnknownVersion { path: PathBuf, found: u32, oldest: u32, newest: u32 },
    #[error("closed")]
    Closed,
}

impl StoreError {
    fn io(action: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), cause }
    }
}

use std::cell::LazyCell;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use roentgen_model::Timestamp;
use store::log::{
    Disk, IdPacker, LogDocument, LogFiles, LogWriter, Position, RealDisk, Replay, recover, train,
};
use store::{locking, log};
use tempfile::TempDir;

use corpus::Corpus;

/// A log in a directory of its own.
struct Log {
    _directory: TempDir,
    disk: Arc<dyn Disk>,
    files: LogFiles,
    writer: LogWriter,
}

impl Log {
    fn new(samples: Option<&[Vec<u8>]>) -> Self {
        // In memory where there is such a directory: compression is measured, not fdatasync.
        let memory = Path::new("/dev/shm");
        let directory =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let files = LogFiles::open(directory.path()).unwrap();
        let (writer, _) = recover(&disk, &files, replay(1), |_, _| Some(()), Ok).unwrap();
        let mut log = Self { _directory: directory, disk, files, writer };
        if let Some(samples) = samples {
            let dictionary = log.files.dictionary(&train(samples).unwrap()).unwrap();
            log.writer.rotate(&log.files, Some(dictionary)).unwrap();
        }
        log
    }

    fn append(&mut self, group: &[Vec<u8>], positions: &mut Vec<Position>) {
        let documents = (0..).zip(group).map(|(number, bytes)| LogDocument {
            received: Timestamp::from_micros(1_795_334_987_000_000 + 10 * number),
            bytes,
        });
        self.writer.append(documents, positions).unwrap();
    }
}

fn replay(threads: usize) -> Replay {
    Replay { from: Position::MIN, newest_known: Position::MIN, threads }
}

/// Documents to train from, and others to write.
fn corpus() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut corpus = Corpus::new(7);
    (corpus.by_ref().take(4000).collect(), corpus.skip(6000).take(30_000).collect())
}

fn write(criterion: &mut Criterion) {
    let (samples, documents) = corpus();
    let mut group = criterion.benchmark_group("write");
    for (name, samples) in [("dictionary", Some(&samples[..])), ("no_dictionary", None)] {
        for size in [1, 2, 3, 5, 20, 100, 1000] {
            let name = format!("{name}/groups_of_{size}");
            let mut log = LazyCell::new(|| {
                let mut log = Log::new(samples);
                let empty = log.writer.bytes();
                documents.chunks(size).for_each(|group| log.append(group, &mut Vec::new()));
                tell("write", &name, log.writer.bytes() - empty, documents.len());
                log
            });
            let mut positions = Vec::new();
            let mut groups = documents.chunks(size).cycle();
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(&name, |bencher| {
                LazyCell::force(&log);
                let log = LazyCell::get_mut(&mut log).unwrap();
                bencher.iter(|| {
                    if log.writer.bytes() > 64 << 20 {
                        log.writer.rotate(&log.files, None).unwrap();
                        let oldest = log.files.list().remove(0);
                        log.disk.remove(&oldest.path).unwrap();
                        log.files.remove(oldest.number);
                    }
                    log.append(groups.next().unwrap(), &mut positions);
                });
            });
        }
    }
    group.finish();
}

fn tell(group: &str, name: &str, bytes: u64, documents: usize) {
    eprintln!("{group}/{name}: {:.1} bytes a document", bytes as f64 / documents as f64);
}

fn read(criterion: &mut Criterion) {
    let (samples, documents) = corpus();
    let mut log = Log::new(Some(&samples));
    let (mut all, mut positions) = (Vec::new(), Vec::new());
    for group in documents.chunks(1000) {
        log.append(group, &mut positions);
        all.extend_from_slice(&positions);
    }
    let mut group = criterion.benchmark_group("read");
    // One step of this size passes every block before it comes to one again, so that none of
    // them is in the cache.
    let mut next = 0;
    group.bench_function("one_document", |bencher| {
        bencher.iter(|| {
            next = (next + 1009) % all.len();
            black_box(log.files.read(&all[next..=next]))
        });
    });
    group.bench_function("one_document_cached", |bencher| {
        bencher.iter(|| black_box(log.files.read(&all[0..1])));
    });
    group.bench_function("a_block_of_documents", |bencher| {
        let count = all.iter().take_while(|position| position.block() == all[0].block()).count();
        bencher.iter(|| {
            next = (next + 1009) % (all.len() - count);
            black_box(log.files.read(&all[next..next + count]))
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("recover");
    group.throughput(Throughput::Elements(documents.len() as u64)).sample_size(20);
    for threads in [1, 2] {
        group.bench_function(format!("{threads}_threads"), |bencher| {
            bencher.iter(|| {
                let mut count = 0;
                let read = |_, document: LogDocument<'_>| Some(black_box(document.bytes).len());
                let found = |_| {
                    count += 1;
                    Ok::<(), StoreError>(())
                };
                recover(&log.disk, &log.files, replay(threads), read, found).unwrap();
                assert_eq!(count, documents.len());
            });
        });
    }
    group.finish();
}

/// zstd as the log uses it, with other constants, and with the ids left in the text.
fn constants(criterion: &mut Criterion) {
    let (samples, documents) = corpus();
    let mut group = criterion.benchmark_group("constants");
    group.sample_size(10).throughput(Throughput::Elements(documents.len() as u64));
    for are_ids_apart in [true, false] {
        let samples: Vec<_> = samples.iter().map(|sample| text_of(sample, are_ids_apart)).collect();
        for dictionary_kib in [0, 16, 32, 64, 112] {
            let dictionary = LazyCell::new(|| match dictionary_kib {
                0 => Vec::new(),
                kib => zstd::dict::from_samples(&samples, kib << 10).unwrap(),
            });
            let levels = [4, 8, 16, 32, 64].map(|block| [-1, 1, 2, 3].map(|level| (block, level)));
            // What recompressing files that are complete could bring.
            let cold = [(16, 9), (64, 6), (64, 9), (64, 12), (256, 9)];
            for (block_kib, level) in levels.into_iter().flatten().chain(cold) {
                let ids = if are_ids_apart { "ids_apart" } else { "ids_in_text" };
                let name =
                    format!("{ids}/dictionary_{dictionary_kib}k/blocks_{block_kib}k/level_{level}");
                let blocks = LazyCell::new(|| blocks_of(&documents, block_kib << 10));
                let mut is_told = false;
                group.bench_function(&name, |bencher| {
                    let mut compressor = Compressor::new(level, &dictionary, are_ids_apart);
                    let mut compress =
                        || blocks.iter().map(|block| compressor.compress(block)).sum();
                    if !is_told {
                        tell("constants", &name, compress(), documents.len());
                        is_told = true;
                    }
                    bencher.iter(compress);
                });
            }
        }
    }
    group.finish();
}

fn text_of(document: &[u8], are_ids_apart: bool) -> Vec<u8> {
    if !are_ids_apart {
        return document.to_vec();
    }
    let mut packer = IdPacker::new();
    packer.pack(document);
    packer.text
}

fn blocks_of(documents: &[Vec<u8>], block_bytes: usize) -> Vec<Vec<u8>> {
    let mut blocks = vec![Vec::new()];
    for document in documents {
        if blocks.last().unwrap().len() + document.len() > block_bytes {
            blocks.push(Vec::new());
        }
        blocks.last_mut().unwrap().extend_from_slice(document);
    }
    blocks
}

struct Compressor {
    packer: Option<IdPacker>,
    zstd: zstd::bulk::Compressor<'static>,
    compressed: Vec<u8>,
}

impl Compressor {
    fn new(level: i32, dictionary: &[u8], are_ids_apart: bool) -> Self {
        let mut zstd = zstd::bulk::Compressor::with_dictionary(level, dictionary).unwrap();
        zstd.include_contentsize(false).unwrap();
        zstd.include_checksum(false).unwrap();
        zstd.include_dictid(false).unwrap();
        let compressed = Vec::with_capacity(1 << 20);
        Self { packer: are_ids_apart.then(IdPacker::new), zstd, compressed }
    }

    /// The bytes of a compressed block.
    fn compress(&mut self, block: &[u8]) -> u64 {
        let ids = match &mut self.packer {
            Some(packer) => {
                packer.pack(block);
                self.zstd.compress_to_buffer(&packer.text, &mut self.compressed).unwrap();
                packer.ids.len()
            }
            None => {
                self.zstd.compress_to_buffer(block, &mut self.compressed).unwrap();
                0
            }
        };
        (ids + self.compressed.len()) as u64
    }
}

criterion_group!(benches, write, read, constants);
criterion_main!(benches);
