//! Checking a data directory: every byte of it is read, and what is wrong is told with its place.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use roentgen_model::{Document, TraceId};

use super::covered::Covered;
use super::distinct_traces::DistinctTraces;
use super::faults::{Fault, FaultKind, Faults};
use super::report::{CheckReport, CheckedFile};
use super::settled_check::SettledCheck;
use super::walk::{self, Log};
use crate::StoreError;
use crate::data_directory::Directories;
use crate::locking::lock;
use crate::log::{Ending, FileNumber, Found, HeaderState, LogDocument, LogFile, Position};

/// Documents after which a file's traces are counted in, so that threads seldom wait for each
/// other.
const COUNTED_AT_ONCE: usize = 1000;

/// Checks a data directory: checksums, compression, every document as if it came in anew, and
/// whether what is made from the log holds each document once. Reads the files in parallel;
/// `bytes_read` grows with the bytes of the log that were read.
///
/// # Errors
/// When the directory holds no store or cannot be listed. What is wrong inside is no error; it
/// stands in the report.
pub fn check(data_directory: &Path, bytes_read: &AtomicU64) -> Result<CheckReport, StoreError> {
    let log = Log::of(data_directory)?;
    // First what is made from the log, so that the log holds all that it was made from.
    let settled = SettledCheck::open(&Directories::of(data_directory).settled)?;
    let numbers = log.numbers()?;
    let traces = Mutex::new(DistinctTraces::new());
    let checked = Mutex::new(Vec::new());
    let settled_faults = Mutex::new(Faults::default());
    let next = AtomicUsize::new(0);
    let context = Context { log: &log, settled: &settled, traces: &traces, bytes_read };
    // The log files, then the settled ones.
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if let Some(&number) = numbers.get(place) {
                let file = check_file(&context, number, numbers.last() == Some(&number));
                lock(&checked).extend(file.map(|file| (number, file)));
            } else if let Some(faults) = settled.verify(place - numbers.len()) {
                lock(&settled_faults).append(faults);
            } else {
                return;
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| -> Result<(), StoreError> {
        for place in 0..threads.min(numbers.len() + settled.len()) {
            let builder = thread::Builder::new().name(format!("check-{place}"));
            builder
                .spawn_scoped(scope, work)
                .map_err(|error| StoreError::io("start a thread for", data_directory, error))?;
        }
        Ok(())
    })?;
    let mut checked = std::mem::take(&mut *lock(&checked));
    checked.sort_by_key(|(number, _)| *number);
    let mut faults = Faults::default();
    let mut files = Vec::with_capacity(checked.len());
    let mut open_documents = 0;
    for (_, findings) in checked {
        faults.append(findings.faults);
        open_documents += findings.open_documents;
        files.push(findings.file);
    }
    let summary = settled.summary(open_documents);
    faults.append(settled.into_faults());
    faults.append(std::mem::take(&mut *lock(&settled_faults)));
    let traces = lock(&traces).count();
    let (faults, faults_total) = faults.into_parts();
    Ok(CheckReport { files, settled: summary, traces, faults, faults_total })
}

/// What all files are checked with.
struct Context<'a> {
    log: &'a Log,
    settled: &'a SettledCheck,
    traces: &'a Mutex<DistinctTraces>,
    bytes_read: &'a AtomicU64,
}

/// What was found in one file of the log.
struct Findings {
    file: CheckedFile,
    faults: Faults,
    /// Documents that no settled file holds, since their traces are open.
    open_documents: u64,
    covered: Covered,
}

impl Findings {
    fn fault(&mut self, offset: Option<u64>, kind: FaultKind) {
        self.faults.add(Fault { path: self.file.path.clone(), offset, kind });
    }

    /// Tells the trace of a document that is one.
    fn document(&mut self, position: Position, document: LogDocument<'_>) -> Option<TraceId> {
        let file = &mut self.file;
        file.documents += 1;
        file.document_bytes += document.bytes.len() as u64;
        let received = document.received;
        let (oldest, newest) = file.received.unwrap_or((received, received));
        file.received = Some((oldest.min(received), newest.max(received)));
        match Document::parse(document.bytes) {
            Ok(parsed) => {
                self.covered.expect(position);
                Some(parsed.trace_id)
            }
            Err(rejection) => {
                // It is in no settled file either, and need not be.
                self.covered.pass_over(position);
                let offset = u64::from(position.offset());
                self.fault(Some(offset), FaultKind::Document(rejection));
                None
            }
        }
    }
}

