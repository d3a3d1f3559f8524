//! Lines of a stream with their numbers, in bounded memory.

use std::io::{self, BufRead, Read as _};

/// The longest line that is read. A document has at most 64 kB; as a JSON string in which every
/// byte is escaped it has six times that.
pub(crate) const MAX_LINE_BYTES: usize = 512 * 1024;

/// Reads a stream line by line.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NumberedLine<'a> {
    /// A line and its bytes, without the line break.
    Line(u64, &'a [u8]),
    /// A line of more than [`MAX_LINE_BYTES`], which was skipped.
    TooLong(u64),
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0, bytes: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line; `None` at the end. Lines are numbered from 1.
    pub(crate) fn next(&mut self) -> io::Result<Option<NumberedLine<'_>>> {
        self.line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1; // The line break.
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes += read as u64;
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > MAX_LINE_BYTES {
            self.bytes += self.input.skip_until(b'\n')? as u64;
            return Ok(Some(NumberedLine::TooLong(self.number)));
        }
        Ok(Some(NumberedLine::Line(self.number, &self.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_numbers_and_a_longest_length() {
        let longest = "x".repeat(MAX_LINE_BYTES);
        let text = format!("a\n\n{longest}\n{longest}x\nlast");
        let mut lines = Lines::new(text.as_bytes());
        let mut expect = |line: Option<NumberedLine<'_>>| {
            assert_eq!(lines.next().unwrap(), line);
        };
        expect(Some(NumberedLine::Line(1, b"a")));
        expect(Some(NumberedLine::Line(2, b"")));
        expect(Some(NumberedLine::Line(3, longest.as_bytes())));
        expect(Some(NumberedLine::TooLong(4)));
        expect(Some(NumberedLine::Line(5, b"last")));
        expect(None);
        assert_eq!(lines.bytes(), text.len() as u64);
    }
}
