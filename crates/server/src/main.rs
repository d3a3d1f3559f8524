//! The `roentgen` program.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;
use roentgen_ops::{ProcessEnvironment, start_logging};
use roentgen_server::{
    Cli, Command, Config, Ended, ServeArgs, healthcheck, sample_traffic, serve, store_tool,
};

/// A fifth less processor time on the way from a datagram to the store (docs/adr/0001).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The command line or the configuration is wrong; clap uses the same code.
const USAGE: u8 = 2;

/// Ended by a second signal, by convention 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run_server(&cli.serve),
        Some(Command::Serve(args)) => run_server(&args),
        Some(Command::SampleTraffic(args)) => sample_traffic(&args).map(|()| ExitCode::SUCCESS),
        Some(Command::Healthcheck(args)) => {
            healthcheck(&args, &ProcessEnvironment).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Store(args)) => store_tool(&args.tool, &ProcessEnvironment),
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run_server(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = match Config::gather(args, &ProcessEnvironment) {
        Ok(config) => config,
        Err(faults) => {
            complain(&faults.to_string());
            return Ok(ExitCode::from(USAGE));
        }
    };
    start_logging(&config.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(&config))?;
    // Whatever still runs was cut off on purpose; do not wait for it.
    runtime.shutdown_background();
    Ok(match ended {
        Ended::InOrder => ExitCode::SUCCESS,
        Ended::AtOnce => ExitCode::from(INTERRUPTED),
    })
}

/// Tells the person who started us; there may be no logging yet.
fn complain(message: &str) {
    for line in message.lines() {
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(std::io::stderr(), "roentgen: {line}");
    }
}
