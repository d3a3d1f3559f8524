//! The daemon: a drop-in for the official X-Ray sidecar.
//!
//! Datagrams become batches while they come in (`intake`, `batch`), and batches go to one or several
//! destinations (`destinations`, `upstream`), each with a queue of its own. The TCP port (`gateway`)
//! sends sampling calls on. `config` reads what the daemon was told, `identity` finds out who it is
//! to AWS, `daemon` puts the parts together and stops them in order.

mod batch;
#[cfg(test)]
mod captured_log;
mod config;
mod daemon;
mod destinations;
#[cfg(test)]
mod fake_upstream;
mod gateway;
mod go_words;
mod healthcheck;
mod identity;
mod intake;
mod logging;
#[cfg(test)]
mod mutations;
mod policy;
mod settings;
mod tally;
mod telemetry;
mod upstream;

// For the bench beside the sources.
#[doc(hidden)]
pub use batch::{Batch, BatchBuilder, BodyError, Memory, Obstacle};

use std::process::ExitCode;
use std::sync::Arc;

use roentgen_ops::{Clock, SystemClock};

use config::Command;

/// The whole program: reads arguments, environment and file, and does what they say. Gives the code
/// to end with.
pub fn run() -> ExitCode {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match config::gather_from_process(clock.now()) {
        Ok(Command::Run { settings, notices }) => daemon::run(&settings, &notices, &clock),
        Ok(Command::Healthcheck { address }) => healthcheck::run(&address),
        Err(exit) => exit.leave(),
    }
}
