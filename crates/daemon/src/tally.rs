//! What became of every document, counted once for `/metrics` and for the telemetry of X-Ray.

use roentgen_ops::{Counter, Gauge, Metrics, Summary};

/// The counts of what comes in. Copies count together.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Every datagram and every document over TCP, bad ones included.
    pub(crate) received: Counter,
    pub(crate) rejected: Rejected,
    pub(crate) spilled: Spilled,
    /// Dropped by the policy.
    pub(crate) dropped_by_rule: Counter,
}

/// Documents refused by us.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    /// The datagram has no proper header.
    pub(crate) header: Counter,
}

/// Documents lost before they were in a batch.
#[derive(Clone, Debug)]
pub(crate) struct Spilled {
    /// Memory was full and nothing older could give way: the newest is lost.
    pub(crate) no_memory: Counter,
}

/// The counts of one destination: a document that goes to two counts with both. Copies count
/// together.
#[derive(Clone, Debug)]
pub(crate) struct DestinationTally {
    /// Documents that the destination took, by its answer to the whole batch. As with the official
    /// daemon, a document the destination did not process counts here and as unprocessed.
    pub(crate) sent: Counter,
    /// Documents the destination refused one by one.
    pub(crate) unprocessed: Counter,
    pub(crate) lost: Lost,
    pub(crate) connection_errors: ConnectionErrors,
    /// Attempts to send a batch after the first one.
    pub(crate) retries: Counter,
    /// Documents written to the spool, and read back from it and taken by the destination.
    pub(crate) spooled: Counter,
    pub(crate) replayed: Counter,
    /// Bytes of batches in the spool.
    pub(crate) spool_bytes: Gauge,
    /// Documents that wait in memory.
    pub(crate) waiting: Gauge,
    /// How long attempts took, failed ones included.
    pub(crate) latency: Summary,
}

/// Documents of batches that were lost on the way to a destination, by reason.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// The oldest batch that waited gave way to newer ones.
    pub(crate) queue_full: Counter,
    /// The destination refused the batch, or never took it.
    pub(crate) send_failed: Counter,
    /// The spool was full or failed, or a file of it was damaged.
    pub(crate) spool_full: Counter,
    /// Left at the end of the process.
    pub(crate) shutdown: Counter,
}

/// Attempts that failed, as X-Ray's `BackendConnectionErrors` sorts them.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionErrors {
    pub(crate) timeout: Counter,
    pub(crate) connection_refused: Counter,
    pub(crate) http_4xx: Counter,
    pub(crate) http_5xx: Counter,
    pub(crate) unknown_host: Counter,
    pub(crate) other: Counter,
}

const REJECTED: (&str, &str) =
    ("roentgen_daemon_segments_rejected_total", "Segment documents refused, by whom.");

const SPILLED: (&str, &str) =
    ("roentgen_daemon_segments_spilled_total", "Segment documents lost, by reason.");

impl Tally {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let rejected = |by| metrics.counter(REJECTED.0, REJECTED.1, &[("by", by)]);
        let spilled = |reason| metrics.counter(SPILLED.0, SPILLED.1, &[("reason", reason)]);
        let counter = |name, help| metrics.counter(name, help, &[]);
        Self {
            received: counter(
                "roentgen_daemon_segments_received_total",
                "Datagrams and documents over TCP, bad ones included.",
            ),
            rejected: Rejected { header: rejected("daemon") },
            spilled: Spilled { no_memory: spilled("no_memory") },
            dropped_by_rule: counter(
                "roentgen_daemon_segments_dropped_total",
                "Segment documents not sent because a rule says so.",
            ),
        }
    }
}

impl DestinationTally {
    /// The counts of the destination of this name, which is the label `destination`.
    pub(crate) fn new(metrics: &Metrics, name: &str) -> Self {
        let counter = |name_and_help: (&'static str, &'static str), labels: &[_]| {
            let mut all = vec![("destination", name)];
            all.extend_from_slice(labels);
            metrics.counter(name_and_help.0, name_and_help.1, &all)
        };
        let gauge = |metric, help| metrics.gauge(metric, help, &[("destination", name)]);
        let lost = |reason| counter(SPILLED, &[("reason", reason)]);
        let failed = |kind| {
            let name = "roentgen_daemon_upstream_errors_total";
            counter((name, "Attempts to reach a destination that failed."), &[("kind", kind)])
        };
        Self {
            sent: counter(
                (
                    "roentgen_daemon_segments_sent_total",
                    "Segment documents in batches that a destination answered with success.",
                ),
                &[],
            ),
            unprocessed: counter(REJECTED, &[("by", "destination")]),
            lost: Lost {
                queue_full: lost("queue_full"),
                send_failed: lost("send_failed"),
                spool_full: lost("spool_full"),
                shutdown: lost("shutdown"),
            },
            connection_errors: ConnectionErrors {
                timeout: failed("timeout"),
                connection_refused: failed("connection_refused"),
                http_4xx: failed("http_4xx"),
                http_5xx: failed("http_5xx"),
                unknown_host: failed("unknown_host"),
                other: failed("other"),
            },
            retries: counter(
                (
                    "roentgen_daemon_upstream_retries_total",
                    "Attempts to send a batch after the first one.",
                ),
                &[],
            ),
            spooled: counter(
                ("roentgen_daemon_segments_spooled_total", "Segment documents put on disk."),
                &[],
            ),
            replayed: counter(
                (
                    "roentgen_daemon_segments_replayed_total",
                    "Segment documents sent from disk; they count as sent, too.",
                ),
                &[],
            ),
            spool_bytes: gauge("roentgen_daemon_spool_bytes", "Bytes of batches on disk."),
            waiting: gauge(
                "roentgen_daemon_segments_waiting",
                "Segment documents in batches that wait for a destination.",
            ),
            latency: metrics.summary(
                "roentgen_daemon_upstream_request_seconds",
                "How long attempts to send a batch took, failed ones included.",
                &[("destination", name)],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_count_apart() {
        let metrics = Metrics::default();
        let tally = Tally::new(&metrics);
        let (aws, other) =
            (DestinationTally::new(&metrics, "aws"), DestinationTally::new(&metrics, "other"));
        tally.rejected.header.increment();
        aws.unprocessed.add(2);
        other.unprocessed.add(3);
        other.lost.queue_full.add(4);
        let text = metrics.render();
        for line in [
            r#"segments_rejected_total{by="daemon"} 1"#,
            r#"segments_rejected_total{destination="aws",by="destination"} 2"#,
            r#"segments_rejected_total{destination="other",by="destination"} 3"#,
            r#"segments_spilled_total{destination="other",reason="queue_full"} 4"#,
            r#"upstream_request_seconds_count{destination="aws"} 0"#,
        ] {
            assert!(text.contains(&format!("\nroentgen_daemon_{line}\n")), "{line} not in {text}");
        }
    }
}
