//! Where the server's cycles go: samples of perf(1), folded into a few kinds of work.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};

use super::bench_server::{Bench, Programs};
use super::ingest::closed_loop;
use crate::bench::figures::{Section, shown};
use crate::bench::scratch::Scratch;
use crate::workspace::{command, has_program, root};

/// Before samples are taken, and while they are.
const WARM_UP: Duration = Duration::from_secs(4);
const SAMPLED: Duration = Duration::from_secs(6);

/// Samples a second and core; a prime, so as not to beat with timers.
const FREQUENCY: &str = "997";

/// Kinds of work: the first that has a word in one of a sample's functions, looked at from the
/// innermost one outwards, takes the sample.
const KINDS: &[(&str, &[&str])] = &[
    ("zstd", &["ZSTD_", "HUF_", "FSE_", "HIST_", "zstd"]),
    ("crc", &["crc32"]),
    ("copies and allocation", &["memcpy", "memmove", "memset", "mi_", "malloc", "_mi"]),
    ("HTTP", &["hyper", "http::", "httparse", "axum", "tower"]),
    ("tokio", &["tokio", "mio::"]),
    ("assembly, summaries, rollups", &["assemble", "summarize", "rollup", "graph", "histogram"]),
    ("settled files: columns, index, merge", &["settled", "columns", "merge"]),
    ("JSON and documents", &["serde_json", "serde", "document", "json", "roentgen_model"]),
    ("log", &["roentgen_store::log", "append"]),
    ("store, other", &["roentgen_store"]),
    ("server, other", &["roentgen"]),
    ("kernel: network", &["tcp_", "inet", "sock", "skb", "net_", "ip_", "napi", "udp", "loopback"]),
    (
        "kernel: disk",
        &[
            "ext4",
            "jbd2",
            "blk_",
            "bio",
            "fsync",
            "virtio",
            "vfs_write",
            "writeback",
            "iomap",
            "xfs",
        ],
    ),
    ("kernel: memory", &["page_fault", "clear_page", "mmap", "madvise", "folio", "zap_"]),
    ("kernel: waiting and waking", &["futex", "schedule", "epoll", "wake_up", "eventfd", "idle"]),
];

const REST: &str = "other";

/// Functions of the rest that are named.
const TOLD_OF_REST: usize = 5;

/// The table of shares. None where perf is missing.
pub(super) fn measure(programs: &Programs) -> anyhow::Result<Option<Section>> {
    if !has_program("perf") {
        println!("  perf is not on PATH: no table of cycles");
        return Ok(None);
    }
    let bench = Bench::start(programs)?;
    let scratch = Scratch::new()?;
    let data = scratch.path().join("perf.data");
    let seconds = (WARM_UP + SAMPLED).as_secs() + 1;
    let load = closed_loop(&bench).with("--duration", format!("{seconds}s"));
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| load.run());
        std::thread::sleep(WARM_UP);
        record(&bench, &data)?;
        sender.join().map_err(|_| anyhow!("a sender panicked"))?
    })?;
    let script = command("perf", &root())
        .args(["script", "--no-inline", "--fields", "ip,sym", "--input"])
        .arg(&data)
        .output()
        .context("perf script cannot be started")?;
    let script_text = String::from_utf8_lossy(&script.stdout).into_owned();
    let shares = count(samples_of(&script_text).map(kind_of));
    let samples: u64 = shares.iter().map(|(_, count)| count).sum();
    if samples == 0 {
        bail!("perf took no samples: {}", String::from_utf8_lossy(&script.stderr));
    }
    let mut section = Section::new("cycles", "Where the cycles go");
    let share = |count: u64| format!("{} %", shown(100.0 * count as f64 / samples as f64));
    let rows = shares.iter().map(|(kind, count)| vec![(*kind).to_owned(), share(*count)]);
    section.table(&["work of the server", "share of its CPU time"], rows.collect());
    let rest = samples_of(&script_text).filter(|sample| kind_of(sample) == REST);
    let rest = count(rest.map(innermost));
    let rest =
        rest.iter().take(TOLD_OF_REST).map(|(name, count)| format!("`{name}` {}", share(*count)));
    section.note(format!("Most of the rest: {}.", rest.collect::<Vec<_>>().join(", ")));
    section.note(format!(
        "{samples} samples of perf during the closed loop of ingest. A sample belongs to the \
         innermost function whose name tells what it is for; what the compiler has inlined counts \
         for the function that it was inlined into."
    ));
    Ok(Some(section))
}

fn record(bench: &Bench, data: &Path) -> anyhow::Result<()> {
    let output = command("perf", &root())
        .args(["record", "--freq", FREQUENCY, "-g", "--output"])
        .arg(data)
        .args(["--pid", &bench.server.process_id().to_string(), "--", "sleep"])
        .arg(SAMPLED.as_secs().to_string())
        .output()
        .context("perf record cannot be started")?;
    if !output.status.success() {
        bail!("perf record: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The samples of a script, each a block of lines, innermost function first.
fn samples_of(script: &str) -> impl Iterator<Item = &str> {
    script.split("\n\n").filter(|sample| !sample.trim().is_empty())
}

/// How often each name comes, the most frequent first.
fn count<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, u64)> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_insert(0) += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
}

/// What a sample tells of the work.
fn kind_of(sample: &str) -> &'static str {
    let of_function = |function: &str| {
        let is_of = |words: &[&str]| words.iter().any(|word| function.contains(word));
        KINDS.iter().find(|(_, words)| is_of(words)).map(|(kind, _)| *kind)
    };
    sample.lines().filter_map(function_of).find_map(of_function).unwrap_or(REST)
}

/// The function that a sample was taken in.
fn innermost(sample: &str) -> &str {
    sample.lines().find_map(function_of).unwrap_or("[unknown]")
}

/// The function of a line: what stands behind the address.
fn function_of(line: &str) -> Option<&str> {
    line.trim().split_once(' ').map(|(_, function)| function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_go_to_the_innermost_known_function() {
        let script = "\
            \n    55d0 ZSTD_compressBlock_fast\n    55d1 roentgen_store::log::writer::append\n\
            \n    ffff _copy_from_iter\n    ffff tcp_sendmsg_locked\n    55d2 hyper::proto::poll\n\
            \n    55d3 [unknown]\n\
            \n    55d4 ZSTD_estimate\n";
        let expect = [("zstd", 2), ("kernel: network", 1), (REST, 1)];
        assert_eq!(count(samples_of(script).map(kind_of)), expect);
        let innermost: Vec<_> = samples_of(script).map(innermost).collect();
        assert_eq!(innermost[1..3], ["_copy_from_iter", "[unknown]"]);
    }
}
