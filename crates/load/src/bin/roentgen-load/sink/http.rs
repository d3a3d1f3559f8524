//! PutTraceSegments: each thread has one connection and one call under way.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use roentgen_protocol::Operation;
use serde::Deserialize;

use super::{Run, Sent, Unsure};
use crate::api::{Heads, Keys, error_name};
use crate::emission::Emission;
use crate::http::{Address, Connection};
use crate::pacing::Backoff;
use crate::samples::{Sample, Samples};

const BODY_BEGIN: &[u8] = b"{\"TraceSegmentDocuments\":[";
const BODY_END: &[u8] = b"]}";

/// The answer when all is stored, as Roentgen and X-Ray write it.
const ALL_STORED: &[u8] = b"{\"UnprocessedTraceSegments\":[]}";

/// Pauses before a call is made again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Pause after a connection that could not be opened, so that a closed loop does not spin.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(100);

/// Where calls go.
#[derive(Clone, Debug)]
pub(crate) struct HttpSink {
    pub(crate) target: Address,
    pub(crate) connections: usize,
    pub(crate) documents_per_call: usize,
    pub(crate) retries: bool,
    pub(crate) timeout: Duration,
    pub(crate) keys: Option<Keys>,
}

/// How a call ended.
enum Outcome {
    /// All documents but so many are stored.
    Stored {
        refused: u64,
    },
    Throttled,
    Failed,
    Unreachable,
}

/// One thread.
struct Caller<'a> {
    sink: &'a HttpSink,
    run: &'a Run<'a>,
    thread: usize,
    connection: Connection,
    heads: Heads,
    head: String,
    body: Vec<u8>,
    /// The requests of the call's documents.
    carried: Vec<u64>,
    samples: Samples<'a>,
    unsure: Unsure,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    unprocessed_trace_segments: Vec<Unprocessed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unprocessed {
    error_code: Option<String>,
    message: Option<String>,
}

impl HttpSink {
    /// Opens all connections, so that a wrong address is told at once.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(crate) fn connect(&self) -> anyhow::Result<Vec<Connection>> {
        let open = |_| {
            let mut connection = Connection::new(self.target.clone(), self.timeout);
            connection.open()?;
            Ok(connection)
        };
        (0..self.connections).map(open).collect()
    }

    /// Sends until the schedule is over; gives what was sent.
    pub(crate) fn run(
        &self,
        run: &Run<'_>,
        thread: usize,
        connection: Connection,
        checker: Option<SyncSender<Sample>>,
    ) -> Sent {
        let mut caller = Caller {
            sink: self,
            run,
            thread,
            connection,
            heads: Heads::new(&self.target, self.keys.as_ref()),
            head: String::new(),
            body: Vec::new(),
            carried: Vec::with_capacity(self.documents_per_call),
            samples: Samples::new(run.wanted, checker),
            unsure: Unsure::default(),
        };
        let mut emission = Emission::new(run.corpus, run.numbers, run.interleaved, run.late_after);
        while !run.is_stopped() {
            let Some(moment) = run.schedule.claim(run.clock.elapsed()) else { break };
            wait(run, moment);
            if run.is_stopped() || !caller.call(&mut emission, moment) {
                break;
            }
        }
        // What was begun is completed, so that no trace stays in pieces.
        emission.finish();
        while caller.call(&mut emission, run.clock.elapsed()) {}
        let (batches, shapes) = emission.into_record();
        Sent { batches, shapes, unsure: caller.unsure }
    }
}

/// Sleeps until a moment, but no longer than until the run is stopped.
fn wait(run: &Run<'_>, moment: Duration) {
    const LOOK: Duration = Duration::from_millis(100);
    while moment > run.clock.elapsed() + LOOK && !run.is_stopped() {
        run.clock.sleep_until(run.clock.elapsed() + LOOK);
    }
    if !run.is_stopped() {
        run.clock.sleep_until(moment);
    }
}

