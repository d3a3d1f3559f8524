//! A sampling rule, what it matches, and the Default rule.

use std::collections::BTreeMap;

use crate::time::EpochMicros;
use crate::wildcard::wildcard_match;

/// The name of the rule that always exists.
pub const DEFAULT_RULE_NAME: &str = "Default";

/// Above every priority a user may choose (1–9999), so that the Default rule comes last.
pub const DEFAULT_RULE_PRIORITY: u32 = 10_000;

/// A sampling rule whose values have been checked. [`NewRule`](crate::NewRule) is the unchecked
/// form.
///
/// The six text members are patterns, see [`wildcard_match`].
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Identity of the rule, 1–32 characters.
    pub rule_name: String,
    /// Position in the order of evaluation, lowest first: 1–9999, 10000 for the Default rule.
    pub priority: u32,
    /// Share of requests to sample after the reservoir is used up, 0–1.
    pub fixed_rate: f64,
    /// Requests per second to sample before the fixed rate applies, over all clients of the rule.
    pub reservoir_size: u32,
    /// Pattern for the name the service gives itself in its segments, up to 64 characters.
    pub service_name: String,
    /// Pattern for the service's origin, such as `AWS::ECS::Container`, up to 64 characters.
    pub service_type: String,
    /// Pattern for the `Host` header, up to 64 characters.
    pub host: String,
    /// Pattern for the HTTP method, up to 10 characters.
    pub http_method: String,
    /// Pattern for the path of the URL, up to 128 characters.
    pub url_path: String,
    /// Pattern for the ARN of the resource that runs the service, up to 500 characters.
    pub resource_arn: String,
    /// Format of the rule; 1 is the only one.
    pub version: u32,
    /// Patterns for attributes of the request, up to 5, keys and values 1–32 characters.
    pub attributes: BTreeMap<String, String>,
    /// How far adaptive sampling may raise the rate. Kept for clients; no boost is computed yet.
    pub sampling_rate_boost: Option<SamplingRateBoost>,
}

/// Limits of adaptive sampling for a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingRateBoost {
    /// The highest boosted rate, 0–1.
    pub max_rate: f64,
    /// Minutes after a boost in which no other may start.
    pub cooldown_window_minutes: u32,
}

/// A rule with the times of its creation and last change.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleRecord {
    /// The rule.
    pub rule: Rule,
    /// When the rule was created; 0 for the Default rule.
    pub created_at: EpochMicros,
    /// When the rule last changed; 0 for a Default rule that was never changed.
    pub modified_at: EpochMicros,
}

/// What is known of a request when the decision to sample it is due.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestAttributes<'a> {
    /// Name of the service that takes the request.
    pub service_name: Option<&'a str>,
    /// Origin of the service that takes the request.
    pub service_type: Option<&'a str>,
    /// `Host` header.
    pub host: Option<&'a str>,
    /// HTTP method.
    pub http_method: Option<&'a str>,
    /// Path of the URL.
    pub url_path: Option<&'a str>,
    /// ARN of the resource that runs the service.
    pub resource_arn: Option<&'a str>,
    /// Further attributes, as names and values.
    pub attributes: &'a [(&'a str, &'a str)],
}

impl Rule {
    /// The Default rule as every account has it at first: one request per second and 5 %.
    pub fn default_rule() -> Self {
        let any = || "*".to_owned();
        Self {
            rule_name: DEFAULT_RULE_NAME.to_owned(),
            priority: DEFAULT_RULE_PRIORITY,
            fixed_rate: 0.05,
            reservoir_size: 1,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            resource_arn: any(),
            version: 1,
            attributes: BTreeMap::new(),
            sampling_rate_boost: None,
        }
    }

    /// Whether this is the rule that always exists.
    pub fn is_default(&self) -> bool {
        self.rule_name == DEFAULT_RULE_NAME
    }

