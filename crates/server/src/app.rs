//! What all requests share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use roentgen_model::Timestamp;
use roentgen_ops::Clock;
use roentgen_store::{SettingsError, TraceStore};
use roentgen_udp::KernelDrops;

use crate::counters::Counters;
use crate::groups::Groups;
use crate::intake::{Intake, epoch_time};
use crate::kept::Kept;
use crate::retrievals::Retrievals;
use crate::sample_traffic::SampleTraffic;
use crate::sampling_state::SamplingState;
use crate::tags::{TagBook, Tags};
use crate::work_pool::WorkPool;

/// The parts of a running server that requests use.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn TraceStore>,
    pub(crate) intake: Arc<Intake>,
    pub(crate) sampling: SamplingState,
    pub(crate) retrievals: Retrievals,
    pub(crate) groups: Kept<Groups>,
    pub(crate) tags: Kept<TagBook>,
    pub(crate) sample_traffic: SampleTraffic,
    pub(crate) counters: Arc<Counters>,
    /// What the kernel dropped of the datagrams for us.
    pub(crate) kernel_drops: Arc<KernelDrops>,
    /// For looking up traces, and for changes that wait for the disk.
    pub(crate) pool: WorkPool,
    /// For queries that look at many traces.
    pub(crate) scans: WorkPool,
    /// For retrievals and their graphs, of up to a hundred whole traces each: searches keep their
    /// places.
    pub(crate) retrieving: WorkPool,
    /// For large bodies of PutTraceSegments, which must not wait for queries.
    pub(crate) parsing: WorkPool,
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// Where the data is.
    pub(crate) data_dir: PathBuf,
    /// When the server started.
    pub(crate) started_at: Timestamp,
}

impl App {
    /// The parts around a store of its own. Nothing listens.
    #[cfg(test)]
    pub(crate) fn for_tests(directory: &std::path::Path) -> Self {
        Self::around(Arc::new(crate::test_store::TestStore::new()), directory)
    }

    /// The parts around this store.
    #[cfg(test)]
    pub(crate) fn around(store: Arc<dyn TraceStore>, directory: &std::path::Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(roentgen_ops::SystemClock);
        let counters = Arc::new(Counters::new(Arc::default()));
        let address = (std::net::Ipv4Addr::LOCALHOST, 9).into();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        Self {
            intake: Arc::new(Intake::new(
                Arc::clone(&store),
                Arc::clone(&clock),
                Arc::clone(&counters),
                crate::intake::OverloadLimits::default(),
            )),
            store,
            sampling: SamplingState::open(directory).unwrap(),
            retrievals: Retrievals::default(),
            groups: Kept::open(directory).unwrap(),
            tags: Kept::open(directory).unwrap(),
            sample_traffic: SampleTraffic::new(address, Arc::clone(&clock)),
            counters,
            kernel_drops: Arc::new(KernelDrops::of(&socket)),
            pool: WorkPool::new(1),
            scans: WorkPool::new(1),
            retrieving: WorkPool::new(1),
            parsing: WorkPool::new(1),
            address,
            data_dir: directory.to_owned(),
            started_at: epoch_time(clock.now()),
            clock,
        }
    }

    /// The ARN of the group or sampling rule that is known by this one. Several may be those of the
    /// same resource; this is the one that its tags are under.
    pub(crate) fn resource_arn(&self, arn: &str) -> Option<String> {
        if let Some((name, group)) = self.groups.get().by_arn(arn) {
            return Some(group.arn(name));
        }
        let rules = self.sampling.rules.get();
        rules.records().map(|record| rules.arn(&record.rule)).find(|of_rule| of_rule == arn)
    }

    /// Gives a resource that is being made its tags, whatever it may have had under this ARN.
    pub(crate) fn set_tags(&self, arn: &str, tags: Tags) -> Result<(), SettingsError> {
        if tags.is_empty() && self.tags.get().of(arn).is_empty() {
            return Ok(());
        }
        self.tags.change(|book| {
            book.replace(arn, tags);
            Ok(())
        })
    }

    /// Forgets the tags of a resource that is gone. Tags of what is not there are never told.
    pub(crate) fn forget_tags(&self, arn: &str) {
        if let Err(error) = self.set_tags(arn, Tags::new()) {
            tracing::warn!(%error, "the tags of {arn}, which was deleted, are still in the settings");
        }
    }

    /// The wall-clock time.
    pub(crate) fn now(&self) -> Timestamp {
        epoch_time(self.clock.now())
    }
}
