//! What daemons report about themselves.

use serde::{Deserialize, Serialize};

/// Request of PutTelemetryRecords.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutTelemetryRecordsRequest {
    /// Required.
    pub telemetry_records: Option<Vec<TelemetryRecord>>,
    /// At most 20 characters.
    #[serde(rename = "EC2InstanceId")]
    pub ec2_instance_id: Option<String>,
    /// At most 255 characters.
    pub hostname: Option<String>,
    /// At most 500 characters.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
}

/// Counters of a daemon since its last record.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct TelemetryRecord {
    /// Required. Checked to be there, otherwise unused: counts go to the counters of the moment.
    pub timestamp: Option<f64>,
    pub segments_received_count: Option<i64>,
    pub segments_sent_count: Option<i64>,
    pub segments_spillover_count: Option<i64>,
    pub segments_rejected_count: Option<i64>,
    pub backend_connection_errors: Option<BackendConnectionErrors>,
}

/// How a daemon's requests failed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct BackendConnectionErrors {
    pub timeout_count: Option<i64>,
    pub connection_refused_count: Option<i64>,
    #[serde(rename = "HTTPCode4XXCount")]
    pub http_code_4xx_count: Option<i64>,
    #[serde(rename = "HTTPCode5XXCount")]
    pub http_code_5xx_count: Option<i64>,
    pub unknown_host_count: Option<i64>,
    pub other_count: Option<i64>,
}

/// Reply of PutTelemetryRecords: an empty object.
#[derive(Debug, Default, Serialize)]
pub struct PutTelemetryRecordsReply {}
