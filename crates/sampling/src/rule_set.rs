//! The rules of one account and region, and how they may be changed.

use crate::rule::{DEFAULT_RULE_NAME, RequestAttributes, Rule, RuleRecord};
use crate::rule_error::{RuleError, echo};
use crate::rule_input::{NewRule, RuleSelector, RuleUpdate};
use crate::time::EpochMicros;

/// How many rules there may be besides the Default rule; the service's quota per region.
pub const MAX_CUSTOM_RULES: usize = 25;

/// The rules of one account and region, in the order of evaluation.
///
/// The Default rule is always there, and last. No two rules share a name.
#[derive(Clone, Debug)]
pub struct RuleSet {
    arn_prefix: String,
    /// Some samples of the service lack the account in ARNs; such ARNs are understood as well.
    arn_prefix_without_account: String,
    /// The custom rules by priority, then name.
    custom: Vec<RuleRecord>,
    default: RuleRecord,
    last_modification: EpochMicros,
}

impl RuleSet {
    /// The rules of an account that never touched them: the Default rule alone.
    pub fn new(region: &str, account_id: &str) -> Self {
        Self {
            arn_prefix: format!("arn:aws:xray:{region}:{account_id}:sampling-rule/"),
            arn_prefix_without_account: format!("arn:aws:xray:{region}::sampling-rule/"),
            custom: Vec::new(),
            default: RuleRecord::default_rule(),
            last_modification: EpochMicros::default(),
        }
    }

    /// Rules as they were kept from [`records`](Self::records) and
    /// [`last_modification`](Self::last_modification). Without a record of the Default rule it is
    /// as at first.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`update`](Self::update), when the records could not have
    /// come from a rule set.
    pub fn restore(
        region: &str,
        account_id: &str,
        records: impl IntoIterator<Item = RuleRecord>,
        last_modification: EpochMicros,
    ) -> Result<Self, RuleError> {
        let mut rules = Self::new(region, account_id);
        for record in records {
            if record.rule.is_default() {
                let mut expected = Rule::default_rule();
                expected.fixed_rate = record.rule.fixed_rate;
                expected.reservoir_size = record.rule.reservoir_size;
                let valid = (0.0..=1.0).contains(&record.rule.fixed_rate);
                if !valid || record.rule != expected {
                    return Err(RuleError::InvalidDefaultUpdate);
                }
                rules.default = record;
            } else {
                let rule = NewRule::from(&record.rule).check()?;
                rules.add(RuleRecord { rule, ..record })?;
            }
        }
        rules.last_modification = last_modification;
        Ok(rules)
    }

    /// Adds a rule and answers its record.
    ///
    /// # Errors
    /// When the rule breaks a limit, its name is taken, or there are [`MAX_CUSTOM_RULES`] already.
    pub fn create(&mut self, new_rule: NewRule, now: EpochMicros) -> Result<RuleRecord, RuleError> {
        let rule = new_rule.check()?;
        let record = RuleRecord { rule, created_at: now, modified_at: now };
        self.add(record.clone())?;
        self.note_change(now);
        Ok(record)
    }

    /// Changes a rule and answers its new record.
    ///
    /// # Errors
    /// When there is no such rule, the change breaks a limit, or it asks more of the Default rule
    /// than another rate and reservoir.
    pub fn update(
        &mut self,
        update: RuleUpdate,
        now: EpochMicros,
    ) -> Result<RuleRecord, RuleError> {
        let record = self.select(&update.selector)?;
        if record.rule.is_default() && !update.fields.is_fit_for_default() {
            return Err(RuleError::InvalidDefaultUpdate);
        }
        let rule = update.fields.check_update(record.rule.clone())?;
        let record = RuleRecord { rule, created_at: record.created_at, modified_at: now };
        if record.rule.is_default() {
            self.default = record.clone();
        } else {
            self.custom.retain(|other| other.rule.rule_name != record.rule.rule_name);
            self.insert_in_order(record.clone());
        }
        self.note_change(now);
        Ok(record)
    }

    /// Removes a rule and answers the record it had.
    ///
    /// # Errors
    /// When there is no such rule, or it is the Default rule.
    pub fn delete(
        &mut self,
        selector: &RuleSelector,
        now: EpochMicros,
    ) -> Result<RuleRecord, RuleError> {
        let record = self.select(selector)?.clone();
        if record.rule.is_default() {
            return Err(RuleError::DefaultNotDeletable);
        }
        self.custom.retain(|other| other.rule.rule_name != record.rule.rule_name);
        self.note_change(now);
        Ok(record)
    }

