//! `cargo xtask tidy`: rules of the house that no compiler knows. Also a test of this crate.

mod arrows;
mod files;

use std::process::ExitCode;

/// Prints every fault; fails when there is one.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    if let Some(argument) = arguments.first() {
        anyhow::bail!("tidy takes no arguments, got {argument:?}");
    }
    let faults = faults()?;
    for fault in &faults {
        println!("{fault}");
    }
    println!("tidy: {} faults", faults.len());
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that is against the rules, each as one line that says what to do.
pub(crate) fn faults() -> anyhow::Result<Vec<String>> {
    let mut faults = arrows::faults()?;
    faults.extend(files::faults()?);
    Ok(faults)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_is_tidy() {
        let faults = super::faults().expect("the checkout can be read");
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}
