//! The server as the parts start it: room for everything, one data directory each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use crate::bench::load::Load;
use crate::bench::scratch::{Scratch, files_below};
use crate::bench::server::{Launch, Server};
use crate::stopwatch::Stopwatch;

/// How long the files must be unchanged to count as settled: the engine waits two seconds for a
/// trace to be quiet.
const QUIET: Duration = Duration::from_secs(6);

/// Longest wait for that.
const PATIENCE: Duration = Duration::from_secs(300);

/// The programs that are measured and that measure.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) server: PathBuf,
    pub(super) load: PathBuf,
}

/// A server and its directory.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) server: Server,
    pub(super) launch: Launch,
    load: PathBuf,
    next_seed: AtomicU64,
    _scratch: Scratch,
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk {
    pub(super) log: u64,
    /// Everything but the log: what is derived from it.
    pub(super) derived: u64,
}

impl Bench {
    /// A server with an empty store.
    pub(super) fn start(programs: &Programs) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let mut launch = Launch::new(&programs.server, scratch.path());
        launch.options = options(&programs.server)?;
        let server = launch.start()?;
        let (load, next_seed) = (programs.load.clone(), AtomicU64::new(1));
        Ok(Self { server, launch, load, next_seed, _scratch: scratch })
    }

    /// A load of PutTraceSegments, with ids that no load on this server had before.
    pub(super) fn http(&self) -> Load {
        Load::http(&self.load, &self.server.address, self.seed())
    }

    /// A load of datagrams.
    pub(super) fn udp(&self) -> Load {
        Load::udp(&self.load, &self.server.address, self.seed())
    }

    fn seed(&self) -> u64 {
        self.next_seed.fetch_add(1, Ordering::Relaxed)
    }

    /// Kills the server and starts it again on its directory.
    pub(super) fn restart_after_kill(mut self) -> anyhow::Result<Self> {
        self.server.kill()?;
        self.server = self.launch.start()?;
        Ok(self)
    }

    /// Stops the server in order and starts it again.
    pub(super) fn restart_after_stop(mut self) -> anyhow::Result<Self> {
        self.server.stop()?;
        self.server = self.launch.start()?;
        Ok(self)
    }

    pub(super) fn disk(&self) -> anyhow::Result<Disk> {
        let log = self.launch.data().join("log");
        let mut disk = Disk { log: 0, derived: 0 };
        for (path, bytes) in files_below(&self.launch.data())? {
            *(if path.starts_with(&log) { &mut disk.log } else { &mut disk.derived }) += bytes;
        }
        Ok(disk)
    }

    /// Waits until the files no longer change: everything is settled that settles by itself.
    pub(super) fn wait_until_settled(&self) -> anyhow::Result<Duration> {
        let whole = Stopwatch::start();
        let mut last = files_below(&self.launch.data())?;
        let mut since_change = Stopwatch::start();
        while since_change.elapsed() < QUIET && whole.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(200));
            let now = files_below(&self.launch.data())?;
            if now != last {
                since_change = Stopwatch::start();
                last = now;
            }
        }
        Ok(whole.elapsed().saturating_sub(QUIET))
    }
}

/// Bounds that nothing of a benchmark reaches, so that nothing is dropped; the index is bounded in
/// versions only that keep all of it in memory.
fn options(binary: &Path) -> anyhow::Result<Vec<String>> {
    let help = Command::new(binary).args(["serve", "--help"]).output();
    let help = help.with_context(|| format!("{}: cannot be started", binary.display()))?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let mut options = vec!["--retention-bytes".to_owned(), "1000GiB".to_owned()];
    if help.contains("--index-bytes") {
        options.extend(["--index-bytes".to_owned(), "64GiB".to_owned()]);
    }
    Ok(options)
}
