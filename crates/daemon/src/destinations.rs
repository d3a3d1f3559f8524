//! Batches on their way out: queues, attempts, the spool.
//!
//! Every destination has a queue, senders and, if wanted, a spool of its own; they share only the
//! batches themselves. One that is slow or down keeps the others from nothing: it can hold on to no
//! more than its share of the memory, and what waits for it alone gives way first.

mod answer;
mod queue;
mod retry;
mod room;
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
use self::spool::{MOST_FILES, Spool};
use self::spooling::Spooling;
use crate::batch::Batch;
use crate::intake::Outlet;
use crate::settings::{Destination, Retry, SpoolSettings};
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
    /// Bytes of memory that a destination may hold on to in each of its [`parts`].
    pub(crate) memory_share: usize,
    /// See [`user_agent`].
    pub(crate) user_agent: HeaderValue,
}

/// What was left at the end, by destination.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsent(pub(crate) Vec<UnsentAt>);

/// What was left for one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnsentAt {
    pub(crate) destination: String,
    /// Batches that waited or were on their way, to it or to the disk.
    pub(crate) batches: usize,
    /// Documents in them that are gone. Those on their way may have arrived.
    pub(crate) lost: usize,
    /// Documents in them that wait on disk.
    pub(crate) spooled: usize,
}

/// How many shares of the memory so many destinations take: each one for what is on its way, and
/// with a spool one for what waits and one for what is on its way to the disk.
pub(crate) fn parts(destinations: usize, has_spool: bool) -> usize {
    destinations * if has_spool { 3 } else { 1 }
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
                let spool = Spool::open(directory, share, MOST_FILES / number)?;
                Ok(Arc::new(Spooling::new(spool, sending.memory_share)))
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
                spool_over_bytes: sending.memory_share,
                unsent: Mutex::default(),
                queue: Mutex::new(Queue::new(sending.memory_share)),
                changed: Notify::new(),
                closed: CancellationToken::new(),
                ended: CancellationToken::new(),
                emptied: CancellationToken::new(),
                abandoned: CancellationToken::new(),
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
    /// is lost, and said. A batch that is offered later is lost.
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
        self.lines.iter().for_each(|line| line.give_up());
        let _ = timeout_at(deadline, self.disk.wait()).await;
        self.lines.iter().for_each(|line| line.abandoned.cancel());
        self.disk.wait().await;
        let unsent = Unsent(self.lines.iter().map(|line| line.unsent()).collect());
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

    fn wake(&self) {
        self.lines.iter().for_each(|line| line.changed.notify_one());
    }

    fn make_room(&self) -> bool {
        room::make_room(&self.lines)
    }
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

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for left in self.0.iter().filter(|left| left.batches > 0) {
            let UnsentAt { destination, batches, lost, spooled } = left;
            let segments = if *lost == 1 { "segment" } else { "segments" };
            write!(f, "{separator}{destination}: {lost} {segments} lost")?;
            if *spooled > 0 {
                write!(f, ", {spooled} kept in the spool")?;
            }
            write!(f, " ({batches} {})", if *batches == 1 { "batch" } else { "batches" })?;
            separator = "; ";
        }
        Ok(())
    }
}
