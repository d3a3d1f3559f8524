//! Data directories of every version, in `tests/fixtures`, whose README says what is in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::str;

use roentgen_model::Timestamp;

use super::Damage;
use super::frame::Version;
use super::test_log::{Recovered, TestLog, documents};

/// A copy of the log of a fixture, to open.
fn opened(name: &str) -> (TestLog, Recovered) {
    let log = TestLog::new();
    for entry in fs::read_dir(fixture(name).join("log")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, log.directory.path().join(path.file_name().unwrap())).unwrap();
    }
    let recovered = log.recover();
    (log, recovered)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// When each document of a fixture was received, and the document.
fn expected(name: &str) -> Vec<(Timestamp, Vec<u8>)> {
    let lines = fs::read(fixture(name).join("documents")).unwrap();
    let line = |line: &[u8]| {
        let (micros, bytes) = line.split_at(line.iter().position(|&byte| byte == b' ').unwrap());
        let micros = str::from_utf8(micros).unwrap().parse().unwrap();
        (Timestamp::from_micros(micros), bytes[1..].to_vec())
    };
    lines.strip_suffix(b"\n").unwrap().split(|&byte| byte == b'\n').map(line).collect()
}

/// What was found, and that the same can be read back at its position.
fn found(recovered: &Recovered) -> Vec<(Timestamp, Vec<u8>)> {
    let positions: Vec<_> = recovered.documents.iter().map(|&(position, ..)| position).collect();
    let read = recovered.files.read(&positions);
    let read: Vec<_> = read.into_iter().map(Result::unwrap).collect();
    let read: Vec<_> = read.into_iter().map(|read| (read.received, read.bytes)).collect();
    let told = recovered.documents.iter();
    let told: Vec<_> = told.map(|(_, received, bytes)| (*received, bytes.clone())).collect();
    assert_eq!(told, read);
    read
}

#[test]
fn version_1_is_read_and_does_not_grow() {
    let (log, mut recovered) = opened("v1");
    assert_eq!(found(&recovered), expected("v1"));
    assert_eq!(recovered.damage, Damage::default());
    let versions: Vec<_> = recovered.files.list().iter().map(|file| file.version()).collect();
    assert_eq!(versions, [Version::One, Version::One, Version::Two]);
    let documents: Vec<_> = documents(1).take(20).collect();
    let more = recovered.append(&documents);
    assert_eq!(recovered.writer.number(), 3);
    for name in ["log/00000001.log", "log/00000002.log"] {
        let now = fs::read(log.directory.path().join(&name[4..])).unwrap();
        assert_eq!(now, fs::read(fixture("v1").join(name)).unwrap());
    }
    assert_eq!(log.recover().documents[16..], more);
}

#[test]
fn version_1_is_read_past_damage() {
    let (log, recovered) = opened("v1-damaged");
    let mut expect = expected("v1");
    let [damaged_frame, garbage, unfinished] = [370, 51, 150];
    expect.remove(3);
    assert_eq!(found(&recovered), expect);
    let bytes = damaged_frame + garbage;
    assert_eq!(recovered.damage, Damage { stretches: 2, bytes, torn_bytes: unfinished });
    let again = log.recover();
    assert_eq!(again.damage, Damage { stretches: 2, bytes, torn_bytes: 0 }, "cut off once");
    assert_eq!(again.documents, recovered.documents);
}

#[test]
fn a_version_1_file_with_a_damaged_header_is_read() {
    let log = TestLog::new();
    let path = log.directory.path().join("00000001.log");
    let mut bytes = fs::read(fixture("v1").join("log/00000001.log")).unwrap();
    bytes[3] ^= 1;
    fs::write(path, bytes).unwrap();
    let recovered = log.recover();
    assert_eq!(found(&recovered), expected("v1")[..11]);
    assert_eq!(recovered.damage, Damage { stretches: 1, bytes: 16, torn_bytes: 0 });
    assert_eq!(recovered.writer.number(), 2);
}

#[test]
fn version_2_is_read_and_grows() {
    let (log, mut recovered) = opened("v2");
    assert_eq!(found(&recovered), expected("v2"));
    assert_eq!(recovered.damage, Damage::default());
    assert!(recovered.writer.dictionary().is_some());
    let more = recovered.append(&documents(1).take(20).collect::<Vec<_>>());
    assert_eq!(recovered.writer.number(), 2);
    let count = expected("v2").len();
    assert_eq!(log.recover().documents[count..], more);
}

#[test]
fn version_2_is_read_past_damage() {
    let (log, recovered) = opened("v2-damaged");
    let mut expect = expected("v2");
    let [damaged_block, dictionary, garbage, unfinished] = [345, 18_041, 51, 100];
    expect.drain(16..20);
    assert_eq!(found(&recovered), expect);
    let bytes = damaged_block + dictionary + garbage;
    let damage = Damage { stretches: 3, bytes, torn_bytes: unfinished };
    assert_eq!(recovered.damage, damage);
    let again = log.recover();
    assert_eq!(again.damage, Damage { torn_bytes: 0, ..damage }, "cut off once");
    assert_eq!(again.documents, recovered.documents);
}
