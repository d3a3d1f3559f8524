//! PutTraceSegments under load: concurrent kept-alive connections, fifty documents to a call.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{anyhow, bail};

use super::Options;
use super::connection::Connection;
use super::documents::{SEGMENTS_PER_TRACE, Template};
use super::server::Server;
use super::table::Load;
use crate::stopwatch::{Stopwatch, since_epoch};

/// The most that PutTraceSegments takes.
const DOCUMENTS_PER_CALL: u64 = 50;

/// What an answer holds when every document was stored.
const NOTHING_UNPROCESSED: &[u8] = br#""UnprocessedTraceSegments":[]"#;

/// Sends as fast as the server acknowledges.
pub(super) fn measure(options: Options) -> anyhow::Result<Load> {
    let server = Server::start()?;
    let calls = AtomicU64::new(0);
    let cpu_before = server.cpu_seconds()?;
    let stopwatch = Stopwatch::start();
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..options.connections)
            .map(|_| scope.spawn(|| send(&server.address, &calls, options, stopwatch)))
            .collect();
        senders
            .into_iter()
            .try_for_each(|sender| sender.join().map_err(|_| anyhow!("a sender panicked"))?)
    })?;
    let took = stopwatch.elapsed();
    let sent = calls.load(Ordering::Relaxed) * DOCUMENTS_PER_CALL;
    let documents = server.documents()?;
    if documents.accepted != sent {
        bail!("{sent} documents were acknowledged, but the server counted {documents:?}");
    }
    Load::new(
        format!("PutTraceSegments, {} connections", options.connections),
        sent,
        documents,
        took,
        cpu_before,
        &server,
    )
}

/// One connection until time is over. Calls are numbered across connections, so no id comes twice.
fn send(
    address: &str,
    calls: &AtomicU64,
    options: Options,
    stopwatch: Stopwatch,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(address)?;
    let mut templates: Vec<_> =
        (0..SEGMENTS_PER_TRACE).map(|phase| Template::of_call(phase, DOCUMENTS_PER_CALL)).collect();
    while stopwatch.elapsed() < options.duration {
        let first = calls.fetch_add(1, Ordering::Relaxed) * DOCUMENTS_PER_CALL;
        let phase = usize::try_from(first % SEGMENTS_PER_TRACE)?;
        let Some(template) = templates.get_mut(phase) else { bail!("no template {phase}") };
        let answer = connection.post("/TraceSegments", template.fill(first, since_epoch()))?;
        if !answer.windows(NOTHING_UNPROCESSED.len()).any(|part| part == NOTHING_UNPROCESSED) {
            bail!("documents were refused: {}", String::from_utf8_lossy(&answer));
        }
    }
    Ok(())
}
