//! Programs as they are shipped: the `dist` profile, static where this machine can build that.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::steps::{Outcome, apt_install, run_all, with_jobs};
use crate::workspace::{cargo, command, has_program, root, target_directory, with_arguments};

/// A platform that programs are shipped for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Platform {
    /// The name that images and Debian packages have for it.
    pub(crate) architecture: &'static str,
    /// Rust's name for it. With musl, programs bring the C library along and run in an empty image.
    pub(crate) triple: &'static str,
    /// What [`std::env::consts::ARCH`] says on such a machine.
    processor: &'static str,
    /// The C compiler for it on a machine of another kind, and the Debian packages that bring it.
    cross_compiler: &'static str,
    cross_packages: &'static [&'static str],
}

/// All platforms.
pub(crate) const PLATFORMS: [Platform; 2] = [
    Platform {
        architecture: "amd64",
        triple: "x86_64-unknown-linux-musl",
        processor: "x86_64",
        cross_compiler: "x86_64-linux-gnu-gcc",
        cross_packages: &["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"],
    },
    Platform {
        architecture: "arm64",
        triple: "aarch64-unknown-linux-musl",
        processor: "aarch64",
        cross_compiler: "aarch64-linux-gnu-gcc",
        cross_packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    },
];

impl Platform {
    /// Whether this machine can run its programs without an emulator.
    pub(crate) fn is_native(&self) -> bool {
        self.processor == std::env::consts::ARCH
    }

    /// The C compiler, which the cryptography, the compression and the allocator need.
    fn compiler(&self) -> &'static str {
        if self.is_native() { "musl-gcc" } else { self.cross_compiler }
    }

    /// The Debian packages that bring the C compiler.
    fn compiler_packages(&self) -> &'static [&'static str] {
        if self.is_native() { &["musl-tools"] } else { self.cross_packages }
    }

    /// Whether this machine has the compilers for it.
    pub(crate) fn can_be_built(&self) -> bool {
        has_target(self.triple) && has_program(self.compiler())
    }

    /// Installs the compilers where we may; says what is missing after that.
    pub(crate) fn missing(&self) -> anyhow::Result<Option<String>> {
        apt_install(&[self.compiler()], self.compiler_packages())?;
        if has_program("rustup") && !has_target(self.triple) {
            run_all([with_arguments(command("rustup", &root()), &["target", "add", self.triple])])?;
        }
        Ok((!self.can_be_built()).then(|| {
            format!("needs Rust's target {} and {} on PATH", self.triple, self.compiler())
        }))
    }

    /// Builds all programs that are shipped, the console inside.
    pub(crate) fn build_all(&self) -> anyhow::Result<Outcome> {
        run_all(["roentgen-daemon", "roentgen-server"].map(|package| {
            let mut build = with_jobs(self.build(package));
            // A server without the console would be a surprise to whoever opens it.
            build.env("CONSOLE", "require");
            build
        }))
    }

    /// Whether all programs that are shipped were built.
    pub(crate) fn is_built(&self) -> bool {
        ["roentgen", "roentgen-daemon"].iter().all(|name| self.program(name).is_file())
    }

    /// The build of one package for it.
    pub(crate) fn build(&self, package: &str) -> Command {
        let variable = self.triple.replace('-', "_");
        let mut build = cargo();
        build.args(["build", "--profile", "dist", "--locked", "--package", package]);
        build.args(["--target", self.triple]).env(format!("CC_{variable}"), self.compiler());
        if !self.is_native() {
            let variable = format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase());
            build.env(variable, self.compiler());
        }
        build
    }

    /// A program that [`Platform::build`] makes.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        target_directory().join(self.triple).join("dist").join(name)
    }
}

/// Whether rustup has a target; a toolchain without rustup has none but its own.
fn has_target(name: &str) -> bool {
    let output = Command::new("rustup").args(["target", "list", "--installed"]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|l| l == name))
}

/// Builds the programs of the architectures named, or of all of them; gives their platforms.
pub(crate) fn build_selected(architectures: &[String]) -> anyhow::Result<Vec<Platform>> {
    let known = PLATFORMS.map(|platform| platform.architecture);
    if let Some(other) = architectures.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("unknown architecture {other:?}; there are {}", known.join(" and "));
    }
    let mut selected = PLATFORMS.to_vec();
    selected.retain(|platform| {
        architectures.is_empty() || architectures.iter().any(|name| name == platform.architecture)
    });
    for platform in &selected {
        if let Some(missing) = platform.missing()? {
            bail!("{}: {missing}", platform.architecture);
        }
        if let Outcome::Failed(why) = platform.build_all()? {
            bail!("{}: {why}", platform.architecture);
        }
    }
    Ok(selected)
}
