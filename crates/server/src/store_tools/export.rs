//! `roentgen store export`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use roentgen_export::{ExportReport, PendingFile, export_lines};
use roentgen_model::Timestamp;
use roentgen_ops::{Clock as _, Environment, SystemClock};
use roentgen_store::{LogReader, TimeRange};

use super::progress::watched;
use super::{config_of, moment, wording};
use crate::cli::{ExportArgs, ExportFormat};
use crate::intake::epoch_time;

pub(super) fn export(args: &ExportArgs, environment: &dyn Environment) -> anyhow::Result<ExitCode> {
    let directory = config_of(&args.directory, environment)?.data_dir;
    let range = range_of(args, epoch_time(SystemClock.now()))?;
    let report = match args.format {
        ExportFormat::JsonLines => lines(&directory, range, &args.output)?,
        ExportFormat::Parquet => tables(&directory, range, args)?,
    };
    let mut told = wording::count(report.documents, "document", "documents");
    if args.format == ExportFormat::Parquet {
        let traces = wording::count(report.traces, "trace", "traces");
        let edges = wording::number(report.edges);
        told += &format!(", {traces}, {edges} rows of edges");
    }
    if report.damaged_stretches > 0 {
        let stretches =
            wording::count(report.damaged_stretches, "damaged stretch", "damaged stretches");
        told += &format!("; {stretches} passed over, see roentgen store check");
    }
    // Standard output may be where the documents go.
    writeln!(std::io::stderr(), "{told} exported")?;
    Ok(ExitCode::SUCCESS)
}

fn range_of(args: &ExportArgs, now: Timestamp) -> anyhow::Result<TimeRange> {
    let bound = |option: &str, text: &Option<String>, absent: Timestamp| match text {
        Some(text) => {
            moment::parse(text, now).map_err(|reason| anyhow::anyhow!("{option}: {reason}"))
        }
        None => Ok(absent),
    };
    let start = bound("--since", &args.since, Timestamp::from_micros(i64::MIN))?;
    let end = bound("--until", &args.until, Timestamp::from_micros(i64::MAX))?;
    if start >= end {
        bail!("--since is not before --until: nothing lies between them");
    }
    Ok(TimeRange { start, end })
}

fn lines(directory: &Path, range: TimeRange, output: &Path) -> anyhow::Result<ExportReport> {
    let total = LogReader::new(directory)?.bytes()?;
    if output == Path::new("-") {
        let out = std::io::stdout;
        return Ok(watched(Some(total), |done| {
            export_lines(directory, range, &mut out().lock(), done)
        })?);
    }
    let name = || output.display().to_string();
    let mut file = PendingFile::create(output).with_context(name)?;
    let report = watched(Some(total), |done| export_lines(directory, range, &mut file, done))?;
    file.finish().with_context(name)?;
    Ok(report)
}

#[cfg(feature = "parquet")]
fn tables(directory: &Path, range: TimeRange, args: &ExportArgs) -> anyhow::Result<ExportReport> {
    let total = LogReader::new(directory)?.bytes()?;
    let export = roentgen_export::TableExport {
        data_directory: directory,
        range,
        target: &args.output,
        work: args.work_dir.as_deref().unwrap_or(&args.output),
    };
    let clock = std::sync::Arc::new(SystemClock);
    Ok(watched(Some(total), |done| roentgen_export::export_tables(&export, clock, done))?)
}

#[cfg(not(feature = "parquet"))]
fn tables(_: &Path, _: TimeRange, _: &ExportArgs) -> anyhow::Result<ExportReport> {
    bail!("this roentgen was built without Parquet; build it with --features parquet")
}
