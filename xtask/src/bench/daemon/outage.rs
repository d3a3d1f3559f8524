//! The sink goes down while documents come in: what is lost, without and with a spool on disk.

use std::time::Duration;

use super::process::{Candidate, Keys, Launch};
use super::sink::{Look, Sink};
use super::traffic::send;
use super::{Bench, MEGABYTE};
use crate::bench::figures::{Section, Target, shown};
use crate::bench::scratch::Scratch;
use crate::stopwatch::Stopwatch;

const RATE: u32 = 5_000;

/// The load lasts from before the outage until after it.
const BEFORE: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(20);
const AFTER: Duration = Duration::from_secs(5);

/// Longer than the longest pause between two attempts.
const QUIET: Duration = Duration::from_secs(15);

/// Room for all of the outage several times over.
const SPOOL_BYTES: &str = "1G";

/// One daemon, with or without a spool.
#[derive(Debug)]
struct Run {
    sent: u64,
    arrived: u64,
    /// Documents that came more than once.
    repeated: u64,
    /// Lost before the daemon saw them.
    kernel_drops: u64,
    /// Bytes.
    peak: u64,
    caught_up: Duration,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("outage", "An outage of the destination");
    let mut rows = Vec::new();
    for candidate in &bench.candidates {
        let spools: &[bool] = if candidate.is_ours { &[false, true] } else { &[false] };
        for has_spool in spools {
            let run = run(bench, candidate, *has_spool)?;
            let lost = run.sent - run.arrived;
            if *has_spool {
                let name = "lost with a spool";
                section.add_for(name, lost as f64, "documents", Target::AtMost(0.0));
            }
            rows.push(vec![
                candidate.name.clone(),
                if *has_spool { "on disk" } else { "none" }.to_owned(),
                shown(run.sent as f64),
                format!("{} ({} %)", shown(lost as f64), share(lost, run.sent)),
                shown(run.kernel_drops as f64),
                shown(run.repeated as f64),
                format!("{} MB", shown(run.peak as f64 / MEGABYTE)),
                format!("{} s", shown(run.caught_up.as_secs_f64())),
            ]);
        }
    }
    let columns =
        ["daemon", "spool", "sent", "lost", "came twice", "peak memory", "caught up after"];
    section.table(&columns, rows);
    section.note(format!(
        "{} documents a second; the sink refuses connections for {} s of {} s. Caught up is when \
         the last document came that came at all, counted from the end of the load.",
        shown(f64::from(RATE)),
        OUTAGE.as_secs(),
        (BEFORE + OUTAGE + AFTER).as_secs(),
    ));
    Ok(section)
}

fn share(lost: u64, sent: u64) -> String {
    shown(100.0 * lost as f64 / sent.max(1) as f64)
}

fn run(bench: &Bench, candidate: &Candidate, has_spool: bool) -> anyhow::Result<Run> {
    let mut sink = Sink::start(Look::Identify)?;
    let scratch = Scratch::new()?;
    let directory = scratch.path().join("spool");
    let mut options = Vec::new();
    if has_spool {
        let directory = directory.to_string_lossy().into_owned();
        options.extend(["--spool-dir".to_owned(), directory]);
        options.extend(["--spool-bytes", SPOOL_BYTES].map(str::to_owned));
    }
    let launch = Launch { candidate, url: sink.url(), keys: Keys::Environment, options };
    let daemon = launch.start()?;
    let seconds = (BEFORE + OUTAGE + AFTER).as_secs();
    let load = bench.load(&daemon, &sink).with("--rate", RATE);
    let load = load.with("--duration", format!("{seconds}s"));
    let stopwatch = Stopwatch::start();
    let mut is_down = false;
    let traffic = send(&load, || {
        let should_be_down = (BEFORE..BEFORE + OUTAGE).contains(&stopwatch.elapsed());
        match (is_down, should_be_down) {
            (false, true) => sink.go_down()?,
            (true, false) => sink.come_up()?,
            _ => {}
        }
        is_down = should_be_down;
        Ok(())
    })?;
    let ended = Stopwatch::start();
    // Batches may have come twice, so the count alone does not tell that all are there.
    let mut arrived = 0;
    let mut caught_up = ended.elapsed();
    let mut since_change = Stopwatch::start();
    while arrived < traffic.sent && since_change.elapsed() < QUIET {
        std::thread::sleep(Duration::from_millis(50));
        let now = sink.distinct();
        if now != arrived {
            (arrived, caught_up, since_change) = (now, ended.elapsed(), Stopwatch::start());
        }
    }
    let repeated = sink.drained(arrived, Duration::ZERO)?.documents - arrived;
    let kernel_drops = daemon.kernel_drops()?;
    let peak = daemon.memory()?.peak;
    daemon.stop()?;
    Ok(Run { sent: traffic.sent, arrived, repeated, kernel_drops, peak, caught_up })
}
