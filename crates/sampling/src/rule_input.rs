//! What a caller sends to create or change a rule, and the documented limits it is checked
//! against (`SamplingRule` and `SamplingRuleUpdate` of the API model 2016-04-12).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Display;

use crate::rule::{Rule, SamplingRateBoost};
use crate::rule_error::{RuleError, Violation, echo};

const MAX_ATTRIBUTES: usize = 5;
/// Numbers of the wire are 32-bit integers.
const MAX_INTEGER: i64 = i32::MAX as i64;

/// A rule to create, as sent: anything may be missing or out of range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewRule {
    /// `RuleName`; required although the API model marks it optional.
    pub rule_name: Option<String>,
    /// `Version`; required, and 1.
    pub version: Option<i64>,
    /// The other members; all but the attributes and the boost are required.
    pub fields: RuleFields,
}

/// A change of a rule, as sent. Members left out stay as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleUpdate {
    /// Which rule to change.
    pub selector: RuleSelector,
    /// The members to change.
    pub fields: RuleFields,
}

/// Names a rule by name or by ARN: one of them must be given, and not both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSelector {
    /// `RuleName`.
    pub rule_name: Option<String>,
    /// `RuleARN`.
    pub rule_arn: Option<String>,
}

/// The members of a rule that may be changed, unchecked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleFields {
    /// `Priority`.
    pub priority: Option<i64>,
    /// `FixedRate`.
    pub fixed_rate: Option<f64>,
    /// `ReservoirSize`.
    pub reservoir_size: Option<i64>,
    /// `ServiceName`.
    pub service_name: Option<String>,
    /// `ServiceType`.
    pub service_type: Option<String>,
    /// `Host`.
    pub host: Option<String>,
    /// `HTTPMethod`.
    pub http_method: Option<String>,
    /// `URLPath`.
    pub url_path: Option<String>,
    /// `ResourceARN`.
    pub resource_arn: Option<String>,
    /// `Attributes`.
    pub attributes: Option<BTreeMap<String, String>>,
    /// `SamplingRateBoost`.
    pub sampling_rate_boost: Option<BoostInput>,
}

/// `SamplingRateBoost` as sent; both members are required.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoostInput {
    /// `MaxRate`.
    pub max_rate: Option<f64>,
    /// `CooldownWindowMinutes`.
    pub cooldown_window_minutes: Option<i64>,
}

impl RuleSelector {
    /// Selects by name.
    pub fn by_name(rule_name: impl Into<String>) -> Self {
        Self { rule_name: Some(rule_name.into()), rule_arn: None }
    }

    /// Selects by ARN.
    pub fn by_arn(rule_arn: impl Into<String>) -> Self {
        Self { rule_name: None, rule_arn: Some(rule_arn.into()) }
    }
}

impl NewRule {
    /// The rule, or all the limits it breaks.
    pub(crate) fn check(self) -> Result<Rule, RuleError> {
        let mut checker = Checker::new("samplingRule");
        // Stands in for whatever is missing; never seen, because a missing member is a violation.
        let blank = Rule { rule_name: String::new(), ..Rule::default_rule() };
        let rule_name = checker.required("ruleName", self.rule_name);
        if let Some(name) = &rule_name {
            checker.characters("ruleName", name, 1, 32);
        }
        let version = checker.required("version", self.version);
        if let Some(version) = version {
            checker.within("version", version, 1, 1);
        }
        checker.require_all(&self.fields);
        let mut rule = checker.apply(self.fields, blank);
        rule.rule_name = rule_name.unwrap_or_default();
        checker.finish(rule)
    }
}

impl RuleFields {
    /// `rule` with these members changed, or all the limits they break.
    pub(crate) fn check_update(self, rule: Rule) -> Result<Rule, RuleError> {
        let mut checker = Checker::new("samplingRuleUpdate");
        let rule = checker.apply(self, rule);
        checker.finish(rule)
    }

