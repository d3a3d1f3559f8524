//! Groups: filter expressions with a name, and what may be done with them.
//!
//! A trace is in a group when it matches the group's expression as it is now. (X-Ray asks as a trace
//! is stored, and keeps what it then found.)

use std::collections::BTreeMap;

use roentgen_filter::{Expression, FilterError, GroupBy, MAX_TERMS, UnknownGroup, parse};
use roentgen_model::Timestamp;
use roentgen_protocol::{Fingerprint, InsightsConfigurationInput};

use crate::arns::{ACCOUNT_ID, REGION};

mod stored;

/// The group that is always there. It has all traces.
pub(crate) const DEFAULT_GROUP: &str = "Default";

/// Groups that may be created (X-Ray's quota).
const MOST_GROUPS: usize = 25;

/// Characters of a name (API model).
const MOST_NAME_CHARACTERS: usize = 32;

/// Groups that one filter expression may name: each of them may be as long as an expression may be.
const MOST_NAMED: usize = 32;

/// A group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// The last part of its ARN; the Default group has none. A group that is made anew under the
    /// same name has another.
    id: Option<String>,
    /// As it was given; `None` for all traces.
    text: Option<String>,
    expression: Expression,
    pub(crate) insights: Insights,
}

/// What is watched for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Insights {
    pub(crate) enabled: bool,
    pub(crate) notify: bool,
}

/// All groups, by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Groups(BTreeMap<String, Group>);

/// What a group is asked for by.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupSelector {
    pub(crate) name: Option<String>,
    pub(crate) arn: Option<String>,
}

/// What is wrong with a request about groups.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupError {
    #[error(
        "GroupName must have 1 to {MOST_NAME_CHARACTERS} characters, and no control characters"
    )]
    Name,
    #[error("GroupName or GroupARN is required")]
    NotNamed,
    #[error("GroupName and GroupARN name different groups")]
    TwoGroups,
    /// Terraform looks for these words.
    #[error("Group not found")]
    NotFound,
    #[error("The group name {DEFAULT_GROUP} is reserved")]
    Reserved,
    #[error("A group with the name {0:?} already exists")]
    Exists(String),
    #[error("The limit of {MOST_GROUPS} groups is reached")]
    TooMany,
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("The FilterExpression of a group must not name groups")]
    NamesGroups,
    #[error("The FilterExpression of the group {DEFAULT_GROUP} cannot be changed")]
    DefaultHasAll,
    #[error("The group {DEFAULT_GROUP} cannot be deleted")]
    DefaultStays,
    #[error("NotificationsEnabled needs InsightsEnabled")]
    NotificationsWithoutInsights,
    #[error("The group {0:?} does not exist")]
    NamedUnknown(String),
    #[error("A FilterExpression may name at most {MOST_NAMED} groups")]
    NamesTooMany,
}

impl Default for Groups {
    fn default() -> Self {
        let default = Group {
            id: None,
            text: None,
            expression: Expression::Everything,
            insights: Insights::default(),
        };
        Self([(DEFAULT_GROUP.to_owned(), default)].into())
    }
}

impl Group {
    /// Its filter expression as it was given; `None` if it has all traces.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Which traces are in it.
    pub(crate) fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Its ARN.
    pub(crate) fn arn(&self, name: &str) -> String {
        let arn = format!("arn:aws:xray:{REGION}:{ACCOUNT_ID}:group/{name}");
        match &self.id {
            Some(id) => format!("{arn}/{id}"),
            None => arn,
        }
    }

    fn set_filter(&mut self, text: String) -> Result<(), GroupError> {
        let expression = parse(&text)?;
        // Otherwise groups could name each other in a circle.
        if expression.clone().with_groups(&|_, _| None).is_err() {
            return Err(GroupError::NamesGroups);
        }
        self.text = (expression != Expression::Everything).then_some(text);
        self.expression = expression;
        Ok(())
    }

    fn set_insights(&mut self, given: InsightsConfigurationInput) -> Result<(), GroupError> {
        let enabled = given.insights_enabled.unwrap_or(self.insights.enabled);
        // Without insights there is nothing to notify of, unless that is asked for.
        let notify = given.notifications_enabled.unwrap_or(self.insights.notify && enabled);
        if notify && !enabled {
            return Err(GroupError::NotificationsWithoutInsights);
        }
        self.insights = Insights { enabled, notify };
        Ok(())
    }
}

impl GroupSelector {
    /// What a request names; Grafana sends `""` for nothing.
    pub(crate) fn new(name: Option<String>, arn: Option<String>) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self { name: given(name), arn: given(arn) }
    }
}

