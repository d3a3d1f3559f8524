//! Filling a large store, and what a segment costs the more are stored.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;

use super::bench_server::{Bench, Disk};
use super::ingest::closed_loop;
use super::queries::SPAN;
use crate::bench::figures::{Section, Target, shown};
use crate::bench::load::Sent;
use crate::stopwatch::since_epoch;

/// Points of the plot, and segments between two of them at least: CPU time is counted in
/// hundredths of a second.
const SAMPLES: u64 = 40;
const LEAST_SAMPLED: u64 = 50_000;

/// Between two looks at the server's counters.
const PAUSE: Duration = Duration::from_millis(100);

/// Sizes that are told in the table, as far as the store gets.
const TOLD: [u64; 5] = [1_000_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000];

/// What the segments since the sample before cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Stored by then.
    pub(super) segments: u64,
    /// CPU of the server for each of them, in micro-seconds: all its threads, so also what it does
    /// in the background.
    pub(super) cpu_micros: f64,
    /// Acknowledged a second.
    pub(super) rate: f64,
    /// Bytes on disk for each segment so far.
    pub(super) bytes: f64,
    pub(super) peak_memory: u64,
}

/// Fills a store with so many segments, as fast as they are acknowledged. They tell of the six
/// hours before now.
pub(super) fn fill(bench: &Bench, segments: u64) -> anyhow::Result<(Sent, Vec<Sample>)> {
    let load = closed_loop(bench).with("--documents", segments);
    let load = load.with("--spread", format!("{}s", SPAN.as_secs()));
    let sampled = (segments / SAMPLES).max(LEAST_SAMPLED);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let sent = load.run();
            is_over.store(true, Ordering::SeqCst);
            sent
        });
        let mut samples = Vec::new();
        let mut last = Reading::of(bench)?;
        while !is_over.load(Ordering::SeqCst) {
            std::thread::sleep(PAUSE);
            let now = Reading::of(bench)?;
            if now.segments >= last.segments + sampled {
                samples.push(last.sample_until(now, bench)?);
                last = now;
            }
        }
        let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))??;
        Ok((sent, samples))
    })
}

/// Counters of the server at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    segments: u64,
    cpu: f64,
    at: Duration,
}

impl Reading {
    fn of(bench: &Bench) -> anyhow::Result<Self> {
        let cpu = bench.server.cpu_seconds()?;
        Ok(Self { segments: bench.server.documents()?, cpu, at: since_epoch() })
    }

    /// What happened between this and a later reading.
    fn sample_until(self, now: Self, bench: &Bench) -> anyhow::Result<Sample> {
        let count = (now.segments - self.segments) as f64;
        let Disk { log, derived } = bench.disk()?;
        let sample = Sample {
            segments: now.segments,
            cpu_micros: 1e6 * (now.cpu - self.cpu) / count,
            rate: count / now.at.saturating_sub(self.at).as_secs_f64(),
            bytes: (log + derived) as f64 / now.segments as f64,
            peak_memory: bench.server.peak_memory()?,
        };
        println!(
            "  {} segments: {} µs of CPU each, {} a second",
            shown(sample.segments as f64),
            shown(sample.cpu_micros),
            shown(sample.rate),
        );
        Ok(sample)
    }
}

/// How the cost of a segment grows.
pub(super) fn linearity(samples: &[Sample]) -> Section {
    let mut section = Section::new("linear", "Cost of a segment as the store grows");
    let mean = |samples: &[&Sample]| {
        samples.iter().map(|sample| sample.cpu_micros).sum::<f64>() / samples.len().max(1) as f64
    };
    let quarter = (samples.len() / 4).max(1);
    let first: Vec<_> = samples.iter().take(quarter).collect();
    let last: Vec<_> = samples.iter().rev().take(quarter).collect();
    let growth = mean(&last) / mean(&first);
    section.add("CPU for each of the first quarter", mean(&first), "µs");
    section.add("CPU for each of the last quarter", mean(&last), "µs");
    // A tenth is the noise of a machine that does other things as well.
    section.add_for("last quarter : first quarter", growth, "", Target::AtMost(1.1));
    let peak = samples.last().map_or(0.0, |sample| sample.peak_memory as f64 / 1_048_576.0);
    section.add_for("memory, peak while filling", peak, "MiB", Target::AtMost(300.0));
    let rows = samples
        .iter()
        .filter(|sample| is_told(sample, samples))
        .map(|sample| {
            vec![
                shown(sample.segments as f64),
                format!("{} µs", shown(sample.cpu_micros)),
                shown(sample.rate),
                format!("{} B", shown(sample.bytes)),
                format!("{} MiB", shown(sample.peak_memory as f64 / 1_048_576.0)),
            ]
        })
        .collect();
    let columns =
        ["segments stored", "server CPU each", "a second", "on disk each", "peak memory so far"];
    section.table(&columns, rows);
    section.note("![Server CPU for each segment, over the number stored](performance.svg)");
    section
}

/// Whether a sample is the first at or behind a size that is told, or the last of all.
fn is_told(sample: &Sample, samples: &[Sample]) -> bool {
    let first_behind = |size: &u64| samples.iter().find(|sample| sample.segments >= *size);
    let told = TOLD.iter().filter_map(first_behind).chain(samples.last());
    told.map(|told| told.segments).any(|segments| segments == sample.segments)
}

/// Bytes on disk, as written and after everything has settled and merged.
pub(super) fn disk(bench: &Bench, written: Disk, segments: f64) -> anyhow::Result<Section> {
    let mut section = Section::new("disk", "Disk");
    let each = |bytes: u64| bytes as f64 / segments;
    section.add("segments", segments, "");
    section.add("log, as written", each(written.log), "B a segment");
    section.add("derived files, as written", each(written.derived), "B a segment");
    let all = each(written.log + written.derived);
    section.add_for("all, as written", all, "B a segment", Target::AtMost(240.0));
    let cpu_before = bench.server.cpu_seconds()?;
    let waited = bench.wait_until_settled()?;
    let cpu = bench.server.cpu_seconds()? - cpu_before;
    let settled = bench.disk()?;
    section.add("log, settled", each(settled.log), "B a segment");
    section.add("derived files, settled and merged", each(settled.derived), "B a segment");
    let all = each(settled.log + settled.derived);
    section.add_for("all, settled and merged", all, "B a segment", Target::AtMost(180.0));
    section.add("time until nothing changed any more", waited.as_secs_f64(), "s");
    section.add("server CPU of that, for each segment", 1e6 * cpu / segments, "µs");
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(segments: u64, cpu_micros: f64) -> Sample {
        Sample { segments, cpu_micros, rate: 1.0, bytes: 1.0, peak_memory: 1 }
    }

    #[test]
    fn tells_round_sizes_and_the_last() {
        let samples: Vec<_> = (1..=12).map(|n| sample(n * 500_000, 9.0)).collect();
        let told = samples.iter().filter(|sample| is_told(sample, &samples));
        let told: Vec<u64> = told.map(|sample| sample.segments).collect();
        assert_eq!(told, [1_000_000, 5_000_000, 6_000_000]);
    }
}
