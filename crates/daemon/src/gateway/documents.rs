//! PutTraceSegments at the daemon itself: for documents that are longer than a datagram, and for
//! those who want to know that they arrived. They join the batches that datagrams fill.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use roentgen_protocol::{
    ApiError, ErrorKind, NextString, PutTraceSegmentsReply, PutTraceSegmentsRequest,
    SegmentStrings, UnprocessedTraceSegment,
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::body::BodyReader;
use super::reply::{ReplyBody, json_reply};
use super::{Limits, NoRoom, Parts};

/// Longest body that is unpacked on the async thread, which takes less than half a millisecond.
/// After so many bytes of documents taken, others get a turn as well.
const INLINE_BYTES: usize = 64 << 10;

/// Longest id that a reply repeats: ids have sixteen digits.
const MAX_ID_BYTES: usize = 64;

const NO_ROOM: &str = "The daemon has no memory for more documents; try again in a moment";

/// Takes documents.
#[derive(Debug)]
pub(super) struct Documents {
    document_bytes: usize,
    /// One long body is unpacked at a time, so that they do not make a thread each.
    unpacking: Semaphore,
}

/// Why a document comes back in the reply.
#[derive(Clone, Copy, Debug)]
enum Refused {
    TooLong,
    NoRoom,
}

/// What an id is read from.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Documents {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { document_bytes: limits.document_bytes, unpacking: Semaphore::new(1) }
    }

    /// Takes the documents of a call. They are not yet at the destination when this answers;
    /// what it says of them later is in the log and the counters, as with datagrams.
    ///
    /// # Errors
    /// When the call cannot be read, has too many documents, or there is memory for none of them.
    pub(super) async fn take(
        &self,
        parts: &Parts,
        bodies: &BodyReader,
        body: Incoming,
    ) -> Result<Response<ReplyBody>, ApiError> {
        let body = bodies.read(body).await?;
        // Unpacked documents are no longer than what they were unpacked from.
        let _held = bodies.hold(body.bytes.len())?;
        let documents = self.unpack(&body.bytes).await?;
        let mut unprocessed = Vec::new();
        let (mut taken, mut since_turn) = (0, 0);
        for document in &documents {
            match self.take_one(parts, document) {
                Ok(()) => taken += 1,
                Err(refused) => unprocessed.push(self.unprocessed(document, refused)),
            }
            since_turn += document.len();
            if since_turn > INLINE_BYTES {
                since_turn = 0;
                tokio::task::yield_now().await;
            }
        }
        let all_lack_room = !documents.is_empty()
            && taken == 0
            && unprocessed.iter().all(|one| one.error_code == ErrorKind::Throttled.name());
        if all_lack_room {
            return Err(ApiError::new(ErrorKind::Throttled, NO_ROOM));
        }
        let reply = PutTraceSegmentsReply { unprocessed_trace_segments: unprocessed };
        // A list of texts can always be written as JSON.
        Ok(json_reply(StatusCode::OK, serde_json::to_vec(&reply).unwrap_or_default()))
    }

    async fn unpack(&self, body: &Bytes) -> Result<Vec<Bytes>, ApiError> {
        if body.len() <= INLINE_BYTES {
            return unpack(body);
        }
        let _turn = self.unpacking.acquire().await;
        let body = body.clone();
        let unpacked = tokio::task::spawn_blocking(move || unpack(&body)).await;
        unpacked.unwrap_or_else(|error| {
            tracing::error!(%error, "a body could not be unpacked");
            let message = "The body could not be unpacked; see the daemon's log";
            Err(ApiError::new(ErrorKind::InternalFailure, message))
        })
    }

    fn take_one(&self, parts: &Parts, document: &[u8]) -> Result<(), Refused> {
        if document.len() > self.document_bytes {
            parts.tally.received.increment();
            parts.tally.rejected.header.increment();
            return Err(Refused::TooLong);
        }
        parts.accept.accept(document).map_err(|NoRoom| Refused::NoRoom)
    }

    fn unprocessed(&self, document: &[u8], refused: Refused) -> UnprocessedTraceSegment {
        let named: Option<Named<'_>> = serde_json::from_slice(document).ok();
        let id = named.map(|named| named.id.into_owned()).filter(|id| id.len() <= MAX_ID_BYTES);
        let (error_code, message) = match refused {
            Refused::NoRoom => (ErrorKind::Throttled.name(), NO_ROOM.to_owned()),
            Refused::TooLong => {
                let most = self.document_bytes;
                (
                    "InvalidSegment",
                    format!("The document is too long; at most {most} bytes are taken"),
                )
            }
        };
        UnprocessedTraceSegment { error_code, message, id }
    }
}

/// The documents of a body.
fn unpack(body: &[u8]) -> Result<Vec<Bytes>, ApiError> {
    if let Some(documents) = unpack_plain(body) {
        return Ok(documents);
    }
    let request: PutTraceSegmentsRequest = if body.trim_ascii().is_empty() {
        PutTraceSegmentsRequest::default()
    } else {
        let message = |error| format!("The body could not be read as JSON: {error}");
        serde_json::from_slice(body)
            .map_err(|error| ApiError::new(ErrorKind::Serialization, message(error)))?
    };
    let documents = request
        .trace_segment_documents
        .ok_or_else(|| ApiError::invalid("TraceSegmentDocuments is required"))?;
    let most = PutTraceSegmentsRequest::MAX_DOCUMENTS;
    if documents.len() > most {
        return Err(ApiError::invalid(format!("Exceeding maximum segment count: {most}")));
    }
    Ok(documents.into_iter().map(Bytes::from).collect())
}

/// The documents of a body as SDKs write it; `None` for every other, right or wrong.
fn unpack_plain(body: &[u8]) -> Option<Vec<Bytes>> {
    let mut strings = SegmentStrings::open(body)?;
    let mut documents = Vec::new();
    loop {
        match strings.next_string() {
            NextString::Document(document) => documents.push(document),
            NextString::End => return Some(documents),
            NextString::NotPlain => return None,
        }
    }
}
