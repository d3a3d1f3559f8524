//! What all runs together have shown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::life::{Life, Opening, Seen};
use super::tamper::Mode;
use crate::bench::quantiles::Quantiles;

/// The sum of all lives.
#[derive(Debug, Default)]
pub(super) struct Report {
    seen: Seen,
    pub(super) faults: Vec<String>,
}

impl Report {
    /// Adds a life that has come to its end, or to a fault. Then its directory is kept.
    pub(super) fn add(&mut self, mut life: Life, ended: anyhow::Result<()>) {
        let Seen { runs, documents, compared, lost, damaged, expired, settled, openings } =
            std::mem::take(&mut life.seen);
        for (mode, count) in runs {
            *self.seen.runs.entry(mode).or_default() += count;
        }
        self.seen.documents += documents;
        self.seen.compared += compared;
        self.seen.lost += lost;
        self.seen.damaged += damaged;
        self.seen.expired += expired;
        self.seen.settled += settled;
        self.seen.openings.extend(openings);
        if let Err(fault) = ended {
            let fault = format!("{fault:#}; kept in {}", life.keep().display());
            println!("FAULT {fault}");
            self.faults.push(fault);
        }
    }

    pub(super) fn print(&self, took: Duration) {
        let runs: u64 = self.seen.runs.values().sum();
        let by_mode: BTreeMap<Mode, &str> =
            Mode::ALL.iter().map(|(name, mode)| (*mode, *name)).collect();
        let modes: Vec<_> = self
            .seen
            .runs
            .iter()
            .map(|(mode, count)| format!("{} {count}", by_mode.get(mode).copied().unwrap_or("")))
            .collect();
        println!("\n| crash | |");
        println!("|---|---:|");
        println!("| runs | {runs} ({}) |", modes.join(", "));
        println!("| faults | {} |", self.faults.len());
        println!("| documents stored | {} |", self.seen.documents);
        println!("| documents compared byte for byte | {} |", self.seen.compared);
        println!("| lost to damage done to the log, named and counted | {} |", self.seen.lost);
        println!("| derived files damaged, nothing lost | {} |", self.seen.damaged);
        println!("| dropped by retention | {} |", self.seen.expired);
        println!("| runs with settled files | {} |", self.seen.settled);
        let took_ms = |opening: &Opening| opening.took.as_secs_f64() * 1e3;
        let openings = Quantiles::of(self.seen.openings.iter().map(took_ms));
        println!(
            "| opening, p50 and longest | {:.1} ms, {:.1} ms |",
            openings.at(0.5),
            openings.at(1.0)
        );
        let bytes = Quantiles::of(self.seen.openings.iter().map(|opening| opening.replayed));
        println!(
            "| log read at opening, p50 and most | {:.2} MiB, {:.2} MiB |",
            bytes.at(0.5) / 1_048_576.0,
            bytes.at(1.0) / 1_048_576.0
        );
        println!(
            "| wall time | {:.1} s, {:.2} s a run |",
            took.as_secs_f64(),
            took.as_secs_f64() / runs.max(1) as f64
        );
    }
}
