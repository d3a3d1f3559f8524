//! `roentgen store check`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use roentgen_model::Timestamp;
use roentgen_ops::Environment;
use roentgen_store::{CheckReport, CheckedFile, CheckedSettled, Fault, LogReader, TraceCount};
use serde_json::{Value, json};

use super::progress::watched;
use super::{config_of, moment, tell, wording};
use crate::cli::CheckArgs;

pub(super) fn check(args: &CheckArgs, environment: &dyn Environment) -> anyhow::Result<ExitCode> {
    let directory = config_of(&args.directory, environment)?.data_dir;
    let total = LogReader::new(&directory)?.bytes()?;
    let report = watched(Some(total), |done| roentgen_store::check(&directory, done))?;
    let text = if args.json {
        let json = serde_json::to_string_pretty(&json_of(&report));
        json.context("write the report as JSON")? + "\n"
    } else {
        text_of(&report)
    };
    tell(&text)?;
    Ok(if report.faults_total == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text_of(report: &CheckReport) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for file in &report.files {
        let _ = writeln!(text, "{}", line_of(file));
    }
    let _ = writeln!(text, "{}", sum_of(report));
    let _ = writeln!(text, "{}", settled_of(&report.settled));
    for Fault { path, offset, kind } in &report.faults {
        let offset = offset.map(|offset| format!(" at {offset}")).unwrap_or_default();
        let _ = writeln!(text, "damaged: {}{offset}: {kind}", path.display());
    }
    let untold = report.faults_total - report.faults.len() as u64;
    if untold > 0 {
        let _ = writeln!(text, "and {} more", wording::number(untold));
    }
    let _ = match report.faults_total {
        0 => writeln!(text, "Sound: everything was read, and nothing is damaged"),
        faults => writeln!(text, "{} found", wording::count(faults, "fault", "faults")),
    };
    text
}

fn line_of(file: &CheckedFile) -> String {
    let version = file.version.map_or("no header".to_owned(), |version| format!("v{version}"));
    let mut line = format!(
        "{}  {version}  {:>10}  {:>20}",
        file.path.display(),
        wording::bytes(file.bytes),
        wording::count(file.documents, "document", "documents")
    );
    if let Some((oldest, newest)) = file.received {
        let _ = write!(line, "  {} to {}", moment::display(oldest), moment::display(newest));
    }
    if file.unfinished_bytes > 0 {
        let unfinished = wording::bytes(file.unfinished_bytes);
        let _ = write!(line, "  ({unfinished} of an unfinished write at the end)");
    }
    line
}

fn sum_of(report: &CheckReport) -> String {
    let traces = match report.traces {
        TraceCount::Exactly(count) => wording::count(count, "trace", "traces"),
        TraceCount::About(count) => format!("about {} traces", wording::number(count)),
    };
    let mut sum = format!(
        "{}, {}: {} of {traces}",
        wording::count(report.files.len() as u64, "log file", "log files"),
        wording::bytes(report.log_bytes()),
        wording::count(report.documents(), "document", "documents"),
    );
    if let Some(stored) = report.log_bytes().checked_div(report.documents()) {
        let sent = report.document_bytes() / report.documents();
        let _ = write!(sum, "; a document of {sent} bytes takes {stored} on average");
    }
    sum
}

fn settled_of(settled: &CheckedSettled) -> String {
    format!(
        "{}, {}: {}; {} of open traces, which the next start reads",
        wording::count(settled.files, "settled file", "settled files"),
        wording::bytes(settled.bytes),
        wording::count(settled.documents, "document", "documents"),
        wording::count(settled.open_documents, "document", "documents"),
    )
}

fn json_of(report: &CheckReport) -> Value {
    let (traces, is_exact) = match report.traces {
        TraceCount::Exactly(count) => (count, true),
        TraceCount::About(count) => (count, false),
    };
    json!({
        "sound": report.faults_total == 0,
        "documents": report.documents(),
        "document_bytes": report.document_bytes(),
        "traces": traces,
        "traces_exact": is_exact,
        "log_bytes": report.log_bytes(),
        "settled_files": report.settled.files,
        "settled_bytes": report.settled.bytes,
        "settled_documents": report.settled.documents,
        "open_documents": report.settled.open_documents,
        "log_files": report.files.iter().map(json_of_file).collect::<Vec<_>>(),
        "faults_total": report.faults_total,
        "faults": report.faults.iter().map(json_of_fault).collect::<Vec<_>>(),
    })
}

fn json_of_file(file: &CheckedFile) -> Value {
    json!({
        "path": file.path.display().to_string(),
        "version": file.version,
        "bytes": file.bytes,
        "documents": file.documents,
        "document_bytes": file.document_bytes,
        "oldest": file.received.map(|(oldest, _)| oldest).map(Timestamp::as_seconds),
        "newest": file.received.map(|(_, newest)| newest).map(Timestamp::as_seconds),
        "unfinished_bytes": file.unfinished_bytes,
    })
}

fn json_of_fault(fault: &Fault) -> Value {
    json!({
        "path": fault.path.display().to_string(),
        "offset": fault.offset,
        "reason": fault.kind.to_string(),
    })
}
