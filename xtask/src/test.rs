//! `cargo xtask test`: all checks, in the order in which they fail fastest.
//!
//! A step that fails does not stop the others, so that one run shows everything there is to mend.

mod outcome;
mod steps;

use std::process::ExitCode;

use anyhow::bail;

use self::outcome::{Outcome, Report};
use self::steps::STEPS;
use crate::stopwatch::Stopwatch;

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some(selection) = Selection::parse(arguments)? else {
        for step in STEPS {
            println!("{:<12} {}", step.name, step.what);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let whole = Stopwatch::start();
    let mut report = Report::default();
    for step in STEPS.iter().filter(|step| selection.includes(step.name)) {
        println!("── {} ── {}", step.name, step.what);
        let stopwatch = Stopwatch::start();
        let outcome = (step.run)().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        report.add(step.name, outcome, stopwatch.elapsed());
    }
    report.print(whole.elapsed());
    Ok(if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Which steps to run.
#[derive(Debug, Default)]
struct Selection {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Selection {
    /// None when the steps are to be listed instead of run.
    fn parse(arguments: &[String]) -> anyhow::Result<Option<Self>> {
        let mut selection = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let steps = match argument.as_str() {
                "--list" => return Ok(None),
                "--only" => &mut selection.only,
                "--skip" => &mut selection.skip,
                other => bail!("unknown argument {other:?}; expected --only, --skip or --list"),
            };
            let Some(name) = rest.next() else { bail!("{argument} needs the name of a step") };
            if !STEPS.iter().any(|step| step.name == name) {
                let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
                bail!("unknown step {name:?}; the steps are {}", names.join(", "));
            }
            steps.push(name.clone());
        }
        Ok(Some(selection))
    }

    fn includes(&self, name: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|listed| listed == name);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(arguments: &[&str]) -> Vec<&'static str> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let selection = Selection::parse(&arguments).expect("valid").expect("not --list");
        STEPS.iter().map(|step| step.name).filter(|name| selection.includes(name)).collect()
    }

    #[test]
    fn selects_steps() {
        assert_eq!(selected(&[]).len(), STEPS.len());
        assert_eq!(selected(&["--only", "tidy", "--only", "fmt"]), ["fmt", "tidy"]);
        assert!(!selected(&["--skip", "browser"]).contains(&"browser"));
        assert!(selected(&["--only", "fmt", "--skip", "fmt"]).is_empty());
    }

    #[test]
    fn refuses_what_is_no_step() {
        for arguments in [&["--only", "nonsense"][..], &["--only"], &["fmt"]] {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            assert!(Selection::parse(&arguments).is_err(), "{arguments:?}");
        }
    }
}
