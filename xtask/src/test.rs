//! The steps of `cargo xtask test`: everything CI checks, in the order in which it fails fastest.

use std::process::{Command, ExitCode};

use crate::steps::{
    Outcome, Step, apt_install, cargo_with, lacking, missing, missing_programs, run_all,
    virtual_environment, with_jobs,
};
use crate::workspace::{
    PARQUET, command, has_program, release_binary, release_build, root, with_arguments,
};
use crate::{bench, tidy};

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
    run_all([cargo_with(&["test", "--workspace", "--no-fail-fast", "--features", PARQUET])])
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
    apt_install(&["chromium"], &["chromium"])?;
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
    let python = virtual_environment("conformance", &["conformance/requirements.txt"])?;
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

fn npm(arguments: &[&str]) -> Command {
    with_arguments(command("npm", &root().join("console")), arguments)
}
