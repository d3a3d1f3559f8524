//! Tests of what events become lines, and of the lines.

use std::cell::Cell;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use roentgen_ops::ManualClock;

use super::*;
use crate::settings::BufferMemory;

fn settings(level: LogLevel, json: bool) -> LogSettings {
    LogSettings { level, file: None, rotation: true, json }
}

/// What `log` logs, without the time that each line begins with.
fn lines(level: LogLevel, json: bool, log: impl FnOnce()) -> Vec<String> {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_335_691);
    let clock = Arc::new(ManualClock::starting_at(now));
    let logger = Logger::new(&settings(level, json), Sink::Memory(Arc::clone(&bytes)), clock);
    tracing::subscriber::with_default(logger, log);
    let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| without_time(line, now, json)).collect()
}

fn without_time(line: &str, now: SystemTime, json: bool) -> String {
    if json {
        let mut object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        let time = object.remove("time").unwrap();
        assert_eq!(parse_time(time.as_str().unwrap()), now);
        return serde_json::to_string(&object).unwrap();
    }
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!(parse_time(time), now);
    rest.to_owned()
}

/// The time zone is that of the machine, so only the instant is known.
fn parse_time(text: &str) -> SystemTime {
    text.parse::<Timestamp>().unwrap().into()
}

fn log_all_levels() {
    tracing::trace!("t");
    tracing::debug!("d");
    tracing::info!("i");
    tracing::warn!("w");
    tracing::error!("e");
}

#[test]
fn levels() {
    let all = ["[Trace] t", "[Debug] d", "[Info] i", "[Warn] w", "[Error] e"];
    let check = |level: LogLevel, count: usize| {
        assert_eq!(lines(level, false, log_all_levels), all[all.len() - count..], "{level:?}");
    };
    check(LogLevel::Trace, 5);
    check(LogLevel::Debug, 4);
    check(LogLevel::Info, 3);
    check(LogLevel::Warn, 2);
    check(LogLevel::Error, 1);
}

#[test]
fn text() {
    let check = |log: fn(), expect: &str| assert_eq!(lines(LogLevel::Trace, false, log), [expect]);
    check(
        || tracing::info!("Successfully sent batch of {} segments ({:.3} seconds)", 3, 0.0021),
        "[Info] Successfully sent batch of 3 segments (0.002 seconds)",
    );
    check(|| tracing::debug!("Using proxy address: "), "[Debug] Using proxy address: ");
    check(
        || {
            tracing::warn!(
                count = 2_u64,
                name = "a",
                said = "b c",
                share = 0.5,
                ok = true,
                none = "",
                "lost"
            )
        },
        "[Warn] lost count=2 name=a said=\"b c\" share=0.5 ok=true none=\"\"",
    );
    let error = io::Error::other("broken");
    let log = || tracing::error!(%error, debug = ?Some(1), "failed");
    assert_eq!(lines(LogLevel::Trace, false, log), ["[Error] failed error=broken debug=Some(1)"]);
}

#[test]
fn json() {
    let check = |log: fn(), expect: &str| assert_eq!(lines(LogLevel::Trace, true, log), [expect]);
    check(|| tracing::info!("a \"b\"\n"), r#"{"level":"info","message":"a \"b\"\n"}"#);
    check(
        || {
            tracing::warn!(
                count = 2_u64,
                below = -1_i64,
                share = 0.5,
                ok = true,
                name = "é\u{1}",
                "lost"
            )
        },
        r#"{"below":-1,"count":2,"level":"warn","message":"lost","name":"é\u0001","ok":true,"share":0.5}"#,
    );
    check(
        || tracing::error!(debug = ?Some("x"), "failed"),
        r#"{"debug":"Some(\"x\")","level":"error","message":"failed"}"#,
    );
}

#[test]
fn an_event_is_one_line_and_does_not_steer_the_terminal() {
    let datagram = "x\r\n2026-11-22T08:21:31Z [Error] forged\u{1b}[2J\u{85}\ty é";
    let log = || tracing::warn!(said = datagram, "Missing header: {datagram}");
    let escaped = r"x\r\n2026-11-22T08:21:31Z [Error] forged\u{1b}[2J\u{85}";
    assert_eq!(
        lines(LogLevel::Info, false, log),
        [format!("[Warn] Missing header: {escaped}\ty é said=\"{escaped}\\ty é\"")]
    );
}

#[test]
fn the_memory_of_a_container_is_told() {
    let check = |control_group_megabytes: Option<u64>, expect: &str| {
        let memory = BufferMemory { megabytes: 64, control_group_megabytes };
        let logged = lines(LogLevel::Info, false, || memory.announce().unwrap());
        assert_eq!(logged, [expect, "[Info] 1024 segment buffers allocated"]);
    };
    check(None, "[Info] Using buffer memory limit of 64 MB");
    check(Some(256), "[Info] Using buffer memory limit of 64 MB container_limit_mb=256");
}

#[test]
fn libraries_and_spans_are_not_logged() {
    let log = || {
        tracing::error!(target: "hyper::client", "not ours");
        let _span = tracing::info_span!("span").entered();
        tracing::info!(target: "roentgen_sigv4", "ours");
    };
    assert_eq!(lines(LogLevel::Trace, false, log), ["[Info] ours"]);
}

#[test]
fn nothing_is_computed_for_levels_that_are_off() {
    struct Counted<'a>(&'a Cell<u32>);
    impl fmt::Display for Counted<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            f.write_str("counted")
        }
    }
    let shown = Cell::new(0);
    let log = || {
        tracing::debug!("{}", Counted(&shown));
        tracing::info!("{}", Counted(&shown));
    };
    assert_eq!(lines(LogLevel::Info, false, log), ["[Info] counted"]);
    assert_eq!(shown.get(), 1);
}

#[test]
fn a_value_may_log_while_it_is_logged() {
    struct Talkative;
    impl fmt::Display for Talkative {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            // The dispatcher drops what an event logs; the line that was begun must survive it.
            tracing::info!("inner");
            f.write_str("outer")
        }
    }
    let lines = lines(LogLevel::Info, false, || tracing::info!("{}", Talkative));
    assert_eq!(lines.last().map(String::as_str), Some("[Info] outer"));
}

#[test]
fn lines_go_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let settings = LogSettings { file: Some(path.clone()), ..settings(LogLevel::Info, false) };
    let (sink, problem) = Sink::open(&settings).unwrap();
    assert_eq!(problem, None);
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    tracing::subscriber::with_default(Logger::new(&settings, sink, clock), || {
        tracing::info!("Got shutdown signal: terminated");
    });
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with(" [Info] Got shutdown signal: terminated\n"), "{text:?}");
}

#[test]
fn without_the_file_lines_go_to_standard_output() {
    let file = Some(PathBuf::from("/nonexistent/x.log"));
    let (sink, problem) =
        Sink::open(&LogSettings { file, ..settings(LogLevel::Info, false) }).unwrap();
    assert!(matches!(sink, Sink::Output(_)), "{sink:?}");
    assert_eq!(
        problem.as_deref(),
        Some(
            "open log file /nonexistent/x.log: No such file or directory (os error 2); logging to standard output"
        )
    );
}

#[test]
fn an_error_before_logging() {
    let line = error_line(SystemTime::UNIX_EPOCH, "Foo flag is invalid.");
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!(parse_time(time), SystemTime::UNIX_EPOCH);
    assert_eq!(rest, "[Error] Foo flag is invalid.\n");
}
