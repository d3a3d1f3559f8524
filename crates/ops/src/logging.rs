//! Logs: one line per event on standard error.

use std::fmt;
use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// What a person wants to read: a level, or `tracing` directives such as
/// `info,roentgen_store=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

/// Text that is neither a level nor a list of directives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "log level {0:?} is not known; expected error, warn, info, debug, trace or off, or directives such as info,roentgen_store=debug"
)]
pub struct LogLevelError(String);

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
#[error("start logging: {0}")]
pub struct LoggingError(String);

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = LogLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let fail = || LogLevelError(text.to_owned());
        if text.is_empty() {
            return Err(fail());
        }
        // A lone unknown word would be taken for the name of a crate and silence everything.
        let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_level = text.parse::<tracing::level_filters::LevelFilter>().is_ok();
        if is_word && !is_level {
            return Err(fail());
        }
        EnvFilter::builder().parse(text).map_err(|_| fail())?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sends the events of the whole process to standard error from now on, in colour when that is a
/// terminal.
///
/// # Errors
/// When logging was started before.
pub fn start_logging(level: &LogLevel) -> Result<(), LoggingError> {
    let filter = EnvFilter::builder().parse(&level.0).map_err(|e| LoggingError(e.to_string()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|e| LoggingError(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let check = |text: &str, ok: bool| {
            assert_eq!(text.parse::<LogLevel>().is_ok(), ok, "{text:?}");
        };
        check("info", true);
        check(" DEBUG ", true);
        check("off", true);
        check("warn,roentgen_store=trace", true);
        check("verbose", false);
        check("", false);
        check("roentgen_store=loud", false);
    }
}
