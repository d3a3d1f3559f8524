//! The form of the groups in the settings: X-Ray's names, so that the file reads like the API.

use serde::{Deserialize, Serialize};

use super::{DEFAULT_GROUP, Group, GroupError, Groups, Insights, MOST_GROUPS, check_name};
use crate::kept::Keep;

/// A group.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StoredGroup {
    group_name: String,
    /// The last part of the ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter_expression: Option<String>,
    insights_enabled: bool,
    notifications_enabled: bool,
}

impl Keep for Groups {
    const KIND: &'static str = "groups";

    type Stored = Vec<StoredGroup>;

    fn initial() -> Self {
        Self::default()
    }

    fn stored(&self) -> Vec<StoredGroup> {
        let store = |(name, group): (&str, &Group)| StoredGroup {
            group_name: name.to_owned(),
            id: group.id.clone(),
            filter_expression: group.text.clone(),
            insights_enabled: group.insights.enabled,
            notifications_enabled: group.insights.notify,
        };
        self.iter().map(store).collect()
    }

    fn restore(stored: Vec<StoredGroup>) -> Result<Self, String> {
        let mut groups = Self::default();
        for stored in stored {
            let name = stored.group_name.clone();
            groups.restore_one(stored).map_err(|error| format!("group {name:?}: {error}"))?;
        }
        Ok(groups)
    }
}

impl Groups {
    fn restore_one(&mut self, stored: StoredGroup) -> Result<(), GroupError> {
        let name = stored.group_name;
        let is_default = name == DEFAULT_GROUP;
        check_name(&name)?;
        if !is_default && self.0.contains_key(&name) {
            return Err(GroupError::Exists(name));
        }
        if !is_default && self.0.len() > MOST_GROUPS {
            return Err(GroupError::TooMany);
        }
        if is_default && stored.filter_expression.is_some() {
            return Err(GroupError::DefaultHasAll);
        }
        if stored.notifications_enabled && !stored.insights_enabled {
            return Err(GroupError::NotificationsWithoutInsights);
        }
        let mut group = Group {
            id: stored.id.filter(|_| !is_default),
            text: None,
            expression: roentgen_filter::Expression::Everything,
            insights: Insights {
                enabled: stored.insights_enabled,
                notify: stored.notifications_enabled,
            },
        };
        stored.filter_expression.map_or(Ok(()), |text| group.set_filter(text))?;
        self.0.insert(name, group);
        Ok(())
    }
}
