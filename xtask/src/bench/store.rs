//! `cargo xtask bench store`: every figure that Roentgen promises of its store, measured again.
//!
//! Load and server share the machine, so rates per second say what a whole machine does; CPU of
//! the server for each segment is the figure to compare.

mod bench_server;
mod cycles;
mod datagrams;
mod fill;
mod ingest;
mod limits;
mod plot;
mod queries;
mod report;
mod storm;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use self::bench_server::{Bench, Programs};
use self::queries::{Known, SPAN};
use super::arguments::Arguments;
use super::figures::{Section, Target};
use super::machine;
use super::report::Report;
use crate::stopwatch::{Stopwatch, since_epoch};
use crate::workspace::{built, target_directory};

/// The parts, in the order in which they are measured. The last ones share one large store.
const PARTS: [&str; 9] =
    ["limits", "ingest", "udp", "cycles", "linear", "disk", "queries", "storm", "opening"];
const ON_LARGE_STORE: [&str; 5] = ["linear", "disk", "queries", "storm", "opening"];

/// Segments of the large store unless told otherwise.
const SEGMENTS: u64 = 10_000_000;

/// Measures the parts that are wanted, prints them, and brings the report up to date.
pub(super) fn run(server: PathBuf, mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    let segments = arguments.take_count("--segments", SEGMENTS)?;
    let only = arguments.take::<String>("--only")?;
    let directory = arguments.take::<PathBuf>("--report")?;
    let directory = directory.unwrap_or_else(|| target_directory().join("bench").join("report"));
    let load = arguments.take::<PathBuf>("--load-binary")?;
    arguments.finish("--segments, --only, --report, --binary or --load-binary")?;
    let parts = selected(only.as_deref())?;
    let wants = |part: &str| parts.contains(&part);

    let load = load.map_or_else(|| built("roentgen-load", "roentgen-load"), Ok)?;
    let programs = Programs { server, load };

    let stopwatch = Stopwatch::start();
    let mut report = Report::open(report::PAGE, &directory, machine::describe(&programs.server))?;
    if wants("limits") {
        head("limits");
        report.add(&limits::measure(&programs)?)?;
    }
    if wants("ingest") {
        head("ingest");
        report.add(&ingest::measure(&programs)?)?;
    }
    if wants("udp") {
        head("udp");
        report.add(&datagrams::measure(&programs)?)?;
    }
    if wants("cycles") {
        head("cycles");
        if let Some(section) = cycles::measure(&programs)? {
            report.add(&section)?;
        }
    }
    if ON_LARGE_STORE.iter().any(|part| wants(part)) {
        large_store(&programs, segments, &parts, &mut report)?;
    }
    println!("{} after {:.0} s", report.path().display(), stopwatch.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Everything that is asked of one large store.
fn large_store(
    programs: &Programs,
    segments: u64,
    parts: &[&str],
    report: &mut Report,
) -> anyhow::Result<()> {
    let wants = |part: &str| parts.contains(&part);
    head("filling");
    let bench = Bench::start(programs)?;
    let end = since_epoch();
    let (sent, samples) = fill::fill(&bench, segments)?;
    let written = bench.disk()?;
    let stored = sent.stored()?;
    if wants("linear") {
        head("linear");
        report.add(&fill::linearity(&samples))?;
        report.write_plot(&plot::svg(&samples))?;
    }
    head("disk");
    let disk = fill::disk(&bench, written, stored)?;
    if wants("disk") {
        report.add(&disk)?;
    }
    let known = Known::read(&bench, end)?;
    let mut queries = Section::new("queries", "Queries");
    queries.add("segments", stored, "");
    if wants("queries") {
        head("queries, warm");
        queries::warm(&bench, &known, &mut queries)?;
    }
    if wants("storm") {
        head("storm");
        report.add(&storm::measure(&bench, &known)?)?;
    }
    head("opening");
    let (bench, opening) = reopen(bench, stored)?;
    if wants("opening") {
        report.add(&opening)?;
    }
    if wants("queries") {
        head("queries, cold");
        queries::cold(&bench, &known, &mut queries)?;
        queries.note(format!(
            "Three segments to a trace; all traces begin within {} h. Times are those of a client: \
             HTTP on the same machine, and the whole answer read.",
            SPAN.as_secs() / 3600,
        ));
        report.add(&queries)?;
    }
    Ok(())
}

/// Recovery after a kill, then opening after a stop in order.
fn reopen(bench: Bench, segments: f64) -> anyhow::Result<(Bench, Section)> {
    let mut section = Section::new("opening", "Opening");
    section.add("segments", segments, "");
    section.add("log", bench.disk()?.log as f64 / 1_048_576.0, "MiB");
    // After the storm the newest traces are open: a kill is then what it is in life.
    let bench = bench.restart_after_kill()?;
    let seconds = bench.server.opened_in.as_secs_f64();
    section.add("recovery after kill −9", seconds, "s");
    if let Some(bytes) = bench.server.metric("roentgen_store_replayed_bytes_total")? {
        section.add("log read again for that", bytes / 1_048_576.0, "MiB");
    }
    bench.wait_until_settled()?;
    let bench = bench.restart_after_stop()?;
    let seconds = bench.server.opened_in.as_secs_f64();
    section.add_for("opening after a stop in order", seconds, "s", Target::AtMost(1.0));
    section.add("memory after opening", bench.server.settled_memory()? as f64 / 1_048_576.0, "MiB");
    Ok((bench, section))
}

fn head(part: &str) {
    println!("\n{part}");
}

/// The parts of `--only`, separated by commas; all without it.
fn selected(only: Option<&str>) -> anyhow::Result<Vec<&'static str>> {
    let Some(only) = only else { return Ok(PARTS.to_vec()) };
    only.split(',')
        .map(|name| match PARTS.iter().find(|part| **part == name) {
            Some(part) => Ok(*part),
            None => bail!("unknown part {name:?}; the parts are {}", PARTS.join(", ")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_parts() {
        assert_eq!(selected(None).expect("all"), PARTS);
        assert_eq!(selected(Some("udp,limits")).expect("known"), ["udp", "limits"]);
        let error = selected(Some("udp,speed")).expect_err("unknown").to_string();
        assert!(error.starts_with("unknown part \"speed\"; the parts are limits,"), "{error}");
    }

    #[test]
    fn parts_of_the_large_store_are_parts() {
        assert!(ON_LARGE_STORE.iter().all(|part| PARTS.contains(part)));
    }
}
