//! UDP at fixed rates: how many of the datagrams sent does the server store?

use super::bench_server::{Bench, Programs};
use crate::bench::figures::{Section, Target, shown};

/// Datagrams a second.
const RATES: [u32; 6] = [10_000, 20_000, 30_000, 40_000, 50_000, 60_000];

/// The rate at which nothing may be lost.
const LOSSLESS: u32 = 50_000;

const DURATION: &str = "4s";

/// Measures every rate on a server of its own.
pub(super) fn measure(programs: &Programs) -> anyhow::Result<Section> {
    let mut section = Section::new("udp", "UDP");
    let mut rows = Vec::new();
    for rate in RATES {
        let bench = Bench::start(programs)?;
        let cpu_before = bench.server.cpu_seconds()?;
        let load = bench.udp().with("--rate", rate).with("--duration", DURATION);
        let sent = load.run()?;
        let cpu = bench.server.cpu_seconds()? - cpu_before;
        let (offered, stored) = (sent.documents()?, sent.accepted()?);
        let lost = offered - stored;
        let name = format!("lost at {} a second", shown(f64::from(rate)));
        let share = 100.0 * lost / offered;
        match rate {
            LOSSLESS => section.add_for(name, share, "%", Target::AtMost(0.0)),
            _ => section.add(name, share, "%"),
        }
        rows.push(vec![
            shown(f64::from(rate)),
            shown(sent.rate()?),
            shown(offered),
            shown(stored),
            shown(lost),
            format!("{} µs", shown(1e6 * cpu / stored)),
        ]);
    }
    let columns = ["asked a second", "sent a second", "sent", "stored", "lost", "server CPU each"];
    section.table(&columns, rows);
    section.note("The sender is on the same machine and takes its share of the cores.");
    Ok(section)
}
