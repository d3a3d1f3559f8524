//! Everything the server counts. All series exist from the start, so that a reason never seen is
//! a zero and not a gap.

use std::sync::Arc;

use roentgen_model::RejectionCode;
use roentgen_ops::{Counter, Gauge, Metrics};
use roentgen_protocol::{DatagramFault, ErrorKind, Operation};

/// Where documents come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Udp,
    Http,
}

/// Why a good document was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The store had no room, also after some waiting.
    StoreOverloaded,
    /// The store could not write.
    StoreFailed,
    /// A fault of ours.
    Panic,
}

/// Counters of the whole server.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) datagrams: Counter,
    pub(crate) connections: Gauge,
    pub(crate) telemetry: TelemetryCounters,
    received: [Counter; 2],
    accepted: [Counter; 2],
    rejected: Vec<(&'static str, Counter)>,
    requests: Vec<(Operation, Counter)>,
    errors: Vec<(ErrorKind, Counter)>,
}

/// What daemons reported about themselves, by the members of their records.
#[derive(Debug)]
pub(crate) struct TelemetryCounters {
    pub(crate) records: Counter,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    pub(crate) spillover: Counter,
    pub(crate) rejected: Counter,
    pub(crate) connection_errors: [Counter; 6],
}

const REJECTED: &str = "roentgen_documents_rejected_total";
const REJECTED_HELP: &str = "Datagrams, documents and documents of good form that were not \
                             stored, by reason.";

impl Counters {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        let by_source = |name, help| {
            [Source::Udp, Source::Http]
                .map(|source| metrics.counter(name, help, &[("source", source.label())]))
        };
        let datagram_reasons = DatagramFault::ALL
            .into_iter()
            // The official daemon ignores empty datagrams, and so do its counters.
            .filter(|fault| *fault != DatagramFault::Empty)
            .map(DatagramFault::reason);
        let document_reasons = RejectionCode::ALL.into_iter().map(RejectionCode::as_str);
        let losses = [Loss::StoreOverloaded, Loss::StoreFailed, Loss::Panic].map(Loss::reason);
        let reasons = datagram_reasons.chain(document_reasons).chain(losses);
        Self {
            datagrams: metrics.counter(
                "roentgen_udp_datagrams_total",
                "Datagrams received, empty ones left out.",
                &[],
            ),
            connections: metrics.gauge("roentgen_http_connections", "Open connections.", &[]),
            telemetry: TelemetryCounters::new(&metrics),
            received: by_source(
                "roentgen_documents_received_total",
                "Segment documents received, good or bad.",
            ),
            accepted: by_source(
                "roentgen_documents_accepted_total",
                "Segment documents on stable storage.",
            ),
            rejected: reasons
                .map(|reason| {
                    let labels = [("reason", reason)];
                    (reason, metrics.counter(REJECTED, REJECTED_HELP, &labels))
                })
                .collect(),
            requests: Operation::ALL
                .into_iter()
                .map(|operation| {
                    let help = "Requests to the X-Ray API by operation.";
                    let labels = [("operation", operation.name())];
                    (operation, metrics.counter("roentgen_api_requests_total", help, &labels))
                })
                .collect(),
            errors: ErrorKind::ALL
                .into_iter()
                .map(|kind| {
                    let help = "Errors answered by the X-Ray API.";
                    let labels = [("error", kind.name())];
                    (kind, metrics.counter("roentgen_api_errors_total", help, &labels))
                })
                .collect(),
            metrics,
        }
    }

    pub(crate) fn count_received(&self, source: Source, documents: u64) {
        let [udp, http] = &self.received;
        source.pick(udp, http).add(documents);
    }

    pub(crate) fn count_accepted(&self, source: Source, documents: u64) {
        let [udp, http] = &self.accepted;
        source.pick(udp, http).add(documents);
    }

    /// Counts documents that were not stored, for one of the known reasons.
    pub(crate) fn count_rejected(&self, reason: &'static str, documents: u64) {
        if let Some((_, counter)) = self.rejected.iter().find(|(known, _)| *known == reason) {
            counter.add(documents);
        }
    }

    pub(crate) fn count_request(&self, operation: Operation) {
        if let Some((_, counter)) = self.requests.iter().find(|(known, _)| *known == operation) {
            counter.increment();
        }
    }

    pub(crate) fn count_error(&self, kind: ErrorKind) {
        if let Some((_, counter)) = self.errors.iter().find(|(known, _)| *known == kind) {
            counter.increment();
        }
    }

    /// Documents stored since the start.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.iter().map(Counter::get).sum()
    }

    /// Documents not stored since the start, by the reasons that occurred.
    pub(crate) fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rejected
            .iter()
            .map(|(reason, counter)| (*reason, counter.get()))
            .filter(|(_, count)| *count > 0)
    }
}

impl Source {
    /// The source as the label of a counter, and in the log.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Source::Udp => "udp",
            Source::Http => "http",
        }
    }

    fn pick<'a>(self, udp: &'a Counter, http: &'a Counter) -> &'a Counter {
        match self {
            Source::Udp => udp,
            Source::Http => http,
        }
    }
}

impl Loss {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Loss::StoreOverloaded => "store_overloaded",
            Loss::StoreFailed => "store_failed",
            Loss::Panic => "panic",
        }
    }
}

impl TelemetryCounters {
    fn new(metrics: &Metrics) -> Self {
        let segments = |fate| {
            metrics.counter(
                "roentgen_telemetry_segments_total",
                "Segments that daemons reported, by what became of them.",
                &[("fate", fate)],
            )
        };
        let kinds =
            ["timeout", "connection_refused", "http_4xx", "http_5xx", "unknown_host", "other"];
        Self {
            records: metrics.counter(
                "roentgen_telemetry_records_total",
                "Records that daemons sent about themselves.",
                &[],
            ),
            received: segments("received"),
            sent: segments("sent"),
            spillover: segments("spillover"),
            rejected: segments("rejected"),
            connection_errors: kinds.map(|kind| {
                metrics.counter(
                    "roentgen_telemetry_connection_errors_total",
                    "Failed requests that daemons reported.",
                    &[("kind", kind)],
                )
            }),
        }
    }
}
