//! The checkout this xtask was built in: its root, and the commands that run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// The root directory of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map_or_else(|| xtask.to_path_buf(), Path::to_path_buf)
}

/// The feature that is off by default: it takes longer to compile than all of the store.
pub(crate) const PARQUET: &str = "roentgen-server/parquet";

/// `cargo` of the same toolchain that runs this xtask, in the root directory.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command(cargo, &root())
}

/// Builds the release binary, with the console inside wherever npm can build it, and with all that
/// is left out by default.
///
/// Required rather than hoped for: without this the build goes on without the console when it fails.
pub(crate) fn release_build() -> Command {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "roentgen-server", "--features", PARQUET]);
    if has_program("npm") {
        build.env("CONSOLE", "require");
    }
    build
}

/// Builds a package in the release profile; gives the path of one of its programs.
pub(crate) fn built(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let mut build = match package {
        // With the console.
        "roentgen-server" => release_build(),
        _ => with_arguments(cargo(), &["build", "--release", "--package", package]),
    };
    let status = build.status().context("cargo build cannot be started")?;
    if !status.success() {
        bail!("cargo build --release --package {package}: {status}");
    }
    Ok(release_binary(program))
}

/// Builds an example of a package in the release profile; gives its path.
pub(crate) fn built_example(package: &str, example: &str) -> anyhow::Result<PathBuf> {
    let arguments = ["build", "--release", "--package", package, "--example", example];
    let status = with_arguments(cargo(), &arguments).status();
    let status = status.context("cargo build cannot be started")?;
    if !status.success() {
        bail!("cargo build --release --package {package} --example {example}: {status}");
    }
    Ok(target_directory().join("release").join("examples").join(example))
}

/// A command with more arguments.
pub(crate) fn with_arguments(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

/// A command that runs in `directory`.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory);
    command
}

/// Whether a program of that name is on PATH.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// A program that `cargo build --release` makes.
pub(crate) fn release_binary(program: &str) -> PathBuf {
    target_directory().join("release").join(program)
}

/// Where cargo builds: CARGO_TARGET_DIR, or `target` in the root.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
