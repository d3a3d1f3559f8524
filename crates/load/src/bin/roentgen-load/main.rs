//! `roentgen-load`: sends X-Ray traffic as fast or as steadily as asked, and reads back what it sent.

mod api;
mod arguments;
mod check;
mod clock;
mod emission;
mod figures;
mod http;
mod pacing;
mod progress;
mod report;
mod run;
mod samples;
mod server_counts;
mod sink;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::Parser as _;
use signal_hook::consts::{SIGINT, SIGTERM};

use arguments::Arguments;

fn main() -> ExitCode {
    match load() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A terminal that is gone has nobody to tell.
            let _ = writeln!(std::io::stderr().lock(), "roentgen-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs and prints the report; gives whether all went well.
fn load() -> anyhow::Result<bool> {
    let arguments = Arguments::parse();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first one ends the run, with its checks and its report; the second one ends the process.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("listen for signals")?;
    }
    let report = run::run(&arguments.sink, &stop)?;
    let text = if arguments.sink.load().json {
        serde_json::to_string_pretty(&report)?
    } else {
        report.text()
    };
    writeln!(std::io::stdout().lock(), "{text}").context("write the report")?;
    Ok(report.ok)
}
