//! Reading the body of a request, under bounds of its length, its time, and the memory that all
//! bodies take together.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use roentgen_protocol::{ApiError, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// Buffers of bodies whose length nobody announces grow by this part of themselves: by doubling
/// they would be half empty.
const GROWTH_PART: usize = 4;

/// A body that cannot be taken is read up to so many times the longest one, and thrown away: a
/// client that writes everything before it reads would otherwise find its connection reset instead
/// of an answer.
const THROWN_AWAY_BODIES: usize = 4;

/// Reads bodies within one budget.
#[derive(Clone, Debug)]
pub(super) struct BodyReader {
    budget: Arc<Semaphore>,
    most: usize,
    timeout: Duration,
}

/// A part of the budget, until it is dropped.
#[derive(Debug)]
pub(super) struct Held(OwnedSemaphorePermit);

/// A whole body and its part of the budget.
#[derive(Debug)]
pub(super) struct HeldBody {
    pub(super) bytes: Bytes,
    _held: Held,
}

impl BodyReader {
    pub(super) fn new(limits: &Limits) -> Self {
        let budget = Arc::new(Semaphore::new(limits.all_body_bytes));
        Self { budget, most: limits.body_bytes, timeout: limits.body_timeout }
    }

    /// Sets a part of the budget aside.
    ///
    /// # Errors
    /// When less than that is left.
    pub(super) fn hold(&self, bytes: usize) -> Result<Held, ApiError> {
        let permits = u32::try_from(bytes).ok();
        let permit = permits
            .and_then(|permits| Arc::clone(&self.budget).try_acquire_many_owned(permits).ok());
        permit.map(Held).ok_or_else(throttled)
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// When it is too long, does not arrive in time, breaks off, or there is no memory for it at
    /// the moment.
    pub(super) async fn read<B>(&self, body: B) -> Result<HeldBody, ApiError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let arrival = tokio::time::timeout(self.timeout, self.collect(body));
        arrival.await.unwrap_or_else(|_| {
            let message = format!("The body did not arrive within {:?}", self.timeout);
            Err(ApiError::new(ErrorKind::RequestTimeout, message))
        })
    }

    async fn collect<B>(&self, mut body: B) -> Result<HeldBody, ApiError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let most_read = self.most.saturating_mul(THROWN_AWAY_BODIES);
        if announced > most_read {
            return Err(self.too_large());
        }
        let mut read = 0_usize;
        let mut kept = Ok((Vec::new(), self.hold(0)?));
        while let Some(frame) = body.frame().await {
            // Trailers say nothing to us.
            let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
            read = read.saturating_add(data.len());
            if read > most_read {
                break;
            }
            // Once refused, the rest is thrown away.
            if let Ok((bytes, held)) = &mut kept
                && let Err(refusal) = self.keep(&data, announced, bytes, held)
            {
                kept = Err(refusal);
            }
        }
        kept.map(|(bytes, held)| HeldBody { bytes: Bytes::from(bytes), _held: held })
    }

    /// Adds to a body what has come of it.
    fn keep(
        &self,
        data: &[u8],
        announced: usize,
        bytes: &mut Vec<u8>,
        held: &mut Held,
    ) -> Result<(), ApiError> {
        let length = bytes.len().saturating_add(data.len());
        if length > self.most {
            return Err(self.too_large());
        }
        held.0.merge(self.hold(data.len())?.0);
        if length > bytes.capacity() {
            // What is announced is asked for at once. It is addresses at first; memory, which the
            // budget counts, as bytes come.
            let most = length.saturating_add(length / GROWTH_PART).max(announced);
            let step = most.min(self.most).saturating_sub(bytes.len());
            bytes.try_reserve_exact(step).map_err(|_| throttled())?;
        }
        bytes.extend_from_slice(data);
        Ok(())
    }

    fn too_large(&self) -> ApiError {
        let message = format!("The body is too large; at most {} bytes are taken", self.most);
        ApiError::new(ErrorKind::RequestTooLarge, message)
    }
}

fn throttled() -> ApiError {
    let message = "The daemon has too many bytes of requests; try again in a moment";
    ApiError::new(ErrorKind::Throttled, message)
}

