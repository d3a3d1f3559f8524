//! Where and of what figures were measured.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::json::{member, text};
use crate::workspace::{command, root, target_directory};

/// Machine, commit and date.
pub(super) fn describe(binary: &Path) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!({
        "cpu": line_of("/proc/cpuinfo", "model name").unwrap_or_default(),
        "cores": cores,
        "memory": line_of("/proc/meminfo", "MemTotal").unwrap_or_default(),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "filesystem": filesystem(&target_directory()).unwrap_or_default(),
        "load": loads.split(' ').next(),
        "version": output_of(&binary.to_string_lossy(), &["--version"]),
        "commit": output_of("git", &["describe", "--always", "--dirty"]),
        "date": output_of("date", &["--utc", "+%Y-%m-%d"]),
    })
}

/// The head of the page.
pub(super) fn markdown(run: &Value) -> String {
    format!(
        "{}, {} cores, {} of memory, Linux {}, {}, load average {} before; {} ({}), {}",
        text(run, "cpu"),
        member(run, "cores"),
        text(run, "memory"),
        text(run, "kernel"),
        text(run, "filesystem"),
        text(run, "load"),
        text(run, "version"),
        text(run, "commit"),
        text(run, "date"),
    )
}

/// The value of a line `name : value`.
fn line_of(file: &str, name: &str) -> Option<String> {
    let content = std::fs::read_to_string(file).ok()?;
    let line = content.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Type of the file system that has a directory, from the mount with the longest path above it.
fn filesystem(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (_, path, kind) = (fields.next()?, PathBuf::from(fields.next()?), fields.next()?);
        directory.starts_with(&path).then(|| (path, kind.to_owned()))
    });
    mounts.max_by_key(|(path, _)| path.as_os_str().len()).map(|(_, kind)| kind)
}

/// The first line a program prints; nothing when it cannot be run.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = command(program, &root()).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}
