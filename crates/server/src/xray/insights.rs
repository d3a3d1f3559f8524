//! GetInsightSummaries. This version has no insights: it looks for no anomalies, so the list of
//! those that were found is empty, and truly so. Clients that ask for it beside other things, as
//! Grafana does, go on.

use roentgen_protocol::{ApiError, GetInsightSummariesReply, GetInsightSummariesRequest};

use super::groups::group_failure;
use super::summaries::check_range;
use super::{read_request, refuse_token};
use crate::app::App;
use crate::groups::GroupSelector;
use crate::json;

/// The insights of a group in a range: none.
pub(super) fn get_insight_summaries(app: &App, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: GetInsightSummariesRequest = read_request(body)?;
    check_range(request.start_time, request.end_time)?;
    if request.group_name.is_none() && request.group_arn.is_none() {
        return Err(ApiError::invalid("GroupName or GroupARN is required"));
    }
    let group = GroupSelector::new(request.group_name, request.group_arn);
    app.groups.get().find_or_default(&group).map_err(group_failure)?;
    let states = request.states.unwrap_or_default();
    let is_state = |state: &String| matches!(state.as_str(), "ACTIVE" | "CLOSED");
    if states.len() > 1 || !states.iter().all(is_state) {
        return Err(ApiError::invalid("States must be one of ACTIVE and CLOSED, or none"));
    }
    let most = GetInsightSummariesRequest::MOST_RESULTS;
    if request.max_results.is_some_and(|wanted| !(1..=most).contains(&wanted)) {
        return Err(ApiError::invalid(format!("MaxResults must be between 1 and {most}")));
    }
    refuse_token(request.next_token.as_deref())?;
    json::write(&GetInsightSummariesReply { insight_summaries: [] })
}
