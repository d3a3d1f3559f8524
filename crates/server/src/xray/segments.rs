//! PutTraceSegments.

use std::sync::Arc;

use bytes::Bytes;
use roentgen_model::Rejection;
use roentgen_protocol::{
    ApiError, NextString, PutTraceSegmentsReply, PutTraceSegmentsRequest, SegmentStrings,
    UnprocessedTraceSegment,
};
use tokio::sync::oneshot;

use super::{read_request, required, store_refusal};
use crate::app::App;
use crate::counters::Source;
use crate::intake::{Checked, Intake};
use crate::json;

/// After so many bytes of documents others get a turn on the async thread: reading and checking
/// them takes less than half a millisecond. Handing them to another thread instead would take
/// longer than the work of most calls.
const TURN_BYTES: usize = 64 << 10;

/// Bodies that are not plain are read in one go, up to this size where they are.
const READ_INLINE_BYTES: usize = TURN_BYTES;

/// Most refused documents that a reply names, with parts of this length. A call of fifty strings
/// has fewer, unless they are arrays of crumbs; and an id of sixteen digits is short, unless it is
/// none.
const MAX_UNPROCESSED: usize = 500;
const MAX_ID_CHARACTERS: usize = 64;
const MAX_MESSAGE_CHARACTERS: usize = 500;

/// Stores segments. Answers when they are on stable storage; documents that are refused come back
/// in the reply, and do not keep the others from being stored.
pub(super) async fn put_trace_segments(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let documents = match read_plain(&body).await {
        Some(documents) => documents,
        None if body.len() <= READ_INLINE_BYTES => read_any(&body)?,
        None => app.parsing.run(move || read_any(&body)).await?,
    };
    let Checked { accepted, rejections } = check(&app.intake, documents).await;
    if !accepted.is_empty() {
        let (done, is_stored) = oneshot::channel();
        let stored = app.intake.store(accepted, Source::Http, move |outcome| {
            // A caller that went away does not want to know any more.
            let _ = done.send(outcome);
        });
        stored.await.map_err(|error| store_refusal(&error))?;
        let outcome = is_stored.await.unwrap_or(Err(roentgen_store::StoreError::Closed));
        outcome.map_err(|error| store_refusal(&error))?;
    }
    json::write(&PutTraceSegmentsReply { unprocessed_trace_segments: unprocessed(rejections) })
}

/// The documents of a body as SDKs write it; `None` for every other, right or wrong.
async fn read_plain(body: &[u8]) -> Option<Vec<Bytes>> {
    let mut strings = SegmentStrings::open(body)?;
    let mut documents = Vec::new();
    let mut turn = Turn::default();
    loop {
        let begin = strings.position();
        match strings.next_string() {
            NextString::Document(document) => documents.push(document),
            NextString::End => return Some(documents),
            NextString::NotPlain => return None,
        }
        turn.spend(strings.position() - begin).await;
    }
}

/// The documents of any body.
fn read_any(body: &[u8]) -> Result<Vec<Bytes>, ApiError> {
    let request: PutTraceSegmentsRequest = read_request(body)?;
    let documents = required("TraceSegmentDocuments", request.trace_segment_documents)?;
    let most = PutTraceSegmentsRequest::MAX_DOCUMENTS;
    if documents.len() > most {
        return Err(ApiError::invalid(format!("Exceeding maximum segment count: {most}")));
    }
    Ok(documents.into_iter().map(Bytes::from).collect())
}

async fn check(intake: &Intake, documents: Vec<Bytes>) -> Checked {
    let mut arrival = intake.arrival(Source::Http);
    let mut turn = Turn::default();
    for document in documents {
        let bytes = document.len();
        intake.check(document, &mut arrival);
        turn.spend(bytes).await;
    }
    intake.finish(arrival)
}

/// A stretch of work on an async thread.
#[derive(Debug, Default)]
struct Turn {
    bytes: usize,
}

