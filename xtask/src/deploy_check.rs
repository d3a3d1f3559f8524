//! The steps of `cargo xtask deploy-check`: everything in `deploy/`, built and run on this machine
//! without a cloud account and without a Docker engine.
//!
//! What is asserted stands in `deploy/tests`; a step here builds what its tests need, installs the
//! tools they drive, and says what this machine lacks.

use crate::images;
use crate::shipped::PLATFORMS;
use crate::steps::{
    Outcome, Step, apt_install, lacking, missing_programs, run_all, virtual_environment,
};
use crate::workspace::{command, root, with_arguments};

/// All steps. The first one builds what most of the others run.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "binaries", what: "static programs for amd64 and arm64", run: binaries },
    Step { name: "images", what: "the images: facts, size, and life in a container", run: images },
    Step { name: "style", what: "the Python of the checks", run: style },
];

/// What the tests import: the harness of the conformance tests as well.
const REQUIREMENTS: [&str; 2] = ["conformance/requirements.txt", "deploy/tests/requirements.txt"];

fn binaries() -> anyhow::Result<Outcome> {
    let mut left_out = Vec::new();
    for platform in PLATFORMS {
        if let Some(missing) = platform.missing()? {
            left_out.push(format!("{}: {missing}", platform.architecture));
            continue;
        }
        let outcome = images::build(&platform)?;
        if outcome != Outcome::Passed {
            return Ok(outcome);
        }
    }
    if !left_out.is_empty() {
        return Ok(lacking(&left_out.join("; ")));
    }
    pytest("test_binaries.py", &[], &[])
}

/// What builds and runs containers here: no Docker engine.
const CONTAINER_PROGRAMS: [&str; 4] = ["buildah", "podman", "runc", "skopeo"];
const CONTAINER_PACKAGES: [&str; 8] =
    ["buildah", "podman", "runc", "skopeo", "conmon", "netavark", "aardvark-dns", "catatonit"];

fn images() -> anyhow::Result<Outcome> {
    for platform in PLATFORMS {
        if platform.is_built() {
            images::lay_out(&platform)?;
        }
    }
    apt_install(&["qemu-aarch64-static"], &["qemu-user-static"])?;
    pytest("test_images.py", &CONTAINER_PROGRAMS, &CONTAINER_PACKAGES)
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