    /// Whether nothing is changed but what may be changed of the Default rule.
    pub(crate) fn is_fit_for_default(&self) -> bool {
        *self
            == Self {
                fixed_rate: self.fixed_rate,
                reservoir_size: self.reservoir_size,
                ..Self::default()
            }
    }
}

impl From<&Rule> for NewRule {
    fn from(rule: &Rule) -> Self {
        let text = |text: &str| Some(text.to_owned());
        Self {
            rule_name: text(&rule.rule_name),
            version: Some(rule.version.into()),
            fields: RuleFields {
                priority: Some(rule.priority.into()),
                fixed_rate: Some(rule.fixed_rate),
                reservoir_size: Some(rule.reservoir_size.into()),
                service_name: text(&rule.service_name),
                service_type: text(&rule.service_type),
                host: text(&rule.host),
                http_method: text(&rule.http_method),
                url_path: text(&rule.url_path),
                resource_arn: text(&rule.resource_arn),
                attributes: Some(rule.attributes.clone()),
                sampling_rate_boost: rule.sampling_rate_boost.map(|boost| BoostInput {
                    max_rate: Some(boost.max_rate),
                    cooldown_window_minutes: Some(boost.cooldown_window_minutes.into()),
                }),
            },
        }
    }
}

/// Collects violations, so that a caller hears of all of them at once.
struct Checker {
    structure: &'static str,
    violations: Vec<Violation>,
}

impl Checker {
    fn new(structure: &'static str) -> Self {
        Self { structure, violations: Vec::new() }
    }

    fn finish(self, rule: Rule) -> Result<Rule, RuleError> {
        if self.violations.is_empty() { Ok(rule) } else { Err(RuleError::Invalid(self.violations)) }
    }

    /// `rule` with the given members put in. Values that break a limit are noted, and the result
    /// must then not be used.
    fn apply(&mut self, fields: RuleFields, mut rule: Rule) -> Rule {
        if let Some(priority) = fields.priority {
            rule.priority = self.within("priority", priority, 1, 9999);
        }
        if let Some(rate) = fields.fixed_rate {
            rule.fixed_rate = self.rate("fixedRate", rate);
        }
        if let Some(size) = fields.reservoir_size {
            rule.reservoir_size = self.within("reservoirSize", size, 0, MAX_INTEGER);
        }
        let patterns = [
            ("serviceName", fields.service_name, &mut rule.service_name, 64),
            ("serviceType", fields.service_type, &mut rule.service_type, 64),
            ("host", fields.host, &mut rule.host, 64),
            ("hTTPMethod", fields.http_method, &mut rule.http_method, 10),
            ("uRLPath", fields.url_path, &mut rule.url_path, 128),
            ("resourceARN", fields.resource_arn, &mut rule.resource_arn, 500),
        ];
        for (member, given, place, most) in patterns {
            if let Some(pattern) = given {
                self.characters(member, &pattern, 0, most);
                *place = pattern;
            }
        }
        if let Some(attributes) = fields.attributes {
            self.attributes(&attributes);
            rule.attributes = attributes;
        }
        if let Some(boost) = fields.sampling_rate_boost {
            rule.sampling_rate_boost = self.boost(boost);
        }
        rule
    }

    fn require_all(&mut self, fields: &RuleFields) {
        self.required("priority", fields.priority);
        self.required("fixedRate", fields.fixed_rate);
        self.required("reservoirSize", fields.reservoir_size);
        self.required("serviceName", fields.service_name.as_ref());
        self.required("serviceType", fields.service_type.as_ref());
        self.required("host", fields.host.as_ref());
        self.required("hTTPMethod", fields.http_method.as_ref());
        self.required("uRLPath", fields.url_path.as_ref());
        self.required("resourceARN", fields.resource_arn.as_ref());
    }

