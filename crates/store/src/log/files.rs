//! All files of the log for reading, and documents at their positions.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use roentgen_model::Timestamp;

use super::block::{Block, BlockReader};
use super::dictionary::{Dictionaries, Dictionary};
use super::file::{LogFile, ReadError, number_of, path_of};
use super::position::{FileNumber, Position};
use crate::StoreError;
use crate::locking::{lock, read, write};

/// Memory of decompressed blocks that are kept: those of a few large traces. A trace is read more
/// than once when its page is open, and its blocks hold the traces of the same moment.
const CACHE_BYTES: u64 = 2 << 20;
/// Readers kept for the next time; each has some 150 KiB.
const KEPT_READERS: usize = 4;

/// A document as it was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadDocument {
    /// When it was received.
    pub(crate) received: Timestamp,
    /// The document as it came.
    pub(crate) bytes: Vec<u8>,
}

/// The log files of a directory.
#[derive(Debug)]
pub(crate) struct LogFiles {
    directory: PathBuf,
    files: RwLock<BTreeMap<FileNumber, Arc<LogFile>>>,
    dictionaries: Arc<Dictionaries>,
    blocks: Cache<Position, Arc<Block>, BlockMemory>,
    readers: Mutex<Vec<Reader>>,
}

#[derive(Clone, Debug)]
struct BlockMemory;

impl Weighter<Position, Arc<Block>> for BlockMemory {
    fn weight(&self, _block: &Position, block: &Arc<Block>) -> u64 {
        block.memory() as u64
    }
}

#[derive(Debug)]
struct Reader {
    blocks: BlockReader,
    buffer: Vec<u8>,
}

impl LogFiles {
    /// Opens all log files of a directory; other files are left alone. Changes nothing. Fails when
    /// a file has an unknown version.
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        let files = Self::unopened(directory);
        for number in files.numbers()? {
            files.add(files.open_file(number)?);
        }
        Ok(files)
    }

    /// The log of a directory without any of its files, for those who open one after the other:
    /// beside a running store, retention may drop any of them meanwhile.
    pub(crate) fn unopened(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            files: RwLock::default(),
            dictionaries: Arc::default(),
            // Room for as many blocks as there are when each has a few small documents.
            blocks: Cache::with_weighter(1024, CACHE_BYTES, BlockMemory),
            readers: Mutex::default(),
        }
    }

    /// The numbers of the files that are in the directory now, oldest first.
    pub(crate) fn numbers(&self) -> Result<Vec<FileNumber>, StoreError> {
        list(&self.directory)
            .map_err(|error| StoreError::io("list directory", &self.directory, error))
    }

    /// Where a file is.
    pub(crate) fn path_of(&self, number: FileNumber) -> PathBuf {
        path_of(&self.directory, number)
    }

    /// Where the files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// All files, oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<LogFile>> {
        read(&self.files).values().cloned().collect()
    }

    /// A file, unless it is gone.
    pub(crate) fn get(&self, number: FileNumber) -> Option<Arc<LogFile>> {
        read(&self.files).get(&number).cloned()
    }

    /// Takes in a file that was begun.
    pub(crate) fn add(&self, file: Arc<LogFile>) {
        write(&self.files).insert(file.number, file);
    }

    /// Forgets a file: its documents are gone.
    pub(crate) fn remove(&self, number: FileNumber) -> Option<Arc<LogFile>> {
        write(&self.files).remove(&number)
    }

    /// Opens a file of the directory.
    pub(crate) fn open_file(&self, number: FileNumber) -> Result<Arc<LogFile>, StoreError> {
        LogFile::open(&self.directory, number, self.dictionaries.clone()).map(Arc::new)
    }

    /// The dictionary of the newest file that has one.
    pub(crate) fn newest_dictionary(&self) -> Option<Arc<Dictionary>> {
        self.list().iter().rev().find_map(|file| file.dictionary().cloned())
    }

    /// A dictionary that was trained, for the next file. Fails when the bytes are none.
    pub(crate) fn dictionary(&self, bytes: &[u8]) -> io::Result<Arc<Dictionary>> {
        self.dictionaries.get(bytes)
    }

    /// Reads documents back. Those that stand in the same block one after the other cost one
    /// decompression, so positions are best in their order.
    pub(crate) fn read(&self, positions: &[Position]) -> Vec<Result<ReadDocument, ReadError>> {
        let mut reader = lock(&self.readers)
            .pop()
            .unwrap_or_else(|| Reader { blocks: BlockReader::new(), buffer: Vec::new() });
        let mut newest: Option<(Position, Arc<Block>)> = None;
        let read = |&position: &Position| {
            let block = match &newest {
                Some((at, block)) if *at == position.block() => block.clone(),
                _ => self.block(position.block(), &mut reader)?,
            };
            newest = Some((position.block(), block.clone()));
            let document = block.document(position.place()).ok_or(ReadError::Damaged)?;
            Ok(ReadDocument { received: document.received, bytes: document.bytes.to_vec() })
        };
        let documents = positions.iter().map(read).collect();
        let mut readers = lock(&self.readers);
        if readers.len() < KEPT_READERS {
            readers.push(reader);
        }
        documents
    }

    fn block(&self, at: Position, reader: &mut Reader) -> Result<Arc<Block>, ReadError> {
        // A file that is gone is gone, even while blocks of it are cached.
        let file = self.get(at.file()).ok_or(ReadError::Gone)?;
        if let Some(block) = self.blocks.get(&at) {
            return Ok(block);
        }
        let mut block = Block::default();
        file.read_block(at.offset(), &mut reader.blocks, &mut reader.buffer, &mut block)?;
        let block = Arc::new(block);
        self.blocks.insert(at, block.clone());
        Ok(block)
    }
}

