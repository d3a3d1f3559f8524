//! The steps of `cargo xtask test`, and what each needs on the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;

use super::outcome::Outcome;
use crate::workspace::{
    PARQUET, cargo, command, has_program, release_binary, release_build, root, target_directory,
    with_arguments,
};
use crate::{bench, tidy};

/// One check with a name to select it by.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn() -> anyhow::Result<Outcome>,
}

/// All steps. Cheap ones first: a forgotten `cargo fmt` should not cost twenty minutes.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "fmt", what: "formatting of every Rust file", run: fmt },
    Step { name: "tidy", what: "rules of the house", run: tidy_step },
    Step { name: "clippy", what: "lints of all targets, warnings are errors", run: clippy },
    Step { name: "unit", what: "cargo test of the workspace", run: unit },
    Step { name: "doc", what: "documentation builds without warnings", run: doc },
    Step { name: "console", what: "lint, build, size and unit tests of the console", run: console },
    Step { name: "build", what: "the release binaries, console inside", run: build },
    Step {
        name: "crash",
        what: "kills and damaged files: nothing acknowledged is lost",
        run: crash,
    },
    Step { name: "conformance", what: "official SDKs and clients", run: conformance },
    Step { name: "browser", what: "the console in Chromium", run: browser },
];

/// Kills of the crash step: less than a minute and a half on two cores.
const CRASH_RUNS: &str = "300";

/// Two jobs: the size of the machines this is built for, and of CI.
const JOBS: &str = "2";

fn fmt() -> anyhow::Result<Outcome> {
    run_all([cargo_with(&["fmt", "--all", "--check"])])
}

fn tidy_step() -> anyhow::Result<Outcome> {
    let faults = tidy::faults()?;
    for fault in &faults {
        println!("{fault}");
    }
    Ok(if faults.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed(format!("{} faults", faults.len()))
    })
}

fn clippy() -> anyhow::Result<Outcome> {
    let all = ["clippy", "--workspace", "--all-targets", "--features", PARQUET];
    // The default leaves a feature out, and must do without it.
    let default = ["clippy", "--package", "roentgen-server"];
    let strict = |arguments: &[&str]| cargo_with(&[arguments, &["--", "-D", "warnings"]].concat());
    run_all([strict(&all), strict(&default)])
}

fn unit() -> anyhow::Result<Outcome> {
    run_all([cargo_with(&["test", "--workspace", "--features", PARQUET])])
}

