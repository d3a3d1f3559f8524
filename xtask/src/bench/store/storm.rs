//! A storm of queries and ingest, each alone and both at once: neither may stall the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;

use super::bench_server::Bench;
use super::ingest::closed_loop;
use super::queries::{Client, Known, Question};
use crate::bench::figures::{Section, shown};
use crate::bench::quantiles::Quantiles;
use crate::stopwatch::Stopwatch;

/// Who asks at once, each one question after the other.
const CLIENTS: u64 = 4;

/// The questions, in turns: mostly traces, as from people who look at them.
const TURNS: [Question; 8] = [
    Question::Trace,
    Question::Trace,
    Question::Common,
    Question::Trace,
    Question::Trace,
    Question::Graph,
    Question::Trace,
    Question::Summaries,
];

const DURATION: Duration = Duration::from_secs(8);

/// Answers of a storm: milliseconds by question.
#[derive(Debug, Default)]
struct Answers {
    times: Vec<(Question, f64)>,
}

pub(super) fn measure(bench: &Bench, known: &Known) -> anyhow::Result<Section> {
    let mut section = Section::new("storm", "Query storm and ingest together");
    let ingest = || closed_loop(bench).with("--duration", format!("{}s", DURATION.as_secs())).run();
    let alone = ingest()?;
    let is_over = AtomicBool::new(false);
    let storm_alone = storm(bench, known, &is_over, || {
        std::thread::sleep(DURATION);
        Ok(())
    })?;
    let mut both = None;
    let storm_beside = storm(bench, known, &is_over, || {
        both = Some(ingest()?);
        Ok(())
    })?;
    let both = both.ok_or_else(|| anyhow!("ingest was not measured"))?;

    section.add("ingest alone, a second", alone.rate()?, "segments");
    section.add("ingest in the storm, a second", both.rate()?, "segments");
    section.add("acknowledgement alone, p99", alone.acknowledged("p99")?, "ms");
    section.add("acknowledgement in the storm, p99", both.acknowledged("p99")?, "ms");
    section.add("acknowledgement in the storm, longest", both.acknowledged("max")?, "ms");
    section.add("storm alone, answers a second", storm_alone.rate(), "");
    section.add("storm beside ingest, answers a second", storm_beside.rate(), "");
    let rows = Question::ALL
        .iter()
        .filter(|(_, question)| TURNS.contains(question))
        .map(|(name, question)| {
            let cell = |answers: &Answers, share: f64| match answers.of(*question) {
                times if times.is_empty() => "–".to_owned(),
                times => format!("{} ms", shown(times.at(share))),
            };
            vec![
                (*name).to_owned(),
                cell(&storm_alone, 0.5),
                cell(&storm_alone, 0.99),
                cell(&storm_beside, 0.5),
                cell(&storm_beside, 0.99),
            ]
        })
        .collect();
    section.table(&["question", "alone, p50", "p99", "beside ingest, p50", "p99"], rows);
    section.note(format!(
        "{CLIENTS} clients ask without a pause; ingest is the closed loop. All share the machine with the server."
    ));
    Ok(section)
}

/// Queries for as long as `meanwhile` runs.
fn storm(
    bench: &Bench,
    known: &Known,
    is_over: &AtomicBool,
    meanwhile: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Answers> {
    is_over.store(false, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|seed| scope.spawn(move || ask(bench, known, is_over, seed)))
            .collect();
        let ended = meanwhile();
        is_over.store(true, Ordering::SeqCst);
        let mut answers = Answers::default();
        for client in clients {
            answers.times.extend(client.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        ended.map(|()| answers)
    })
}

fn ask(
    bench: &Bench,
    known: &Known,
    is_over: &AtomicBool,
    seed: u64,
) -> anyhow::Result<Vec<(Question, f64)>> {
    let mut client = Client::new(bench, known, 100 + seed)?;
    let mut times = Vec::new();
    for question in TURNS.iter().cycle() {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        let stopwatch = Stopwatch::start();
        client.ask(*question)?;
        times.push((*question, stopwatch.elapsed().as_secs_f64() * 1e3));
    }
    Ok(times)
}

impl Answers {
    fn of(&self, question: Question) -> Quantiles {
        Quantiles::of(self.times.iter().filter(|(asked, _)| *asked == question).map(|(_, ms)| *ms))
    }

    /// Answers a second.
    fn rate(&self) -> f64 {
        self.times.len() as f64 / DURATION.as_secs_f64()
    }
}
