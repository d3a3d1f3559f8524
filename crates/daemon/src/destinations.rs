//! Batches on their way out: queues, attempts, the spool.
//!
//! Every destination has a queue, senders and, if wanted, a spool of its own; they share only the
//! batches themselves. One that is slow or down keeps the others from nothing, and takes memory
//! first from itself: room is made where most waits.

mod answer;
mod queue;
mod retry;
mod sending;
mod spool;
mod spooling;
#[cfg(test)]
mod tests;
mod unprocessed;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderValue;
use roentgen_ops::Clock;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::sending::{headers, new_invocation, printable};
pub(crate) use self::spool::SpoolError;

use self::queue::Queue;
use self::sending::Line;
use self::spool::Spool;
use self::spooling::{Spooling, count};
use crate::batch::Batch;
use crate::intake::Outlet;
use crate::settings::{BufferMemory, Destination, Retry, SpoolSettings};
use crate::tally::DestinationTally;
use crate::upstream::Upstream;

/// Most of the end of the process that is left for writing to the spool; a quarter if that is less.
const MOST_TIME_FOR_DISK: Duration = Duration::from_secs(2);

/// All destinations.
#[derive(Debug)]
pub(crate) struct Destinations {
    lines: Vec<Arc<Line>>,
    senders: TaskTracker,
    disk: TaskTracker,
}

/// One destination as it is set up.
#[derive(Debug)]
pub(crate) struct DestinationSetup {
    /// See [`name`].
    pub(crate) name: String,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) tally: DestinationTally,
}

/// What all destinations have in common.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    /// How many batches are sent at the same time to one destination.
    pub(crate) concurrency: usize,
    pub(crate) retry: Retry,
    pub(crate) spool: Option<SpoolSettings>,
    pub(crate) memory: BufferMemory,
    /// See [`user_agent`].
    pub(crate) user_agent: HeaderValue,
}

/// What was left at the end, by destination.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsent(pub(crate) Vec<UnsentAt>);

/// What was left for one destination.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UnsentAt {
    pub(crate) destination: String,
    /// Batches that waited or were on their way.
    pub(crate) batches: usize,
    /// Documents in them that are gone. Those on their way may have arrived.
    pub(crate) lost: usize,
    /// Documents in them that wait on disk.
    pub(crate) spooled: usize,
}

/// The name of a destination in log lines, labels and the spool: `aws`, or host and port.
pub(crate) fn name(destination: &Destination) -> String {
    match destination {
        Destination::Aws { .. } => "aws".to_owned(),
        Destination::Roentgen { endpoint, .. } => {
            let address = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
            address.trim_end_matches('/').to_owned()
        }
    }
}

/// Who we say we are. `execution_environment` is `AWS_EXECUTION_ENV`. The part `xray-agent/…` is
/// the official daemon's: what counts its requests counts ours.
pub(crate) fn user_agent(execution_environment: Option<&str>) -> HeaderValue {
    let version = env!("CARGO_PKG_VERSION");
    let named = execution_environment.filter(|name| !name.is_empty()).unwrap_or("UNKNOWN");
    let environment: String = named.chars().filter(char::is_ascii_graphic).collect();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    printable(format!(
        "roentgen-daemon/{version} xray-agent/xray-daemon/{version} exec-env/{environment} \
         OS/{}-{architecture}",
        std::env::consts::OS
    ))
}

