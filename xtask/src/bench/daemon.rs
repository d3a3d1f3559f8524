//! `cargo xtask bench daemon`: what our daemon costs, beside any other daemon that is given by path:
//! CPU, memory and losses at fixed rates, size, start, long runs, and an outage of its destination.
//!
//! Load, sink and daemon are processes of their own on one machine; the CPU and memory told are
//! those of the daemon's process alone.

mod footprint;
mod outage;
mod process;
mod rates;
mod sink;
mod soak;
mod traffic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};

use self::process::{Candidate, Daemon};
use self::sink::Sink;
use super::arguments::Arguments;
use super::load::Load;
use super::machine;
use super::report::{Page, Report};
use crate::shipped::PLATFORMS;
use crate::stopwatch::Stopwatch;
use crate::workspace::{built, built_example, cargo, target_directory};

/// The parts, in the order in which they are measured. The last one takes ten minutes, and is
/// measured when it is named.
const PARTS: [&str; 4] = ["footprint", "rates", "outage", "soak"];

/// Sizes are told in millions of bytes, which is what the promises are in.
const MEGABYTE: f64 = 1e6;

/// What a soak lasts unless told otherwise, in seconds.
const SOAK_SECONDS: u64 = 600;

const PAGE: Page = Page {
    name: "performance-daemon",
    head: "\
# Performance of the daemon

What `cargo xtask bench daemon` has measured; it writes this page. Every table has our daemon and
those that were given by path, measured in one run on one machine.

Run a part again with `cargo xtask bench daemon --against PATH --only PART`, and all of it with
`cargo xtask bench daemon --against PATH --soak 600 --report docs`.
",
    parts: &PARTS,
    end: |_| String::new(),
};

/// What is measured, and with what.
#[derive(Debug)]
struct Bench {
    /// Ours first.
    candidates: Vec<Candidate>,
    /// The system calls and the hash that no daemon can do without, and nothing else.
    limit: Option<Candidate>,
    load: PathBuf,
    next_seed: AtomicU64,
}

impl Bench {
    /// Datagrams to a daemon, with ids that no load of this run had before. The generator asks the
    /// sink, and not the daemon, for counts it does not have: nothing else shall call the daemon.
    fn load(&self, daemon: &Daemon, sink: &Sink) -> Load {
        let seed = self.next_seed.fetch_add(1, Ordering::Relaxed);
        Load::udp(&self.load, &daemon.address(), seed).with("--api", sink.url())
    }
}

