//! The TCP port: sampling calls sent on, documents taken, health and metrics.
//!
//! Applications trust this port with less than the official daemon gives away: there, whoever
//! reaches it uses the daemon's credentials for any call. Here only what SDKs need is sent on,
//! unless told otherwise, and nothing that a web page asks for.
//!
//! Every bound on clients, slow or many, is in [`Limits`].

mod body;
mod connections;
mod documents;
mod forwarding;
mod guard;
mod limits;
mod listen;
mod own_pages;
mod reply;
mod routes;
#[cfg(test)]
mod tests;
mod timed_stream;

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use roentgen_ops::{Clock, Metrics};

use crate::tally::Tally;
use crate::upstream::Upstream;
use connections::Connections;
use routes::Routes;

pub(crate) use limits::Limits;
pub(crate) use listen::{ListenError, listen};

/// Where documents go.
pub(crate) trait Accept: fmt::Debug + Send + Sync + 'static {
    /// Takes a document and counts it as received. Never blocks.
    fn accept(&self, document: &[u8]) -> Result<(), NoRoom>;
}

/// There is no memory for the document at the moment. Its sender knows, so it is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for another document")]
pub(crate) struct NoRoom;

/// Who knows how the daemon is.
pub(crate) trait Health: fmt::Debug + Send + Sync + 'static {
    /// How it is now.
    fn health(&self) -> HealthReport;

    /// Brings those metrics up to date that are counted elsewhere.
    fn refresh_metrics(&self);
}

/// How the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HealthReport {
    /// Whether datagrams are being received. All else may be down and come back; without this the
    /// daemon has to be started again.
    pub(crate) is_receiving: bool,
    /// Whether the last call to the first destination got an answer; `None` before the first.
    pub(crate) is_upstream_reachable: Option<bool>,
    /// Documents that wait to be sent.
    pub(crate) queued_documents: u64,
}

/// What the port needs of the daemon.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// Where calls are sent on: the first destination.
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) accept: Arc<dyn Accept>,
    pub(crate) health: Arc<dyn Health>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tally: Tally,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The open port.
#[derive(Debug)]
pub(crate) struct Gateway {
    connections: Connections,
}

impl Gateway {
    /// Starts to answer. Must be called within a tokio runtime. `sends_everything_on` is
    /// `--proxy-paths all`.
    pub(crate) fn start(
        listener: TcpListener,
        parts: Parts,
        sends_everything_on: bool,
        limits: Limits,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let clock = Arc::clone(&parts.clock);
        let open = parts.metrics.gauge(
            "roentgen_daemon_tcp_connections",
            "Open connections to the TCP port.",
            &[],
        );
        let routes = Arc::new(Routes::new(parts, address, sends_everything_on, limits));
        let connections = Connections::start(listener, routes, open, limits, clock)?;
        Ok(Self { connections })
    }

    /// Takes no more connections, closes idle ones and lets begun calls end. False when some had
    /// to be cut off at the deadline.
    pub(crate) async fn stop(self, deadline: Duration) -> bool {
        self.connections.drain(deadline).await
    }
}
