//! The steps of `cargo xtask deploy-check`: everything in `deploy/`, built and run on this machine
//! without a cloud account and without a Docker engine.
//!
//! What is asserted stands in `deploy/tests`; a step here builds what its tests need, installs the
//! tools they drive, and says what this machine lacks.

use crate::shipped::PLATFORMS;
use crate::steps::{
    Outcome, Step, apt_install, lacking, missing_programs, run_all, virtual_environment, with_jobs,
};
use crate::workspace::{command, has_program, root, with_arguments};

/// All steps. The first one builds what most of the others run.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "binaries", what: "static programs for amd64 and arm64", run: binaries },
    Step { name: "style", what: "the Python of the checks", run: style },
];

/// The packages of the programs that are shipped, and whether the console is inside.
const PACKAGES: [&str; 2] = ["roentgen-daemon", "roentgen-server"];

/// What the tests import: the harness of the conformance tests as well.
const REQUIREMENTS: [&str; 2] = ["conformance/requirements.txt", "deploy/tests/requirements.txt"];

fn binaries() -> anyhow::Result<Outcome> {
    let mut left_out = Vec::new();
    for platform in PLATFORMS {
        apt_install(&[platform.compiler()], platform.compiler_packages())?;
        if has_program("rustup") {
            run_all([with_arguments(
                command("rustup", &root()),
                &["target", "add", platform.triple],
            )])?;
        }
        if !platform.can_be_built() {
            left_out.push(format!(
                "{} (needs the target and {})",
                platform.triple,
                platform.compiler()
            ));
            continue;
        }
        let outcome = run_all(PACKAGES.map(|package| {
            let mut build = with_jobs(platform.build(package));
            // An image without the console would be a surprise to whoever opens it.
            build.env("CONSOLE", "require");
            build
        }))?;
        if outcome != Outcome::Passed {
            return Ok(outcome);
        }
    }
    if !left_out.is_empty() {
        return Ok(lacking(&format!("not built: {}", left_out.join(", "))));
    }
    pytest("test_binaries.py", &[], &[])
}

fn style() -> anyhow::Result<Outcome> {
    if let Some(missing) = missing_programs(&["python3"]) {
        return Ok(missing);
    }
    let python = virtual_environment("deploy", &REQUIREMENTS)?;
    let ruff = |arguments: &[&str]| {
        with_arguments(command(&python, &root()), &[&["-m", "ruff"], arguments].concat())
    };
    let config = ["--config", "conformance/ruff.toml", "deploy"];
    run_all([
        ruff(&[&["check", "--quiet"][..], &config].concat()),
        ruff(&[&["format", "--check", "--quiet"][..], &config].concat()),
    ])
}

/// Runs tests of `deploy/tests` with these programs, of which those that are Debian packages as well are
/// installed where we may.
fn pytest(test: &str, programs: &[&str], packages: &[&str]) -> anyhow::Result<Outcome> {
    apt_install(programs, packages)?;
    if let Some(missing) = missing_programs(&[&["python3"], programs].concat()) {
        return Ok(missing);
    }
    let Some(platform) = PLATFORMS.iter().find(|platform| platform.is_native()) else {
        return Ok(lacking("nothing is shipped for this processor"));
    };
    let (server, daemon) = (platform.program("roentgen"), platform.program("roentgen-daemon"));
    for needed in [&server, &daemon] {
        if !needed.is_file() {
            let path = needed.display();
            return Ok(Outcome::Failed(format!("{path} is missing; run the binaries step")));
        }
    }
    let python = virtual_environment("deploy", &REQUIREMENTS)?;
    let mut tests = command(&python, &root().join("deploy").join("tests"));
    tests.args(["-m", "pytest", test]);
    tests.env("ROENTGEN_BINARY", server).env("ROENTGEN_DAEMON_BINARY", daemon);
    run_all([tests])
}
