//! The release binary on a data directory of its own, and what the kernel says it used.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::connection::Connection;
use crate::stopwatch::Stopwatch;
use crate::workspace::{release_binary, target_directory};

/// Longest wait for the server to print its address, and to take what was sent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that is about to change.
const PAUSE: Duration = Duration::from_millis(20);

/// Ticks per second of the CPU times in /proc: fixed at 100 in Linux's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// A server under measurement; ends with this value, and its data with it.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    directory: PathBuf,
    /// `host:port` of both UDP and TCP.
    pub(super) address: String,
}

/// What the server counted of documents sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Documents {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
}

impl Server {
    /// Starts on a free port with an empty data directory below cargo's target directory.
    ///
    /// Not in the system's temporary directory: that is memory on many machines, where an fsync
    /// costs nothing.
    pub(super) fn start() -> anyhow::Result<Self> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let directory =
            target_directory().join("bench").join(format!("{}-{run}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let log = directory.join("output.log");
        let output = File::create(&log)?;
        let mut process = Command::new(release_binary())
            .args(["--bind", "127.0.0.1:0", "--data-dir"])
            .arg(directory.join("data"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{}: cannot be started", release_binary().display()))?;
        match printed_address(&mut process, &log) {
            Ok(address) => Ok(Self { process, directory, address }),
            Err(error) => {
                let _already_ended = process.kill();
                process.wait()?;
                Err(error)
            }
        }
    }

    /// CPU time of all its threads so far, in user and kernel mode, in seconds.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        // The second field is the program's name in brackets and may hold spaces.
        let (_, fields) = stat.rsplit_once(')').context("no program name in /proc stat")?;
        // utime and stime are fields 14 and 15 of proc(5), counted from 1; the name was the second.
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<u64, _>>()?;
        let ticks = u32::try_from(ticks).context("more CPU time than a benchmark takes")?;
        Ok(f64::from(ticks) / TICKS_PER_SECOND)
    }

    /// The most resident memory it ever had, in bytes.
    pub(super) fn peak_memory(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// Resident memory once it no longer changes after the start, in bytes.
    pub(super) fn settled_memory(&self) -> anyhow::Result<u64> {
        let stopwatch = Stopwatch::start();
        let mut last = self.memory("VmRSS:")?;
        let mut unchanged = 0;
        // One second without a change; at most PATIENCE.
        while unchanged < 50 && stopwatch.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
            let now = self.memory("VmRSS:")?;
            unchanged = if now == last { unchanged + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    /// The counters of its status page.
    pub(super) fn documents(&self) -> anyhow::Result<Documents> {
        let body = Connection::open(&self.address)?.get("/api/v1/status")?;
        let status: Value = serde_json::from_slice(&body).context("the status is not JSON")?;
        let count = |member: &str| {
            status.get(member).and_then(Value::as_u64).with_context(|| format!("no {member}"))
        };
        Ok(Documents {
            accepted: count("documentsAccepted")?,
            rejected: count("documentsRejected")?,
        })
    }

    /// Waits until it has counted `sent` documents, or no more for a second, and gives its counts.
    pub(super) fn documents_when_settled(&self, sent: u64) -> anyhow::Result<Documents> {
        let mut last = self.documents()?;
        let mut since_change = Stopwatch::start();
        while last.accepted + last.rejected < sent
            && since_change.elapsed() < Duration::from_secs(1)
        {
            std::thread::sleep(PAUSE);
            let now = self.documents()?;
            if now != last {
                since_change = Stopwatch::start();
            }
            last = now;
        }
        Ok(last)
    }

    /// Bytes of all files of its store.
    pub(super) fn bytes_on_disk(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        let mut directories = vec![self.directory.join("data")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    directories.push(entry.path());
                } else {
                    bytes += metadata.len();
                }
            }
        }
        Ok(bytes)
    }

    fn memory(&self, line: &str) -> anyhow::Result<u64> {
        let status = self.proc("status")?;
        let kibibytes = status
            .lines()
            .find_map(|found| found.strip_prefix(line))
            .and_then(|value| value.split_whitespace().next())
            .with_context(|| format!("no {line} in /proc status"))?;
        Ok(kibibytes.parse::<u64>()? * 1024)
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.process.id());
        fs::read_to_string(&path).with_context(|| format!("{path}: did the server end?"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a process or directory that is already gone.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        let _removed = fs::remove_dir_all(&self.directory);
    }
}

fn printed_address(process: &mut Child, log: &Path) -> anyhow::Result<String> {
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < PATIENCE {
        let output = fs::read_to_string(log)?;
        let address = output.lines().find_map(|line| {
            let (_, after) = line.split_once("AWS_XRAY_DAEMON_ADDRESS=")?;
            after.split_whitespace().next()
        });
        if let Some(address) = address {
            return Ok(address.to_owned());
        }
        if let Some(status) = process.try_wait()? {
            bail!("the server ended with {status}: {output}");
        }
        std::thread::sleep(PAUSE);
    }
    bail!("the server printed no address within {PATIENCE:?}")
}
