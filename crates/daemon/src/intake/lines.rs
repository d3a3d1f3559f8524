//! What is logged about datagrams that are not taken: the official daemon's lines, but not without
//! limit. It writes one or two for each datagram, however many there are and however long.

use std::borrow::Cow;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use roentgen_ops::HeldBack;
use roentgen_protocol::DatagramFault;

/// Refused datagrams that are told in a minute; of the others it is told how many they were. Who
/// looks for the sender of bad ones needs a few to see it.
const MOST_REFUSED: u32 = 100;
const REFUSED_PERIOD: Duration = Duration::from_secs(60);

/// How often it is told that memory is full, and how many documents were dropped since.
const DROPPED_PERIOD: Duration = Duration::from_secs(1);

/// Bytes of a datagram that are shown. A proper header has some thirty.
const MOST_SHOWN: usize = 1_024;

/// Decides what is logged.
#[derive(Debug)]
pub(super) struct Lines {
    refused: Mutex<Refused>,
    held_back: HeldBack,
}

/// Refused datagrams of this period.
#[derive(Debug, Default)]
struct Refused {
    until: Option<Instant>,
    told: u32,
    held_back: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { refused: Mutex::default(), held_back: HeldBack::new(DROPPED_PERIOD) }
    }
}

impl Lines {
    /// A datagram was refused for its header.
    pub(super) fn refused(&self, fault: DatagramFault, datagram: &[u8], now: Instant) {
        let Some(held_back) = self.is_told(now) else { return };
        // A number of none is not shown.
        let held_back = (held_back > 0).then_some(held_back);
        let header = datagram.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let header = shown(header);
        match fault {
            DatagramFault::Empty => {}
            DatagramFault::MissingHeader => {
                tracing::warn!(held_back, "Missing header: {header}");
                tracing::warn!("Missing header or segment: {header}");
            }
            DatagramFault::MissingDocument => {
                tracing::warn!(held_back, "Missing header or segment: {header}");
            }
            DatagramFault::InvalidHeader => {
                tracing::warn!(held_back, "Invalid header: {header}");
            }
        }
    }

    /// A document was dropped, as memory is full.
    pub(super) fn no_memory(&self, now: Instant) {
        if let Some(held_back) = self.held_back.admit("no_memory", now) {
            let held_back = (held_back > 0).then_some(held_back);
            tracing::debug!("Pool does not have any buffer.");
            tracing::warn!(held_back, "Segment dropped. Consider increasing memory limit");
        }
    }

    /// The socket failed.
    pub(super) fn failed(&self, error: &io::Error, now: Instant) {
        if let Some(held_back) = self.held_back.admit("failed", now) {
            let held_back = (held_back > 0).then_some(held_back);
            tracing::error!(held_back, "daemon: net: err: {error}");
        }
    }

    /// Whether the next refused datagram is told: then how many were not since the last one.
    fn is_told(&self, now: Instant) -> Option<u64> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.until.is_none_or(|until| now >= until) {
            refused.until = Some(now + REFUSED_PERIOD);
            refused.told = 0;
        }
        if refused.told >= MOST_REFUSED {
            refused.held_back += 1;
            return None;
        }
        refused.told += 1;
        Some(std::mem::take(&mut refused.held_back))
    }
}

/// The beginning of what was sent, on one line whatever it is.
fn shown(bytes: &[u8]) -> Cow<'_, str> {
    let beginning = bytes.get(..MOST_SHOWN).unwrap_or(bytes);
    let text = String::from_utf8_lossy(beginning);
    if beginning.len() == bytes.len() && !text.contains(char::is_control) {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if beginning.len() < bytes.len() {
        line.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use roentgen_ops::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn what_is_shown_is_short_and_on_one_line() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(shown(bytes), expect);
        check(b"{\"format\":\"xml\"}", "{\"format\":\"xml\"}");
        check(b"", "");
        check(b"\xffa\r\x1b[0m", "\u{fffd}a\\r\\u{1b}[0m");
        check("é".as_bytes(), "é");
        let long = "x".repeat(MOST_SHOWN);
        check(long.as_bytes(), &long);
        check(&[b'x'; 2_000], &format!("{long}… (2000 bytes)"));
    }

    #[test]
    fn refused_datagrams_are_told_up_to_a_limit() {
        let lines = Lines::default();
        let start = SystemClock.instant();
        for _ in 0..MOST_REFUSED {
            assert_eq!(lines.is_told(start), Some(0));
        }
        assert_eq!(lines.is_told(start), None);
        assert_eq!(lines.is_told(start + Duration::from_secs(59)), None);
        assert_eq!(lines.is_told(start + REFUSED_PERIOD), Some(2));
        assert_eq!(lines.is_told(start + REFUSED_PERIOD), Some(0));
    }
}
