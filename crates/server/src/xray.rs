//! The X-Ray API: from an operation and its body to the body of the reply.

use std::sync::Arc;

use bytes::Bytes;
use roentgen_protocol::{ApiError, ErrorKind, Operation, PageTokenFault};
use roentgen_store::{SettingsError, StoreError};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::json;

mod graphs;
mod groups;
mod insights;
mod retrieval;
mod sampling;
mod segments;
mod summaries;
mod tags;
mod telemetry;
mod time_series;
mod trace_ids;
mod traces;

pub(crate) use summaries::read_filter_in_group;

/// Largest body of PutTraceSegments. Fifty documents of 64 KiB are 3.2 MiB, and escaping them
/// once more, as JSON in JSON, makes them twice as long, or five times where all is beyond ASCII.
const MAX_SEGMENTS_BODY_BYTES: usize = 16 << 20;

/// Largest body of all other operations. The longest real ones, fifty statistics documents, have
/// some 10 KB.
const MAX_BODY_BYTES: usize = 256 << 10;

/// The largest body that an operation takes.
pub(crate) const fn max_body_bytes(operation: Operation) -> usize {
    match operation {
        Operation::PutTraceSegments => MAX_SEGMENTS_BODY_BYTES,
        _ => MAX_BODY_BYTES,
    }
}

/// Carries out an operation; gives the JSON to answer with.
pub(crate) async fn answer(
    app: &Arc<App>,
    operation: Operation,
    body: Bytes,
) -> Result<Vec<u8>, ApiError> {
    match operation {
        Operation::PutTraceSegments => segments::put_trace_segments(app, body).await,
        Operation::GetTraceSummaries => summaries::get_trace_summaries(app, &body).await,
        Operation::BatchGetTraces => traces::batch_get_traces(app, &body).await,
        Operation::GetServiceGraph => graphs::get_service_graph(app, &body).await,
        Operation::GetTraceGraph => graphs::get_trace_graph(app, &body).await,
        Operation::GetInsightSummaries => insights::get_insight_summaries(app, &body),
        Operation::StartTraceRetrieval => retrieval::start_trace_retrieval(app, &body).await,
        Operation::ListRetrievedTraces => retrieval::list_retrieved_traces(app, &body).await,
        Operation::GetRetrievedTracesGraph => {
            retrieval::get_retrieved_traces_graph(app, &body).await
        }
        Operation::CancelTraceRetrieval => retrieval::cancel_trace_retrieval(app, &body),
        Operation::GetTimeSeriesServiceStatistics => {
            time_series::get_time_series_service_statistics(app, &body).await
        }
        Operation::GetGroup => groups::get_group(app, &body),
        Operation::GetGroups => groups::get_groups(app, &body),
        Operation::CreateGroup => groups::create_group(app, body).await,
        Operation::UpdateGroup => groups::update_group(app, body).await,
        Operation::DeleteGroup => groups::delete_group(app, body).await,
        Operation::ListTagsForResource => tags::list_tags_for_resource(app, &body),
        Operation::TagResource => tags::tag_resource(app, body).await,
        Operation::UntagResource => tags::untag_resource(app, body).await,
        Operation::GetSamplingRules => sampling::get_sampling_rules(app, &body),
        Operation::GetSamplingTargets => sampling::get_sampling_targets(app, &body),
        Operation::GetSamplingStatisticSummaries => {
            sampling::get_sampling_statistic_summaries(app, &body)
        }
        Operation::CreateSamplingRule => sampling::create_sampling_rule(app, body).await,
        Operation::UpdateSamplingRule => sampling::update_sampling_rule(app, body).await,
        Operation::DeleteSamplingRule => sampling::delete_sampling_rule(app, body).await,
        Operation::PutTelemetryRecords => telemetry::put_telemetry_records(app, &body),
        _ => {
            let message =
                format!("{} is not available in this version of Roentgen", operation.name());
            Err(ApiError::new(ErrorKind::NotImplemented, message))
        }
    }
}

/// Reads a request. An empty body is an empty request: several SDKs send one where no member is
/// required.
fn read_request<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    json::read(body)
}

/// A member that must be there.
fn required<T>(member: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::invalid(format!("{member} is required")))
}

/// For lists that are always one page, so that no token is ours. An empty one counts as none.
fn refuse_token(token: Option<&str>) -> Result<(), ApiError> {
    match token {
        None | Some("") => Ok(()),
        Some(_) => Err(ApiError::invalid(PageTokenFault::Unknown.to_string())),
    }
}

/// Why settings did not change, as the caller is told.
struct ChangeError(ApiError);

impl From<SettingsError> for ChangeError {
    /// The change could not be kept; the log gets the cause.
    fn from(error: SettingsError) -> Self {
        tracing::error!(%error, "a change could not be saved");
        let message = "The change could not be saved; see the server's log";
        Self(ApiError::new(ErrorKind::InternalFailure, message))
    }
}

impl From<ChangeError> for ApiError {
    fn from(ChangeError(error): ChangeError) -> Self {
        error
    }
}

/// What the caller is told when the store fails; the log gets the cause.
pub(crate) fn store_failure(error: &StoreError) -> ApiError {
    let failure = store_refusal(error);
    if failure.kind == ErrorKind::InternalFailure {
        tracing::error!(%error, "the store failed");
    }
    failure
}

/// What the caller is told when the store fails, where the log has the cause already.
fn store_refusal(error: &StoreError) -> ApiError {
    match error {
        StoreError::Overloaded { .. } => {
            ApiError::new(ErrorKind::Throttled, "The store is overloaded; try again in a moment")
        }
        StoreError::Closed => {
            ApiError::new(ErrorKind::ServiceUnavailable, "The server is shutting down")
        }
        StoreError::FilterTooBroad { most_traces, most_mebibytes, most_seconds } => {
            ApiError::invalid(format!(
                "The filter expression can only be decided by reading more than {most_traces} \
                 traces or {most_mebibytes} MiB of their documents, or in more than {most_seconds} \
                 seconds; shorten the time range, add conditions on the traces, or ask for less \
                 of each"
            ))
        }
        _ => ApiError::new(ErrorKind::InternalFailure, "The store failed; see the server's log"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn callers_learn_whether_to_try_again_but_not_where_our_files_are() {
        let check = |error: StoreError, expect: ErrorKind| {
            let failure = store_failure(&error);
            assert_eq!(failure.kind, expect, "{error}");
            assert!(!failure.message.contains("/secret"), "{}", failure.message);
        };
        let cause = || Arc::new(std::io::Error::other("disk full"));
        check(StoreError::Overloaded { documents: 1, bytes: 2 }, ErrorKind::Throttled);
        check(StoreError::Closed, ErrorKind::ServiceUnavailable);
        check(
            StoreError::Poisoned { path: "/secret/log".into(), cause: cause() },
            ErrorKind::InternalFailure,
        );
        check(
            StoreError::Io { action: "read", path: "/secret/log".into(), cause: cause() },
            ErrorKind::InternalFailure,
        );
    }
}
