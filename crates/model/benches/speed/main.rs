//! How fast documents become outlines, and outlines summaries and rollups: what a server does
//! with every segment.
//!
//! Beside criterion's figures each bench prints its time per document.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use roentgen_model::{Document, Names, Rollups, TraceId, assemble, summarize};

mod corpus;

// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enough that neither documents nor outlines stay in the first caches, as in a server.
const TRACES: usize = 2_000;
/// Rounds for the printed time; the best of them counts.
const ROUNDS: usize = 30;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let documents = corpus::documents(TRACES);
    let bytes: usize = documents.iter().map(String::len).sum();
    let parsed: Vec<Document<'_>> = documents.iter().map(|text| parse(text)).collect();
    let outlines: Vec<(TraceId, Vec<u8>)> = parsed.iter().map(outline).collect();
    let outline_bytes: usize = outlines.iter().map(|(_, outline)| outline.len()).sum();
    print(&format!(
        "documents of {} bytes, outlines of {} bytes",
        bytes / documents.len(),
        outline_bytes / documents.len()
    ));

    measure(&mut criterion, "parse", documents.len(), || {
        documents.iter().for_each(|text| drop(black_box(parse(text))));
    });
    measure(&mut criterion, "parse bare", documents.len(), || {
        documents.iter().for_each(|text| drop(black_box(parse_bare(text))));
    });
    let mut out = Vec::new();
    measure(&mut criterion, "outline write", documents.len(), || {
        for document in &parsed {
            out.clear();
            document.write_outline(&mut out);
            black_box(&out);
        }
    });
    measure(&mut criterion, "outline read", documents.len(), || {
        for (id, outline) in &outlines {
            drop(black_box(Document::read_outline(*id, outline).unwrap()));
        }
    });
    let mut names = Names::default();
    measure(&mut criterion, "outline read, summarize, add", documents.len(), || {
        let mut rollups = Rollups::default();
        for outlines in outlines.chunks(corpus::PER_TRACE) {
            let documents = outlines.iter();
            let documents: Vec<Document<'_>> = documents
                .map(|(id, outline)| Document::read_outline(*id, outline).unwrap())
                .collect();
            let id = documents.first().unwrap().trace_id;
            let (summary, graph) = summarize(id, &documents, &mut names).unwrap();
            rollups.add(&graph);
            black_box(&summary);
        }
        black_box(&rollups);
    });
    measure(&mut criterion, "parse, assemble", documents.len(), || {
        for texts in documents.chunks(corpus::PER_TRACE) {
            let documents: Vec<Document<'_>> = texts.iter().map(|text| parse(text)).collect();
            let id = documents.first().unwrap().trace_id;
            black_box(assemble(id, documents, &mut names).unwrap());
        }
    });
    measure(&mut criterion, "parse bare, outline write", documents.len(), || {
        for text in &documents {
            out.clear();
            parse_bare(text).write_outline(&mut out);
            black_box(&out);
        }
    });
    criterion.final_summary();
}

fn parse(text: &str) -> Document<'_> {
    Document::parse(text.as_bytes()).unwrap()
}

fn parse_bare(text: &str) -> Document<'_> {
    Document::parse_bare(text.as_bytes()).unwrap()
}

fn outline(document: &Document<'_>) -> (TraceId, Vec<u8>) {
    let mut outline = Vec::new();
    document.write_outline(&mut outline);
    (document.trace_id, outline)
}

fn measure(criterion: &mut Criterion, name: &str, documents: usize, mut work: impl FnMut()) {
    let best = (0..ROUNDS).map(|_| seconds_of(&mut work)).fold(f64::INFINITY, f64::min);
    print(&format!("{name}: {:.3} µs per document", best * 1e6 / documents as f64));
    let mut group = criterion.benchmark_group("model");
    group.throughput(Throughput::Elements(documents as u64));
    group.bench_function(name, |bencher| bencher.iter(&mut work));
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "a bench measures what really passed")]
fn seconds_of(work: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

#[expect(clippy::print_stdout, reason = "a bench reports on the terminal")]
fn print(line: &str) {
    println!("{line}");
}
