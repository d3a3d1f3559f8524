//! What all requests share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use roentgen_model::Timestamp;
use roentgen_ops::Clock;
use roentgen_store::TraceStore;

use crate::counters::Counters;
use crate::intake::{Intake, epoch_time};
use crate::sample_traffic::SampleTraffic;
use crate::sampling_state::SamplingState;
use crate::work_pool::WorkPool;

/// The parts of a running server that requests use.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn TraceStore>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) sampling: SamplingState,
    pub(crate) sample_traffic: SampleTraffic,
    pub(crate) counters: Arc<Counters>,
    pub(crate) pool: WorkPool,
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// Where the data is.
    pub(crate) data_dir: PathBuf,
    /// When the server started.
    pub(crate) started_at: Timestamp,
}

impl App {
    /// The wall-clock time.
    pub(crate) fn now(&self) -> Timestamp {
        epoch_time(self.clock.now())
    }
}
