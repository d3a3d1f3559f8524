//! `roentgen store import`.

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use roentgen_export::{ImportEvent, ImportReport};
use roentgen_ops::{Clock as _, Environment, SystemClock};
use roentgen_store::{EmbeddedStore, StoreOptions, TraceStore as _};

use super::progress::watched;
use super::{config_of, tell, wording};
use crate::cli::ImportArgs;
use crate::intake::epoch_time;

/// Refused lines of a file that are told one by one; all are counted.
const MAX_TOLD_LINES: u64 = 100;

/// Bytes read of a file at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Gives a failure's code when documents were refused; the others are imported all the same.
pub(super) fn import(args: &ImportArgs, environment: &dyn Environment) -> anyhow::Result<ExitCode> {
    let config = config_of(&args.directory, environment)?;
    // What comes in may be older than what is kept; the server, not the import, drops it.
    let options = StoreOptions { is_retention_paused: true, ..config.store_options() };
    let store = EmbeddedStore::open(options, Arc::new(SystemClock))?;
    let mut refused = 0;
    for input in &args.inputs {
        let report = import_file(&store, input)?;
        tell(&told(input, &report, &config.data_dir))?;
        refused += report.refused;
    }
    store.close();
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn import_file(store: &EmbeddedStore, input: &Path) -> anyhow::Result<ImportReport> {
    let name = || input.display().to_string();
    let (reader, total): (Box<dyn Read + Send>, _) = if input == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(input).with_context(name)?;
        let total = file.metadata().with_context(name)?.len();
        (Box::new(file), Some(total))
    };
    let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
    let now = epoch_time(SystemClock.now());
    watched(total, |done| {
        roentgen_export::import(reader, store, now, &mut |event| tell_event(input, event, done))
    })
    .with_context(name)
}

fn tell_event(input: &Path, event: ImportEvent<'_>, done: &AtomicU64) {
    match event {
        ImportEvent::Progress(report) => done.store(report.bytes, Ordering::Relaxed),
        ImportEvent::Refused { line, reason, refused } => {
            // Nobody is left to tell when standard error is closed.
            let mut errors = io::stderr();
            let _ = match refused {
                1..=MAX_TOLD_LINES => writeln!(errors, "{}:{line}: {reason}", input.display()),
                refused if refused == MAX_TOLD_LINES + 1 => {
                    writeln!(errors, "{}: more lines are refused", input.display())
                }
                _ => Ok(()),
            };
        }
    }
}

fn told(input: &Path, report: &ImportReport, data_directory: &Path) -> String {
    let mut told = format!(
        "{}: {} imported into {}",
        input.display(),
        wording::count(report.documents, "document", "documents"),
        data_directory.display()
    );
    if report.refused > 0 {
        told += &format!(", {} refused", wording::number(report.refused));
    }
    if report.inferred > 0 {
        let inferred = wording::count(report.inferred, "inferred segment", "inferred segments");
        told += &format!(", {inferred} left out");
    }
    told + "\n"
}
