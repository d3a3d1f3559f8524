//! Time series of a service or an edge.

use roentgen_model::RequestStatistics;
use serde::{Deserialize, Serialize};

use super::graph::{HistogramEntry, Statistics, histogram};
use crate::WireTime;

/// Request of GetTimeSeriesServiceStatistics.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTimeSeriesServiceStatisticsRequest {
    /// Required: start of the range.
    pub start_time: Option<WireTime>,
    /// Required: end of the range.
    pub end_time: Option<WireTime>,
    /// The group whose traces are counted; none and `""` mean all traces.
    pub group_name: Option<String>,
    /// The group's ARN instead of its name.
    #[serde(rename = "GroupARN")]
    pub group_arn: Option<String>,
    /// Of what: `service(…)`, `edge(…)` or `id(…)`; none and `""` mean the requests of clients.
    pub entity_selector_expression: Option<String>,
    /// Seconds of each point: 60, the default, or 300.
    pub period: Option<i64>,
    /// Whether the faults that were to be expected are told.
    pub forecast_statistics: Option<bool>,
    /// From the previous page.
    pub next_token: Option<String>,
}

/// Reply of GetTimeSeriesServiceStatistics.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTimeSeriesServiceStatisticsReply {
    /// The points of this page, by time.
    pub time_series_service_statistics: Vec<TimeSeriesServiceStatistics>,
    /// Whether traces may be counted that matched an earlier expression of the group.
    pub contains_old_group_versions: bool,
    /// Present when there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A point of a series: the requests that began within one period.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimeSeriesServiceStatistics {
    /// Start of the period.
    pub timestamp: WireTime,
    /// Of calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_summary_statistics: Option<Statistics>,
    /// Of requests to services, in place of those of calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_summary_statistics: Option<Statistics>,
    /// The faults that were to be expected; absent if it was not asked, or cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_forecast_statistics: Option<ForecastStatistics>,
    /// Response times.
    pub response_time_histogram: Vec<HistogramEntry>,
}

/// Within which numbers faults were to be expected.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct ForecastStatistics {
    pub fault_count_high: i64,
    pub fault_count_low: i64,
}

impl TimeSeriesServiceStatistics {
    /// A point of a series of calls.
    pub fn of_edges(timestamp: WireTime, calls: &RequestStatistics) -> Self {
        Self {
            timestamp,
            edge_summary_statistics: Some(Statistics::from(calls)),
            service_summary_statistics: None,
            service_forecast_statistics: None,
            response_time_histogram: histogram(&calls.response_times),
        }
    }

    /// A point of a series of requests to services.
    pub fn of_services(
        timestamp: WireTime,
        requests: &RequestStatistics,
        forecast: Option<ForecastStatistics>,
    ) -> Self {
        Self {
            timestamp,
            edge_summary_statistics: None,
            service_summary_statistics: Some(Statistics::from(requests)),
            service_forecast_statistics: forecast,
            response_time_histogram: histogram(&requests.response_times),
        }
    }
}
