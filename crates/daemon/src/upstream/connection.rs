//! The end of a connection that requests go into.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

/// A request with its body in memory.
pub(super) type Outgoing = Request<Full<Bytes>>;

/// A connection, whose work a task of its own does.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

impl Connection {
    pub(super) fn new(requests: SendRequest<Full<Bytes>>, task: AbortHandle) -> Self {
        Self { requests, task }
    }

    /// Sends a request and waits for the head of the answer. When this is dropped before there is
    /// one, the connection ends: it could not be used again, and would hold the body for as long as
    /// the kernel tries to get rid of it.
    pub(super) async fn send(
        &mut self,
        request: Outgoing,
    ) -> Result<Response<Incoming>, TrySendError<Outgoing>> {
        let unanswered = EndWhenDropped(&self.task);
        let answer = self.requests.try_send_request(request).await;
        if answer.is_ok() {
            std::mem::forget(unanswered);
        }
        answer
    }

    /// Whether the request of an answer that was read has gone out whole. A server may answer early
    /// and read no more; then the rest of the body would stay with the connection for as long as the
    /// server likes.
    pub(super) async fn is_through(&self) -> bool {
        if !self.is_ready() {
            // The task of the connection may have had no turn yet to see that all is done.
            tokio::task::yield_now().await;
        }
        self.is_ready()
    }

    /// What ends the connection, and with it whatever it still holds.
    pub(super) fn end(&self) -> AbortHandle {
        self.task.clone()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Whether it can take a request now.
    pub(super) fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }
}

/// Ends a connection unless it is forgotten.
pub(super) struct EndWhenDropped<'a>(pub(super) &'a AbortHandle);

impl Drop for EndWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
