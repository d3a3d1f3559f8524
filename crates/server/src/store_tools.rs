//! `roentgen store …`: checking, copying, exporting and importing what is stored.
//!
//! The work is done by the crates `store` and `export`; here it is asked for, watched and told.

mod check;
mod export;
mod import;
mod moment;
mod progress;
mod rebuild;
mod snapshot;
mod wording;

use std::io::Write as _;
use std::process::ExitCode;

use roentgen_ops::{Environment, LogLevel, start_logging};

use crate::cli::{DataDirArgs, ServeArgs, StoreTool};
use crate::config::Config;

/// What a tool logs: what is wrong. What it does it tells by itself.
const LOG_LEVEL: &str = "warn";

/// Runs a tool. `store check` gives a failure's code when something is damaged.
///
/// # Errors
/// When the tool cannot do its work.
pub fn store_tool(tool: &StoreTool, environment: &dyn Environment) -> anyhow::Result<ExitCode> {
    start_logging(&LOG_LEVEL.parse::<LogLevel>()?)?;
    match tool {
        StoreTool::Check(args) => check::check(args, environment),
        StoreTool::Rebuild(args) => rebuild::rebuild(args, environment),
        StoreTool::Snapshot(args) => snapshot::snapshot(args, environment),
        StoreTool::Export(args) => export::export(args, environment),
        StoreTool::Import(args) => import::import(args, environment),
    }
}

/// The configuration of the server whose data directory is meant.
fn config_of(args: &DataDirArgs, environment: &dyn Environment) -> anyhow::Result<Config> {
    let DataDirArgs { data_dir, config } = args.clone();
    let args = ServeArgs { data_dir, config, ..ServeArgs::default() };
    Ok(Config::gather(&args, environment)?)
}

/// Writes to standard output.
fn tell(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
