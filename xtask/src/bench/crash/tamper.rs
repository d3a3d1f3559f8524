//! What happens to the files between a kill and the next start.

use std::fs::{self, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::files::{
    LogFile, derived_at, derived_directories, derived_files, is_manifest, log_files,
};
use super::ledger::{Ledger, Place};
use crate::bench::random::Random;

/// What is done to a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Nothing but the kill.
    Kill,
    /// Kills while the store is opened, too.
    Opening,
    /// The newest log file is cut off, or ends in garbage, behind what counts as acknowledged.
    Torn,
    /// Flipped bits and overwritten stretches in log files.
    FlipLog,
    /// The same in settled files, which may also be cut off.
    FlipSettled,
    /// The same in the manifest.
    FlipManifest,
    /// Derived files are removed: one, some, or all.
    Delete,
    /// The disk is full after some bytes, until the next start.
    DiskFull,
    /// Retention drops log files all the time, by their bytes or by their age.
    Retention,
}

impl Mode {
    /// All, with their names on the command line.
    pub(super) const ALL: [(&'static str, Self); 9] = [
        ("kill", Self::Kill),
        ("opening", Self::Opening),
        ("torn", Self::Torn),
        ("flip-log", Self::FlipLog),
        ("flip-settled", Self::FlipSettled),
        ("flip-manifest", Self::FlipManifest),
        ("delete", Self::Delete),
        ("disk-full", Self::DiskFull),
        ("retention", Self::Retention),
    ];
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Tampering {
    /// In words, for whoever looks into a fault.
    pub(super) deeds: Vec<String>,
    /// Files whose bytes were changed: the server must name one of them.
    pub(super) damaged: Vec<DamagedFile>,
    /// Acknowledged documents that may be lost by it.
    pub(super) doubted: u64,
}

/// A file with changed bytes.
#[derive(Debug)]
pub(super) struct DamagedFile {
    pub(super) path: PathBuf,
    /// What it holds since then.
    content: Vec<u8>,
}

impl DamagedFile {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let content = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), content })
    }

    /// Whether it is still there, as damaged as it was.
    pub(super) fn is_there(&self) -> bool {
        fs::read(&self.path).is_ok_and(|content| content == self.content)
    }
}

/// Files of which the newest are written with some delay: a file's time of change is that of the
/// kernel's last tick.
const TICK: Duration = Duration::from_millis(20);

/// Bytes of a log file's own header; see docs/format.md.
const LOG_HEADER: u64 = 16;

/// Longest garbage and longest overwritten stretch.
const STRETCH: u64 = 5000;

/// Does what the mode says; nothing when there are no such files.
pub(super) fn tamper(
    mode: Mode,
    data: &Path,
    ledger: &mut Ledger,
    run: Range<u64>,
    random: &mut Random,
) -> anyhow::Result<Tampering> {
    let mut done = Tampering::default();
    match mode {
        Mode::Kill | Mode::Opening | Mode::DiskFull | Mode::Retention => {}
        Mode::Torn => tear(data, ledger, run, random, &mut done)?,
        Mode::FlipLog => flip_log(data, ledger, random, &mut done)?,
        Mode::FlipSettled | Mode::FlipManifest => {
            let mut files = derived_files(data)?;
            files.retain(|(path, bytes)| {
                is_manifest(path) == (mode == Mode::FlipManifest) && *bytes > 0
            });
            if let Some((path, bytes)) = random.of(&files) {
                damage(path, *bytes, random, &mut done)?;
            }
        }
        Mode::Delete => delete(data, random, &mut done)?,
    }
    Ok(done)
}

/// Makes it so that power had failed between two acknowledgements of this run: what was written
/// after the first of them is cut off, garbled or both.
fn tear(
    data: &Path,
    ledger: &mut Ledger,
    run: Range<u64>,
    random: &mut Random,
    done: &mut Tampering,
) -> anyhow::Result<()> {
    let Some(newest) = log_files(data)?.pop() else { return Ok(()) };
    // What is settled was synced before; a point in time after that is one that could be.
    let settled = derived_at(data)? + TICK;
    let of_run = ledger.calls().filter(|call| run.contains(&call.slots.start));
    let ends: Vec<Place> = of_run
        .filter(|call| call.acknowledged.is_some_and(|time| time > settled))
        .map(|call| call.places.end)
        .filter(|(file, offset)| *file == newest.number && *offset <= newest.bytes)
        .collect();
    let from = random.of(&ends).map_or(newest.bytes, |(_, offset)| *offset);
    done.doubted = ledger.doubt(|call| call.places.end > (newest.number, from));
    let file = OpenOptions::new().write(true).open(&newest.path)?;
    let end = random.within(from..newest.bytes + 1);
    if random.once_in(3) {
        // Pages reach the disk in any order, so what stands behind may be whole.
        let zeros = vec![0; usize::try_from(random.within(end..newest.bytes + 1) - end)?];
        file.write_all_at(&zeros, end)?;
        done.deeds.push(format!("{}: {} zeros at {end}", newest.path.display(), zeros.len()));
        return Ok(());
    }
    file.set_len(end)?;
    done.deeds.push(format!("{}: cut off at {end}", newest.path.display()));
    if random.once_in(2) {
        let length = random.within(1..STRETCH);
        file.write_all_at(&random.bytes(length), end)?;
        done.deeds.push(format!("then {length} random bytes"));
    }
    Ok(())
}

