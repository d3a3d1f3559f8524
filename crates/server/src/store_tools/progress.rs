//! How far a tool is, on the terminal of whoever waits for it.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::wording;

/// How often a line is written.
const PERIOD: Duration = Duration::from_secs(2);

/// Does some work that counts the bytes it has done; tells meanwhile how far it is, when standard
/// error is a terminal.
pub(super) fn watched<T: Send>(total: Option<u64>, work: impl FnOnce(&AtomicU64) -> T + Send) -> T {
    let done = AtomicU64::new(0);
    if !io::stderr().is_terminal() {
        return work(&done);
    }
    thread::scope(|scope| {
        // Dropped when the work is over, also when it panics.
        let (is_over, over) = mpsc::sync_channel::<()>(0);
        scope.spawn(|| {
            let over = over;
            while over.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                // Nobody is left to tell when standard error is closed.
                let _ = writeln!(io::stderr(), "{}", line(done.load(Ordering::Relaxed), total));
            }
        });
        let result = work(&done);
        drop(is_over);
        result
    })
}

fn line(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{} of {} read", wording::bytes(done), wording::bytes(total)),
        None => format!("{} read", wording::bytes(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_it_is() {
        assert_eq!(line(1 << 20, Some(3 << 20)), "1.0 MiB of 3.0 MiB read");
        assert_eq!(line(1 << 20, None), "1.0 MiB read");
    }
}
