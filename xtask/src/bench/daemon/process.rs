//! A daemon as a process: started in front of a sink, measured through /proc, ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::bench::scratch::Scratch;
use crate::bench::server::cpu_seconds;
use crate::stopwatch::Stopwatch;

/// Longest wait for a daemon to serve, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that is about to change.
const PAUSE: Duration = Duration::from_millis(5);

/// Ports that were free a moment ago and are not any more: nobody is that unlucky.
const PORT_TRIES: u32 = 20;

/// A daemon to be measured.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// For the tables: the program and its version.
    pub(super) name: String,
    pub(super) binary: PathBuf,
    /// Whether it knows our options.
    pub(super) is_ours: bool,
}

/// How a daemon knows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// Not at all: what it sends to wants no signature.
    None,
    /// By environment variables.
    Environment,
    /// By the endpoint of a container, which the sink has as well.
    Container,
}

/// How to start it.
#[derive(Debug, Clone)]
pub(super) struct Launch<'a> {
    pub(super) candidate: &'a Candidate,
    /// Where it sends to.
    pub(super) url: String,
    pub(super) keys: Keys,
    pub(super) options: Vec<String>,
}

/// A daemon under measurement; killed when this value goes.
#[derive(Debug)]
pub(super) struct Daemon {
    process: Child,
    port: u16,
    output: PathBuf,
    _scratch: Scratch,
}

/// What the kernel counted for a process so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// CPU in user and kernel mode, in seconds.
    pub(super) cpu: f64,
    /// Times a thread of it went to sleep and was woken.
    pub(super) wake_ups: u64,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    pub(super) resident: u64,
    /// Of that, what is neither code nor files.
    pub(super) anonymous: u64,
    /// The most that was ever resident.
    pub(super) peak: u64,
}

impl Candidate {
    /// A program, named after itself and what it says its version is.
    pub(super) fn new(binary: &Path, is_ours: bool) -> anyhow::Result<Self> {
        let output = Command::new(binary).arg("--version").stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("{}: cannot be started", binary.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split_whitespace().last().context("it printed no version")?;
        let program = binary.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self { name: format!("{program} {version}"), binary: binary.to_owned(), is_ours })
    }
}

impl Launch<'_> {
    /// Starts it, and waits until it takes connections.
    pub(super) fn start(&self) -> anyhow::Result<Daemon> {
        for _ in 0..PORT_TRIES {
            let mut daemon = self.spawn(free_port()?)?;
            let stopwatch = Stopwatch::start();
            let is_taken = loop {
                if daemon.output()?.contains("address already in use") {
                    break true;
                }
                if TcpStream::connect((Ipv4Addr::LOCALHOST, daemon.port)).is_ok() {
                    break false;
                }
                if let Some(status) = daemon.process.try_wait()? {
                    bail!("{} ended with {status}: {}", self.candidate.name, daemon.output()?);
                }
                if stopwatch.elapsed() > PATIENCE {
                    bail!("{} does not serve: {}", self.candidate.name, daemon.output()?);
                }
                std::thread::sleep(PAUSE);
            };
            if !is_taken {
                return Ok(daemon);
            }
        }
        bail!("no free port in {PORT_TRIES} tries")
    }

    /// Starts it on a port, and waits for nothing.
    pub(super) fn spawn(&self, port: u16) -> anyhow::Result<Daemon> {
        let scratch = Scratch::new()?;
        let config = scratch.path().join("cfg.yaml");
        let path = scratch.path().join("output.log");
        let output = File::create(&path)?;
        let bind = format!("127.0.0.1:{port}");
        let mut command = Command::new(&self.candidate.binary);
        command.env_clear().env("HOME", scratch.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.args(["-o", "-n", "us-east-1", "-b", &bind, "-t", &bind]);
        if self.candidate.is_ours && self.keys == Keys::None {
            command.args(["--destination", &self.url]);
        } else {
            // The official daemon knows the endpoint from a file only.
            fs::write(&config, format!("Version: 2\nEndpoint: {}\n", self.url))?;
            command.arg("-c").arg(&config);
        }
        match self.keys {
            Keys::None => {}
            Keys::Environment => {
                command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
                command.env("AWS_SECRET_ACCESS_KEY", "SECRET");
            }
            Keys::Container => {
                let credentials = format!("{}/credentials", self.url);
                command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", credentials);
            }
        }
        let process = command
            .args(&self.options)
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.candidate.binary.display()))?;
        Ok(Daemon { process, port, output: path, _scratch: scratch })
    }
}

