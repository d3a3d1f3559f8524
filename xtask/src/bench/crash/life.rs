//! The life of one data directory: written to, killed, damaged, opened and checked, many times.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::check::{Check, Depth, Looked};
use super::files::{derived_files, is_manifest, log_files};
use super::ledger::Ledger;
use super::plan::Plan;
use super::tamper::{DamagedFile, Mode, Tampering, tamper};
use super::traffic::{Fate, Traffic};
use crate::bench::connection::Connection;
use crate::bench::random::Random;
use crate::bench::scratch::Scratch;
use crate::bench::server::{Launch, Server};
use crate::stopwatch::since_epoch;

/// Bounds of the store small enough for what a run writes: settling and merging go on all the
/// time, and log files are many. Only tests set this variable.
const SMALL_STORE: &str = "settle_documents=256,settle_quiet_ms=5,merge_files=3,\
                           log_file_bytes=262144,dictionary_samples=500";

/// The variable.
const TEST_STORE: &str = "ROENTGEN_TEST_STORE";

/// Where retention drops log files, it drops some of many.
const SMALLEST_FILES: &str = ",log_file_bytes=65536";

/// What it keeps: as little as the server takes. A directory gets some megabytes in some seconds.
const FEWEST_BYTES: [&str; 2] = ["--retention-bytes", "1MiB"];
const SHORTEST_AGE: [&str; 2] = ["--retention-age", "2s"];

/// Room on a disk that is to be full: less than what a run writes.
const ROOM_BYTES: std::ops::Range<u64> = 0..80_000;

/// What a program says that found no room.
const NO_ROOM: &str = "no storage space";

/// Runs of one directory at most. With more, reading everything at its end takes too long.
const MOST_RUNS: u64 = 24;

/// How long the server may take to serve again: this, and the time to read its files at a rate
/// that a loaded machine reaches.
const START_BOUND: Duration = Duration::from_secs(10);
const SLOWEST_READ_BYTES_PER_SECOND: u64 = 10 << 20;

/// How long traffic goes on at least and at most before a kill, in micro-seconds.
const TRAFFIC_MICROS: std::ops::Range<u64> = 5_000..120_000;

/// How long nothing happens before some kills: the time in which traces settle.
const SILENCE_MICROS: std::ops::Range<u64> = 0..60_000;

/// Up to when a start is killed: opening takes some ten milliseconds.
const OPENING_MICROS: std::ops::Range<u64> = 0..40_000;

/// What metrics are called that count damage found.
const DAMAGE_METRICS: &[&str] = &["damaged", "unreadable", "torn"];

/// A data directory and all that is known of it.
#[derive(Debug)]
pub(super) struct Life {
    scratch: Scratch,
    launch: Launch,
    ledger: Ledger,
    /// None for all, mixed.
    mode: Option<Mode>,
    /// Retention drops log files in all runs.
    is_dropping: bool,
    length: u64,
    pub(super) seen: Seen,
}

/// What happened in a life, for the report.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) runs: BTreeMap<Mode, u64>,
    /// Documents acknowledged, or found though they were not.
    pub(super) documents: u64,
    pub(super) compared: u64,
    /// Documents lost to damage that was done on purpose, as expected.
    pub(super) lost: u64,
    /// Runs that damaged a derived file.
    pub(super) damaged: u64,
    /// Documents that retention dropped.
    pub(super) expired: u64,
    /// Runs with settled files in the directory.
    pub(super) settled: u64,
    pub(super) openings: Vec<Opening>,
}

/// One start on a directory that had been in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    pub(super) took: Duration,
    /// Bytes of log that were read again: as the server tells it, else all.
    pub(super) replayed: f64,
}