/// Checks a log file; `None` when retention has dropped it meanwhile.
fn check_file(context: &Context<'_>, number: FileNumber, is_newest: bool) -> Option<Findings> {
    let mut findings = Findings {
        file: CheckedFile::at(context.log.path_of(number)),
        faults: Faults::default(),
        open_documents: 0,
        covered: Covered::default(),
    };
    let walked = context.log.open(number).and_then(|file| {
        let Some(file) = file else { return Ok(false) };
        walk_file(context, &file, is_newest, &mut findings)?;
        Ok(true)
    });
    match walked {
        Ok(true) => findings.open_documents = compare(context.settled, number, &mut findings),
        Ok(false) => return None,
        Err(StoreError::UnknownVersion { found, .. }) => {
            findings.fault(None, FaultKind::UnknownVersion(found));
        }
        Err(error) => findings.fault(None, FaultKind::Unreadable(error.to_string())),
    }
    Some(findings)
}

fn walk_file(
    context: &Context<'_>,
    file: &LogFile,
    is_newest: bool,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let bytes = walk::bytes_of(file)?;
    findings.file.bytes = bytes;
    findings.file.version = file.told_version();
    // The newest file without a whole header is made anew by the next opening.
    let is_begun = is_newest && file.header == HeaderState::Unfinished;
    if file.header != HeaderState::Sound && !is_begun {
        findings.fault(Some(0), FaultKind::Header);
    }
    let mut ids: Vec<TraceId> = Vec::with_capacity(COUNTED_AT_ONCE);
    let mut counted_to = 0;
    let mut count_in = |ids: &mut Vec<TraceId>, offset: u64| {
        let mut traces = lock(context.traces);
        ids.drain(..).for_each(|id| traces.add(id));
        context.bytes_read.fetch_add(offset.saturating_sub(counted_to), Ordering::Relaxed);
        counted_to = offset;
    };
    let ending = walk::walk(file, bytes, |found| {
        match found {
            Found::Document(position, document) => {
                // Documents of a trace come in a row, so most ids can be passed over.
                let id = findings.document(position, document);
                ids.extend(id.filter(|id| ids.last() != Some(id)));
                if ids.len() >= COUNTED_AT_ONCE {
                    count_in(&mut ids, u64::from(position.offset()));
                }
            }
            Found::Damage { offset, bytes } => {
                findings.covered.damage(offset..offset.saturating_add(bytes));
                findings.fault(Some(offset), FaultKind::Frames(bytes));
            }
        }
        ControlFlow::Continue(())
    })?;
    count_in(&mut ids, bytes);
    if let Some(ending) = ending {
        judge_end(ending, context.settled.was_whole_to(file.number), is_newest, file, findings);
    }
    Ok(())
}

/// Tells what is wrong with the end of a file, of which `was_whole_to` bytes were whole once.
fn judge_end(
    ending: Ending,
    was_whole_to: u64,
    is_newest: bool,
    file: &LogFile,
    findings: &mut Findings,
) {
    let Ending { frames_end, file_end } = ending;
    let tail = file_end.saturating_sub(frames_end);
    let may_grow = is_newest && file.header != HeaderState::Damaged;
    let is_damaged = if may_grow { was_whole_to > frames_end } else { tail > 0 };
    if is_damaged {
        findings.covered.damage(frames_end..u64::MAX);
    }
    if file.header == HeaderState::Unfinished && !may_grow {
        return; // Told as a damaged header.
    }
    if is_damaged && tail > 0 {
        findings.fault(Some(frames_end), FaultKind::Frames(tail));
    } else if may_grow {
        findings.file.unfinished_bytes = tail;
    }
    if was_whole_to > file_end {
        findings.fault(Some(file_end), FaultKind::Shortened(was_whole_to - file_end));
    }
}

/// Compares a log file with the settled files that hold documents of it; tells how many documents
/// are in none of them and need not be.
fn compare(settled: &SettledCheck, number: FileNumber, findings: &mut Findings) -> u64 {
    let mut covered = std::mem::take(&mut findings.covered);
    settled.cover(number, &mut covered);
    let outcome = covered.outcome(settled.replay_from(number));
    for (offset, kind) in outcome.faults {
        findings.fault(Some(offset), kind);
    }
    outcome.open_documents
}
