//! Checks in steps, as `cargo xtask test` and `cargo xtask deploy-check` are made of: which of them to
//! run, and what came of it.
//!
//! A step that fails does not stop the others, so that one run shows everything there is to mend.

mod commands;
mod needs;
mod outcome;

use std::process::ExitCode;

use anyhow::bail;

pub(crate) use self::commands::{cargo_with, run_all, with_jobs};
pub(crate) use self::needs::{
    apt_install, lacking, missing, missing_programs, virtual_environment,
};
pub(crate) use self::outcome::Outcome;
use self::outcome::Report;
use crate::stopwatch::Stopwatch;

/// One check with a name to select it by.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn() -> anyhow::Result<Outcome>,
}

/// Runs those of the steps that the arguments select, in their order; fails when one of them does.
pub(crate) fn run(steps: &[Step], arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some(selection) = Selection::parse(steps, arguments)? else {
        for step in steps {
            println!("{:<14} {}", step.name, step.what);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let whole = Stopwatch::start();
    let mut report = Report::default();
    for step in steps.iter().filter(|step| selection.includes(step.name)) {
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
    fn parse(steps: &[Step], arguments: &[String]) -> anyhow::Result<Option<Self>> {
        let mut selection = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let names = match argument.as_str() {
                "--list" => return Ok(None),
                "--only" => &mut selection.only,
                "--skip" => &mut selection.skip,
                other => bail!("unknown argument {other:?}; expected --only, --skip or --list"),
            };
            let Some(name) = rest.next() else { bail!("{argument} needs the name of a step") };
            if !steps.iter().any(|step| step.name == name) {
                let known: Vec<&str> = steps.iter().map(|step| step.name).collect();
                bail!("unknown step {name:?}; the steps are {}", known.join(", "));
            }
            names.push(name.clone());
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

    const fn step(name: &'static str) -> Step {
        Step { name, what: "", run: || Ok(Outcome::Passed) }
    }

    const STEPS: &[Step] = &[step("fmt"), step("tidy"), step("browser")];

    fn parsed(arguments: &[&str]) -> anyhow::Result<Option<Selection>> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Selection::parse(STEPS, &arguments)
    }

    fn selected(arguments: &[&str]) -> Vec<&'static str> {
        let selection = parsed(arguments).expect("valid").expect("not --list");
        STEPS.iter().map(|step| step.name).filter(|name| selection.includes(name)).collect()
    }

    #[test]
    fn selects_steps() {
        assert_eq!(selected(&[]), ["fmt", "tidy", "browser"]);
        assert_eq!(selected(&["--only", "tidy", "--only", "fmt"]), ["fmt", "tidy"]);
        assert_eq!(selected(&["--skip", "browser"]), ["fmt", "tidy"]);
        assert!(selected(&["--only", "fmt", "--skip", "fmt"]).is_empty());
    }

    #[test]
    fn refuses_what_is_no_step() {
        for arguments in [&["--only", "nonsense"][..], &["--only"], &["fmt"]] {
            assert!(parsed(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn every_task_names_its_steps_differently() {
        for steps in [crate::test::STEPS, crate::deploy_check::STEPS] {
            for (idx, step) in steps.iter().enumerate() {
                let later = &steps[idx + 1..];
                assert!(later.iter().all(|other| other.name != step.name), "{}", step.name);
            }
        }
    }
}