fn doc() -> anyhow::Result<Outcome> {
    let mut doc = cargo_with(&["doc", "--workspace", "--no-deps", "--features", PARQUET]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    run_all([doc])
}

fn console() -> anyhow::Result<Outcome> {
    if let Some(missing) = missing_programs(&["node", "npm"]) {
        return Ok(missing);
    }
    run_all([npm(&["ci", "--no-audit", "--no-fund"]), npm(&["run", "check"])])
}

fn build() -> anyhow::Result<Outcome> {
    let daemon = cargo_with(&["build", "--release", "--package", "roentgen-daemon"]);
    let outcome = run_all([with_jobs(release_build()), daemon])?;
    if outcome == Outcome::Passed && !has_program("npm") {
        // The binary serves, but without what its users look at.
        return Ok(lacking("built without the console, which needs npm"));
    }
    Ok(outcome)
}

/// Some hundred runs of the crash harness against the release binary; the benchmark does more.
fn crash() -> anyhow::Result<Outcome> {
    let binary = release_binary("roentgen");
    if !binary.is_file() {
        return Ok(Outcome::Failed(format!("{} is missing; run the build step", binary.display())));
    }
    let binary = binary.to_string_lossy().into_owned();
    let arguments = ["crash", "--runs", CRASH_RUNS, "--binary", &binary];
    let code = bench::run(&arguments.map(str::to_owned))?;
    Ok(if code == ExitCode::SUCCESS {
        Outcome::Passed
    } else {
        Outcome::Failed("the server lost, doubled or changed what it had stored".to_owned())
    })
}

fn conformance() -> anyhow::Result<Outcome> {
    pytest(&["-m", "not browser"], &["python3", "node", "npm", "go", "java", "mvn"])
}

fn browser() -> anyhow::Result<Outcome> {
    install_chromium()?;
    if let Some(missing) = missing_programs(&["node", "npm", "chromium"]) {
        return Ok(missing);
    }
    if !root().join("console").join("dist").is_dir() {
        return Ok(Outcome::Failed("console/dist is missing; run the console step".to_owned()));
    }
    // First every page against a mock of the server, then the real one with the Bottle app's traces.
    let pages = run_all([npm(&["run", "pages"])])?;
    if pages != Outcome::Passed {
        return Ok(pages);
    }
    pytest(&["-m", "browser"], &["python3", "node", "npm", "chromium"])
}

/// Runs the conformance tests against the release binaries, in their own virtual environment.
///
/// A missing SDK tool-chain skips that SDK's tests only; pytest says which, and so does the summary.
fn pytest(selection: &[&str], tools: &[&str]) -> anyhow::Result<Outcome> {
    let (binary, daemon) = (release_binary("roentgen"), release_binary("roentgen-daemon"));
    for needed in [&binary, &daemon] {
        if !needed.is_file() {
            let path = needed.display();
            return Ok(Outcome::Failed(format!("{path} is missing; run the build step")));
        }
    }
    if let Some(missing) = missing_programs(&["python3"]) {
        return Ok(missing);
    }
    let python = virtual_environment()?;
    let directory = root().join("conformance");
    let module = |arguments: &[&str]| with_arguments(command(&python, &directory), arguments);
    let mut tests = module(&["-m", "pytest"]);
    tests.args(selection).env("ROENTGEN_BINARY", binary).env("ROENTGEN_DAEMON_BINARY", daemon);
    let outcome = run_all([
        module(&["-m", "ruff", "check", "--quiet", "."]),
        module(&["-m", "ruff", "format", "--check", "--quiet", "."]),
        tests,
    ])?;
    let missing = missing(tools);
    if outcome == Outcome::Passed && !missing.is_empty() {
        return Ok(lacking(&format!("ran without the tests that need {}", missing.join(", "))));
    }
    Ok(outcome)
}

/// The interpreter of `target/conformance/venv`, with exactly the packages of the requirements file.
fn virtual_environment() -> anyhow::Result<PathBuf> {
    let requirements = root().join("conformance").join("requirements.txt");
    let directory = target_directory().join("conformance").join("venv");
    let python = directory.join("bin").join("python");
    let installed = directory.join("installed-requirements.txt");
    let wanted = std::fs::read(&requirements)
        .with_context(|| format!("{}: cannot be read", requirements.display()))?;
    if python.is_file() && std::fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    let mut create = command("python3", &root());
    create.args(["-m", "venv", "--clear"]).arg(&directory);
    let mut install = command(&python, &root());
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    install.arg(&requirements);
    match run_all([create, install])? {
        Outcome::Passed => std::fs::write(&installed, wanted)
            .with_context(|| format!("{}: cannot be written", installed.display()))?,
        other => anyhow::bail!("virtual environment {}: {other:?}", directory.display()),
    }
    Ok(python)
}

/// Debian's Chromium, where this machine is a Debian and we may install.
///
/// Where it is not, nothing happens here: the step then says that chromium is missing.
fn install_chromium() -> anyhow::Result<()> {
    let may_install = has_program("apt-get") && is_root();
    if has_program("chromium") || !may_install {
        return Ok(());
    }
    let outcome = run_all([
        with_arguments(command("apt-get", &root()), &["update", "--quiet"]),
        with_arguments(
            command("apt-get", &root()),
            &["install", "--yes", "--quiet", "--no-install-recommends", "chromium"],
        ),
    ])?;
    if let Outcome::Failed(why) = outcome {
        println!("chromium was not installed: {why}");
    }
    Ok(())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // The owner of our own process entry is the effective user; std has no other way to ask.
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// What to answer when one of these programs is not on PATH.
fn missing_programs(names: &[&str]) -> Option<Outcome> {
    let missing = missing(names);
    (!missing.is_empty()).then(|| lacking(&format!("not on PATH: {}", missing.join(", "))))
}

fn missing<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| !has_program(name)).collect()
}

/// Skipped on a developer's machine, failed where everything is promised to be there.
fn lacking(what: &str) -> Outcome {
    if std::env::var("CI").is_ok_and(|ci| ci == "true") {
        Outcome::Failed(what.to_owned())
    } else {
        Outcome::Skipped(what.to_owned())
    }
}

fn npm(arguments: &[&str]) -> Command {
    with_arguments(command("npm", &root().join("console")), arguments)
}

fn cargo_with(arguments: &[&str]) -> Command {
    with_jobs(with_arguments(cargo(), arguments))
}

fn with_jobs(mut cargo: Command) -> Command {
    cargo.env("CARGO_BUILD_JOBS", JOBS);
    cargo
}

/// Runs the commands one after the other and stops at the first that fails. Their output is ours.
fn run_all<const N: usize>(commands: [Command; N]) -> anyhow::Result<Outcome> {
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

    #[test]
    fn names_are_unique() {
        for (idx, step) in STEPS.iter().enumerate() {
            assert!(STEPS[idx + 1..].iter().all(|other| other.name != step.name), "{}", step.name);
        }
    }

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
        assert!(!has_program("roentgen-no-such-program"));
    }
}
