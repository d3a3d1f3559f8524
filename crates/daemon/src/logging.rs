//! Log lines as the official daemon writes them, `<time> [Level] message`, to standard output or
//! to a file; or as JSON objects.
//!
//! Our own `tracing` subscriber instead of one put together from `tracing-subscriber`: the format
//! is fixed, there are no spans and no directives, and what is not logged costs one comparison.

mod file;
mod level;
mod line;
mod output;
mod stamp;

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roentgen_ops::Clock;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::logging::file::LogFile;
pub(crate) use crate::logging::level::level_of;
pub(crate) use crate::logging::line::error_line;
use crate::logging::output::Output;
use crate::settings::{LogLevel, LogSettings};

/// How long the end of the process waits for whoever reads the log and has not read all of it.
const MOST_WAIT_AT_END: Duration = Duration::from_millis(500);

/// There is no log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    /// Logging was started before.
    #[error("start logging: {0}")]
    Started(#[from] tracing::subscriber::SetGlobalDefaultError),
    /// The process has no file descriptors left.
    #[error("start logging to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Sends the events of the whole process where the settings say, from now on. A file that cannot be
/// opened is told on standard error, and the lines go to standard output; the official daemon runs
/// on without any log then.
///
/// # Errors
/// When logging was started before, or there is nowhere to write to.
pub(crate) fn start(settings: &LogSettings, clock: Arc<dyn Clock>) -> Result<(), LoggingError> {
    let (sink, problem) = Sink::open(settings)?;
    if let Some(problem) = problem {
        tell_standard_error(&*clock, &problem);
    }
    tracing::subscriber::set_global_default(Logger::new(settings, sink, clock))?;
    Ok(())
}

/// Waits for lines that are still to be written, but not for long: the process ends.
pub(crate) fn finish() {
    tracing::dispatcher::get_default(|dispatch| {
        if let Some(Sink::Output(output)) = dispatch.downcast_ref().map(|it: &Logger| &it.sink) {
            output.finish(MOST_WAIT_AT_END);
        }
    });
}

/// Where lines go.
#[derive(Debug)]
enum Sink {
    /// Standard output.
    Output(Output),
    /// One write call is all that happens inside the lock.
    File(Mutex<LogFile>),
    #[cfg(test)]
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl Sink {
    /// The sink of the settings, or standard output and what is wrong with the file.
    fn open(settings: &LogSettings) -> io::Result<(Self, Option<String>)> {
        let standard = || Output::standard().map(Self::Output);
        let Some(path) = &settings.file else { return Ok((standard()?, None)) };
        match LogFile::open(path, settings.rotation.then_some(file::MOST_BYTES)) {
            Ok(file) => Ok((Self::File(Mutex::new(file)), None)),
            Err(error) => {
                let path = path.display();
                let problem = format!("open log file {path}: {error}; logging to standard output");
                Ok((standard()?, Some(problem)))
            }
        }
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Output(output) => output.write(line),
            // A file that a thread left in the middle of a write is still a file.
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write(line),
            #[cfg(test)]
            Self::Memory(bytes) => bytes.lock().unwrap().write_all(line),
        }
    }
}

/// Turns events into lines.
#[derive(Debug)]
struct Logger {
    most: LevelFilter,
    json: bool,
    sink: Sink,
    clock: Arc<dyn Clock>,
    /// Whether it was told already that lines cannot be written.
    failed: std::sync::atomic::AtomicBool,
}

impl Logger {
    fn new(settings: &LogSettings, sink: Sink, clock: Arc<dyn Clock>) -> Self {
        let most = match settings.level {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
        };
        Self { most, json: settings.json, sink, clock, failed: false.into() }
    }
}

impl Subscriber for Logger {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    /// Events of ours. Libraries log what the official daemon's do not, up to whole requests.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= self.most
            && metadata.target().starts_with("roentgen")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn event(&self, event: &Event<'_>) {
        line::with_line(event, self.clock.now(), self.json, |line| {
            let Err(error) = self.sink.write(line) else { return };
            if !self.failed.swap(true, std::sync::atomic::Ordering::Relaxed) {
                tell_standard_error(&*self.clock, &format!("write log: {error}"));
            }
        });
    }

    // No span is ever enabled, so these are not called, but for the ids that must be given.

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What cannot be told in the log. Nobody is left to tell when standard error is closed.
fn tell_standard_error(clock: &dyn Clock, message: &str) {
    let _ = io::stderr().write_all(error_line(clock.now(), message).as_bytes());
}

#[cfg(test)]
mod tests;