/// Damages one to three places of the log. Documents are in doubt whose call's stretch of the log
/// has such a place, and all of a file whose dictionary is lost.
fn flip_log(
    data: &Path,
    ledger: &mut Ledger,
    random: &mut Random,
    done: &mut Tampering,
) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for file in log_files(data)?.into_iter().filter(|file| file.bytes > LOG_HEADER) {
        let dictionaries = dictionaries(&file)?;
        files.push((file, dictionaries));
    }
    for _ in 0..random.within(1..4) {
        let index = usize::try_from(random.within(0..u64::try_from(files.len())?))?;
        let Some((file, dictionaries)) = files.get_mut(index) else { break };
        let hit = damage_bytes(&file.path, file.bytes, random, done)?;
        let (start, end) = ((file.number, hit.start), (file.number, hit.end));
        done.doubted += ledger.doubt(|call| call.places.start < end && start < call.places.end);
        let copies = dictionaries.len();
        dictionaries.retain(|copy| copy.end <= hit.start || hit.end <= copy.start);
        if copies > 0 && dictionaries.is_empty() {
            let (first, last) = ((file.number, 0), (file.number + 1, 0));
            done.doubted +=
                ledger.doubt(|call| call.places.start < last && first < call.places.end);
            done.deeds.push("with that, every copy of its dictionary".to_owned());
        }
    }
    Ok(())
}

/// Where the copies of the dictionary stand that a log file begins with; docs/format.md has the
/// bytes. The file can be read as long as one of them is whole.
fn dictionaries(log: &LogFile) -> anyhow::Result<Vec<Range<u64>>> {
    let file = fs::File::open(&log.path)?;
    let mut version = [0; 4];
    file.read_exact_at(&mut version, 8)?;
    let mut copies = Vec::new();
    let mut start = LOG_HEADER;
    while u32::from_le_bytes(version) >= 2 && start + FRAME_HEAD as u64 <= log.bytes {
        let mut head = [0; FRAME_HEAD];
        file.read_exact_at(&mut head, start)?;
        let [_, _, _, _, a, b, c, d, _, _, _, _, kind] = head;
        let end = start + FRAME_HEAD as u64 - 1 + u64::from(u32::from_le_bytes([a, b, c, d]));
        if kind & KIND_BITS != DICTIONARY || end > log.bytes {
            break;
        }
        copies.push(start..end);
        start = end;
    }
    Ok(copies)
}

/// Marker, length and checksum of a frame, and the byte that has its kind in its lower bits.
const FRAME_HEAD: usize = 13;
const KIND_BITS: u8 = 7;
const DICTIONARY: u8 = 1;

/// Damages a derived file, or cuts it off.
fn damage(
    path: &Path,
    bytes: u64,
    random: &mut Random,
    done: &mut Tampering,
) -> anyhow::Result<()> {
    if random.once_in(4) {
        let length = random.within(0..bytes);
        OpenOptions::new().write(true).open(path)?.set_len(length)?;
        done.deeds.push(format!("{}: cut off at {length} of {bytes}", path.display()));
        done.damaged.push(DamagedFile::read(path)?);
        return Ok(());
    }
    damage_bytes(path, bytes, random, done)?;
    Ok(())
}