impl Destinations {
    /// Begins to send. Must be called within the runtime that sends.
    ///
    /// # Errors
    /// When a directory of the spool cannot be used.
    pub(crate) fn start(
        setups: Vec<DestinationSetup>,
        sending: &Sending,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Self>, SpoolError> {
        let (senders, disk) = (TaskTracker::new(), TaskTracker::new());
        let number = setups.len().max(1);
        let is_named = setups.len() > 1;
        let mut lines = Vec::with_capacity(setups.len());
        for setup in setups {
            let spooling = sending.spool.as_ref().map(|settings| {
                let directory = spool_directory(settings, &setup.name);
                let share = settings.most_bytes / u64::try_from(number).unwrap_or(1);
                Spool::open(directory, share).map(|spool| Arc::new(Spooling::new(spool)))
            });
            let line = Arc::new(Line {
                name: setup.name,
                is_named,
                upstream: setup.upstream,
                retry: sending.retry,
                user_agent: sending.user_agent.clone(),
                clock: Arc::clone(clock),
                tally: setup.tally,
                spooling: spooling.transpose()?,
                spool_over_bytes: half_of(sending.memory) / number,
                queue: Mutex::new(Queue::default()),
                changed: Notify::new(),
                closed: CancellationToken::new(),
                ended: CancellationToken::new(),
            });
            for _ in 0..sending.concurrency.max(1) {
                senders.spawn(sending::send(Arc::clone(&line)));
            }
            if let Some(spooling) = &line.spooling {
                say_what_was_left(&line, spooling);
                disk.spawn(spooling::write(Arc::clone(&line), Arc::clone(spooling)));
                disk.spawn(spooling::replay(Arc::clone(&line), Arc::clone(spooling)));
            }
            lines.push(line);
        }
        Ok(Arc::new(Self { lines, senders, disk }))
    }

    /// Sends what waits, for at most so long, and then gives up: what is left goes to the spool or
    /// is lost, and said. No batch must be offered any more.
    pub(crate) async fn finish(&self, within: Duration) -> Unsent {
        let deadline = Instant::now() + within;
        let has_spool = self.lines.iter().any(|line| line.spooling.is_some());
        let for_disk = if has_spool { MOST_TIME_FOR_DISK.min(within / 4) } else { Duration::ZERO };
        self.lines.iter().for_each(|line| line.close());
        self.senders.close();
        self.disk.close();
        // Whether they come to their end in time or not, the rest is the same.
        let _ = timeout_at(deadline - for_disk, self.senders.wait()).await;
        self.lines.iter().for_each(|line| line.ended.cancel());
        self.senders.wait().await;
        let mut unsent = Unsent::default();
        for line in &self.lines {
            unsent.0.push(give_up(line, deadline).await);
        }
        let _ = timeout_at(deadline, self.disk.wait()).await;
        for line in &self.lines {
            count_unwritten(line);
        }
        if unsent.0.iter().any(|left| left.batches > 0) {
            tracing::warn!("Shutdown before everything was sent: {unsent}");
        }
        unsent
    }
}

impl Outlet for Destinations {
    fn offer(&self, batch: Arc<Batch>) {
        for line in &self.lines {
            line.offer(Arc::clone(&batch));
        }
    }

    fn make_room(&self) -> bool {
        let longest = self.lines.iter().max_by_key(|line| line.waiting_bytes());
        longest.is_some_and(|line| line.make_room())
    }
}

/// Takes everything that waits for a destination: to the spool, or away.
async fn give_up(line: &Line, deadline: Instant) -> UnsentAt {
    let left: Vec<Arc<Batch>> = std::iter::from_fn(|| line.pop_oldest()).collect();
    let documents = left.iter().map(|batch| batch.document_count()).sum();
    let mut unsent = UnsentAt {
        destination: line.name.clone(),
        batches: left.len(),
        lost: documents,
        spooled: 0,
    };
    match &line.spooling {
        Some(spooling) if !left.is_empty() => {
            match timeout_at(deadline, spooling::store(line, spooling, left)).await {
                Ok(put) => {
                    unsent.spooled = put.documents;
                    unsent.lost = documents - put.documents.min(documents); // Counted there.
                }
                Err(_) => line.tally.lost.shutdown.add(count(documents)),
            }
        }
        _ => line.tally.lost.shutdown.add(count(documents)),
    }
    unsent
}

/// Counts what the disk was too slow for.
fn count_unwritten(line: &Line) {
    let Some(spooling) = &line.spooling else { return };
    let documents: usize = spooling.take_leaving().iter().map(|b| b.document_count()).sum();
    line.tally.lost.spool_full.add(count(documents));
}

fn say_what_was_left(line: &Line, spooling: &Spooling) {
    line.show_spool(spooling);
    let (documents, directory) = (spooling.spool().documents(), spooling.spool().directory());
    if documents > 0 {
        tracing::info!(
            destination = line.shown(),
            "Found {documents} segments in the spool {}",
            directory.display()
        );
    }
}

/// Every destination has a directory of its own, named like it.
fn spool_directory(settings: &SpoolSettings, name: &str) -> PathBuf {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
    settings.directory.join(plain.collect::<String>())
}

/// Half of the memory for documents, in bytes.
fn half_of(memory: BufferMemory) -> usize {
    usize::try_from(memory.megabytes.saturating_mul(1 << 19)).unwrap_or(usize::MAX)
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for left in self.0.iter().filter(|left| left.batches > 0) {
            let UnsentAt { destination, batches, lost, spooled } = left;
            write!(f, "{separator}{destination}: {lost} segments lost")?;
            if *spooled > 0 {
                write!(f, ", {spooled} kept in the spool")?;
            }
            write!(f, " ({batches} batches)")?;
            separator = "; ";
        }
        Ok(())
    }
}