fn broken(error: &impl Display) -> ApiError {
    let message = format!("The body could not be read: {error}");
    ApiError::new(ErrorKind::Serialization, message)
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use http_body_util::channel::{Channel, Sender};

    use super::*;

    fn reader(body_bytes: usize, all_body_bytes: usize) -> BodyReader {
        BodyReader::new(&Limits { body_bytes, all_body_bytes, ..Limits::default() })
    }

    /// A body whose length nobody announces, and its sending end.
    async fn frames(count: usize, frame: &'static [u8]) -> (Sender<Bytes>, Channel<Bytes>) {
        let (mut sender, body) = Channel::new(count + 1);
        for _ in 0..count {
            sender.send_data(Bytes::from_static(frame)).await.unwrap();
        }
        (sender, body)
    }

    #[tokio::test]
    async fn bodies_are_bounded_by_length() {
        let reader = reader(8, 1_000);
        let check = async |text: &'static str, expect: Result<&str, ErrorKind>| {
            let announced = reader.read(Full::new(Bytes::from(text))).await;
            let announced = announced.map(|body| body.bytes).map_err(|error| error.kind);
            assert_eq!(announced, expect.map(|text| Bytes::from(text.to_owned())), "{text}");
            let (sender, body) = frames(text.len(), b"x").await;
            drop(sender);
            let came = reader.read(body).await;
            let came = came.map(|body| body.bytes.len()).map_err(|error| error.kind);
            assert_eq!(came, expect.map(str::len), "{text}");
        };
        check("", Ok("")).await;
        check("12345678", Ok("12345678")).await;
        check("123456789", Err(ErrorKind::RequestTooLarge)).await;
        check("12345678901234567890123456789012", Err(ErrorKind::RequestTooLarge)).await;
        check("123456789012345678901234567890123", Err(ErrorKind::RequestTooLarge)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_thrown_away_than_is_polite() {
        // The sender never ends; the reader does, or this test takes thirty seconds and fails.
        let (sender, body) = frames(33, b"x").await;
        let refusal = reader(8, 1_000).read(body).await.unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::RequestTooLarge);
        drop(sender);
    }

    #[tokio::test]
    async fn all_bodies_share_one_budget() {
        let reader = reader(8, 10);
        let read = async |text: &'static str| reader.read(Full::new(Bytes::from(text))).await;
        let first = read("12345678").await.unwrap();
        assert_eq!(read("123").await.unwrap_err().kind, ErrorKind::Throttled);
        assert_eq!(read("12").await.unwrap().bytes, "12");
        let (sender, body) = frames(8, b"x").await;
        drop(sender);
        assert_eq!(reader.read(body).await.unwrap_err().kind, ErrorKind::Throttled);
        // What is thrown away takes nothing.
        assert_eq!(read("123456789").await.unwrap_err().kind, ErrorKind::RequestTooLarge);
        assert_eq!(reader.hold(3).unwrap_err().kind, ErrorKind::Throttled);
        drop(first);
        assert_eq!(reader.hold(10).unwrap().0.num_permits(), 10);
        // One part for all pieces of a body.
        let (sender, body) = frames(8, b"x").await;
        drop(sender);
        let in_pieces = reader.read(body).await.unwrap();
        assert_eq!(reader.hold(3).unwrap_err().kind, ErrorKind::Throttled);
        drop(in_pieces);
        assert_eq!(reader.hold(10).unwrap().0.num_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_do_not_arrive_are_given_up() {
        let (sender, body) = frames(3, b"x").await;
        let refusal = reader(8, 10).read(body).await.unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::RequestTimeout);
        drop(sender);
    }

    #[tokio::test]
    async fn bodies_that_break_off_are_told_from_whole_ones() {
        let (sender, body) = Channel::<Bytes, std::io::Error>::new(1);
        sender.abort(std::io::Error::other("gone"));
        let refusal = reader(8, 10).read(body).await.unwrap_err();
        assert_eq!(refusal.to_string(), "SerializationException: The body could not be read: gone");
    }
}
