//! The steps of `cargo xtask deploy-check`: everything in `deploy/`, built and run on this machine
//! without a cloud account and without a Docker engine.
//!
//! What is asserted stands in `deploy/tests`; a step here builds what its tests need, installs the
//! tools they drive, and says what this machine lacks.

mod fargate;

use crate::shipped::PLATFORMS;
use crate::steps::{
    Outcome, Step, apt_install, lacking, missing_programs, run_all, virtual_environment,
};
use crate::workspace::{command, root, with_arguments};
use crate::{images, packages};

/// All steps. The first one builds what most of the others run.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "binaries", what: "static programs for amd64 and arm64", run: binaries },
    Step { name: "images", what: "the images: facts, size, and life in a container", run: images },
    Step { name: "compose", what: "two apps, daemon and server by podman-compose", run: compose },
    Step { name: "kubernetes", what: "the manifests, and their pods by podman", run: kubernetes },
    Step { name: "systemd", what: "the units: score, and system calls they allow", run: systemd },
    Step {
        name: "packages",
        what: "Debian packages in a chroot, installed and purged",
        run: packages,
    },
    Step {
        name: "cloudformation",
        what: "the templates: linters, rules of our own, deployed on moto",
        run: fargate::cloudformation,
    },
    Step {
        name: "scenario",
        what: "the task definitions of the templates, run and traced",
        run: fargate::scenario,
    },
    Step { name: "migration", what: "the migration guide, by its rows", run: migration },
    Step { name: "workflows", what: "what GitHub runs, linted offline", run: workflows },
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
        let outcome = platform.build_all()?;
        if outcome != Outcome::Passed {
            return Ok(outcome);
        }
    }
    if !left_out.is_empty() {
        return Ok(lacking(&left_out.join("; ")));
    }
    apt_install(&["qemu-aarch64-static"], &["qemu-user-static"])?;
    pytest(&["test_binaries.py"], &[], &[])
}

/// What builds and runs containers here: no Docker engine.
const CONTAINER_PROGRAMS: [&str; 5] = ["buildah", "podman", "runc", "skopeo", "iptables"];
const CONTAINER_PACKAGES: [&str; 9] = [
    "buildah",
    "podman",
    "runc",
    "skopeo",
    "conmon",
    "netavark",
    "aardvark-dns",
    "catatonit",
    "iptables",
];

/// What makes the small Debian that base images and chroots are made of, also on an Ubuntu.
const DEBIAN_PACKAGES: [&str; 2] = ["mmdebstrap", "debian-archive-keyring"];

/// Lays out the images of what the binaries step has built.
fn lay_out_images() -> anyhow::Result<()> {
    for platform in PLATFORMS.iter().filter(|platform| platform.is_built()) {
        images::lay_out(platform)?;
    }
    Ok(())
}

fn images() -> anyhow::Result<Outcome> {
    lay_out_images()?;
    with_containers(&["test_images.py", "test_containers.py"], &[], &[])
}

fn compose() -> anyhow::Result<Outcome> {
    lay_out_images()?;
    with_containers(&["test_compose.py"], &["mmdebstrap", "node", "npm"], &DEBIAN_PACKAGES)
}

fn kubernetes() -> anyhow::Result<Outcome> {
    lay_out_images()?;
    with_containers(&["test_kubernetes.py"], &["mmdebstrap", "kubectl"], &DEBIAN_PACKAGES)
}

fn systemd() -> anyhow::Result<Outcome> {
    pytest(&["test_systemd.py"], &["systemd-analyze", "strace"], &["systemd", "strace"])
}

fn packages() -> anyhow::Result<Outcome> {
    apt_install(&["dpkg-deb"], &["dpkg"])?;
    if let Some(missing) = missing_programs(&["dpkg-deb", "gzip"]) {
        return Ok(missing);
    }
    for platform in PLATFORMS.iter().filter(|platform| platform.is_built()) {
        packages::make(platform)?;
    }
    let tools = [&["lintian"], &DEBIAN_PACKAGES[..]].concat();
    pytest(&["test_packages.py"], &["mmdebstrap", "lintian"], &tools)
}

fn migration() -> anyhow::Result<Outcome> {
    pytest(&["test_migration.py"], &[], &[])
}

fn workflows() -> anyhow::Result<Outcome> {
    pytest(&["test_workflows.py"], &[], &[])
}

fn with_containers(
    files: &[&str],
    programs: &[&str],
    packages: &[&str],
) -> anyhow::Result<Outcome> {
    let programs = [&CONTAINER_PROGRAMS, programs].concat();
    pytest(files, &programs, &[&CONTAINER_PACKAGES, packages].concat())
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
fn pytest(files: &[&str], programs: &[&str], packages: &[&str]) -> anyhow::Result<Outcome> {
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
    tests.args(["-m", "pytest"]).args(files);
    tests.env("ROENTGEN_BINARY", server).env("ROENTGEN_DAEMON_BINARY", daemon);
    run_all([tests])
}
