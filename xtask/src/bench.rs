//! `cargo xtask bench`: figures of the release binary that anyone can measure again.
//!
//! The generator runs on the same machine and takes its share of the cores, so rates per second say
//! what a whole machine does; segments per CPU-second of the server are the figure to compare.

mod connection;
mod datagrams;
mod documents;
mod ingest;
mod server;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use self::server::Server;
use self::table::{print_loads, print_program};
use crate::workspace::{command, release_binary, release_build, target_directory};

/// How much load, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Options {
    /// Length of each measurement.
    duration: Duration,
    /// Keep-alive HTTP connections, each with one call under way.
    connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { duration: Duration::from_secs(10), connections: 16 }
    }
}

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some(("ingest", rest)) =
        arguments.split_first().map(|(benchmark, rest)| (benchmark.as_str(), rest))
    else {
        bail!("name a benchmark; `cargo xtask bench ingest` is the one there is");
    };
    let options = parse(rest)?;
    let status = release_build().status().context("cargo build cannot be started")?;
    if !status.success() {
        bail!("cargo build --release: {status}");
    }
    bench_ingest(options)?;
    Ok(ExitCode::SUCCESS)
}

fn bench_ingest(options: Options) -> anyhow::Result<()> {
    let idle = Server::start()?.settled_memory()?;
    let mut loads = vec![ingest::measure(options)?];
    for per_second in [5_000, 10_000, 20_000] {
        loads.push(datagrams::measure(per_second, options.duration)?);
    }
    print_program(stripped_size(&release_binary())?, idle);
    print_loads(&loads);
    Ok(())
}

/// The size of the binary as it is shipped: without symbols and line tables.
fn stripped_size(binary: &Path) -> anyhow::Result<u64> {
    let stripped = target_directory().join("bench").join("roentgen-stripped");
    let status = command("strip", &target_directory())
        .arg("-o")
        .args([&stripped, binary])
        .status()
        .context("strip (binutils) cannot be started")?;
    if !status.success() {
        bail!("strip {}: {status}", binary.display());
    }
    let size = std::fs::metadata(&stripped)?.len();
    std::fs::remove_file(&stripped)?;
    Ok(size)
}

fn parse(arguments: &[String]) -> anyhow::Result<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("{argument} needs a number"))?;
        let number: u32 = value.parse().with_context(|| format!("{argument} {value}"))?;
        if number == 0 {
            bail!("{argument} must be at least 1");
        }
        match argument.as_str() {
            "--seconds" => options.duration = Duration::from_secs(number.into()),
            "--connections" => options.connections = usize::try_from(number)?,
            other => bail!("unknown argument {other:?}; expected --seconds or --connections"),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> anyhow::Result<Options> {
        parse(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn reads_options() {
        let default = parsed(&[]).expect("nothing is needed");
        assert_eq!(default, Options::default());
        let given = parsed(&["--seconds", "3", "--connections", "4"]).expect("both known");
        assert_eq!(given, Options { duration: Duration::from_secs(3), connections: 4 });
        for wrong in [&["--seconds"][..], &["--seconds", "0"], &["--seconds", "x"], &["--x", "1"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
