//! Every kind of damage of the log is found, and told with its place.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use roentgen_model::{Timestamp, TraceId};
use tempfile::TempDir;

use super::{CheckReport, FaultKind, LogReader, check};
use crate::TimeRange;
use crate::data_directory::Directories;
use crate::log::{
    Disk, Found, LogDocument, LogFiles, LogWriter, Position, RealDisk, Replay, recover, scan,
};

const FILES: u64 = 3;
const DOCUMENTS: u64 = 10;

fn document(number: u64) -> Vec<u8> {
    let trace_id = TraceId::from_bytes([7; 16]);
    format!(
        r#"{{"trace_id":"{trace_id}","id":"{number:016x}","name":"app","start_time":1,"end_time":2}}"#
    )
    .into_bytes()
}

/// A data directory of three log files, each with ten documents, each of them in a frame.
fn data_directory(documents: impl Fn(u64) -> Vec<u8>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let Directories { log, .. } = Directories::of(directory.path());
    fs::create_dir(&log).unwrap();
    let files = LogFiles::open(&log).unwrap();
    let replay = Replay { from: Position::MIN, newest_known: Position::MIN, threads: 1 };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (mut writer, _) = recover(&disk, &files, replay, |_, _| Some(()), |()| Ok(())).unwrap();
    for number in 0..FILES {
        if number > 0 {
            writer.rotate(&files, None).unwrap();
        }
        (0..DOCUMENTS).for_each(|number| append(&mut writer, &documents(number)));
    }
    (directory, log)
}

fn append(writer: &mut LogWriter, bytes: &[u8]) {
    let received = Timestamp::from_micros(1_795_334_983_877_574);
    let document = LogDocument { received, bytes };
    writer.append([document].into_iter(), &mut Vec::new()).unwrap();
}

/// Where the frames of a file begin.
fn offsets_of(log: &Path, number: u32) -> Vec<usize> {
    let file = LogFiles::open(log).unwrap().get(number).unwrap();
    let mut offsets = Vec::new();
    scan(&file, 0..u64::MAX, |found| {
        let Found::Document(position, _) = found else { panic!("{found:?}") };
        offsets.push(usize::try_from(position.offset()).unwrap());
        Ok(())
    })
    .unwrap();
    offsets
}

fn path_of(log: &Path, number: u32) -> PathBuf {
    log.join(format!("{number:08}.log"))
}

fn checked(directory: &Path) -> CheckReport {
    check(directory, &AtomicU64::new(0)).unwrap()
}

