//! The bounds that keep clients, slow or many, from using the daemon up.

use std::time::Duration;

/// Bounds on connections, bodies and waits. Nobody needs to set them; tests do, so as not to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Most connections at a time; more wait in the kernel's queue. A connection takes some
    /// 16 KiB, and 64 KiB at the very most, beside the bodies.
    pub(crate) connections: usize,
    /// How long a connection may stay idle. SDKs ask every ten seconds and keep theirs.
    pub(crate) idle_timeout: Duration,
    /// How long the head of a request may take from its first byte on.
    pub(crate) head_timeout: Duration,
    /// How long a body may take to arrive. The largest one then needs 3 Mbit/s.
    pub(crate) body_timeout: Duration,
    /// How long a client may leave its reply unread.
    pub(crate) unread_timeout: Duration,
    /// Longest body. A call of PutTraceSegments with fifty documents of 64 KiB has some 4 MB.
    pub(crate) body_bytes: usize,
    /// Bytes of all bodies and of documents unpacked from them, together: one of the largest with
    /// its documents, or some thousand usual ones. Buffers are a quarter longer while they grow.
    pub(crate) all_body_bytes: usize,
    /// Longest document. X-Ray itself takes 64 KiB and says so of longer ones; they are left to
    /// the destination, up to here.
    pub(crate) document_bytes: usize,
    /// How long the destination may take to begin its answer. SDKs ask every ten seconds; who has
    /// waited so long asks again anyway.
    pub(crate) reply_timeout: Duration,
    /// How long the destination may pause within its answer.
    pub(crate) reply_idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            idle_timeout: Duration::from_secs(60),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            unread_timeout: Duration::from_secs(30),
            body_bytes: 10 << 20,
            all_body_bytes: 20 << 20,
            document_bytes: 1 << 20,
            reply_timeout: Duration::from_secs(10),
            reply_idle_timeout: Duration::from_secs(10),
        }
    }
}
