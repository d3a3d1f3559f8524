//! What X-Ray is told about the daemon itself: PutTelemetryRecords, every minute and at the end.
//!
//! As with the official daemon there is nothing to tell before the first datagram, and records that
//! could not be sent are kept for the next time. Other than there the connection errors are counted,
//! and every destination is told its own story: a Roentgen server shows it like X-Ray does.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method};
use roentgen_ops::Clock;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::destinations::{headers, new_invocation, printable};
use crate::identity::Instance;
use crate::tally::{DestinationTally, Tally};
use crate::upstream::{Call, Upstream};

/// The operation PutTelemetryRecords.
const PATH: &str = "/TelemetryRecords";

/// As often as the official daemon.
const RHYTHM: Duration = Duration::from_mins(1);

/// Records kept for a destination; the oldest go first. Half an hour, as with the official daemon.
const MOST_RECORDS: usize = 30;

/// Records in one request, as with the official daemon.
const MOST_AT_ONCE: usize = 10;

/// Most of an answer that is read: it is an empty object, or the beginning of an error.
const MOST_ANSWER_BYTES: usize = 4 << 10;

/// Tells the destinations, until it is finished.
#[derive(Debug)]
pub(crate) struct Telemetry {
    host: Arc<OnceLock<Instance>>,
    closed: CancellationToken,
    reporters: TaskTracker,
}

/// What goes into the records.
#[derive(Debug)]
pub(crate) struct TelemetrySetup {
    /// The destinations; with their names when log lines show them.
    pub(crate) destinations: Vec<(Option<String>, Arc<Upstream>, DestinationTally)>,
    pub(crate) tally: Tally,
    pub(crate) resource_arn: String,
    /// See [`crate::destinations::user_agent`].
    pub(crate) user_agent: HeaderValue,
    /// Of one request.
    pub(crate) timeout: Duration,
}

/// Reports to one destination.
#[derive(Debug)]
struct Reporter {
    name: Option<String>,
    upstream: Arc<Upstream>,
    tally: Tally,
    destination: DestinationTally,
    /// The counts at the last record.
    told: Counts,
    records: VecDeque<Record>,
    host: Arc<OnceLock<Instance>>,
    resource_arn: String,
    user_agent: HeaderValue,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    received: u64,
    rejected: u64,
    sent: u64,
    spillover: u64,
    errors: ConnectionErrorCounts,
}

/// Members in the order of the official daemon, which is that of the alphabet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(rename = "EC2InstanceId")]
    ec2_instance_id: &'a str,
    hostname: &'a str,
    #[serde(rename = "ResourceARN")]
    resource_arn: &'a str,
    telemetry_records: &'a [&'a Record],
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    backend_connection_errors: ConnectionErrorCounts,
    segments_received_count: u64,
    segments_rejected_count: u64,
    segments_sent_count: u64,
    segments_spillover_count: u64,
    /// Epoch seconds, with milliseconds.
    timestamp: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConnectionErrorCounts {
    connection_refused_count: u64,
    #[serde(rename = "HTTPCode4XXCount")]
    http_code_4xx_count: u64,
    #[serde(rename = "HTTPCode5XXCount")]
    http_code_5xx_count: u64,
    other_count: u64,
    timeout_count: u64,
    unknown_host_count: u64,
}

impl Telemetry {
    /// Begins to report. Must be called within the runtime that sends.
    pub(crate) fn start(setup: TelemetrySetup, clock: &Arc<dyn Clock>) -> Self {
        let (host, closed) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let reporters = TaskTracker::new();
        for (name, upstream, destination) in setup.destinations {
            let reporter = Reporter {
                name,
                upstream,
                tally: setup.tally.clone(),
                destination,
                told: Counts::default(),
                records: VecDeque::new(),
                host: Arc::clone(&host),
                resource_arn: setup.resource_arn.clone(),
                user_agent: setup.user_agent.clone(),
                timeout: setup.timeout,
                clock: Arc::clone(clock),
            };
            reporters.spawn(reporter.run(closed.clone()));
        }
        tracing::debug!("Telemetry initiated");
        Self { host, closed, reporters }
    }

    /// Tells which machine this is; until then its name is empty. Only the first time counts.
    pub(crate) fn introduce(&self, host: Instance) {
        let _ = self.host.set(host);
    }

    /// Sends a last record, for at most so long. Call it when everything else is counted.
    pub(crate) async fn finish(&self, within: Duration) {
        self.closed.cancel();
        self.reporters.close();
        if tokio::time::timeout(within, self.reporters.wait()).await.is_ok() {
            tracing::debug!("telemetry: done!");
        }
    }
}

