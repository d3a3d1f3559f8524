//! `cargo xtask bench crash`: kills the server at random moments, damages its files, starts it
//! again, and checks that nothing acknowledged is lost, doubled or changed.
//!
//! Everything is done from outside: signals, files, HTTP. What is sent is a function of the seed;
//! when the kill comes is up to the machine, so a seed brings a fault back often, not always. The
//! data directory of a fault is kept.

mod check;
mod files;
mod ledger;
mod life;
mod plan;
mod questions;
mod report;
mod tamper;
mod traffic;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{anyhow, bail};

use self::life::Life;
use self::report::Report;
use self::tamper::Mode;
use super::arguments::Arguments;
use super::random::Random;
use crate::stopwatch::{Stopwatch, since_epoch};

/// Faults after which there is no point in going on.
const MOST_FAULTS: usize = 5;

/// What to do.
#[derive(Debug)]
struct Options {
    runs: u64,
    /// None for all, mixed.
    mode: Option<Mode>,
    seed: u64,
    /// Data directories at a time.
    jobs: u64,
}

/// Runs the harness on a binary; fails when it finds a fault.
pub(super) fn run(binary: &Path, mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    let options = Options::read(&mut arguments)?;
    arguments.finish("--runs, --mode, --seed, --jobs or --binary")?;
    println!("seed {}; {} runs on {}", options.seed, options.runs, binary.display());
    let stopwatch = Stopwatch::start();
    let left = AtomicU64::new(options.runs);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs)
            .map(|job| {
                let random = Random::new(options.seed.wrapping_add(job << 32));
                scope.spawn(|| work(binary, &options, random, &left, &report))
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    let report = report.into_inner().map_err(|_| anyhow!("a worker panicked"))?;
    report.print(stopwatch.elapsed());
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One data directory after the other until no run is left.
fn work(
    binary: &Path,
    options: &Options,
    mut random: Random,
    left: &AtomicU64,
    report: &Mutex<Report>,
) -> anyhow::Result<()> {
    let lock = || report.lock().map_err(|_| anyhow!("a worker panicked"));
    let take = || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    while lock()?.faults.len() < MOST_FAULTS && left.load(Ordering::SeqCst) > 0 {
        let mut life = Life::begin(binary, options.mode, &mut random)?;
        let ended = life.live(&mut random, || take().is_ok());
        lock()?.add(life, ended);
    }
    Ok(())
}

impl Options {
    fn read(arguments: &mut Arguments) -> anyhow::Result<Self> {
        let runs = arguments.take_count("--runs", 300)?;
        let jobs = arguments.take_count("--jobs", 2)?;
        let seed = arguments.take("--seed")?;
        let seed = seed.unwrap_or_else(|| since_epoch().as_secs());
        let mode = match arguments.take::<String>("--mode")? {
            None => None,
            Some(name) => match Mode::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, mode)) => Some(*mode),
                None => {
                    let known: Vec<_> = Mode::ALL.iter().map(|(known, _)| *known).collect();
                    bail!("unknown mode {name:?}; the modes are {}", known.join(", "));
                }
            },
        };
        Ok(Self { runs, mode, seed, jobs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> anyhow::Result<Options> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Options::read(&mut Arguments::read(&arguments)?)
    }

    #[test]
    fn reads_options() {
        let options = read(&["--runs", "7", "--mode", "torn", "--seed", "3"]).expect("all known");
        assert_eq!((options.runs, options.mode, options.seed), (7, Some(Mode::Torn), 3));
        let error = read(&["--mode", "nonsense"]).expect_err("no mode").to_string();
        assert!(error.ends_with("flip-manifest, delete, disk-full, retention"), "{error}");
    }
}