    /// Whether every condition of the rule holds for the request.
    ///
    /// As in the X-Ray SDKs, a value that the request lacks (absent or empty) counts as a match, so
    /// that segments made by hand, without HTTP data, still find a rule. The resource ARN and the
    /// attributes are the exception, because SDKs pass over rules that ask for them: without such a
    /// value only `*` matches an ARN, and nothing an attribute.
    pub fn matches(&self, request: &RequestAttributes<'_>) -> bool {
        matches_if_known(&self.service_name, request.service_name)
            && matches_if_known(&self.service_type, request.service_type)
            && matches_if_known(&self.host, request.host)
            && matches_if_known(&self.http_method, request.http_method)
            && matches_if_known(&self.url_path, request.url_path)
            && wildcard_match(&self.resource_arn, request.resource_arn.unwrap_or(""))
            && self.attributes.iter().all(|(key, pattern)| {
                request
                    .attributes
                    .iter()
                    .any(|(name, value)| name == key && wildcard_match(pattern, value))
            })
    }
}

impl RuleRecord {
    /// The Default rule, never changed.
    pub fn default_rule() -> Self {
        Self {
            rule: Rule::default_rule(),
            created_at: EpochMicros::default(),
            modified_at: EpochMicros::default(),
        }
    }
}

fn matches_if_known(pattern: &str, value: Option<&str>) -> bool {
    value.is_none_or(|value| value.is_empty() || wildcard_match(pattern, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(change: impl FnOnce(&mut Rule)) -> Rule {
        let mut rule = Rule::default_rule();
        change(&mut rule);
        rule
    }

    const REQUEST: RequestAttributes<'static> = RequestAttributes {
        service_name: Some("shop"),
        service_type: Some("AWS::ECS::Container"),
        host: Some("shop.example"),
        http_method: Some("POST"),
        url_path: Some("/checkout/1"),
        resource_arn: Some("arn:aws:ecs:us-east-1:123456789012:task/1"),
        attributes: &[("tenant", "gold-1"), ("beta", "yes")],
    };

    #[test]
    fn every_condition_must_hold() {
        assert!(Rule::default_rule().matches(&REQUEST));
        assert!(rule(|rule| rule.service_name = "SH?P".to_owned()).matches(&REQUEST));
        assert!(!rule(|rule| rule.service_name = "other".to_owned()).matches(&REQUEST));
        assert!(!rule(|rule| rule.service_type = "AWS::EC2::*".to_owned()).matches(&REQUEST));
        assert!(!rule(|rule| rule.host = "*.test".to_owned()).matches(&REQUEST));
        assert!(!rule(|rule| rule.http_method = "GET".to_owned()).matches(&REQUEST));
        assert!(!rule(|rule| rule.url_path = "/checkout".to_owned()).matches(&REQUEST));
        assert!(!rule(|rule| rule.resource_arn = "arn:aws:ec2:*".to_owned()).matches(&REQUEST));
        assert!(rule(|rule| rule.resource_arn = "arn:aws:ecs:*".to_owned()).matches(&REQUEST));
    }

    #[test]
    fn missing_values_match_except_arn_and_attributes() {
        let nothing = RequestAttributes::default();
        let blank = RequestAttributes { host: Some(""), ..nothing };
        assert!(rule(|rule| rule.service_name = "shop".to_owned()).matches(&nothing));
        assert!(rule(|rule| rule.url_path = "/checkout".to_owned()).matches(&nothing));
        assert!(rule(|rule| rule.host = "shop".to_owned()).matches(&blank));
        assert!(!rule(|rule| rule.resource_arn = "arn:*".to_owned()).matches(&nothing));
        let tenant = BTreeMap::from([("tenant".to_owned(), "*".to_owned())]);
        assert!(!rule(|rule| rule.attributes = tenant).matches(&nothing));
    }

    #[test]
    fn all_attributes_must_match() {
        let check = |pairs: &[(&str, &str)], expect: bool| {
            let attributes =
                pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let rule = rule(|rule| rule.attributes = attributes);
            assert_eq!(rule.matches(&REQUEST), expect, "{pairs:?}");
        };
        check(&[("tenant", "GOLD-?")], true);
        check(&[("tenant", "gold-*"), ("beta", "yes")], true);
        check(&[("tenant", "gold-*"), ("beta", "no")], false);
        check(&[("tenant", "gold-*"), ("region", "*")], false);
    }
}
