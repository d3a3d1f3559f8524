//! The end of a connection that requests go into whose answers are handed on while they come: those
//! of the TCP port.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;

use super::pool::Kept;

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
}

impl Kept for Connection {
    fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }

    fn is_closed(&mut self) -> bool {
        self.requests.is_closed()
    }

    fn end(&self) {
        self.task.abort();
    }
}

/// Ends a connection unless it is forgotten.
struct EndWhenDropped<'a>(&'a AbortHandle);

impl Drop for EndWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
