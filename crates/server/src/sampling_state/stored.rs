//! The form of the rules in the settings: X-Ray's names, so that the file reads like the API.

use std::collections::BTreeMap;

use roentgen_sampling::{EpochMicros, Rule, RuleRecord, RuleSet, SamplingRateBoost};
use serde::{Deserialize, Serialize};

use crate::arns::{ACCOUNT_ID, REGION};
use crate::kept::Keep;

/// All rules.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StoredRules {
    /// Microseconds since 1970, as all times here.
    last_modification: u64,
    rules: Vec<StoredRule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StoredRule {
    rule_name: String,
    priority: u32,
    fixed_rate: f64,
    reservoir_size: u32,
    service_name: String,
    service_type: String,
    host: String,
    #[serde(rename = "HTTPMethod")]
    http_method: String,
    #[serde(rename = "URLPath")]
    url_path: String,
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    version: u32,
    attributes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sampling_rate_boost: Option<StoredBoost>,
    created_at: u64,
    modified_at: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StoredBoost {
    max_rate: f64,
    cooldown_window_minutes: u32,
}

impl Keep for RuleSet {
    const KIND: &'static str = "sampling-rules";

    type Stored = StoredRules;

    fn initial() -> Self {
        Self::new(REGION, ACCOUNT_ID)
    }

    fn stored(&self) -> StoredRules {
        StoredRules {
            last_modification: self.last_modification().0,
            rules: self.records().map(StoredRule::of).collect(),
        }
    }

    fn restore(stored: StoredRules) -> Result<Self, String> {
        let records = stored.rules.into_iter().map(StoredRule::into_record);
        let last_modification = EpochMicros(stored.last_modification);
        Self::restore(REGION, ACCOUNT_ID, records, last_modification)
            .map_err(|error| error.to_string())
    }
}

impl StoredRule {
    fn of(record: &RuleRecord) -> Self {
        let rule = record.rule.clone();
        Self {
            rule_name: rule.rule_name,
            priority: rule.priority,
            fixed_rate: rule.fixed_rate,
            reservoir_size: rule.reservoir_size,
            service_name: rule.service_name,
            service_type: rule.service_type,
            host: rule.host,
            http_method: rule.http_method,
            url_path: rule.url_path,
            resource_arn: rule.resource_arn,
            version: rule.version,
            attributes: rule.attributes,
            sampling_rate_boost: rule.sampling_rate_boost.map(|boost| StoredBoost {
                max_rate: boost.max_rate,
                cooldown_window_minutes: boost.cooldown_window_minutes,
            }),
            created_at: record.created_at.0,
            modified_at: record.modified_at.0,
        }
    }

    fn into_record(self) -> RuleRecord {
        RuleRecord {
            rule: Rule {
                rule_name: self.rule_name,
                priority: self.priority,
                fixed_rate: self.fixed_rate,
                reservoir_size: self.reservoir_size,
                service_name: self.service_name,
                service_type: self.service_type,
                host: self.host,
                http_method: self.http_method,
                url_path: self.url_path,
                resource_arn: self.resource_arn,
                version: self.version,
                attributes: self.attributes,
                sampling_rate_boost: self.sampling_rate_boost.map(|boost| SamplingRateBoost {
                    max_rate: boost.max_rate,
                    cooldown_window_minutes: boost.cooldown_window_minutes,
                }),
            },
            created_at: EpochMicros(self.created_at),
            modified_at: EpochMicros(self.modified_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use roentgen_sampling::{BoostInput, NewRule, RuleSelector, RuleUpdate};

    use super::*;

    #[test]
    fn rules_come_back_as_they_were() {
        let mut rules = <RuleSet as Keep>::initial();
        let mut new = NewRule::from(&Rule::default_rule());
        new.rule_name = Some("checkout".to_owned());
        new.fields.priority = Some(7);
        new.fields.fixed_rate = Some(0.1);
        new.fields.attributes = Some([("k".to_owned(), "v*".to_owned())].into());
        new.fields.sampling_rate_boost =
            Some(BoostInput { max_rate: Some(0.5), cooldown_window_minutes: Some(3) });
        rules.create(new, EpochMicros(5)).unwrap();
        let mut update =
            RuleUpdate { selector: RuleSelector::by_name("Default"), ..RuleUpdate::default() };
        update.fields.fixed_rate = Some(1.0 / 3.0);
        rules.update(update, EpochMicros(6)).unwrap();

        let json = serde_json::to_string(&rules.stored()).unwrap();
        let stored: StoredRules = serde_json::from_str(&json).unwrap();
        let restored = <RuleSet as Keep>::restore(stored).unwrap();
        assert!(restored.records().eq(rules.records()));
        assert_eq!(restored.last_modification(), EpochMicros(6));
    }
}
