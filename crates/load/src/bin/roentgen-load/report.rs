//! The final report: as JSON with stable names (see `--help`), or for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::check::CheckReport;
use crate::progress::{grouped, grouped_float};

/// Faults that the report for people names.
const SHOWN_FAULTS: usize = 20;

/// Everything about a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) corpus: CorpusReport,
    pub(crate) sink: SinkReport,
    /// `open` or `closed`.
    #[serde(rename = "loop")]
    pub(crate) kind: &'static str,
    /// The rate that was asked for, documents per second.
    pub(crate) rate: Option<f64>,
    pub(crate) seconds: f64,
    pub(crate) interrupted: bool,
    pub(crate) requests: u64,
    pub(crate) traces: u64,
    pub(crate) documents: u64,
    pub(crate) bytes: u64,
    pub(crate) documents_per_second: f64,
    pub(crate) bytes_per_second: f64,
    pub(crate) acknowledged: Option<u64>,
    pub(crate) refused: Option<u64>,
    pub(crate) unacknowledged: Option<u64>,
    pub(crate) calls: Option<CallReport>,
    pub(crate) latency: Option<LatencyReport>,
    pub(crate) udp: Option<UdpReport>,
    pub(crate) client: Option<ClientReport>,
    pub(crate) checks: Option<CheckReport>,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) ok: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CorpusReport {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) run_id: Option<String>,
    pub(crate) shapes: usize,
    pub(crate) mean_document_bytes: f64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct SinkReport {
    /// `udp`, `http` or `file`.
    pub(crate) kind: &'static str,
    pub(crate) target: String,
    pub(crate) connections: Option<usize>,
    pub(crate) documents_per_call: Option<usize>,
    pub(crate) signed: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct CallReport {
    pub(crate) made: u64,
    pub(crate) throttled: u64,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
    pub(crate) lost: u64,
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LatencyReport {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) max: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct UdpReport {
    pub(crate) send_errors: u64,
    /// Datagrams that reached the server.
    pub(crate) received: Option<u64>,
    /// Documents that it stored.
    pub(crate) accepted: Option<u64>,
    /// Documents that it did not store.
    pub(crate) rejected: Option<u64>,
    /// Datagrams that never reached it.
    pub(crate) lost: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ClientReport {
    /// User and system time of this process, its checks included.
    pub(crate) cpu_seconds: f64,
    pub(crate) cpu_micros_per_document: f64,
}

impl LatencyReport {
    /// `None` when nothing was measured.
    pub(crate) fn of(micros: &Histogram<u64>) -> Option<Self> {
        let at = |quantile: f64| micros.value_at_quantile(quantile) as f64 / 1e3;
        (!micros.is_empty()).then(|| Self {
            count: micros.len(),
            mean: micros.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros.max() as f64 / 1e3,
        })
    }
}

impl ClientReport {
    /// What this process has used so far; `None` where the system does not tell.
    pub(crate) fn of_process(documents: u64) -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let cpu_seconds = cpu_seconds(&stat)?;
        let cpu_micros_per_document = cpu_seconds * 1e6 / (documents as f64).max(1.0);
        Some(Self { cpu_seconds, cpu_micros_per_document })
    }
}

/// User and system time of a line of `/proc/PID/stat` (man 5 proc): the 14th and 15th field. The
/// second one, the program's name, may have blanks but ends with the last parenthesis.
fn cpu_seconds(stat: &str) -> Option<f64> {
    /// Linux tells times to processes in hundredths of a second on all architectures of today.
    const TICKS_PER_SECOND: f64 = 100.0;
    let fields = stat.rsplit_once(')')?.1;
    let ticks = |field: usize| fields.split_whitespace().nth(field - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) / TICKS_PER_SECOND)
}

impl Report {
    /// The report for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Self { corpus, sink, .. } = self;
        let run_id = corpus.run_id.as_ref().map_or_else(String::new, |id| format!(", run id {id}"));
        writeln!(
            out,
            "\nCorpus          {}, seed {}{run_id}: {} prepared requests, {:.0} bytes per document",
            corpus.name, corpus.seed, corpus.shapes, corpus.mean_document_bytes
        )?;
        write!(out, "Sink            {} {}", sink.kind, sink.target)?;
        if let (Some(connections), Some(documents)) = (sink.connections, sink.documents_per_call) {
            let signed = if sink.signed { ", signed" } else { "" };
            write!(out, ", {connections} connections, {documents} documents per call{signed}")?;
        }
        match self.rate {
            Some(rate) => writeln!(out, ", open loop at {} documents/s", grouped_float(rate))?,
            None => writeln!(out, ", closed loop")?,
        }
        writeln!(
            out,
            "Sent            {} documents of {} traces in {:.1} s: {}/s, {:.1} MB/s{}",
            grouped(self.documents),
            grouped(self.traces),
            self.seconds,
            grouped_float(self.documents_per_second),
            self.bytes_per_second / 1e6,
            if self.interrupted { " (interrupted)" } else { "" }
        )?;
        if let (Some(acknowledged), Some(calls)) = (self.acknowledged, self.calls) {
            writeln!(
                out,
                "Acknowledged    {} documents; refused {}, not acknowledged {}",
                grouped(acknowledged),
                grouped(self.refused.unwrap_or(0)),
                grouped(self.unacknowledged.unwrap_or(0))
            )?;
            writeln!(
                out,
                "Calls           {}; throttled {}, failed {}, made again {}, lost {}",
                grouped(calls.made),
                grouped(calls.throttled),
                grouped(calls.failed),
                grouped(calls.retried),
                grouped(calls.lost)
            )?;
        }
        if let Some(latency) = self.latency {
            writeln!(
                out,
                "Latency         mean {:.2} ms, p50 {:.2}, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, \
                 max {:.2}",
                latency.mean, latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max
            )?;
        }
        if let Some(udp) = self.udp {
            let told = |count: Option<u64>| count.map_or_else(|| "unknown".to_owned(), grouped);
            writeln!(
                out,
                "Datagrams       received {}, stored {}, rejected {}, lost on the way {}, \
                 send errors {}",
                told(udp.received),
                told(udp.accepted),
                told(udp.rejected),
                told(udp.lost),
                grouped(udp.send_errors)
            )?;
        }
        if let Some(client) = self.client {
            writeln!(
                out,
                "This process    {:.2} CPU seconds, {:.2} µs per document",
                client.cpu_seconds, client.cpu_micros_per_document
            )?;
        }
        if let Some(checks) = &self.checks {
            write_checks(checks, out)?;
        }
        for (message, count) in &self.errors {
            writeln!(out, "Error           {}× {message}", grouped(*count))?;
        }
        writeln!(out, "{}", if self.ok { "OK" } else { "NOT OK" })
    }
}

