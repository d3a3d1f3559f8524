//! BatchGetTraces.

use std::sync::Arc;

use roentgen_model::TraceId;
use roentgen_protocol::{ApiError, BatchGetTracesReply, BatchGetTracesRequest, Segment, Trace};

use super::trace_ids::requested_ids;
use super::{read_request, refuse_token, store_failure, write_reply};
use crate::app::App;

/// Whole traces with their processed documents. There is always one page.
pub(super) async fn batch_get_traces(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: BatchGetTracesRequest = read_request(body)?;
    let requested = requested_ids(request.trace_ids)?;
    refuse_token(request.next_token.as_deref())?;
    let store = Arc::clone(&app.store);
    app.pool
        .run(move || {
            let ids: Vec<TraceId> = requested.ids.iter().map(|(id, _)| *id).collect();
            let traces = store.traces(&ids).map_err(|error| store_failure(&error))?;
            let mut reply = BatchGetTracesReply::default();
            for ((_, text), trace) in requested.ids.into_iter().zip(traces) {
                match trace {
                    Some(trace) => reply.traces.push(shape(&trace)),
                    None => reply.unprocessed_trace_ids.push(text),
                }
            }
            reply.unprocessed_trace_ids.extend(requested.malformed);
            write_reply(&reply)
        })
        .await
}

fn shape(trace: &roentgen_model::Trace) -> Trace {
    Trace {
        id: trace.id.to_string(),
        duration: trace.summary.duration.clamped().as_seconds(),
        limit_exceeded: trace.limit_exceeded,
        segments: trace
            .segments()
            .map(|(id, document)| Segment { id: id.to_string(), document })
            .collect(),
    }
}