impl Turn {
    /// Counts bytes that were worked on, and lets others work when it was enough.
    async fn spend(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= TURN_BYTES {
            self.bytes = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// The refused documents as the caller is told of them.
fn unprocessed(rejections: Vec<Rejection>) -> Vec<UnprocessedTraceSegment> {
    let more = rejections.len().saturating_sub(MAX_UNPROCESSED);
    let first_left_out = rejections.get(MAX_UNPROCESSED).map(|rejection| rejection.code.as_str());
    let listed = rejections.into_iter().take(MAX_UNPROCESSED);
    let mut unprocessed: Vec<_> = listed
        .map(|rejection| UnprocessedTraceSegment {
            error_code: rejection.code.as_str(),
            message: shortened(rejection.to_string(), MAX_MESSAGE_CHARACTERS),
            id: rejection.id.map(|id| shortened(id, MAX_ID_CHARACTERS)),
        })
        .collect();
    unprocessed.extend(first_left_out.map(|error_code| UnprocessedTraceSegment {
        error_code,
        message: format!("{more} more documents were refused, for this reason or others"),
        id: None,
    }));
    unprocessed
}

fn shortened(mut text: String, most_characters: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most_characters) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use roentgen_model::{RejectionCode, Scope};
    use roentgen_protocol::ErrorKind;

    use serde_json::json;

    use super::*;
    use crate::test_store::{NarrowStore, document};
    use crate::work_pool::WorkPool;

    #[test]
    fn replies_stay_small_whatever_was_refused() {
        let rejection = |length: usize| Rejection {
            code: RejectionCode::InvalidId,
            scope: Scope::Segment,
            id: Some("ä".repeat(length)),
            trace_id: None,
            cause: "x".repeat(length),
        };
        let long = vec![rejection(10_000); MAX_UNPROCESSED];
        assert_eq!(unprocessed(long.clone()).len(), MAX_UNPROCESSED);
        let all = unprocessed([long, vec![rejection(1); 24_500]].concat());
        assert_eq!(all.len(), MAX_UNPROCESSED + 1);
        assert_eq!(all[0].id, Some(format!("{}…", "ä".repeat(MAX_ID_CHARACTERS))));
        assert_eq!(all[0].message.chars().count(), MAX_MESSAGE_CHARACTERS + 1);
        let last = &all[MAX_UNPROCESSED];
        assert!(last.message.starts_with("24500 more documents"), "{}", last.message);
        let reply = PutTraceSegmentsReply { unprocessed_trace_segments: all };
        assert!(json::write(&reply).unwrap().len() < 1 << 20);
    }

    #[tokio::test]
    async fn large_bodies_do_not_wait_for_queries() {
        let directory = tempfile::TempDir::new().unwrap();
        // No place for a query.
        let app = Arc::new(App { pool: WorkPool::new(0), ..App::for_tests(directory.path()) });
        let documents: Vec<String> = (0..40)
            .map(|number| document(number, json!({"metadata": {"x": "y".repeat(2_000)}})))
            .map(|document| document.to_string())
            .collect();
        let body = json!({"TraceSegmentDocuments": documents}).to_string();
        assert!(body.len() > READ_INLINE_BYTES);
        let reply = put_trace_segments(&app, Bytes::from(body)).await.unwrap();
        assert_eq!(reply, br#"{"UnprocessedTraceSegments":[]}"#);
        let body =
            json!({"TraceSegmentDocuments": documents, "Extra": "x".repeat(100)}).to_string();
        assert!(read_plain(body.as_bytes()).await.is_none());
        let reply = put_trace_segments(&app, Bytes::from(body)).await.unwrap();
        assert_eq!(reply, br#"{"UnprocessedTraceSegments":[]}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_without_room_is_waited_for_and_then_the_call_is_throttled() {
        let directory = tempfile::TempDir::new().unwrap();
        let store = Arc::new(NarrowStore::default());
        let app = Arc::new(App::around(store.clone(), directory.path()));
        let body = json!({"TraceSegmentDocuments": [document(1, json!({})).to_string()]});
        let call = || put_trace_segments(&app, Bytes::from(body.to_string()));
        let refusal = call().await.unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::Throttled);
        assert_eq!(app.counters.rejected().collect::<Vec<_>>(), [("store_overloaded", 1)]);
        let (reply, ()) = tokio::join!(call(), async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            store.make_room();
        });
        assert_eq!(reply.unwrap(), br#"{"UnprocessedTraceSegments":[]}"#);
        assert_eq!(app.counters.accepted(), 1);
    }
}
