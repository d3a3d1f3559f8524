//! What a document costs on its way into a batch: escaping, hashing, and both, beside what nothing
//! can be faster than: copying its bytes, and hashing them.
//!
//! Beside criterion's figures each bench prints its time per document.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use roentgen_daemon::{BatchBuilder, Memory};
use sha2::{Digest as _, Sha256};

/// Some batches, which stay in the second cache as what a receiver just got does.
const DOCUMENTS: usize = 400;
/// Rounds for the printed time; the best of them counts.
const ROUNDS: usize = 200;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let plain: Vec<Vec<u8>> = (0..DOCUMENTS).map(document).collect();
    let text: Vec<Vec<u8>> = plain.iter().map(|document| with(document, "é")).collect();
    let lines: Vec<Vec<u8>> = plain.iter().map(|document| with(document, "\n")).collect();
    let escaped: Vec<Vec<u8>> = plain.iter().map(|document| as_long_as_escaped(document)).collect();
    let bytes: usize = plain.iter().map(Vec::len).sum();
    print(&format!("documents of {} bytes", bytes / plain.len()));

    let mut target = vec![0; 1 << 20];
    measure(&mut criterion, "limit: memcpy", || {
        let mut rest = &mut target[..];
        for document in &plain {
            let (place, behind) = rest.split_at_mut_checked(document.len()).unwrap();
            place.copy_from_slice(black_box(document));
            rest = behind;
        }
    });
    measure(&mut criterion, "limit: sha256 of escaped documents", || {
        for document in &escaped {
            black_box(Sha256::digest(black_box(document)));
        }
    });
    for (name, documents, is_hashing) in [
        ("batch without hash", &plain, false),
        ("batch with hash", &plain, true),
        ("batch with hash, text beyond ASCII", &text, true),
        ("batch with hash, two lines", &lines, true),
    ] {
        let mut builder = BatchBuilder::new(Arc::new(Memory::new(64 << 20)), is_hashing);
        measure(&mut criterion, name, || {
            for document in documents {
                builder.add(black_box(document)).unwrap();
                if builder.is_full() {
                    black_box(builder.finish());
                }
            }
        });
    }
    criterion.final_summary();
}

/// A segment of 1 KB as SDKs send it; every eighth byte is a quote.
fn document(number: usize) -> Vec<u8> {
    format!(
        r#"{{"name":"orders","id":"{number:016x}","trace_id":"1-6b031f4a-{number:024x}","parent_id":"09280459cc04f2be","start_time":1795366730.678336,"end_time":1795366730.831072,"origin":"AWS::ECS::Container","http":{{"request":{{"method":"GET","url":"https://orders.shop.example/returns/{number}"}},"response":{{"status":200,"content_length":440977}}}},"aws":{{"ecs":{{"container":"orders-7d9f6c5b8-x2x4q"}}}},"annotations":{{"order_id":"aeff8d52-4e9e-4bea-94f9-fc29ae170a69","tenant":"grove","items":10}},"metadata":{{"default":{{"basket":["ink","jacket","jacket"],"request_id":"6b1d6bf9-54d0-4add-950d-a4a60199201c","amount":585856}}}},"subsegments":[{{"name":"DynamoDB","id":"c805157775316b45","start_time":1795366730.678336,"end_time":1795366730.757780,"namespace":"aws","aws":{{"operation":"UpdateItem","table_name":"baskets","region":"eu-central-1","request_id":"effa6c1d-8946-4bca-a6f7-ec24f6846ed6","retries":0}}}}]}}"#
    )
    .into_bytes()
}

/// The same document with some text in it.
fn with(document: &[u8], text: &str) -> Vec<u8> {
    [document, text.as_bytes()].concat()
}

/// As many bytes as escaping makes of it.
fn as_long_as_escaped(document: &[u8]) -> Vec<u8> {
    let quotes = document.iter().filter(|byte| **byte == b'"').count();
    [document, &vec![b'x'; quotes]].concat()
}

fn measure(criterion: &mut Criterion, name: &str, mut work: impl FnMut()) {
    let best = (0..ROUNDS).map(|_| seconds_of(&mut work)).fold(f64::INFINITY, f64::min);
    print(&format!("{name}: {:.3} µs per document", best * 1e6 / DOCUMENTS as f64));
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(DOCUMENTS as u64));
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