/// Changes the bytes of a log file, tells what a check says of it, without the directory's path,
/// and puts the file right again.
fn faults_of(log: &Path, number: u32, change: &dyn Fn(&mut Vec<u8>)) -> Vec<String> {
    let path = path_of(log, number);
    let sound = fs::read(&path).unwrap();
    let mut bytes = sound.clone();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let report = checked(log.parent().unwrap());
    fs::write(&path, sound).unwrap();
    assert_eq!(report.faults.len() as u64, report.faults_total);
    let prefix = format!("{}/", log.display());
    report.faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

#[test]
fn damage_is_named_with_file_and_offset() {
    let (_directory, log) = data_directory(document);
    // All files are alike.
    let offsets = offsets_of(&log, 1);
    let [first, second, _, fourth, fifth, ..] = offsets[..] else { panic!("{offsets:?}") };
    let frame = fifth - fourth;
    let check = |number: u32, change: &dyn Fn(&mut Vec<u8>), expect: &[String]| {
        assert_eq!(faults_of(&log, number, change), expect);
    };
    check(1, &|_| {}, &[]);
    for byte in 0..frame {
        let flip = |bytes: &mut Vec<u8>| bytes[fourth + byte] ^= 0x20;
        check(2, &flip, &[format!("00000002.log at {fourth}: {frame} damaged bytes")]);
    }
    let header = |number: u32| vec![format!("{number:08}.log at 0: the file's header is damaged")];
    check(1, &|bytes| bytes[3] ^= 1, &header(1));
    check(3, &|bytes| bytes[3] ^= 1, &header(3));
    check(1, &|bytes| bytes.truncate(5), &header(1));
    // In the newest file, and only there, that is a write that was cut short.
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(fourth + 9);
    check(1, &cut, &[format!("00000001.log at {fourth}: 9 damaged bytes")]);
    check(3, &cut, &[]);
    check(3, &|bytes| bytes.truncate(5), &[]);
    let twice = |bytes: &mut Vec<u8>| {
        bytes[first + 2] ^= 1;
        bytes[fourth + 2] ^= 1;
    };
    let expect = [(first, second - first), (fourth, frame)]
        .map(|(place, bytes)| format!("00000003.log at {place}: {bytes} damaged bytes"));
    check(3, &twice, &expect);
}

#[test]
fn a_file_of_another_version_is_told_and_the_others_are_checked() {
    let (directory, log) = data_directory(document);
    let mut header = *b"ROENTGEN\x63\x00\x00\x00\x00\x00\x00\x00";
    let crc = crc32fast::hash(&header[..12]).to_le_bytes();
    header[12..].copy_from_slice(&crc);
    fs::write(path_of(&log, 2), header).unwrap();
    let report = checked(directory.path());
    let [fault] = report.faults.as_slice() else { panic!("{report:?}") };
    assert!(fault.to_string().ends_with(": format version 99 is not known to this program"));
    assert_eq!(report.documents(), 2 * DOCUMENTS);
}

#[test]
fn what_is_no_document_is_told_although_its_frame_is_sound() {
    let is_none = |number| if number == 4 { b"{}".to_vec() } else { document(number) };
    let (directory, _log) = data_directory(is_none);
    let report = checked(directory.path());
    assert_eq!((report.faults.len(), report.documents()), (3, FILES * DOCUMENTS));
    let text = report.faults[0].to_string();
    assert!(text.contains("00000001.log at "), "{text}");
    assert!(text.contains("a document that is none: Invalid segment. ErrorCode: MissingId"));
}

/// Directories of every version that was ever written are read and checked.
#[test]
fn every_version_is_read_and_checked() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let version_of = |name: &str| name.strip_prefix('v').map(|number| number.parse().unwrap());
    for name in ["v1", "v2"] {
        let stored = fs::read(fixtures.join(name).join("documents")).unwrap();
        let mut lines = stored.split(|byte| *byte == b'\n');
        let all = TimeRange { start: Timestamp::default(), end: Timestamp::MAX };
        let reader = LogReader::new(&fixtures.join(name)).unwrap();
        let read = reader.read(all, &AtomicU64::new(0), |document| {
            let received = document.received.as_micros().to_string();
            let line = [received.as_bytes(), b" ", document.bytes].concat();
            assert_eq!(lines.next(), Some(&line[..]), "{name}");
            ControlFlow::Continue(())
        });
        let read = read.unwrap();
        assert_eq!(lines.next().unwrap_or_default(), b"", "{name}: not all was read");

        let report = checked(&fixtures.join(name));
        assert_eq!((report.documents(), read.damaged_stretches), (read.documents, 0));
        assert!(report.files.iter().all(|file| file.version == version_of(name)), "{report:?}");
        let damaged = |report: &CheckReport| {
            let faults = report.faults.iter();
            faults.filter(|fault| matches!(fault.kind, FaultKind::Frames(_))).count()
        };
        assert_eq!(damaged(&report), 0, "{name}: {:?}", report.faults);
        let report = checked(&fixtures.join(format!("{name}-damaged")));
        assert!(damaged(&report) >= 2, "{name}: {:?}", report.faults);
        assert!(report.files.last().unwrap().unfinished_bytes >= 100, "{name}");
    }
}

#[test]
fn an_unfinished_write_is_told_apart() {
    let (directory, log) = data_directory(document);
    let path = path_of(&log, 3);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let report = checked(directory.path());
    assert_eq!(report.faults, []);
    assert_eq!(report.documents(), FILES * DOCUMENTS - 1);
    let unfinished: Vec<_> = report.files.iter().map(|file| file.unfinished_bytes).collect();
    assert_eq!(unfinished[..2], [0, 0]);
    assert!(unfinished[2] > 0);
}