impl Reporter {
    async fn run(mut self, closed: CancellationToken) {
        let mut ticks = interval_at(Instant::now() + RHYTHM, RHYTHM);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = closed.cancelled() => true,
            };
            if is_last && !self.upstream.is_endpoint_known() {
                return; // And will not be while we wait.
            }
            self.report().await;
            if is_last {
                return;
            }
        }
    }

    async fn report(&mut self) {
        let counts = self.counts();
        if counts.received == 0 {
            tracing::debug!("Skipped telemetry data as no segments found");
            return;
        }
        let record = counts.since(&self.told, self.clock.now());
        self.told = counts;
        if self.records.len() >= MOST_RECORDS {
            self.records.pop_front();
            tracing::debug!(destination = self.name, "Telemetry Buffers truncated");
        }
        self.records.push_back(record);
        while !self.records.is_empty() {
            let number = self.records.len().min(MOST_AT_ONCE);
            if let Err(fault) = self.send(number).await {
                tracing::debug!(
                    destination = self.name,
                    "Failed to send telemetry {number} record(s). Re-queue records. {fault}"
                );
                return;
            }
            tracing::debug!(destination = self.name, "Send {number} telemetry record(s)");
            self.records.drain(..number);
        }
    }

    /// Sends the oldest records.
    async fn send(&self, number: usize) -> Result<(), String> {
        let unknown = Instance::default();
        let host = self.host.get().unwrap_or(&unknown);
        let records: Vec<&Record> = self.records.iter().take(number).collect();
        let body = serde_json::to_vec(&Body {
            ec2_instance_id: &host.instance_id,
            hostname: &host.hostname,
            resource_arn: &self.resource_arn,
            telemetry_records: &records,
        });
        // What fails is kept and sent with the next record, so one attempt is enough.
        let headers = headers(
            &self.user_agent,
            &*self.clock,
            [
                ("amz-sdk-invocation-id", new_invocation()),
                ("amz-sdk-request", printable("attempt=1; max=1".to_owned())),
            ],
        );
        let call = Call {
            method: Method::POST,
            path_and_query: PathAndQuery::from_static(PATH),
            headers,
            body: Bytes::from(body.map_err(|e| e.to_string())?),
            sha256: None,
            timeout: self.timeout,
            unsigned_without_credentials: false,
            resends: None,
        };
        let answer = self.upstream.call_whole(call, MOST_ANSWER_BYTES).await;
        let answer = answer.map_err(|e| e.to_string())?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(format!(
                "StatusCode: {}, {}",
                answer.status.as_u16(),
                String::from_utf8_lossy(&answer.body).replace(['\r', '\n'], " ")
            )),
        }
    }

    fn counts(&self) -> Counts {
        let (tally, destination) = (&self.tally, &self.destination);
        let errors = &destination.connection_errors;
        Counts {
            received: tally.received.get(),
            rejected: tally.rejected.header.get() + destination.unprocessed.get(),
            sent: destination.sent.get(),
            // Lost before the destination saw it.
            spillover: tally.spilled.no_memory.get() + destination.lost.queue_full.get(),
            errors: ConnectionErrorCounts {
                connection_refused_count: errors.connection_refused.get(),
                http_code_4xx_count: errors.http_4xx.get(),
                http_code_5xx_count: errors.http_5xx.get(),
                other_count: errors.other.get(),
                timeout_count: errors.timeout.get(),
                unknown_host_count: errors.unknown_host.get(),
            },
        }
    }
}

impl Counts {
    /// What was counted since an earlier time. Counters only grow.
    fn since(&self, earlier: &Self, now: std::time::SystemTime) -> Record {
        let (new, old) = (&self.errors, &earlier.errors);
        let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Record {
            backend_connection_errors: ConnectionErrorCounts {
                connection_refused_count: new.connection_refused_count
                    - old.connection_refused_count,
                http_code_4xx_count: new.http_code_4xx_count - old.http_code_4xx_count,
                http_code_5xx_count: new.http_code_5xx_count - old.http_code_5xx_count,
                other_count: new.other_count - old.other_count,
                timeout_count: new.timeout_count - old.timeout_count,
                unknown_host_count: new.unknown_host_count - old.unknown_host_count,
            },
            segments_received_count: self.received - earlier.received,
            segments_rejected_count: self.rejected - earlier.rejected,
            segments_sent_count: self.sent - earlier.sent,
            segments_spillover_count: self.spillover - earlier.spillover,
            timestamp: Duration::from_millis(
                u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            )
            .as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests;
