//! A line of the log: time, level, message, and what is told besides.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use serde::Serializer as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::logging::stamp::Stamp;

/// The name of the field that the text of a log call becomes.
const MESSAGE: &str = "message";

#[derive(Debug, Default)]
struct Scratch {
    stamp: Stamp,
    bytes: Vec<u8>,
}

thread_local! {
    /// What a thread writes its lines with, so that a line needs no memory of its own.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Makes the line of an event, with its line break, and hands it to `take`.
pub(super) fn with_line(event: &Event<'_>, now: SystemTime, json: bool, take: impl FnOnce(&[u8])) {
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => take(scratch.fill(event, now, json)),
        // A value that logs while it is being logged.
        Err(_) => take(Scratch::default().fill(event, now, json)),
    });
}

/// The line of an error from before logging has begun.
pub(crate) fn error_line(now: SystemTime, message: &str) -> String {
    format!("{} [Error] {message}\n", Stamp::default().of(now))
}

impl Scratch {
    fn fill(&mut self, event: &Event<'_>, now: SystemTime, json: bool) -> &[u8] {
        let Self { stamp, bytes } = self;
        bytes.clear();
        let level = level_name(event.metadata().level());
        if json {
            bytes.extend_from_slice(b"{\"time\":\"");
            bytes.extend_from_slice(stamp.of(now).as_bytes());
            bytes.extend_from_slice(b"\",\"level\":\"");
            bytes.extend(level.bytes().map(|byte| byte.to_ascii_lowercase()));
            bytes.push(b'"');
            event.record(&mut JsonFields(bytes));
            bytes.push(b'}');
        } else {
            bytes.extend_from_slice(stamp.of(now).as_bytes());
            bytes.extend_from_slice(b" [");
            bytes.extend_from_slice(level.as_bytes());
            bytes.extend_from_slice(b"] ");
            event.record(&mut TextMessage(bytes));
            event.record(&mut TextFields(bytes));
        }
        bytes.push(b'\n');
        bytes
    }
}

/// Levels as the official daemon prints them.
fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::TRACE => "Trace",
        Level::DEBUG => "Debug",
        Level::INFO => "Info",
        Level::WARN => "Warn",
        Level::ERROR => "Error",
    }
}

/// Text that stays on one line and does not steer a terminal: messages repeat what strangers sent,
/// and every line of a log is a record that somebody pays for.
struct OneLine<'a>(&'a mut Vec<u8>);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let steers = |c: char| c.is_control() && c != '\t';
        for piece in text.split_inclusive(steers) {
            match piece.char_indices().next_back().filter(|(_, last)| steers(*last)) {
                Some((end, last)) => {
                    self.0.extend_from_slice(piece.as_bytes().get(..end).unwrap_or_default());
                    self.0.extend(last.escape_default().filter_map(|c| u8::try_from(c).ok()));
                }
                None => self.0.extend_from_slice(piece.as_bytes()),
            }
        }
        Ok(())
    }
}

/// Writes the message alone.
struct TextMessage<'a>(&'a mut Vec<u8>);

impl Visit for TextMessage<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            // Writing to memory does not fail, and a value that cannot be written is left out.
            let _ = write!(OneLine(self.0), "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Writes all but the message, each as ` name=value`.
struct TextFields<'a>(&'a mut Vec<u8>);

impl Visit for TextFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != MESSAGE {
            let _ = write!(OneLine(self.0), " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '"') {
            self.record_debug(field, &value);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }
}

/// Writes all as members of the object that was begun.
struct JsonFields<'a>(&'a mut Vec<u8>);

impl JsonFields<'_> {
    fn member(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        self.name(field);
        // Writing to memory does not fail, and neither do numbers and texts.
        let _ = serde_json::to_writer(&mut *self.0, value);
    }

    fn name(&mut self, field: &Field) {
        self.0.push(b',');
        let _ = serde_json::to_writer(&mut *self.0, field.name());
        self.0.push(b':');
    }
}

impl Visit for JsonFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        let _ = serde_json::Serializer::new(&mut *self.0).collect_str(&format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, &value);
    }
}