/// Measures the parts that are wanted, prints them, and brings the report up to date.
pub(super) fn run(mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    let given = arguments.take::<PathBuf>("--binary")?;
    let target = arguments.take::<String>("--target")?;
    let others = arguments.take_all::<PathBuf>("--against")?;
    let only = arguments.take::<String>("--only")?;
    let soak = arguments.take::<u64>("--soak")?;
    let rates = arguments.take::<String>("--rates")?;
    let directory = arguments.take::<PathBuf>("--report")?;
    let load = arguments.take::<PathBuf>("--load-binary")?;
    let limit = arguments.take::<PathBuf>("--limit-binary")?;
    arguments.finish(
        "--against, --only, --soak, --rates, --report, --binary, --target, \
         --load-binary or --limit-binary",
    )?;
    let parts = selected(only.as_deref(), soak.is_some())?;
    let rates = parsed(rates.as_deref())?;
    let directory = directory.unwrap_or_else(|| target_directory().join("bench").join("report"));

    let ours = given.map_or_else(|| dist_build(target.as_deref()), Ok)?;
    let mut candidates = vec![Candidate::new(&ours, true)?];
    for other in &others {
        candidates.push(Candidate::new(other, false)?);
    }
    let load = load.map_or_else(|| built("roentgen-load", "roentgen-load"), Ok)?;
    let limit = match limit {
        None if !parts.contains(&"rates") => None,
        limit => Some(limit.map_or_else(|| built_example("roentgen-udp", "bare_calls"), Ok)?),
    };
    let limit = limit.map(|binary| Candidate::new(&binary, false)).transpose()?;
    let bench = Bench { candidates, limit, load, next_seed: AtomicU64::new(1) };
    println!("{} is {}", ours.display(), linkage(&ours)?);

    let stopwatch = Stopwatch::start();
    let mut report = Report::open(PAGE, &directory, machine::describe(&ours))?;
    for part in parts {
        println!("\n{part}");
        let mut section = match part {
            "footprint" => footprint::measure(&bench)?,
            "rates" => rates::measure(&bench, &rates)?,
            "outage" => outage::measure(&bench)?,
            _ => soak::measure(&bench, soak.unwrap_or(SOAK_SECONDS))?,
        };
        section.note(format!("Our binary is {}.", linkage(&ours)?));
        report.add(&section)?;
    }
    println!("{} after {:.0} s", report.path().display(), stopwatch.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Builds the daemon as it is shipped: stripped, and static where this machine can build that.
fn dist_build(target: Option<&str>) -> anyhow::Result<PathBuf> {
    let platform = PLATFORMS.iter().find(|platform| match target {
        Some(target) => platform.triple == target,
        None => platform.is_native() && platform.can_be_built(),
    });
    let mut build = match platform {
        Some(platform) => platform.build("roentgen-daemon"),
        None => {
            let mut build = cargo();
            build.args(["build", "--profile", "dist", "--package", "roentgen-daemon"]);
            build.args(target.map(|target| format!("--target={target}")));
            build
        }
    };
    let status = build.status().context("cargo build cannot be started")?;
    if !status.success() {
        bail!("{build:?}: {status}");
    }
    let triple = platform.map(|platform| platform.triple).or(target).unwrap_or_default();
    Ok(target_directory().join(triple).join("dist").join("roentgen-daemon"))
}

/// Whether a program brings its libraries along.
fn linkage(binary: &Path) -> anyhow::Result<&'static str> {
    let bytes = std::fs::read(binary).with_context(|| format!("read {}", binary.display()))?;
    Ok(match has_interpreter(&bytes) {
        Some(true) => "linked dynamically",
        Some(false) => "static",
        None => "no ELF program of 64 bits",
    })
}

/// Whether an ELF program of 64 bits names a dynamic linker: a program header of type `PT_INTERP`
/// (elf(5)). `None` when it is no such program.
fn has_interpreter(elf: &[u8]) -> Option<bool> {
    const PT_INTERP: &[u8] = &3_u32.to_le_bytes();
    // Magic number, 64 bits, little endian.
    elf.strip_prefix(b"\x7fELF\x02\x01")?;
    let number = |at: usize, length: usize| {
        let bytes = elf.get(at..at + length)?;
        bytes
            .iter()
            .rev()
            .try_fold(0_usize, |sum, byte| sum.checked_mul(256).map(|sum| sum + usize::from(*byte)))
    };
    let (offset, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let headers = elf.get(offset..)?.chunks(size.max(1)).take(count);
    Some(headers.into_iter().any(|header| header.starts_with(PT_INTERP)))
}

/// The parts of `--only`, separated by commas; without it, all, and the soak when it is asked for.
fn selected(only: Option<&str>, has_soak: bool) -> anyhow::Result<Vec<&'static str>> {
    let Some(only) = only else {
        return Ok(PARTS.into_iter().filter(|part| *part != "soak" || has_soak).collect());
    };
    only.split(',')
        .map(|name| match PARTS.iter().find(|part| **part == name) {
            Some(part) => Ok(*part),
            None => bail!("unknown part {name:?}; the parts are {}", PARTS.join(", ")),
        })
        .collect()
}

/// The rates of `--rates`, separated by commas.
fn parsed(rates: Option<&str>) -> anyhow::Result<Vec<u32>> {
    let Some(rates) = rates else { return Ok(rates::RATES.to_vec()) };
    rates
        .split(',')
        .map(|rate| match rate.parse() {
            Ok(0) => bail!("a rate of 0; expected documents a second"),
            rate_or_error => rate_or_error.with_context(|| format!("rate {rate:?}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_parts() {
        let check = |only, has_soak, expect: &[&str]| {
            assert_eq!(selected(only, has_soak).expect("known parts"), expect);
        };
        check(None, false, &["footprint", "rates", "outage"]);
        check(None, true, &PARTS);
        check(Some("soak,rates"), false, &["soak", "rates"]);
        assert!(selected(Some("speed"), false).is_err());
    }

    #[test]
    fn tells_how_a_program_is_linked() {
        let own = std::fs::read("/proc/self/exe").expect("we run");
        let names_one = own.windows(4).any(|bytes| bytes == b"/ld-");
        assert_eq!(has_interpreter(&own), Some(names_one));
        assert_eq!(has_interpreter(b"#!/bin/sh"), None);
        assert_eq!(has_interpreter(own.get(..40).expect("longer")), None);
    }

    #[test]
    fn reads_rates() {
        assert_eq!(parsed(None).expect("all"), rates::RATES);
        assert_eq!(parsed(Some("10,20")).expect("numbers"), [10, 20]);
        assert!(parsed(Some("0")).is_err() && parsed(Some("10,x")).is_err());
    }
}