fn write_checks(checks: &CheckReport, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "Read back       {} requests, {} segments and subsegments; {} of them not whole at first, \
         the slowest after {:.0} ms",
        grouped(checks.requests),
        grouped(checks.segments),
        grouped(checks.retried),
        checks.slowest_visible
    )?;
    writeln!(
        out,
        "Listed          {} traces in {} seconds of summaries; graph of {} nodes and {} edges \
         ({:?})",
        grouped(checks.traces_listed),
        grouped(checks.seconds_listed),
        grouped(checks.nodes),
        grouped(checks.edges),
        checks.graph
    )?;
    if checks.explained_by_loss > 0 {
        let explained = grouped(checks.explained_by_loss);
        writeln!(out, "Lost            {explained} things missing, as datagrams were lost")?;
    }
    writeln!(out, "Faults          {}", grouped(checks.faults))?;
    for fault in checks.examples.iter().take(SHOWN_FAULTS) {
        let trace_id = fault.trace_id.as_deref().unwrap_or("–");
        writeln!(out, "  {:?}  {trace_id}  {}", fault.kind, fault.detail)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (x) R 1"), None);
    }

    #[test]
    fn latencies_are_told_in_milliseconds() {
        let mut micros = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        assert!(LatencyReport::of(&micros).is_none());
        (1..=1_000).for_each(|micro| micros.record(micro * 100).unwrap());
        let latency = LatencyReport::of(&micros).unwrap();
        assert_eq!(latency.count, 1_000);
        assert!((latency.p50 - 50.0).abs() < 0.1 && (latency.p99 - 99.0).abs() < 0.1);
        assert!((latency.max - 100.0).abs() < 0.1 && (latency.mean - 50.05).abs() < 0.1);
    }
}