/// The numbers of the log files of a directory, oldest first.
fn list(directory: &Path) -> io::Result<Vec<FileNumber>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        numbers.extend(entry?.file_name().to_str().and_then(number_of));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::test_log::{TestLog, document_of, documents};
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn documents_are_read_at_their_positions_in_any_order() {
        let log = TestLog::new();
        let mut opened = log.recover();
        let mut all = opened.append(&documents(1).take(100).collect::<Vec<_>>());
        let samples: Vec<_> = documents(1).take(1000).collect();
        let dictionary = crate::log::train(&samples).unwrap();
        let dictionary = opened.files.dictionary(&dictionary).unwrap();
        opened.writer.rotate(&opened.files, Some(dictionary)).unwrap();
        all.extend(opened.append(&documents(2).take(100).collect::<Vec<_>>()));
        // Blocks larger than what is read at once: compressed, and what does not compress.
        let noise: Vec<_> = documents(3).take(200).flatten().filter(u8::is_ascii_digit).collect();
        all.extend(opened.append(&[document_of(64 << 10), noise[..9000].to_vec()]));
        let reopened = log.recover();
        for files in [&opened.files, &reopened.files] {
            for stride in [1, 7, 101, 197] {
                let order: Vec<_> = (0..all.len()).map(|n| n * stride % all.len()).collect();
                let positions: Vec<_> = order.iter().map(|&index| all[index].0).collect();
                let read = files.read(&positions);
                assert_eq!(read.len(), order.len());
                for (index, read) in order.into_iter().zip(read) {
                    let read = read.unwrap();
                    let (_, received, bytes) = &all[index];
                    assert_eq!((read.received, &read.bytes), (*received, bytes), "{index}");
                }
            }
        }
    }

    #[test]
    fn documents_are_read_by_many_at_a_time() {
        let log = TestLog::new();
        let mut opened = log.recover();
        let all = opened.append(&documents(1).take(3000).collect::<Vec<_>>());
        let barrier = Barrier::new(6);
        thread::scope(|scope| {
            for number in 0..6 {
                let (all, files, barrier) = (&all, &opened.files, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for (position, _, bytes) in all.iter().skip(number).step_by(6) {
                        let [read] = &files.read(&[*position])[..] else { panic!("one document") };
                        assert_eq!(read.as_ref().unwrap().bytes, *bytes);
                    }
                });
            }
        });
        assert!(lock(&opened.files.readers).len() <= KEPT_READERS);
        assert!(opened.files.blocks.weight() <= CACHE_BYTES);
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        let log = TestLog::new();
        let mut opened = log.recover();
        let all = opened.append(&documents(1).take(5).collect::<Vec<_>>());
        let [first, .., last] = &all[..] else { panic!("five documents") };
        let check = |at: Position, expect: &str| {
            let [result] = &opened.files.read(&[at])[..] else { panic!("one result") };
            let error = result.as_ref().unwrap_err();
            assert_eq!(error.to_string(), expect, "{at:?}");
        };
        let at = |offset, place| Position::new(1, offset, place).unwrap();
        let end = u32::try_from(opened.writer.bytes()).unwrap();
        let damaged = "the block is damaged";
        check(at(last.0.offset(), 5), damaged);
        check(at(last.0.offset() + 1, 0), damaged);
        check(at(end, 0), damaged);
        check(at(u32::MAX, 0), damaged);
        check(Position::new(2, first.0.offset(), 0).unwrap(), "the log file is gone");
        opened.files.read(&[first.0]).remove(0).unwrap();
        assert!(opened.files.remove(1).is_some() && opened.files.remove(1).is_none());
        check(first.0, "the log file is gone");
    }

    #[test]
    fn other_files_are_left_alone() {
        let log = TestLog::new();
        for name in ["00000003.log.old", "3.log", "lock", "16777216.log"] {
            fs::write(log.directory.path().join(name), b"not ours").unwrap();
        }
        let opened = log.recover();
        let numbers: Vec<_> = opened.files.list().iter().map(|file| file.number).collect();
        assert_eq!(numbers, [1]);
    }
}
