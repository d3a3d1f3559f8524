//! Sampling rules, targets and statistics.

use std::sync::Arc;

use bytes::Bytes;
use roentgen_protocol::{
    ApiError, CreateSamplingRuleRequest, DeleteSamplingRuleRequest, ErrorKind,
    GetSamplingRulesReply, GetSamplingRulesRequest, GetSamplingStatisticSummariesReply,
    GetSamplingStatisticSummariesRequest, GetSamplingTargetsReply, GetSamplingTargetsRequest,
    SamplingBoostStatisticsDocument, SamplingRateBoost, SamplingRule, SamplingRuleInput,
    SamplingRuleRecord, SamplingRuleReply, SamplingStatisticSummary, SamplingStatisticsDocument,
    SamplingTargetDocument, UnprocessedStatistics, UpdateSamplingRuleRequest,
};
use roentgen_sampling::{
    BoostInput, BoostStatisticsDocument, EpochMicros, MAX_STATISTICS_DOCUMENTS, NewRule, RuleError,
    RuleFields, RuleRecord, RuleSelector, RuleSet, RuleUpdate, StatisticsDocument,
};

use super::tags::tag_failure;
use super::{ChangeError, read_request, refuse_token, required};
use crate::app::App;
use crate::json;
use crate::tags::check_tags;

/// All rules, in the order of evaluation.
pub(super) fn get_sampling_rules(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: GetSamplingRulesRequest = read_request(body)?;
    refuse_token(request.next_token.as_deref())?;
    let rules = app.sampling.rules.get();
    json::write(&GetSamplingRulesReply {
        sampling_rule_records: rules.records().map(|record| shape(&rules, record)).collect(),
    })
}

/// Takes what a client counted and gives it its quotas.
pub(super) fn get_sampling_targets(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: GetSamplingTargetsRequest = read_request(body)?;
    let documents = required("SamplingStatisticsDocuments", request.sampling_statistics_documents)?;
    let boost_documents = request.sampling_boost_statistics_documents.unwrap_or_default();
    if documents.len().max(boost_documents.len()) > MAX_STATISTICS_DOCUMENTS {
        let message = format!("At most {MAX_STATISTICS_DOCUMENTS} documents of a kind are allowed");
        return Err(ApiError::invalid(message));
    }
    let documents: Vec<_> = documents.into_iter().map(statistics).collect::<Result<_, _>>()?;
    let boost_documents: Vec<_> =
        boost_documents.into_iter().map(boost_statistics).collect::<Result<_, _>>()?;
    let targets = app.sampling.targets(&documents, &boost_documents, now(app));
    json::write(&GetSamplingTargetsReply {
        sampling_target_documents: targets
            .targets
            .into_iter()
            .map(|target| SamplingTargetDocument {
                rule_name: target.rule_name,
                fixed_rate: target.fixed_rate,
                reservoir_quota: target.reservoir_quota,
                reservoir_quota_ttl: target.reservoir_quota_ttl.map(EpochMicros::seconds),
                interval: target.interval_seconds,
            })
            .collect(),
        last_rule_modification: targets.last_rule_modification.as_seconds_f64(),
        unprocessed_statistics: targets.unprocessed.into_iter().map(unprocessed).collect(),
        unprocessed_boost_statistics: targets
            .unprocessed_boost
            .into_iter()
            .map(unprocessed)
            .collect(),
    })
}

/// What clients counted in the last minutes.
pub(super) fn get_sampling_statistic_summaries(
    app: &Arc<App>,
    body: &[u8],
) -> Result<Vec<u8>, ApiError> {
    let request: GetSamplingStatisticSummariesRequest = read_request(body)?;
    refuse_token(request.next_token.as_deref())?;
    // The API has 32 bits for counts.
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX >> 1).min(u32::MAX >> 1);
    let summaries =
        app.sampling.statistics(now(app)).into_iter().map(|summary| SamplingStatisticSummary {
            rule_name: summary.rule_name,
            timestamp: summary.timestamp.as_seconds_f64(),
            request_count: count(summary.counts.requests),
            borrow_count: count(summary.counts.borrowed),
            sampled_count: count(summary.counts.sampled),
        });
    json::write(&GetSamplingStatisticSummariesReply {
        sampling_statistic_summaries: summaries.collect(),
    })
}

/// Adds a rule.
pub(super) async fn create_sampling_rule(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: CreateSamplingRuleRequest = read_request(&body)?;
    let tags = check_tags(request.tags.unwrap_or_default()).map_err(tag_failure)?;
    let rule = required("SamplingRule", request.sampling_rule)?;
    let new_rule =
        NewRule { rule_name: rule.rule_name.clone(), version: rule.version, fields: fields(rule) };
    let shared = Arc::clone(app);
    let create = move |rules: &mut RuleSet, now| {
        let record = rules.create(new_rule, now)?;
        shared.set_tags(&rules.arn(&record.rule), tags)?;
        Ok(record)
    };
    change(app, create, |_| ()).await
}

/// Changes a rule.
pub(super) async fn update_sampling_rule(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: UpdateSamplingRuleRequest = read_request(&body)?;
    let mut rule = required("SamplingRuleUpdate", request.sampling_rule_update)?;
    let selector =
        RuleSelector { rule_name: rule.rule_name.take(), rule_arn: rule.rule_arn.take() };
    let update = RuleUpdate { selector, fields: fields(rule) };
    change(app, |rules, now| Ok(rules.update(update, now)?), |_| ()).await
}

