//! Insights.

use serde::{Deserialize, Serialize};

use crate::WireTime;

/// Request of GetInsightSummaries.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetInsightSummariesRequest {
    /// `ACTIVE` or `CLOSED`, at most one of them; none means both.
    pub states: Option<Vec<String>>,
    /// The group, by its name.
    pub group_name: Option<String>,
    /// The group, by its ARN.
    #[serde(rename = "GroupARN")]
    pub group_arn: Option<String>,
    /// Required: start of the range.
    pub start_time: Option<WireTime>,
    /// Required: end of the range.
    pub end_time: Option<WireTime>,
    /// Most summaries in a page, 1 to [`GetInsightSummariesRequest::MOST_RESULTS`].
    pub max_results: Option<i64>,
    /// From the previous page; there is only one page.
    pub next_token: Option<String>,
}

impl GetInsightSummariesRequest {
    /// Most summaries that a caller may want in a page (API model).
    pub const MOST_RESULTS: i64 = 100;
}

/// Reply of GetInsightSummaries. There are no insights in this version, so the list has no element
/// type.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetInsightSummariesReply {
    /// Always empty.
    pub insight_summaries: [InsightSummary; 0],
}

/// The element type of `InsightSummaries`.
#[derive(Debug, Serialize)]
pub enum InsightSummary {}
