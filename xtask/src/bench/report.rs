//! The report: a JSON file that keeps what was measured last of every part, and the page made of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::figures::{Section, markdown};
use super::json::{member, text};
use super::machine;

/// What a benchmark's page is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    /// Of the files, without what tells JSON from Markdown.
    pub(super) name: &'static str,
    /// Where the page begins: title, what is measured, and how to measure it again.
    pub(super) head: &'static str,
    /// The parts in their order.
    pub(super) parts: &'static [&'static str],
    /// What the page ends with, made of all sections.
    pub(super) end: fn(&[Value]) -> String,
}

/// A report that is brought up to date.
#[derive(Debug)]
pub(super) struct Report {
    page: Page,
    directory: PathBuf,
    /// When, where and of what this run measures.
    run: Value,
    sections: Vec<Value>,
}

impl Report {
    /// The report of a directory; empty when there is none yet.
    pub(super) fn open(page: Page, directory: &Path, run: Value) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
        let file = directory.join(page.name).with_extension("json");
        let sections = match fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            content => match serde_json::from_slice(&content?)? {
                Value::Array(sections) => sections,
                _ => bail!("{} is no list of sections; remove it", file.display()),
            },
        };
        Ok(Self { page, directory: directory.to_owned(), run, sections })
    }

    /// Puts a section in the place of the one of the same part, and saves record and page.
    pub(super) fn add(&mut self, section: &Section) -> anyhow::Result<()> {
        let section = section.json(&self.run);
        self.sections.retain(|known| text(known, "part") != text(&section, "part"));
        self.sections.push(section);
        let order =
            |known: &Value| self.page.parts.iter().position(|part| text(known, "part") == *part);
        self.sections.sort_by_key(order);
        let mut text = serde_json::to_string_pretty(&json!(self.sections))?;
        text.push('\n');
        fs::write(self.file("json"), text)?;
        Ok(fs::write(self.file("md"), markdown_of(&self.page, &self.sections)?)?)
    }

    pub(super) fn write_plot(&self, svg: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.file("svg"), svg)?)
    }

    /// Where the page is.
    pub(super) fn path(&self) -> PathBuf {
        self.file("md")
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.directory.join(self.page.name).with_extension(extension)
    }
}

/// The page of some sections. Parts measured on one machine at one commit are told so once.
fn markdown_of(of: &Page, sections: &[Value]) -> anyhow::Result<String> {
    let mut page = of.head.to_owned();
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
    page.push_str(&(of.end)(sections));
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::figure;
    use crate::bench::scratch::Scratch;

    const PAGE: Page = Page {
        name: "speed",
        head: "# Speed\n",
        parts: &["limits", "ingest"],
        end: |sections| format!("\n{} sections.\n", sections.len()),
    };

    #[test]
    fn a_part_measured_again_replaces_itself_only() {
        let scratch = Scratch::new().expect("a directory");
        let section = |part: &'static str, value: f64| {
            let mut section = Section::new(part, "Title");
            section.add("cost", value, "µs");
            section
        };
        for (cost, date) in [(9.0, "2026-01-01"), (8.0, "2026-01-02")] {
            let run = json!({"date": date});
            let mut report = Report::open(PAGE, scratch.path(), run).expect("opened");
            report.add(&section("ingest", cost)).expect("saved");
            if cost > 8.0 {
                report.add(&section("limits", 2.0)).expect("saved");
            }
        }
        let report = Report::open(PAGE, scratch.path(), Value::Null).expect("opened");
        assert_eq!(figure(&report.sections, "ingest", "cost"), Some(8.0));
        let parts: Vec<_> = report.sections.iter().map(|section| &section["part"]).collect();
        assert_eq!(parts, ["limits", "ingest"]);
        let page = fs::read_to_string(report.path()).expect("a page");
        assert!(page.starts_with("# Speed\n") && page.ends_with("\n2 sections.\n"), "{page}");
        assert_eq!(page.matches("Measured on").count(), 2);
    }
}
