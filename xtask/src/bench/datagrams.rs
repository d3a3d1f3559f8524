//! UDP at a fixed rate: how many of the datagrams sent does the server take?

use std::net::UdpSocket;
use std::time::Duration;

use super::documents::Template;
use super::server::Server;
use super::table::Load;
use crate::stopwatch::{Stopwatch, since_epoch};

const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// Between two bursts. At 20,000 a second a burst has 20 datagrams: the grain of a busy host.
const BURST_INTERVAL: Duration = Duration::from_millis(1);

/// Sends `per_second` datagrams a second for `duration`.
pub(super) fn measure(per_second: u32, duration: Duration) -> anyhow::Result<Load> {
    let server = Server::start()?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(&server.address)?;
    let cpu_before = server.cpu_seconds()?;
    let stopwatch = Stopwatch::start();
    let sent = send(&socket, per_second, duration, stopwatch)?;
    let took = stopwatch.elapsed();
    let documents = server.documents_when_settled(sent)?;
    Load::new(format!("UDP, {per_second}/s"), sent, documents, took, cpu_before, &server)
}

fn send(
    socket: &UdpSocket,
    per_second: u32,
    duration: Duration,
    stopwatch: Stopwatch,
) -> anyhow::Result<u64> {
    let mut templates = Template::of_trace();
    let mut datagram = Vec::new();
    let mut sent = 0_u64;
    let mut slot = 0;
    while stopwatch.elapsed() < duration {
        let due =
            u64::try_from(stopwatch.elapsed().as_micros() * u128::from(per_second) / 1_000_000)?;
        while sent < due {
            if let Some(template) = templates.get_mut(slot) {
                datagram.clear();
                datagram.extend_from_slice(HEADER);
                datagram.extend_from_slice(template.fill(sent, since_epoch()));
                socket.send(&datagram)?;
            }
            slot = (slot + 1) % templates.len();
            sent += 1;
        }
        std::thread::sleep(BURST_INTERVAL);
    }
    Ok(sent)
}