/// Removes a rule, and its tags.
pub(super) async fn delete_sampling_rule(app: &Arc<App>, body: Bytes) -> Result<Vec<u8>, ApiError> {
    let request: DeleteSamplingRuleRequest = read_request(&body)?;
    let selector = RuleSelector { rule_name: request.rule_name, rule_arn: request.rule_arn };
    let shared = Arc::clone(app);
    let forget = move |rule: &SamplingRule| shared.forget_tags(&rule.rule_arn);
    change(app, move |rules, now| Ok(rules.delete(&selector, now)?), forget).await
}

/// Changes the rules; `then` does what follows for the rule, before there is another change.
async fn change<F, T>(app: &Arc<App>, change: F, then: T) -> Result<Vec<u8>, ApiError>
where
    F: FnOnce(&mut RuleSet, EpochMicros) -> Result<RuleRecord, ChangeError> + Send + 'static,
    T: FnOnce(&SamplingRule) + Send + 'static,
{
    let shared = Arc::clone(app);
    app.pool
        .run(move || {
            let now = now(&shared);
            let change = |rules: &mut RuleSet| {
                let record = change(rules, now)?;
                Ok::<_, ChangeError>(shape(rules, &record))
            };
            let then = |record: &SamplingRuleRecord| then(&record.sampling_rule);
            let sampling_rule_record = shared.sampling.rules.change_then(change, then)?;
            json::write(&SamplingRuleReply { sampling_rule_record })
        })
        .await
}

impl From<RuleError> for ChangeError {
    fn from(error: RuleError) -> Self {
        let kind = match error {
            RuleError::LimitExceeded { .. } => ErrorKind::RuleLimitExceeded,
            _ => ErrorKind::InvalidRequest,
        };
        Self(ApiError::new(kind, error.to_string()))
    }
}

fn now(app: &App) -> EpochMicros {
    EpochMicros(u64::try_from(app.now().as_micros()).unwrap_or_default())
}

fn shape(rules: &RuleSet, record: &RuleRecord) -> SamplingRuleRecord {
    let rule = record.rule.clone();
    SamplingRuleRecord {
        sampling_rule: SamplingRule {
            rule_arn: rules.arn(&rule),
            rule_name: rule.rule_name,
            resource_arn: rule.resource_arn,
            priority: rule.priority,
            fixed_rate: rule.fixed_rate,
            reservoir_size: rule.reservoir_size,
            service_name: rule.service_name,
            service_type: rule.service_type,
            host: rule.host,
            http_method: rule.http_method,
            url_path: rule.url_path,
            version: rule.version,
            attributes: rule.attributes,
            sampling_rate_boost: rule.sampling_rate_boost.map(|boost| SamplingRateBoost {
                max_rate: boost.max_rate,
                cooldown_window_minutes: boost.cooldown_window_minutes,
            }),
        },
        created_at: record.created_at.as_seconds_f64(),
        modified_at: record.modified_at.as_seconds_f64(),
    }
}

fn fields(rule: SamplingRuleInput) -> RuleFields {
    RuleFields {
        priority: rule.priority,
        fixed_rate: rule.fixed_rate,
        reservoir_size: rule.reservoir_size,
        service_name: rule.service_name,
        service_type: rule.service_type,
        host: rule.host,
        http_method: rule.http_method,
        url_path: rule.url_path,
        resource_arn: rule.resource_arn,
        attributes: rule.attributes,
        sampling_rate_boost: rule.sampling_rate_boost.map(|boost| BoostInput {
            max_rate: boost.max_rate,
            cooldown_window_minutes: boost.cooldown_window_minutes,
        }),
    }
}

fn statistics(document: SamplingStatisticsDocument) -> Result<StatisticsDocument, ApiError> {
    let member = |name: &str| format!("{name} of a statistics document");
    Ok(StatisticsDocument {
        rule_name: required(&member("RuleName"), document.rule_name)?,
        client_id: required(&member("ClientID"), document.client_id)?,
        timestamp: required(&member("Timestamp"), document.timestamp)?,
        request_count: required(&member("RequestCount"), document.request_count)?,
        sampled_count: required(&member("SampledCount"), document.sampled_count)?,
        borrow_count: document.borrow_count,
    })
}

fn boost_statistics(
    document: SamplingBoostStatisticsDocument,
) -> Result<BoostStatisticsDocument, ApiError> {
    let member = |name: &str| format!("{name} of a boost statistics document");
    Ok(BoostStatisticsDocument {
        rule_name: required(&member("RuleName"), document.rule_name)?,
        service_name: required(&member("ServiceName"), document.service_name)?,
        timestamp: required(&member("Timestamp"), document.timestamp)?,
        anomaly_count: required(&member("AnomalyCount"), document.anomaly_count)?,
        total_count: required(&member("TotalCount"), document.total_count)?,
        sampled_anomaly_count: required(
            &member("SampledAnomalyCount"),
            document.sampled_anomaly_count,
        )?,
    })
}

fn unprocessed(unprocessed: roentgen_sampling::UnprocessedStatistics) -> UnprocessedStatistics {
    UnprocessedStatistics {
        rule_name: unprocessed.rule_name,
        error_code: unprocessed.error_code,
        message: unprocessed.message,
    }
}
