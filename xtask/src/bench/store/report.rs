//! The report: a JSON file that keeps what was measured last of every part, and the page made of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::figures::{Section, figure, markdown, shown};
use super::ingest::{CLOSED_RATE, CPU_COST, CPU_RATE};
use super::{PARTS, limits, machine};
use crate::bench::json::{member, text};

const HEAD: &str = "\
# Performance of the store

What `cargo xtask bench store` has measured; it writes this page. Documents are those of
`roentgen-load`, of about one kilobyte with random ids, three to a trace. Everything is on:
validation, assembly, summaries, rollups, and an fsync before every acknowledgement. Server and load
share the cores of one machine.

Run a part again with `cargo xtask bench store --only PART`, and all of it with
`cargo xtask bench store --report docs`.
";

/// A report that is brought up to date.
#[derive(Debug)]
pub(super) struct Report {
    directory: PathBuf,
    /// When, where and of what this run measures.
    run: Value,
    sections: Vec<Value>,
}

impl Report {
    /// The report of a directory; empty when there is none yet.
    pub(super) fn open(directory: &Path, run: Value) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        let file = directory.join("performance.json");
        let sections = match fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            content => match serde_json::from_slice(&content?)? {
                Value::Array(sections) => sections,
                _ => bail!("{} is no list of sections; remove it", file.display()),
            },
        };
        Ok(Self { directory: directory.to_owned(), run, sections })
    }

    /// Puts a section in the place of the one of the same part, and saves record and page.
    pub(super) fn add(&mut self, section: &Section) -> anyhow::Result<()> {
        let section = section.json(&self.run);
        self.sections.retain(|known| text(known, "part") != text(&section, "part"));
        self.sections.push(section);
        let order = |known: &Value| PARTS.iter().position(|part| text(known, "part") == *part);
        self.sections.sort_by_key(order);
        let mut text = serde_json::to_string_pretty(&json!(self.sections))?;
        text.push('\n');
        fs::write(self.directory.join("performance.json"), text)?;
        Ok(fs::write(self.page(), markdown_of(&self.sections)?)?)
    }

    pub(super) fn write_plot(&self, svg: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.directory.join("performance.svg"), svg)?)
    }

    pub(super) fn page(&self) -> PathBuf {
        self.directory.join("performance.md")
    }
}

/// The page of some sections. Parts measured on one machine at one commit are told so once.
fn markdown_of(sections: &[Value]) -> anyhow::Result<String> {
    let mut page = HEAD.to_owned();
    let runs = sections.iter().map(|section| member(section, "run"));
    let newest = runs.max_by_key(|run| text(run, "date"));
    if let Some(run) = newest {
        page.push_str(&format!("\nMeasured on {}.\n", machine::markdown(run)));
    }
    for section in sections {
        page.push_str(&markdown(section)?);
        if Some(member(section, "run")) != newest {
            page.push_str(&format!(
                "\nMeasured on {}.\n",
                machine::markdown(member(section, "run"))
            ));
        }
    }
    page.push_str(&distances(sections));
    Ok(page)
}

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
    use super::*;
    use crate::bench::scratch::Scratch;

    #[test]
    fn a_part_measured_again_replaces_itself_only() {
        let scratch = Scratch::new().expect("a directory");
        let section = |part: &'static str, name: &str, value: f64| {
            let mut section = Section::new(part, "Title");
            section.add(name, value, "µs");
            section
        };
        for (cost, date) in [(9.0, "2026-01-01"), (8.0, "2026-01-02")] {
            let mut report = Report::open(scratch.path(), json!({"date": date})).expect("opened");
            report.add(&section("ingest", CPU_COST, cost)).expect("saved");
            if cost > 8.0 {
                report.add(&section("limits", limits::ZSTD, 2.0)).expect("saved");
            }
        }
        let report = Report::open(scratch.path(), Value::Null).expect("opened");
        assert_eq!(figure(&report.sections, "ingest", CPU_COST), Some(8.0));
        let parts: Vec<_> = report.sections.iter().map(|section| &section["part"]).collect();
        assert_eq!(parts, ["limits", "ingest"]);
        let page = fs::read_to_string(report.page()).expect("a page");
        assert!(
            page.contains(
                "| server CPU for each segment : zstd alone | 8.00 µs | 2.00 µs | 4.00 |"
            ),
            "{page}"
        );
        assert_eq!(page.matches("Measured on").count(), 2);
    }
}
