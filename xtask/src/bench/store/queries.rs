//! Questions to a large store, warm and cold, as a client sees them over HTTP.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::bench_server::Bench;
use crate::bench::connection::Connection;
use crate::bench::figures::{Section, Target};
use crate::bench::json::{list, member, set, text};
use crate::bench::quantiles::Quantiles;
use crate::bench::random::Random;
use crate::bench::scratch::files_below;
use crate::stopwatch::Stopwatch;
use crate::workspace::{command, root};

/// Traces asked for by their ids: enough for a p99, in some seconds.
const WARM_TRACES: u64 = 5000;
const COLD_TRACES: u64 = 200;

/// Cold traces between two evictions, so that none finds what another one has read.
const COLD_STRETCH: u64 = 10;

/// Times that lists and graphs are asked for.
const WARM_REPEATS: u64 = 20;
const COLD_REPEATS: u64 = 5;

/// Questions before those that count.
const WARM_UP: u64 = 3;

/// A search that takes longer is not waited for.
const SEARCH_PATIENCE: Duration = Duration::from_secs(60);

/// Stretch of time that the traces of the large store begin in.
pub(super) const SPAN: Duration = Duration::from_secs(6 * 3600);

/// Seconds of it whose traces are asked for, and traces of each.
const SECONDS: u64 = 300;
const TRACES_OF_SECOND: usize = 20;

/// What a store is asked for: traces from all over it, and who sent their requests.
#[derive(Debug)]
pub(super) struct Known {
    /// The first second of the traces.
    start: u64,
    ids: Vec<String>,
    users: Vec<String>,
}

impl Known {
    /// Asks the server what there is of the six hours before `end`.
    pub(super) fn read(bench: &Bench, end: Duration) -> anyhow::Result<Self> {
        let start = end.saturating_sub(SPAN).as_secs();
        let mut random = Random::new(end.as_secs());
        let mut connection = Connection::open(&bench.server.address)?;
        let mut known = Self { start, ids: Vec::new(), users: Vec::new() };
        for _ in 0..SECONDS {
            let second = random.within(start..start + SPAN.as_secs());
            let body = json!({"StartTime": second, "EndTime": second + 1});
            let answer = connection.post_json("/TraceSummaries", &body)?;
            for summary in list(&answer, "TraceSummaries")?.iter().take(TRACES_OF_SECOND) {
                known.ids.push(text(summary, "Id").to_owned());
                let users = list(summary, "Users")?.iter();
                known.users.extend(users.map(|user| text(user, "UserName").to_owned()));
            }
        }
        if known.ids.is_empty() || known.users.is_empty() {
            bail!("no traces in the {SPAN:?} from {start} on");
        }
        Ok(known)
    }
}

/// Someone who asks.
#[derive(Debug)]
pub(super) struct Client<'a> {
    known: &'a Known,
    connection: Connection,
    random: Random,
}

