//! Waking a receiver that waits for datagrams.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the waiting of one receiver ([`crate::Receiver::wait`]), from any thread. Copies wake the same one.
#[derive(Clone, Debug)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    writer: PipeWriter,
    /// Whether a byte is in the pipe, so that there is never more than one and writing never blocks.
    is_awake: AtomicBool,
}

/// The receiver's end.
#[derive(Debug)]
pub struct Alarm {
    reader: PipeReader,
    shared: Arc<Shared>,
}

/// What ends the waiting of a receiver, and the end of it that the receiver gets.
///
/// # Errors
/// When the process has no file descriptors left.
pub fn alarm() -> io::Result<(Waker, Alarm)> {
    let (reader, writer) = io::pipe()?;
    let shared = Arc::new(Shared { writer, is_awake: AtomicBool::new(false) });
    Ok((Waker { shared: Arc::clone(&shared) }, Alarm { reader, shared }))
}

impl Waker {
    /// Ends the waiting that is under way, or else the next one at once.
    pub fn wake(&self) {
        if !self.shared.is_awake.swap(true, Ordering::AcqRel) {
            // The reader lives as long as its receiver; without one there is nobody to wake.
            let _ = (&self.shared.writer).write_all(&[0]);
        }
    }
}

impl Alarm {
    /// What to poll: readable once woken.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Gets ready for the next time. Only to be called once readable, as it reads.
    pub(crate) fn reset(&mut self) {
        let _ = self.reader.read(&mut [0; 1]);
        // Who wakes between these two lines writes no byte, but what it wants to be seen is: the
        // waiting has not ended yet, and this takes over what it did before.
        self.shared.is_awake.swap(false, Ordering::AcqRel);
    }
}
