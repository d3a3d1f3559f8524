//! Groups: filter expressions with a name.

use serde::{Deserialize, Serialize};

use super::TagInput;

/// Request of CreateGroup.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateGroupRequest {
    /// Required.
    pub group_name: Option<String>,
    /// Which traces are in the group; none and `""` mean all.
    pub filter_expression: Option<String>,
    /// What is watched for the group.
    pub insights_configuration: Option<InsightsConfigurationInput>,
    /// Tags for the group.
    pub tags: Option<Vec<TagInput>>,
}

/// Request of GetGroup and DeleteGroup.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupRequest {
    /// The group by name,
    pub group_name: Option<String>,
    /// or by ARN.
    #[serde(rename = "GroupARN")]
    pub group_arn: Option<String>,
}

/// Request of UpdateGroup. What is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateGroupRequest {
    /// The group by name,
    pub group_name: Option<String>,
    /// or by ARN.
    #[serde(rename = "GroupARN")]
    pub group_arn: Option<String>,
    /// Which traces are in the group from now on; `""` means all.
    pub filter_expression: Option<String>,
    /// What is watched for the group.
    pub insights_configuration: Option<InsightsConfigurationInput>,
}

/// Request of GetGroups.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetGroupsRequest {
    /// From the previous page; there is only one page.
    pub next_token: Option<String>,
}

/// What is watched, as callers send it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InsightsConfigurationInput {
    /// Whether insights are looked for.
    pub insights_enabled: Option<bool>,
    /// Whether they are told; only with insights.
    pub notifications_enabled: Option<bool>,
}

/// Reply of CreateGroup, GetGroup and UpdateGroup.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupReply<'a> {
    /// The group as it is now.
    pub group: Group<'a>,
}

/// Reply of DeleteGroup: nothing.
#[derive(Debug, Default, Serialize)]
pub struct DeleteGroupReply {}

/// Reply of GetGroups: all groups at once, for there are few.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetGroupsReply<'a> {
    /// The Default group and those that were created.
    pub groups: Vec<Group<'a>>,
}

/// A group. `GroupSummary` is the same in the API's model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group<'a> {
    /// Its name.
    pub group_name: &'a str,
    /// Its ARN.
    #[serde(rename = "GroupARN")]
    pub group_arn: String,
    /// As it was given; absent when the group has all traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_expression: Option<&'a str>,
    /// Always there, with both members: Terraform reads them.
    pub insights_configuration: InsightsConfiguration,
}

/// What is watched.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the members are those of the input")]
pub struct InsightsConfiguration {
    pub insights_enabled: bool,
    pub notifications_enabled: bool,
}