impl Caller<'_> {
    /// Makes the call that was to be made at `moment`; false when nothing is left to send.
    fn call(&mut self, emission: &mut Emission<'_>, moment: Duration) -> bool {
        let bytes = self.fill(emission);
        let Ok(documents) = u64::try_from(self.carried.len()) else { return false };
        if documents == 0 {
            return false;
        }
        let figures = self.run.figures;
        figures.sent.add(documents);
        figures.bytes.add(bytes);
        match self.make_until_done() {
            Outcome::Stored { refused } => {
                let now = self.run.clock.elapsed();
                figures.latencies.record(self.thread, now.saturating_sub(moment));
                figures.acknowledged.add(documents.saturating_sub(refused));
                figures.refused.add(refused);
                for number in &self.carried {
                    if refused > 0 {
                        self.samples.lost(*number);
                        self.unsure.add(*number);
                    } else {
                        self.samples.acknowledged(*number, now);
                    }
                }
            }
            outcome => {
                let is_throttled = matches!(outcome, Outcome::Throttled);
                figures.lost_calls.add(u64::from(!is_throttled));
                for number in &self.carried {
                    self.samples.lost(*number);
                    self.unsure.add(*number);
                }
            }
        }
        true
    }

    /// Writes the body of a call; gives the bytes of its documents.
    fn fill(&mut self, emission: &mut Emission<'_>) -> u64 {
        self.carried.clear();
        self.body.clear();
        self.body.extend_from_slice(BODY_BEGIN);
        let mut bytes = 0;
        let now = self.run.clock.elapsed();
        let wall = self.run.clock.wall(now);
        while self.carried.len() < self.sink.documents_per_call {
            let Some(emitted) = emission.next(now, wall) else { break };
            if emitted.is_first {
                self.run.figures.requests.add(1);
                let traces = u64::try_from(emitted.request.traces()).unwrap_or(u64::MAX);
                self.run.figures.traces.add(traces);
            }
            self.samples.emitted(&emitted);
            self.body.extend_from_slice(if self.carried.is_empty() { b"\"" } else { b",\"" });
            emitted.request.write_escaped(emitted.document, &mut self.body);
            self.body.push(b'"');
            bytes += emitted.request.bytes(emitted.document);
            self.carried.push(emitted.request.number());
        }
        self.body.extend_from_slice(BODY_END);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Makes the call, again and again when that is asked for and the run goes on.
    fn make_until_done(&mut self) -> Outcome {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let outcome = self.make();
            let is_done = matches!(outcome, Outcome::Stored { .. }) || self.run.is_stopped();
            if is_done || !self.sink.retries {
                if matches!(outcome, Outcome::Unreachable) {
                    std::thread::sleep(UNREACHABLE_PAUSE);
                }
                return outcome;
            }
            self.run.figures.retried_calls.add(1);
            std::thread::sleep(backoff.pause());
        }
    }

    fn make(&mut self) -> Outcome {
        let figures = self.run.figures;
        figures.calls.add(1);
        let now = self.run.clock.system_time(self.run.clock.elapsed());
        let operation = Operation::PutTraceSegments;
        if let Err(error) = self.heads.post(operation, &self.body, now, &mut self.head) {
            figures.failed_calls.add(1);
            figures.error(&format!("{error:#}"));
            return Outcome::Failed;
        }
        match self.connection.exchange(self.head.as_bytes(), &self.body) {
            Ok(answer) if answer.status == 200 && answer.body == ALL_STORED => {
                Outcome::Stored { refused: 0 }
            }
            Ok(answer) if answer.status == 200 => match serde_json::from_slice(answer.body) {
                Ok(Reply { unprocessed_trace_segments: unprocessed }) => {
                    for each in &unprocessed {
                        let code = each.error_code.as_deref().unwrap_or("no code");
                        let message = each.message.as_deref().unwrap_or("no message");
                        figures.error(&format!("refused: {code}: {message}"));
                    }
                    Outcome::Stored { refused: u64::try_from(unprocessed.len()).unwrap_or(0) }
                }
                Err(error) => {
                    figures.failed_calls.add(1);
                    figures.error(&format!("PutTraceSegments answered what is no reply: {error}"));
                    Outcome::Failed
                }
            },
            Ok(answer) => {
                let name = error_name(answer.body);
                let name = name.as_deref().unwrap_or("no error name");
                if answer.status == 429 || name == "ThrottledException" {
                    figures.throttled_calls.add(1);
                    return Outcome::Throttled;
                }
                figures.failed_calls.add(1);
                figures.error(&format!("PutTraceSegments answered {}: {name}", answer.status));
                Outcome::Failed
            }
            Err(error) => {
                figures.failed_calls.add(1);
                figures.error(&error.to_string());
                Outcome::Unreachable
            }
        }
    }
}