    /// All records in the order of evaluation: by priority, then by name, the Default rule last.
    pub fn records(&self) -> impl Iterator<Item = &RuleRecord> {
        self.custom.iter().chain(std::iter::once(&self.default))
    }

    /// The rule of this name.
    pub fn get(&self, rule_name: &str) -> Option<&RuleRecord> {
        self.records().find(|record| record.rule.rule_name == rule_name)
    }

    /// The first rule in the order of evaluation that matches the request.
    pub fn matching(&self, request: &RequestAttributes<'_>) -> &Rule {
        self.custom
            .iter()
            .map(|record| &record.rule)
            .find(|rule| rule.matches(request))
            .unwrap_or(&self.default.rule)
    }

    /// The ARN of a rule of this set.
    pub fn arn(&self, rule: &Rule) -> String {
        format!("{}{}", self.arn_prefix, rule.rule_name)
    }

    /// When a rule was last created, changed or deleted; 0 when never.
    pub fn last_modification(&self) -> EpochMicros {
        self.last_modification
    }

    fn select(&self, selector: &RuleSelector) -> Result<&RuleRecord, RuleError> {
        let (asked, rule_name) = match (&selector.rule_name, &selector.rule_arn) {
            (Some(name), None) => (name, Some(name.as_str())),
            (None, Some(arn)) => (arn, self.name_in_arn(arn)),
            _ => return Err(RuleError::NotOneSelector),
        };
        rule_name
            .and_then(|rule_name| self.get(rule_name))
            .ok_or_else(|| RuleError::NotFound { selector: echo(asked) })
    }

