//! Documents at fixed rates: what they cost each daemon in CPU and memory, and how many are lost.

use std::time::Duration;

use anyhow::bail;

use super::process::{Candidate, Keys, Launch};
use super::sink::{Look, Sink};
use super::traffic::{Traffic, send};
use super::{Bench, MEGABYTE};
use crate::bench::figures::{Section, Target, shown};

/// Documents a second.
pub(super) const RATES: [u32; 5] = [1_000, 4_000, 10_000, 20_000, 40_000];

/// The kernel counts CPU time in hundredths of a second: at low rates it takes longer to have
/// enough of them.
const DOCUMENTS: f64 = 40_000.0;
const SHORTEST_SECONDS: f64 = 10.0;

/// Up to this rate every document is parsed and told from the others by its id; above, they are
/// counted only, so that the sink leaves the machine to the daemon.
const IDENTIFIED: u32 = 4_000;

/// Batches wait for a second at most, and an attempt for two.
const QUIET: Duration = Duration::from_secs(4);

/// One daemon at one rate.
#[derive(Debug, Clone, Copy)]
struct Run {
    rate: u32,
    traffic: Traffic,
    received: u64,
    requests: u64,
    cpu: f64,
    wake_ups: u64,
    /// Bytes.
    peak: u64,
    peak_anonymous: u64,
    kernel_drops: u64,
    /// By the daemon's log.
    spilled: u64,
}

impl Run {
    /// What did not arrive, and at least what is known to be lost: where the sink only counts,
    /// batches that came twice would hide it.
    fn lost(&self) -> u64 {
        let missing = self.traffic.sent.saturating_sub(self.received);
        missing.max(self.kernel_drops + self.spilled)
    }

    /// Documents for each CPU-second.
    fn efficiency(&self) -> f64 {
        self.received as f64 / self.cpu
    }
}

/// Every daemon at every rate, ours first and the others after it at the same rate, so that they
/// find the machine in the same state.
pub(super) fn measure(bench: &Bench, rates: &[u32]) -> anyhow::Result<Section> {
    let mut section = Section::new("rates", "At fixed rates");
    let mut rows = Vec::new();
    for rate in rates {
        let runs: Vec<Run> =
            bench.candidates.iter().map(|one| run(bench, one, *rate)).collect::<Result<_, _>>()?;
        for (candidate, run) in bench.candidates.iter().zip(&runs) {
            rows.push(row(candidate, run));
        }
        if let Some((ours, others)) = runs.split_first() {
            promises(&mut section, ours, others);
            if let Some(limit) = &bench.limit {
                let limit_run = run(bench, limit, *rate)?;
                rows.push(row(limit, &limit_run));
                let name = format!(
                    "documents for each CPU-second at {}/s, ours : the limit's",
                    shown(f64::from(*rate))
                );
                section.add(name, ours.efficiency() / limit_run.efficiency(), "");
            }
        }
    }
    let columns = [
        "documents a second",
        "daemon",
        "documents for each CPU-second",
        "peak memory",
        "of it anonymous",
        "sent",
        "lost",
        "dropped by the kernel",
        "wake-ups a second",
        "documents in a request",
    ];
    section.table(&columns, rows);
    section.note(
        "Documents of 1 KB over UDP on the loopback, sent every millisecond; batches signed and \
         sent to a plain HTTP sink. CPU is utime and stime of the daemon's process, memory its \
         VmHWM and the most RssAnon of ten looks a second, lost is what was sent and did not reach \
         the sink, or what the kernel and the daemon say they dropped if that is more, wake-ups are voluntary context switches of all its threads. Load, sink and \
         daemon share the machine.",
    );
    section.note(
        "The limit is no daemon: it receives the same datagrams with the same calls, hashes as many \
         bytes as the signature covers, writes a request as large and reads its answer, with one \
         thread and nothing else (crates/udp/examples/bare_calls.rs).",
    );
    Ok(section)
}