/// Flips one bit, or overwrites a stretch. Gives where the changed bytes stand.
fn damage_bytes(
    path: &Path,
    bytes: u64,
    random: &mut Random,
    done: &mut Tampering,
) -> anyhow::Result<Range<u64>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let start = random.within(0..bytes);
    let length = if random.once_in(3) { random.within(1..STRETCH).min(bytes - start) } else { 1 };
    let mut stretch = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut stretch, start)?;
    let what = if length == 1 {
        let bit = random.within(0..8);
        stretch.iter_mut().for_each(|byte| *byte ^= 1 << bit);
        format!("bit {bit} of byte {start} of {bytes} flipped")
    } else {
        // Every byte another one.
        stretch.iter_mut().for_each(|byte| *byte ^= random.bytes(1).first().map_or(1, |x| x | 1));
        format!("bytes {start} to {} of {bytes} overwritten", start + length)
    };
    file.write_all_at(&stretch, start)?;
    done.deeds.push(format!("{}: {what}", path.display()));
    done.damaged.push(DamagedFile::read(path)?);
    Ok(start..start + length)
}

fn delete(data: &Path, random: &mut Random, done: &mut Tampering) -> anyhow::Result<()> {
    let files = derived_files(data)?;
    let (what, doomed): (_, Vec<_>) = match random.within(0..3) {
        0 => {
            for path in derived_directories(data)? {
                fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
                done.deeds.push(format!("{} removed", path.display()));
            }
            ("the other derived files", derived_files(data)?)
        }
        1 => ("one derived file", random.of(&files).into_iter().cloned().collect()),
        _ => ("some derived files", files.iter().filter(|_| random.once_in(2)).cloned().collect()),
    };
    for (path, _) in &doomed {
        fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
    }
    if !doomed.is_empty() {
        let names: Vec<_> = doomed.iter().filter_map(|(path, _)| path.file_name()).collect();
        done.deeds.push(format!("{what} removed: {names:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::crash::ledger::{Call, State};
    use crate::bench::crash::plan::Plan;
    use crate::bench::scratch::Scratch;

    const CALLS: u64 = 30;
    const CALL_BYTES: u64 = 700;

    /// A log of one file, every byte another than its neighbours, and the calls that wrote it.
    fn log(data: &Path, head: &[u8]) -> (PathBuf, Vec<u8>, Ledger) {
        let path = data.join("log").join("00000001.log");
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        let mut bytes = head.to_vec();
        let start = u64::try_from(head.len()).expect("short");
        let mut ledger = Ledger::new(Plan::new(1, Duration::from_secs(1_795_334_983)));
        let place = |call: u64| (1, start + call * CALL_BYTES);
        let calls = (0..CALLS).map(|call| Call {
            slots: call..call + 1,
            acknowledged: Some(Duration::from_secs(1)),
            places: place(call)..place(call + 1),
        });
        ledger.add(calls.collect());
        bytes.extend((0..CALLS * CALL_BYTES).map(|place| u8::try_from(place % 251).expect("fits")));
        fs::write(&path, &bytes).expect("written");
        (path, bytes, ledger)
    }

    /// Damages a log many times: what is not doubted must stand there as before.
    fn check(mode: Mode, head: &[u8], whole: fn(&[u8], &[u8]) -> bool) {
        let mut random = Random::new(5);
        let mut doubted = 0;
        for _ in 0..100 {
            let scratch = Scratch::new().expect("a directory");
            let (path, before, mut ledger) = log(scratch.path(), head);
            let done =
                tamper(mode, scratch.path(), &mut ledger, 0..CALLS, &mut random).expect("done");
            let after = fs::read(path).expect("a log");
            doubted += done.doubted;
            for call in ledger.calls() {
                let mut sent = ledger.plan.of_slot(call.slots.start).into_iter();
                let is_sure = sent.all(|sending| ledger.state(sending) == State::Stored);
                let bytes = usize::try_from(call.places.start.1).expect("short")
                    ..usize::try_from(call.places.end.1).expect("short");
                let is_as_before = before.get(bytes.clone()) == after.get(bytes);
                let is_whole = is_as_before && whole(&before, &after);
                assert!(is_whole || !is_sure, "{call:?}: {:?}", done.deeds);
            }
        }
        assert!(doubted > 0, "nothing was ever damaged");
    }

    #[test]
    fn what_is_not_doubted_is_as_it_was() {
        let head = b"ROENTGEN\x01\0\0\0crc_";
        check(Mode::Torn, head, |_, _| true);
        check(Mode::FlipLog, head, |_, _| true);
        // Two copies of a dictionary of 400 bytes: one of them is enough.
        let frame = [b"mark\x90\x01\0\0crc_\x01", [7; 399].as_slice()].concat();
        let head = [b"ROENTGEN\x02\0\0\0crc_", &*frame, &*frame].concat();
        check(Mode::FlipLog, &head, |before, after| {
            [16..428, 428..840].into_iter().any(|copy| before.get(copy.clone()) == after.get(copy))
        });
    }
}
