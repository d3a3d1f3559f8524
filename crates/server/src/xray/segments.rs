//! PutTraceSegments.

use std::sync::Arc;

use bytes::Bytes;
use roentgen_protocol::{
    ApiError, PutTraceSegmentsReply, PutTraceSegmentsRequest, UnprocessedTraceSegment,
};
use tokio::sync::oneshot;

use super::{read_request, required, store_failure, write_reply};
use crate::app::App;
use crate::counters::Source;
use crate::intake::{Checked, Intake};

/// Bodies up to this size are parsed where they are: that takes less than half a millisecond.
const PARSED_INLINE_BYTES: usize = 64 << 10;

/// Stores segments. Answers when they are on stable storage; documents that are refused come back
/// in the reply, and do not keep the others from being stored.
pub(super) async fn put_trace_segments(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let checked = if body.len() <= PARSED_INLINE_BYTES {
        check(&app.intake, &body)?
    } else {
        let intake = Arc::clone(&app.intake);
        app.pool.run(move || check(&intake, &body)).await?
    };
    let Checked { accepted, rejections } = checked;
    if !accepted.is_empty() {
        let (done, is_stored) = oneshot::channel();
        let stored = app.intake.store(accepted, Source::Http, move |outcome| {
            // A caller that went away does not want to know any more.
            let _ = done.send(outcome);
        });
        stored.map_err(|error| store_failure(&error))?;
        let outcome = is_stored.await.unwrap_or(Err(roentgen_store::StoreError::Closed));
        outcome.map_err(|error| store_failure(&error))?;
    }
    write_reply(&PutTraceSegmentsReply {
        unprocessed_trace_segments: rejections
            .into_iter()
            .map(|rejection| UnprocessedTraceSegment {
                error_code: rejection.code.as_str(),
                message: rejection.to_string(),
                id: rejection.id,
            })
            .collect(),
    })
}

fn check(intake: &Intake, body: &[u8]) -> Result<Checked, ApiError> {
    let request: PutTraceSegmentsRequest = read_request(body)?;
    let documents = required("TraceSegmentDocuments", request.trace_segment_documents)?;
    let most = PutTraceSegmentsRequest::MAX_DOCUMENTS;
    if documents.len() > most {
        return Err(ApiError::invalid(format!("Exceeding maximum segment count: {most}")));
    }
    let mut all = Checked::default();
    for document in documents {
        let mut checked = intake.check(document.into_bytes(), Source::Http);
        all.accepted.append(&mut checked.accepted);
        all.rejections.append(&mut checked.rejections);
    }
    Ok(all)
}
