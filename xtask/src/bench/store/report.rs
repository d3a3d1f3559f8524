//! The page of this benchmark: what it says of itself, and how far the figures are from the limits.

use serde_json::Value;

use super::ingest::{CLOSED_RATE, CPU_COST, CPU_RATE};
use super::{PARTS, limits};
use crate::bench::figures::{figure, shown};
use crate::bench::report::Page;

/// `docs/performance.md`.
pub(super) const PAGE: Page =
    Page { name: "performance", head: HEAD, parts: &PARTS, end: distances };

const HEAD: &str = "\
# Performance of the store

What `cargo xtask bench store` has measured; it writes this page. Documents are those of
`roentgen-load`, of about one kilobyte with random ids, three to a trace. Everything is on:
validation, assembly, summaries, rollups, and an fsync before every acknowledgement. Server and load
share the cores of one machine.

Run a part again with `cargo xtask bench store --only PART`, and all of it with
`cargo xtask bench store --report docs`.
";

/// How far what was measured is from what the machine can do.
fn distances(sections: &[Value]) -> String {
    let limit = |name: &str| figure(sections, "limits", name);
    let cost = figure(sections, "ingest", CPU_COST);
    let floor = limit(limits::JSON).zip(limit(limits::ZSTD)).map(|(json, zstd)| json + zstd);
    let written = figure(sections, "disk", "all, as written");
    let rate = figure(sections, "ingest", CLOSED_RATE);
    let durable = limit("write and fdatasync of 1024 KiB, p50").map(|ms| 1000.0 / ms);
    let mut rows = Vec::new();
    let mut row = |what: &str, measured: Option<f64>, best: Option<f64>, unit: &str| {
        if let Some((measured, best)) = measured.zip(best) {
            let ratio = shown(measured / best);
            let (measured, best) = (shown(measured), shown(best));
            rows.push(format!("| {what} | {measured} {unit} | {best} {unit} | {ratio} |\n"));
        }
    };
    row("server CPU for each segment : JSON parsed and ignored, and zstd", cost, floor, "µs");
    row("server CPU for each segment : zstd alone", cost, limit(limits::ZSTD), "µs");
    row("server CPU for each segment : a datagram received", cost, limit(limits::UDP), "µs");
    let used = written.zip(rate).map(|(bytes, rate)| bytes * rate / 1_048_576.0);
    row("bytes written a second : fdatasync of 1 MiB, one after the other", used, durable, "MiB/s");
    let cores = figure(sections, "ingest", CPU_RATE);
    row("closed loop a second : segments for each CPU-second", rate, cores, "segments");
    if rows.is_empty() {
        return String::new();
    }
    let rows = rows.concat();
    format!(
        "\n## How far from the limit\n\n| | measured | limit | ratio |\n|---|---:|---:|---:|\n{rows}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::figures::Section;

    #[test]
    fn tells_the_distance_from_what_was_measured() {
        let section = |part: &'static str, name: &str, value: f64| {
            let mut section = Section::new(part, "Title");
            section.add(name, value, "µs");
            section.json(&Value::Null)
        };
        let ingest = section("ingest", CPU_COST, 8.0);
        assert_eq!(distances(std::slice::from_ref(&ingest)), "");
        let limits = section("limits", limits::ZSTD, 2.0);
        let page = distances(&[limits, ingest]);
        let row = "| server CPU for each segment : zstd alone | 8.00 µs | 2.00 µs | 4.00 |";
        assert!(page.contains(row), "{page}");
        assert_eq!(distances(&[json!({})]), "");
    }
}
