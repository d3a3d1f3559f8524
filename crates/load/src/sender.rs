//! Sends the shop's documents over UDP at the time their services would.

mod pace;
mod progress;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use roentgen_protocol::DATAGRAM_HEADER;

use crate::shop::Shop;
use pace::Pace;
pub use progress::{Progress, ProgressCounts};

/// The highest rate that is accepted. The shop makes about four documents per request; beyond
/// this, one thread would not keep up.
const MAX_REQUESTS_PER_SECOND: f64 = 5_000.0;

/// What to send where.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where a daemon or Roentgen listens for segments.
    pub target: SocketAddr,
    /// Seed of all chance. The same seed at the same time gives the same ids, so take another one
    /// for each run.
    pub seed: u64,
    /// Average number of requests to the shop per second.
    pub requests_per_second: f64,
    /// For how long new requests come in; `None` until stopped.
    pub duration: Option<Duration>,
    /// How far back the requests reach that are sent at once at the beginning, so that a map and
    /// its charts have a history from the first moment.
    pub history: Duration,
    /// How many requests that history has; 0 for none.
    pub history_requests: u32,
}

/// Why traffic could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The rate is no number, not positive, or too high.
    #[error(
        "{rate} requests per second are not possible; expected more than 0 and at most {MAX_REQUESTS_PER_SECOND}"
    )]
    Rate {
        /// The rate asked for.
        rate: f64,
    },
    /// No socket to send from.
    #[error("no UDP socket for sending to {target}: {source}")]
    Socket {
        /// Where to send.
        target: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl Settings {
    /// Five requests per second without end, after a history of 400 requests in ten minutes.
    pub fn new(target: SocketAddr, seed: u64) -> Self {
        Self {
            target,
            seed,
            requests_per_second: 5.0,
            duration: None,
            history: Duration::from_secs(600),
            history_requests: 400,
        }
    }
}

/// Sends traffic of the sample shop until its duration is over and the last request has ended, or
/// until `stop` is set; then what is left is sent at once, so that no trace stays in pieces.
///
/// The calling thread works and waits. `now` is the wall clock and `pause` waits for the time given,
/// which is never longer than 50 ms; outside tests it is [`std::thread::sleep`]. `progress` can be
/// read meanwhile.
///
/// As with the SDKs nobody answers: what can not be sent is counted, and lost.
///
/// # Errors
/// When the rate is out of range or there is no socket to be had.
pub fn run(
    settings: &Settings,
    now: impl Fn() -> SystemTime,
    pause: impl Fn(Duration),
    stop: &AtomicBool,
    progress: &Progress,
) -> Result<(), LoadError> {
    let rate = settings.requests_per_second;
    let is_possible = rate > 0.0 && rate <= MAX_REQUESTS_PER_SECOND;
    if !is_possible {
        return Err(LoadError::Rate { rate });
    }
    let socket = connect(settings.target)
        .map_err(|source| LoadError::Socket { target: settings.target, source })?;
    let mut datagram = Vec::new();
    let send = |document: &str| {
        datagram.clear();
        datagram.extend_from_slice(DATAGRAM_HEADER);
        datagram.extend_from_slice(document.as_bytes());
        send_datagram(&socket, &datagram, progress)
    };
    Pace::new(settings, Shop::new(settings.seed), now, pause, stop, progress, send).run();
    Ok(())
}

fn connect(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(target)?;
    Ok(socket)
}

/// Sends a datagram. When the system reports that nobody took an earlier one, it has not sent this
/// one: the earlier one is counted, and this one is sent again.
fn send_datagram(socket: &UdpSocket, datagram: &[u8], progress: &Progress) -> io::Result<()> {
    let mut sent = socket.send(datagram);
    if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        Progress::add(&progress.failed_documents, 1);
        sent = socket.send(datagram);
    }
    sent.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_are_not_possible() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 5_000.1] {
            let settings = Settings {
                requests_per_second: rate,
                ..Settings::new(SocketAddr::from(([127, 0, 0, 1], 9)), 1)
            };
            let result = run(
                &settings,
                || SystemTime::UNIX_EPOCH,
                |_| {},
                &AtomicBool::new(false),
                &Progress::default(),
            );
            assert!(matches!(result, Err(LoadError::Rate { .. })), "{rate}");
        }
    }
}
