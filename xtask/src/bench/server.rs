//! The `roentgen` binary as a process: started on a data directory, measured through /proc, killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::connection::Connection;
use super::json::member;
use crate::stopwatch::Stopwatch;

/// Longest wait for the server to print its address, and to end.
const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks at something that is about to change.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two looks for the address: starting takes some milliseconds and is measured.
const START_PAUSE: Duration = Duration::from_micros(500);

/// Ticks per second of the CPU times in /proc: fixed at 100 in Linux's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// How to start the server: the same way after every kill.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) binary: PathBuf,
    /// Holds `data` and the output of the process.
    pub(super) directory: PathBuf,
    pub(super) options: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
}

/// A server under measurement; killed when this value goes.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    output: PathBuf,
    /// `host:port` of both UDP and TCP.
    pub(super) address: String,
    /// From the start of the process until it said where it serves.
    pub(super) opened_in: Duration,
}

impl Launch {
    pub(super) fn new(binary: &Path, directory: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            directory: directory.to_owned(),
            options: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The server's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Where the standard output and error of the process stand, anew for every start.
    pub(super) fn output(&self) -> PathBuf {
        self.directory.join("output.log")
    }

    /// Starts the server on a free port and waits until it serves.
    pub(super) fn start(&self) -> anyhow::Result<Server> {
        let stopwatch = Stopwatch::start();
        let mut process = self.spawn()?;
        match printed_address(&mut process, &self.output(), stopwatch) {
            Ok(address) => {
                let opened_in = stopwatch.elapsed();
                Ok(Server { process, output: self.output(), address, opened_in })
            }
            Err(error) => {
                kill(&mut process)?;
                Err(error)
            }
        }
    }

    /// Starts the server and kills it after `delay`, wherever its start has come to.
    pub(super) fn start_and_kill(&self, delay: Duration) -> anyhow::Result<()> {
        let mut process = self.spawn()?;
        std::thread::sleep(delay);
        kill(&mut process)
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        fs::create_dir_all(&self.directory)?;
        let output = File::create(self.output())?;
        Command::new(&self.binary)
            .args(["--bind", "127.0.0.1:0", "--data-dir"])
            .arg(self.data())
            .args(&self.options)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{}: cannot be started", self.binary.display()))
    }
}

impl Server {
    /// Ends the process at once (SIGKILL) and waits until it is gone.
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        kill(&mut self.process)
    }

    /// Asks the process to end (SIGTERM), and waits until it has.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.id().to_string();
        // The standard library can only kill.
        let status = Command::new("kill").args(["-TERM", &id]).status();
        if !status.context("kill cannot be started")?.success() {
            bail!("kill -TERM {id} failed");
        }
        let stopwatch = Stopwatch::start();
        while stopwatch.elapsed() < PATIENCE {
            if self.process.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        bail!("the server did not stop within {PATIENCE:?}")
    }

    /// What it has written so far.
    pub(super) fn output(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.output)?).into_owned())
    }

    pub(super) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// CPU time of all its threads so far, in user and kernel mode, in seconds.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(&self.process.id().to_string())
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

    /// Documents that it has taken so far, by its status page.
    pub(super) fn documents(&self) -> anyhow::Result<u64> {
        let status = Connection::open(&self.address)?.get_json("/api/v1/status")?;
        member(&status, "documentsAccepted").as_u64().context("no documentsAccepted")
    }

    /// Its metrics: names, with labels where there are some, and values.
    pub(super) fn metrics(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let text = Connection::open(&self.address)?.get("/metrics")?;
        let text = String::from_utf8(text).context("the metrics are not UTF-8")?;
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| line.rsplit_once(' '));
        Ok(samples
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect())
    }

    /// One of its metrics, where this version has it.
    pub(super) fn metric(&self, name: &str) -> anyhow::Result<Option<f64>> {
        Ok(self.metrics()?.into_iter().find(|(found, _)| found == name).map(|(_, value)| value))
    }

    fn memory(&self, line: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(&path).with_context(|| format!("{path}: no process"))?;
        let kibibytes = status
            .lines()
            .find_map(|found| found.strip_prefix(line))
            .and_then(|value| value.split_whitespace().next())
            .with_context(|| format!("no {line} in {path}"))?;
        Ok(kibibytes.parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a process that is already gone.
        let _ended = kill(&mut self.process);
    }
}

/// CPU time of a process so far, in user and kernel mode, in seconds; `self` for our own.
pub(super) fn cpu_seconds(process: &str) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("{path}: no process"))?;
    // The second field is the program's name in brackets and may hold spaces.
    let (_, fields) = stat.rsplit_once(')').context("no program name in /proc stat")?;
    // utime and stime are fields 14 and 15 of proc(5), counted from 1; the name was the second.
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = u32::try_from(times.sum::<Result<u64, _>>()?)
        .context("more CPU time than a benchmark takes")?;
    Ok(f64::from(ticks) / TICKS_PER_SECOND)
}

fn kill(process: &mut Child) -> anyhow::Result<()> {
    process.kill()?;
    process.wait()?;
    Ok(())
}

fn printed_address(
    process: &mut Child,
    log: &Path,
    stopwatch: Stopwatch,
) -> anyhow::Result<String> {
    while stopwatch.elapsed() < PATIENCE {
        let output = String::from_utf8_lossy(&fs::read(log)?).into_owned();
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
        std::thread::sleep(START_PAUSE);
    }
    bail!("the server printed no address within {PATIENCE:?}")
}
