//! Where a page of a list ends: by the number of its items and by their bytes.

use std::io;

use roentgen_model::TraceSummary;
use roentgen_protocol::ApiError;
use roentgen_store::Cursor;
use serde::Serialize;

use crate::json;

/// How many of the items, in their order, fit a page of so many bytes of JSON; one always does,
/// so that paging comes to its end.
///
/// # Errors
/// When an item cannot be written as JSON.
pub(crate) fn fitting<T: Serialize>(items: &[T], most_bytes: usize) -> Result<usize, ApiError> {
    let mut length = Length(0);
    for (position, item) in items.iter().enumerate() {
        serde_json::to_writer(&mut length, item).map_err(|error| json::unwritable(&error))?;
        if length.0 > most_bytes {
            return Ok(position.max(1));
        }
    }
    Ok(items.len())
}

/// Where a list goes on of which so many traces are shown. `next` is where it goes on behind
/// the last of them.
pub(crate) fn next_after(
    traces: &[impl AsRef<TraceSummary>],
    shown: usize,
    next: Option<Cursor>,
) -> Option<Cursor> {
    if shown >= traces.len() {
        return next;
    }
    let last = traces.get(shown.checked_sub(1)?)?.as_ref();
    Some(Cursor { time: last.time, id: last.id })
}

/// Counts what is written, and keeps nothing of it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_by_bytes_but_never_before_their_first_item() {
        let check = |items: &[&str], most_bytes: usize, expect: usize| {
            assert_eq!(fitting(items, most_bytes), Ok(expect), "{items:?} {most_bytes}");
        };
        check(&[], 0, 0);
        check(&["12345678", "x"], 0, 1);
        check(&["12345678", "x"], 9, 1);
        check(&["12345678", "x"], 12, 1);
        check(&["12345678", "x"], 13, 2);
        check(&["1", "2", "3", "4"], 10, 3);
    }
}
