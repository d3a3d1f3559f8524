//! What the machine can do at best at each single thing, measured in the same run.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde::de::IgnoredAny;

use super::bench_server::Programs;
use crate::bench::figures::Section;
use crate::bench::load::Load;
use crate::bench::quantiles::Quantiles;
use crate::bench::scratch::Scratch;
use crate::bench::server::cpu_seconds;
use crate::stopwatch::Stopwatch;

/// How long each is measured.
const DURATION: Duration = Duration::from_secs(2);

/// Documents that are parsed and compressed: more than any cache has room for.
const DOCUMENTS: u64 = 40_000;

/// Raw bytes of a compressed block.
const BLOCK_BYTES: usize = 16 << 10;

/// Bytes that one fdatasync writes.
const SYNCED: [usize; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Copied at once: more than the caches hold.
const COPIED: usize = 256 << 20;

/// Names that ratios are made of.
pub(super) const JSON: &str = "JSON, serde_json, everything ignored";
pub(super) const ZSTD: &str = "zstd level 1, blocks of 16 KiB";
pub(super) const UDP: &str = "UDP, received alone";

pub(super) fn measure(programs: &Programs) -> anyhow::Result<Section> {
    let mut section = Section::new("limits", "Limits of the machine");
    let corpus = corpus(programs)?;
    let bytes: usize = corpus.iter().map(Vec::len).sum();
    let documents = corpus.len() as f64;
    section.add("corpus, mean", bytes as f64 / documents, "B a document");
    let each = |stretch: anyhow::Result<f64>| stretch.map(|s| 1e6 * s / documents);
    section.add(JSON, each(best(|| ignore(&corpus)))?, "µs a document");
    section.add("JSON, serde_json, into a tree", each(best(|| tree(&corpus)))?, "µs a document");
    let mut packed = 0;
    let took = best(|| {
        packed = compress(&corpus)?;
        Ok(())
    });
    section.add(ZSTD, each(took)?, "µs a document");
    section.add("zstd level 1, size", packed as f64 / documents, "B a document");
    let sum = best(|| {
        black_box(corpus.iter().map(|document| crc32fast::hash(document)).fold(0, |a, b| a ^ b));
        Ok(())
    });
    section.add("CRC-32", each(sum)?, "µs a document");
    section.add("memcpy", copy_rate(), "GB/s");
    for size in SYNCED {
        let times = synced(size)?;
        let name = format!("write and fdatasync of {} KiB", size / 1024);
        section.add(format!("{name}, p50"), times.at(0.5), "ms");
        section.add(format!("{name}, p99"), times.at(0.99), "ms");
    }
    let (rate, micros) = udp(&corpus)?;
    section.add("UDP, received alone, a second", rate, "datagrams");
    section.add(UDP, micros, "µs of CPU a datagram");
    Ok(section)
}

/// Documents of the load generator.
fn corpus(programs: &Programs) -> anyhow::Result<Vec<Vec<u8>>> {
    let scratch = Scratch::new()?;
    let path = scratch.path().join("corpus");
    Load::file(&programs.load, &path, 1).with("--documents", DOCUMENTS).run()?;
    let lines = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(<[u8]>::to_vec).collect())
}

/// The shortest of several times, in seconds: what disturbs a measurement only makes it longer.
fn best(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let whole = Stopwatch::start();
    let mut best = f64::INFINITY;
    while whole.elapsed() < DURATION {
        let stopwatch = Stopwatch::start();
        work()?;
        best = best.min(stopwatch.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn ignore(corpus: &[Vec<u8>]) -> anyhow::Result<()> {
    for document in corpus {
        let _: IgnoredAny = serde_json::from_slice(document)?;
    }
    Ok(())
}

fn tree(corpus: &[Vec<u8>]) -> anyhow::Result<()> {
    for document in corpus {
        black_box(serde_json::from_slice::<serde_json::Value>(document)?);
    }
    Ok(())
}

/// Compresses in blocks; gives the bytes of all.
fn compress(corpus: &[Vec<u8>]) -> anyhow::Result<usize> {
    let mut compressor = zstd::bulk::Compressor::new(1)?;
    let mut packed = vec![0; zstd::zstd_safe::compress_bound(2 * BLOCK_BYTES)];
    let mut block = Vec::new();
    let mut bytes = 0;
    for document in corpus {
        block.extend_from_slice(document);
        if block.len() >= BLOCK_BYTES {
            bytes += compressor.compress_to_buffer(&block, &mut packed)?;
            block.clear();
        }
    }
    Ok(bytes + compressor.compress_to_buffer(&block, &mut packed)?)
}

/// Gigabytes a second.
fn copy_rate() -> f64 {
    let from = vec![1_u8; COPIED];
    let mut to = vec![0_u8; COPIED];
    let seconds = best(|| {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        Ok(())
    });
    seconds.map_or(f64::NAN, |seconds| COPIED as f64 / seconds / 1e9)
}

/// Milliseconds of appending so many bytes and syncing them.
fn synced(size: usize) -> anyhow::Result<Quantiles> {
    let scratch = Scratch::new()?;
    let mut file = File::create(scratch.path().join("synced"))?;
    let bytes = vec![0x5a; size];
    let whole = Stopwatch::start();
    let mut times = Vec::new();
    while whole.elapsed() < DURATION {
        let stopwatch = Stopwatch::start();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(stopwatch.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Quantiles::of(times))
}

/// Datagrams a second that a socket alone receives, and the CPU of each, in micro-seconds.
fn udp(corpus: &[Vec<u8>]) -> anyhow::Result<(f64, f64)> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    receiver.set_read_timeout(Some(Duration::from_millis(200)))?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    sender.connect(receiver.local_addr()?)?;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let received = scope.spawn(|| receive(&receiver, &is_over));
        let stopwatch = Stopwatch::start();
        for document in corpus.iter().cycle() {
            if stopwatch.elapsed() > DURATION {
                break;
            }
            sender.send(document)?;
        }
        is_over.store(true, Ordering::SeqCst);
        let (count, cpu) = received.join().map_err(|_| anyhow!("the receiver panicked"))??;
        anyhow::Ok((count / DURATION.as_secs_f64(), 1e6 * cpu / count))
    })
}

/// Receives until nobody sends any more; gives the number and the CPU seconds of this thread.
fn receive(socket: &UdpSocket, is_over: &AtomicBool) -> anyhow::Result<(f64, f64)> {
    let thread = std::fs::read_link("/proc/thread-self")?;
    let thread = thread.to_string_lossy().into_owned();
    let cpu_before = cpu_seconds(&thread)?;
    let mut buffer = [0; 65_536];
    let mut count = 0.0;
    loop {
        match socket.recv(&mut buffer) {
            Ok(_) => count += 1.0,
            Err(_) if is_over.load(Ordering::SeqCst) => break,
            Err(_) => {}
        }
    }
    Ok((count, cpu_seconds(&thread)? - cpu_before))
}
