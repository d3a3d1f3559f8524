//! One run, from its command line to its report.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use roentgen_load::Corpus;
use roentgen_model::{Micros, Timestamp};

use crate::api::{Api, Keys};
use crate::arguments::{CheckArguments, LoadArguments, SigningArguments, Sink};
use crate::check::{CheckReport, CheckSettings, Checker, MAX_PENDING};
use crate::clock::RunClock;
use crate::emission::{Numbers, Timeline};
use crate::figures::Figures;
use crate::http::{Address, Connection};
use crate::pacing::Schedule;
use crate::progress::{CheckProgress, ProgressLines};
use crate::report::{
    CallReport, ClientReport, CorpusReport, LatencyReport, Report, SinkReport, UdpReport,
};
use crate::samples::{Sample, Wanted};
use crate::server_counts::ServerCounts;
use crate::sink::{FileSink, HttpSink, Run, Sent, UdpSink};

/// Between two lines of progress.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Requests whose documents are weighed for their mean size.
const WEIGHED: u64 = 10_000;

/// How long the answer to a query may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// What is ready to be sent through.
enum Opened {
    Udp(UdpSink),
    Http(HttpSink, Vec<Connection>),
    File(FileSink),
}

/// The reading back, when there is any.
struct Checks<'a> {
    arguments: &'a CheckArguments,
    address: Address,
    keys: Option<Keys>,
}

/// What is known when all threads have ended.
struct Outcome {
    sent: Sent,
    seconds: f64,
    /// What the server says of datagrams, when it does.
    counts: Option<ServerCounts>,
    checks: Option<CheckReport>,
}

/// Sends and checks as the command line says, until it is done or `stop` is set.
///
/// # Errors
/// When it cannot begin, or a file cannot be written.
pub(crate) fn run(sink: &Sink, stop: &AtomicBool) -> anyhow::Result<Report> {
    let load = sink.load();
    let corpus = load.corpus()?;
    let opened = open(sink)?;
    let clock = RunClock::start();
    let numbers = Numbers::new(load.documents, timeline(load, &corpus, &clock));
    let schedule =
        Schedule::new(load.rate.map(|rate| rate / sink.documents_per_sending()), load.duration);
    let figures = Figures::new()?;
    let wanted = Wanted::default();
    let run = Run {
        clock,
        corpus: &corpus,
        numbers: &numbers,
        schedule: &schedule,
        figures: &figures,
        wanted: &wanted,
        stop,
        interleaved: usize::try_from(load.interleave)?,
        late_after: load.late_after,
    };
    let outcome = send_and_check(sink, opened, &run)?;
    Ok(report(sink, &run, outcome))
}

fn open(sink: &Sink) -> anyhow::Result<Opened> {
    Ok(match sink {
        Sink::Udp(arguments) => Opened::Udp(UdpSink::new(&arguments.target)?),
        Sink::Http(arguments) => {
            let http = HttpSink {
                target: arguments.target.clone(),
                connections: usize::try_from(arguments.connections)?,
                documents_per_call: usize::try_from(arguments.documents_per_call)?,
                retries: arguments.retry,
                timeout: arguments.timeout,
                keys: arguments.signing.keys(),
            };
            let connections = http.connect().context("is the server running?")?;
            Opened::Http(http, connections)
        }
        Sink::File(arguments) => {
            Opened::File(FileSink::create(&arguments.path, arguments.datagrams)?)
        }
    })
}

/// When requests happen: now, or spread over a time before now.
fn timeline(load: &LoadArguments, corpus: &Corpus, clock: &RunClock) -> Timeline {
    let (Some(spread), Some(documents)) = (load.spread, load.documents) else {
        return Timeline::Real;
    };
    let requests = documents as f64 / corpus.mean_documents(0..WEIGHED).max(1.0);
    let now = clock.wall(clock.elapsed());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and what is too large becomes the largest integer"
    )]
    let step_nanos = (spread.as_nanos() as f64 / requests.max(1.0)) as u64;
    let spread = i64::try_from(spread.as_micros()).unwrap_or(i64::MAX);
    let begin = Timestamp::from_micros(0).max(now.minus(Micros::new(spread)));
    Timeline::Past { begin, step_nanos }
}

