//! How a step ended, and the summary of a run.

use std::time::Duration;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// What went wrong; the output of the step has been shown already.
    Failed(String),
    /// What this machine lacks.
    Skipped(String),
}

/// The outcomes of one run, in order.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<(&'static str, Outcome, Duration)>,
}

impl Report {
    /// Notes the outcome of a step and says it.
    pub(crate) fn add(&mut self, name: &'static str, outcome: Outcome, took: Duration) {
        println!("{}\n", line(name, &outcome, took));
        self.lines.push((name, outcome, took));
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.lines.iter().any(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
    }

    /// The table of all steps, and below it the counts alone on the last line.
    pub(crate) fn print(&self, took: Duration) {
        println!("── summary ── {:.1} s", took.as_secs_f64());
        for (name, outcome, took) in &self.lines {
            println!("{}", line(name, outcome, *took));
        }
        println!("\n{}", self.counts());
    }

    fn counts(&self) -> String {
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for (_, outcome, _) in &self.lines {
            match outcome {
                Outcome::Passed => passed += 1,
                Outcome::Failed(_) => failed += 1,
                Outcome::Skipped(_) => skipped += 1,
            }
        }
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

fn line(name: &str, outcome: &Outcome, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match outcome {
        Outcome::Passed => format!("passed   {name:<14} {seconds:>7.1} s"),
        Outcome::Failed(why) => format!("FAILED   {name:<14} {seconds:>7.1} s  {why}"),
        Outcome::Skipped(why) => format!("SKIPPED  {name:<14} {seconds:>7.1} s  {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_outcome_once() {
        let mut report = Report::default();
        report.add("fmt", Outcome::Passed, Duration::ZERO);
        assert!(!report.has_failed());
        report.add("clippy", Outcome::Failed("exit status: 101".into()), Duration::ZERO);
        report.add("browser", Outcome::Skipped("no chromium".into()), Duration::ZERO);
        assert!(report.has_failed());
        assert_eq!(report.counts(), "1 passed, 1 failed, 1 skipped");
    }
}
