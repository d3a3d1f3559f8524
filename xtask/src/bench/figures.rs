//! Results: figures with their targets, and tables, as JSON and from that as Markdown.
//!
//! The JSON file is the record: a part that is run again replaces its own section there, and the
//! page is written from what the file then holds.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::json::{list, member, text};

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// The results of one part.
#[derive(Debug)]
pub(super) struct Section {
    part: &'static str,
    title: &'static str,
    figures: Vec<Value>,
    tables: Vec<Value>,
    notes: Vec<String>,
}

impl Section {
    pub(super) fn new(part: &'static str, title: &'static str) -> Self {
        Self { part, title, figures: Vec::new(), tables: Vec::new(), notes: Vec::new() }
    }

    /// Adds a figure without a target.
    pub(super) fn add(&mut self, name: impl Into<String>, value: f64, unit: &str) {
        self.push(name.into(), value, unit, None);
    }

    /// Adds a figure that has one.
    pub(super) fn add_for(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &str,
        target: Target,
    ) {
        self.push(name.into(), value, unit, Some(target));
    }

    /// Adds a table; all cells are texts.
    pub(super) fn table(&mut self, columns: &[&str], rows: Vec<Vec<String>>) {
        println!("  {}", columns.join(" | "));
        for row in &rows {
            println!("  {}", row.join(" | "));
        }
        self.tables.push(json!({ "columns": columns, "rows": rows }));
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn push(&mut self, name: String, value: f64, unit: &str, target: Option<Target>) {
        let (target, is_met) = match target {
            None => (Value::Null, Value::Null),
            Some(Target::AtLeast(least)) => {
                (format!("≥ {}", shown(least)).into(), (value >= least).into())
            }
            Some(Target::AtMost(most)) => {
                (format!("≤ {}", shown(most)).into(), (value <= most).into())
            }
        };
        println!("  {name}: {} {unit}", shown(value));
        self.figures.push(
            json!({"name": name, "value": value, "unit": unit, "target": target, "met": is_met}),
        );
    }

    /// The section as it stands in the file; `run` tells when and of what it was measured.
    pub(super) fn json(&self, run: &Value) -> Value {
        json!({
            "part": self.part, "title": self.title, "run": run,
            "figures": self.figures, "tables": self.tables, "notes": self.notes,
        })
    }
}

/// A figure of a section in a file: by the names of its part and its own.
pub(super) fn figure(sections: &[Value], part: &str, name: &str) -> Option<f64> {
    let section = sections.iter().find(|section| text(section, "part") == part)?;
    let mut figures = list(section, "figures").ok()?.iter();
    member(figures.find(|figure| text(figure, "name") == name)?, "value").as_f64()
}

/// A section as Markdown.
pub(super) fn markdown(section: &Value) -> anyhow::Result<String> {
    let mut page = format!("\n## {}\n", text(section, "title"));
    let figures = list(section, "figures")?;
    if !figures.is_empty() {
        page.push_str("\n| | measured | target | |\n|---|---:|---:|---|\n");
    }
    for figure in figures {
        let met = match member(figure, "met").as_bool() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let value = shown(member(figure, "value").as_f64().unwrap_or(f64::NAN));
        let (name, unit) = (text(figure, "name"), text(figure, "unit"));
        let target = text(figure, "target");
        page.push_str(&format!("| {name} | {value} {unit} | {target} | {met} |\n"));
    }
    for table in list(section, "tables")? {
        let columns = list(table, "columns")?;
        let rules = vec!["---:"; columns.len().saturating_sub(1)].join("|");
        page.push_str(&format!("\n| {} |\n|---|{rules}|\n", cells(columns)));
        for row in list(table, "rows")? {
            page.push_str(&format!("| {} |\n", cells(row.as_array().context("no row")?)));
        }
    }
    for note in list(section, "notes")? {
        page.push_str(&format!("\n{}\n", note.as_str().unwrap_or_default()));
    }
    Ok(page)
}

fn cells(row: &[Value]) -> String {
    row.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ")
}

/// Three digits that count; groups of thousands are told apart.
pub(super) fn shown(value: f64) -> String {
    let places = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.places$}");
    let (whole, fraction) = text.split_once('.').map_or((&*text, None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{grouped}.{fraction}"),
        None => grouped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_digits_that_count() {
        let check = |value: f64, expect: &str| assert_eq!(shown(value), expect);
        check(0.0, "0");
        check(0.0423, "0.042");
        check(1.234, "1.23");
        check(12.34, "12.3");
        check(1234.5, "1,234");
        check(1_234_567.0, "1,234,567");
        check(-123_456.0, "-123,456");
    }

    #[test]
    fn a_section_becomes_a_page() {
        let mut section = Section::new("ingest", "Ingest");
        section.add_for("rate", 120_000.0, "segments/s", Target::AtLeast(100_000.0));
        section.add_for("wait", 60.0, "ms", Target::AtMost(50.0));
        section.table(&["rate", "lost"], vec![vec!["10,000".to_owned(), "0".to_owned()]]);
        section.note("Measured twice.");
        let json = section.json(&json!({"commit": "abc"}));
        let page = markdown(&json).expect("well formed");
        let expect = "\n## Ingest\n\n| | measured | target | |\n|---|---:|---:|---|\n\
            | rate | 120,000 segments/s | ≥ 100,000 | met |\n\
            | wait | 60.0 ms | ≤ 50.0 | **missed** |\n\
            \n| rate | lost |\n|---|---:|\n| 10,000 | 0 |\n\nMeasured twice.\n";
        assert_eq!(page, expect);
        assert_eq!(figure(&[json], "ingest", "wait"), Some(60.0));
    }
}