/// A kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// BatchGetTraces with one id.
    Trace,
    /// GetTraceSummaries, the newest hundred of all.
    Summaries,
    /// The console's search for traces that went well, the newest hundred.
    Common,
    /// The console's search for one of a million users, to its end.
    Rare,
    /// GetServiceGraph over all six hours.
    Graph,
    /// GetTraceSummaries, the newest hundred that match.
    Filter(&'static str),
    /// The same, all pages.
    FilterToEnd(&'static str),
    /// GetServiceGraph over all six hours, of the traces that match.
    FilteredGraph(&'static str),
}

impl Question {
    pub(super) const ALL: [(&'static str, Self); 12] = [
        ("trace by id", Self::Trace),
        ("first page of all", Self::Summaries),
        ("first page of a common filter", Self::Common),
        ("rare match, whole scan", Self::Rare),
        ("service map of 6 h", Self::Graph),
        (
            "filter, common block, first page",
            Self::Filter("service() { ok AND responsetime < 60 }"),
        ),
        ("filter, annotation, first page", Self::Filter("annotation.items = 7")),
        ("filter, rare block, whole scan", Self::FilterToEnd("service() { responsetime > 3600 }")),
        (
            "filter, rare call, whole scan",
            Self::FilterToEnd("edge() { fault AND duration > 3600 }"),
        ),
        (
            "filter, rare annotation, whole scan",
            Self::FilterToEnd("annotation.order_id = \"none has it\""),
        ),
        ("service map of 6 h of a common filter", Self::FilteredGraph("ok")),
        ("service map of 6 h of a block", Self::FilteredGraph("service() { fault }")),
    ];

    /// What is promised warm and cold, in milliseconds: p99 of traces, p50 of the rest.
    fn targets(self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Trace => (Some(1.0), Some(10.0)),
            Self::Summaries | Self::Common | Self::Graph | Self::Filter(_) => (Some(20.0), None),
            Self::Rare | Self::FilterToEnd(_) => (Some(100.0), Some(1000.0)),
            Self::FilteredGraph(_) => (None, None),
        }
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(bench: &Bench, known: &'a Known, seed: u64) -> anyhow::Result<Self> {
        let connection = Connection::open(&bench.server.address)?;
        Ok(Self { known, connection, random: Random::new(seed) })
    }

    /// Asks once; gives the milliseconds until the whole answer was there.
    pub(super) fn ask(&mut self, question: Question) -> anyhow::Result<f64> {
        let (start, end) = (self.known.start, self.known.start + SPAN.as_secs());
        let range = json!({"start": start, "end": end});
        let wire = json!({"StartTime": start, "EndTime": end});
        let with_filter = |expression: &str| {
            let mut body = wire.clone();
            set(&mut body, "FilterExpression", expression);
            body
        };
        match question {
            Question::Trace => {
                let id = self.random.of(&self.known.ids).context("no ids")?;
                let body = json!({"TraceIds": [id]}).to_string();
                let (answer, took) = self.post("/Traces", &body)?;
                let needle = format!("\"{id}\"");
                if !answer.windows(needle.len()).any(|part| part == needle.as_bytes()) {
                    bail!("trace {id} is not there: {}", String::from_utf8_lossy(&answer));
                }
                Ok(took)
            }
            Question::Summaries => Ok(self.post("/TraceSummaries", &wire.to_string())?.1),
            Question::Graph => Ok(self.post("/ServiceGraph", &wire.to_string())?.1),
            Question::Filter(expression) => {
                let body = with_filter(expression).to_string();
                Ok(self.post("/TraceSummaries", &body)?.1)
            }
            Question::FilterToEnd(expression) => self.list_to_the_end(with_filter(expression)),
            Question::FilteredGraph(expression) => {
                let body = with_filter(expression).to_string();
                let (answer, took) = self.post("/ServiceGraph", &body)?;
                if !answer.starts_with(b"{") || !answer.windows(9).any(|part| part == b"\"Services")
                {
                    bail!("no graph: {}", String::from_utf8_lossy(&answer));
                }
                Ok(took)
            }
            Question::Common => {
                let mut body = range;
                set(&mut body, "outcomes", json!(["ok"]));
                Ok(self.post("/api/v1/traces/search", &body.to_string())?.1)
            }
            Question::Rare => {
                let mut body = range;
                let user = self.random.of(&self.known.users).context("no users")?;
                set(&mut body, "user", user.as_str());
                self.search_to_the_end(body)
            }
        }
    }

    /// All pages of a search, which must find something.
    fn search_to_the_end(&mut self, mut body: Value) -> anyhow::Result<f64> {
        let stopwatch = Stopwatch::start();
        let mut found = 0;
        loop {
            let answer = self.connection.post_json("/api/v1/traces/search", &body)?;
            found += list(&answer, "traces")?.len();
            match member(&answer, "next").as_str() {
                None => break,
                Some(_) if stopwatch.elapsed() > SEARCH_PATIENCE => {
                    bail!("a search had no end after {SEARCH_PATIENCE:?}");
                }
                Some(next) => set(&mut body, "next", next),
            }
        }
        if found == 0 {
            bail!("nobody was found by {body}");
        }
        Ok(stopwatch.elapsed().as_secs_f64() * 1e3)
    }

    /// All pages of GetTraceSummaries.
    fn list_to_the_end(&mut self, mut body: Value) -> anyhow::Result<f64> {
        let stopwatch = Stopwatch::start();
        loop {
            let answer = self.connection.post_json("/TraceSummaries", &body)?;
            match member(&answer, "NextToken").as_str() {
                None => return Ok(stopwatch.elapsed().as_secs_f64() * 1e3),
                Some(_) if stopwatch.elapsed() > SEARCH_PATIENCE => {
                    bail!("a list had no end after {SEARCH_PATIENCE:?}");
                }
                Some(next) => set(&mut body, "NextToken", next),
            }
        }
    }

    fn post(&mut self, path: &str, body: &str) -> anyhow::Result<(Vec<u8>, f64)> {
        let stopwatch = Stopwatch::start();
        let answer = self.connection.post(path, body.as_bytes())?;
        Ok((answer, stopwatch.elapsed().as_secs_f64() * 1e3))
    }
}

/// All questions, asked of a server that has answered them before.
pub(super) fn warm(bench: &Bench, known: &Known, section: &mut Section) -> anyhow::Result<()> {
    let mut client = Client::new(bench, known, 1)?;
    for (name, question) in Question::ALL {
        let count = if question == Question::Trace { WARM_TRACES } else { WARM_REPEATS };
        for _ in 0..WARM_UP.max(count / 10) {
            client.ask(question)?;
        }
        let times = (0..count).map(|_| client.ask(question)).collect::<anyhow::Result<Vec<_>>>()?;
        let (target, _) = question.targets();
        add(section, &format!("{name}, warm"), &times, question, target);
    }
    let peak = bench.server.peak_memory()? as f64 / 1_048_576.0;
    section.add_for("memory, peak until here", peak, "MiB", Target::AtMost(300.0));
    Ok(())
}

/// The same of a server that was just started, with nothing of its files in memory. Gives whether
/// that could be brought about.
pub(super) fn cold(bench: &Bench, known: &Known, section: &mut Section) -> anyhow::Result<()> {
    let left = evict(bench)?;
    section.add("files in memory after eviction", left, "MiB");
    let mut client = Client::new(bench, known, 2)?;
    for (name, question) in Question::ALL {
        let (count, stretch) = match question {
            Question::Trace => (COLD_TRACES, COLD_STRETCH),
            _ => (COLD_REPEATS, 1),
        };
        let mut times = Vec::new();
        for number in 0..count {
            if number % stretch == 0 {
                evict(bench)?;
            }
            times.push(client.ask(question)?);
        }
        let (_, target) = question.targets();
        add(section, &format!("{name}, cold"), &times, question, target);
    }
    section.note(
        "Cold: the server has just been started, and before every question (every tenth trace) \
         the kernel's copies of its files are dropped. What the server itself keeps in memory stays.",
    );
    Ok(())
}

fn add(section: &mut Section, name: &str, times: &[f64], question: Question, target: Option<f64>) {
    let times = Quantiles::of(times.iter().copied());
    // The promise for traces is one for all but the slowest hundredth.
    let shares = match question {
        Question::Trace => [(0.5, "p50", false), (0.99, "p99", true)],
        _ => [(0.5, "p50", true), (1.0, "longest", false)],
    };
    for (share, called, is_promised) in shares {
        let (name, value) = (format!("{name}, {called}"), times.at(share));
        match target.filter(|_| is_promised) {
            Some(target) => section.add_for(name, value, "ms", Target::AtMost(target)),
            None => section.add(name, value, "ms"),
        }
    }
}

/// Drops the kernel's copies of all files of the store. Gives the MiB that stayed, as fincore(1)
/// tells; not a number where that is missing.
fn evict(bench: &Bench) -> anyhow::Result<f64> {
    let files = files_below(&bench.launch.data())?;
    for (path, _) in files.iter().filter(|(_, bytes)| *bytes > 0) {
        // GNU dd's way to ask for POSIX_FADV_DONTNEED of a whole file; nothing is written.
        let mut of = std::ffi::OsString::from("of=");
        of.push(path);
        let status = command("dd", &root())
            .arg(of)
            .args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"])
            .stdin(std::process::Stdio::null())
            .status()
            .context("dd cannot be started")?;
        // A file that a merge has just removed is not missed.
        if !status.success() && path.exists() {
            bail!("dd of {}: {status}", path.display());
        }
    }
    let paths = files.iter().map(|(path, _)| path);
    let output = command("fincore", &root())
        .args(["--bytes", "--noheadings", "--output", "RES"])
        .args(paths)
        .output();
    let Ok(output) = output else { return Ok(f64::NAN) };
    let resident = String::from_utf8_lossy(&output.stdout).into_owned();
    let resident = resident.lines().filter_map(|line| line.trim().parse::<f64>().ok());
    Ok(resident.sum::<f64>() / 1_048_576.0)
}
