//! Ingest through PutTraceSegments, acknowledged after fsync: cost, rate, wait, memory.

use anyhow::bail;

use super::bench_server::{Bench, Programs};
use crate::bench::figures::{Section, Target};
use crate::bench::load::Load;

/// Connections of the closed loop, each with one call under way.
const CONNECTIONS: u32 = 16;

/// Connections of the open loop: enough that none is late because all are waiting.
const OPEN_CONNECTIONS: u32 = 64;

/// How long each is measured.
const DURATION: &str = "10s";

/// Documents a second that are to be sustained.
const SUSTAINED: f64 = 100_000.0;

const MEBIBYTE: f64 = 1_048_576.0;

/// Names that other parts look for.
pub(super) const CPU_RATE: &str = "segments for each CPU-second of the server";
pub(super) const CPU_COST: &str = "server CPU for each segment";
pub(super) const CLOSED_RATE: &str = "closed loop, a second";

/// The closed loop: every connection calls again when it has been answered.
pub(super) fn closed_loop(bench: &Bench) -> Load {
    bench.http().with("--connections", CONNECTIONS)
}

/// Measures idle memory, the closed loop and the open loop.
pub(super) fn measure(programs: &Programs) -> anyhow::Result<Section> {
    let mut section = Section::new("ingest", "Ingest through PutTraceSegments");
    let idle = Bench::start(programs)?.server.settled_memory()? as f64 / MEBIBYTE;
    section.add_for("memory, idle after start", idle, "MiB", Target::AtMost(25.0));

    let bench = Bench::start(programs)?;
    let cpu_before = bench.server.cpu_seconds()?;
    let sent = closed_loop(&bench).with("--duration", DURATION).run()?;
    let micros = 1e6 * (bench.server.cpu_seconds()? - cpu_before) / sent.stored()?;
    let counted = bench.server.documents()? as f64;
    if (counted - sent.stored()?).abs() > 0.5 {
        bail!("{} documents were acknowledged, but the server counted {counted}", sent.stored()?);
    }
    section.add_for(CPU_RATE, 1e6 / micros, "segments", Target::AtLeast(100_000.0));
    section.add(CPU_COST, micros, "µs");
    section.add_for(CLOSED_RATE, sent.rate()?, "segments", Target::AtLeast(SUSTAINED));
    section.add("client CPU for each segment", sent.client_micros()?, "µs");
    section.add("server CPU : client CPU", micros / sent.client_micros()?, "");
    section.add("closed loop, acknowledgement p50", sent.acknowledged("p50")?, "ms");
    section.add("closed loop, acknowledgement p99", sent.acknowledged("p99")?, "ms");
    let peak = bench.server.peak_memory()? as f64 / MEBIBYTE;
    section.add_for("memory, peak in the closed loop", peak, "MiB", Target::AtMost(300.0));

    let rate = sent.rate()?.min(SUSTAINED) / 2.0;
    let open = bench.http().with("--connections", OPEN_CONNECTIONS).with("--rate", rate.round());
    let sent = open.with("--duration", DURATION).run()?;
    section.add("open loop, offered a second", rate, "segments");
    section.add("open loop, acknowledged a second", sent.rate()?, "segments");
    section.add("open loop, acknowledgement p50", sent.acknowledged("p50")?, "ms");
    let p99 = sent.acknowledged("p99")?;
    section.add_for("open loop, acknowledgement p99", p99, "ms", Target::AtMost(50.0));
    section.add("open loop, longest acknowledgement", sent.acknowledged("max")?, "ms");
    section.note(format!(
        "Client and server share the machine. Closed loop: {CONNECTIONS} connections, each calls \
         again when it is answered. Open loop: calls at fixed times, half of what was sustained or \
         of {SUSTAINED} a second; waits count from when a call was due."
    ));
    Ok(section)
}
