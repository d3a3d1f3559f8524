//! What a step needs on the machine: found, installed where we may, or said to be missing.

use std::path::PathBuf;

use anyhow::Context as _;

use super::commands::run_all;
use super::outcome::Outcome;
use crate::workspace::{command, has_program, root, target_directory, with_arguments};

/// Installs Debian packages when one of these programs is missing, where this machine is a Debian and
/// we may install.
///
/// Where it is not, nothing happens here: the step then says what is missing. A package that is named like
/// a program that is there stays out of it: the program may come from elsewhere, as Docker's runc does.
pub(crate) fn apt_install(programs: &[&str], packages: &[&str]) -> anyhow::Result<()> {
    let may_install = has_program("apt-get") && is_root();
    if missing(programs).is_empty() || !may_install {
        return Ok(());
    }
    let apt = |arguments: &[&str]| {
        let mut apt = with_arguments(command("apt-get", &root()), arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    let packages = self::missing(packages);
    let outcome = run_all([apt(&["update", "--quiet"]), apt(&[&install[..], &packages].concat())])?;
    if let Outcome::Failed(why) = outcome {
        println!("{} was not installed: {why}", packages.join(", "));
    }
    Ok(())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // The owner of our own process entry is the effective user; std has no other way to ask.
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// The interpreter of the virtual environment `target/NAME/venv`, with exactly the packages of these
/// requirements files, whose paths begin at the root.
pub(crate) fn virtual_environment(name: &str, requirements: &[&str]) -> anyhow::Result<PathBuf> {
    let directory = target_directory().join(name).join("venv");
    let python = directory.join("bin").join("python");
    let installed = directory.join("installed-requirements.txt");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let mut install = with_arguments(command(&python, &root()), &install);
    let mut wanted = Vec::new();
    for file in requirements {
        let path = root().join(file);
        let content =
            std::fs::read(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        wanted.extend(content);
        install.arg("--requirement").arg(path);
    }
    if python.is_file() && std::fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    let mut create = command("python3", &root());
    create.args(["-m", "venv", "--clear"]).arg(&directory);
    match run_all([create, install])? {
        Outcome::Passed => std::fs::write(&installed, wanted)
            .with_context(|| format!("{}: cannot be written", installed.display()))?,
        other => anyhow::bail!("virtual environment {}: {other:?}", directory.display()),
    }
    Ok(python)
}

/// What to answer when one of these programs is not on PATH.
pub(crate) fn missing_programs(names: &[&str]) -> Option<Outcome> {
    let missing = missing(names);
    (!missing.is_empty()).then(|| lacking(&format!("not on PATH: {}", missing.join(", "))))
}

/// Those of the programs that are not on PATH.
pub(crate) fn missing<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| !has_program(name)).collect()
}

/// Skipped on a developer's machine, failed where everything is promised to be there.
pub(crate) fn lacking(what: &str) -> Outcome {
    if std::env::var("CI").is_ok_and(|ci| ci == "true") {
        Outcome::Failed(what.to_owned())
    } else {
        Outcome::Skipped(what.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_which_programs_are_missing() {
        assert_eq!(missing(&["sh", "roentgen-no-such-program"]), ["roentgen-no-such-program"]);
        assert_eq!(missing_programs(&["sh"]), None);
    }
}
