//! What the TCP port needs of the rest.

use std::sync::Arc;

use roentgen_ops::{Counter, Gauge, Metrics};

use crate::batch::Memory;
use crate::gateway::{Accept, Health, HealthReport, NoRoom};
use crate::intake::Intake;
use crate::tally::DestinationTally;
use crate::upstream::Upstream;

/// Hands documents of the port to the batch in the making.
#[derive(Debug)]
pub(super) struct ToIntake(pub(super) Arc<Intake>);

impl Accept for ToIntake {
    fn accept(&self, document: &[u8]) -> Result<(), NoRoom> {
        self.0.accept(document).map_err(|_| NoRoom)
    }
}

/// How the daemon is.
#[derive(Debug)]
pub(super) struct Condition {
    intake: Arc<Intake>,
    upstream: Arc<Upstream>,
    tally: DestinationTally,
    memory: Arc<Memory>,
    gauges: Gauges,
}

/// What is counted elsewhere.
#[derive(Debug)]
struct Gauges {
    kernel_drops: Counter,
    memory_used: Gauge,
    memory_limit: Gauge,
}

impl Condition {
    pub(super) fn new(
        intake: Arc<Intake>,
        upstream: Arc<Upstream>,
        tally: DestinationTally,
        memory: Arc<Memory>,
        metrics: &Metrics,
    ) -> Self {
        let gauges = Gauges {
            kernel_drops: metrics.counter(
                "roentgen_daemon_udp_dropped_datagrams_total",
                "Datagrams that the kernel dropped, as its buffer was full.",
                &[],
            ),
            memory_used: metrics.gauge(
                "roentgen_daemon_memory_used_bytes",
                "Memory in use by batches on their way.",
                &[],
            ),
            memory_limit: metrics.gauge(
                "roentgen_daemon_memory_limit_bytes",
                "Memory that batches may use.",
                &[],
            ),
        };
        Self { intake, upstream, tally, memory, gauges }
    }
}

impl Health for Condition {
    fn health(&self) -> HealthReport {
        HealthReport {
            is_receiving: self.intake.is_receiving(),
            is_upstream_reachable: self.upstream.is_reachable(),
            queued_documents: u64::try_from(self.tally.waiting.get()).unwrap_or(0),
        }
    }

    fn refresh_metrics(&self) {
        let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.gauges.kernel_drops.raise_to(self.intake.kernel_drops().total());
        self.gauges.memory_used.set(bytes(self.memory.used()));
        self.gauges.memory_limit.set(bytes(self.memory.limit()));
    }
}
