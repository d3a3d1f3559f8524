//! Traffic of `roentgen-load`, our load generator: a process of its own, so that its cost is told
//! apart from ours.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::json::member;
use crate::workspace::{command, root};

/// A call of the program.
#[derive(Debug, Clone)]
pub(super) struct Load {
    binary: PathBuf,
    arguments: Vec<String>,
}

/// What it says it has done.
#[derive(Debug)]
pub(super) struct Sent {
    report: Value,
}

impl Load {
    /// PutTraceSegments to a server, without reading back what was sent. Every load on one server
    /// needs a seed of its own, since the seed makes the ids.
    pub(super) fn http(binary: &Path, address: &str, seed: u64) -> Self {
        Self::new(binary, &["http", &format!("http://{address}"), "--no-check"], seed)
    }

    /// Datagrams to a server.
    pub(super) fn udp(binary: &Path, address: &str, seed: u64) -> Self {
        Self::new(binary, &["udp", address, "--no-check"], seed)
    }

    /// Documents into a file, one on a line.
    pub(super) fn file(binary: &Path, path: &Path, seed: u64) -> Self {
        Self::new(binary, &["file", &path.to_string_lossy()], seed)
    }

    fn new(binary: &Path, sink: &[&str], seed: u64) -> Self {
        let common = ["--corpus", "plain", "--quiet", "--json", "--seed"];
        let arguments = sink.iter().chain(&common).map(ToString::to_string);
        let arguments = arguments.chain([seed.to_string()]).collect();
        Self { binary: binary.to_owned(), arguments }
    }

    /// With one more option.
    pub(super) fn with(mut self, option: &str, value: impl ToString) -> Self {
        self.arguments.extend([option.to_owned(), value.to_string()]);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it fails: a document was refused or never acknowledged.
    pub(super) fn run(&self) -> anyhow::Result<Sent> {
        let output = command(&self.binary, &root())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{}: cannot be started", self.binary.display()))?;
        if !output.status.success() {
            bail!(
                "{} {}: {}\n{}{}",
                self.binary.display(),
                self.arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
        }
        let report = serde_json::from_slice(&output.stdout).context("its report is not JSON")?;
        Ok(Sent { report })
    }
}

impl Sent {
    pub(super) fn documents(&self) -> anyhow::Result<f64> {
        self.number(&["documents"])
    }

    /// Documents a second.
    pub(super) fn rate(&self) -> anyhow::Result<f64> {
        self.number(&["documents_per_second"])
    }

    /// CPU of the generator for each document, in micro-seconds.
    pub(super) fn client_micros(&self) -> anyhow::Result<f64> {
        self.number(&["client", "cpu_micros_per_document"])
    }

    /// Milliseconds until a call was acknowledged; `share` is the report's name for one: p50, max.
    pub(super) fn acknowledged(&self, share: &str) -> anyhow::Result<f64> {
        self.number(&["latency", share])
    }

    /// Documents that were acknowledged.
    pub(super) fn stored(&self) -> anyhow::Result<f64> {
        self.number(&["acknowledged"])
    }

    /// Of a load by UDP: what the server counted as taken.
    pub(super) fn accepted(&self) -> anyhow::Result<f64> {
        self.number(&["udp", "accepted"])
    }

    fn number(&self, path: &[&str]) -> anyhow::Result<f64> {
        let value = path.iter().fold(&self.report, |value, name| member(value, name));
        value.as_f64().with_context(|| format!("no number {} in the report", path.join(".")))
    }
}
