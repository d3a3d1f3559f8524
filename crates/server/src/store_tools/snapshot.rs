//! `roentgen store snapshot`.

use std::process::ExitCode;

use roentgen_ops::Environment;

use super::{config_of, tell, wording};
use crate::cli::SnapshotArgs;

pub(super) fn snapshot(
    args: &SnapshotArgs,
    environment: &dyn Environment,
) -> anyhow::Result<ExitCode> {
    let directory = config_of(&args.directory, environment)?.data_dir;
    let report = roentgen_store::snapshot(&directory, &args.target)?;
    tell(&format!(
        "{}: {} of {}, {} of them shared with the original, {} copied; {}\n",
        args.target.display(),
        wording::count(report.log_files, "log file", "log files"),
        wording::bytes(report.log_bytes),
        wording::number(report.linked_files),
        wording::bytes(report.copied_bytes),
        wording::count(report.settled_files, "settled file", "settled files"),
    ))?;
    Ok(ExitCode::SUCCESS)
}
