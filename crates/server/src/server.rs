//! A running server: started from a configuration, stopped in order.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use roentgen_ops::{Clock, Metrics};
use roentgen_store::{EmbeddedStore, SettingsError, StoreError, TraceStore};
use roentgen_udp::KernelDrops;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::app::App;
use crate::config::Config;
use crate::counters::Counters;
use crate::http::{Connections, Guard, router};
use crate::intake::{Intake, epoch_time};
use crate::kept::Kept;
use crate::listen::{ListenError, Sockets};
use crate::retrievals::Retrievals;
use crate::sample_traffic::SampleTraffic;
use crate::sampling_state::SamplingState;
use crate::udp::UdpReceiver;
use crate::work_pool::WorkPool;

/// Look-ups of traces that run at a time. More than there are processors, since some wait for the
/// disk. Each holds one assembled trace at a time, and a reply that ends by its length or with that
/// trace.
const LOOKUPS_AT_A_TIME: usize = 8;

/// Most scans that run at a time: each may hold some tens of megabytes.
const MOST_SCANS: usize = 8;

/// Traces of retrievals that are read at a time: nobody waits for a retrieval as one does for a
/// search.
const RETRIEVED_AT_A_TIME: usize = 1;

/// Large bodies of segments in unusual JSON that are read at a time, beside the queries. This takes
/// some tens of milliseconds each and needs nothing but a processor.
const BODIES_PARSED_AT_A_TIME: usize = 4;

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    connections: Connections,
    receiver: UdpReceiver,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is not to be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The data directory is not to be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sampling rules, groups or tags in the data directory cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The operating system refuses a thread or a timer.
    #[error("start receiving: {0}")]
    System(#[from] std::io::Error),
}

impl Server {
    /// Opens the store and listens. Must be called within a tokio runtime; blocks while the store
    /// reads its log.
    ///
    /// # Errors
    /// When the address or the data directory cannot be had.
    pub fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        // First the port: a second start on the same machine then says what is in the way most
        // plainly, and at once.
        let sockets = Sockets::bind(&config.bind)?;
        let store: Arc<dyn TraceStore> =
            Arc::new(EmbeddedStore::open(config.store_options(), Arc::clone(&clock))?);
        let sampling = SamplingState::open(&config.data_dir)?;
        let groups = Kept::open(&config.data_dir)?;
        let tags = Kept::open(&config.data_dir)?;
        let counters = Arc::new(Counters::new(Arc::new(Metrics::default())));
        let intake = Arc::new(Intake::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&counters),
            config.overload_limits,
        ));
        let kernel_drops = Arc::new(KernelDrops::of(&sockets.udp));
        let address = sockets.address;
        let app = Arc::new(App {
            store,
            intake: Arc::clone(&intake),
            sampling,
            retrievals: Retrievals::default(),
            groups,
            tags,
            sample_traffic: SampleTraffic::new(address, Arc::clone(&clock)),
            counters: Arc::clone(&counters),
            kernel_drops: Arc::clone(&kernel_drops),
            pool: WorkPool::new(LOOKUPS_AT_A_TIME),
            scans: WorkPool::new(scans_at_a_time()),
            retrieving: WorkPool::new(RETRIEVED_AT_A_TIME),
            parsing: WorkPool::new(BODIES_PARSED_AT_A_TIME),
            address,
            data_dir: absolute(&config.data_dir),
            started_at: epoch_time(clock.now()),
            clock: Arc::clone(&clock),
        });
        let guard = Guard::new(address, &config.allowed_hosts);
        let router = router(Arc::clone(&app), guard, &config.http_limits);
        let open = counters.connections.clone();
        let connections =
            Connections::start(sockets.tcp, router, open, config.http_limits, Arc::clone(&clock))?;
        let receiver = UdpReceiver::start(sockets.udp, kernel_drops, intake, counters, clock)?;
        Ok(Self { app, connections, receiver })
    }

    /// Where the server listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// How many traces the store has.
    pub fn traces(&self) -> usize {
        self.app.store.status().traces
    }

    /// Takes nothing more, finishes what has begun, and closes the store, all within `deadline`;
    /// requests may use up half of it. False when something was still running then, which the log
    /// names; it is cut off when the process ends. What was acknowledged is safe in any case.
    pub async fn stop(self, deadline: Duration) -> bool {
        let Self { app, connections, receiver } = self;
        let mut end = std::pin::pin!(tokio::time::sleep(deadline));
        let shop = Arc::clone(&app);
        let receiving = run_aside("stop-receiving", move || {
            // The shop first: it still sends the rest of the traces it has begun.
            shop.sample_traffic.stop();
            receiver.stop();
        });
        let drained = connections.drain(deadline / 2).await;
        if !drained {
            tracing::warn!("some requests were still running at the deadline");
        }
        // Those at work end with the trace that they look at; the rest only wait.
        let retrievals = app.retrievals.stop(app.clock.instant());
        let _ = tokio::time::timeout(deadline / 4, retrievals).await;
        let received = finish("the reception of segments", receiving, end.as_mut()).await;
        let store = Arc::clone(&app.store);
        let closing = run_aside("close-store", move || store.close());
        let closed = finish(CLOSING, closing, end).await;
        drained && received && closed
    }
}

/// What the log calls the closing of the store.
const CLOSING: &str = "the store (acknowledged documents are in its log; the rest of its work is \
                       done at the next start)";

/// Runs work on a thread of its own, for which a runtime that shuts down does not wait.
fn run_aside(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<oneshot::Receiver<()>> {
    let (done, is_done) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        work();
        // Nobody waits any more after the deadline.
        let _ = done.send(());
    })?;
    Ok(is_done)
}

/// Waits for work until it is done or the time is over, and logs when it was not done.
async fn finish(
    name: &str,
    work: std::io::Result<oneshot::Receiver<()>>,
    end: Pin<&mut Sleep>,
) -> bool {
    let is_done = match work {
        Ok(is_done) => is_done,
        Err(error) => {
            tracing::error!(%error, "could not be stopped in order: {name}");
            return false;
        }
    };
    tokio::select! {
        biased;
        outcome = is_done => {
            if outcome.is_err() {
                tracing::error!("ended in a panic: {name}");
            }
            outcome.is_ok()
        }
        () = end => {
            tracing::warn!("not finished at the deadline: {name}");
            false
        }
    }
}

/// Scans that run at a time, each for milliseconds to seconds: as many as there are processors. More
/// would answer no sooner, and take the processors from those who store.
fn scans_at_a_time() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_SCANS)
}

/// For people who want to find the directory again; relative when the system does not tell.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_store::TestStore;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_long_to_close_does_not_hold_up_the_end() {
        let store = Arc::new(TestStore::new());
        let release = store.hold_closing();
        let closing = Arc::clone(&store);
        let closed = run_aside("close-store", move || closing.close());
        let end = std::pin::pin!(tokio::time::sleep(Duration::from_secs(3600)));
        assert!(!finish(CLOSING, closed, end).await);
        drop(release);
    }

    #[tokio::test]
    async fn a_store_that_closes_in_time_is_waited_for() {
        let store = TestStore::new();
        let closed = run_aside("close-store", move || store.close());
        let end = std::pin::pin!(tokio::time::sleep(Duration::from_secs(3600)));
        assert!(finish(CLOSING, closed, end).await);
        let end = std::pin::pin!(tokio::time::sleep(Duration::from_secs(3600)));
        assert!(!finish("x", run_aside("x", || panic!("on purpose")), end).await);
    }
}
