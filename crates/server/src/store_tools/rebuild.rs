//! `roentgen store rebuild`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use roentgen_ops::{Clock as _, Environment, SystemClock};
use roentgen_store::StoreCounts;

use super::{config_of, tell, wording};
use crate::cli::RebuildArgs;

pub(super) fn rebuild(
    args: &RebuildArgs,
    environment: &dyn Environment,
) -> anyhow::Result<ExitCode> {
    let config = config_of(&args.directory, environment)?;
    let begin = SystemClock.instant();
    // Opening would make an empty store where there is none.
    roentgen_store::LogReader::new(&config.data_dir)?;
    let report = roentgen_store::rebuild(config.store_options(), Arc::new(SystemClock))?;
    let took = SystemClock.instant() - begin;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "before: {}", told(&report.before));
    let _ = writeln!(text, "after:  {}", told(&report.after));
    let outcome = if report.before == report.after { "the same" } else { "not the same as before" };
    let _ = writeln!(text, "Made anew in {}; {outcome}", wording::seconds(took));
    tell(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn told(counts: &StoreCounts) -> String {
    format!(
        "{}, {}; a service graph of {} and {} with {} requests",
        wording::count(counts.documents, "document", "documents"),
        wording::count(counts.traces, "trace", "traces"),
        wording::count(counts.nodes, "node", "nodes"),
        wording::count(counts.edges, "edge", "edges"),
        counts.requests
    )
}