impl Life {
    pub(super) fn begin(
        binary: &Path,
        mode: Option<Mode>,
        random: &mut Random,
    ) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let mut launch = Launch::new(binary, scratch.path());
        let is_dropping = mode.map_or_else(|| random.once_in(8), |mode| mode == Mode::Retention);
        let mut store = SMALL_STORE.to_owned();
        if is_dropping {
            store.push_str(SMALLEST_FILES);
            let by_age = random.once_in(2);
            let option = if by_age { SHORTEST_AGE } else { FEWEST_BYTES };
            launch.options = option.map(str::to_owned).to_vec();
        }
        launch.environment.push((TEST_STORE, store));
        // An hour ago: no trace of it begins in the future.
        let base = since_epoch().saturating_sub(Duration::from_secs(3600));
        let ledger = Ledger::new(Plan::new(random.number(), base));
        let length = match mode {
            // The first damage to the log is the end of a directory.
            Some(Mode::FlipLog) => random.within(2..6),
            _ => random.within(MOST_RUNS / 3..MOST_RUNS + 1),
        };
        Ok(Self { scratch, launch, ledger, mode, is_dropping, length, seen: Seen::default() })
    }

    /// Runs until the directory is full or `take` gives no more runs.
    ///
    /// # Errors
    /// The first fault, with all that is needed to look into it.
    pub(super) fn live(
        &mut self,
        random: &mut Random,
        mut take: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let mut server = self.launch.start()?;
        for run in 1..=self.length {
            if !take() {
                break;
            }
            let mode = self.mode_of(run, random);
            let mut tampering = Tampering::default();
            server = self
                .run(server, run, mode, &mut tampering, random)
                .with_context(|| format!("run {run}, {mode:?}: {:?}", tampering.deeds))?;
            // Where there was nothing to damage, the kill was all.
            let is_kill = tampering.deeds.is_empty() && mode != Mode::Opening;
            let mode = if is_kill { Mode::Kill } else { mode };
            *self.seen.runs.entry(mode).or_default() += 1;
        }
        self.seen.documents = self.ledger.stored();
        Ok(())
    }

    /// Leaves the directory for a person to look at.
    pub(super) fn keep(self) -> PathBuf {
        self.scratch.keep()
    }

    fn mode_of(&self, run: u64, random: &mut Random) -> Mode {
        match self.mode {
            _ if self.is_dropping => Mode::Retention,
            Some(Mode::FlipLog) | None if run == self.length => Mode::FlipLog,
            Some(Mode::FlipLog) => Mode::Kill,
            Some(mode) => mode,
            None => match random.within(0..23) {
                0..7 => Mode::Kill,
                7..11 => Mode::Opening,
                11..15 => Mode::Torn,
                15..17 => Mode::FlipSettled,
                17 => Mode::FlipManifest,
                18..20 => Mode::Delete,
                _ => Mode::DiskFull,
            },
        }
    }

    fn run(
        &mut self,
        server: Server,
        run: u64,
        mode: Mode,
        tampering: &mut Tampering,
        random: &mut Random,
    ) -> anyhow::Result<Server> {
        let data = self.launch.data();
        let recent = self.ledger.next_slot();
        let server = match mode {
            Mode::DiskFull => self.start_on_narrow_disk(server, random, tampering)?,
            _ => Some(server),
        };
        let silence = if random.once_in(3) { random.within(SILENCE_MICROS) } else { 0 };
        let traffic = Traffic {
            plan: self.ledger.plan,
            data: &data,
            duration: Duration::from_micros(random.within(TRAFFIC_MICROS)),
            silence: Duration::from_micros(silence),
            fate: match mode {
                Mode::DiskFull => Fate::Refused,
                Mode::Retention => Fate::Dropped,
                _ => Fate::Stored,
            },
        };
        if let Some(server) = server
            && traffic.run(server, &mut self.ledger, random)?
        {
            tampering.deeds.push("documents were refused".to_owned());
        }
        let settled = derived_files(&data)?.iter().any(|(path, _)| !is_manifest(path));
        self.seen.settled += u64::from(settled);
        let slots = recent..self.ledger.next_slot();
        let done = tamper(mode, &data, &mut self.ledger, slots, random)?;
        tampering.deeds.extend(done.deeds);
        (tampering.damaged, tampering.doubted) = (done.damaged, done.doubted);
        if mode == Mode::Opening || mode == Mode::Retention && random.once_in(2) {
            for _ in 0..random.within(1..4) {
                self.launch.start_and_kill(Duration::from_micros(random.within(OPENING_MICROS)))?;
            }
        }
        let server = self.open(&data)?;
        let depth = match mode {
            Mode::FlipLog => Depth::Everything,
            // The last look at a directory; and the last before damage that is not undone.
            _ if run + 1 >= self.length => Depth::Everything,
            // Every document is looked up, so that every index is read.
            Mode::FlipSettled => Depth::Everything,
            Mode::FlipManifest | Mode::Delete => Depth::Lists,
            Mode::Kill | Mode::Opening | Mode::Torn | Mode::DiskFull | Mode::Retention => {
                Depth::Recent
            }
        };
        let looked = self.check(&server, depth, recent, mode, tampering, random)?;
        self.seen.compared += looked.documents;
        self.notice(&server, mode, tampering, looked)?;
        Ok(server)
    }

    /// Checks everything; again, if meanwhile retention dropped what must have been there before.
    fn check(
        &mut self,
        server: &Server,
        depth: Depth,
        recent: u64,
        mode: Mode,
        tampering: &mut Tampering,
        random: &mut Random,
    ) -> anyhow::Result<Looked> {
        loop {
            let oldest = self.oldest_file()?;
            if self.is_dropping {
                let expired = self.ledger.expire(oldest);
                self.seen.expired += expired;
                if expired > 0 {
                    tampering.deeds.push(format!("retention dropped files before {oldest}"));
                }
            }
            let check = Check {
                ledger: &mut self.ledger,
                connection: Connection::open(&server.address)?,
                depth,
                recent,
                is_damaged: mode == Mode::FlipLog,
                is_dropping: self.is_dropping,
            };
            match check.run(random) {
                Err(_) if self.is_dropping && self.oldest_file()? > oldest => {}
                looked => return looked,
            }
        }
    }

    /// The number of the oldest log file.
    fn oldest_file(&self) -> anyhow::Result<u64> {
        Ok(log_files(&self.launch.data())?.first().map_or(0, |file| file.number))
    }

    /// Starts the server again with little room on its disk; none when it does not start for
    /// that, and says so.
    fn start_on_narrow_disk(
        &self,
        server: Server,
        random: &mut Random,
        tampering: &mut Tampering,
    ) -> anyhow::Result<Option<Server>> {
        server.kill()?;
        let bytes = random.within(ROOM_BYTES);
        let mut launch = self.launch.clone();
        launch.environment = vec![(TEST_STORE, format!("{SMALL_STORE},disk_bytes={bytes}"))];
        match launch.start() {
            Ok(server) => Ok(Some(server)),
            Err(error) if format!("{error:#}").contains(NO_ROOM) => {
                tampering.deeds.push(format!("it did not start with room for {bytes} bytes"));
                Ok(None)
            }
            Err(error) => Err(error.context(format!("starting with room for {bytes} bytes"))),
        }
    }

    /// Starts the server, which must serve within a bound.
    fn open(&mut self, data: &Path) -> anyhow::Result<Server> {
        let log_bytes: u64 = log_files(data)?.iter().map(|file| file.bytes).sum();
        let server = self.launch.start().context("the server does not start again")?;
        let reading = Duration::from_secs(log_bytes / SLOWEST_READ_BYTES_PER_SECOND);
        if server.opened_in > START_BOUND + reading {
            bail!("opening {log_bytes} bytes of log took {:?}", server.opened_in);
        }
        let told = server.metric("roentgen_store_replayed_bytes_total")?;
        self.seen
            .openings
            .push(Opening { took: server.opened_in, replayed: told.unwrap_or(log_bytes as f64) });
        Ok(server)
    }

    /// Damage must be noticed where it cost documents, and be named.
    fn notice(
        &mut self,
        server: &Server,
        mode: Mode,
        tampering: &Tampering,
        looked: Looked,
    ) -> anyhow::Result<()> {
        if tampering.damaged.is_empty() {
            return Ok(());
        }
        let output = server.output()?;
        let names = tampering.damaged.iter().filter_map(|file| file.path.file_name()?.to_str());
        let is_named = names.into_iter().any(|name| output.contains(name));
        let is_counted = server.metrics()?.iter().any(|(name, value)| {
            *value > 0.0 && DAMAGE_METRICS.iter().any(|word| name.contains(word))
        });
        if mode == Mode::FlipLog {
            self.seen.lost += looked.missing;
            if looked.missing > 0 && !(is_named && is_counted) {
                bail!(
                    "{} documents are lost, but the damaged file is {} in the log, and damage {} \
                     in the metrics",
                    looked.missing,
                    if is_named { "named" } else { "not named" },
                    if is_counted { "counted" } else { "not counted" },
                );
            }
        } else {
            self.seen.damaged += 1;
            // A file that no manifest lists is none of the store's: it is removed unread.
            let is_there = tampering.damaged.iter().any(DamagedFile::is_there);
            if is_there && !(is_named && is_counted) {
                bail!("a damaged file is still in use, and not both named and counted");
            }
        }
        Ok(())
    }
}
