//! Rules for single files: a head that says what lives there, a bounded length, no machine's paths.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::workspace::root;

/// Longer files need a reason.
const LINES_LIMIT: usize = 600;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Built, downloaded or not ours to judge.
const IGNORED_DIRECTORIES: &[&str] =
    &[".git", ".venv", "__pycache__", "dist", "node_modules", "roentgen-data", "target"];

/// Sources, whose length is bounded.
const SOURCES: &[&str] = &["css", "go", "java", "js", "mjs", "py", "rs", "ts", "tsx"];

/// Other files people read.
const TEXTS: &[&str] = &["html", "json", "md", "sh", "toml", "txt", "xml", "yaml", "yml"];

/// Directories of the machines this is developed on: a file that names one works nowhere else.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Files every reader looks for.
const REQUIRED: &[&str] = &["ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "README.md"];

/// Every file that breaks a rule.
pub(super) fn faults() -> anyhow::Result<Vec<String>> {
    let root = root();
    let mut faults: Vec<String> = REQUIRED
        .iter()
        .filter(|name| !root.join(name).is_file())
        .map(|name| format!("{name}: missing"))
        .collect();
    for path in readable_files(&root)? {
        // Files vanish while others work in the checkout, and what is not UTF-8 is no text of ours.
        let Ok(content) = fs::read_to_string(&path) else { continue };
        let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy();
        faults.extend(faults_of(&name, &content));
    }
    Ok(faults)
}

fn faults_of(name: &str, content: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let path = Path::new(name);
    if path.extension().is_some_and(|extension| extension == "rs") {
        if !content.starts_with("//!") {
            faults.push(format!("{name}: starts without `//!`; say what lives here and why"));
        }
        if path.file_name().is_some_and(|file| file == "mod.rs") {
            faults.push(format!("{name}: name it like its directory, beside it"));
        }
    }
    let lines = content.lines().count();
    let is_source = has_extension(path, SOURCES);
    if is_source && lines > LINES_LIMIT && !LONG_FILES.iter().any(|(listed, _)| *listed == name) {
        faults.push(format!("{name}: {lines} lines; split it, or list it with a reason"));
    }
    for (idx, line) in content.lines().enumerate() {
        if let Some(found) = MACHINE_PATHS.iter().find(|found| line.contains(**found)) {
            faults.push(format!("{name}:{}: names {found}, which only one machine has", idx + 1));
        }
    }
    faults
}

fn readable_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("{}: cannot be listed", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() {
                let name = entry.file_name();
                if !IGNORED_DIRECTORIES.iter().any(|ignored| name == *ignored) {
                    directories.push(path);
                }
            } else if kind.is_file()
                && (has_extension(&path, SOURCES) || has_extension(&path, TEXTS))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|found| extensions.iter().any(|listed| found == *listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, content: &str, expect: &[&str]) {
        assert_eq!(faults_of(name, content), expect);
    }

    #[test]
    fn rust_files_say_what_they_hold() {
        check("crates/x/src/lib.rs", "//! Holds x.\n", &[]);
        check(
            "crates/x/src/lib.rs",
            "fn main() {}\n",
            &["crates/x/src/lib.rs: starts without `//!`; say what lives here and why"],
        );
        check(
            "crates/x/src/y/mod.rs",
            "//! Y.\n",
            &["crates/x/src/y/mod.rs: name it like its directory, beside it"],
        );
        check("conformance/x.py", "import os\n", &[]);
    }

    #[test]
    fn files_are_short() {
        check("a.ts", &"x\n".repeat(LINES_LIMIT), &[]);
        check(
            "a.ts",
            &"x\n".repeat(LINES_LIMIT + 1),
            &["a.ts: 601 lines; split it, or list it with a reason"],
        );
        check("a.json", &"1\n".repeat(LINES_LIMIT + 1), &[]);
    }

    #[test]
    fn no_file_names_a_machine() {
        let path = MACHINE_PATHS[1];
        let fault = format!("a.md:2: names {path}, which only one machine has");
        check("a.md", &format!("see\n{path}notes\n"), &[&fault]);
    }
}
