//! A connection that is given up when the client lets us wait: for the rest of a head it has
//! begun, or to read what we write.
//!
//! hyper has one time limit for an idle connection and for a slow head. SDKs keep connections idle
//! for long; a head takes one packet. So the second limit is here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Limits;

/// What a connection is at: an answer begins with the end of a head and ends with the last byte of
/// the reply.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_answering: AtomicBool,
    /// Answers begun so far: one may begin and end between two looks.
    begun: AtomicU64,
    /// No request may begin any more.
    is_ending: AtomicBool,
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Activity {
    pub(super) fn begin(&self) -> Answering {
        self.0.is_answering.store(true, Ordering::Relaxed);
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }

    /// Lets the connection look closed by the client once it is not answering: hyper's own graceful
    /// end waits for the rest of a head that has begun.
    pub(super) fn end(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.is_answering.store(false, Ordering::Relaxed);
    }
}

/// The stream and its two limits.
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    stream: S,
    activity: Activity,
    /// Answers begun when it was last looked.
    begun: u64,
    head: Limit,
    unread: Limit,
}

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, activity: Activity, limits: &Limits) -> Self {
        let head = Limit::new(limits.head_timeout, "the head of a request did not arrive in time");
        let unread = Limit::new(limits.unread_timeout, "the client does not read its reply");
        Self { stream, activity, begun: 0, head, unread }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let state = &this.activity.0;
        let begun = state.begun.load(Ordering::Relaxed);
        if begun != this.begun {
            this.begun = begun;
            this.head.end();
        }
        if state.is_answering.load(Ordering::Relaxed) {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        if state.is_ending.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        // Looked at first, so that a byte now and then does not help.
        this.head.check(cx)?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.head.begin();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> TimedStream<S> {
    /// What the stream says of an attempt to write, unless it has said for too long that it is
    /// full.
    fn limited<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.unread.end();
            return outcome;
        }
        self.unread.begin();
        self.unread.check(cx)?;
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.limited(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.limited(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// A time limit that runs now and then.
#[derive(Debug)]
struct Limit {
    timeout: Duration,
    message: &'static str,
    running: Option<Pin<Box<Sleep>>>,
}

impl Limit {
    fn new(timeout: Duration, message: &'static str) -> Self {
        Self { timeout, message, running: None }
    }

    /// Lets it run, if it does not already.
    fn begin(&mut self) {
        let timeout = self.timeout;
        self.running.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
    }

    fn end(&mut self) {
        self.running = None;
    }

    /// Fails when it has run out; otherwise the task wakes when it does.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let has_run_out =
            self.running.as_mut().is_some_and(|running| running.as_mut().poll(cx).is_ready());
        if has_run_out {
            return Err(io::Error::new(io::ErrorKind::TimedOut, self.message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::sleep;

    use super::*;

    fn stream() -> (TimedStream<DuplexStream>, DuplexStream, Activity) {
        let (ours, theirs) = tokio::io::duplex(16);
        let activity = Activity::default();
        let limits = Limits {
            head_timeout: Duration::from_secs(10),
            unread_timeout: Duration::from_secs(30),
            ..Limits::default()
        };
        (TimedStream::new(ours, activity.clone(), &limits), theirs, activity)
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_may_begin_late_and_must_end_soon() {
        let (mut ours, mut theirs, activity) = stream();
        let mut buf = [0; 16];
        for _ in 0..2 {
            let idle = tokio::time::timeout(Duration::from_secs(60), ours.read(&mut buf)).await;
            assert!(idle.is_err());
            theirs.write_all(b"PO").await.unwrap();
            assert_eq!(ours.read(&mut buf).await.unwrap(), 2);
            sleep(Duration::from_secs(9)).await;
            theirs.write_all(b"ST").await.unwrap();
            assert_eq!(ours.read(&mut buf).await.unwrap(), 2);
            // Answered at once: nothing is read meanwhile.
            drop(activity.begin());
        }
        theirs.write_all(b"PO").await.unwrap();
        assert_eq!(ours.read(&mut buf).await.unwrap(), 2);
        let bytes_now_and_then = async {
            loop {
                sleep(Duration::from_secs(3)).await;
                theirs.write_all(b"x").await.unwrap();
            }
        };
        let reading = async { while ours.read(&mut buf).await.is_ok() {} };
        let before = tokio::time::Instant::now();
        tokio::select! { () = bytes_now_and_then => {} () = reading => {} }
        assert_eq!(before.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_have_other_limits() {
        let (mut ours, mut theirs, activity) = stream();
        let mut buf = [0; 16];
        theirs.write_all(b"POST").await.unwrap();
        assert_eq!(ours.read(&mut buf).await.unwrap(), 4);
        let answering = activity.begin();
        let body = tokio::time::timeout(Duration::from_secs(20), ours.read(&mut buf)).await;
        assert!(body.is_err());
        theirs.write_all(b"body").await.unwrap();
        assert_eq!(ours.read(&mut buf).await.unwrap(), 4);
        drop(answering);
        let idle = tokio::time::timeout(Duration::from_secs(20), ours.read(&mut buf)).await;
        assert!(idle.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn replies_must_be_read() {
        let (mut ours, mut theirs, _) = stream();
        let before = tokio::time::Instant::now();
        let mut buf = [0; 16];
        let slowly = async {
            for _ in 0..3 {
                sleep(Duration::from_secs(29)).await;
                theirs.read_exact(&mut buf).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let error = tokio::select! {
            error = ours.write_all(&[0; 160]) => error.unwrap_err(),
            () = slowly => unreachable!("it waits for ever"),
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(before.elapsed().as_secs(), 3 * 29 + 30);
    }
}
