//! Reading a request's body under three bounds: its length, the time it takes, and the memory
//! that all bodies in flight take together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use roentgen_protocol::{ApiError, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::HttpLimits;

/// Most memory that is set aside since a client says that so much will come. Longer bodies take
/// more as they come.
const ANNOUNCED_BYTES: usize = 256 << 10;

/// The memory for bodies, and their time.
#[derive(Clone, Debug)]
pub(crate) struct BodyBudget {
    memory: Arc<Semaphore>,
    timeout: Duration,
}

/// A body, and its part of the budget until it is dropped.
#[derive(Debug)]
pub(crate) struct BudgetedBody {
    pub(crate) bytes: Bytes,
    /// One permit for all frames: a list of them would take more memory than frames of a byte.
    _held: OwnedSemaphorePermit,
}

impl BodyBudget {
    /// The budget within these limits.
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        Self { memory: Arc::new(Semaphore::new(limits.body_bytes)), timeout: limits.body_timeout }
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let part = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| Arc::clone(&self.memory).try_acquire_many_owned(bytes).ok());
        part.ok_or_else(|| {
            let message = "Too many bytes of requests at a time; try again in a moment";
            ApiError::new(ErrorKind::Throttled, message)
        })
    }
}

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// When it is longer, does not arrive in time, or there is no memory for it at the moment.
pub(crate) async fn read_body(
    body: Body,
    most: usize,
    budget: &BodyBudget,
) -> Result<BudgetedBody, ApiError> {
    let arrival = tokio::time::timeout(budget.timeout, collect(body, most, budget));
    arrival.await.unwrap_or_else(|_| {
        let message = format!("The body did not arrive within {:?}", budget.timeout);
        Err(ApiError::new(ErrorKind::RequestTimeout, message))
    })
}

async fn collect(
    mut body: Body,
    most: usize,
    budget: &BodyBudget,
) -> Result<BudgetedBody, ApiError> {
    let mut bytes = BytesMut::new();
    let mut held = budget.take(0)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let message = format!("The body could not be read: {error}");
            ApiError::new(ErrorKind::Serialization, message)
        })?;
        let Ok(data) = frame.into_data() else { continue }; // Trailers say nothing to us.
        if bytes.len() + data.len() > most {
            let message = format!("The body is too large; at most {most} bytes are taken");
            return Err(ApiError::new(ErrorKind::RequestTooLarge, message));
        }
        held.merge(budget.take(data.len())?);
        if bytes.is_empty() {
            if body.is_end_stream() {
                // All in one piece: it need not be copied.
                return Ok(BudgetedBody { bytes: data, _held: held });
            }
            let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
            bytes.reserve(data.len().saturating_add(announced).min(ANNOUNCED_BYTES));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(BudgetedBody { bytes: bytes.freeze(), _held: held })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_are_bounded_by_length_and_together() {
        let budget = BodyBudget::new(&HttpLimits { body_bytes: 10, ..HttpLimits::default() });
        let read = async |text: &'static str| read_body(Body::from(text), 8, &budget).await;
        let first = read("12345678").await.unwrap();
        assert_eq!(first.bytes, "12345678");
        assert_eq!(read("123456789").await.unwrap_err().kind, ErrorKind::RequestTooLarge);
        assert_eq!(read("123").await.unwrap_err().kind, ErrorKind::Throttled);
        assert_eq!(read("12").await.unwrap().bytes, "12");
        drop(first);
        assert_eq!(read("123").await.unwrap().bytes, "123");
        assert_eq!(read("").await.unwrap().bytes, "");
    }

    #[tokio::test]
    async fn many_small_frames_hold_as_much_as_one() {
        let (mut sender, body) = http_body_util::channel::Channel::<Bytes>::new(100);
        for _ in 0..100 {
            sender.send_data(Bytes::from_static(b"x")).await.unwrap();
        }
        drop(sender);
        let budget = BodyBudget::new(&HttpLimits { body_bytes: 100, ..HttpLimits::default() });
        let body = read_body(Body::new(body), 100, &budget).await.unwrap();
        assert_eq!((body.bytes.len(), body._held.num_permits()), (100, 100));
        drop(body);
        assert_eq!(budget.memory.available_permits(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_do_not_arrive_are_given_up() {
        let (_sender, body) = http_body_util::channel::Channel::<Bytes>::new(1);
        let outcome = read_body(Body::new(body), 8, &BodyBudget::new(&HttpLimits::default())).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::RequestTimeout);
    }
}
