//! A running server: started from a configuration, stopped in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use roentgen_ops::{Clock, Metrics};
use roentgen_store::{EmbeddedStore, StoreError, StoreOptions, TraceStore};

use crate::app::App;
use crate::config::Config;
use crate::counters::Counters;
use crate::http::{Connections, Guard, router};
use crate::intake::{Intake, epoch_time};
use crate::listen::{ListenError, Sockets};
use crate::sample_traffic::SampleTraffic;
use crate::sampling_state::SamplingState;
use crate::udp::UdpReceiver;
use crate::work_pool::WorkPool;

/// Queries that run at a time. More than there are processors, since some wait for the disk; few
/// enough that their memory is bounded by as many large traces.
const QUERIES_AT_A_TIME: usize = 8;

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
    /// The sampling rules in the data directory cannot be used.
    #[error("{0}")]
    SamplingRules(String),
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
        let options = StoreOptions {
            retention_age: config.retention_age,
            retention_bytes: config.retention_bytes,
            ..StoreOptions::new(&config.data_dir)
        };
        let store: Arc<dyn TraceStore> =
            Arc::new(EmbeddedStore::open(options, Arc::clone(&clock))?);
        let sampling = SamplingState::open(&config.data_dir)
            .map_err(|error| StartError::SamplingRules(error.to_string()))?;
        let counters = Arc::new(Counters::new(Arc::new(Metrics::default())));
        let intake =
            Arc::new(Intake::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&counters)));
        let address = sockets.address;
        let app = Arc::new(App {
            store,
            intake: Arc::clone(&intake),
            sampling,
            sample_traffic: SampleTraffic::new(address, Arc::clone(&clock)),
            counters: Arc::clone(&counters),
            pool: WorkPool::new(QUERIES_AT_A_TIME),
            address,
            data_dir: absolute(&config.data_dir),
            started_at: epoch_time(clock.now()),
            clock,
        });
        let guard = Guard::new(address, &config.allowed_hosts);
        let router = router(Arc::clone(&app), guard, &config.http_limits);
        let open = counters.connections.clone();
        let connections = Connections::start(sockets.tcp, router, open, config.http_limits)?;
        let receiver = UdpReceiver::start(sockets.udp, intake, counters)?;
        Ok(Self { app, connections, receiver })
    }

    /// Where the server listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// Takes nothing more, finishes what has begun, and closes the store. False when requests
    /// were still running at the deadline; they are cut off.
    pub async fn stop(self, deadline: Duration) -> bool {
        let Self { app, connections, receiver } = self;
        let shop = Arc::clone(&app);
        let receiving = tokio::task::spawn_blocking(move || {
            // The shop first: it still sends the rest of the traces it has begun.
            shop.sample_traffic.stop();
            receiver.stop();
        });
        let drained = connections.drain(deadline).await;
        let received = receiving.await;
        let store = Arc::clone(&app.store);
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        if received.is_err() || closed.is_err() {
            tracing::error!("a part of the server ended in a panic");
        }
        drained
    }
}

/// For people who want to find the directory again; relative when the system does not tell.
fn absolute(path: &std::path::Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