    fn name_in_arn<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&self.arn_prefix)
            .or_else(|| arn.strip_prefix(&self.arn_prefix_without_account))
    }

    fn add(&mut self, record: RuleRecord) -> Result<(), RuleError> {
        let rule_name = &record.rule.rule_name;
        if rule_name == DEFAULT_RULE_NAME || self.get(rule_name).is_some() {
            return Err(RuleError::AlreadyExists { rule_name: rule_name.clone() });
        }
        if self.custom.len() >= MAX_CUSTOM_RULES {
            return Err(RuleError::LimitExceeded { limit: MAX_CUSTOM_RULES });
        }
        self.insert_in_order(record);
        Ok(())
    }

    fn insert_in_order(&mut self, record: RuleRecord) {
        let key = |record: &RuleRecord| (record.rule.priority, record.rule.rule_name.clone());
        let place = self.custom.partition_point(|other| key(other) < key(&record));
        self.custom.insert(place, record);
    }

    /// The time never goes back, even when the clock does: clients ask only whether it is newer.
    fn note_change(&mut self, now: EpochMicros) {
        self.last_modification = self.last_modification.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule_input::RuleFields;

    const NOW: EpochMicros = EpochMicros(1_700_000_000_500_000);
    const LATER: EpochMicros = EpochMicros(1_700_000_001_500_000);

    fn empty() -> RuleSet {
        RuleSet::new("us-east-1", "123456789012")
    }

    fn new_rule(rule_name: &str, priority: u32) -> NewRule {
        let rule_name = rule_name.to_owned();
        NewRule::from(&Rule { rule_name, priority, ..Rule::default_rule() })
    }

    fn names(rules: &RuleSet) -> Vec<&str> {
        rules.records().map(|record| record.rule.rule_name.as_str()).collect()
    }

    #[test]
    fn default_rule_is_always_there() {
        let rules = empty();
        assert_eq!(names(&rules), ["Default"]);
        let record = rules.get("Default").unwrap();
        assert_eq!((record.created_at, record.modified_at), Default::default());
        assert_eq!(record.rule.priority, 10_000);
        assert_eq!((record.rule.fixed_rate, record.rule.reservoir_size), (0.05, 1));
        assert_eq!(
            rules.arn(&record.rule),
            "arn:aws:xray:us-east-1:123456789012:sampling-rule/Default"
        );
        assert_eq!(rules.last_modification(), EpochMicros(0));
    }

    #[test]
    fn create_update_delete() {
        let mut rules = empty();
        let created = rules.create(new_rule("checkout", 5), NOW).unwrap();
        assert_eq!((created.created_at, created.modified_at), (NOW, NOW));
        assert_eq!(rules.last_modification(), NOW);

        let fields = RuleFields { fixed_rate: Some(0.5), ..RuleFields::default() };
        let selector = RuleSelector::by_name("checkout");
        let updated = rules.update(RuleUpdate { selector, fields }, LATER).unwrap();
        assert_eq!((updated.created_at, updated.modified_at), (NOW, LATER));
        assert_eq!((updated.rule.fixed_rate, updated.rule.priority), (0.5, 5));
        assert_eq!(rules.get("checkout"), Some(&updated));
        assert_eq!(rules.last_modification(), LATER);

        let much_later = EpochMicros::from_seconds(1_800_000_000);
        let arn = rules.arn(&updated.rule);
        let deleted = rules.delete(&RuleSelector::by_arn(arn), much_later).unwrap();
        assert_eq!(deleted, updated);
        assert_eq!(names(&rules), ["Default"]);
        assert_eq!(rules.last_modification(), much_later);
    }

    #[test]
    fn last_modification_never_goes_back() {
        let mut rules = empty();
        rules.create(new_rule("a", 1), LATER).unwrap();
        rules.create(new_rule("b", 1), NOW).unwrap();
        assert_eq!(rules.last_modification(), LATER);
    }

    #[test]
    fn refused_changes_change_nothing() {
        let mut rules = empty();
        rules.create(new_rule("checkout", 5), NOW).unwrap();
        let before: Vec<RuleRecord> = rules.records().cloned().collect();

        let bad_rate = RuleFields { fixed_rate: Some(2.0), ..RuleFields::default() };
        let selector = RuleSelector::by_name("checkout");
        let update = RuleUpdate { selector, fields: bad_rate };
        assert!(matches!(rules.update(update, LATER), Err(RuleError::Invalid(_))));
        assert_eq!(
            rules.create(new_rule("checkout", 7), LATER),
            Err(RuleError::AlreadyExists { rule_name: "checkout".to_owned() })
        );
        assert_eq!(
            rules.create(new_rule("Default", 7), LATER),
            Err(RuleError::AlreadyExists { rule_name: "Default".to_owned() })
        );
        assert_eq!(
            rules.delete(&RuleSelector::by_name("Default"), LATER),
            Err(RuleError::DefaultNotDeletable)
        );
        assert_eq!(
            rules.delete(&RuleSelector::by_name("gone"), LATER).unwrap_err().to_string(),
            "Sampling rule not found: gone"
        );
        assert_eq!(rules.records().cloned().collect::<Vec<_>>(), before);
        assert_eq!(rules.last_modification(), NOW);
    }

    #[test]
    fn name_or_arn_but_not_both() {
        let mut rules = empty();
        rules.create(new_rule("checkout", 5), NOW).unwrap();
        let check = |name: Option<&str>, arn: Option<&str>, expect: Result<(), &str>| {
            let selector = RuleSelector {
                rule_name: name.map(str::to_owned),
                rule_arn: arn.map(str::to_owned),
            };
            let found = rules.select(&selector).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(found, expect.map_err(str::to_owned));
        };
        let one_of_them = Err("Specify the sampling rule by either RuleName or RuleARN");
        let arn = "arn:aws:xray:us-east-1:123456789012:sampling-rule/checkout";
        check(Some("checkout"), None, Ok(()));
        check(None, Some(arn), Ok(()));
        check(None, Some("arn:aws:xray:us-east-1::sampling-rule/checkout"), Ok(()));
        check(Some("checkout"), Some(arn), one_of_them);
        check(None, None, one_of_them);
        check(Some("CHECKOUT"), None, Err("Sampling rule not found: CHECKOUT"));
        let elsewhere = "arn:aws:xray:eu-west-1:123456789012:sampling-rule/checkout";
        check(None, Some(elsewhere), Err(&format!("Sampling rule not found: {elsewhere}")));
    }

    #[test]
    fn default_rule_may_change_rate_and_reservoir_only() {
        let mut rules = empty();
        let mut update = |fields| {
            rules.update(RuleUpdate { selector: RuleSelector::by_name("Default"), fields }, NOW)
        };
        let fields =
            RuleFields { fixed_rate: Some(1.0), reservoir_size: Some(50), ..RuleFields::default() };
        let record = update(fields.clone()).unwrap();
        assert_eq!((record.rule.fixed_rate, record.rule.reservoir_size), (1.0, 50));
        assert_eq!((record.created_at, record.modified_at), (EpochMicros(0), NOW));

        let with_host = RuleFields { host: Some("*".to_owned()), ..fields.clone() };
        let with_priority = RuleFields { priority: Some(10_000), ..fields };
        for refused in [with_host, with_priority] {
            assert_eq!(
                update(refused).unwrap_err().to_string(),
                "Invalid update request for default sampling rule"
            );
        }
    }

    #[test]
    fn twenty_five_custom_rules() {
        let mut rules = empty();
        for number in 0..MAX_CUSTOM_RULES {
            rules.create(new_rule(&format!("rule-{number}"), 1), NOW).unwrap();
        }
        assert_eq!(
            rules.create(new_rule("one-more", 1), NOW),
            Err(RuleError::LimitExceeded { limit: 25 })
        );
        rules.delete(&RuleSelector::by_name("rule-7"), NOW).unwrap();
        rules.create(new_rule("one-more", 1), NOW).unwrap();
    }

    #[test]
    fn priority_decides_then_name() {
        let mut rules = empty();
        for (name, priority) in [("zebra", 1), ("b", 20), ("a", 20), ("c", 3)] {
            rules.create(new_rule(name, priority), NOW).unwrap();
        }
        assert_eq!(names(&rules), ["zebra", "c", "a", "b", "Default"]);
        let fields = RuleFields { priority: Some(9999), ..RuleFields::default() };
        rules.update(RuleUpdate { selector: RuleSelector::by_name("zebra"), fields }, NOW).unwrap();
        assert_eq!(names(&rules), ["c", "a", "b", "zebra", "Default"]);
    }

    #[test]
    fn restore_gives_the_same_rules() {
        let mut rules = empty();
        rules.create(new_rule("b", 2), NOW).unwrap();
        rules.create(new_rule("a", 2), NOW).unwrap();
        let fields = RuleFields { reservoir_size: Some(9), ..RuleFields::default() };
        let selector = RuleSelector::by_name("Default");
        rules.update(RuleUpdate { selector, fields }, LATER).unwrap();
        let records: Vec<RuleRecord> = rules.records().cloned().collect();

        let restore = |records: Vec<RuleRecord>| {
            RuleSet::restore("us-east-1", "123456789012", records, LATER)
        };
        let reversed: Vec<RuleRecord> = records.iter().rev().cloned().collect();
        let restored = restore(reversed).unwrap();
        assert_eq!(restored.records().cloned().collect::<Vec<_>>(), records);
        assert_eq!(restored.last_modification(), LATER);

        let twice = vec![records[0].clone(), records[0].clone()];
        assert!(matches!(restore(twice), Err(RuleError::AlreadyExists { .. })));
        let mut bad_default = RuleRecord::default_rule();
        bad_default.rule.host = "shop".to_owned();
        assert_eq!(restore(vec![bad_default]).unwrap_err(), RuleError::InvalidDefaultUpdate);
    }

    fn arbitrary_rules() -> impl Strategy<Value = Vec<(u32, String, String)>> {
        prop::collection::vec((1..6u32, "[ab*?]{0,3}", "[ab*?]{0,3}"), 0..12)
    }

    proptest! {
        #[test]
        fn order_of_creation_is_of_no_consequence(
            (sorted, shuffled) in arbitrary_rules().prop_flat_map(|rules| {
                let named: Vec<_> = rules.into_iter().enumerate().collect();
                (Just(named.clone()), Just(named).prop_shuffle())
            }),
            host in "[ab]{0,3}",
            url_path in "[ab]{0,3}",
        ) {
            let build = |rules: &[(usize, (u32, String, String))]| {
                let mut set = empty();
                for (number, (priority, host, url_path)) in rules {
                    let mut rule = new_rule(&format!("rule-{number}"), *priority);
                    rule.fields.host = Some(host.clone());
                    rule.fields.url_path = Some(url_path.clone());
                    set.create(rule, NOW).unwrap();
                }
                set
            };
            let request = RequestAttributes {
                host: Some(&host),
                url_path: Some(&url_path),
                ..RequestAttributes::default()
            };
            let one = build(&sorted);
            let other = build(&shuffled);
            prop_assert_eq!(names(&one), names(&other));
            prop_assert_eq!(one.matching(&request), other.matching(&request));
            // The rule found is the least, by priority and name, of all that match.
            let least = one
                .records()
                .map(|record| &record.rule)
                .filter(|rule| rule.matches(&request))
                .min_by_key(|rule| (rule.priority, rule.rule_name.clone()));
            prop_assert_eq!(Some(one.matching(&request)), least);
        }
    }
}