fn send_and_check(sink: &Sink, opened: Opened, run: &Run<'_>) -> anyhow::Result<Outcome> {
    let checks = sink.checks();
    // Datagrams are counted whether or not anything is read back.
    let mut counting =
        sink.udp_api().map(|(address, keys)| Api::new(&address, keys.as_ref(), QUERY_TIMEOUT));
    let before = counting.as_mut().and_then(ServerCounts::read);
    let progress = CheckProgress::default();
    let mut checker = checks.as_ref().map(|checks| checks.checker(run));

    let (sent, seconds) = std::thread::scope(|scope| {
        let (sender, samples) = sync_channel(MAX_PENDING);
        let sender = checker.is_some().then_some(sender);
        let following = checker.as_mut().map(|checker| {
            let progress = &progress;
            scope.spawn(move || {
                checker.follow(&samples, run.wanted, &|requests, faults| {
                    progress.set(requests, faults);
                });
            })
        });
        let (running, ended) = channel::<()>();
        let threads = start(scope, opened, run, sender, running);
        show_progress(run, &ended, &progress, sink.load().quiet);
        let sent = join(threads);
        let seconds = run.clock.elapsed().as_secs_f64();
        if let Some(following) = following {
            following.join().map_err(|_| anyhow!("the checker panicked"))?;
        }
        sent.map(|sent| (sent, seconds))
    })?;

    let counts = counting.as_mut().zip(before).and_then(|(api, before)| {
        let after = ServerCounts::settled(api, &run.clock, &before, run.figures.sent.get())?;
        after.since(&before)
    });
    let has_lost = counts
        .is_some_and(|counts| counts.received < run.figures.sent.get() || counts.rejected > 0);
    if let Some(checker) = &mut checker {
        checker.check_requests(&sent, run.numbers);
        checker.check_summaries(&sent, run.numbers);
        if let Some(suffix) = sink.load().name_suffix() {
            checker.check_graph(&sent, run.numbers, &suffix, has_lost);
        }
    }
    let checks = checker.map(|checker| checker.into_report(has_lost));
    Ok(Outcome { sent, seconds, counts, checks })
}

type Threads<'scope> = Vec<ScopedJoinHandle<'scope, anyhow::Result<Sent>>>;

/// Starts all threads that send; each drops `running` when it has ended.
fn start<'scope, 'env>(
    scope: &'scope std::thread::Scope<'scope, 'env>,
    opened: Opened,
    run: &'env Run<'_>,
    sender: Option<SyncSender<Sample>>,
    running: std::sync::mpsc::Sender<()>,
) -> Threads<'scope> {
    match opened {
        Opened::Udp(udp) => vec![scope.spawn(move || {
            let _running = running;
            Ok(udp.run(run, sender))
        })],
        Opened::File(file) => vec![scope.spawn(move || {
            let _running = running;
            file.run(run)
        })],
        Opened::Http(http, connections) => connections
            .into_iter()
            .enumerate()
            .map(|(thread, connection)| {
                let (http, sender, running) = (http.clone(), sender.clone(), running.clone());
                scope.spawn(move || {
                    let _running = running;
                    Ok(http.run(run, thread, connection, sender))
                })
            })
            .collect(),
    }
}

/// Writes a line per second until all threads have ended.
fn show_progress(run: &Run<'_>, ended: &Receiver<()>, checks: &CheckProgress, is_quiet: bool) {
    let mut lines = ProgressLines::new(is_quiet);
    let mut next = LINE_INTERVAL;
    loop {
        match ended.recv_timeout(next.saturating_sub(run.clock.elapsed())) {
            Err(RecvTimeoutError::Disconnected) => return,
            Ok(()) | Err(RecvTimeoutError::Timeout) => {
                lines.write(run.clock.elapsed(), run.figures, checks);
                next += LINE_INTERVAL;
            }
        }
    }
}

fn join(threads: Threads<'_>) -> anyhow::Result<Sent> {
    let mut all = Sent::default();
    for thread in threads {
        all.add(thread.join().map_err(|_| anyhow!("a sending thread panicked"))??);
    }
    Ok(all)
}

impl<'a> Checks<'a> {
    fn checker<'b>(&self, run: &Run<'b>) -> Checker<'b> {
        let settings = CheckSettings {
            rate: self.arguments.check_rate,
            after: self.arguments.check_after,
            deadline: self.arguments.check_deadline,
            requests: self.arguments.check_requests,
            summaries: self.arguments.check_summaries,
        };
        let api = Api::new(&self.address, self.keys.as_ref(), QUERY_TIMEOUT);
        Checker::new(api, run.corpus, run.clock, settings)
    }
}

impl Sink {
    /// What is sent.
    pub(crate) fn load(&self) -> &LoadArguments {
        match self {
            Self::Udp(arguments) => &arguments.load,
            Self::Http(arguments) => &arguments.load,
            Self::File(arguments) => &arguments.load,
        }
    }

    fn documents_per_sending(&self) -> f64 {
        match self {
            Self::Http(arguments) => f64::from(arguments.documents_per_call),
            Self::Udp(_) | Self::File(_) => 1.0,
        }
    }

