//! BatchGetTraces.

use std::sync::Arc;

use roentgen_protocol::{ApiError, BatchGetTracesReply, BatchGetTracesRequest, Segment, Trace};
use roentgen_store::{TraceDocuments, TraceStore};

use super::trace_ids::{IdLimits, RequestedIds, requested_ids};
use super::{read_request, refuse_token, store_failure};
use crate::app::App;
use crate::json;

/// Length at which a reply is complete. No usual trace comes near it, but five of the largest
/// would be some hundred megabytes; the ids that are left come back as unprocessed, and can be
/// asked for by themselves.
const MAX_REPLY_BYTES: usize = 64 << 20;

/// Whole traces with their processed documents. There is always one page.
pub(super) async fn batch_get_traces(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: BatchGetTracesRequest = read_request(body)?;
    let requested = requested_ids(request.trace_ids, IdLimits::FEW)?;
    refuse_token(request.next_token.as_deref())?;
    let store = Arc::clone(&app.store);
    app.pool.run(move || reply(&*store, requested, MAX_REPLY_BYTES)).await
}

/// Loads, assembles and writes one trace after the other. The first one is always written, however
/// large it is.
fn reply(
    store: &dyn TraceStore,
    requested: RequestedIds,
    most_bytes: usize,
) -> Result<Vec<u8>, ApiError> {
    let mut reply = BatchGetTracesReply::default();
    let mut unprocessed = Vec::new();
    for (id, text) in requested.ids {
        let documents = if reply.bytes() < most_bytes {
            store.documents(id).map_err(|error| store_failure(&error))?
        } else {
            None
        };
        match documents.as_ref().and_then(TraceDocuments::assemble) {
            Some(trace) => {
                reply.push(&shape(&trace)).map_err(|error| json::unwritable(&error))?;
            }
            None => unprocessed.push(text),
        }
    }
    unprocessed.extend(requested.malformed);
    reply.finish(&unprocessed).map_err(|error| json::unwritable(&error))
}

fn shape(trace: &roentgen_model::Trace<'_>) -> Trace {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_store::{TestStore, document, trace_id};

    #[test]
    fn traces_are_loaded_until_the_reply_is_long_enough() {
        let store = TestStore::new();
        store.append_all((1..=4).map(|number| document(number, json!({}))));
        let check = |most_bytes: usize, expect: (usize, usize)| {
            let ids = (1..=5).map(|number| (trace_id(number), number.to_string())).collect();
            let requested = RequestedIds { ids, malformed: vec!["x".to_owned()] };
            let reply: Value =
                serde_json::from_slice(&reply(&store, requested, most_bytes).unwrap()).unwrap();
            let count = |list: &str| reply[list].as_array().unwrap().len();
            assert_eq!((count("Traces"), count("UnprocessedTraceIds")), expect, "{most_bytes}");
            reply.to_string().len()
        };
        let all = check(usize::MAX, (4, 2));
        check(all / 3, (2, 4));
        // No bound keeps the first trace away.
        check(20, (1, 5));
    }
}