impl Daemon {
    /// Where it takes datagrams and connections.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn output(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.output)?).into_owned())
    }

    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let id = self.process.id();
        let mut wake_ups = 0;
        for thread in fs::read_dir(format!("/proc/{id}/task"))? {
            // A thread may end between being listed and being asked.
            let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
            wake_ups += field(&status, "voluntary_ctxt_switches:")?;
        }
        Ok(Usage { cpu: cpu_seconds(&id.to_string())?, wake_ups })
    }

    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        memory(self.process.id())
    }

    /// Memory once it no longer changes.
    pub(super) fn settled_memory(&self) -> anyhow::Result<Memory> {
        let stopwatch = Stopwatch::start();
        let mut since_change = Stopwatch::start();
        let mut last = self.memory()?;
        while since_change.elapsed() < Duration::from_secs(1) && stopwatch.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.memory()?;
            if now.resident != last.resident {
                since_change = Stopwatch::start();
            }
            last = now;
        }
        Ok(last)
    }

    /// Datagrams that the kernel had no room for in the socket's buffer.
    pub(super) fn kernel_drops(&self) -> anyhow::Result<u64> {
        let table = fs::read_to_string("/proc/net/udp")?;
        let drops = drops_of(&table, self.port);
        drops.with_context(|| format!("no UDP socket of port {}", self.port))
    }

    /// Asks it to end (SIGTERM); gives the time it took.
    pub(super) fn stop(mut self) -> anyhow::Result<Duration> {
        let id = self.process.id().to_string();
        let stopwatch = Stopwatch::start();
        // The standard library can only kill.
        let status = Command::new("kill").args(["-TERM", &id]).status();
        if !status.context("kill cannot be started")?.success() {
            bail!("kill -TERM {id} failed");
        }
        while stopwatch.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait()? {
                if !status.success() {
                    bail!("it ended with {status}: {}", self.output()?);
                }
                return Ok(stopwatch.elapsed());
            }
            std::thread::sleep(PAUSE);
        }
        bail!("it did not end within {PATIENCE:?}")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing can be done about a process that is already gone.
        let _killed = self.process.kill();
        let _waited = self.process.wait();
    }
}

/// Memory of a process.
pub(super) fn memory(process: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("{path}: no process"))?;
    let bytes = |name| anyhow::Ok(field(&status, name)? * 1024);
    Ok(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")?, peak: bytes("VmHWM:")? })
}

/// A port that was free for TCP and UDP a moment ago.
pub(super) fn free_port() -> anyhow::Result<u16> {
    for _ in 0..PORT_TRIES {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = tcp.local_addr()?.port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port that is free for TCP and UDP in {PORT_TRIES} tries")
}

/// The number of a line `Name: number …`.
fn field(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|value| value.split_whitespace().next());
    number.with_context(|| format!("no {name}"))?.parse().with_context(|| name.to_owned())
}

/// The last field of a socket's row in /proc/net/udp.
fn drops_of(table: &str, port: u16) -> Option<u64> {
    let suffix = format!(":{port:04X}");
    let mut rows = table
        .lines()
        .skip(1)
        .filter(|row| row.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&suffix)));
    rows.next()?.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_says() {
        let status = "VmHWM:\t   5120 kB\nvoluntary_ctxt_switches:\t17\n";
        assert_eq!(field(status, "VmHWM:").expect("there"), 5120);
        assert_eq!(field(status, "voluntary_ctxt_switches:").expect("there"), 17);
        assert!(field(status, "VmRSS:").is_err());
        let own = memory(std::process::id()).expect("we run");
        assert!(own.anonymous <= own.resident && own.resident <= own.peak, "{own:?}");
    }

    #[test]
    fn finds_the_drops_of_a_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            10: 0100007F:07D0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5 2 0 42\n";
        assert_eq!(drops_of(table, 2000), Some(42));
        assert_eq!(drops_of(table, 2001), None);
    }
}
