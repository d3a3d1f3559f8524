//! The daemon as a whole: its parts put together, started, and stopped in order.
//!
//! Receiving comes first and waits for nobody: who the daemon is to AWS, and where X-Ray answers, is
//! found out while segments already come in.

mod seams;
mod start;

use std::net::UdpSocket;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use roentgen_ops::{Clock, ShutdownSignals};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::config::VERSION;
use crate::intake::Intake;
use crate::intake::listen::bind_udp;
use crate::logging;
use crate::settings::Settings;
use crate::upstream::Proxy;

use start::{Parts, StartError};

/// Threads for what blocks: a writer and a reader for the spool of each of 8 destinations, should
/// their disks hang, and some for files of certificates and credentials. Names are looked up on
/// threads of their own. There are only as many threads as there is work.
const MOST_BLOCKING_THREADS: usize = 24;

/// How long such a thread stays without work; its stack is memory.
const BLOCKING_THREAD_STAYS: Duration = Duration::from_secs(1);

/// Most of the time for the end that the last datagrams and the calls on the TCP port may use up, as a
/// part of the whole.
const PART_OF_INTAKE: u32 = 4;

/// The time for the end that is left for the last telemetry, as a part of the whole.
const PART_OF_TELEMETRY: u32 = 8;

/// Ended by a second signal; by convention 128 and the number of SIGINT.
const AT_ONCE: u8 = 130;

/// Runs until a signal comes, or something is wrong that cannot mend itself.
pub(crate) fn run(settings: &Settings, notices: &[String], clock: &Arc<dyn Clock>) -> ExitCode {
    let code = run_with_log(settings, notices, clock);
    logging::finish();
    code
}

fn run_with_log(settings: &Settings, notices: &[String], clock: &Arc<dyn Clock>) -> ExitCode {
    if let Err(error) = logging::start(&settings.log, Arc::clone(clock)) {
        return end_with(&error);
    }
    tracing::info!("Initializing AWS X-Ray daemon {VERSION}");
    notices.iter().for_each(|notice| tracing::warn!("{notice}"));
    let socket = match bind_udp(&settings.udp_address) {
        Ok(socket) => socket,
        Err(error) => return end_with(&error),
    };
    if let Err(error) = settings.memory.announce() {
        return end_with(&error);
    }
    if let Some(Err(fault)) = settings.outbound.proxy.as_deref().map(str::parse::<Proxy>) {
        return end_with(&format_args!("Bad proxy URL: {fault}"));
    }
    // Where the kernel deals out huge pages unasked, each slot for a datagram would take 2 MiB. An old
    // kernel, and a sandbox, may refuse; then it is as it was.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_THREAD_STAYS)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return end_with(&error),
    };
    let code = runtime.block_on(serve(settings, socket, clock)).unwrap_or_else(|e| end_with(&e));
    // Whatever still runs was given up on purpose.
    runtime.shutdown_background();
    code
}

fn end_with(error: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

async fn serve(
    settings: &Settings,
    socket: UdpSocket,
    clock: &Arc<dyn Clock>,
) -> Result<ExitCode, StartError> {
    let mut signals = ShutdownSignals::listen().map_err(StartError::System)?;
    let parts = Parts::start(settings, socket, clock)?;
    let signal = tokio::select! {
        signal = signals.next() => signal,
        // The message is in the log by now, as the official daemon has it.
        () = parts.no_region() => return Ok(ExitCode::FAILURE),
    };
    let name = if signal == "SIGTERM" { "terminated" } else { "interrupt" };
    tracing::info!("Got shutdown signal: {name}");
    tokio::select! {
        () = stop(parts, settings.shutdown) => Ok(ExitCode::SUCCESS),
        _ = signals.next() => {
            tracing::warn!("Got another shutdown signal: not waiting for what is under way");
            Ok(ExitCode::from(AT_ONCE))
        }
    }
}

/// Takes nothing more, sends what there is, and says what was lost, all within the time.
async fn stop(parts: Parts, within: Duration) {
    let deadline = Instant::now() + within;
    let Parts { intake, gateway, destinations, telemetry, tally, clock, .. } = parts;
    tracing::debug!("Shutdown Initiated. Current epoch in nanoseconds: {}", nanoseconds(&*clock));
    let stop_intake = async {
        if !stop_intake(intake, within / PART_OF_INTAKE).await {
            tracing::warn!("receiving did not end in time: the last segments may be lost");
        }
    };
    let stop_gateway = async {
        if let Some(gateway) = gateway
            && !gateway.stop(within / PART_OF_INTAKE).await
        {
            tracing::warn!("calls on the TCP port were cut off");
        }
    };
    tokio::join!(stop_intake, stop_gateway);
    destinations.finish(until(deadline - within / PART_OF_TELEMETRY)).await;
    tracing::debug!("processor: done!");
    // Now that everything is counted.
    telemetry.finish(until(deadline)).await;
    let received = tally.received.get();
    tracing::debug!("Trace segment: received: {received}, truncated: 0, processed: {received}");
    tracing::debug!("Shutdown finished. Current epoch in nanoseconds: {}", nanoseconds(&*clock));
}

/// Whether the receiver came to its end in time. Stopping it blocks, and must not wait for a thread
/// that others may hold on to.
async fn stop_intake(intake: Arc<Intake>, within: Duration) -> bool {
    let (stopped, has_stopped) = oneshot::channel();
    let stop = move || {
        intake.stop();
        let _ = stopped.send(()); // Nobody listens any more when it took too long.
    };
    let thread = thread::Builder::new().name("intake-stop".to_owned()).spawn(stop);
    thread.is_ok() && timeout(within, has_stopped).await.is_ok_and(|stopped| stopped.is_ok())
}

fn nanoseconds(clock: &dyn Clock) -> u128 {
    clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn until(moment: Instant) -> Duration {
    moment.saturating_duration_since(Instant::now())
}
