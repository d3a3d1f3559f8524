//! The bounds that keep clients, slow or many, from using the server up.

use std::time::Duration;

/// Bounds on connections and bodies. Nobody needs to set them; tests do, so as not to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Most connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// How long the head of a request may take, and how long a connection may stay idle between
    /// two requests. SDKs ask every ten seconds.
    pub head_timeout: Duration,
    /// How long a body may take to arrive. The largest one then needs 4 Mbit/s.
    pub body_timeout: Duration,
    /// Bytes of all bodies that are being read or worked on, together: eight of the largest ones,
    /// or some thousand usual ones. Their buffers may be twice as long while they grow.
    pub body_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            body_bytes: 128 << 20,
        }
    }
}
