//! Damage is found, named, and never a panic.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::file_writer::header;
use super::super::{ColumnCache, Section, SettledError, SettledFile};
use super::samples::{Files, batch_of, bytes_of, plain_summary, read_anything, summaries};

/// The bytes of a file with something in every section.
fn sample() -> Vec<u8> {
    let traces: Vec<_> = (0..40).map(|n| plain_summary(n, 1000)).collect();
    let mut batch = batch_of(5, &traces);
    batch.rest.superseded = vec![(super::super::Sequence(2), traces[3].id)];
    batch.rest.corrections = vec![(super::super::Sequence(2), batch.rest.rollups.clone())];
    bytes_of(&batch)
}

/// What is found when everything is read.
fn check_all(files: &mut Files, bytes: &[u8]) -> Result<(), SettledError> {
    let path = files.save(bytes);
    SettledFile::open(&path, files.cache())?.verify()
}

/// The sections of a file by the offsets they begin at.
fn sections(file: &SettledFile) -> Vec<(u64, Section)> {
    let mut sections = vec![(0, Section::Header)];
    for group in file.groups() {
        for (column, place) in group.places() {
            sections.push((place.offset, Section::Column { group: group.number, column }));
        }
    }
    let footer = &file.footer;
    let mut end = sections.last().map_or(0, |(offset, _)| *offset);
    let last = file.groups().last().and_then(|group| group.places().last());
    end = last.map_or(end, |(_, place)| place.offset + u64::from(place.stored));
    sections.push((end, Section::TraceIndex));
    sections.extend(footer.rollups.iter().map(|rollup| (rollup.place.offset, Section::Rollups)));
    sections.push((footer.superseded.offset, Section::Superseded));
    sections.push((footer.fences.offset, Section::Fences));
    sections.push((footer.filter.offset, Section::Filter));
    sections.push((footer.filter.offset + u64::from(footer.filter.stored), Section::Footer));
    sections.push((file.bytes() - 16, Section::Trailer));
    sections
}

#[test]
fn a_flipped_bit_is_found_and_its_section_named() {
    let mut files = Files::new();
    let bytes = sample();
    let file = files.open(&bytes);
    let sections = sections(&file);
    // Every byte of a file is in a section with a checksum.
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let error = check_all(&mut files, &flipped).unwrap_err();
        let index = sections.partition_point(|(offset, _)| *offset <= at as u64) - 1;
        let (_, expect) = sections[index];
        let SettledError::Damaged { section, .. } = error else { panic!("byte {at}: {error}") };
        // The trailer tells length and checksum of the footer, so either may be the wrong one.
        let is_footer = matches!(section, Section::Footer | Section::Trailer);
        let is_named = section == expect || expect == Section::Trailer && is_footer;
        assert!(is_named, "byte {at}: {section}, not {expect}");
        std::fs::remove_file(files.path_of_last()).unwrap();
    }
}

#[test]
fn a_file_that_was_cut_short_is_damaged() {
    let mut files = Files::new();
    let bytes = sample();
    for length in 0..bytes.len() {
        let error = check_all(&mut files, &bytes[..length]).unwrap_err();
        assert!(matches!(error, SettledError::Damaged { .. }), "{length}: {error}");
        std::fs::remove_file(files.path_of_last()).unwrap();
    }
}

#[test]
fn another_version_is_refused() {
    let mut files = Files::new();
    let mut bytes = sample();
    bytes.splice(..16, header(9));
    let error = check_all(&mut files, &bytes).unwrap_err();
    let message = error.to_string();
    let expect = "has format version 9, but this program reads version 3; what it holds can be \
                  made anew from the log";
    assert!(message.ends_with(expect), "{message}");
}

#[test]
fn a_missing_file_is_an_error_of_the_system() {
    let cache = Arc::new(ColumnCache::new(1 << 20));
    let error = SettledFile::open(std::path::Path::new("missing"), cache).unwrap_err();
    assert!(error.to_string().starts_with("cannot open settled file missing: "), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Checksums do not protect from bytes that were written wrong.
    #[test]
    fn wrong_bytes_with_right_checksums_are_no_panic(
        traces in summaries(6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut files = Files::new();
        let bytes = bytes_of(&batch_of(1, &traces));
        let file = files.open(&bytes);
        let places = file.groups().flat_map(|group| group.places().map(|(_, place)| place).collect::<Vec<_>>());
        let index = file.fences().places().iter().copied();
        let rollups = file.footer.rollups.iter().map(|rollup| rollup.place);
        for place in places.chain(index).chain(rollups) {
            let raw = file.read_chunk(place, Section::Footer).unwrap();
            let mut wrong = raw.clone();
            for (at, byte) in &changes {
                if !wrong.is_empty() {
                    let at = at.index(wrong.len());
                    wrong[at] = *byte;
                }
            }
            read_anything(&wrong, traces.len());
        }
        let mut footer = file.footer.to_bytes();
        for (at, byte) in &changes {
            let at = at.index(footer.len());
            footer[at] = *byte;
        }
        let end = bytes.len() - 16 - file.footer.to_bytes().len();
        let mut wrong = bytes[..end].to_vec();
        wrong.extend_from_slice(&footer);
        wrong.extend_from_slice(&u32::try_from(footer.len()).unwrap().to_le_bytes());
        wrong.extend_from_slice(&crc32fast::hash(&footer).to_le_bytes());
        wrong.extend_from_slice(&bytes[bytes.len() - 8..]);
        let path = files.save(&wrong);
        if let Ok(file) = SettledFile::open(&path, files.cache()) {
            let _unpredictable = file.verify();
        }
    }
}
