//! `roentgen serve`: from start to the last signal.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use roentgen_ops::{ShutdownSignals, SystemClock};

use crate::banner::banner;
use crate::config::Config;
use crate::server::Server;

/// How long stopping may take: requests that have begun, then the closing of the store. Container
/// runtimes kill after ten seconds.
const STOP_DEADLINE: Duration = Duration::from_secs(9);

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As wished; the log tells what had to be cut off.
    InOrder,
    /// At once, since a second signal came.
    AtOnce,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When the server cannot start.
pub async fn serve(config: &Config) -> anyhow::Result<Ended> {
    let mut signals = ShutdownSignals::listen().context("listen for signals")?;
    let starting = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || Server::start(&config, Arc::new(SystemClock)))
    };
    // Reading a large log takes a while; nobody shall have to wait for that to stop us.
    let server = tokio::select! {
        server = starting => server.context("start the server")??,
        signal = signals.next() => {
            tracing::info!(signal, "stopped while starting");
            return Ok(Ended::InOrder);
        }
    };
    let lines = banner(server.address(), &config.data_dir, server.traces());
    // Whoever closed our standard output does not want to read this; that is no fault.
    let _ = std::io::stdout().write_all(lines.as_bytes());
    let _ = std::io::stdout().flush();
    tracing::info!(address = %server.address(), "serving");
    if !server.address().ip().is_loopback() {
        tracing::warn!(
            "everyone who reaches this address can read and write traces: requests are not checked"
        );
    }

    let signal = signals.next().await;
    tracing::info!(signal, "stopping");
    tokio::select! {
        in_order = server.stop(STOP_DEADLINE) => {
            tracing::info!(in_order, "stopped");
            Ok(Ended::InOrder)
        }
        signal = signals.next() => {
            tracing::warn!(signal, "stopped at once, by a second signal");
            Ok(Ended::AtOnce)
        }
    }
}
