//! A long run at a high rate: memory must stay as it is after the first minutes.

use std::time::Duration;

use super::process::{Keys, Launch, Memory};
use super::sink::{Look, Sink};
use super::traffic::send;
use super::{Bench, MEGABYTE};
use crate::bench::figures::{Section, Target, shown};
use crate::stopwatch::Stopwatch;

const RATE: u32 = 20_000;

/// Between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Of the run, the share that fills buffers and caches and is left out of the slope.
const WARM_UP: f64 = 0.2;

/// Batches wait for a second at most, and an attempt for two.
const QUIET: Duration = Duration::from_secs(4);

/// Growth that is still flat, over the run: the kernel counts resident pages of each CPU apart and
/// adds them up now and then.
const FLAT_MEGABYTES: f64 = 1.0;

/// Memory at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Since the start.
    seconds: f64,
    memory: Memory,
}

/// Measures ours only: what grows in others is not ours to say.
pub(super) fn measure(bench: &Bench, seconds: u64) -> anyhow::Result<Section> {
    let mut section = Section::new("soak", "A long run");
    let Some(candidate) = bench.candidates.first() else { return Ok(section) };
    let sink = Sink::start(Look::Count)?;
    let launch =
        Launch { candidate, url: sink.url(), keys: Keys::Environment, options: Vec::new() };
    let daemon = launch.start()?;
    let load = bench.load(&daemon, &sink).with("--rate", RATE);
    let load = load.with("--duration", format!("{seconds}s"));
    let stopwatch = Stopwatch::start();
    let mut samples: Vec<Sample> = Vec::new();
    let traffic = send(&load, || {
        let now = stopwatch.elapsed().as_secs_f64();
        let due = samples.last().map_or(0.0, |last| last.seconds + SAMPLE_INTERVAL.as_secs_f64());
        if now >= due {
            samples.push(Sample { seconds: now, memory: daemon.memory()? });
        }
        Ok(())
    })?;
    let counts = sink.drained(traffic.sent, QUIET)?;
    let peak = daemon.memory()?.peak;
    let usage = daemon.usage()?;
    daemon.stop()?;
    let lost = traffic.sent - counts.documents.min(traffic.sent);
    section.add("rate", f64::from(RATE), "documents a second");
    section.add("lasted", traffic.seconds, "s");
    section.add("documents sent", traffic.sent as f64, "");
    section.add_for("documents lost", lost as f64, "", Target::AtMost(0.0));
    section.add("documents for each CPU-second", counts.documents as f64 / usage.cpu, "");
    section.add_for("peak memory", peak as f64 / MEGABYTE, "MB", Target::AtMost(16.0));
    let warm = samples.iter().filter(|sample| sample.seconds >= WARM_UP * traffic.seconds);
    let points: Vec<(f64, f64)> =
        warm.map(|sample| (sample.seconds, sample.memory.resident as f64 / MEGABYTE)).collect();
    if let Some(slope) = slope(&points) {
        let growth = slope * traffic.seconds;
        section.add("memory grows", slope * 3600.0, "MB an hour");
        let name = "memory grows over the run";
        section.add_for(name, growth, "MB", Target::AtMost(FLAT_MEGABYTES));
    }
    let step = samples.len().div_ceil(12).max(1);
    let rows = samples.iter().step_by(step).map(|sample| {
        let megabytes = |bytes: u64| format!("{} MB", shown(bytes as f64 / MEGABYTE));
        vec![
            format!("{:.0} s", sample.seconds),
            megabytes(sample.memory.resident),
            megabytes(sample.memory.anonymous),
        ]
    });
    section.table(&["after", "resident", "anonymous"], rows.collect());
    section.note(format!(
        "The slope is that of the least squares over samples of every second, without the first \
         {:.0} % of the run.",
        100.0 * WARM_UP
    ));
    Ok(section)
}

/// Of the line through some points with the least squares; `None` when they have none.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let shared: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    (spread > 0.0).then(|| shared / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_of_the_line_between() {
        let check = |points: &[(f64, f64)], expect: Option<f64>| {
            let close = |found: f64, expect: f64| (found - expect).abs() < 1e-9;
            let found = slope(points);
            let is_same = match (found, expect) {
                (Some(found), Some(expect)) => close(found, expect),
                (found, expect) => found == expect,
            };
            assert!(is_same, "{points:?}: {found:?}");
        };
        check(&[], None);
        check(&[(1.0, 5.0)], None);
        check(&[(0.0, 5.0), (10.0, 5.0)], Some(0.0));
        check(&[(0.0, 5.0), (10.0, 7.0), (20.0, 9.0)], Some(0.2));
        check(&[(0.0, 0.0), (1.0, 2.0), (2.0, 1.0), (3.0, 3.0)], Some(0.8));
    }
}