impl Groups {
    /// All groups with their names: the Default group, then the others by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Group)> {
        let is_default = |name: &str| name == DEFAULT_GROUP;
        let all = || self.0.iter().map(|(name, group)| (name.as_str(), group));
        let others = all().filter(move |(name, _)| !is_default(name));
        all().filter(move |(name, _)| is_default(name)).chain(others)
    }

    /// The group that is asked for.
    pub(crate) fn find(&self, selector: &GroupSelector) -> Result<(&str, &Group), GroupError> {
        let by_name = selector.name.as_deref().map(|name| self.by_name(name));
        let by_arn = selector.arn.as_deref().map(|arn| self.by_arn(arn));
        match (by_name, by_arn) {
            (None, None) => Err(GroupError::NotNamed),
            (Some(found), None) | (None, Some(found)) => found.ok_or(GroupError::NotFound),
            (Some(by_name), Some(by_arn)) => {
                let (name, group) = by_name.ok_or(GroupError::NotFound)?;
                let (same, _) = by_arn.ok_or(GroupError::NotFound)?;
                if name == same { Ok((name, group)) } else { Err(GroupError::TwoGroups) }
            }
        }
    }

    /// The group that is asked for, or the Default group.
    pub(crate) fn find_or_default(
        &self,
        selector: &GroupSelector,
    ) -> Result<(&str, &Group), GroupError> {
        match self.find(selector) {
            Err(GroupError::NotNamed) => self.by_name(DEFAULT_GROUP).ok_or(GroupError::NotFound),
            found => found,
        }
    }

    /// Makes a group; gives its ARN.
    pub(crate) fn create(
        &mut self,
        name: String,
        filter: Option<String>,
        insights: Option<InsightsConfigurationInput>,
        now: Timestamp,
    ) -> Result<String, GroupError> {
        check_name(&name)?;
        if name == DEFAULT_GROUP {
            return Err(GroupError::Reserved);
        }
        if self.0.contains_key(&name) {
            return Err(GroupError::Exists(name));
        }
        // The Default group does not count.
        if self.0.len() > MOST_GROUPS {
            return Err(GroupError::TooMany);
        }
        let hash = Fingerprint::of("group").with_text(&name).with_time(now).finish();
        let mut group = Group {
            id: Some(format!("{hash:016X}")),
            text: None,
            expression: Expression::Everything,
            insights: Insights::default(),
        };
        filter.map_or(Ok(()), |text| group.set_filter(text))?;
        insights.map_or(Ok(()), |given| group.set_insights(given))?;
        let arn = group.arn(&name);
        self.0.insert(name, group);
        Ok(arn)
    }

    /// Changes what is given; gives the ARN of the group.
    pub(crate) fn update(
        &mut self,
        selector: &GroupSelector,
        filter: Option<String>,
        insights: Option<InsightsConfigurationInput>,
    ) -> Result<String, GroupError> {
        let name = self.find(selector)?.0.to_owned();
        let group = self.0.get_mut(&name).ok_or(GroupError::NotFound)?;
        if let Some(text) = filter {
            if name == DEFAULT_GROUP && parse(&text)? != Expression::Everything {
                return Err(GroupError::DefaultHasAll);
            }
            group.set_filter(text)?;
        }
        insights.map_or(Ok(()), |given| group.set_insights(given))?;
        Ok(group.arn(&name))
    }

    /// Removes a group; gives the ARN it had.
    pub(crate) fn delete(&mut self, selector: &GroupSelector) -> Result<String, GroupError> {
        let (name, group) = self.find(selector)?;
        if name == DEFAULT_GROUP {
            return Err(GroupError::DefaultStays);
        }
        let (name, arn) = (name.to_owned(), group.arn(name));
        self.0.remove(&name);
        Ok(arn)
    }

    /// The same expression, with those of groups in place of their names.
    pub(crate) fn put_in(&self, expression: Expression) -> Result<Expression, GroupError> {
        let named = std::cell::Cell::new(0);
        let find = |by, value: &str| {
            named.set(named.get() + 1);
            if named.get() > MOST_NAMED {
                return None;
            }
            let found = match by {
                GroupBy::Name => self.by_name(value),
                GroupBy::Arn => self.by_arn(value),
            };
            found.map(|(_, group)| group.expression.clone())
        };
        let outcome = expression.with_groups(&find);
        if named.get() > MOST_NAMED {
            return Err(GroupError::NamesTooMany);
        }
        let expression = outcome.map_err(|UnknownGroup(name)| GroupError::NamedUnknown(name))?;
        match expression.terms() {
            ..=MAX_TERMS => Ok(expression),
            _ => Err(FilterError::TooManyTerms.into()),
        }
    }

    fn by_name(&self, name: &str) -> Option<(&str, &Group)> {
        self.0.get_key_value(name).map(|(name, group)| (name.as_str(), group))
    }

    /// The Default group is known by the ARN that it has in any account.
    pub(crate) fn by_arn(&self, arn: &str) -> Option<(&str, &Group)> {
        if arn.starts_with("arn:") && arn.ends_with(":group/Default") {
            return self.by_name(DEFAULT_GROUP);
        }
        self.iter().find(|(name, group)| group.arn(name) == arn)
    }
}

fn check_name(name: &str) -> Result<(), GroupError> {
    let length = name.chars().count();
    let is_good = (1..=MOST_NAME_CHARACTERS).contains(&length) && !name.contains(char::is_control);
    if is_good { Ok(()) } else { Err(GroupError::Name) }
}

#[cfg(test)]
mod tests;
