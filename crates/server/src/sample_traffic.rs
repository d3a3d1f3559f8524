//! The sample shop: as a command of its own, and inside a server behind the console's button.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use roentgen_load::{Progress, Settings};
use roentgen_model::{Micros, Timestamp};
use roentgen_ops::{Clock, ShutdownSignals, SystemClock, reachable, resolve};

use crate::cli::SampleTrafficArgs;

/// How long the console's button lets the shop run.
const BUTTON_SECONDS: u32 = 60;

/// The shop inside a server; at most one runs at a time.
#[derive(Debug)]
pub(crate) struct SampleTraffic {
    /// Where to send: our own port.
    target: SocketAddr,
    clock: Arc<dyn Clock>,
    running: Mutex<Option<Run>>,
}

#[derive(Debug)]
struct Run {
    ends_at: Timestamp,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Why the shop was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("Sample traffic is running already")]
    IsRunning,
    #[error("The sample traffic could not be started: {0}")]
    Thread(std::io::Error),
}

impl SampleTraffic {
    /// A shop that will send to a server listening on `address`.
    pub(crate) fn new(address: SocketAddr, clock: Arc<dyn Clock>) -> Self {
        Self { target: reachable(address), clock, running: Mutex::new(None) }
    }

    /// Starts the shop for a minute; gives the time of its end.
    pub(crate) fn start(&self, now: Timestamp) -> Result<Timestamp, StartError> {
        let mut running = self.lock();
        if running.as_ref().is_some_and(|run| !run.thread.is_finished()) {
            return Err(StartError::IsRunning);
        }
        let settings = Settings {
            duration: Some(Duration::from_secs(BUTTON_SECONDS.into())),
            ..Settings::new(self.target, rand::random())
        };
        let stop = Arc::new(AtomicBool::new(false));
        let (clock, is_stopped) = (Arc::clone(&self.clock), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("sample-traffic".to_owned())
            .spawn(move || send(&settings, &*clock, &is_stopped))
            .map_err(StartError::Thread)?;
        let ends_at = now.plus(Micros::from_whole_seconds(BUTTON_SECONDS.into()));
        *running = Some(Run { ends_at, stop, thread });
        Ok(ends_at)
    }

    /// When the running shop ends; `None` when none is running.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        let running = self.lock();
        running.as_ref().filter(|run| !run.thread.is_finished()).map(|run| run.ends_at)
    }

    /// Ends the shop and waits until it has sent what it had begun. Blocks for a moment.
    pub(crate) fn stop(&self) {
        let Some(run) = self.lock().take() else { return };
        run.stop.store(true, Ordering::Relaxed);
        if run.thread.join().is_err() {
            tracing::error!("the sample traffic had ended in a panic");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Run>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(settings: &Settings, clock: &dyn Clock, stop: &AtomicBool) {
    let progress = Progress::default();
    let outcome = roentgen_load::run(settings, || clock.now(), std::thread::sleep, stop, &progress);
    if let Err(error) = outcome {
        tracing::warn!(%error, "the sample traffic ended");
    }
}

/// The command: sends until the time is over or a signal comes, then tells what was sent.
pub fn sample_traffic(args: &SampleTrafficArgs) -> anyhow::Result<()> {
    let target = resolve(&args.to).with_context(|| format!("--to {:?}", args.to))?;
    let settings = Settings {
        requests_per_second: args.rate,
        duration: Some(Duration::from_secs(args.duration)),
        ..Settings::new(target, args.seed.unwrap_or_else(rand::random))
    };
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(Arc::clone(&stop))?;
    let progress = Progress::default();
    let announced = Once::new();
    let now = || {
        // The shop asks for the time when everything has been found possible, and not before.
        announced.call_once(|| announce(args, &settings));
        SystemClock.now()
    };
    roentgen_load::run(&settings, now, std::thread::sleep, &stop, &progress)?;
    let counts = progress.counts();
    // The kernel tells of a port that nobody listens on with the next datagram, so that every
    // second one fails.
    anyhow::ensure!(
        counts.failed_documents.saturating_mul(3) <= counts.documents,
        "nothing listens on {}: {} documents could not be sent; start roentgen there, or name \
         its address with --to",
        args.to,
        counts.failed_documents
    );
    writeln!(
        std::io::stdout(),
        "Sent {} documents of {} requests; {} could not be sent",
        counts.documents,
        counts.requests,
        counts.failed_documents
    )?;
    Ok(())
}

fn announce(args: &SampleTrafficArgs, settings: &Settings) {
    let SampleTrafficArgs { to, rate, duration, .. } = args;
    let (seed, history) = (settings.seed, settings.history_requests);
    // Whoever closed our standard output does not want to read this; that is no fault.
    let _ = writeln!(
        std::io::stdout(),
        "Sending the traffic of a sample shop to {to} (UDP): {history} requests of the last \
         minutes, then {rate} per second for {duration} s; seed {seed}"
    );
}

fn stop_on_signal(stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        ShutdownSignals::listen().context("listen for signals")?
    };
    // The thread ends with the process.
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(signals.next());
        stop.store(true, Ordering::Relaxed);
    })?;
    Ok(())
}
