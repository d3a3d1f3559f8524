//! Names of log levels.

use crate::settings::LogLevel;

impl LogLevel {
    /// The level of a name; `None` for any other, in particular for one in capitals.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dev" => Self::Trace,
            "debug" => Self::Debug,
            "info" | "prod" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            _ => return None,
        })
    }
}

/// The level that counts, and the name that was not known, if any. `asked` is what the flag says,
/// else the file. This is the official daemon's way with unknown names: one in the file logs
/// everything, one on the command line leaves it at what the file says.
pub(crate) fn level_of<'a>(
    asked: Option<&'a str>,
    of_file: Option<&'a str>,
) -> (LogLevel, Option<&'a str>) {
    let unknown = |name: &&str| LogLevel::named(name).is_none();
    let level = asked.and_then(LogLevel::named).unwrap_or_else(|| match of_file {
        Some(name) => LogLevel::named(name).unwrap_or(LogLevel::Trace),
        None => LogLevel::Info,
    });
    (level, asked.filter(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let check = |asked: Option<&str>,
                     of_file: Option<&str>,
                     expect: LogLevel,
                     unknown: Option<&str>| {
            assert_eq!(
                level_of(asked.or(of_file), of_file),
                (expect, unknown),
                "{asked:?} {of_file:?}"
            );
        };
        check(None, None, LogLevel::Info, None);
        check(Some("prod"), None, LogLevel::Info, None);
        check(Some("dev"), None, LogLevel::Trace, None);
        check(Some("debug"), None, LogLevel::Debug, None);
        check(Some("info"), None, LogLevel::Info, None);
        check(Some("warn"), None, LogLevel::Warn, None);
        check(Some("error"), None, LogLevel::Error, None);
        check(None, Some("warn"), LogLevel::Warn, None);
        check(Some("error"), Some("debug"), LogLevel::Error, None);
        check(Some("prod"), Some("debug"), LogLevel::Info, None);
        check(Some("loud"), Some("debug"), LogLevel::Debug, Some("loud"));
        check(Some("loud"), None, LogLevel::Info, Some("loud"));
        check(None, Some("loud"), LogLevel::Trace, Some("loud"));
        check(Some("loud"), Some("loud"), LogLevel::Trace, Some("loud"));
        check(Some("loud"), Some("noisy"), LogLevel::Trace, Some("loud"));
        check(Some("warn"), Some("noisy"), LogLevel::Warn, None);
        check(Some("WARN"), None, LogLevel::Info, Some("WARN"));
    }
}
