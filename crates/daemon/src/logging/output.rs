//! Standard output, or whatever may be in its place: a pipe whose reader stalls (a log driver that
//! blocks, a terminal that is paused) must not hold up the daemon.
//!
//! A line is written at once, by the thread that has it, while there is room for it: that costs no
//! thread to be woken, and the line is out even if the process ends right after. Only when there is
//! none do lines wait in memory, for a thread that is started for that and ends with it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Most bytes of lines that wait: some thousand lines, of which a busy daemon writes a hundred a
/// second.
const MOST_WAITING_BYTES: usize = 256 << 10;

/// A pipe that can be written to takes so much without blocking (`PIPE_BUF` of Linux, pipe(7)).
const PIPE_BUF: usize = 4_096;

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Where lines go.
#[derive(Debug)]
pub(super) struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    waiting: Mutex<Waiting>,
    /// Nothing waits any more.
    emptied: Condvar,
}

/// Lines that could not be written at once.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines there was no room for since the last one that waits.
    dropped: u64,
    /// Whether a thread writes them. Until it has written all, others wait behind them.
    is_writing: bool,
}

impl Output {
    pub(super) fn new(file: File) -> Self {
        let waiting = Mutex::default();
        Self { shared: Arc::new(Shared { file, waiting, emptied: Condvar::new() }) }
    }

    /// Standard output itself.
    ///
    /// # Errors
    /// When the process has no file descriptors left, or no standard output.
    pub(super) fn standard() -> io::Result<Self> {
        Ok(Self::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }

    /// Writes a line, or has it written as soon as there is room. A line that finds too many before
    /// it is dropped, and the reader told how many were.
    ///
    /// # Errors
    /// When it cannot be written whatever the reader does.
    pub(super) fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut waiting = self.shared.lock();
        if !waiting.is_writing {
            if line.len() <= PIPE_BUF && self.shared.takes_a_line() {
                return (&self.shared.file).write_all(line);
            }
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("log".to_owned());
            thread.spawn(move || shared.write_what_waits())?;
            waiting.is_writing = true;
        }
        if waiting.bytes.len() + line.len() > MOST_WAITING_BYTES {
            waiting.dropped += 1;
        } else {
            waiting.bytes.extend_from_slice(line);
        }
        Ok(())
    }

    /// Waits until all lines are written, but no longer than this.
    pub(super) fn finish(&self, within: Duration) {
        let is_writing = |waiting: &mut Waiting| waiting.is_writing;
        let waiting = self.shared.lock();
        // Whether they are written by then or not, there is nothing else to be done.
        drop(self.shared.emptied.wait_timeout_while(waiting, within, is_writing));
    }
}

impl Shared {
    /// Whether a line can be written without waiting for a reader. True as well when it cannot be
    /// written at all, which writing it will tell.
    fn takes_a_line(&self) -> bool {
        let mut fds = [PollFd::new(&self.file, PollFlags::OUT)];
        poll(&mut fds, Some(&AT_ONCE)) != Ok(0)
    }

    fn write_what_waits(&self) {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut waiting = self.lock();
            std::mem::swap(&mut bytes, &mut waiting.bytes);
            let dropped = std::mem::take(&mut waiting.dropped);
            if bytes.is_empty() && dropped == 0 {
                *waiting = Waiting::default();
                self.emptied.notify_all();
                return;
            }
            drop(waiting);
            // An error is told by the first line that is written at once again.
            let _ = (&self.file).write_all(&bytes);
            if dropped > 0 {
                tracing::warn!(
                    lines = dropped,
                    "log lines were dropped, since whoever reads them had stalled"
                );
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Bytes and numbers, which no panic leaves half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read as _};
    use std::os::fd::OwnedFd;

    use super::*;

    fn pipe() -> (PipeReader, Output) {
        let (reader, writer) = io::pipe().unwrap();
        (reader, Output::new(File::from(OwnedFd::from(writer))))
    }

    fn line(number: usize) -> String {
        format!("{number:0>99}\n")
    }

    #[test]
    fn lines_are_written_at_once() {
        let (mut reader, output) = pipe();
        for number in 0..3 {
            output.write(line(number).as_bytes()).unwrap();
            let mut read = vec![0; 100];
            reader.read_exact(&mut read).unwrap();
            assert_eq!(read, line(number).as_bytes());
        }
        assert!(!output.shared.lock().is_writing, "no thread is needed");
    }

    #[test]
    fn a_reader_that_stalls_holds_nobody_up() {
        let (mut reader, output) = pipe();
        // More than a pipe holds (16 pages, pipe(7)), the thread has taken and may wait.
        let all = (2 * MOST_WAITING_BYTES + (1 << 20)) / 100;
        (0..all).for_each(|number| output.write(line(number).as_bytes()).unwrap());
        output.finish(Duration::from_millis(1));
        let (is_writing, bytes) = {
            let waiting = output.shared.lock();
            (waiting.is_writing, waiting.bytes.len())
        };
        assert!(is_writing && bytes <= MOST_WAITING_BYTES, "{is_writing} {bytes}");

        let reading = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        output.finish(Duration::from_secs(20));
        output.write(b"behind\n").unwrap();
        drop(output);
        let text = reading.join().unwrap();
        let numbers: Vec<usize> = text.lines().map_while(|line| line.parse().ok()).collect();
        assert!(text.lines().skip(numbers.len()).eq(["behind"]), "a line is broken");
        assert!(numbers.is_sorted_by(|one, next| one < next), "lines are in another order");
        // What was written at once and what waited first is there without a gap.
        let whole = (0..all).zip(&numbers).take_while(|(expect, number)| expect == *number).count();
        assert!(whole * 100 >= MOST_WAITING_BYTES, "{whole}");
        assert!(numbers.len() < all, "nothing was dropped");
    }

    #[test]
    fn long_lines_are_written_as_well() {
        let (mut reader, output) = pipe();
        let long = "x".repeat(100_000) + "\n";
        output.write(long.as_bytes()).unwrap();
        output.write(b"short\n").unwrap();
        let mut read = vec![0; long.len() + 6];
        reader.read_exact(&mut read).unwrap();
        assert!(read.starts_with(long.as_bytes()) && read.ends_with(b"short\n"));
    }

    #[test]
    fn without_a_reader_it_is_an_error() {
        let (reader, output) = pipe();
        drop(reader);
        let error = output.write(b"x\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
