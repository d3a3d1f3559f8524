//! Writing until the server is killed, and reading beside it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{anyhow, bail};

use super::files::log_end;
use super::ledger::{Call, Ledger};
use super::plan::{Plan, SLOT_DOCUMENTS};
use super::questions::{self, GraphOf};
use crate::bench::connection::{Connection, Refusal};
use crate::bench::random::Random;
use crate::bench::server::Server;
use crate::stopwatch::since_epoch;

/// Connections that write at once, so that groups have several callers and calls are cut short.
const WRITERS: u64 = 4;

/// Most slots of one call: PutTraceSegments takes 50 documents.
const CALL_SLOTS: u64 = 50 / SLOT_DOCUMENTS as u64;

/// Between two calls of a writer at most. Most of a run then is not spent on writing ever more.
const LONGEST_PAUSE_MICROS: u64 = 4000;

/// What an answer holds when every document was stored.
const NOTHING_UNPROCESSED: &[u8] = br#""UnprocessedTraceSegments":[]"#;

/// What a run of traffic needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic<'a> {
    pub(super) plan: Plan,
    pub(super) data: &'a Path,
    /// From the start of the traffic to the kill.
    pub(super) duration: Duration,
    /// How long nothing more is sent before the kill: time to settle in.
    pub(super) silence: Duration,
    /// What may become of documents besides being stored.
    pub(super) fate: Fate,
}

/// What may become of documents besides being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Stored,
    /// The disk may be full: then they are refused, all from the first on that is.
    Refused,
    /// Retention may drop them, and graphs what they counted for.
    Dropped,
}

/// What the threads of a run share.
#[derive(Debug)]
struct Progress {
    next_slot: AtomicU64,
    /// Slots below have all been acknowledged, in this run or found before.
    acknowledged_slots: AtomicU64,
    /// A call was refused since the disk is full.
    is_refused: AtomicBool,
    is_silent: AtomicBool,
    is_over: AtomicBool,
}

impl Traffic<'_> {
    /// Sends traffic to a server and kills it. The ledger then has everything that was sent. Gives
    /// whether something was refused since the disk was full.
    ///
    /// # Errors
    /// When the server answered something wrong: it lost or doubled what it had acknowledged.
    pub(super) fn run(
        self,
        server: Server,
        ledger: &mut Ledger,
        random: &mut Random,
    ) -> anyhow::Result<bool> {
        let progress = Progress {
            next_slot: AtomicU64::new(ledger.next_slot()),
            acknowledged_slots: AtomicU64::new(0),
            is_refused: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        };
        let known = questions::traces_of(ledger, 1);
        let address = server.address.clone();
        let (calls, read) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| {
                    let random = Random::new(random.number());
                    scope.spawn(|| self.write(&address, &progress, random))
                })
                .collect();
            let reader = scope.spawn(|| self.read(&address, &progress, known.least));
            std::thread::sleep(self.duration);
            progress.is_silent.store(true, Ordering::SeqCst);
            std::thread::sleep(self.silence);
            // Only what is asked after the kill may fail.
            progress.is_over.store(true, Ordering::SeqCst);
            let killed = server.kill();
            let mut calls = Vec::new();
            for writer in writers {
                calls.extend(writer.join().map_err(|_| anyhow!("a writer panicked"))??);
            }
            killed?;
            // The documents of a call without an answer may have come to stand anywhere behind.
            let end = log_end(self.data)?;
            for call in calls.iter_mut().filter(|call: &&mut Call| call.acknowledged.is_none()) {
                call.places.end = end;
            }
            anyhow::Ok((calls, reader.join().map_err(|_| anyhow!("the reader panicked"))?))
        })?;
        ledger.add(calls);
        read.map(|()| progress.is_refused.into_inner())
    }

    /// One connection until its server is gone.
    fn write(
        self,
        address: &str,
        progress: &Progress,
        mut random: Random,
    ) -> anyhow::Result<Vec<Call>> {
        let mut calls = Vec::new();
        let Some(mut connection) = connect(address, progress)? else { return Ok(calls) };
        while !progress.is_silent.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_micros(random.within(0..LONGEST_PAUSE_MICROS)));
            let count = random.within(1..CALL_SLOTS + 1);
            let first = progress.next_slot.fetch_add(count, Ordering::SeqCst);
            let slots = first..first + count;
            let from = log_end(self.data)?;
            let body = body(&self.plan, slots.clone());
            let was_refused = progress.is_refused.load(Ordering::SeqCst);
            let answer = connection.post("/TraceSegments", body.as_bytes());
            let acknowledged = answer.as_ref().ok().map(|_| since_epoch());
            let until = log_end(self.data)?;
            calls.push(Call { slots, acknowledged, places: from..until });
            match answer {
                Ok(_) if was_refused => bail!("documents acknowledged after others were refused"),
                Ok(answer) if is_stored(&answer) => {
                    progress.acknowledged_slots.fetch_add(count, Ordering::SeqCst);
                }
                Ok(answer) => bail!("documents refused: {}", String::from_utf8_lossy(&answer)),
                Err(_) if progress.is_over.load(Ordering::SeqCst) => break,
                Err(error) if self.fate == Fate::Refused && error.is::<Refusal>() => {
                    progress.is_refused.store(true, Ordering::SeqCst);
                }
                Err(error) => return Err(error.context("while nobody had killed the server")),
            }
        }
        Ok(calls)
    }

    /// Asks again and again how many traces have passed the second service: all that were
    /// acknowledged before, none that was not sent.
    fn read(self, address: &str, progress: &Progress, known: u64) -> anyhow::Result<()> {
        let Some(mut connection) = connect(address, progress)? else { return Ok(()) };
        for of in [GraphOf::Rollups, GraphOf::Requests].into_iter().cycle() {
            if progress.is_over.load(Ordering::SeqCst) {
                break;
            }
            // Every slot has the document of its own trace, so slots are traces here.
            let acknowledged = known + progress.acknowledged_slots.load(Ordering::SeqCst);
            let least = if self.fate == Fate::Dropped { 0 } else { acknowledged };
            let answer = questions::service_counts(&mut connection, &self.plan, of);
            // Where retention drops segments, the same that come once more count besides.
            let sent = progress.next_slot.load(Ordering::SeqCst);
            let most = if self.fate == Fate::Dropped { u64::MAX } else { sent };
            match answer {
                Ok(counts) => {
                    let count = counts.get("orders").map_or(0, |node| node.requests);
                    if !(least..=most).contains(&count) {
                        bail!(
                            "{count} requests in the graph while writing; \
                             {least} were acknowledged before, {most} sent until then"
                        );
                    }
                }
                Err(_) if progress.is_over.load(Ordering::SeqCst) => break,
                Err(error) => return Err(error.context("reading while writing")),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// A connection; none when the kill came first, as it does where a thread starts late.
fn connect(address: &str, progress: &Progress) -> anyhow::Result<Option<Connection>> {
    match Connection::open(address) {
        Err(_) if progress.is_over.load(Ordering::SeqCst) => Ok(None),
        connection => connection.map(Some),
    }
}

/// The body of the call that sends these slots.
fn body(plan: &Plan, slots: std::ops::Range<u64>) -> String {
    let documents: Vec<_> = slots
        .flat_map(|slot| plan.of_slot(slot))
        .map(|sending| serde_json::Value::from(plan.text(sending.trace, sending.part)))
        .collect();
    serde_json::json!({ "TraceSegmentDocuments": documents }).to_string()
}

fn is_stored(answer: &[u8]) -> bool {
    answer.windows(NOTHING_UNPROCESSED.len()).any(|part| part == NOTHING_UNPROCESSED)
}