fn run(bench: &Bench, candidate: &Candidate, rate: u32) -> anyhow::Result<Run> {
    // The limit sends the same documents again and again.
    let is_limit = bench.limit.as_ref().is_some_and(|limit| limit.binary == candidate.binary);
    let look = if rate <= IDENTIFIED && !is_limit { Look::Identify } else { Look::Count };
    let sink = Sink::start(look)?;
    let launch =
        Launch { candidate, url: sink.url(), keys: Keys::Environment, options: Vec::new() };
    let daemon = launch.start()?;
    let seconds = (DOCUMENTS / f64::from(rate)).max(SHORTEST_SECONDS);
    let before = daemon.usage()?;
    let load = bench.load(&daemon, &sink).with("--rate", rate);
    let load = load.with("--duration", format!("{seconds:.0}s"));
    let mut peak_anonymous = 0;
    let traffic = send(&load, || {
        peak_anonymous = peak_anonymous.max(daemon.memory()?.anonymous);
        Ok(())
    })?;
    let counts = sink.drained(traffic.sent, QUIET)?;
    let after = daemon.usage()?;
    let peak = daemon.memory()?.peak;
    let kernel_drops = daemon.kernel_drops()?;
    let spilled = spilled(&daemon.output()?);
    daemon.stop()?;
    if sink.unsigned() > 0 {
        bail!("{}: {} batches were not signed", candidate.name, sink.unsigned());
    }
    let received = match look {
        Look::Identify => sink.distinct(),
        Look::Count => counts.documents,
    };
    let run = Run {
        rate,
        traffic,
        received,
        requests: counts.requests,
        cpu: after.cpu - before.cpu,
        wake_ups: after.wake_ups - before.wake_ups,
        peak,
        peak_anonymous,
        kernel_drops,
        spilled,
    };
    println!("  {}", row(candidate, &run).join(" | "));
    Ok(run)
}

fn row(candidate: &Candidate, run: &Run) -> Vec<String> {
    let megabytes = |bytes: u64| format!("{} MB", shown(bytes as f64 / MEGABYTE));
    vec![
        shown(f64::from(run.rate)),
        candidate.name.clone(),
        shown(run.efficiency()),
        megabytes(run.peak),
        megabytes(run.peak_anonymous),
        shown(run.traffic.sent as f64),
        format!("{} ({} %)", shown(run.lost() as f64), shown(percent(run))),
        shown(run.kernel_drops as f64),
        shown(run.wake_ups as f64 / run.traffic.seconds),
        shown(run.received as f64 / run.requests.max(1) as f64),
    ]
}

/// Segments that a daemon, the official one or ours, says it gave up for want of memory.
fn spilled(log: &str) -> u64 {
    let numbers = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("Spilling over ")?;
        rest.split(' ').next()?.parse::<u64>().ok()
    });
    numbers.sum()
}

fn percent(run: &Run) -> f64 {
    100.0 * run.lost() as f64 / run.traffic.sent.max(1) as f64
}

/// What is promised of ours, beside what was measured.
fn promises(section: &mut Section, ours: &Run, others: &[Run]) {
    let rate = shown(f64::from(ours.rate));
    let best = others.iter().map(Run::efficiency).fold(0.0, f64::max);
    if best > 0.0 {
        let least = if ours.rate <= 10_000 { 10.0 } else { 5.0 };
        let name = format!("documents for each CPU-second at {rate}/s, ours : the other's");
        section.add_for(name, ours.efficiency() / best, "", Target::AtLeast(least));
    }
    if ours.rate <= 20_000 {
        let name = format!("peak memory at {rate}/s");
        section.add_for(name, ours.peak as f64 / MEGABYTE, "MB", Target::AtMost(16.0));
    }
    section.add_for(format!("lost at {rate}/s"), percent(ours), "%", Target::AtMost(0.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_hide_no_loss() {
        let traffic = Traffic { sent: 1_000, seconds: 1.0 };
        let check = |received: u64, kernel_drops: u64, log: &str, expect: u64| {
            let (spilled, rate, requests, cpu) = (spilled(log), 1_000, 20, 1.0);
            let (wake_ups, peak, peak_anonymous) = (0, 0, 0);
            let run = Run {
                rate,
                traffic,
                received,
                requests,
                cpu,
                wake_ups,
                peak,
                peak_anonymous,
                kernel_drops,
                spilled,
            };
            assert_eq!(run.lost(), expect);
        };
        check(1_000, 0, "", 0);
        check(990, 0, "", 10);
        check(990, 10, "", 10);
        check(1_000, 10, "", 10);
        let log =
            "t [Warn] Spilling over 3 segments\nt [Info] x\nt [Warn] Spilling over 4 segments";
        check(1_040, 10, log, 17);
    }
}