    fn required<T>(&mut self, member: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.note(member, None, "Member must not be null".to_owned());
        }
        value
    }

    fn characters(&mut self, member: &str, text: &str, least: usize, most: usize) {
        let length = text.chars().count();
        if length < least {
            let constraint = format!("Member must have length greater than or equal to {least}");
            self.note(member, Some(echo(text)), constraint);
        }
        if length > most {
            let constraint = format!("Member must have length less than or equal to {most}");
            self.note(member, Some(echo(text)), constraint);
        }
    }

    /// The number as stored; 0 when it is out of range, which is noted.
    fn within(&mut self, member: &str, number: i64, least: i64, most: i64) -> u32 {
        self.bounds(member, number, least, most);
        u32::try_from(number).unwrap_or_default()
    }

    fn rate(&mut self, member: &str, rate: f64) -> f64 {
        self.bounds(member, rate, 0.0, 1.0);
        rate
    }

    fn bounds<N: PartialOrd + Display>(&mut self, member: &str, number: N, least: N, most: N) {
        // A NaN is on neither side, and refused with the second reason.
        if number < least {
            let constraint = format!("Member must have value greater than or equal to {least}");
            self.note(member, Some(number.to_string()), constraint);
        } else if number.partial_cmp(&most).is_none_or(Ordering::is_gt) {
            let constraint = format!("Member must have value less than or equal to {most}");
            self.note(member, Some(number.to_string()), constraint);
        }
    }

    fn attributes(&mut self, attributes: &BTreeMap<String, String>) {
        if attributes.len() > MAX_ATTRIBUTES {
            let constraint =
                format!("Member must have length less than or equal to {MAX_ATTRIBUTES}");
            self.note("attributes", Some(format!("{} entries", attributes.len())), constraint);
            return;
        }
        for (key, value) in attributes {
            self.characters("attributes.key", key, 1, 32);
            self.characters("attributes.value", value, 1, 32);
        }
    }

    fn boost(&mut self, boost: BoostInput) -> Option<SamplingRateBoost> {
        let max_rate = self.required("samplingRateBoost.maxRate", boost.max_rate);
        let minutes =
            self.required("samplingRateBoost.cooldownWindowMinutes", boost.cooldown_window_minutes);
        let minutes = minutes?;
        Some(SamplingRateBoost {
            max_rate: self.rate("samplingRateBoost.maxRate", max_rate?),
            cooldown_window_minutes: self.within(
                "samplingRateBoost.cooldownWindowMinutes",
                minutes,
                0,
                MAX_INTEGER,
            ),
        })
    }

    fn note(&mut self, member: &str, value: Option<String>, constraint: String) {
        let member = format!("{}.{member}", self.structure);
        self.violations.push(Violation { member, value, constraint });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> NewRule {
        let mut rule = Rule::default_rule();
        rule.rule_name = "checkout".to_owned();
        rule.priority = 100;
        NewRule::from(&rule)
    }

    /// Members that are found at fault, in order.
    fn faults(change: impl FnOnce(&mut NewRule)) -> Vec<String> {
        let mut new_rule = valid();
        change(&mut new_rule);
        match new_rule.check() {
            Ok(_) => Vec::new(),
            Err(RuleError::Invalid(violations)) => violations
                .into_iter()
                .map(|violation| violation.member.replace("samplingRule.", ""))
                .collect(),
            Err(other) => panic!("unexpected {other:?}"),
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let check = |change: &dyn Fn(&mut NewRule), expect: &[&str]| {
            assert_eq!(faults(change), expect);
        };
        check(&|_| {}, &[]);
        check(&|rule| rule.rule_name = Some("x".repeat(32)), &[]);
        check(&|rule| rule.rule_name = Some("é".repeat(32)), &[]);
        check(&|rule| rule.rule_name = Some("x".repeat(33)), &["ruleName"]);
        check(&|rule| rule.rule_name = Some(String::new()), &["ruleName"]);
        check(&|rule| rule.version = Some(2), &["version"]);
        check(&|rule| rule.version = Some(0), &["version"]);
        check(&|rule| rule.fields.priority = Some(1), &[]);
        check(&|rule| rule.fields.priority = Some(9999), &[]);
        check(&|rule| rule.fields.priority = Some(0), &["priority"]);
        check(&|rule| rule.fields.priority = Some(10_000), &["priority"]);
        check(&|rule| rule.fields.priority = Some(i64::MIN), &["priority"]);
        check(&|rule| rule.fields.fixed_rate = Some(0.0), &[]);
        check(&|rule| rule.fields.fixed_rate = Some(1.0), &[]);
        check(&|rule| rule.fields.fixed_rate = Some(-0.01), &["fixedRate"]);
        check(&|rule| rule.fields.fixed_rate = Some(1.01), &["fixedRate"]);
        check(&|rule| rule.fields.fixed_rate = Some(f64::NAN), &["fixedRate"]);
        check(&|rule| rule.fields.reservoir_size = Some(0), &[]);
        check(&|rule| rule.fields.reservoir_size = Some(-1), &["reservoirSize"]);
        check(&|rule| rule.fields.reservoir_size = Some(1 << 31), &["reservoirSize"]);
        check(&|rule| rule.fields.service_name = Some("x".repeat(64)), &[]);
        check(&|rule| rule.fields.service_name = Some("x".repeat(65)), &["serviceName"]);
        check(&|rule| rule.fields.service_type = Some("x".repeat(65)), &["serviceType"]);
        check(&|rule| rule.fields.host = Some("x".repeat(65)), &["host"]);
        check(&|rule| rule.fields.http_method = Some("x".repeat(11)), &["hTTPMethod"]);
        check(&|rule| rule.fields.url_path = Some("x".repeat(129)), &["uRLPath"]);
        check(&|rule| rule.fields.resource_arn = Some("x".repeat(501)), &["resourceARN"]);
    }

    #[test]
    fn attributes_and_boost() {
        let attributes = |count: usize, length: usize| {
            (0..count).map(|n| (format!("key{n}"), "v".repeat(length))).collect()
        };
        assert!(faults(|rule| rule.fields.attributes = Some(attributes(5, 32))).is_empty());
        let six = faults(|rule| rule.fields.attributes = Some(attributes(6, 1)));
        assert_eq!(six, ["attributes"]);
        let empty = faults(|rule| rule.fields.attributes = Some(attributes(1, 0)));
        assert_eq!(empty, ["attributes.value"]);
        let boost = |max_rate, cooldown_window_minutes| {
            faults(|rule| {
                rule.fields.sampling_rate_boost =
                    Some(BoostInput { max_rate, cooldown_window_minutes });
            })
        };
        assert!(boost(Some(1.0), Some(0)).is_empty());
        assert_eq!(boost(Some(1.5), Some(0)), ["samplingRateBoost.maxRate"]);
        assert_eq!(boost(Some(1.0), Some(-1)), ["samplingRateBoost.cooldownWindowMinutes"]);
        assert_eq!(
            boost(None, None),
            ["samplingRateBoost.maxRate", "samplingRateBoost.cooldownWindowMinutes"]
        );
    }

    #[test]
    fn everything_required_is_asked_for_at_once() {
        let missing = faults(|rule| *rule = NewRule::default());
        let expect = [
            "ruleName",
            "version",
            "priority",
            "fixedRate",
            "reservoirSize",
            "serviceName",
            "serviceType",
            "host",
            "hTTPMethod",
            "uRLPath",
            "resourceARN",
        ];
        assert_eq!(missing, expect);
    }

    #[test]
    fn a_checked_rule_is_the_rule_sent() {
        let mut rule = Rule::default_rule();
        rule.rule_name = "checkout".to_owned();
        rule.priority = 9;
        rule.attributes.insert("tenant".to_owned(), "gold".to_owned());
        rule.sampling_rate_boost =
            Some(SamplingRateBoost { max_rate: 0.5, cooldown_window_minutes: 10 });
        assert_eq!(NewRule::from(&rule).check(), Ok(rule));
    }
}
