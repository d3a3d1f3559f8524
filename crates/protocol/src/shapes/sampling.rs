//! Sampling rules and targets, in the one form that the SDKs of all languages take.
//!
//! Measured: without `Attributes`, `CreatedAt` or `ModifiedAt` the Java SDK drops every rule;
//! sizes and priorities with a fraction are dropped by Go; without `LastRuleModification` or
//! `UnprocessedStatistics` Python or Java ignore their quota; a `ReservoirQuota` with a fraction
//! is ignored by Go; a `ReservoirQuotaTTL` in milliseconds stops Python's poller.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TagInput;

/// Request of GetSamplingRules.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSamplingRulesRequest {
    /// From the previous page; there is only one page.
    pub next_token: Option<String>,
}

/// Reply of GetSamplingRules: all rules at once, for there are few.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSamplingRulesReply {
    /// Custom rules and the Default rule.
    pub sampling_rule_records: Vec<SamplingRuleRecord>,
}

/// A rule with its times.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRuleRecord {
    /// The rule.
    pub sampling_rule: SamplingRule,
    /// Epoch seconds; 0 for the Default rule.
    pub created_at: f64,
    /// Epoch seconds; 0 while the Default rule was never changed.
    pub modified_at: f64,
}

/// A rule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and the sampling crate documents them")]
pub struct SamplingRule {
    pub rule_name: String,
    #[serde(rename = "RuleARN")]
    pub rule_arn: String,
    #[serde(rename = "ResourceARN")]
    pub resource_arn: String,
    pub priority: u32,
    pub fixed_rate: f64,
    pub reservoir_size: u32,
    pub service_name: String,
    pub service_type: String,
    pub host: String,
    #[serde(rename = "HTTPMethod")]
    pub http_method: String,
    #[serde(rename = "URLPath")]
    pub url_path: String,
    pub version: u32,
    pub attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_rate_boost: Option<SamplingRateBoost>,
}

/// Limits of adaptive sampling.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and the sampling crate documents them")]
pub struct SamplingRateBoost {
    pub max_rate: f64,
    pub cooldown_window_minutes: u32,
}

/// Request of CreateSamplingRule.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateSamplingRuleRequest {
    /// Required.
    pub sampling_rule: Option<SamplingRuleInput>,
    /// Tags for the rule.
    pub tags: Option<Vec<TagInput>>,
}

/// Request of UpdateSamplingRule.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateSamplingRuleRequest {
    /// Required.
    pub sampling_rule_update: Option<SamplingRuleInput>,
}

/// Request of DeleteSamplingRule.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteSamplingRuleRequest {
    /// The rule by name,
    pub rule_name: Option<String>,
    /// or by ARN.
    #[serde(rename = "RuleARN")]
    pub rule_arn: Option<String>,
}

/// Reply of CreateSamplingRule, UpdateSamplingRule and DeleteSamplingRule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRuleReply {
    /// The rule as it is now, or was.
    pub sampling_rule_record: SamplingRuleRecord,
}

/// A rule as callers send it: `SamplingRule` and `SamplingRuleUpdate` in one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and the sampling crate documents them")]
pub struct SamplingRuleInput {
    pub rule_name: Option<String>,
    #[serde(rename = "RuleARN")]
    pub rule_arn: Option<String>,
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    pub priority: Option<i64>,
    pub fixed_rate: Option<f64>,
    pub reservoir_size: Option<i64>,
    pub service_name: Option<String>,
    pub service_type: Option<String>,
    pub host: Option<String>,
    #[serde(rename = "HTTPMethod")]
    pub http_method: Option<String>,
    #[serde(rename = "URLPath")]
    pub url_path: Option<String>,
    pub version: Option<i64>,
    pub attributes: Option<BTreeMap<String, String>>,
    pub sampling_rate_boost: Option<SamplingRateBoostInput>,
}

/// Limits of adaptive sampling as callers send them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and the sampling crate documents them")]
pub struct SamplingRateBoostInput {
    pub max_rate: Option<f64>,
    pub cooldown_window_minutes: Option<i64>,
}

/// Request of GetSamplingStatisticSummaries.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSamplingStatisticSummariesRequest {
    /// From the previous page; there is only one page.
    pub next_token: Option<String>,
}

/// Reply of GetSamplingStatisticSummaries: all rules at once, for there are few.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSamplingStatisticSummariesReply {
    /// One for each rule and ten seconds with reports.
    pub sampling_statistic_summaries: Vec<SamplingStatisticSummary>,
}

/// What all clients counted for a rule in ten seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are the API's and say it all")]
pub struct SamplingStatisticSummary {
    pub rule_name: String,
    /// Start of the ten seconds, epoch seconds.
    pub timestamp: f64,
    pub request_count: u32,
    pub borrow_count: u32,
    pub sampled_count: u32,
}

/// Request of GetSamplingTargets.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSamplingTargetsRequest {
    /// Required: at most 25.
    pub sampling_statistics_documents: Option<Vec<SamplingStatisticsDocument>>,
    /// At most 25.
    pub sampling_boost_statistics_documents: Option<Vec<SamplingBoostStatisticsDocument>>,
}

/// What one client counted for one rule since its last report.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and the sampling crate documents them")]
pub struct SamplingStatisticsDocument {
    pub rule_name: Option<String>,
    #[serde(rename = "ClientID")]
    pub client_id: Option<String>,
    /// Seconds by the API; the Java SDKs send milliseconds, so it is not read as a time here.
    pub timestamp: Option<f64>,
    pub request_count: Option<i64>,
    pub sampled_count: Option<i64>,
    pub borrow_count: Option<i64>,
}

/// What one client saw of anomalies.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are the API's and the sampling crate documents them")]
pub struct SamplingBoostStatisticsDocument {
    pub rule_name: Option<String>,
    pub service_name: Option<String>,
    pub timestamp: Option<f64>,
    pub anomaly_count: Option<i64>,
    pub total_count: Option<i64>,
    pub sampled_anomaly_count: Option<i64>,
}

/// Reply of GetSamplingTargets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSamplingTargetsReply {
    /// What the client may sample from now on.
    pub sampling_target_documents: Vec<SamplingTargetDocument>,
    /// Epoch seconds of the last change of any rule; 0 when there was none.
    pub last_rule_modification: f64,
    /// Statistics that were not taken.
    pub unprocessed_statistics: Vec<UnprocessedStatistics>,
    /// Boost statistics that were not taken.
    pub unprocessed_boost_statistics: Vec<UnprocessedStatistics>,
}

/// What a client may sample of one rule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingTargetDocument {
    /// The rule.
    pub rule_name: String,
    /// Its rate, 0–1.
    pub fixed_rate: f64,
    /// Requests per second of the reservoir for this client; absent: go on borrowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservoir_quota: Option<u32>,
    /// When the quota lapses, whole epoch seconds.
    #[serde(rename = "ReservoirQuotaTTL", skip_serializing_if = "Option::is_none")]
    pub reservoir_quota_ttl: Option<u64>,
    /// Seconds until the next report.
    pub interval: u32,
}

/// Statistics that were not taken.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedStatistics {
    /// The rule they were about.
    pub rule_name: String,
    /// A status as text; SDKs fetch the rules anew when it starts with `4`.
    pub error_code: String,
    /// The reason, for people.
    pub message: String,
}
