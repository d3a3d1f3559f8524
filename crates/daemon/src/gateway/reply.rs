//! Replies: our own, and those of the destination on their way through.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use roentgen_protocol::{ApiError, ErrorKind};
use tokio::time::Sleep;

use super::timed_stream::Answering;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The body of a reply. The request counts as being answered until it is dropped.
#[derive(Debug)]
pub(super) struct ReplyBody {
    content: Content,
    answering: Option<Answering>,
}

#[derive(Debug)]
enum Content {
    Own(Option<Bytes>),
    Passing { incoming: Incoming, idle_timeout: Duration, idle: Option<Pin<Box<Sleep>>> },
}

/// Why the rest of a reply cannot be had; the client's connection breaks off, so that it does not
/// take a part for the whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplyError {
    #[error("the destination broke off its answer: {0}")]
    BrokenOff(#[from] hyper::Error),
    #[error("the destination paused for more than {0:?} within its answer")]
    Idle(Duration),
}

impl ReplyBody {
    /// A body that passes through, given up when nothing of it comes for so long.
    pub(super) fn passing(incoming: Incoming, idle_timeout: Duration) -> Self {
        let content = Content::Passing { incoming, idle_timeout, idle: None };
        Self { content, answering: None }
    }

    /// Ties the end of the answer to the end of this body.
    pub(super) fn answering(mut self, answering: Answering) -> Self {
        self.answering = Some(answering);
        self
    }
}

impl From<Bytes> for ReplyBody {
    fn from(bytes: Bytes) -> Self {
        Self { content: Content::Own(Some(bytes)), answering: None }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        match &mut self.get_mut().content {
            Content::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Passing { incoming, idle_timeout, idle } => {
                if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) {
                    *idle = None;
                    return Poll::Ready(frame.map(|frame| frame.map_err(ReplyError::from)));
                }
                let timeout = *idle_timeout;
                let idle = idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                let gives_up = |()| Some(Err(ReplyError::Idle(timeout)));
                idle.as_mut().poll(cx).map(gives_up)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Content::Passing { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Content::Passing { incoming, .. } => incoming.size_hint(),
        }
    }
}

/// A reply of our own with a body of this type.
pub(super) fn reply(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<ReplyBody> {
    let mut reply = empty_reply(status);
    *reply.body_mut() = ReplyBody::from(body.into());
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}

/// A reply of our own with JSON.
pub(super) fn json_reply(status: StatusCode, json: impl Into<Bytes>) -> Response<ReplyBody> {
    reply(status, JSON, json)
}

/// A reply without body.
pub(super) fn empty_reply(status: StatusCode) -> Response<ReplyBody> {
    let mut reply = Response::new(ReplyBody::from(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// An error in the form that AWS clients read: its name in a header and in the body.
pub(super) fn error_reply(error: ApiError) -> Response<ReplyBody> {
    let kind = error.kind;
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Two strings can always be written as JSON.
    let json = serde_json::to_vec(&error.into_body()).unwrap_or_default();
    let mut reply = json_reply(status, json);
    reply.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(kind.name()));
    if matches!(kind, ErrorKind::RequestTooLarge | ErrorKind::RequestTimeout) {
        // The rest of the body may still be on its way.
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}