    fn udp_api(&self) -> Option<(Address, Option<Keys>)> {
        match self {
            Self::Udp(arguments) => {
                let address = arguments.api.as_ref().unwrap_or(&arguments.target).clone();
                Some((address, arguments.signing.keys()))
            }
            Self::Http(_) | Self::File(_) => None,
        }
    }

    fn checks(&self) -> Option<Checks<'_>> {
        let (arguments, (address, keys)) = match self {
            Self::Udp(arguments) => (&arguments.check, self.udp_api()?),
            Self::Http(arguments) => {
                (&arguments.check, (arguments.target.clone(), arguments.signing.keys()))
            }
            Self::File(_) => return None,
        };
        (!arguments.no_check).then_some(Checks { arguments, address, keys })
    }

    fn describe(&self) -> SinkReport {
        let (kind, target, connections, documents_per_call, signed) = match self {
            Self::Udp(arguments) => {
                ("udp", arguments.target.to_string(), None, None, arguments.signing.sign)
            }
            Self::Http(arguments) => (
                "http",
                arguments.target.to_string(),
                usize::try_from(arguments.connections).ok(),
                usize::try_from(arguments.documents_per_call).ok(),
                arguments.signing.sign,
            ),
            Self::File(arguments) => ("file", shown(&arguments.path), None, None, false),
        };
        SinkReport { kind, target, connections, documents_per_call, signed }
    }
}

impl SigningArguments {
    fn keys(&self) -> Option<Keys> {
        let keys = self.access_key_id.clone().zip(self.secret_access_key.clone());
        let (access_key_id, secret_access_key) = keys.filter(|_| self.sign)?;
        Some(Keys {
            access_key_id,
            secret_access_key,
            session_token: self.session_token.clone(),
            region: self.region.clone(),
        })
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn report(sink: &Sink, run: &Run<'_>, outcome: Outcome) -> Report {
    let load = sink.load();
    let Outcome { sent, seconds, counts, checks } = outcome;
    let figures = run.figures;
    let documents = figures.sent.get();
    let bytes = figures.bytes.get();
    let (acknowledged, refused) = (figures.acknowledged.get(), figures.refused.get());
    let is_http = matches!(sink, Sink::Http(_));
    let calls = CallReport {
        made: figures.calls.get(),
        throttled: figures.throttled_calls.get(),
        failed: figures.failed_calls.get(),
        retried: figures.retried_calls.get(),
        lost: figures.lost_calls.get(),
    };
    let udp = matches!(sink, Sink::Udp(_)).then(|| UdpReport {
        send_errors: figures.send_errors.get(),
        received: counts.map(|counts| counts.received),
        accepted: counts.map(|counts| counts.accepted),
        rejected: counts.map(|counts| counts.rejected),
        lost: counts.map(|counts| documents.saturating_sub(counts.received)),
    });
    let has_faults = checks.as_ref().is_some_and(|checks| checks.faults > 0);
    let is_sent = match sink {
        Sink::Http(_) => refused == 0 && calls.lost == 0 && (acknowledged > 0 || documents == 0),
        Sink::Udp(arguments) => {
            let is_whole = udp.is_some_and(|udp| udp.lost == Some(0) && udp.rejected == Some(0));
            figures.send_errors.get() == 0 && (is_whole || !arguments.fail_on_loss)
        }
        Sink::File(_) => true,
    };
    debug_assert!(
        sent.batches.iter().map(|batch| batch.count).sum::<u64>() == figures.requests.get()
    );
    Report {
        corpus: CorpusReport {
            name: load.corpus.name(),
            seed: load.seed,
            run_id: load.run_id.clone(),
            shapes: run.corpus.shapes(),
            mean_document_bytes: if documents > 0 {
                bytes as f64 / documents as f64
            } else {
                run.corpus.mean_bytes(0..WEIGHED)
            },
        },
        sink: sink.describe(),
        kind: if load.rate.is_some() { "open" } else { "closed" },
        rate: load.rate,
        seconds,
        interrupted: run.stop.load(Ordering::Relaxed),
        requests: figures.requests.get(),
        traces: figures.traces.get(),
        documents,
        bytes,
        documents_per_second: documents as f64 / seconds.max(1e-9),
        bytes_per_second: bytes as f64 / seconds.max(1e-9),
        acknowledged: is_http.then_some(acknowledged),
        refused: is_http.then_some(refused),
        unacknowledged: is_http.then(|| documents.saturating_sub(acknowledged + refused)),
        calls: is_http.then_some(calls),
        latency: LatencyReport::of(&figures.latencies.total()),
        udp,
        client: ClientReport::of_process(documents),
        checks,
        errors: figures.errors(),
        ok: is_sent && !has_faults,
    }
}
