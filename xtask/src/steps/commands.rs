//! The commands a step runs, one after the other, with their output as ours.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::outcome::Outcome;
use crate::workspace::{cargo, with_arguments};

/// Two jobs: the size of the machines this is built for, and of CI.
const JOBS: &str = "2";

/// `cargo` with these arguments.
pub(crate) fn cargo_with(arguments: &[&str]) -> Command {
    with_jobs(with_arguments(cargo(), arguments))
}

/// A `cargo` that keeps to the number of jobs.
pub(crate) fn with_jobs(mut cargo: Command) -> Command {
    cargo.env("CARGO_BUILD_JOBS", JOBS);
    cargo
}

/// Runs the commands one after the other and stops at the first that fails. Their output is ours.
pub(crate) fn run_all(commands: impl IntoIterator<Item = Command>) -> anyhow::Result<Outcome> {
    for mut command in commands {
        let program = Path::new(command.get_program()).display().to_string();
        let status = command.status().with_context(|| format!("{program}: cannot be started"))?;
        if !status.success() {
            let arguments: Vec<_> = command.get_args().map(|part| part.to_string_lossy()).collect();
            return Ok(Outcome::Failed(format!("{program} {}: {status}", arguments.join(" "))));
        }
    }
    Ok(Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{command, root};

    #[test]
    fn stops_at_the_first_failing_command() {
        let marker = std::env::temp_dir().join(format!("roentgen-xtask-{}", std::process::id()));
        let mut touch = command("touch", &root());
        touch.arg(&marker);
        let outcome = run_all([command("false", &root()), touch]).expect("both can be started");
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
        assert!(!marker.exists(), "the command after the failing one ran");
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        assert!(run_all([command("roentgen-no-such-program", &root())]).is_err());
    }
}
