//! `cargo xtask bench`: figures of the release binaries that anyone can measure again, and the crash
//! harness, which needs the same tools.

mod arguments;
mod connection;
mod crash;
mod daemon;
mod figures;
mod json;
mod load;
mod machine;
mod quantiles;
mod random;
mod report;
mod scratch;
mod server;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use self::arguments::Arguments;
use crate::workspace::{built, cargo};

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some((benchmark, rest)) = arguments.split_first() else {
        bail!("name a benchmark: store, daemon or crash");
    };
    let mut options = Arguments::read(rest)?;
    // Load from a program that is not optimised would be what is measured.
    if ["store", "daemon"].contains(&benchmark.as_str()) && cfg!(debug_assertions) {
        return again_in_release(arguments);
    }
    if benchmark == "daemon" {
        return daemon::run(options);
    }
    let binary = match options.take::<PathBuf>("--binary")? {
        Some(binary) => binary,
        None => built("roentgen-server", "roentgen")?,
    };
    match benchmark.as_str() {
        "store" => store::run(binary, options),
        "crash" => crash::run(&binary, options),
        other => bail!("unknown benchmark {other:?}; there are store, daemon and crash"),
    }
}

/// Runs the same benchmark with an xtask of the release profile.
fn again_in_release(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let mut xtask = cargo();
    xtask.args(["run", "--quiet", "--release", "--package", "xtask", "--", "bench"]);
    let status = xtask.args(arguments).status().context("cargo run cannot be started")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
