//! A connection whose requests are written and whose answers are read by whoever waits for them.
//!
//! It is the way of batches. hyper works a connection in a task of its own, and a request and its
//! answer go to and fro between that task and the caller's, some six times for each batch; with
//! that, and with what it prepares for bodies that come bit by bit, went one in seven of the
//! instructions that sending a batch takes outside of the kernel. Here the head is written beside
//! the body with one call, the answer is parsed where it was read (`httparse`, which hyper uses as
//! well), and the timer belongs to the connection and is only moved: one that is set anew for each
//! request has the runtime wake itself up, since nothing was due before it.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Answer;
use super::answering::{Answered, Fault, Reading};
use super::connect::Stream;
use super::failure::UpstreamError;
use super::pool::Kept;

/// Room for what is received, and how much of it is left for a further read at least. Usual answers
/// take 200 bytes.
const ROOM_BYTES: usize = 8 << 10;
const LEAST_ROOM_BYTES: usize = 2 << 10;

/// An open connection.
#[derive(Debug)]
pub(super) struct Direct {
    stream: Stream,
    /// The head of the request under way.
    head: Vec<u8>,
    /// What was received and belongs to no answer yet.
    received: BytesMut,
    /// Ends the request under way.
    time: Pin<Box<Sleep>>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Answered {
        answer: Answer,
        /// Whether the connection can take another request.
        leaves_open: bool,
    },
    Failed {
        error: UpstreamError,
        /// The server closed the connection instead of answering.
        was_closed: bool,
        /// Of the answer, when it began.
        status: Option<StatusCode>,
    },
}

/// A request under way.
struct Exchange<'a> {
    body: &'a Bytes,
    /// Bytes of head and body that went out.
    written: usize,
    is_sent: bool,
    /// Why not all of it can be sent. The answer may say more, so it is waited for.
    not_sent: Option<io::Error>,
    reading: Reading,
}

impl Direct {
    /// Must be called within a runtime with timers.
    pub(super) fn new(stream: Stream) -> Self {
        let time = Box::pin(sleep_until(Instant::now()));
        let received = BytesMut::with_capacity(ROOM_BYTES);
        Self { stream, head: Vec::new(), received, time }
    }

    /// Sends a request and waits for the whole answer; of its body for the first `most_bytes`, or
    /// some more. Dropped before it has come to its end, and after a failure, it leaves a connection
    /// that is good for nothing any more.
    pub(super) async fn exchange(
        &mut self,
        request: &Request<Bytes>,
        most_bytes: usize,
        deadline: Instant,
    ) -> Outcome {
        self.write_head(request);
        self.time.as_mut().reset(deadline);
        let mut exchange = Exchange {
            body: request.body(),
            written: 0,
            is_sent: false,
            not_sent: None,
            reading: Reading::new(request.method(), most_bytes),
        };
        let answered = poll_fn(|cx| self.poll(cx, &mut exchange)).await;
        match answered {
            Ok(Answered { answer, leaves_open }) => {
                // A server may answer early and read no more; then the rest of the body would stay
                // with the connection for as long as the server likes.
                Outcome::Answered { answer, leaves_open: leaves_open && exchange.is_sent }
            }
            Err(fault) => {
                let status = exchange.reading.status();
                let error = match fault {
                    Fault::Timeout if status.is_some() => UpstreamError::timeout_in_body(),
                    Fault::Timeout => UpstreamError::timeout(),
                    _ => UpstreamError::exchange(&fault),
                };
                let was_closed = status.is_none() && was_closed(&fault);
                Outcome::Failed { error, was_closed, status }
            }
        }
    }

    fn write_head(&mut self, request: &Request<Bytes>) {
        let head = &mut self.head;
        head.clear();
        // Writing to memory does not fail.
        let _ = write!(head, "{} {} HTTP/1.1\r\n", request.method(), request.uri());
        for (name, value) in request.headers() {
            let parts = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
            parts.iter().for_each(|part| head.extend_from_slice(part));
        }
        head.extend_from_slice(b"\r\n");
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'_>,
    ) -> Poll<Result<Answered, Fault>> {
        if !exchange.is_sent && exchange.not_sent.is_none() {
            match self.poll_send(cx, exchange) {
                Poll::Ready(Ok(())) => exchange.is_sent = true,
                Poll::Ready(Err(error)) => exchange.not_sent = Some(error),
                Poll::Pending => {}
            }
        }
        while let Poll::Ready(received) = self.poll_receive(cx) {
            let taken = match received {
                Ok(bytes) => exchange.reading.take(&mut self.received, bytes == 0),
                Err(error) => Err(Fault::Io(error)),
            };
            match taken {
                Ok(Some(answered)) => return Poll::Ready(Ok(answered)),
                Ok(None) => {}
                Err(fault) => {
                    // What came first is the reason.
                    let not_sent = exchange.not_sent.take().map(Fault::Io);
                    return Poll::Ready(Err(not_sent.unwrap_or(fault)));
                }
            }
        }
        ready!(self.time.as_mut().poll(cx));
        Poll::Ready(Err(Fault::Timeout))
    }

    /// Sends what the connection takes.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'_>,
    ) -> Poll<io::Result<()>> {
        let head = &self.head;
        while exchange.written < head.len() + exchange.body.len() {
            let of_body = exchange.written.saturating_sub(head.len());
            let rest_of_head = head.get(exchange.written..).unwrap_or_default();
            let rest_of_body = exchange.body.get(of_body..).unwrap_or_default();
            let parts = [IoSlice::new(rest_of_head), IoSlice::new(rest_of_body)];
            match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &parts))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                bytes => exchange.written += bytes,
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Receives what there is; 0 bytes are the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.received.capacity() - self.received.len() < LEAST_ROOM_BYTES {
            self.received.reserve(ROOM_BYTES);
        }
        pin!(self.stream.read_buf(&mut self.received)).poll(cx)
    }
}

impl Kept for Direct {
    /// Only those are kept whose answer was read.
    fn is_ready(&self) -> bool {
        true
    }

    /// Also when there is something to be read: nobody has asked for it.
    fn is_closed(&mut self) -> bool {
        self.poll_receive(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

fn was_closed(fault: &Fault) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match fault {
        Fault::Closed => true,
        // The last one is TLS that ends without saying so.
        Fault::Io(e) => matches!(e.kind(), BrokenPipe | ConnectionReset | UnexpectedEof),
        Fault::CutOff | Fault::Malformed(_) | Fault::Timeout => false,
    }
}
