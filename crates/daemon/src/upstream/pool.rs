//! Connections that stay open between requests, so that a batch costs no handshake.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A connection that was not used for this long is not used again. Load balancers of AWS close
/// theirs after 60 s; a request on its way meanwhile would fail.
const MOST_IDLE: Duration = Duration::from_secs(50);

/// A connection that can be kept; dropped, it ends.
pub(super) trait Kept {
    /// Whether it can take a request now.
    fn is_ready(&self) -> bool;

    /// Whether it will never take one again.
    fn is_closed(&mut self) -> bool;

    /// Ends it at once, whatever is still on its way.
    fn end(&self) {}
}

/// Open connections to one server, the last used at the end.
#[derive(Debug)]
pub(super) struct Pool<T> {
    most: usize,
    idle: Mutex<Vec<Idle<T>>>,
}

#[derive(Debug)]
struct Idle<T> {
    connection: T,
    since: Instant,
}

impl<T: Kept> Pool<T> {
    /// Keeps at most so many connections.
    pub(super) fn new(most: usize) -> Self {
        Self { most, idle: Mutex::default() }
    }

    /// A connection that can take a request now, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        let now = Instant::now();
        let mut idle = self.lock();
        idle.retain_mut(|kept| {
            let is_fresh = now - kept.since < MOST_IDLE;
            if !is_fresh {
                // A server that answers without reading leaves us with the rest of the request.
                kept.connection.end();
            }
            is_fresh && !kept.connection.is_closed()
        });
        // The last used first: then those too many are not used and go. One whose last answer is
        // still being read is not ready.
        let ready = idle.iter().rposition(|kept| kept.connection.is_ready())?;
        Some(idle.remove(ready).connection)
    }

    /// Keeps a connection for further requests. The answer to its last one need not have been read.
    pub(super) fn keep(&self, connection: T) {
        let mut idle = self.lock();
        if idle.len() >= self.most {
            // One that nobody reads from any more holds nothing, and is closed at once.
            let unused = idle.iter().position(|kept| kept.connection.is_ready());
            idle.remove(unused.unwrap_or_default());
        }
        idle.push(Idle { connection, since: Instant::now() });
    }

    /// Forgets all connections: they lead to a server that is no longer meant.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle<T>>> {
        // A list of connections is whole whatever happened to a thread that held the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
